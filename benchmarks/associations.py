"""Which feature is sex: the best single feature of several models, and what all features of each know together.

    PYTHONPATH=src python benchmarks/associations.py LABELS [FILE ...]

LABELS is a table with a column `gender` and one `acronym`, such as cognoma/cancer-data's sample_labels.tsv. Looked at
are the bundled tcga-6 (which has XIST, RPS4Y1 and DDX3Y among its genes) and tcga-33 (which has none of them), and the
expression matrices FILE. Prints, for each method and number of features, the AUROC of the best feature, the same within
cancer types, and that of a cross-validated probe of all features. Writes benchmarks/results/associations.tsv.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.decomposition import PCA, FastICA

import latentome as lt

SIZES = (20,)


def features(adata: AnnData, k: int) -> dict[str, np.ndarray]:
    """Features of each method, all fitted on all samples."""
    x = adata.X
    pca = PCA(k, random_state=0).fit(x)
    scores = pca.transform(x)
    vae = lt.VariationalAutoencoder(k, max_epochs=50, random_state=0).fit(adata.to_df())
    codes = vae.transform(adata.to_df())
    return {
        "PCA": scores,
        "PCA turned to simple loadings": lt.tl.simple_structure(scores, pca.components_.T * scores.std(axis=0))[0],
        "FastICA": FastICA(k, random_state=0, max_iter=1000, tol=1e-3).fit_transform(x),
        "VAE": codes,
        "VAE turned to simple loadings": lt.tl.simple_structure(codes, lt.tl.loadings(vae, codes))[0],
    }


def main(labels: str, files: list[str]) -> None:
    known, rows = lt.io.read_labels(labels), []
    for name in ["tcga-6", "tcga-33", *files]:
        adata = lt.datasets.load(name) if name.startswith("tcga-") else lt.io.read(name)
        lt.io.add_labels(adata, known)
        adata = adata[:, np.ptp(adata.X, axis=0) > 0].copy()
        adata.X = (adata.X - adata.X.min(axis=0)) / np.ptp(adata.X, axis=0)
        for k in [k for k in SIZES if k < min(adata.shape)]:
            for method, codes in features(adata, k).items():
                adata.obsm["X_f"] = codes
                found = lt.tl.associate(adata, "X_f", ["gender", "acronym"]).columns
                row = found[found["column"] == "gender"].iloc[0]
                sure = max(row["effect"], 1 - row["effect"]), max(row["effect_within"], 1 - row["effect_within"])
                rows.append((Path(name).name, len(adata), k, method, row["feature"], *sure, row["combination"]))
                print(*rows[-1], flush=True)
    heads = ["data", "samples", "k", "method", "feature", "AUROC", "within cancer types", "all features"]
    path = Path(__file__).parent / "results" / "associations.tsv"
    pd.DataFrame(rows, columns=heads).to_csv(path, sep="\t", index=False, float_format="%.3f")


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FastICA did not converge")
        main(sys.argv[1], sys.argv[2:])
