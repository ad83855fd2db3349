"""The model beside PCA: every score, and the error class by class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from latentome.errors import InputError
from latentome.pl.inputs import all_shortened, check_columns
from latentome.pl.style import DOUBLE, FIRST, PALETTE, SINGLE, literal, new_figure, new_panels, styled, tones, visible

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def scores(table: pd.DataFrame, better: Mapping[str, str] | None = None) -> Figure:
    """Draw every score of every method, one panel for each score, all bars from zero.

    Parameters
    ----------
    table
        One row a score, named in the index; one column a method, such as the model and ``"PCA"``. A method without a
        value is marked as such.
    better
        Score to ``"lower"`` or ``"higher"``: which way is better. It is written in the panel, and the best value is
        bold.

    Returns
    -------
    A figure 7.2 inches wide (3.5 for one score).

    Raises
    ------
    InputError
        If the table is empty, or `better` says anything else than lower or higher.
    """
    better = dict(better or {})
    _check_table(table, "the scores")
    if not set(better.values()) <= {"lower", "higher"}:
        raise InputError(
            "It is unclear which way a score is better.",
            where=f"better={better!r}",
            expected="'lower' or 'higher' for each score",
            todo="Correct the value, or leave the score out.",
        )
    columns = min(len(table), 4 if len(table) in (4, 7, 8) or len(table) > 9 else 3)
    rows = math.ceil(len(table) / columns)
    width = SINGLE if columns == 1 else DOUBLE
    figure = new_figure(width, rows * (0.62 + 0.19 * table.shape[1]), layout="constrained")
    figure.get_layout_engine().set(hspace=0.1, wspace=0.04)
    panels = figure.subplots(rows, columns, squeeze=False)
    for i, axes in enumerate(panels.ravel()):
        if i < len(table):
            _score_panel(axes, table.iloc[i], better.get(str(table.index[i])), names=i % columns == 0)
        else:
            axes.set_axis_off()
    return figure


def method_colors(methods: list[str]) -> dict[str, str]:
    """Give each method its colour: PCA grey, the others from the palette, blue first."""
    others = [m for m in methods if m.upper() != "PCA"]
    free = [FIRST, *[c for c in PALETTE if c != FIRST]]
    colors = {m: visible(free[i % len(free)]) for i, m in enumerate(others)}
    return {m: colors.get(m, tones().baseline) for m in methods}


def _check_table(table: pd.DataFrame, what: str) -> None:
    """Refuse a table without rows or columns."""
    if table.shape[0] and table.shape[1]:
        return
    raise InputError(
        f"There is nothing to draw in {what}.",
        where=f"table, shape {table.shape}",
        expected="one row or more, one column for each method",
        todo="Evaluate the model first.",
    )


def _score_panel(axes: Axes, row: pd.Series, better: str | None, *, names: bool) -> None:
    """Draw one score of all methods as bars with their values written out."""
    import numpy as np

    methods = [literal(m) for m in row.index]
    values = row.to_numpy(dtype=float)
    places = np.arange(len(methods))[::-1]
    known = np.isfinite(values)
    texts = [
        f"{v:#.3g}".rstrip(".").replace("-", "\N{MINUS SIGN}") if k else "no value"
        for v, k in zip(values, known, strict=True)
    ]
    best = _best(values, texts, better)
    low, high = min(0.0, *values[known], 0.0), max(0.0, *values[known], 0.0)
    reach = (high - low) or 1.0
    axes.barh(places, np.where(known, values, 0.0), height=0.62, color=[*method_colors(methods).values()], zorder=2)
    for place, value, text, bold in zip(places, values, texts, best, strict=True):
        end = max(value, 0.0) if np.isfinite(value) else 0.0
        weight, shade = ("bold" if bold else "normal"), (tones().ink if bold or not any(best) else tones().faint)
        axes.text(end + 0.03 * reach, place, text, size=6.5, va="center", weight=weight, color=shade)
    axes.set(xlim=(low - 0.02 * reach, high + 0.42 * reach), ylim=(-0.6, len(methods) - 0.4), xticks=[])
    axes.axvline(0, color=tones().ink, linewidth=0.6, zorder=3)
    axes.spines[:].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_yticks(places, methods if names else [""] * len(methods))
    axes.set_title(literal(row.name), pad=11)
    if better:
        arrow = "\N{LEFTWARDS ARROW}" if better == "lower" else "\N{RIGHTWARDS ARROW}"
        note = f"{arrow} {better} is better" if better == "lower" else f"{better} is better {arrow}"
        over = {"xycoords": "axes fraction", "textcoords": "offset points"}
        axes.annotate(note, (0, 1), (0, 2.5), size=6, color=tones().faint, **over)


def _best(values, texts: list[str], better: str | None) -> list[bool]:
    """Mark the best value; methods that read the same share the mark only if others read worse."""
    import numpy as np

    if better is None or not np.isfinite(values).any():
        return [False] * len(texts)
    winner = texts[int(np.nanargmin(values) if better == "lower" else np.nanargmax(values))]
    marks = [text == winner for text in texts]
    return marks if not all(marks) else [False] * len(texts)


@styled
def reconstruction_error(table: pd.DataFrame, counts: Mapping[str, int] | None = None) -> Figure:
    """Draw the held-out error of each class as one dot for each method, joined by a line, worst class on top.

    Parameters
    ----------
    table
        Held-out mean squared errors: one row a class, named in the index; one column a method.
    counts
        How many held-out samples each class has, in brackets behind its name; not shown by default.

    Returns
    -------
    A figure 3.5 inches wide, as high as the classes need.

    Raises
    ------
    InputError
        If the table is empty.
    """
    import numpy as np

    _check_table(table, "the errors by class")
    values = table.to_numpy(dtype=float)
    # The classes go by the error of the first method; a class without one goes to the bottom.
    order = np.argsort(np.nan_to_num(values[:, 0], nan=-np.inf), kind="stable")
    values, named = values[order], table.index[order]
    classes = [
        f"{short} ({counts[name]:,})" if counts and name in counts else short
        for name, short in zip(named, all_shortened(named, 32), strict=True)
    ]
    places = np.arange(len(classes))
    figure = new_figure(SINGLE, 0.95 + 0.145 * len(classes), layout="constrained")
    axes = figure.subplots()
    ends = np.nanmin(values, axis=1), np.nanmax(values, axis=1)
    axes.hlines(places, *ends, color=tones().line, linewidth=1.4, zorder=1)
    for i, (method, color) in reversed(list(enumerate(method_colors([literal(m) for m in table.columns]).items()))):
        open_ = color == tones().baseline
        look = (
            {"facecolors": tones().paper, "edgecolors": color, "linewidths": 1.1}
            if open_
            else {"color": color, "linewidths": 0}
        )
        axes.scatter(values[:, i], places, s=19 if open_ else 24, label=method, zorder=2 if open_ else 3, **look)
    axes.set_yticks(places, classes)
    axes.set(ylim=(-0.8, len(classes) - 0.2), xlabel="held-out mean squared error")
    axes.set_xlim(left=0, right=1.05 * float(np.nanmax(values)) or 1.0)
    axes.xaxis.grid(True)
    axes.xaxis.get_major_locator().set_params(nbins=6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], names[::-1], loc="outside upper center", ncols=3, handletextpad=0.2, columnspacing=1.4)
    return figure


@styled
def method_ranks(table: pd.DataFrame) -> Figure:
    """Draw the place of each method among the others on each fold, one panel for each measure, the best at the left.

    Parameters
    ----------
    table
        One row a method on a fold, as ``latentome.tl.rank_methods`` gives them: ``measure``, ``method``, ``rank`` (1 is
        best); further columns that name the fold are not needed.

    Returns
    -------
    A figure 7.2 inches wide (3.5 for one measure). The area of a point shows how many folds have this rank; a line
    marks the mean rank. The methods go by their mean rank over all measures.

    Raises
    ------
    InputError
        If a column is missing or the table is empty.
    """
    todo = "Pass what latentome.tl.rank_methods makes of the rows of latentome.tl.compare."
    check_columns(table, ("measure", "method", "rank"), "There are no ranks to draw.", todo)
    methods = list(table.groupby("method")["rank"].mean().sort_values(kind="stable").index)
    measures = list(dict.fromkeys(table["measure"]))
    figure, panels = new_panels(len(measures), 0.55 + 0.2 * len(methods), 0.1, four=2)
    columns, most = panels[0].get_gridspec().ncols, max(2.0, float(table["rank"].max()))
    for i, (axes, measure) in enumerate(zip(panels, measures, strict=True)):
        _rank_panel(axes, table[table["measure"] == measure], methods, most, names=i % columns == 0)
        axes.set(title=literal(measure), xlabel="rank" if i >= len(measures) - columns else "")
    return figure


def _rank_panel(axes: Axes, table: pd.DataFrame, methods: list[str], most: float, *, names: bool) -> None:
    """Draw the ranks of all methods by one measure."""
    for place, (method, color) in enumerate(method_colors([str(m) for m in methods]).items()):
        ranks = table.loc[table["method"].astype(str) == method, "rank"]
        if not len(ranks):
            axes.text(most, -place, "no value", size=6, color=tones().faint, ha="right", va="center")
            continue
        counts = ranks.value_counts()
        look = {"color": color, "linewidths": 0, "alpha": 0.75, "zorder": 2}
        axes.scatter(counts.index, [-place] * len(counts), s=90 * counts / len(ranks), **look)
        axes.plot([ranks.mean()] * 2, [-place - 0.36, -place + 0.36], color=tones().ink, linewidth=1.2, zorder=3)
    axes.set(xlim=(0.5, most + 0.5), ylim=(0.5 - len(methods), 0.5))
    axes.set_yticks([-i for i in range(len(methods))], [literal(m) for m in methods] if names else [""] * len(methods))
    axes.tick_params(axis="y", length=0)
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=8)
    axes.xaxis.grid(True)
    axes.spines["left"].set_visible(False)
