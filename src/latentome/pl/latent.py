"""The latent features themselves: all of them for all samples, and how the first ones are distributed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from latentome.errors import InputError, of_anndata
from latentome.pl.inputs import categories_of, codes_of, column_of, feature_names, is_numeric, matrix_of
from latentome.pl.maps import class_handles
from latentome.pl.style import (
    DOUBLE,
    SINGLE,
    diverging,
    label_colors,
    literal,
    new_figure,
    sequential,
    styled,
    tones,
)

if TYPE_CHECKING:
    import anndata as ad
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Standard deviations at which the colours of the heat map end.
CLIP = 3.0
#: Rows of the heat map at most, about as many as dots in its height at 300 an inch.
MOST_ROWS = 1250


@styled
@of_anndata
def latent_heatmap(
    adata: ad.AnnData,
    use_rep: str = "X_vae",
    color: str | Sequence[str] = "cancer_type",
    row_order: Sequence[int] | None = None,
    column_order: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
) -> Figure:
    """Draw every latent feature of every sample as one picture, with the classes beside it.

    Each feature is shown in standard deviations from its own mean, cut at three, because features differ in scale and
    only the pattern over the samples can be compared.

    Parameters
    ----------
    adata
        Samples x genes, with the features in ``obsm``.
    use_rep
        Key in ``obsm`` of the features, shape (samples, features).
    color
        Column of ``obs`` with the classes for the side bar, or several columns for one bar each.
    row_order, column_order
        Samples from top to bottom and features from left to right, as positions; each a permutation. By default the
        rows go by the classes of the first bar and the columns stay as they are.
    names
        Names of the features; by default those of the data frame in ``obsm``, else their numbers from 1.

    Returns
    -------
    A figure 7.2 inches wide.

    Raises
    ------
    InputError
        If the features or a column do not exist, a column holds quantities, or an order is not a permutation.
    """
    import numpy as np

    values = matrix_of(adata, use_rep)
    bars = {name: _classes(adata, name) for name in ([color] if isinstance(color, str) else color)}
    if not bars:
        raise InputError(
            "There is no column of classes for the side bar.",
            where="color=[]",
            expected="the name of a column of adata.obs, or several",
            todo="Name one.",
        )
    spread = values.std(axis=0)
    scaled = np.clip((values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0), -CLIP, CLIP)
    rows = (
        _by_class(next(iter(bars.values()))) if row_order is None else _permutation(row_order, len(scaled), "row_order")
    )
    columns = _permutation(
        range(values.shape[1]) if column_order is None else column_order, values.shape[1], "column_order"
    )
    shown = feature_names(adata, use_rep, names)

    figure = new_figure(DOUBLE, 4.8, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.05, wspace=0.01)
    *strips, main = figure.subplots(1, len(bars) + 1, width_ratios=(*[0.022] * len(bars), 1.0))
    for strip, (name, column) in zip(strips, bars.items(), strict=True):
        _side_bar(strip, column.iloc[rows])
        if len(bars) > 1:
            strip.set_xlabel(literal(name), size=5.5, rotation=90)
    told = ", ".join(literal(name) for name in bars)
    strips[0].set_ylabel(f"{len(rows):,} samples, coloured by {told}")
    picture = _thin(scaled[np.ix_(rows, columns)])
    image = main.imshow(picture, aspect="auto", cmap=diverging(), vmin=-CLIP, vmax=CLIP, interpolation="nearest")
    main.spines[:].set_visible(False)
    main.set(yticks=[], xlabel=f"{len(columns)} latent feature{'s' * (len(columns) > 1)}")
    _name_columns(main, [shown[i] for i in columns])
    entries = _entries(bars)
    key = {"ncols": math.ceil(len(entries) / 30), "handletextpad": 0.1, "columnspacing": 0.8, "labelspacing": 0.42}
    legend = figure.legend(handles=entries, loc="outside right upper", handlelength=1.3, **key)
    for text, entry in zip(legend.get_texts(), entries, strict=True):
        text.set_weight("normal" if entry.get_marker() == "o" else "bold")
    scale = figure.colorbar(image, ax=main, orientation="horizontal", location="top", shrink=0.32, aspect=28, pad=0.015)
    scale.outline.set_visible(False)
    scale.set_label("standard deviations from the feature's mean", size=6.5)
    scale.set_ticks([-3, 0, 3], labels=["\N{MINUS SIGN}3 or less", "0", "3 or more"])
    return figure


def _thin(picture: np.ndarray) -> np.ndarray:
    """Average neighbouring rows where there are more than a printer has dots: dropping rows would hide samples."""
    import numpy as np

    if len(picture) <= MOST_ROWS:
        return picture
    starts = np.linspace(0, len(picture), MOST_ROWS, endpoint=False).astype(int)
    return np.add.reduceat(picture, starts, axis=0) / np.diff([*starts, len(picture)])[:, None]


def _permutation(order: Sequence[int], n: int, name: str) -> np.ndarray:
    """Check that an order names each of `n` positions once."""
    import numpy as np

    order = np.asarray(order, dtype=int)
    if order.shape == (n,) and np.array_equal(np.sort(order), np.arange(n)):
        return order
    raise InputError(
        f"The {name} does not name every position once.",
        where=f"{name}, shape {order.shape}",
        expected=f"the numbers 0 to {n - 1}, each once",
        todo="Pass the order that a clustering or numpy.argsort gives for all of them.",
    )


def _by_class(column: pd.Series) -> np.ndarray:
    """Order the samples by class, missing labels last, otherwise as they come."""
    import numpy as np

    codes = codes_of(column)
    return np.argsort(np.where(codes < 0, len(codes), codes), kind="stable")


def _classes(adata: ad.AnnData, name: str) -> pd.Series:
    """Give a column of classes."""
    column = column_of(adata, name)
    if not is_numeric(column):
        return column
    raise InputError(
        f"The side bar needs classes, and '{name}' holds quantities.",
        where=f"adata.obs['{name}'], type {column.dtype}",
        expected="a column of classes",
        todo="Give another column, or make this one categorical with astype('category').",
    )


def _entries(bars: dict[str, pd.Series]) -> list[Any]:
    """Make the entries of the legend; of several bars each under the name of its column."""
    from matplotlib.lines import Line2D

    if len(bars) == 1:
        return class_handles(next(iter(bars.values())))
    heads = {name: Line2D([], [], linestyle="none", marker="", label=literal(name)) for name in bars}
    return [entry for name, column in bars.items() for entry in (heads[name], *class_handles(column))]


def _side_bar(axes: Axes, column: pd.Series) -> None:
    """Draw the class of each sample as a narrow strip."""
    import numpy as np
    from matplotlib.colors import to_rgb

    colors = label_colors(categories_of(column))
    strip = np.array([[to_rgb(colors.get(value, tones().missing))] for value in column.astype(object)])
    axes.imshow(strip, aspect="auto", interpolation="nearest")
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])


def _name_columns(axes: Axes, names: list[str]) -> None:
    """Name the features below the picture, as many as can be read."""
    longest = max((len(name) for name in names), default=1)
    if len(names) > 60:
        axes.set_xticks([])
        return
    axes.set_xticks(range(len(names)), names, rotation=90 if longest > 3 or len(names) > 30 else 0, size=5.5)
    axes.tick_params(axis="x", length=0, pad=2)


@styled
@of_anndata
def activations(
    adata: ad.AnnData, use_rep: str = "X_vae", n_features: int = 10, names: Sequence[str] | None = None
) -> Figure:
    """Draw how the first latent features are distributed over the samples, one ridge for each.

    Every ridge has the same height, so shapes can be compared but not counts.

    Parameters
    ----------
    adata
        Samples x genes, with the features in ``obsm``.
    use_rep
        Key in ``obsm`` of the features, shape (samples, features).
    n_features
        How many features to draw, from the first on; fewer if there are not as many.
    names
        Names of the features; by default those of the data frame in ``obsm``, else their numbers from 1.

    Returns
    -------
    A figure 3.5 inches wide.

    Raises
    ------
    InputError
        If the features do not exist or `n_features` is below 1.
    """
    import numpy as np

    values = matrix_of(adata, use_rep)
    if n_features < 1:
        raise InputError(
            "No feature was asked for.", where="n_features", expected="1 or more", todo="Leave it out to draw ten."
        )
    shown = feature_names(adata, use_rep, names)[:n_features]
    values = values[:, :n_features]
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) or 1.0
    grid = np.linspace(low - room, high + room, 500)
    figure = new_figure(SINGLE, 0.75 + 0.26 * len(shown), layout="constrained")
    axes = figure.subplots()
    for i in range(len(shown)):
        base = len(shown) - 1 - i
        tint = sequential()(0.12 + 0.66 * i / max(len(shown) - 1, 1))
        _ridge(axes, grid, values[:, i], base, tint)
    axes.set(xlim=(grid[0], grid[-1]), ylim=(-0.25, len(shown) + 0.75), xlabel="activation")
    axes.set_yticks(range(len(shown) - 1, -1, -1), shown)
    axes.set_ylabel("latent feature")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return figure


def _ridge(axes: Axes, grid: np.ndarray, values: np.ndarray, base: float, tint: Any) -> None:
    """Draw one density from its base line upwards, over the one above it."""
    import numpy as np
    from scipy.stats import gaussian_kde

    # A peak narrower than this could fall between two points of the grid and not be drawn at all.
    narrowest = 2 * (grid[1] - grid[0])
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if spread > 1e-9 * max(1.0, float(np.abs(values).max())):
        scott = len(values) ** -0.2
        height = gaussian_kde(values, bw_method=max(scott, narrowest / spread))(grid)
    else:
        # A feature without spread, such as one that collapsed, has no density: it is a needle at its value.
        height = np.exp(-0.5 * ((grid - values[0]) / narrowest) ** 2)
    height = height / height.max()
    top = base + 1.5 * height
    order = 1000 - base
    axes.fill_between(grid, base, top, facecolor=tint, alpha=0.88, linewidth=0, zorder=order)
    # The outline ends where the density does, or it would cover the ridges behind with a white line.
    axes.plot(grid, np.where(height > 0.004, top, np.nan), color=tones().paper, linewidth=0.8, zorder=order)
    axes.plot(grid, np.full_like(grid, base), color=tones().ink, linewidth=0.25, zorder=order)
