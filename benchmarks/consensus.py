"""Known factors found again: by members of an ensemble, their consensus, PCA, FastICA and NMF.

    PYTHONPATH=src python benchmarks/consensus.py [SEEDS]

Counts the planted factors of `latentome.datasets.simulate` (500 samples x 200 genes, 12 types, 6 factors) that some
feature has with a correlation above 0.9. The consensus is that of `latentome.tl.consensus`: by default, of the space
that members share, and of their features as they are; PCA is turned to simple loadings, too. Writes
benchmarks/results/consensus.tsv.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import NMF, PCA, FastICA

import latentome as lt

MEMBERS, FACTORS = 20, 6
MODELS = {
    "linear": lt.LinearAutoencoder(FACTORS, members=MEMBERS, optimizer="adam", learning_rate=0.003, max_epochs=150),
    "adage": lt.DenoisingAutoencoder(FACTORS, members=MEMBERS, max_epochs=150, noise=0.1),
    "vae": lt.VariationalAutoencoder(FACTORS, members=MEMBERS, max_epochs=150, hidden=()),
}


def recovered(codes: np.ndarray, true: np.ndarray) -> int:
    """How many factors some feature has with a correlation above 0.9."""
    codes = codes[:, codes.std(axis=0) > 0]
    z, t = ((a - a.mean(axis=0)) / a.std(axis=0) for a in (codes, true))
    return int((np.abs(z.T @ t / len(t)).max(axis=0) > 0.9).sum())


def consensus(adata, family: str, rotate: bool) -> int:
    try:
        lt.tl.consensus(adata, f"X_{family}", MEMBERS, rotate=rotate)
    except lt.InputError:  # no feature is common to half of the members
        return 0
    return recovered(adata.obsm["X_consensus"], adata.obsm["X_true"])


def main(seeds: int) -> None:
    rows = []
    for seed in range(seeds):
        adata = lt.datasets.simulate(500, 200, n_types=12, n_factors=FACTORS, noise=0.3, rng=seed)
        adata.X = (adata.X - adata.X.min(axis=0)) / np.ptp(adata.X, axis=0)
        true = adata.obsm["X_true"]
        pca = PCA(FACTORS, random_state=0).fit(adata.X)
        scores = pca.transform(adata.X)
        turned = lt.tl.simple_structure(scores, pca.components_.T * scores.std(axis=0))[0]
        rows.append((seed, "PCA", "turned to simple loadings", recovered(turned, true)))
        for name, method in (
            ("PCA", PCA(FACTORS)),
            ("FastICA", FastICA(FACTORS, random_state=0, max_iter=2000)),
            ("NMF", NMF(FACTORS, init="nndsvda", max_iter=500)),
        ):
            rows.append((seed, name, "alone", recovered(method.fit_transform(adata.X), true)))
        for family, model in MODELS.items():
            fitted = model.set_params(random_state=seed).fit(adata.to_df())
            lt.tl.encode(adata, fitted, family)
            codes = adata.obsm[f"X_{family}"]
            single = [recovered(part, true) for part in np.split(codes, MEMBERS, axis=1)]
            rows += [
                (seed, family, "best member", max(single)),
                (seed, family, "mean member", float(np.mean(single))),
                (seed, family, "consensus of features as they are", consensus(adata, family, rotate=False)),
                (seed, family, "consensus", consensus(adata, family, rotate=True)),
            ]
            print(*rows[-4:], sep="\n", flush=True)
    table = pd.DataFrame(rows, columns=["seed", "method", "what", f"of {FACTORS} factors"])
    print(table.pivot_table(index=["method", "what"], columns="seed", values=f"of {FACTORS} factors", sort=False))
    table.to_csv(Path(__file__).parent / "results" / "consensus.tsv", sep="\t", index=False)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
