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
