"""``latentome visualize``: every figure of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from latentome.cli import options as o
from latentome.errors import check_known

FORMATS = ("png", "pdf", "svg")


def command(
    run: o.Run,
    formats: Annotated[
        str, typer.Option("--format", help="png (300 dots an inch), pdf, svg, or several with commas between.")
    ] = "png",
    dark: Annotated[
        bool, typer.Option("--dark", help="On dark paper, into figures-dark; the report shows those on light paper.")
    ] = False,
) -> None:
    """Draw every figure of a run; the report needs them as png."""
    from latentome.cli.log import listener
    from latentome.workflow import open_to_write, prepare_again, visualize_step

    wanted = list(dict.fromkeys(part.strip().lower() for part in formats.split(",")))
    for one in wanted:
        what, todo = f"Figures cannot be written as '{one}'.", "name one of these, or several with commas between"
        check_known(one, FORMATS, what, where=f"--format {formats}", todo=todo)
    with open_to_write(str(run), "h5ad", "metrics") as (folder, config):
        reporter = listener()
        with reporter.step("read and prepare", "bytes"):
            prepared = prepare_again(config, folder, reporter)
        paths = visualize_step(folder, prepared, reporter, wanted, dark=dark)
    for path in paths:
        typer.echo(path)
    typer.echo(f"Next: latentome report {folder.typed}")
