"""The tables of docs/models.md from what `quality.py` measured, and which folds each number is of.

    python benchmarks/quality_tables.py [quality.tsv]
    python benchmarks/quality_tables.py --page docs/models.md    # renew the tables of the page; its sentences are yours

Methods are compared on folds that they share: a cell is a mean over the folds, of all seeds, that every method of its
table has for these data at this size; seeds with fewer than five folds do not count. The models of other packages take
much longer, and may have fewer seeds: they are compared with PCA on the folds that they have, which are then told.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

ERROR, PROBE, NEIGHBOURS = "held-out MSE", "probe accuracy", "5-NN accuracy"
#: The folds of one seed.
FOLDS = 5
PUBLISHED = "tybalt-2018-as-published"
#: The models of other packages.
OTHERS = ("scvi-vae", "pythae-vae")
#: How the tables call the methods, in the order of their rows.
NAMES = {
    "pca": "PCA",
    "nonlinear-pca": "NonlinearPCA",
    "vae": "VAE",
    "deep": "deep",
    "linear": "linear",
    "adage": "ADAGE",
    "nmf": "NMF",
    "ica": "ICA",
    PUBLISHED: "Tybalt as published",
    "scvi-vae": "scVI, normal likelihood",
    "pythae-vae": "Pythae's VAE",
}
#: And the data sets.
DATA = {
    "tcga-33": "tcga-33",
    "hiseqv2-7306x60": "HiSeqV2 (cognoma)",
    "ebpp-8388x30": "EB++ (cognoma)",
    "tcga-6": "tcga-6",
    "expression-148x16261": "expression (cognoma)",
}


def shared(table: pd.DataFrame, data: str, k: int, methods: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The rows of each method on the folds of whole seeds that all of them have; empty where there are none."""
    rows = table[(table["data"] == data) & (table["k"] == k) & table[ERROR].notna()]
    by_method = {name: rows[rows["method"] == name].set_index(["seed", "fold"]) for name in methods}
    common = None
    for own in by_method.values():
        common = own.index if common is None else common.intersection(own.index)
    folds = common.get_level_values("seed").value_counts()
    common = common[common.get_level_values("seed").isin(folds.index[folds == FOLDS])].sort_values()
    return {name: own.loc[common] for name, own in by_method.items()} if len(common) else {}


def number(value: float, digits: int) -> str:
    """A number below 1 without the zero before its point."""
    return f"{value:.{digits}f}".replace("0.", ".", 1)


def change(one: pd.DataFrame, other: pd.DataFrame) -> float:
    """By how much the mean error of a method is above another's on the same folds, in %."""
    return 100 * (one[ERROR].mean() / other[ERROR].mean() - 1)


def percent(value: float) -> str:
    """A difference with its sign, and none where it is rounded away."""
    return f"{value:+.1f} %" if round(value, 1) else "0.0 %"


def folds_of(parts: dict[str, pd.DataFrame]) -> str:
    """How many folds of how many seeds."""
    return f"{FOLDS} x {len(next(iter(parts.values()))) // FOLDS}"


def beside(table: pd.DataFrame, method: str, other: str) -> Iterator[str]:
    """A method beside another one on the same folds, for each data set and size."""
    a, b = NAMES[method], NAMES[other]
    head = ["data", "k", "folds x seeds", f"MSE: {b}", a, "difference", "worst fold", f"probe: {b}", a, f"5-NN: {b}", a]
    yield "| " + " | ".join(head) + " |"
    yield "|---" * 11 + "|"
    for data in DATA:
        for k in sorted(table["k"].unique()):
            parts = shared(table, data, k, [method, other])
            if not parts:
                continue
            one, two = parts[method], parts[other]
            worst = 100 * (one[ERROR] / two[ERROR] - 1).max()
            cells = [DATA[data], k, folds_of(parts), number(two[ERROR].mean(), 5), number(one[ERROR].mean(), 5)]
            cells += [percent(change(one, two)), percent(worst)]
            cells += [number(part[m].mean(), 3) for m in (PROBE, NEIGHBOURS) for part in (two, one)]
            yield "| " + " | ".join(map(str, cells)) + " |"


def cell(method: str, own: pd.DataFrame, column: dict[str, pd.DataFrame], error: str) -> str:
    """Error, probe, 5-NN; and the folds in brackets, where they are not those of the column."""
    told = ", ".join([error, *accuracies(own)])
    same = own.index.equals(next(iter(column.values())).index)
    return told if same else f"{told} ({folds_of({method: own})})"


def compared(table: pd.DataFrame, data: str, k: int) -> tuple[dict[str, pd.DataFrame], dict[str, dict]]:
    """The rows of a column's methods on the folds that they share, and of each of the others' beside PCA on its own."""
    methods = present(table, data, k)
    column = shared(table, data, k, [name for name in methods if name not in OTHERS])
    return column, {name: shared(table, data, k, ["pca", name]) for name in methods if name in OTHERS}


def at_size(table: pd.DataFrame, k: int) -> Iterator[str]:
    """Every method at one size: error, probe, 5-NN."""
    yield f"| k = {k} | " + " | ".join(DATA.values()) + " |"
    yield "|---" * (len(DATA) + 1) + "|"
    columns = {data: compared(table, data, k) for data in DATA}
    yield "| folds x seeds | " + " | ".join(folds_of(column) if column else "" for column, _ in columns.values()) + " |"
    for method, name in NAMES.items():
        told = []
        for column, others in columns.values():
            own = others.get(method, column).get(method)
            told.append("" if own is None else cell(method, own, column, number(own[ERROR].mean(), 5)))
        if any(told):
            yield f"| {name} | " + " | ".join(told) + " |"


