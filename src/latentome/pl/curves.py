"""How the training went: the loss and its parts, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from latentome.errors import InputError
from latentome.pl.comparison import method_colors
from latentome.pl.inputs import check_columns
from latentome.pl.style import PALETTE, SINGLE, literal, new_figure, new_panels, styled, tones, visible

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Column of the history, heading of its panel, colour.
_PARTS = (
    ("loss", "Total loss", PALETTE[0]),
    ("reconstruction", "Reconstruction", PALETTE[2]),
    ("kl", "KL divergence", PALETTE[5]),
    ("penalty", "Penalty", PALETTE[3]),
)


@styled
def training_curves(history: pd.DataFrame) -> Figure:
    """Draw the loss and its parts against the epoch, training solid and validation dashed.

    A panel is on a logarithmic scale if its values are positive and span more than a factor of twenty. Otherwise its
    scale follows the curve after the first epochs, and a note says how high the curve goes if that is outside.

    Parameters
    ----------
    history
        One row an epoch: ``epoch``, ``loss``, and where they exist ``reconstruction``, ``kl``, ``beta``, ``penalty``
        and the same names with ``val_`` in front. A part that is always the same share of the loss, all of it
        or none, gets no panel. Of an ensemble the members one after the other, told apart by ``member``: one thin
        line for each.

    Returns
    -------
    A figure with one panel (3.5 inches wide) or up to four (7.2 inches).

    Raises
    ------
    InputError
        If the history is empty, or lacks the epoch or the loss.
    """
    todo = "Pass the history_ of a fitted model, or the history.tsv of a run folder."
    check_columns(history, ("epoch", "loss"), "There is no training history to draw.", todo, "history")
    parts = [part for part in _PARTS if _worth_drawing(history, part[0])]
    figure, grid = new_panels(len(parts), 2.25, 0.2, alone=2.5, four=2)
    for axes, (name, heading, color) in zip(grid, parts, strict=True):
        _draw_part(axes, history, name, heading if len(parts) > 1 else "Loss", color)
    _key(figure, any(f"val_{part[0]}" in history.columns for part in parts))
    return figure


@styled
def loss_comparison(histories: Mapping[str, pd.DataFrame], part: str = "loss", title: str | None = None) -> Figure:
    """Draw one loss of several trainings together, training solid and validation dashed.

    Parameters
    ----------
    histories
        Name of a training to its history, as in `training_curves`.
    part
        Column to draw: ``loss``, or ``reconstruction`` where the losses of the models have other parts.
    title
        Heading; none by default.

    Returns
    -------
    A figure 3.5 inches wide.

    Raises
    ------
    InputError
        If there is no training, or one lacks the epoch or the column.
    """
    lacking = [name for name, h in histories.items() if not len(h) or not {"epoch", part} <= set(h.columns)]
    if lacking or not histories:
        raise InputError(
            "The losses cannot be drawn together.",
            where=f"histories of {', '.join(lacking or histories) or 'no training'}",
            expected=f"the columns epoch and {part}, and one row or more",
            todo="Pass the history_ of fitted models, or the history.tsv of run folders.",
        )
    figure = new_figure(SINGLE, 2.75, layout="constrained")
    axes, curves = figure.subplots(), []
    colors = method_colors([literal(name) for name in histories])
    for (name, color), history in zip(colors.items(), histories.values(), strict=True):
        mean = history.groupby("epoch")[[c for c in (part, f"val_{part}") if c in history]].mean()
        epoch = mean.index.to_numpy(dtype=float)
        for column, line in zip(mean, ("-", "--"), strict=False):
            values = mean[column].to_numpy(dtype=float)
            label = name if column == part else None
            axes.plot(epoch, values, line, color=color, linewidth=1.1, label=label, marker="o"[: len(mean) == 1])
            curves.append((epoch, values))
    _scale(axes, curves)
    axes.set(title=title or "", xlabel="epoch", ylabel=f"{part} (dashed: validation)")
    axes.margins(x=0.02)
    figure.legend(loc="outside upper center", ncols=3, handlelength=1.6)
    return figure


def _worth_drawing(history: pd.DataFrame, name: str) -> bool:
    """Tell whether a part of the loss says something that the total does not: it is none of it, and no share of it."""
    import numpy as np

    if name == "loss":
        return True
    if name not in history.columns or history[name].notna().sum() == 0:
        return False
    values, loss = history[name].to_numpy(dtype=float), history["loss"].to_numpy(dtype=float)
    factor = np.nansum(values) / (np.nansum(loss) or 1.0)
    same = np.allclose(values, factor * loss, rtol=1e-5, atol=0, equal_nan=True)
    return not same and bool(np.nanmax(np.abs(values)) > 0)


def _draw_part(axes: Axes, history: pd.DataFrame, name: str, heading: str, color: str) -> None:
    """Draw one part of the loss, on training and validation samples."""
    import numpy as np

    members = [table for _, table in history.groupby("member")] if "member" in history.columns else [history]
    curves = []
    for member in members:
        for column, line in ((name, "-"), (f"val_{name}", "--")):
            if column not in history.columns:
                continue
            known = member[np.isfinite(member[column].to_numpy(dtype=float))]
            epoch, values = known["epoch"].to_numpy(dtype=float), known[column].to_numpy(dtype=float)
            # A single epoch has no line: a marker keeps it visible.
            marker = "o" if len(known) == 1 else None
            width, shade = (1.3, 1.0) if line == "-" else (1.1, 0.75)
            width, shade = (width, shade) if len(members) == 1 else (0.6 * width, 0.6 * shade)
            look = {"color": visible(color), "linewidth": width, "alpha": shade, "marker": marker}
            axes.plot(epoch, values, line, markersize=3, **look)
            curves.append((epoch, values))
    axes.set(title=heading, xlabel="epoch")
    axes.margins(x=0.02)
    axes.xaxis.get_major_locator().set_params(integer=True)
    _scale(axes, curves)
    if name == "kl" and "beta" in history.columns:
        longest = max(members, key=len)
        _add_beta(axes, longest["epoch"].to_numpy(dtype=float), longest["beta"].to_numpy(dtype=float))


def _scale(axes: Axes, curves: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Choose the vertical scale so that the long tail of the training is visible."""
    import numpy as np

    values = np.concatenate([v for _, v in curves])
    if not len(values):
        return
    if values.min() > 0 and values.max() > 20 * values.min():
        axes.set_yscale("log")
        return
    later = np.concatenate([v[max(1, math.ceil(0.06 * len(v))) :] for _, v in curves if len(v) > 8] or [values])
    low, high = later.min(), later.max()
    room = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    if values.max() > high + 4 * room:
        axes.set_ylim(min(values.min(), low) - room, high + room)
        highest, epoch = max((v.max(), e[v.argmax()]) for e, v in curves if len(v))
        note = f"\N{UPWARDS ARROW} {highest:.4g} at epoch {epoch:g}"
        # Beside the heading no line runs through it.
        axes.set_title(note, loc="right", size=6, color=tones().faint, weight="normal")


def _add_beta(axes: Axes, epoch: np.ndarray, beta: np.ndarray) -> None:
    """Show the weight of the KL term: in the heading if it never changes, else on a scale of its own."""
    import numpy as np

    if np.nanmin(beta) == np.nanmax(beta):
        axes.set_title(f"{axes.get_title(loc='left')} (\N{GREEK SMALL LETTER BETA} = {np.nanmax(beta):g})")
        return
    twin = axes.twinx()
    twin.spines["right"].set_visible(True)
    twin.spines["right"].set_color(tones().faint)
    twin.plot(epoch, beta, color=tones().faint, linewidth=1.0, linestyle=":")
    twin.set_ylim(0, 1.08 * np.nanmax(beta))
    twin.set_ylabel("weight \N{GREEK SMALL LETTER BETA} (dotted)", color=tones().faint)
    twin.tick_params(axis="y", colors=tones().faint)


def _key(figure: Figure, validated: bool) -> None:
    """Add the key of the two line types, once for all panels."""
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=tones().faint, linestyle="-", label="training samples")]
    if validated:
        lines.append(Line2D([], [], color=tones().faint, linestyle="--", label="validation samples"))
    figure.legend(handles=lines, loc="outside lower center", ncols=2, handlelength=2.4)
