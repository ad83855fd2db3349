"""Maps of the samples: t-SNE or any two columns, coloured by a class or a quantity, the classes named on the map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from latentome.errors import InputError, of_anndata
from latentome.pl.inputs import all_shortened, categories_of, codes_of, column_of, is_numeric, matrix_of
from latentome.pl.placing import spread, text_size
from latentome.pl.style import (
    DOUBLE,
    edge_of,
    label_colors,
    literal,
    new_figure,
    readable,
    sequential,
    styled,
    tones,
)

if TYPE_CHECKING:
    import anndata as ad
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure

#: Above this many points, points are stored as pixels inside PDF and SVG files; text and axes stay vectors.
MANY_POINTS = 5000
#: Up to this many classes are named on the map; up to this many stand in the legend.
NAMED_ON_MAP, NAMED_IN_LEGEND = 40, 60
#: Longer names than this many letters stand in the legend only: on the map they would hide the points.
LONGEST_ON_MAP = 16
#: Columns of a run whose groups are drawn at random: they have no place of their own on the map to be named at.
EVERYWHERE = ("split",)
#: Maps whose axes measure nothing.
WITHOUT_SCALE = ("t-SNE", "UMAP")


@styled
@of_anndata
def embedding(
    adata: ad.AnnData, basis: str = "X_tsne_vae", color: str = "cancer_type", title: str | None = None
) -> Figure:
    """Draw one map of the samples, coloured by one column.

    Parameters
    ----------
    adata
        Samples x genes, with the map in ``obsm``.
    basis
        Key in ``obsm`` of the map; its first two columns are drawn.
    color
        Column of ``obs``: classes get one colour each, a legend and, up to forty of them, their names on the map (but
        not those of ``split``, which lie everywhere); quantities get a colour bar. Missing values are light grey.
    title
        Heading; none by default.

    Returns
    -------
    A figure as wide as its legend needs, at most 7.2 inches.

    Raises
    ------
    InputError
        If the map or the column does not exist, or the map has fewer than two columns or values that are not finite.
    """
    points = matrix_of(adata, basis, columns=2)[:, :2]
    column = column_of(adata, color)
    (left, bottom), gap, top = _margins(basis), 0.15, 0.28 if title else 0.08
    beside = 0.75 if is_numeric(column) else legend_size(column, rows=28)[0]
    side = max(3.2, min(4.7, DOUBLE - left - gap - beside))
    tall = side * _shape([points])
    width, height = left + side + gap + beside, bottom + tall + top
    figure = new_figure(width, height)
    axes = figure.add_axes((left / width, bottom / height, side / width, tall / height))
    drawn = _draw_map(axes, points, column, basis=basis, size=(side, tall))
    axes.set_title(title or "")
    if is_numeric(column):
        place = ((left + side + gap) / width, (bottom + 0.25 * tall) / height, 0.11 / width, 0.5 * tall / height)
        color_bar(figure, drawn, place, color)
    else:
        anchor = ((left + side + gap) / width, (bottom + tall / 2) / height)
        legend(figure, column, rows=28, loc="center left", anchor=anchor)
    return figure


@styled
@of_anndata
def embeddings(
    adata: ad.AnnData,
    bases: Sequence[str] = ("X_tsne_vae", "X_tsne_pca"),
    color: str = "cancer_type",
    titles: Sequence[str] | None = None,
) -> Figure:
    """Draw several maps of the same samples side by side, with one legend or colour bar for all of them.

    Parameters
    ----------
    adata
        Samples x genes, with the maps in ``obsm``.
    bases
        Keys in ``obsm`` of the maps; three at most stand in one row.
    color
        Column of ``obs``, as in `embedding`.
    titles
        One heading for each map; by default the keys themselves.

    Returns
    -------
    A figure 7.2 inches wide.

    Raises
    ------
    InputError
        If a map or the column does not exist, no map is asked for, or titles and maps differ in number.
    """
    if isinstance(bases, str) or not bases or (titles is not None and len(titles) != len(bases)):
        raise InputError(
            "The maps to draw and their titles do not match.",
            where=f"bases={bases!r}, titles={titles!r}",
            expected="a list of one or more keys of adata.obsm, and as many titles or none",
            todo="Give one title for each map, or leave the titles out.",
        )
    column = column_of(adata, color)
    clouds = [matrix_of(adata, basis, columns=2)[:, :2] for basis in bases]
    columns = min(len(bases), 3)
    rows = math.ceil(len(bases) / columns)
    gap, bottom = (max(margin) for margin in zip(*map(_margins, bases), strict=True))
    top = 0.26
    side = (DOUBLE - gap * columns - 0.02) / columns
    tall = side * _shape(clouds)
    entries = max(1, math.ceil(_entries(column) / _columns_across(column)))
    below = 0.5 if is_numeric(column) else 0.145 * entries + 0.08
    height = rows * (tall + bottom + top) + below
    figure = new_figure(DOUBLE, height)
    for i, basis in enumerate(bases):
        x = gap + (i % columns) * (side + gap)
        y = height - (i // columns + 1) * (tall + bottom + top) + bottom
        axes = figure.add_axes((x / DOUBLE, y / height, side / DOUBLE, tall / height))
        drawn = _draw_map(axes, clouds[i], column, basis=basis, size=(side, tall))
        axes.set_title(titles[i] if titles is not None else literal(basis))
    if is_numeric(column):
        color_bar(figure, drawn, (0.35, 0.32 / height, 0.3, 0.09 / height), color, across=True)
    else:
        legend(figure, column, rows=entries, loc="lower center", anchor=(0.5, 0.03 / height))
    return figure


def _kind(basis: str) -> str:
    """Name the axes of a map after its key."""
    kinds = {"tsne": "t-SNE", "umap": "UMAP", "pca": "PC"}
    return next((name for key, name in kinds.items() if key in basis.lower()), "feature")


def _margins(basis: str) -> tuple[float, float]:
    """Give the room in inches that axis names, and numbers where they mean something, need at the left and below."""
    return (0.24, 0.30) if _kind(basis) in WITHOUT_SCALE else (0.52, 0.40)


def _shape(clouds: Sequence[np.ndarray]) -> float:
    """Give the height of the maps over their width: that of the flattest window that no cloud wastes, within limits."""
    import numpy as np

    extents = [np.ptp(points, axis=0) for points in clouds]
    return max(min(max(float(y / x) if x > 0 else 1.0, 0.62), 1.0) for x, y in extents)


def _draw_map(
    axes: Axes, points: np.ndarray, column: pd.Series, *, basis: str, size: tuple[float, float]
) -> PathCollection:
    """Draw one map in a window of the given width and height in inches; return the scatter."""
    drawn = draw_points(axes, points, column, size)
    _frame(axes, points, basis, size)
    if not is_numeric(column):
        colors = label_colors(categories_of(column))
        if 1 < len(colors) <= NAMED_ON_MAP and column.name not in EVERYWHERE:
            _name_classes(axes, points, column, colors, size)
    return drawn


def draw_points(axes: Axes, points: np.ndarray, column: pd.Series, size: tuple[float, float]) -> PathCollection:
    """Draw one point for each sample, coloured by a column, in a window of a width and height in inches."""
    import numpy as np

    n = len(points)
    # A fixed share of the window goes to ink, within limits: 350 points must not be blobs, 10,000 not a paste.
    area = float(np.clip(0.1 * 72**2 * size[0] * size[1] / max(n, 1), 1.0, 22))
    line = 0.25 if area > 4 else 0.1
    # One scatter in an order that mixes the classes (multiples of the golden ratio): no class is painted over the
    # others.
    order = np.argsort((np.arange(n) * 0.6180339887498949) % 1.0, kind="stable")
    missing = column.isna().to_numpy()
    order = np.concatenate([order[missing[order]], order[~missing[order]]])
    options: dict[str, Any] = {"s": area, "linewidths": line, "rasterized": n > MANY_POINTS, "zorder": 2}
    if is_numeric(column):
        values = np.ma.masked_invalid(column.to_numpy(dtype=float, na_value=np.nan))[order]
        options |= {"linewidths": 0, "plotnonfinite": True}
        drawn = axes.scatter(
            *points[order].T, c=values, cmap=sequential().with_extremes(bad=tones().missing), **options
        )
    else:
        colors = label_colors(categories_of(column))
        faces = np.array([colors.get(value, tones().missing) for value in column.astype(object)], dtype=object)[order]
        edges = {face: edge_of(face) for face in set(faces)}
        drawn = axes.scatter(*points[order].T, c=list(faces), edgecolors=[edges[face] for face in faces], **options)
    return drawn


def _frame(axes: Axes, points: np.ndarray, basis: str, size: tuple[float, float]) -> None:
    """Set equal scales on both axes and name them; a t-SNE map has no meaningful ticks."""
    import numpy as np

    low, high = points.min(axis=0), points.max(axis=0)
    unit = max(float(((high - low) / size).max()), 1e-9) * 1.05
    middle, reach = (low + high) / 2, unit * np.array(size) / 2
    left, bottom = middle - reach
    axes.set(xlim=(left, middle[0] + reach[0]), ylim=(bottom, middle[1] + reach[1]), aspect="equal")
    name = _kind(basis)
    axes.set_xlabel(f"{name} 1", loc="left")
    axes.set_ylabel(f"{name} 2", loc="bottom")
    if name in WITHOUT_SCALE:
        axes.set(xticks=[], yticks=[])
        # Axes without a scale need no length: two short strokes give the directions.
        axes.spines["bottom"].set_bounds(left, left + 0.6 * unit)
        axes.spines["left"].set_bounds(bottom, bottom + 0.6 * unit)


def _name_classes(
    axes: Axes, points: np.ndarray, column: pd.Series, colors: dict[Any, str], size: tuple[float, float]
) -> None:
    """Write each class at the median of its points, moved aside where names would overlap, with a line if far."""
    import numpy as np
    from matplotlib.patheffects import withStroke

    texts = [literal(c) for c in colors]
    if max(map(len, texts)) > LONGEST_ON_MAP:
        return
    letters = 6.5 if size[0] > 3.6 else 5.8
    codes = codes_of(column)
    medians = np.array([np.median(points[codes == i], axis=0) for i in range(len(colors))])
    origin = np.array([axes.get_xlim()[0], axes.get_ylim()[0]])
    scale = size[0] / (axes.get_xlim()[1] - axes.get_xlim()[0])
    anchors = (medians - origin) * scale
    boxes = np.array([text_size(text, letters, "bold") for text in texts]) + (0.05, 0.035)
    centres = spread(anchors, boxes, np.zeros(2), np.array(size))
    halo = [withStroke(linewidth=1.9, foreground=tones().paper, alpha=0.92)]
    for text, color, anchor, centre, median in zip(texts, colors.values(), anchors, centres, medians, strict=True):
        place = centre / scale + origin
        ink = readable(color)
        if np.abs(centre - anchor).max() > 0.13:
            axes.plot(*np.array([median, place]).T, color=ink, linewidth=0.5, zorder=3, path_effects=halo[:1])
        look: dict[str, Any] = {"size": letters, "weight": "bold", "color": ink, "ha": "center", "va": "center"}
        axes.text(*place, text, zorder=4, path_effects=halo, **look)


def _entries(column: pd.Series) -> int:
    """Count the entries of a legend: the classes, one more if some labels are missing, one more if the list is cut."""
    n = len(categories_of(column))
    return min(n, NAMED_IN_LEGEND) + int(column.isna().any()) + int(n > NAMED_IN_LEGEND)


def _entry_width(column: pd.Series) -> float:
    """Give the width in inches of the widest entry of a legend, marker and margin included."""
    names = all_shortened(categories_of(column)[:NAMED_IN_LEGEND], 36) + ["not known"] * int(column.isna().any())
    return max((text_size(name, 7)[0] for name in names), default=0.3) + 0.29


def _columns_across(column: pd.Series) -> int:
    """Count the columns of a legend that spans the page."""
    return max(1, min(_entries(column), int((DOUBLE - 0.2) / _entry_width(column))))


def legend_size(column: pd.Series, rows: int) -> tuple[float, int]:
    """Give width in inches and number of columns of a legend that stands beside a map."""
    columns = max(1, math.ceil(_entries(column) / rows))
    return columns * _entry_width(column) + 0.09 * (columns - 1) + 0.05, columns


def legend_height(column: pd.Series, rows: int) -> float:
    """Give the height in inches of such a legend: its font and the space between lines are those of `legend`."""
    return min(_entries(column), rows) * 7 * 1.45 / 72


def legend(figure: Figure, column: pd.Series, *, rows: int, loc: str, anchor: tuple[float, float]) -> None:
    """Add the legend of the classes: outside the maps, in columns, by name, missing labels last."""
    figure.legend(
        handles=class_handles(column),
        loc=loc,
        bbox_to_anchor=anchor,
        ncols=max(1, math.ceil(_entries(column) / rows)),
        handletextpad=0.1,
        columnspacing=0.9,
        labelspacing=0.42,
        borderpad=0,
        borderaxespad=0,
        handlelength=1.3,
    )


def class_handles(column: pd.Series) -> list[Any]:
    """Make the legend's markers, one for each class in its order, and one for missing labels if there are any."""
    from matplotlib.lines import Line2D

    classes = categories_of(column)
    colors = label_colors(classes)
    named = classes[:NAMED_IN_LEGEND]
    shown = [(name, colors[c]) for name, c in zip(all_shortened(named, 36), named, strict=True)]
    if len(classes) > NAMED_IN_LEGEND:
        shown.append((f"and {len(classes) - NAMED_IN_LEGEND} more", "none"))
    if column.isna().any():
        shown.append(("not known", tones().missing))
    return [
        Line2D(
            *([], []),
            linestyle="none",
            marker="o",
            markersize=4.6,
            markerfacecolor=color,
            markeredgecolor="none" if color == "none" else edge_of(color),
            markeredgewidth=0.4,
            label=name,
        )
        for name, color in shown
    ]


def color_bar(figure: Figure, drawn: Any, place: tuple[float, ...], name: str, *, across: bool = False) -> None:
    """Add the colour bar of a quantity."""
    axes = figure.add_axes(place)
    bar = figure.colorbar(drawn, cax=axes, orientation="horizontal" if across else "vertical")
    bar.outline.set_visible(False)
    bar.set_label(literal(name), color=tones().ink)
