"""Ensembles of NonlinearPCA beside their members and PCA: the error on held-out folds of real data.

    python benchmarks/members.py                         # the bundled data; writes benchmarks/results/members.tsv
    python benchmarks/members.py --data-folder FOLDER    # those of quality.py, too

The reconstruction of an ensemble is the mean of its members'. One row for each data set and fold: the held-out error of
PCA, of the ensemble, and of its best, mean and worst member. The best member is chosen by these very errors, which
nobody can do with new samples.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from quality import FILES, RESULTS, chosen, load

import latentome as lt
from latentome.pp import fit_preprocessing, fold_rows
from latentome.tl import BASELINES


def measure(name: str, folder: Path | None, k: int, members: int, folds: int) -> Iterator[dict[str, Any]]:
    """One row for each fold, cut as by the first seed of quality.py."""
    adata, labels = load(name, folder)
    assigned = fold_rows(adata.n_obs, folds, labels.astype(str), np.random.default_rng([0, 0]))
    for fold in range(folds):
        training = assigned != fold
        x, _ = fit_preprocessing(adata[training]).apply(adata)
        test = x[~training]
        pca = BASELINES["pca"](k, 0).fit(x[training])
        ensemble = lt.NonlinearPCA(k, members=members, random_state=0).fit(x[training])
        single = [_error(test, np.asarray(model(test))) for model in ensemble.models_]
        yield {
            "data": name,
            "k": k,
            "fold": fold,
            "members": members,
            "PCA": _error(test, pca.inverse_transform(pca.transform(test))),
            "ensemble": _error(test, ensemble.inverse_transform(ensemble.transform(test))),
            "best member": min(single),
            "mean member": float(np.mean(single)),
            "worst member": max(single),
        }


def _error(x: np.ndarray, decoded: np.ndarray) -> float:
    return float(np.square(x - decoded, dtype=np.float64).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-folder", type=Path, metavar="FOLDER", help="where the larger data sets are")
    parser.add_argument("--only", metavar="DATA", help=f"with commas: tcga-33, tcga-6, {', '.join(FILES)}")
    parser.add_argument("--size", type=int, default=20, metavar="K", help="number of components")
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    found = [name for name, file in FILES.items() if options.data_folder and (options.data_folder / file).is_file()]
    names = ["tcga-33", "tcga-6", *found]
    rows = []
    for name in chosen(options.only, names, names):
        for row in measure(name, options.data_folder, options.size, options.members, options.folds):
            print(row, flush=True)
            rows.append(row)
    table = pd.DataFrame(rows)
    lt.io.write_table(RESULTS / "members.tsv", table.set_index("data"))
    means = table.drop(columns=["fold", "members", "k"]).groupby("data", sort=False).mean()
    print(means.to_string(float_format="{:.5f}".format))


if __name__ == "__main__":
    main()
