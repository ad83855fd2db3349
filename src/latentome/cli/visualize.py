"""``latentome visualize``: every figure of a run."""

from __future__ import annotations

import typer

from latentome.cli import options as o


def command(run: o.Run) -> None:
    """Draw every figure of a run."""
    from latentome.cli.show import Terminal
    from latentome.workflow import open_run, prepare_again, visualize_step

    folder, config = open_run(str(run))
    folder.require("h5ad")
    folder.require("metrics")
    for name in visualize_step(folder, prepare_again(config, folder), Terminal()):
        typer.echo(folder.figures / name)
    typer.echo(f"Next: latentome report {folder.path}")
