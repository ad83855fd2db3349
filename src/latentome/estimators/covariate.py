"""A covariate that a model is conditional on: categories as text, one-hot columns beside features and codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from latentome.errors import InputError, nearest


def read_categories(covariate: Any, n_samples: int) -> np.ndarray:
    """The category of each sample as text, from anything like a column; refused where one is missing."""
    import pandas as pd

    values = np.asarray(covariate, dtype=object)
    if values.shape != (n_samples,):
        raise InputError(
            "The covariate does not fit the samples.",
            where=f"a covariate of shape {values.shape} for {n_samples} samples",
            expected="one category for each sample",
            todo="pass one column, in the order of the samples",
        )
    missing = np.flatnonzero(pd.isna(values))
    if len(missing):
        raise InputError(
            "The covariate is missing for some samples.",
            where=f"{len(missing)} samples, first row {missing[0]}",
            expected="a category for each sample",
            todo="leave these samples out, or name a category of their own for them",
        )
    return values.astype(str)


def one_hot(covariate: Any, n_samples: int, categories: np.ndarray) -> np.ndarray:
    """The one-hot columns of a covariate, float32, samples x categories, of which those known are sorted.

    Raises
    ------
    InputError
        If the covariate is None, has another length or a missing value, or holds a category that the model has not
        seen.
    """
    if covariate is None:
        raise InputError(
            "The model is conditional on a covariate, and none was given.",
            where="covariate=None",
            expected=f"one of the categories {', '.join(categories[:10])} for each sample",
            todo="pass covariate=, one category for each sample",
        )
    values = read_categories(covariate, n_samples)
    codes = np.minimum(np.searchsorted(categories, values), len(categories) - 1)
    unknown = np.flatnonzero(categories[codes] != values)
    if len(unknown):
        raise InputError(
            "The model has not seen this category of the covariate.",
            where=f"'{values[unknown[0]]}' in row {unknown[0]}; {len(unknown)} such rows",
            expected=nearest(values[unknown[0]], categories),
            todo="correct the category, or train a model on samples that have it",
        )
    return np.eye(len(categories), dtype=np.float32)[codes]


def no_covariate(where: str) -> InputError:
    """The refusal of a covariate where no model can take one."""
    return InputError(
        "This model takes no covariate.",
        where=where,
        expected="covariate=None, or a VariationalAutoencoder that was fitted with one, in memory",
        todo="leave the covariate out, or fit VariationalAutoencoder().fit(X, covariate=...)",
    )


def part_categories(X: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the mean of each category lies from that of all, categories x features, and `X` without it.

    `columns` are the one-hot categories of the samples of `X`.
    """
    counts = np.maximum(columns.sum(axis=0), 1)  # a fold may lack a category: nothing is known of it
    shifts = columns.T @ (X - X.mean(axis=0, dtype=np.float64)) / counts[:, None]
    return shifts, X - (columns @ shifts).astype(X.dtype)


class NoCovariate:
    """What an estimator does with a covariate when it can have none: it refuses it."""

    def _learn_covariate(self, covariate: Any, n_samples: int) -> np.ndarray | None:
        """The columns of a covariate to train on beside the features, or None."""
        if covariate is not None:
            raise no_covariate(f"{type(self).__name__}.fit(X, covariate=...)")
        return None

    def _join(self, X: np.ndarray, covariate: Any) -> np.ndarray:
        """Samples or codes with the columns of the covariate beside them, where the model has one."""
        if covariate is not None:
            raise no_covariate(f"{type(self).__name__} that was fitted without one")
        return X
