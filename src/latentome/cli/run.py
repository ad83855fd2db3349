"""``latentome run``: a matrix in, a report out."""

from __future__ import annotations

from typing import Annotated

import typer

from latentome.cli import options as o


@o.asks_for_training(
    Annotated[str, typer.Argument(help="An expression file, or the name of a data set.")], default="tcga-33"
)
def command(asked: o.Asked) -> None:
    """From a matrix to a report: read, train, encode, map, compare with PCA, draw, report."""
    from latentome.cli.log import listener
    from latentome.cli.show import command_line, print_verdict
    from latentome.workflow import run_config

    folder = run_config(
        asked.config,
        asked.out,
        replace=asked.replace,
        resume=asked.resume,
        reporter=listener(),
        command=command_line(),
    )
    print_verdict(folder)
    typer.echo(f"Report: {folder.report}")
