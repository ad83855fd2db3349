"""``latentome train``: prepare a matrix and train a model on it."""

from __future__ import annotations

import typer

from latentome.cli import options as o


@o.asks_for_training(o.Data)
def command(asked: o.Asked) -> None:
    """Prepare a matrix and train a model; predict, evaluate, visualize and report go on from its folder."""
    from latentome.cli.log import listener
    from latentome.cli.show import command_line
    from latentome.workflow import train_step

    folder, _ = train_step(
        asked.config,
        asked.out,
        listener(),
        command=command_line(),
        replace=asked.replace,
        resume=asked.resume,
    )
    typer.echo(f"Model: {folder.path}\nNext: latentome predict {folder.path}")
