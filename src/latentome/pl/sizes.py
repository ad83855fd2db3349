"""How many latent dimensions: what each number of them gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latentome.pl.inputs import check_columns
from latentome.pl.style import DOUBLE, FIRST, new_figure, styled, tones, visible

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def dimensions(table: pd.DataFrame, chosen: int | None = None) -> Figure:
    """Draw error, use, stability and probe over the number of latent dimensions, PCA of the same size in grey.

    Parameters
    ----------
    table
        As ``latentome.tl.dimensions`` gives it: ``size``, ``error``, ``standard_error``, ``pca_error``, ``active``,
        ``stability`` and, where there were labels, ``probe`` and ``pca_probe``.
    chosen
        The size to mark, as ``latentome.tl.choose_size`` recommends it.

    Returns
    -------
    A figure 7.2 inches wide of three panels, or of four with a probe.

    Raises
    ------
    InputError
        If a column is missing or the table is empty.
    """
    import numpy as np
    from matplotlib.patheffects import withStroke

    needed = ("size", "error", "standard_error", "pca_error", "active", "stability")
    check_columns(table, needed, "There are no dimensions to draw.", "Pass what latentome.tl.dimensions gives.")
    rows = table.sort_values("size")
    probed = {"probe", "pca_probe"} <= set(rows.columns) and rows["probe"].notna().any()
    panels = [
        ("Held-out error", "mean squared error", "error", "pca_error"),
        ("Features in use", "features", "active", None),
        ("Stability over seeds", "mean correlation", "stability", None),
        *([("Classes told apart", "mean AUROC of a probe", "probe", "pca_probe")] if probed else []),
    ]
    figure = new_figure(DOUBLE, 2.25, layout="constrained")
    sizes, color = rows["size"].to_numpy(dtype=float), visible(FIRST)
    edge = withStroke(linewidth=2.2, foreground=tones().paper)
    dashed = {"linestyle": (0, (4, 5)), "linewidth": 1.1, "path_effects": [edge], "zorder": 4}
    for axes, (title, unit, name, pca) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        _axis(axes, sizes, chosen)
        axes.plot(sizes, rows[name], "-o", color=color, markersize=3, label="model", zorder=3)
        if name == "error":
            spread = rows["standard_error"].to_numpy(dtype=float)
            axes.fill_between(sizes, rows[name] - spread, rows[name] + spread, color=color, alpha=0.2, linewidth=0)
        # Dashed, edged and on top: PCA's line, and that of all features, may lie exactly where the model's does.
        if pca:
            axes.plot(sizes, rows[pca], color=tones().baseline, label="PCA", **dashed)
        if name == "active":
            every = np.linspace(sizes.min(), sizes.max(), 200)  # not a straight line on a logarithmic axis
            look = {**dashed, "linestyle": (0, (1, 2))}
            axes.plot(every, every, color=tones().faint, label="all in use", **look)
        if name == "stability":
            axes.set_ylim(0, 1.02)
        axes.set(title=title, ylabel=unit)
    handles = {label: h for axes in figure.axes for h, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
    return figure


def _axis(axes: Axes, sizes, chosen: int | None) -> None:
    """Scale and name the axis of the sizes; mark the chosen one."""
    if sizes.max() > 8 * sizes.min():
        log_axis(axes, sizes)
    else:
        axes.xaxis.get_major_locator().set_params(integer=True, nbins=6)
    axes.set_xlabel("latent dimensions")
    axes.yaxis.grid(True)
    axes.yaxis.get_major_locator().set_params(nbins=5)
    axes.margins(x=0.06)
    if chosen is not None:
        label = "recommended size" if axes.get_subplotspec().is_first_col() else None
        axes.axvline(chosen, color=tones().ink, linewidth=0.7, linestyle="-.", label=label, zorder=1)


def log_axis(axes: Axes, values) -> None:
    """Make the horizontal axis logarithmic, with the values themselves as its ticks.

    A value so near the one before that their numbers would touch gets none.
    """
    axes.set_xscale("log")
    axes.minorticks_off()
    unique = sorted(map(float, set(values)))
    kept, least = [], (unique[-1] / unique[0]) ** 0.2
    for value in unique:
        if not kept or value >= least * kept[-1]:
            kept.append(value)
    axes.set_xticks(kept, [f"{value:g}" for value in kept])
