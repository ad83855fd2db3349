"""``latentome reproduce``: published work, repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from latentome.cli import options as o
from latentome.errors import InputError, check_known

_WORKS = ("class3", "tybalt")


def command(
    work: Annotated[
        str,
        typer.Argument(help="class3: the two autoencoders of the class. tybalt: the published pan-cancer pipeline."),
    ],
    out: o.Out = None,
    raw: Annotated[
        str | None, typer.Option(help="tybalt: a folder with the raw files (default: they are fetched).")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="tybalt: a data set or file in place of the raw files, such as tcga-33.")
    ] = None,
    as_published: Annotated[
        bool, typer.Option("--as-published", help="tybalt: keep the documented defects of tables and model.")
    ] = False,
    epochs: Annotated[
        int | None,
        typer.Option(
            "-e", "--epochs", min=1, max=2**31 - 1, help="tybalt: passes over the data (default: the models')."
        ),
    ] = None,
    seed: o.Seed = 0,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the reproduction that is in the folder.")] = False,
) -> None:
    """Repeat a published work: train its models, draw its figures, table its numbers beside ours."""
    check_known(work, _WORKS, f"There is no work '{work}' to reproduce.", where="the argument WORK")
    folder = out or Path(f"latentome-{work}")
    if work == "tybalt":
        _tybalt(folder, raw, data, as_published=as_published, epochs=epochs, seed=seed, replace=replace)
    else:
        for option, given in (("--raw", raw), ("--data", data), ("--as-published", as_published), ("--epochs", epochs)):
            if given:
                raise _only_for_tybalt(option)
        _class3(folder, seed, replace)


def _class3(folder: Path, seed: int, replace: bool) -> None:
    from latentome.cli.log import listener
    from latentome.workflow import reproduce_class3

    errors = reproduce_class3(folder, seed=seed, replace=replace, reporter=listener())
    typer.echo(errors.to_string(float_format="{:.4g}".format))
    typer.echo(f"Figure: {folder / 'class3.png'}")


def _tybalt(folder: Path, raw: str | None, data: str | None, **options: Any) -> None:
    from latentome.cli.log import listener
    from latentome.workflow import RAW_SETS, reproduce_tybalt

    if raw is not None and data is not None:
        raise InputError(
            "The pipeline starts from raw files or from data, not from both.",
            where=f"--raw {raw} --data {data}",
            expected="one of the two options, or none to fetch the raw files",
            todo="leave one of them out",
        )
    metrics = reproduce_tybalt(folder, raw=raw or RAW_SETS[0], data=data, reporter=listener(), **options)
    typer.echo(metrics.to_string(float_format="{:.4g}".format))
    typer.echo(
        f"Figure: {folder / 'tsne.png'}\nReports: {folder / 'vae' / 'report.html'}, {folder / 'adage' / 'report.html'}"
    )


def _only_for_tybalt(option: str) -> InputError:
    return InputError(
        f"{option} is for the work 'tybalt'.",
        where=option,
        expected="class3 without it",
        todo=f"leave {option} out",
    )
