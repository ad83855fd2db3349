"""``latentome report``: the one-file report of a run."""

from __future__ import annotations

import typer

from latentome.cli import options as o


def command(run: o.Run) -> None:
    """Write the report of a run: one HTML file that opens offline."""
    from latentome.cli.log import listener
    from latentome.report import write

    reporter = listener()
    with reporter.step("report", "figures"):
        path = write(run, reporter.progress)
    typer.echo(f"Report: {path}")
