"""The default variational autoencoder against the published one and PCA, on folds of real data, at equal latent size.

    python benchmarks/vae.py -o vae.tsv [--folds 5] [NAME | TABLE=LABELS:COLUMN ...]

Data are names of data sets (tcga-6 and tcga-33 where none is given), or a table of samples x genes on a log scale with
a table of labels. Every gene is scaled to [0, 1] with the range of the training samples. The probe is a logistic
regression on standardised codes.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import latentome as lt

K = 20
MODELS = {
    "PCA": lambda seed: PCA(K, random_state=seed),
    "default VAE": lambda seed: lt.VariationalAutoencoder(K, random_state=seed),
    "published VAE": lambda seed: lt.VariationalAutoencoder.from_preset(
        "tybalt-2018-as-published", n_components=K, random_state=seed
    ),
}


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Values, samples x genes, and the cancer type of each sample."""
    if "=" not in name:
        adata = lt.datasets.load(name)
        return np.asarray(adata.X), adata.obs["cancer_type"].astype(str).to_numpy()
    table, _, labels = name.partition("=")
    labels, _, column = labels.rpartition(":")
    adata = lt.io.read(table)
    known = pd.read_csv(labels, sep="\t", index_col=0)[column].reindex(adata.obs_names)
    return np.asarray(adata.X)[known.notna()], known.dropna().astype(str).to_numpy()


def measure(name: str, folds: int) -> list[dict[str, object]]:
    """One row for each fold and model."""
    X, y = load(name)
    rows = []
    splits = StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)
    for fold, (train, test) in zip(range(folds), splits, strict=False):
        low, high = X[train].min(axis=0), X[train].max(axis=0)
        varies = high > low
        x = np.clip((X - low)[:, varies] / (high - low)[varies], 0, 1).astype(np.float32)
        known = np.isin(y[test], y[train])
        for model, make in MODELS.items():
            fitted = make(fold).fit(x[train])
            codes = fitted.transform(x)
            probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)).fit(codes[train], y[train])
            rows.append(
                {
                    "data": Path(name.partition("=")[0]).name,
                    "size": f"{len(X):,} x {int(varies.sum()):,}",
                    "fold": fold,
                    "model": model,
                    "MSE": np.square(x[test] - fitted.inverse_transform(codes[test]), dtype=np.float64).mean(),
                    "probe": probe.score(codes[test][known], y[test][known]),
                }
            )
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", default=["tcga-6", "tcga-33"])
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=5)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", "The least populated class")
    rows = [row for name in asked.data for row in measure(name, asked.folds)]
    pd.DataFrame(rows).to_csv(asked.out, sep="\t", index=False)
    means = pd.DataFrame(rows).groupby(["data", "size", "model"], sort=False)[["MSE", "probe"]].mean()
    print(means.round({"MSE": 5, "probe": 3}).to_string())


if __name__ == "__main__":
    main()
