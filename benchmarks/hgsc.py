"""Subtypes of ovarian cancer in the latent space: the analysis of Way and Greene (2018) on data with known subtypes.

    PYTHONPATH=src python benchmarks/hgsc.py EXPRESSION SUBTYPES

EXPRESSION is a matrix of TCGA samples, such as cognoma's HiSeqV2 (7,306 x 60, 187 ovarian samples of known subtype);
SUBTYPES the table of ovarian subtypes that Tybalt's authors published (ov_subtype_info.tsv, columns ID and SUBTYPE).
All samples train a model of 20 features. Mesenchymal and immunoreactive samples are then compared: features by their
difference, and the decoded difference beside that of the genes themselves.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

import latentome as lt

ONE, OTHER = "Mesenchymal", "Immunoreactive"


def main(expression: str, subtypes: str) -> None:
    adata = lt.io.read(expression)
    table = pd.read_csv(subtypes, sep="\t").drop_duplicates("ID")
    known = dict(zip(table["ID"].str[:15], table["SUBTYPE"], strict=True))
    adata.obs["subtype"] = [known.get(name[:15]) for name in adata.obs_names]
    print(adata.obs["subtype"].value_counts().to_string())
    adata = adata[:, np.ptp(adata.X, axis=0) > 0].copy()
    adata.X = (adata.X - adata.X.min(axis=0)) / np.ptp(adata.X, axis=0)
    real = pd.Series(
        adata.X[adata.obs["subtype"] == ONE].mean(axis=0) - adata.X[adata.obs["subtype"] == OTHER].mean(axis=0),
        index=adata.var_names,
    )
    models = {"VAE": lt.VariationalAutoencoder, "non-linear PCA": lt.NonlinearPCA}
    for name, kind in models.items():
        model = kind(20, max_epochs=30, random_state=0).fit(adata.to_df())
        lt.tl.encode(adata, model, "f")
        features = lt.tl.group_difference(adata, "X_f", "subtype", ONE, OTHER)
        features = features.sort_values("p")
        decoded = lt.tl.decoded_difference(adata, model, "X_f", "subtype", ONE, OTHER).set_index("gene")["difference"]
        found = lt.tl.associate(
            adata[adata.obs["subtype"].isin([ONE, OTHER])].copy(), "X_f", ["subtype"], combine=True
        ).columns.iloc[0]
        print(f"{name}: {(features['q'] < 0.05).sum()} of 20 features differ (q < 0.05)")
        print(features.head(3)[["feature", "difference", "standardised", "q"]].to_string(index=False))
        print(f"  best feature AUROC {max(found['effect'], 1 - found['effect']):.3f}, all {found['combination']:.3f}")
        r = np.corrcoef(decoded[real.index], real)[0, 1]
        print(f"  decoded against real differences of {len(real)} genes: r = {r:.3f}")
        print(f"  up: {', '.join(decoded.index[:5])}; down: {', '.join(decoded.index[-5:])}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
