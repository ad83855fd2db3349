"""``latentome visualize``: every figure of a run."""

from __future__ import annotations

import typer

from latentome.cli import options as o


def command(run: o.Run) -> None:
    """Draw every figure of a run."""
    from latentome.cli.show import Terminal
    from latentome.workflow import open_to_write, prepare_again, visualize_step

    with open_to_write(str(run), "h5ad", "metrics") as (folder, config):
        names = visualize_step(folder, prepare_again(config, folder), Terminal())
    for name in names:
        typer.echo(folder.figures / name)
    typer.echo(f"Next: latentome report {folder.path}")
