"""Genes by their loadings on two features, and the shapes that the loadings of features have."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from latentome.errors import InputError
from latentome.pl.inputs import check_columns, feature_title, position_of, shortened
from latentome.pl.loadings import name_genes
from latentome.pl.style import DOUBLE, PALETTE, SINGLE, literal, new_figure, readable, styled, tones, visible

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The types of `latentome.tl.node_types`, and what each means.
TYPES = {"A": "neither", "B": "heavy tails", "C": "one long tail", "D": "both"}


@styled
def loading_scatter(
    weights: pd.DataFrame, x: str | int, y: str | int, cutoff: float = 2.5, n_genes: int = 14
) -> Figure:
    """Draw the loadings of all genes on one feature against those on another, with both distributions beside them.

    Parameters
    ----------
    weights
        Loadings, genes x features, both named.
    x, y
        The two features, by name or by number from 1.
    cutoff
        Standard deviations from the mean loading beyond which a gene has a high weight, as in
        ``latentome.tl.signatures``; dotted lines stand there.
    n_genes
        How many of the genes with the highest weights to name, where there is room.

    Returns
    -------
    A figure 3.5 inches wide. Genes of high weight on one of the features have the colour of its name, those on both
    the colour of the ink.

    Raises
    ------
    InputError
        If there is nothing to draw, a feature does not exist, or a loading is not finite.
    """
    import numpy as np

    shown = [literal(name) for name in weights.columns]
    if not len(weights) or not np.isfinite(weights.to_numpy(dtype=float)).all():
        raise InputError(
            "The loadings cannot be drawn.",
            where=f"weights, shape {weights.shape}",
            expected="genes x features of finite numbers, one gene or more",
            todo="Pass what latentome.tl.loadings gives as a data frame with the names of genes and features.",
        )
    points = weights.to_numpy(dtype=float)[:, [position_of(shown, x), position_of(shown, y)]]
    width, height, left, bottom, side, edge = SINGLE, 3.5, 0.5, 0.4, 2.4, 0.4
    figure = new_figure(width, height)
    axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
    above = figure.add_axes((left / width, (bottom + side + 0.06) / height, side / width, edge / height), sharex=axes)
    beside = figure.add_axes(((left + side + 0.06) / width, bottom / height, edge / width, side / height), sharey=axes)
    mean, spread = points.mean(axis=0), points.std(axis=0)
    apart = np.abs(points - mean) / np.where(spread > 0, spread, 1.0)
    high = apart > cutoff
    kinds = [("neither", ~high.any(axis=1), tones().quiet), ("both", high.all(axis=1), tones().ink)]
    kinds += [(name, high[:, i] & ~high[:, 1 - i], visible(PALETTE[5 * i])) for i, name in enumerate("xy")]
    for name, chosen, color in kinds:
        area = float(np.clip(3000 / len(points), 1.5, 12)) * (1.0 if name == "neither" else 2.0)
        many = name == "neither" and len(points) > 5000
        axes.scatter(*points[chosen].T, s=area, color=color, linewidths=0, rasterized=many, zorder=2)
    axes.margins(0.08)
    _marginals(above, beside, points)
    for limit in (-cutoff, cutoff):
        look = {"color": tones().faint, "linewidth": 0.5, "linestyle": ":", "zorder": 1}
        axes.axvline(mean[0] + limit * spread[0], **look)
        axes.axhline(mean[1] + limit * spread[1], **look)
    # Each feature's name has the colour of the genes that weigh on it alone.
    axes.set_xlabel(f"loading on {feature_title(shown, x)}", color=readable(PALETTE[0]))
    axes.set_ylabel(f"loading on {feature_title(shown, y)}", color=readable(PALETTE[5]))
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_major_locator().set_params(nbins=5)
    top = [i for i in np.argsort(-apart.max(axis=1), kind="stable")[:n_genes] if high[i].any()]
    if top:
        name_genes(axes, points[top], [shortened(weights.index[i], 16) for i in top], (side, side))
    return figure


def _marginals(above: Axes, beside: Axes, points: np.ndarray) -> None:
    """Draw how the loadings spread on each of the two features."""
    import numpy as np

    for axes, values, way in ((above, points[:, 0], "vertical"), (beside, points[:, 1], "horizontal")):
        room = np.ptp(values) or 1.0
        edges = np.linspace(values.min() - 0.001 * room, values.max() + 0.001 * room, 51)
        axes.hist(values, edges, orientation=way, color=tones().quiet, linewidth=0)
        axes.set_axis_off()


@styled
def node_types(table: pd.DataFrame) -> Figure:
    """Draw which shape the loadings of each feature have, and how many genes of high weight it has on either side.

    Parameters
    ----------
    table
        One row a feature, as ``latentome.tl.node_types`` gives them: ``feature``, ``skew``, ``kurtosis``, ``type``.
        With ``genes_positive`` and ``genes_negative``, as in the features.tsv of a run folder, there is a second panel.

    Returns
    -------
    A figure 3.5 inches wide, or 7.2 with the second panel.

    Raises
    ------
    InputError
        If a column is missing or the table is empty.
    """
    import numpy as np

    todo = "Pass what latentome.tl.node_types gives, or the interpretation/features.tsv of a run folder."
    check_columns(table, ("feature", "skew", "kurtosis", "type"), "There are no types of features to draw.", todo)
    counted = {"genes_positive", "genes_negative"} <= set(table.columns)
    panels = [("skew", "kurtosis", "skew of the loadings", "excess kurtosis")]
    if counted:
        panels.append(
            ("genes_positive", "genes_negative", "positive genes of high weight", "negative genes of high weight")
        )
    figure = new_figure(DOUBLE if counted else SINGLE, 2.75, layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    area = float(np.clip(1500 / len(table), 5, 22))
    for axes, (x, y, across, upwards) in zip(grid, panels, strict=True):
        for i, (kind, meaning) in enumerate(TYPES.items()):
            rows = table[table["type"] == kind]
            label = f"{kind}, {meaning} ({len(rows)})"
            look = {"color": visible(PALETTE[(0, 1, 2, 5)[i]]), "linewidths": 0, "alpha": 0.8}
            axes.scatter(rows[x], rows[y], s=area, label=label, **look)
        axes.set(xlabel=across, ylabel=upwards)
        axes.margins(0.07)
        counts = x == "genes_positive"
        axes.xaxis.get_major_locator().set_params(integer=counts)
        axes.yaxis.get_major_locator().set_params(nbins=5, integer=counts)
    grid[0].axvline(0, color=tones().line, linewidth=0.5, zorder=0)
    grid[0].axhline(0, color=tones().line, linewidth=0.5, zorder=0)
    if table["kurtosis"].max() > 30:
        grid[0].set_yscale("symlog", linthresh=3)
    handles, names = grid[0].get_legend_handles_labels()
    look = {"ncols": 4 if counted else 2, "handletextpad": 0.2, "markerscale": math.sqrt(22 / area)}
    figure.legend(handles, names, loc="outside upper center", **look)
    return figure