def present(table: pd.DataFrame, data: str, k: int) -> list[str]:
    """The methods that were measured at a size, in the order of the tables."""
    rows = table[(table["data"] == data) & (table["k"] == k) & table[ERROR].notna()]
    folds = rows.groupby("method").size()
    return [name for name in NAMES if folds.get(name, 0) >= FOLDS]


def accuracies(rows: pd.DataFrame) -> list[str]:
    """Of the probe and of 5 nearest neighbours."""
    return [number(rows[name].mean(), 3) for name in (PROBE, NEIGHBOURS)]


def over_sizes(table: pd.DataFrame, data: str) -> Iterator[str]:
    """Every method of a data set at every size: the error against PCA's, and the accuracies of probe and 5-NN."""
    sizes = [k for k in sorted(table.loc[table["data"] == data, "k"].unique()) if present(table, data, k)]
    columns = [compared(table, data, k) for k in sizes]
    yield f"| {DATA[data]} | " + " | ".join(f"k = {k}" for k in sizes) + " |"
    yield "|---" * (len(sizes) + 1) + "|"
    yield "| folds x seeds | " + " | ".join(folds_of(column) for column, _ in columns) + " |"
    for method, name in NAMES.items():
        told = []
        for column, others in columns:
            parts = others.get(method, column)
            if method not in parts:
                told.append("")
                continue
            own, pca = parts[method], parts["pca"]
            error = number(pca[ERROR].mean(), 5) if method == "pca" else percent(change(own, pca))
            told.append(cell(method, own, column, error))
        if any(told):
            yield f"| {name} | " + " | ".join(told) + " |"


def beside_genes(table: pd.DataFrame, k: int, seeds: int = 3) -> Iterator[str]:
    """How well the genes themselves tell the classes, beside codes of one size, on the first seeds."""
    named = {"genes": "genes", **{name: NAMES[name] for name in ("nonlinear-pca", "pca")}}
    first, *others = named.values()
    yield "| " + " | ".join(["data", f"probe: {first}", *others, f"5-NN: {first}", *others]) + " |"
    yield "|---" * 7 + "|"
    for data in DATA:
        rows = table[(table["data"] == data) & table["k"].isin([0, k]) & (table["seed"] < seeds)]
        means = rows.groupby("method")[[PROBE, NEIGHBOURS]].mean()
        cells = [number(means.loc[method, measure], 3) for measure in (PROBE, NEIGHBOURS) for method in named]
        yield "| " + " | ".join([DATA[data], *cells]) + " |"


def extent(table: pd.DataFrame) -> Iterator[str]:
    """How many seeds of how many folds each method has at each size."""
    made = table[table[ERROR].notna()]
    for (data, method), rows in made.groupby(["data", "method"], sort=False):
        counts = rows.groupby("k").size()
        yield f"{data}, {method}: " + ", ".join(f"k {k}: {n}" for k, n in counts.items())


def against(table: pd.DataFrame, method: str, other: str) -> Iterator[str]:
    """Where a method is worse than another one on the same folds: in error, in probe or 5-NN accuracy; means."""
    for data in DATA:
        for k in sorted(table["k"].unique()):
            parts = shared(table, data, k, [method, other])
            if not parts:
                continue
            one, two = parts[method], parts[other]
            worse = [f"error {change(one, two):+.2f} %"] if change(one, two) > 0.005 else []
            for measure in (PROBE, NEIGHBOURS):
                difference = (one[measure] - two[measure]).mean()
                worse += [f"{measure} {difference:+.4f}"] if difference < -5e-5 else []
            if worse:
                yield f"{data}, k {k}, folds {folds_of(parts)}: {', '.join(worse)}"


def documented(table: pd.DataFrame) -> dict[str, list[str]]:
    """The tables of docs/models.md by their titles."""
    return {
        "NonlinearPCA beside PCA": list(beside(table, "nonlinear-pca", "pca")),
        "The genes themselves beside 20 components": list(beside_genes(table, 20)),
        "Every method at 20 components": list(at_size(table, 20)),
        **{f"Every method at every size, {data}": list(over_sizes(table, data)) for data in DATA},
        "The VAE beside the published one": list(beside(table, "vae", PUBLISHED)),
    }


def renewed(page: str, tables: dict[str, list[str]]) -> str:
    """The page with each table, which is found by its first line, as it is now."""
    for lines in tables.values():
        old = re.compile(re.escape(lines[0]) + r"\n(?:\|.*\n)*")
        page = old.sub(lambda _, new=lines: "\n".join(new) + "\n", page)
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).parent / "results" / "quality.tsv"
    parser.add_argument("table", type=Path, nargs="?", default=default, help="quality.tsv")
    parser.add_argument("--page", type=Path, help="a page whose tables are renewed")
    options = parser.parse_args()
    table = pd.read_csv(options.table, sep="\t")
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        options.page.write_text(renewed(page, documented(table)), encoding="utf-8")
    more = {
        "Where NonlinearPCA is below PCA": against(table, "nonlinear-pca", "pca"),
        "Where the VAE is below the published one": against(table, "vae", PUBLISHED),
        "How many folds were measured": extent(table),
    }
    for title, lines in (documented(table) | more).items():
        print(f"\n{title}\n", *lines, sep="\n")


if __name__ == "__main__":
    main()
