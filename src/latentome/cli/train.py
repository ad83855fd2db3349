"""``latentome train``: prepare a matrix and train a model on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import typer

from latentome.cli import options as o
from latentome.errors import InputError

_OWN = {
    "prepare_on": o.option(
        str,
        "Where a matrix on disk is prepared: here, local (threads), or a Dask scheduler: tcp://host:8786.",
        default="here",
    ),
}


@o.asks_for_training(o.Data, more=_OWN)
def command(asked: o.Asked, prepare_on: str) -> None:
    """Prepare a matrix and train a model; predict, evaluate, visualize and report go on from its folder."""
    from latentome.cli.log import listener
    from latentome.cli.show import command_line
    from latentome.workflow import train_step

    with _workers(prepare_on, asked.config.data) as by_dask:
        folder, _ = train_step(
            asked.config,
            asked.out,
            listener(),
            command=command_line(),
            replace=asked.replace,
            resume=asked.resume,
            dask=by_dask,
        )
    typer.echo(f"Model: {folder.path}\nNext: latentome predict {folder.typed}")


@contextlib.contextmanager
def _workers(place: str, data: str) -> Iterator[bool]:
    """Whether a matrix on disk is prepared by Dask, whose workers are there as long as the block lasts."""
    if place == "here":
        yield False
        return
    from latentome.sweep.cluster import BATCH, Cluster, import_extra
    from latentome.sweep.workers import check_workers

    if place in BATCH:
        raise InputError(
            "A matrix is not prepared by jobs of its own.",
            where=f"--prepare-on {place}",
            expected="here, local, or the address of a Dask scheduler",
            todo="start Dask workers as jobs, and give the address of their scheduler",
        )
    cluster = Cluster.parse(place, option="--prepare-on", kinds=("here", "local"))
    if cluster.kind == "local":
        with import_extra("dask").config.set(scheduler="threads"):
            yield True
        return
    with cluster.client(Path()) as client, import_extra("dask").config.set(scheduler=client):
        check_workers(client, cluster, Path(data).expanduser().absolute())
        yield True
