"""Two latent features against each other, coloured by what is known of the samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from latentome.errors import of_anndata
from latentome.pl.inputs import column_of, feature_names, feature_title, is_numeric, matrix_of, position_of
from latentome.pl.maps import color_bar, draw_points, legend, legend_height, legend_size
from latentome.pl.style import DOUBLE, new_figure, styled

if TYPE_CHECKING:
    import anndata as ad
    from matplotlib.figure import Figure


@styled
@of_anndata
def feature_scatter(
    adata: ad.AnnData,
    x: str | int,
    y: str | int,
    use_rep: str = "X_vae",
    color: str = "cancer_type",
    names: Sequence[str] | None = None,
) -> Figure:
    """Draw one latent feature against another, one point for each sample.

    Parameters
    ----------
    adata
        Samples x genes, with the features in ``obsm``.
    x, y
        The two features, by name or by number from 1.
    use_rep
        Key in ``obsm`` of the features, shape (samples, features).
    color
        Column of ``obs``: classes get a legend, quantities a colour bar; missing values are light grey.
    names
        Names of the features; by default those of the data frame in ``obsm``, else their numbers from 1.

    Returns
    -------
    A figure as wide as its legend needs, at most 7.2 inches; each axis has its own scale.

    Raises
    ------
    InputError
        If the features or the column do not exist.
    """
    values = matrix_of(adata, use_rep)
    shown = feature_names(adata, use_rep, names)
    points = values[:, [position_of(shown, x), position_of(shown, y)]]
    column = column_of(adata, color)
    left, bottom, gap, top = 0.52, 0.42, 0.15, 0.08
    beside = 0.75 if is_numeric(column) else legend_size(column, rows=24)[0]
    side = max(3.0, min(4.2, DOUBLE - left - gap - beside))
    tall = 0.85 * side
    listed = 0.0 if is_numeric(column) else legend_height(column, rows=24)
    width, height = left + side + gap + beside, max(bottom + tall + top, listed + 2 * top)
    figure = new_figure(width, height)
    axes = figure.add_axes((left / width, bottom / height, side / width, tall / height))
    drawn = draw_points(axes, points, column, (side, tall))
    axes.margins(0.04)
    axes.set(xlabel=feature_title(shown, x), ylabel=feature_title(shown, y))
    if is_numeric(column):
        place = ((left + side + gap) / width, (bottom + 0.25 * tall) / height, 0.11 / width, 0.5 * tall / height)
        color_bar(figure, drawn, place, color)
    else:
        middle = (bottom + tall / 2) / height if listed < tall else 0.5
        anchor = ((left + side + gap) / width, middle)
        legend(figure, column, rows=24, loc="center left", anchor=anchor)
    return figure
