"""t-SNE beside that of scikit-learn, in one run: time, faithfulness of the map, and new samples placed on it.

    PYTHONPATH=src python benchmarks/tsne.py [DATA [LABELS]]

By default 10,459 simulated samples as 100 principal components, and 1,000 new ones; or the samples of DATA, a file or
the name of a data set, whose last tenth is new. Both methods have their defaults and all cores. Writes
benchmarks/results/tsne.tsv.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

import latentome as lt

SAMPLES, NEW, COMPONENTS = 10_459, 1_000, 100


def components(data: str | None, labels: str | None) -> tuple[np.ndarray, np.ndarray, int, str]:
    """Principal components of all samples, their classes, how many are new, and what they are."""
    if data is None:
        adata = lt.datasets.simulate(SAMPLES + NEW, 2000, n_types=33, n_factors=60, noise=0.5, rng=0)
        new, column = NEW, "type"
    else:
        adata = lt.datasets.load(data) if data.startswith("tcga-") else lt.io.read(data)
        if labels is not None:
            lt.io.add_labels(adata, lt.io.read_labels(labels))
        new, column = adata.n_obs // 10, next(c for c in ("acronym", "cancer_type") if c in adata.obs)
    order = np.random.default_rng(0).permutation(adata.n_obs)
    x = np.asarray(adata.X)[order]
    x = x[:, np.ptp(x, axis=0) > 0]
    pca = PCA(min(COMPONENTS, x.shape[1]), random_state=0).fit(x[:-new])
    classes = adata.obs[column].to_numpy(dtype=object)[order]
    return pca.transform(x).astype(np.float32), classes, new, data or "simulated"


def main(data: str | None, labels: str | None) -> None:
    codes, classes, new, name = components(data, labels)
    known, truth = codes[:-new], classes[:-new]
    adata, rows = AnnData(np.zeros((len(known), 1), np.float32), obsm={"X_x": known}), []

    def ours() -> np.ndarray:
        lt.tl.tsne(adata, "X_x")
        return adata.obsm["X_tsne_x"]

    for method, make in (("scikit-learn", lambda: TSNE(random_state=0).fit_transform(known)), ("latentome", ours)):
        start = time.perf_counter()
        positions = make()
        seconds = time.perf_counter() - start
        quality = lt.tl.map_quality(known, positions, truth)
        rows.append({"data": Path(name).name, "samples": len(known), "components": known.shape[1], "method": method})
        rows[-1] |= {"seconds": seconds, **quality}
        print(rows[-1], flush=True)
    start = time.perf_counter()
    lt.tl.place_on_map(known, adata.obsm["X_tsne_x"], codes[-new:])
    print(f"{new} new samples placed in {time.perf_counter() - start:.2f} s")
    rows[1]["ratio"], rows[1]["placing, s"] = rows[1]["seconds"] / rows[0]["seconds"], time.perf_counter() - start
    print(f"ratio {rows[1]['ratio']:.2f}")
    path = Path(__file__).parent / "results" / "tsne.tsv"
    kept = pd.read_csv(path, sep="\t") if path.exists() else pd.DataFrame(columns=["data"])
    table = pd.concat([kept[kept["data"] != rows[0]["data"]], pd.DataFrame(rows)], ignore_index=True)
    table.to_csv(path, sep="\t", index=False, float_format="%.4g")


if __name__ == "__main__":
    main(*(sys.argv[1:] + [None, None])[:2])
