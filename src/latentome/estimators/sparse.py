"""Sparse matrices, which models can only see dense."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import issparse

from latentome.errors import DensifiedWarning

#: Rows that are made dense at once.
ROWS = 4096


def densify(X: Any) -> np.ndarray:
    """The matrix as an array: itself, or where it is sparse a dense copy, with a warning that says how large it is."""
    if not issparse(X):
        return X
    warnings.warn(
        f"The sparse matrix of {X.shape[0]:,} x {X.shape[1]:,} was made dense to train on: "
        f"{4e-6 * X.shape[0] * X.shape[1]:,.0f} MB.",
        DensifiedWarning,
        stacklevel=2,
    )
    return X.toarray()


def dense_blocks(X: Any) -> Iterator[np.ndarray]:
    """The rows of an array or a CSR matrix, some thousand at a time and dense."""
    for start in range(0, X.shape[0], ROWS):
        rows = X[start : start + ROWS]
        yield rows.toarray() if issparse(rows) else rows
