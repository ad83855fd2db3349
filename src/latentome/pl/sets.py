"""Which gene sets stand behind the features, and which signatures share their genes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from latentome.errors import InputError
from latentome.pl.inputs import check_columns, shortened
from latentome.pl.style import (
    NEGATIVE,
    POSITIVE,
    SINGLE,
    ink_on,
    literal,
    new_figure,
    shares,
    styled,
    tones,
    visible,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Longer names of sets are cut: one of them would leave no room for the bars.
LONGEST_SET = 40


@styled
def enrichment(
    table: pd.DataFrame,
    features: Sequence[str] | None = None,
    n_features: int = 6,
    n_sets: int = 4,
    level: float = 0.05,
) -> Figure:
    """Draw the gene sets that stand out most in the features, one bar for each, grouped by feature.

    Parameters
    ----------
    table
        One row a test, as ``latentome.tl.enrich`` gives them: ``feature``, ``side``, ``set``, ``q``, and ``overlap``
        and ``set_size`` (of over-representation) or ``effect`` (AUROC, of the rank test).
    features
        Which features to draw, in this order; by default those with the smallest q, `n_features` at most.
    n_features
        How many features at most.
    n_sets
        How many sets of each feature at most, those with the smallest q of both sides.
    level
        The q at which a dashed line stands. Sets beyond it are left out, unless there are no others.

    Returns
    -------
    A figure 5.2 inches wide, as high as the sets need. Bars are as long as minus the logarithm of q; at their ends
    stands how many genes of the set the signature has, or the AUROC. A first word that all sets share, such as
    ``HALLMARK``, is left out.

    Raises
    ------
    InputError
        If a column is missing, or nothing is left to draw.
    """
    import numpy as np

    lacking = [name for name in ("feature", "side", "set", "q") if name not in table.columns]
    if not lacking:
        ranked = table.sort_values("q", kind="stable")
        chosen = list(dict.fromkeys(ranked["feature"]))[:n_features] if features is None else list(features)
        if (ranked["q"] <= level).any():  # what chance may give is drawn only where there is nothing else
            ranked = ranked[ranked["q"] <= level]
        groups = {name: ranked[ranked["feature"] == name].head(n_sets) for name in chosen}
    if lacking or not sum(map(len, groups.values())):
        raise InputError(
            "There is no enrichment to draw.",
            where=f"table, {len(table)} rows, columns {', '.join(map(str, table.columns)) or 'none'}",
            expected="the columns feature, side, set and q, and one row or more of these features",
            todo="Pass what latentome.tl.enrich gives, or the interpretation/enrichment.tsv of a run folder.",
        )
    rows = [row for name, part in groups.items() if len(part) for row in [name, *part.itertuples(index=False)]]
    figure = new_figure(5.2, 0.72 + 0.155 * len(rows), layout="constrained")
    axes = figure.subplots()
    prefix = _common(table["set"])
    names, reach = [], max(-np.log10(max(part["q"].min(), 1e-300)) for part in groups.values() if len(part))
    line = -float(np.log10(level))
    reach = 1.18 * max(float(reach), 1.6 * line)
    for i, row in enumerate(rows):
        if isinstance(row, str | int):
            names.append(literal(row))
            continue
        names.append(shortened(str(row.set)[len(prefix) :].replace("_", " "), LONGEST_SET))
        length = -np.log10(max(row.q, 1e-300))
        axes.barh(-i, length, height=0.7, color=visible(POSITIVE if row.side == "positive" else NEGATIVE), zorder=2)
        axes.text(length + 0.01 * reach, -i, _said(row), size=5.5, va="center", color=tones().faint)
    axes.axvline(line, color=tones().faint, linewidth=0.6, linestyle="--", zorder=3)
    axes.set(xlim=(0, reach), ylim=(0.4 - len(rows), 0.6), xlabel="\N{MINUS SIGN}log10 q")
    axes.set_yticks([-i for i in range(len(rows))], names)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_weight("bold" if isinstance(row, str | int) else "normal")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    _key(figure, level)
    return figure


def _common(names) -> str:
    """The first word and its underscore where all names begin with it, as ``HALLMARK_`` does."""
    first = str(names.iloc[0]).partition("_")[0] + "_"
    return first if names.nunique() > 1 and names.astype(str).str.startswith(first).all() else ""


def _said(row) -> str:
    """What stands at the end of a bar."""
    if hasattr(row, "overlap"):
        return f"{row.overlap} of {row.set_size}"
    return f"AUROC {row.effect:.2f}" if hasattr(row, "effect") else ""


def _key(figure: Figure, level: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries = [
        Patch(color=visible(c), label=f"{s} loadings") for s, c in (("positive", POSITIVE), ("negative", NEGATIVE))
    ]
    entries.append(Line2D([], [], color=tones().faint, linewidth=0.6, linestyle="--", label=f"q = {level:g}"))
    figure.legend(handles=entries, loc="outside upper center", ncols=3, handlelength=1.6)


@styled
def signature_overlap(table: pd.DataFrame, n_signatures: int = 30) -> Figure:
    """Draw how many genes each two signatures share, darker for a larger part of the genes of both.

    Parameters
    ----------
    table
        One row a pair, as ``latentome.tl.signature_overlap`` gives them: ``one``, ``other``, ``shared``, ``jaccard``,
        ``q``.
    n_signatures
        How many signatures at most, those of the pairs with the smallest q.

    Returns
    -------
    A figure 3.5 to 6.2 inches wide. Numbers are those of the shared genes; they are bold where q is below 0.05.

    Raises
    ------
    InputError
        If a column is missing, or no pair shares a gene.
    """
    import numpy as np

    todo = "Pass what latentome.tl.signature_overlap gives, or the interpretation/overlap.tsv of a run folder."
    check_columns(table, ("one", "other", "shared", "jaccard", "q"), "There is no overlap to draw.", todo)
    ranked = table.sort_values("q", kind="stable")
    kept = list(dict.fromkeys(ranked[["one", "other"]].to_numpy().ravel()))[:n_signatures]
    kept.sort(key=_by_number)
    place = {name: i for i, name in enumerate(kept)}
    pairs = ranked[ranked["one"].isin(kept) & ranked["other"].isin(kept)]
    n = len(kept)
    picture = np.where(np.tri(n, k=-1, dtype=bool), 0.0, np.nan)
    cell = float(np.clip(2.4 / n, 0.16, 0.34))
    names = [shortened(name, 18) for name in kept]
    margin = 0.3 + 0.055 * max(map(len, names))
    height = max(margin + n * cell + 0.15, 1.5)  # what is written along the colour bar of few signatures needs that
    figure = new_figure(max(SINGLE, margin + n * cell + 0.9), height, layout="constrained")
    axes = figure.subplots()
    cmap, most = shares(), max(0.2, float(pairs["jaccard"].max()))
    for pair in pairs.itertuples(index=False):
        low, high = sorted((place[pair.one], place[pair.other]))
        picture[high, low] = pair.jaccard
        look = {"size": 5, "weight": "bold" if pair.q < 0.05 else "normal"}
        ink = ink_on(cmap(pair.jaccard / most))
        axes.text(low, high, f"{pair.shared}", color=ink, ha="center", va="center", **look)
    image = axes.imshow(picture[1:, :-1], cmap=cmap, vmin=0, vmax=most, extent=(-0.5, n - 1.5, n - 0.5, 0.5))
    _triangle(axes, names)
    if n < (of := len(set(ranked[["one", "other"]].to_numpy().ravel()))):
        axes.set_title(f"the first {n} of {of} signatures, by the smallest q", size=7)
    bar = figure.colorbar(image, ax=axes, shrink=0.5, aspect=18, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("shared part of the\ngenes of both (Jaccard)", size=6)
    return figure


def _triangle(axes: Axes, names: list[str]) -> None:
    """Name rows and columns of a triangle below the diagonal, which has no first row and no last column."""
    axes.set_xticks(range(len(names) - 1), names[:-1], rotation=90, size=6)
    axes.set_yticks(range(1, len(names)), names[1:], size=6)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _by_number(name: str) -> list[tuple[int, str]]:
    """Sort ``vae_2pos`` before ``vae_10pos``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", str(name))]
