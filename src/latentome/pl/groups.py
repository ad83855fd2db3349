"""Groups of samples: how a feature is spread over them, and in which features two of them differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from latentome.errors import InputError, of_anndata
from latentome.pl.comparison import method_colors
from latentome.pl.inputs import (
    all_shortened,
    categories_of,
    codes_of,
    column_of,
    feature_names,
    feature_title,
    is_numeric,
    matrix_of,
    position_of,
    shortened,
)
from latentome.pl.loadings import name_genes
from latentome.pl.maps import MANY_POINTS, NAMED_IN_LEGEND
from latentome.pl.placing import swarm_offsets
from latentome.pl.style import SINGLE, edge_of, label_colors, literal, new_figure, styled, tones

if TYPE_CHECKING:
    import anndata as ad
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Width in inches of the figure of a swarm.
SWARM_WIDTH = 5.0


@styled
@of_anndata
def swarm(
    adata: ad.AnnData,
    feature: str | int,
    groupby: str = "cancer_type",
    use_rep: str = "X_vae",
    names: Sequence[str] | None = None,
) -> Figure:
    """Draw the activity of one feature in each group of samples, one point for each sample.

    Points that would lie on one another are moved aside, so that a group is broad where it has many samples. All
    groups share the scale of that breadth.

    Parameters
    ----------
    adata
        Samples x genes, with the features in ``obsm``.
    feature
        The feature, by name or by number from 1.
    groupby
        Column of ``obs`` with the groups. Samples without one are left out.
    use_rep
        Key in ``obsm`` of the features, or of the activities of signatures (``X_activity``), shape (samples, k).
    names
        Names of the features, such as ``adata.uns["activity"]["names"]``; by default those of the data frame in
        ``obsm``, else their numbers from 1.

    Returns
    -------
    A figure 5 inches wide, as high as the groups need (the first sixty are drawn); a bar marks the median of three
    samples or more.

    Raises
    ------
    InputError
        If the feature or the column does not exist, or the column holds quantities or no group at all.
    """
    import numpy as np

    values = matrix_of(adata, use_rep)
    shown = feature_names(adata, use_rep, names)
    values = values[:, position_of(shown, feature)]
    column = column_of(adata, groupby)
    groups = categories_of(column)[:NAMED_IN_LEGEND]
    if is_numeric(column) or not groups:
        raise InputError(
            f"'{groupby}' has no groups.",
            where=f"adata.obs['{groupby}'], type {column.dtype}, {int(column.notna().sum())} values",
            expected="a column of classes",
            todo="Give another column, or make this one categorical with astype('category').",
        )
    codes = codes_of(column)
    parts = [values[codes == i] for i in range(len(groups))]
    tall = float(np.clip(7.0 / len(groups), 0.17, 0.6))
    names = all_shortened(groups, 28)
    entries = [f"{name} ({len(part):,})" for name, part in zip(names, parts, strict=True)]
    left = 0.15 + 0.052 * max(map(len, entries))
    height, wide = tall * len(groups) + 0.5, SWARM_WIDTH - left - 0.12
    figure = new_figure(SWARM_WIDTH, height)
    axes = figure.add_axes((left / SWARM_WIDTH, 0.42 / height, wide / SWARM_WIDTH, tall * len(groups) / height))
    low, high = float(values.min()), float(values.max())
    room = 0.03 * (high - low) or 1.0
    axes.set(xlim=(low - room, high + room), ylim=(0.5 - len(groups), 0.5), xlabel=feature_title(shown, feature))
    _draw_swarms(axes, parts, list(label_colors(groups).values()), tall, wide)
    axes.set_yticks([-i for i in range(len(groups))], entries)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return figure


def _draw_swarms(axes: Axes, parts: list[np.ndarray], colors: list[str], tall: float, wide: float) -> None:
    """Draw one row of points for each group; `tall` is the height of a row and `wide` the width, in inches."""
    import numpy as np

    low, high = axes.get_xlim()
    inches = [(part - low) / (high - low) * wide for part in parts]
    offsets, diameter = swarm_offsets(inches, 0.88 * tall, (0.012, 0.055))
    many = sum(map(len, parts)) > MANY_POINTS
    for i, (part, offset, color) in enumerate(zip(parts, offsets, colors, strict=True)):
        look = {"color": color, "edgecolors": edge_of(color), "linewidths": 0.2 if diameter > 0.03 else 0.1}
        axes.scatter(part, offset / tall - i, s=(72 * diameter) ** 2, rasterized=many, zorder=2, **look)
        if len(part) < 3:  # the bar would hide them
            continue
        median = float(np.median(part))
        axes.plot([median, median], [-i - 0.36, -i + 0.36], color=tones().paper, linewidth=2.4, zorder=3)
        axes.plot([median, median], [-i - 0.36, -i + 0.36], color=tones().ink, linewidth=1.2, zorder=4)


@styled
def group_differences(
    tables: Mapping[str, pd.DataFrame], title: str | None = None, measure: str = "standardised", n_names: int = 3
) -> Figure:
    """Draw how much two groups differ in each feature, the features in order, one line for each algorithm.

    Parameters
    ----------
    tables
        Name of an algorithm to its table, as ``latentome.tl.group_difference`` gives it: one row a feature with
        ``feature``, ``rank`` and the measure.
    title
        Heading, such as the names of the two groups.
    measure
        ``standardised`` (in pooled standard deviations, which can be compared between algorithms) or ``difference``.
    n_names
        How many features to name at each end of each line; one where there are several algorithms.

    Returns
    -------
    A figure 3.5 inches wide.

    Raises
    ------
    InputError
        If there is no table, or one lacks a column or all rows.
    """
    import pandas as pd

    wrong = [n for n, t in tables.items() if not len(t) or not {"feature", "rank", measure} <= set(t.columns)]
    if wrong or not tables:
        raise InputError(
            "The differences of the groups cannot be drawn.",
            where=f"tables of {', '.join(wrong or tables) or 'no algorithm'}",
            expected=f"the columns feature, rank and {measure}, and one row or more",
            todo="Pass what latentome.tl.group_difference gives for each algorithm.",
        )
    left, bottom, side, tall = 0.48, 0.42, SINGLE - 0.56, 2.3
    top = 0.06 + 0.2 * bool(title) + (0.15 * math.ceil(len(tables) / 3) + 0.05 if len(tables) > 1 else 0.0)
    height = bottom + tall + top
    figure = new_figure(SINGLE, height)
    axes = figure.add_axes((left / SINGLE, bottom / height, side / SINGLE, tall / height))
    colors = method_colors([literal(name) for name in tables])
    for (name, color), table in zip(colors.items(), tables.values(), strict=True):
        rows = table.sort_values("rank")
        axes.plot(rows["rank"], rows[measure], "-o", color=color, markersize=2.2, linewidth=0.8, label=name)
    axes.axhline(0, color=tones().faint, linewidth=0.5, zorder=0)
    axes.margins(x=0.06, y=0.08)
    ends = pd.concat(
        [_ends(table.sort_values("rank"), n_names if len(tables) == 1 else 1) for table in tables.values()]
    )
    names = [shortened(name, 16) for name in ends["feature"]]
    name_genes(axes, ends[["rank", measure]].to_numpy(dtype=float), names, (side, tall), style="normal")
    unit = "difference of the means (sd)" if measure == "standardised" else "difference of the means"
    axes.set(xlabel="rank of the feature", ylabel=unit, title=title or "")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(tables) > 1:
        handles, shown = axes.get_legend_handles_labels()
        shown = all_shortened(shown, 18)
        figure.legend(handles, shown, loc="upper center", ncols=3, handlelength=1.4, borderpad=0.2)
    return figure


def _ends(rows: pd.DataFrame, n: int) -> pd.DataFrame:
    """The first and the last rows, the outermost first."""
    n = min(n, len(rows) // 2)
    return rows.iloc[[place for i in range(n) for place in (i, -1 - i)]]
