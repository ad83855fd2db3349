"""Refusals that several estimators share."""

from __future__ import annotations

import numpy as np

from latentome.errors import InputError


def check_zero_one(X: np.ndarray, needs: str, instead: str) -> None:
    """Refuse data outside [0, 1].

    Parameters
    ----------
    X
        Data, samples x features.
    needs, instead
        The argument that needs such data, and the one that does not.
    """
    low, high = float(X.min()), float(X.max())
    if low < 0.0 or high > 1.0:
        row, column = np.argwhere((X < 0.0) | (X > 1.0))[0]
        raise InputError(
            f"{needs} needs data in [0, 1].",
            where=f"X of shape {X.shape} ranges over [{low:.4g}, {high:.4g}], first at row {row}, column {column}",
            expected="every value in [0, 1]",
            todo=f"scale each feature to [0, 1] with the training rows' range, or use {instead}",
        )
