"""Which classes are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latentome.errors import InputError
from latentome.pl.inputs import all_shortened
from latentome.pl.placing import text_size
from latentome.pl.style import DOUBLE, SINGLE, ink_on, new_figure, shares, styled, tones

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@styled
def confusion_matrix(table: pd.DataFrame, title: str | None = None) -> Figure:
    """Draw how often samples of each class were taken for which class, as shares of the true class.

    Parameters
    ----------
    table
        Counts, true classes x predicted classes, the same names in the same order, as ``latentome.tl.confusion`` gives
        them.
    title
        Heading; none by default.

    Returns
    -------
    A figure 3.5 to 7.2 inches wide, as the classes need; each row adds up to 1, and the number of its samples stands
    at its end. Shares of 5 % or more are written out where there is room.

    Raises
    ------
    InputError
        If the table is empty, or rows and columns are not the same classes.
    """
    import numpy as np

    counts = table.to_numpy(dtype=float)
    if not len(table) or list(table.index) != list(table.columns) or not (counts >= 0).all():
        raise InputError(
            "The classes of the confusion matrix do not match.",
            where=f"table, shape {table.shape}",
            expected="counts, with the same classes in rows and columns",
            todo="Pass what latentome.tl.confusion gives.",
        )
    n, totals = len(table), counts.sum(axis=1)
    parts = counts / np.maximum(totals, 1)[:, None]
    names = all_shortened(table.index, 24)
    margin = 0.35 + 0.055 * max(map(len, names))
    cell = min(0.42, max(0.13, (DOUBLE - margin - 0.9) / n))
    width = min(max(margin + n * cell + 0.9, SINGLE, text_size(title or "", 8)[0] + 0.2), DOUBLE)
    figure = new_figure(width, margin + n * cell + (0.45 if title else 0.25), layout="constrained")
    axes = figure.subplots()
    cmap = shares()
    image = axes.imshow(parts, cmap=cmap, vmin=0, vmax=1, interpolation="nearest", aspect="equal")
    axes.set_xticks(range(n), names, rotation=90)
    axes.set_yticks(range(n), names)
    axes.tick_params(length=0, labelsize=6.5 if cell > 0.15 else 5.5)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=tones().grid, linewidth=0.4)
    axes.tick_params(which="minor", length=0)
    axes.set(xlabel="predicted", ylabel="true")
    if title:  # over the whole figure: a matrix of few classes is narrower than it
        figure.suptitle(title, size=8)
    if cell >= 0.15:
        for i, j in zip(*np.nonzero(parts >= 0.05), strict=True):
            text = "1" if parts[i, j] == 1 else f"{parts[i, j]:.2f}".replace("0.", ".", 1)
            look = {"size": 5 if cell < 0.25 else 6, "color": ink_on(cmap(parts[i, j]))}
            axes.text(j, i, text, ha="center", va="center", **look)
    for i, total in enumerate(totals):
        axes.text(n - 0.35, i, f"{total:,.0f}", size=5.5, color=tones().faint, ha="left", va="center")
    bar = figure.colorbar(image, ax=axes, shrink=0.4, aspect=18, pad=0.09)
    bar.outline.set_visible(False)
    bar.set_label("share of the true class", size=6.5)
    return figure
