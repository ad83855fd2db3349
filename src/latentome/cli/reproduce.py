"""``latentome reproduce``: published work, repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentome.cli import options as o
from latentome.errors import InputError, nearest

_WORKS = ("class3",)


def command(
    work: Annotated[str, typer.Argument(help="class3: the two basic autoencoders of the class, against PCA.")],
    out: o.Out = None,
    seed: o.Seed = 0,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the reproduction that is in the folder.")] = False,
) -> None:
    """Repeat a published work: train its models, draw its figures, table its numbers beside ours."""
    if work not in _WORKS:
        raise InputError(
            f"There is no work '{work}' to reproduce.",
            where="the argument WORK",
            expected=nearest(work, _WORKS),
            todo="choose one of these",
        )
    from latentome.cli.show import Terminal
    from latentome.workflow import reproduce_class3

    folder = out or Path("latentome-class3")
    errors = reproduce_class3(folder, seed=seed, replace=replace, reporter=Terminal())
    typer.echo(errors.to_string(float_format="{:.4g}".format))
    typer.echo(f"Figure: {folder / 'class3.png'}")
