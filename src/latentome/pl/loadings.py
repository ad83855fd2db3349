"""How the loadings of a feature spread over the genes, and how well each gene is given back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from latentome.errors import InputError
from latentome.pl.inputs import all_shortened, check_columns
from latentome.pl.placing import text_size
from latentome.pl.style import (
    FIRST,
    NEGATIVE,
    POSITIVE,
    SINGLE,
    literal,
    new_figure,
    new_panels,
    opacity,
    readable,
    styled,
    tones,
    visible,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def loading_distributions(
    weights: pd.DataFrame, features: Sequence[str] | None = None, cutoff: float = 2.5, n_genes: int = 4
) -> Figure:
    """Draw how the loadings of features spread over all genes, the high-weight genes in colour and named.

    Parameters
    ----------
    weights
        Loadings, genes x features, both named.
    features
        Which features to draw; the first six by default.
    cutoff
        Standard deviations from the mean loading beyond which a gene has a high weight, as in
        ``latentome.tl.signatures``.
    n_genes
        How many genes to name on each side at most, those with the largest loadings.

    Returns
    -------
    A figure 7.2 inches wide (3.5 for one feature).

    Raises
    ------
    InputError
        If there is nothing to draw, a feature does not exist, or a loading is not finite.
    """
    import numpy as np

    chosen = list(weights.columns[:6]) if features is None else list(features)
    lacking = [name for name in chosen if name not in weights.columns]
    if not chosen or not len(weights) or lacking or not np.isfinite(weights.to_numpy(dtype=float)).all():
        raise InputError(
            "The loadings cannot be drawn.",
            where=f"weights, shape {weights.shape}; features {', '.join(map(str, lacking or chosen)) or 'none'}",
            expected="genes x features of finite numbers, and features among its columns",
            todo="Pass what latentome.tl.loadings gives as a data frame with the names of genes and features.",
        )
    figure, panels = new_panels(len(chosen), 1.75, 0.15)
    figure.get_layout_engine().set(h_pad=0.06)
    for axes, name in zip(panels, chosen, strict=True):
        _distribution(axes, weights[name], str(name), cutoff, n_genes)
    figure.supxlabel("loading", size=7)
    figure.supylabel("genes", size=7)
    return figure


def _distribution(axes: Axes, loadings: pd.Series, name: str, cutoff: float, n_genes: int) -> None:
    """Draw the histogram of one feature; counts on a root scale, so that single genes stay visible."""
    import numpy as np

    values = loadings.to_numpy(dtype=float)
    mean, deviation = values.mean(), values.std()
    low, high = mean - cutoff * deviation, mean + cutoff * deviation
    axes.set_title(f"feature {name}" if name.isdecimal() else literal(name))
    if values.min() == values.max():  # a feature that no gene reads, such as a unit that died
        axes.text(0.5, 0.5, f"{values[0]:g} for every gene", size=6, color=tones().faint, ha="center", va="center")
        axes.set(xlim=(0, 1), xticks=[], yticks=[])
        return
    edges = np.linspace(values.min(), values.max(), 61)
    tops = np.zeros(60)
    # A bin across a limit has genes of both sides of it, on each other.
    for part, color in (
        (values[(values >= low) & (values <= high)], tones().quiet),
        (values[values < low], visible(NEGATIVE)),
        (values[values > high], visible(POSITIVE)),
    ):
        counts, _ = np.histogram(part, edges)
        axes.bar(edges[:-1], counts, edges[1] - edges[0], tops, align="edge", color=color, linewidth=0)
        tops += counts
    axes.set_yscale("function", functions=(np.sqrt, np.square))
    axes.set_ylim(0, 2.2 * tops.max())
    ticks: list[int] = []
    for count in (5000, 1000, 200, 50, 20, 10, 5, 3, 2, 1):  # from the largest down, as far as there is room
        if count <= tops.max() and (not ticks or ticks[-1] ** 0.5 - count**0.5 > 0.2 * tops.max() ** 0.5):
            ticks.append(count)
    axes.set_yticks(ticks, [f"{v:,}" for v in ticks])
    for limit in (low, high):
        axes.axvline(limit, color=tones().faint, linewidth=0.5, linestyle=":", ymax=0.66)
    axes.xaxis.get_major_locator().set_params(nbins=4)
    order = np.argsort(values, kind="stable")
    up, down = order[::-1][: (values > high).sum()], order[: (values < low).sum()]
    for genes, place, align, color in ((up, 0.99, "right", POSITIVE), (down, 0.01, "left", NEGATIVE)):
        more = [f"and {len(genes) - n_genes} more"] if len(genes) > n_genes else []
        text = "\n".join([*all_shortened(loadings.index[genes[:n_genes]], 16), *more])
        axes.text(place, 0.98, text, size=5.5, color=readable(color), ha=align, va="top", transform=axes.transAxes)


@styled
def reconstruction_by_gene(table: pd.DataFrame, n_genes: int = 12) -> Figure:
    """Draw for each gene how far and to which side its reconstruction is off; the worst genes are named.

    Parameters
    ----------
    table
        One row a gene, named in the index: ``mean`` (mean of data less reconstruction) and ``mean_absolute`` (mean of
        its size), in the unit of the data.
    n_genes
        How many of the genes with the largest ``mean_absolute`` to name.

    Returns
    -------
    A figure 3.5 inches wide.

    Raises
    ------
    InputError
        If a column is missing or the table is empty.
    """
    import numpy as np

    todo = "Pass one row a gene, from data less reconstruction."
    check_columns(table, ("mean", "mean_absolute"), "There are no residuals to draw.", todo)
    points = table[["mean", "mean_absolute"]].to_numpy(dtype=float)
    width, height, side, tall = SINGLE, 3.1, 2.85, 2.55
    figure = new_figure(width, height)
    axes = figure.add_axes((0.52 / width, 0.42 / height, side / width, tall / height))
    area = float(np.clip(4000 / len(points), 2.0, 14))
    look = {"color": visible(FIRST), "alpha": opacity(0.45), "linewidths": 0, "rasterized": len(points) > 5000}
    axes.scatter(*points.T, s=area, zorder=2, **look)
    axes.axvline(0, color=tones().faint, linewidth=0.5, zorder=1)
    axes.margins(0.08)
    axes.set_ylim(bottom=0)
    axes.set(xlabel="mean of data less reconstruction", ylabel="mean size of the residual")
    axes.xaxis.get_major_locator().set_params(nbins=6)
    worst = np.argsort(-points[:, 1], kind="stable")[:n_genes]
    name_genes(axes, points[worst], all_shortened([table.index[i] for i in worst], 16), (side, tall))
    return figure


def name_genes(
    axes: Axes, points: np.ndarray, names: list[str], size: tuple[float, float], style: str = "italic"
) -> None:
    """Write each name beside its point, on the first side where it covers no other name and no named point.

    A name without such a side is left out: the worst gene comes first.
    """
    import numpy as np

    origin = np.array([axes.get_xlim()[0], axes.get_ylim()[0]])
    scale = np.array(size) / (np.array([axes.get_xlim()[1], axes.get_ylim()[1]]) - origin)
    dots, gap = (points - origin) * scale, 0.045
    taken = [(dot, np.full(2, 0.025)) for dot in dots]  # centre and half width and height, inches
    for i, name in enumerate(names):
        half = np.array(text_size(name, 5.5)) / 2 + (0.015, 0.012)
        outward = 1.0 if points[i, 0] >= 0 else -1.0
        for way in ((outward, 0), (-outward, 0), (0, 1), (0, -1), (outward, 1), (outward, -1)):
            centre = dots[i] + np.array(way) * (half + gap)
            inside = (centre > half).all() and (centre < np.array(size) - half).all()
            others = [box for k, box in enumerate(taken) if k != i]
            if inside and not any((np.abs(centre - other) < half + reach).all() for other, reach in others):
                taken.append((centre, half))
                place = centre / scale + origin
                axes.text(*place, name, size=5.5, style=style, color=tones().ink, ha="center", va="center", zorder=4)
                break
