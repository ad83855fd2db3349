"""A sweep: the held-out error over what was varied, over the latent size, and the losses epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from latentome.errors import InputError
from latentome.pl.sizes import log_axis
from latentome.pl.style import PALETTE, literal, new_panels, sequential, styled, tones, visible

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The most panels of a figure, and lines of a panel; what is beyond is left out and counted in the title.
MAX_PANELS, MAX_LINES = 12, 12


@styled
def sweep_scores(summary: pd.DataFrame, varied: Sequence[str]) -> Figure:
    """Draw the held-out error of each configuration with its interval, and PCA of the same size in grey.

    The parameter with the most values lies along the horizontal axis, the next one is told by colour, the others and
    the model by panel, as in the figures of the published sweeps.

    Parameters
    ----------
    summary
        One row a configuration: ``model``, the parameters, ``held-out MSE``, ``low``, ``high`` (NaN where there is no
        interval) and ``PCA held-out MSE``.
    varied
        Names of the columns that vary.

    Raises
    ------
    InputError
        If no configuration has an error.
    """
    known = summary[summary["held-out MSE"].notna()]
    _check(known, "the errors of a sweep")
    across, color, rest = _roles(known, varied)
    panels = _panels(known, ["model", *rest])
    figure, grid = new_panels(len(panels), 2.0, 0.4, alone=2.5, four=2)
    places = _places(known[across])
    colors = _colors(known[color]) if color else {None: visible(PALETTE[0])}
    for axes, (title, rows) in zip(grid, panels, strict=False):
        for value, shade in colors.items():
            line = rows if value is None else rows[rows[color] == value]
            line = line.sort_values(across, key=lambda column: column.map(places))
            x = [places[v] for v in line[across]]
            axes.plot(x, line["held-out MSE"], "-o", color=shade, markersize=3, label=literal(value))
            if line["low"].notna().any():
                axes.vlines(x, line["low"], line["high"], color=shade, linewidth=0.7)
            if "PCA held-out MSE" in line:
                axes.plot(x, line["PCA held-out MSE"], "_", color=tones().baseline, markersize=7, zorder=1)
        _label(axes, title, across, places)
    grid[0].set_ylabel("held-out mean squared error (grey: PCA)")
    _key(figure, grid[0], color)
    return figure


@styled
def sweep_sizes(summary: pd.DataFrame, scores: Sequence[str]) -> Figure:
    """Draw each score over the latent size: the best configuration of each model at each size, and PCA.

    Parameters
    ----------
    summary
        One row a configuration: ``model``, ``latent features``, ``held-out MSE``, the scores, and ``PCA`` and a score's
        name for PCA's.
    scores
        Names of the scores, one panel for each.

    Raises
    ------
    InputError
        If no configuration has an error.
    """
    known = summary[summary["held-out MSE"].notna()]
    _check(known, "the errors of a sweep")
    best = known.sort_values("held-out MSE").drop_duplicates(["model", "latent features"])
    best = best.sort_values("latent features")
    figure, grid = new_panels(len(scores), 2.0, 0.4, alone=2.5, four=2)
    for axes, score in zip(grid, scores, strict=False):
        for i, (model, rows) in enumerate(best.groupby("model", sort=True)):
            axes.plot(
                rows["latent features"],
                rows[score],
                "-o",
                color=visible(PALETTE[i % len(PALETTE)]),
                markersize=3,
                label=literal(model),
                zorder=2,
            )
        pca = best.drop_duplicates("latent features")
        axes.plot(pca["latent features"], pca[f"PCA {score}"], "--", color=tones().baseline, label="PCA", zorder=1)
        axes.set(title=literal(score), xlabel="latent features")
        if best["latent features"].max() > 10 * best["latent features"].min():
            log_axis(axes, best["latent features"])
        else:
            axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(True, axis="y")
    handles, names = grid[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=4)
    return figure


@styled
def sweep_curves(curves: pd.DataFrame, summary: pd.DataFrame, varied: Sequence[str]) -> Figure:
    """Draw the losses against the epoch, training solid and validation dashed: a panel for each setting but one.

    Parameters
    ----------
    curves
        ``configuration``, ``epoch``, ``loss`` and ``val_loss`` where there is one; drawn are the means over folds
        and seeds.
    summary
        One row a configuration: ``configuration``, ``model`` and the parameters.
    varied
        Names of the columns that vary.

    Raises
    ------
    InputError
        If there are no curves.
    """
    _check(curves, "the losses of a sweep")
    across, color, rest = _roles(summary, varied)
    shown = summary.sort_values("configuration")
    panels = _panels(shown, ["model", *([color] if color else []), *rest])
    figure, grid = new_panels(len(panels), 2.0, 0.4, alone=2.5, four=2)
    names = [name for name in ("loss", "val_loss") if name in curves]
    means = curves.groupby(["configuration", "epoch"])[names].mean()
    colors = _colors(shown[across])
    for axes, (title, rows) in zip(grid, panels, strict=False):
        highest = []
        for number, value in zip(rows["configuration"], rows[across], strict=True):
            if number not in means.index.get_level_values(0) or value not in colors:
                continue
            line = means.loc[number]
            highest.append(line["loss"].iloc[min(1, len(line) - 1)])
            for name, dash in zip(names, ("-", "--"), strict=False):
                label = literal(value) if name == "loss" else None
                axes.plot(line.index, line[name], dash, color=colors[value], linewidth=0.9, label=label)
        finite = [v for v in highest if math.isfinite(v)]
        # A first epoch, or a training that went astray, would press all others into one line.
        if finite and sorted(finite)[len(finite) // 2] > 0:
            axes.set_ylim(top=min(axes.get_ylim()[1], 2 * sorted(finite)[len(finite) // 2]))
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
    grid[0].set_ylabel("loss (dashed: validation)")
    _key(figure, grid[0], across)
    return figure


def _check(table: pd.DataFrame, what: str) -> None:
    if len(table):
        return
    raise InputError(
        f"There is nothing to draw in {what}.",
        where="a table without rows",
        expected="at least one configuration that was trained",
        todo="look at the column error of the table",
    )


def _roles(table: pd.DataFrame, varied: Sequence[str]) -> tuple[str, str | None, list[str]]:
    """Which parameter lies along the axis, which one is told by colour, and the others."""
    counts = {name: table[name].astype(str).nunique() for name in varied}
    many = sorted((n for n in counts if counts[n] > 1), key=lambda n: -counts[n])
    across = many[0] if many else "model"
    rest = many[2:]
    return across, many[1] if len(many) > 1 else None, rest


def _panels(table: pd.DataFrame, names: Sequence[str]) -> list[tuple[str, pd.DataFrame]]:
    """Title and rows of each panel."""
    telling = [name for name in names if table[name].astype(str).nunique() > 1]
    if not telling:
        return [("", table)]
    groups = table.groupby([table[name].astype(str) for name in telling], sort=False)
    panels = []
    for values, rows in groups:
        said = [v if n == "model" else f"{n} {v}" for n, v in zip(telling, values, strict=True)]
        panels.append((literal(", ".join(said)), rows))
    return panels[:MAX_PANELS]


def _places(values: pd.Series) -> dict[Any, float]:
    """Where each value lies: numbers where they are, or by their order where they are texts or many decades apart."""
    unique = list(dict.fromkeys(values))
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values.tolist())
    if numbers and (min(unique) > 0 or max(unique) < 10):
        return {v: float(v) for v in unique}
    return {v: float(i) for i, v in enumerate(sorted(unique) if numbers else unique)}


def _label(axes: Axes, title: str, name: str, places: dict[Any, float]) -> None:
    axes.set(title=title, xlabel=name)
    low, high = min(places.values()), max(places.values())
    if all(float(p) == v for v, p in places.items() if isinstance(v, int | float)) and not any(
        isinstance(v, str) for v in places
    ):
        if low > 0 and high > 8 * low:
            log_axis(axes, places.values())
        elif all(place.is_integer() for place in places.values()):
            axes.xaxis.get_major_locator().set_params(integer=True)
    else:
        axes.set_xticks(list(places.values()), [literal(v) for v in places])
    axes.grid(True, axis="y")


def _colors(values: pd.Series) -> dict[Any, str]:
    """A colour for each value; numbers along a scale."""
    from matplotlib.colors import to_hex

    unique = list(dict.fromkeys(values))
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values.tolist()):
        unique = sorted(unique)
        scale = sequential()
        return {v: to_hex(scale(0.9 * i / max(len(unique) - 1, 1))) for i, v in enumerate(unique)}
    return {v: visible(PALETTE[i % len(PALETTE)]) for i, v in enumerate(unique)}


def _key(figure: Figure, axes: Axes, name: str | None) -> None:
    handles, names = axes.get_legend_handles_labels()
    if name is None or not handles:
        return
    step = math.ceil(len(handles) / MAX_LINES)
    legend = figure.legend(handles[::step], names[::step], loc="outside upper center", ncols=6, title=literal(name))
    legend.get_title().set_color(tones().faint)
