"""Principal components of training data, for models that start at them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from latentome.models.losses import MIN_VARIANCE


class Components(NamedTuple):
    """Probabilistic PCA of some data (Tipping and Bishop 1999), as float64.

    Parameters
    ----------
    mean
        Of each feature.
    axes
        Components x features, orthonormal; as many as asked for, or as the data have.
    variances
        Along the axes, largest first.
    shifts
        Categories x features: how far the mean of each category lies from that of all, where they were told apart.
    noise
        The mean variance of a direction that is left; below each of `variances`.
    residual
        The variance of each feature that is left.
    """

    mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    shifts: np.ndarray
    noise: float
    residual: np.ndarray


def principal_components(x: np.ndarray, n_components: int, columns: np.ndarray | None = None) -> Components:
    """Find the principal components of `x` (samples x features); fewer than asked for where the data have fewer.

    Parameters
    ----------
    x
        Training data.
    n_components
        The largest number of components.
    columns
        One-hot categories of the samples. The components are then those within the categories.
    """
    from sklearn.decomposition import PCA

    mean, shifts = x.mean(axis=0, dtype=np.float64), np.zeros((0, x.shape[1]))
    if columns is not None:
        # A category may have no training sample.
        shifts = columns.T @ (x - mean) / np.maximum(columns.sum(axis=0), 1.0)[:, None]
        x = x - (columns @ shifts).astype(x.dtype)
    most = min(n_components, *x.shape)
    # The seed of the randomised solver, which scikit-learn takes for large matrices: the result is one of the data.
    fitted = PCA(most, random_state=0).fit(x)
    variances = fitted.explained_variance_.astype(np.float64) * (len(x) - 1) / len(x)
    axes, total = fitted.components_.astype(np.float64), x.var(axis=0, dtype=np.float64)
    noise = max((total.sum() - variances.sum()) / max(x.shape[1] - most, 1), MIN_VARIANCE)
    kept = variances > noise
    axes, variances = axes[kept], variances[kept]
    residual = total - np.square(axes).T @ variances
    return Components(mean, axes, variances, shifts, noise, residual)
