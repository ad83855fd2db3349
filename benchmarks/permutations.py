"""Labels in random order give no discovery: association of tcga-33 with permuted columns.

    PYTHONPATH=src python benchmarks/permutations.py [N [LABELS]]

LABELS is a table with more columns of the samples; of cognoma/cancer-data's sample_labels.tsv sex, age and survival are
used. All columns are permuted together, N times (200). Prints in how many permutations anything had q <= 0.05.
"""

from __future__ import annotations

import sys

import numpy as np

import latentome as lt

COLUMNS = ("cancer_type", "sample_type", "gender", "age_diagnosed", "days_survived", "dead")


def main(n: int, labels: str | None) -> None:
    adata = lt.datasets.load("tcga-33")
    if labels is not None:
        lt.io.add_labels(adata, lt.io.read_labels(labels))
    adata.obs = adata.obs[[column for column in COLUMNS if column in adata.obs]]
    survival = [("days_survived", "dead")] if "dead" in adata.obs else []
    lt.tl.pca(adata, 20, np.ones(adata.n_obs, dtype=bool))
    known, found = adata.obs.copy(), 0
    true = lt.tl.associate(adata, "X_pca", survival=survival, combine=False).features
    print(f"{len(true)} tests; in their true order {(true['q'] <= 0.05).sum()} have q <= 0.05")
    for seed in range(n):
        order = np.random.default_rng(seed).permutation(adata.n_obs)
        adata.obs = known.iloc[order].set_index(adata.obs_names)
        found += bool((lt.tl.associate(adata, "X_pca", survival=survival, combine=False).features["q"] <= 0.05).any())
    print(f"discoveries in {found} of {n} permutations")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, sys.argv[2] if len(sys.argv) > 2 else None)
