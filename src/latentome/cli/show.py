"""What the commands print: steps with their times, how far they are, the verdict."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.console import Console

from latentome.cli.lines import Lines
from latentome.workflow.reporter import Reporter

if TYPE_CHECKING:
    import pandas as pd

    from latentome.io import RunFolder


class Terminal(Reporter):
    """Shows the steps of a workflow on standard error; on a terminal the one that runs, too, and its time left."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = Lines()

    def say(self, text: str) -> None:
        """Print a sentence."""
        self.lines.console.print(f"  {text}", markup=False, style="dim")

    def progress(self, done: float, total: float, row: Mapping[str, float] | None = None) -> None:
        """Move the bar of the step that runs."""
        self.lines.move(done, total, f"loss {row['loss']:.5g}" if row and "loss" in row else "")

    def transfer(self, name: str, done: int, total: int | None) -> None:
        """Move the bar of a file, within the step that fetches it."""
        self.lines.move_file(name, done, total)

    @contextlib.contextmanager
    def step(self, title: str, unit: str = "") -> Iterator[None]:
        """Show the step while it runs; print it and its time when it is done."""
        with super().step(title), self.lines.showing(title, unit):
            yield
        self.lines.console.print(f"{title:28s}{self.timings[title]:7.1f} s", markup=False)


def command_line() -> str:
    """What the user typed."""
    return shlex.join(["latentome", *sys.argv[1:]])


def print_comparison(table: pd.DataFrame) -> None:
    """Print mean and standard deviation of each method and size, the best of each size in bold."""
    from rich.table import Table

    from latentome.tl import summarise
    from latentome.tl.evaluate import BETTER

    summary = summarise(table)
    # What "variance explained" says the error says.
    summary = summary.drop(columns="variance explained", level=0, errors="ignore")
    best = {}
    shown = Table(title="mean (sd) over folds and seeds")
    shown.add_column("method", overflow="fold")
    shown.add_column("k")
    for measure in summary.columns.get_level_values(0).unique():
        shown.add_column(measure, min_width=len(measure))
        best[measure] = summary[measure, "mean"].groupby("k").agg("max" if BETTER.get(measure) == "higher" else "min")
    for (method, k), row in summary.iterrows():
        cells = []
        for measure in best:
            mean, sd = row[measure, "mean"], row[measure, "sd"]
            text = "" if mean != mean else f"{mean:.4g}" + (f" ({sd:.2g})" if sd == sd else "")
            cells.append(f"[bold]{text}[/bold]" if mean == best[measure][k] else text)
        shown.add_row(method, str(k or "all"), *cells)
    # Wide enough that no digit is cut off, whatever the terminal.
    Console(highlight=False, width=max(Console().width, Console(width=1000).measure(shown).maximum)).print(shown)


def print_verdict(run: RunFolder) -> None:
    """Print the comparison with PCA, and what it means."""
    from rich.table import Table

    metrics = json.loads(run.metrics.read_text(encoding="utf-8"))
    table = Table("on held-out samples", *metrics["methods"])
    for metric, values in metrics["table"].items():
        best = (min if metrics["better"][metric] == "lower" else max)(values.values())
        cells = [f"[bold]{v:.4g}[/bold]" if v == best else f"{v:.4g}" for v in (values[m] for m in metrics["methods"])]
        table.add_row(metric, *cells)
    console = Console(highlight=False)
    console.print(table)
    for sentence in metrics["verdict"]:
        console.print(sentence, markup=False)
