"""What the trainings of an ensemble agree on: consensus features, the stability of each feature, whole members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latentome.errors import InputError
from latentome.pl.inputs import shortened
from latentome.pl.style import FIRST, SINGLE, ink_on, new_figure, shares, styled, tones, visible

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

#: Rows of the consensus at most, the best supported ones.
MOST_ROWS = 50
#: Up to this many features are named in the figure of stability.
NAMED = 30


@styled
def consensus(groups: pd.DataFrame, features: pd.DataFrame) -> Figure:
    """Draw which members have each consensus feature, darker where the member's own feature is more stable.

    Parameters
    ----------
    groups
        ``adata.uns["consensus"]["groups"]``, as ``latentome.tl.consensus`` leaves it: one row a consensus feature with
        ``feature`` and ``support``.
    features
        ``adata.uns["consensus"]["features"]``: one row a feature of a member with ``member``, ``stability`` and the
        ``group`` it belongs to.

    Returns
    -------
    A figure 3.5 inches wide or more, as the members need. A cell is empty where no single feature of the member is in
    the group; of several the most stable one counts. At the end of each row stands its support: the share of its
    variance that features of a member explain together, on average, or with ``rotate=False`` the share of members.

    Raises
    ------
    InputError
        If a column is missing or there is no consensus feature.
    """
    import numpy as np

    lacking = [name for name in ("feature", "support") if name not in groups.columns]
    lacking += [name for name in ("member", "stability", "group") if name not in features.columns]
    if lacking or not len(groups):
        raise _refusal("There is no consensus to draw.", f"columns missing: {', '.join(lacking) or 'none'}")
    kept = groups.head(MOST_ROWS)
    members = sorted(features["member"].unique())
    best = features.groupby(["group", "member"])["stability"].max().unstack("member")
    picture = best.reindex(index=kept["feature"], columns=members).to_numpy(dtype=float)
    n, m = picture.shape
    cell, tall = min(0.3, 2.2 / m), float(np.clip(4.5 / n, 0.13, 0.24))
    width = max(SINGLE, 1.9 + m * cell)
    figure = new_figure(width, 0.95 + n * tall, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(picture, cmap=shares(), vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.set_xticks(range(m), [str(int(v) + 1) for v in members], size=6)
    axes.set_yticks(range(n), [shortened(name, 22) for name in kept["feature"]], size=6)
    axes.set_xlabel("member (empty: no single feature of it)")
    for i, support in enumerate(kept["support"]):
        axes.text(m - 0.4, i, f"{support:.0%}", size=5.5, va="center", color=tones().faint)
    if len(groups) > n:
        axes.set_title(f"the best {n} of {len(groups)} consensus features", size=7)
    _cells(axes, n, m)
    bar = figure.colorbar(image, ax=axes, shrink=min(1.0, 1.6 / (n * tall)), aspect=16, pad=0.12)
    bar.outline.set_visible(False)
    bar.set_label("stability of the member's feature", size=6)
    return figure


@styled
def stability(table: pd.DataFrame) -> Figure:
    """Draw how well other members find each feature again, the most stable first.

    Parameters
    ----------
    table
        As ``latentome.tl.stability`` gives it: ``feature``, ``stability`` and, where there is one, ``lowest``.

    Returns
    -------
    A figure 3.5 inches wide. A point is the mean absolute correlation with the matches in all other members; a line
    leads down to the worst of them.

    Raises
    ------
    InputError
        If a column is missing or the table is empty.
    """
    if not {"feature", "stability"} <= set(table.columns) or not len(table):
        raise _refusal("There is no stability to draw.", f"columns {', '.join(map(str, table.columns)) or 'none'}")
    rows = table.sort_values("stability", ascending=False, kind="stable")
    places = range(1, len(rows) + 1)
    figure = new_figure(SINGLE, 2.5, layout="constrained")
    axes = figure.subplots()
    if "lowest" in rows:
        axes.vlines(places, rows["lowest"], rows["stability"], color=tones().line, linewidth=min(1.2, 90 / len(rows)))
    axes.scatter(places, rows["stability"], s=min(14, 700 / len(rows)), color=visible(FIRST), linewidths=0, zorder=2)
    mean = float(rows["stability"].mean())
    axes.axhline(mean, color=tones().faint, linewidth=0.6, linestyle="--", zorder=1)
    axes.annotate(
        f"mean {mean:.2f}",
        (1, mean),
        (-1, 2),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        size=6,
        color=tones().faint,
        ha="right",
    )
    axes.set(ylim=(0, 1.02), ylabel="stability over members", xlabel="features, the most stable first")
    if len(rows) <= NAMED:
        axes.set_xticks(places, [shortened(name, 16) for name in rows["feature"]], rotation=90, size=5.5)
    axes.margins(x=0.02)
    return figure


@styled
def replication(table: pd.DataFrame) -> Figure:
    """Draw how well models of halves of the samples find each feature again, the best first, beside PCA and chance.

    Parameters
    ----------
    table
        As ``latentome.tl.replication`` gives it: ``method`` (the model's first), ``feature``, ``replication``,
        ``lowest``, ``again``.

    Returns
    -------
    A figure 3.5 inches wide. A point is the mean correlation of a feature of the model with its matches, filled where
    the feature comes again; a line leads down to the worst of them. Lines are the components of PCA, and those of PCA
    of shuffled genes.

    Raises
    ------
    InputError
        If a column is missing or the table is empty.
    """
    if not {"method", "feature", "replication", "lowest", "again"} <= set(table.columns) or not len(table):
        raise _refusal("There is no replication to draw.", f"columns {', '.join(map(str, table.columns)) or 'none'}")
    import numpy as np

    (_, rows), *others = table.groupby("method", sort=False)
    rows = rows.sort_values("replication", ascending=False, kind="stable")
    places = np.arange(1, len(rows) + 1)
    figure = new_figure(SINGLE, 2.7, layout="constrained")
    axes = figure.subplots()
    axes.vlines(places, rows["lowest"], rows["replication"], color=tones().line, linewidth=min(1.2, 90 / len(rows)))
    for (name, other), style in zip(others, ("-", ":"), strict=False):
        values = np.sort(other["replication"])[::-1]
        axes.plot(np.arange(1, len(values) + 1), values, style, color=tones().faint, linewidth=0.9, label=name)
    color, size = visible(FIRST), min(14, 700 / len(rows))
    again = rows["again"].to_numpy(dtype=bool)
    for chosen, face, name in ((again, color, "features that come again"), (~again, "none", "that do not")):
        if chosen.any():
            axes.scatter(
                places[chosen],
                rows["replication"][chosen],
                s=size,
                facecolors=face,
                edgecolors=color,
                linewidths=0.6,
                zorder=2,
                label=name,
            )
    axes.set(ylim=(0, 1.02), ylabel="correlation with the match", xlabel="features, the best first")
    if len(rows) <= NAMED:
        axes.set_xticks(places, [shortened(name, 16) for name in rows["feature"]], rotation=90, size=5.5)
    axes.margins(x=0.02)
    figure.legend(loc="outside upper center", ncols=2, fontsize=6, frameon=False)
    return figure


@styled
def similarity(table: pd.DataFrame) -> Figure:
    """Draw how alike the representations of each two members are: below the diagonal CKA, above it SVCCA.

    Parameters
    ----------
    table
        As ``latentome.tl.similarity`` gives it: ``one``, ``other`` (from 0), ``cka``, ``svcca``.

    Returns
    -------
    A figure 3.5 inches wide.

    Raises
    ------
    InputError
        If a column is missing or the table is empty.
    """
    import numpy as np

    if not {"one", "other", "cka", "svcca"} <= set(table.columns) or not len(table):
        raise _refusal("There is no similarity to draw.", f"columns {', '.join(map(str, table.columns)) or 'none'}")
    n = int(table[["one", "other"]].to_numpy().max()) + 1
    picture = np.full((n, n), np.nan)
    low, high = table["one"].to_numpy(dtype=int), table["other"].to_numpy(dtype=int)
    picture[high, low], picture[low, high] = table["cka"], table["svcca"]
    figure = new_figure(SINGLE, 2.85, layout="constrained")
    axes, cmap = figure.subplots(), shares()
    image = axes.imshow(picture, cmap=cmap, vmin=0, vmax=1, interpolation="nearest")
    if n <= 10:
        for i, j in zip(*np.nonzero(np.isfinite(picture)), strict=True):
            text = f"{picture[i, j]:.2f}".replace("0.", ".", 1)
            axes.text(j, i, text, size=6 if n <= 7 else 5, color=ink_on(cmap(picture[i, j])), ha="center", va="center")
    step = max(1, n // 12)
    axes.set_xticks(range(0, n, step), [str(i + 1) for i in range(0, n, step)])
    axes.set_yticks(range(0, n, step), [str(i + 1) for i in range(0, n, step)])
    axes.set(xlabel="member", ylabel="member", title="above: SVCCA, below: CKA")
    _cells(axes, n, n)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, aspect=18, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("similarity", size=6.5)
    return figure


def _cells(axes, rows: int, columns: int) -> None:
    """Part the cells by fine lines, without a frame around them."""
    axes.spines[:].set_visible(False)
    axes.tick_params(which="both", length=0)
    axes.set_xticks([i - 0.5 for i in range(columns + 1)], minor=True)
    axes.set_yticks([i - 0.5 for i in range(rows + 1)], minor=True)
    axes.grid(which="minor", color=tones().grid, linewidth=0.4)


def _refusal(what: str, where: str) -> InputError:
    return InputError(
        what,
        where=where,
        expected="the tables of an ensemble",
        todo="Train with several members, and pass what latentome.tl.consensus, stability or similarity gives.",
    )
