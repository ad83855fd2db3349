"""What is subtracted from each gene and what it is divided by, learned from training samples."""

from __future__ import annotations

import numpy as np

from latentome.errors import check_known

SCALINGS = ("zero-one", "z-score", "robust", "none")


def check_scaling(scaling: str) -> None:
    """Refuse an unknown scaling."""
    check_known(scaling, SCALINGS, f"There is no scaling '{scaling}'.", where="the option scaling")


def fit_scaling(values: np.ndarray, scaling: str) -> tuple[np.ndarray, np.ndarray]:
    """Learn a scaling.

    Parameters
    ----------
    values
        Training samples x genes, finite, no gene constant.
    scaling
        ``zero-one``: the training range becomes [0, 1]. ``z-score``: training mean 0 and standard deviation 1 (divided
        by n). ``robust``: median 0 and interquartile range 1; of a gene whose quartiles are equal, the standard
        deviation serves instead. ``none``.

    Returns
    -------
    What to subtract and what to divide by, float32, one for each gene.
    """
    values = np.asarray(values)
    n_genes = values.shape[1]
    if scaling == "none":
        return np.zeros(n_genes, np.float32), np.ones(n_genes, np.float32)
    if scaling == "zero-one":
        low, high = values.min(axis=0), values.max(axis=0)
        return low, high - low
    deviation = values.std(axis=0, dtype=np.float64)
    if scaling == "z-score":
        return values.mean(axis=0, dtype=np.float64).astype(np.float32), deviation.astype(np.float32)
    quartiles = np.empty((3, n_genes))
    step = max(1, 8_000_000 // max(1, len(values)))
    for start in range(0, n_genes, step):
        quartiles[:, start : start + step] = np.percentile(values[:, start : start + step], [25, 50, 75], axis=0)
    width = quartiles[2] - quartiles[0]
    return quartiles[1].astype(np.float32), np.where(width > 0, width, deviation).astype(np.float32)
