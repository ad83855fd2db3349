"""The figure of the benchmarks: seconds per epoch of every engine, a panel for each task."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pandas as pd
from tasks import TASKS

OURS, PEER = "#0072b2", "#b0b0b0"


def draw(table: pd.DataFrame, path: Path, machine: str) -> None:
    """Save the figure of the `table` that train.py makes at `path`; `machine` is written below it."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    tasks = list(dict.fromkeys(table["task"]))
    columns = min(2, len(tasks))
    lines = -(-len(tasks) // columns)
    most = int(table.groupby("task").size().max())
    height = 0.9 + 0.30 * most
    figure, axes = plt.subplots(
        lines, columns, figsize=(6.2 * columns, height * lines + 0.7), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(tasks) :]:
        axis.set_visible(False)
    for task, axis in zip(tasks, axes.flat, strict=False):
        panel(axis, table[table["task"] == task], TASKS[task].title)
    figure.supxlabel(textwrap.fill(machine, 88 * columns), fontsize=7, color="#555555")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def panel(axis, rows: pd.DataFrame, title: str) -> None:
    """The bars of one task."""
    seconds = rows["s_per_epoch"].astype(float)
    known = seconds.dropna()
    axis.set_title(title, fontsize=10, loc="left", fontweight="bold")
    axis.set_xscale("log")
    low, high = (known.min() / 3, known.max() * 12) if len(known) else (0.1, 10.0)
    axis.set_xlim(low, high)
    ours = seconds[rows["engine"] == "latentome"].squeeze() if "latentome" in set(rows["engine"]) else None
    for place, (engine, value, note) in enumerate(zip(rows["engine"], seconds, rows["note"], strict=True)):
        if value != value:
            axis.text(low * 1.1, place, textwrap.shorten(note, 60), va="center", fontsize=8, color="#777777")
            continue
        axis.barh(place, value - low, left=low, color=OURS if engine == "latentome" else PEER, height=0.68)
        times = (
            f"  ({float(f'{value / ours:.3g}'):,g} x)"
            if ours is not None and engine != "latentome" and ours == ours
            else ""
        )
        axis.text(value * 1.06, place, f"{spell(value)}{times}", va="center", fontsize=8)
    axis.set_yticks(range(len(rows)), rows["engine"], fontsize=8.5)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlabel("seconds per epoch, log scale (in brackets: times latentome's)", fontsize=8)
    axis.tick_params(axis="x", labelsize=8)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.grid(axis="x", color="#e5e5e5", linewidth=0.6)
    axis.set_axisbelow(True)


def spell(seconds: float) -> str:
    """A time for people."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"
