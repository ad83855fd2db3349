"""``latentome download``: data sets and files, fetched and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentome.cli import options as o


def command(
    what: Annotated[list[str], typer.Argument(help="Names of data sets (see 'latentome datasets'), or addresses.")],
    out: o.Out = None,
    file: Annotated[
        list[str] | None, typer.Option(help="Only these files of the data set, such as 'models/*'.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Use only what is there already.")] = False,
    extract: Annotated[bool, typer.Option("--extract", help="Unpack the archive at an address.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds without an answer before the next attempt.")] = 30.0,
    attempts: Annotated[int, typer.Option(min=1, help="How often in a row a transfer may get no further.")] = 4,
) -> None:
    """Fetch data sets or any file: resumed where it was cut, checked, and kept for the next time."""
    from latentome.cli.log import listener
    from latentome.datasets import download

    reporter = listener()
    for one in what:
        folder = out if out is None or len(what) == 1 else Path(out) / Path(one).name
        with reporter.step(f"fetch {one}"):
            found = download(
                one,
                folder,
                only=file or None,
                offline=offline or None,
                extract=extract,
                timeout=timeout,
                attempts=attempts,
                progress=reporter.transfer,
            )
        for path in found.values():
            typer.echo(path)
