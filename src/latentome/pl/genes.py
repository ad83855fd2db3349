"""Which genes a latent feature stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latentome.pl.inputs import all_shortened, check_columns
from latentome.pl.style import NEGATIVE, POSITIVE, literal, new_panels, styled, tones, visible

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Longer names of genes are cut: one of them would leave no room for the bars.
LONGEST_GENE = 20


@styled
def signatures(table: pd.DataFrame, n_features: int = 6, n_genes: int = 8) -> Figure:
    """Draw the genes that weigh most in the first latent features, on both sides of zero.

    Parameters
    ----------
    table
        One row a gene of a feature: ``feature``, ``gene``, ``loading`` (signed, in the unit of the weights).
    n_features
        How many features, in the order of the table.
    n_genes
        How many genes on each side of zero at most, those with the largest loadings.

    Returns
    -------
    A figure 7.2 inches wide (3.5 for one feature); all panels share their horizontal scale.

    Raises
    ------
    InputError
        If a column is missing or the table is empty.
    """
    todo = "Pass what latentome.tl.signatures gives, or the signatures.tsv of a run folder."
    check_columns(table, ("feature", "gene", "loading"), "There are no signatures to draw.", todo)
    panels = [(name, _top(part, n_genes)) for name, part in table.groupby("feature", sort=False)][:n_features]
    deepest = max(len(part) for _, part in panels)
    figure, grid = new_panels(len(panels), 0.45 + 0.122 * max(deepest, 3), 0.2, sharex=True)
    reach = max(float(part["loading"].abs().max()) for _, part in panels) or 1.0
    for axes, (name, part) in zip(grid, panels, strict=True):
        _panel(axes, str(name), part, deepest, reach)
    figure.supxlabel("loading", size=7)
    return figure


def _top(part: pd.DataFrame, n: int) -> pd.DataFrame:
    """Keep the largest loadings of both signs, from the most positive to the most negative."""
    import pandas as pd

    up = part[part["loading"] > 0].nlargest(n, "loading")
    down = part[part["loading"] < 0].nsmallest(n, "loading")
    return pd.concat([up, down.iloc[::-1]])


def _panel(axes: Axes, name: str, part: pd.DataFrame, deepest: int, reach: float) -> None:
    """Draw one feature: bars away from zero, each gene named on the other side of zero from its bar."""
    loadings = part["loading"].to_numpy(dtype=float)
    places = [-i for i in range(len(loadings))]
    colors = [visible(POSITIVE if v > 0 else NEGATIVE) for v in loadings]
    axes.barh(places, loadings, height=0.72, color=colors, zorder=2)
    for place, value, gene in zip(places, loadings, all_shortened(part["gene"], LONGEST_GENE), strict=True):
        # Symbols of genes are set in italics, as journals ask.
        side, align = (-0.03, "right") if value > 0 else (0.03, "left")
        axes.text(side * reach, place, gene, size=6, style="italic", va="center", ha=align, color=tones().ink)
    axes.axvline(0, color=tones().ink, linewidth=0.6, zorder=3)
    axes.set(xlim=(-1.1 * reach, 1.1 * reach), ylim=(-deepest + 0.4, 0.7), yticks=[])
    axes.set_title(f"feature {name}" if name.isdecimal() else literal(name))
    axes.xaxis.get_major_locator().set_params(nbins=5)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", colors=tones().faint)
