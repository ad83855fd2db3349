"""How good the features are: every model family beside PCA, NMF and ICA of equal size, on held-out folds of real data.

    python benchmarks/quality.py --data-folder FOLDER    # everything: many hours on 2 cores; goes on where it stopped
    python benchmarks/quality.py --only tcga-33 --methods pca,vae --sizes 20
    python benchmarks/quality.py --quick                 # 2 folds of tcga-33, k = 5: does everything run?

The bundled data sets are always there. FOLDER adds those that have ``tcga-cognoma/*_log2.tsv.gz`` with
``tcga-cognoma/sample_labels.tsv`` in it, the layout of cognoma's cancer-data. Models have their defaults; transform and
scaling to [0, 1] are fitted on the training samples of each fold, and every method sees the same matrix.

``quality.tsv`` gains a row after each fit, and a row that is there is not made again: stop and start as you like.
Columns: see `latentome.tl.compare`; ``seconds`` is the time of the fit with compilation, ``k`` 0 stands for the genes
themselves. ``quality.png`` shows the errors as a share of PCA's, and the accuracy of the probe.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import pandas as pd

import latentome as lt
from latentome import tl
from latentome.estimators import FAMILIES
from latentome.models.presets import PRESETS
from latentome.tl.compare import KEY, MEASURES

RESULTS = Path(__file__).parent / "results"
SIZES = (5, 10, 20, 50, 100)
#: The VAE as it was published, beside ours.
PUBLISHED = "tybalt-2018-as-published"
#: Pythae's VAE at its defaults, where it is installed (python -m pip install pythae).
PYTHAE = "pythae-vae"
#: scVI's VAE under its normal likelihood, where it is installed (python -m pip install scvi-tools).
SCVI = "scvi-vae"
#: Files in a folder of the user's, by the name of the data set.
FILES = {
    "hiseqv2-7306x60": "tcga-cognoma/hiseqv2_7306x60_log2.tsv.gz",
    "ebpp-8388x30": "tcga-cognoma/ebpp_8388x30_log2.tsv.gz",
    "expression-148x16261": "tcga-cognoma/expression_148x16261_log2.tsv.gz",
}
LABELS = ("tcga-cognoma/sample_labels.tsv", "acronym")
COLUMNS = ["data", *KEY, "n_train", "n_test", *MEASURES, "note"]
#: Lines of the figure: the baselines dashed, the models of others dotted.
STYLES = {
    "pca": ("#222222", "--"),
    "nmf": ("#bcbd22", "--"),
    "ica": ("#888888", "--"),
    "nonlinear-pca": ("#d62728", "-"),
    "vae": ("#1f77b4", "-"),
    "deep": ("#2ca02c", "-"),
    "linear": ("#9467bd", "-"),
    "adage": ("#ff7f0e", "-"),
    PUBLISHED: ("#1f77b4", ":"),
    SCVI: ("#17becf", ":"),
    PYTHAE: ("#e377c2", ":"),
}


def load(name: str, folder: Path | None) -> tuple[Any, Any]:
    """The samples of a data set and their classes."""
    if name not in FILES:
        adata = lt.datasets.load(name)
        return adata, adata.obs[adata.uns["source"]["label_column"]].to_numpy(dtype=object)
    adata = lt.io.read(folder / FILES[name])
    lt.io.add_labels(adata, lt.io.read_labels(folder / LABELS[0]), LABELS[1])
    return adata, adata.obs[LABELS[1]].to_numpy(dtype=object)


def maker(name: str, quick: bool):
    """What makes a method from the number of components and a seed; None for the genes themselves."""
    if name == PYTHAE:
        from engines.pythae_default import PythaeVAE

        epochs = 3 if quick else 100
        return lambda k, seed: PythaeVAE(k, epochs, seed)
    if name == SCVI:
        from engines.scvi_default import ScviVAE

        epochs = 3 if quick else None
        return lambda k, seed: ScviVAE(k, epochs, seed)
    if name in tl.BASELINES:
        return tl.BASELINES[name]
    preset = PRESETS.get(name)
    kind = FAMILIES[preset.family if preset else name]
    parameters = {**(preset.parameters if preset else {}), **({"max_epochs": 3} if quick else {})}
    return lambda k, seed: kind(**{**parameters, "n_components": k, "random_state": seed})


def draw(table: pd.DataFrame, path: Path) -> None:
    """Errors as a share of PCA's, and the accuracy of the probe, against k; a column of panels for each data set."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(table["data"]))
    figure, axes = plt.subplots(2, len(names), figsize=(3.4 * len(names) + 1.2, 6), squeeze=False, layout="constrained")
    rank = {name: i for i, name in enumerate(STYLES)}
    table = table.sort_values("method", key=lambda column: column.map(rank).fillna(len(rank)), kind="stable")
    for name, (upper, lower) in zip(names, axes.T, strict=True):
        summary = tl.summarise(table[table["data"] == name].drop(columns="data"))
        versus = "MSE v pca, %" if "MSE v pca, %" in summary else "held-out MSE"
        for axis, measure in ((upper, versus), (lower, "probe accuracy")):
            for method, rows in summary[measure].groupby(level="method", sort=False):
                if method == "genes":
                    if measure == "probe accuracy":
                        axis.axhline(rows["mean"].iloc[0], color="#777777", linestyle=":", label="genes")
                    continue
                rows = rows.sort_index(level="k")
                color, line = STYLES.get(method, (None, "-"))
                k = rows.index.get_level_values("k")
                axis.errorbar(k, rows["mean"], rows["sd"], label=method, color=color, linestyle=line, marker="o", ms=3)
            axis.set_xscale("log")
            axis.set_xticks(SIZES, [str(k) for k in SIZES])
            axis.minorticks_off()
            axis.spines[["top", "right"]].set_visible(False)
        upper.set_title(name, fontsize=10, loc="left")
        if versus != "held-out MSE":
            upper.set_yscale("symlog", linthresh=10)  # models far from PCA would press the others flat
        upper.axhline(0.0, color="#bbbbbb", linewidth=0.8)
        lower.set_xlabel("latent size k")
    axes[0, 0].set_ylabel("held-out MSE less PCA's, %" if versus != "held-out MSE" else versus)
    axes[1, 0].set_ylabel("probe accuracy")
    handles, labels = axes[1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3 * len(names), fontsize=8, frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def chosen(text: str | None, names: list[str], default: list[str]) -> list[str]:
    """The names in the comma-separated `text`."""
    if text is None:
        return default
    wanted = [part.strip() for part in text.split(",")]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; there are: {', '.join(names)}")
    return wanted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    everything = [*FAMILIES, PUBLISHED, *tl.BASELINES]
    parser.add_argument("--data-folder", type=Path, metavar="FOLDER", help="where the larger data sets are")
    parser.add_argument("--only", metavar="DATA", help=f"with commas: tcga-33, tcga-6, {', '.join(FILES)}")
    parser.add_argument("--methods", help=f"with commas: {', '.join(everything)}, or a preset")
    parser.add_argument("--sizes", metavar="K", default=",".join(map(str, SIZES)), help="numbers of components")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="2 folds, one seed, k = 5, 3 epochs, into quality-quick.*")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of quality.tsv and quality.png")
    options = parser.parse_args()
    if options.quick:
        options.only, options.sizes, options.folds, options.seeds = options.only or "tcga-33", "5", 2, 1
    found = [name for name, file in FILES.items() if options.data_folder and (options.data_folder / file).is_file()]
    names = chosen(options.only, ["tcga-33", "tcga-6", *found], ["tcga-33", "tcga-6", *found])
    methods = chosen(options.methods, [*everything, *PRESETS, PYTHAE, SCVI], everything)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / ("quality-quick.tsv" if options.quick else "quality.tsv")
    table = pd.read_csv(path, sep="\t") if path.exists() else pd.DataFrame(columns=COLUMNS)
    makers = {name: maker(name, options.quick) for name in methods}
    sizes = [int(k) for k in options.sizes.split(",")]
    for name in names:
        adata, labels = load(name, options.data_folder)
        for k in sizes:  # one after the other: training keeps 16 compiled programs, fewer than all methods at all sizes
            done = set(table.loc[table["data"] == name, list(KEY)].itertuples(index=False, name=None))
            for row in tl.compare(adata, makers, [k], labels, folds=options.folds, seeds=options.seeds, done=done):
                added = pd.DataFrame([{"data": name, **row}], columns=COLUMNS)
                table = added if table.empty else pd.concat([table, added], ignore_index=True)
                lt.io.write_table(path, table.set_index("data"))
                told = ", ".join(f"{m} {row[m]:.4g}" for m in MEASURES if m in row) or row["note"]
                print(
                    f"{name}, {row['method']}, k {row['k']}, seed {row['seed']}, fold {row['fold']}: {told}", flush=True
                )
    if len(table):
        draw(table, path.with_suffix(".png"))
    for name, rows in table.groupby("data", sort=False):
        print(f"\n{name}\n{tl.summarise(rows.drop(columns='data')).to_string(float_format='{:.4g}'.format)}")


if __name__ == "__main__":
    main()
