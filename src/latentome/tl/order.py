"""Orders in which a matrix is easy to read."""

from __future__ import annotations

import numpy as np


def cluster_order(matrix: np.ndarray) -> np.ndarray:
    """Order rows so that alike ones are neighbours: the leaves of Ward's hierarchical clustering.

    Parameters
    ----------
    matrix
        Rows to order; memory grows with the square of their number, so pass a few thousand at most.

    Returns
    -------
    A permutation of the row numbers.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage

    if len(matrix) < 3:
        return np.arange(len(matrix))
    return leaves_list(linkage(np.asarray(matrix, dtype=np.float64), method="ward"))


def leading_genes(weights: np.ndarray, limit: int = 500) -> np.ndarray:
    """Choose the genes that lead the features: every feature's strongest first, then every feature's second, ...

    Parameters
    ----------
    weights
        Loadings, genes x components.
    limit
        How many genes at most.

    Returns
    -------
    Row numbers of `weights`; a gene comes with its best place in any feature, equal places by the size of the loading
    in standard deviations of the feature's.
    """
    strength = np.abs(weights - weights.mean(axis=0)) / np.maximum(weights.std(axis=0), np.finfo(np.float32).tiny)
    places = np.argsort(np.argsort(-strength, axis=0, kind="stable"), axis=0, kind="stable")
    return np.lexsort((-strength.max(axis=1), places.min(axis=1)))[:limit]
