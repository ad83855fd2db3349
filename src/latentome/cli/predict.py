"""``latentome predict``: encode the samples of a run, or new ones."""

from __future__ import annotations

from typing import Annotated

import typer

from latentome.cli import options as o
from latentome.errors import InputError


def command(
    run: o.Run,
    data: Annotated[str | None, typer.Argument(help="New samples: an expression file or a data set's name.")] = None,
    out: o.Out = None,
    orientation: o.Orientation = "auto",
    max_missing: Annotated[float, typer.Option(help="Largest share of the model's genes that may be missing.")] = 0.2,
    any_range: Annotated[
        bool, typer.Option("--any-range", help="Take new samples that seem to be on another scale than in training.")
    ] = False,
    on_disk: o.OnDisk = None,
    replace: o.Replace = False,
) -> None:
    """Encode, reconstruct and map samples: those of the run, or new ones, which are aligned gene by gene."""
    from latentome.cli.show import Terminal
    from latentome.workflow import open_run, open_to_write, predict_new, predict_run, trained_from_disk

    folder, _ = open_run(str(run))
    if data is None and out is not None:
        raise InputError(
            "The samples of a run are encoded into the folder of the run.",
            where=f"--out {out}",
            expected="no --out, or new samples: latentome predict RUN DATA --out FOLDER",
            todo="leave --out out, or name the new samples",
        )
    if data is None:
        with open_to_write(str(run), "model") as (folder, config):
            predict_run(folder, config, Terminal())
        following = "" if trained_from_disk(folder) else f"\nNext: latentome evaluate {folder.path}"
        typer.echo(f"Features: {folder.latent}{following}")
        return
    written = predict_new(
        folder,
        data,
        out,
        orientation=orientation,
        max_missing=max_missing,
        check_range=not any_range,
        on_disk=on_disk,
        replace=replace,
        reporter=Terminal(),
    )
    typer.echo(f"Features: {written / 'latent.tsv'}")
