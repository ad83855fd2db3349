"""What a model may take from its training data before its first step: moments and principal axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

#: The most rows or features, whichever are fewer, of which all axes are found, to keep the leading ones.
MAX_EXACT = 2000
#: How many values of a block, about, are in memory in float64 at a time.
VALUES = 2**22


class Summary(NamedTuple):
    """Of the rows that a model starts from, one value for each feature where nothing else is said; float64.

    The variance is the mean squared deviation. `axes` are features x axes: the directions of largest variance,
    orthonormal, the first one first, each with its largest loading positive. `spread` is the variance along each, as
    scikit-learn's PCA counts it: with one row less in the denominator.
    """

    n_rows: int
    mean: np.ndarray
    variance: np.ndarray
    axes: np.ndarray
    spread: np.ndarray


def summarise(blocks: Callable[[], Iterable[np.ndarray]], n_axes: int = 0) -> Summary:
    """Summarise rows that come in blocks.

    Parameters
    ----------
    blocks
        Gives the rows anew at each call, samples x features. A single block is all the data there are: its axes are
        those of scikit-learn's PCA. The axes of several are found one block after the other (Ross et al. 2008), with
        more of them carried along than are wanted.
    n_axes
        Number of principal axes; at most the number of rows and the number of features.

    References
    ----------
    Chan, Golub and LeVeque (1983). Algorithms for computing the sample variance. The American Statistician 37, 242-247.
    Ross et al. (2008). Incremental learning for robust visual tracking. International Journal of Computer Vision 77,
    125-141.
    """
    count, mean, squares, n_blocks = 0, np.zeros(1), np.zeros(1), 0
    for block in blocks():
        # The sums of two parts, without the loss of digits of a sum of squares.
        own, total = block.mean(axis=0, dtype=np.float64), count + len(block)
        squares = squares + _variance(block) * len(block)
        squares += (own - mean) ** 2 * (count * len(block) / total)
        mean = mean + (own - mean) * (len(block) / total)
        count, n_blocks = total, n_blocks + 1
        del block  # before the next one, which can be as large as all the data, is made
    variance, n_axes = squares / count, min(n_axes, count, len(mean))
    if not n_axes:
        return Summary(count, mean, variance, np.zeros((len(mean), 0)), np.zeros(0))
    if not variance.any():  # no direction is better than another one
        return Summary(count, mean, variance, np.eye(len(mean), n_axes), np.zeros(n_axes))
    # Centred and scaled first: in float32 the covariance of values far from zero would lose its digits.
    scale = scale_of(variance)
    if n_blocks == 1:
        axes, spread = _one(_scaled(*blocks(), mean, scale), n_axes)
    else:
        axes, spread = _many((_scaled(block, mean, scale) for block in blocks()), n_axes, min(count, len(mean)))
    return Summary(count, mean, variance, axes.T, spread * scale**2)


def scale_of(variance: np.ndarray) -> float:
    """The standard deviation of a typical feature, the root of the mean variance; 1 where nothing varies."""
    return float(np.sqrt(variance.mean())) or 1.0


def _variance(x: np.ndarray) -> np.ndarray:
    # Some features at a time, of which numpy makes a copy in float64.
    pieces = min(max(x.size // VALUES, 1), max(x.shape[1] // 2, 1))
    return np.concatenate([part.var(axis=0, dtype=np.float64) for part in np.array_split(x, pieces, axis=1)])


def _scaled(x: np.ndarray, mean: np.ndarray, scale: float) -> np.ndarray:
    scaled, pieces = np.empty_like(x, np.float32), max(x.size // VALUES, 1)
    for part, into in zip(np.array_split(x, pieces), np.array_split(scaled, pieces), strict=True):
        into[...] = (part - mean) / scale
    return scaled


def _one(x: np.ndarray, n_axes: int) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.decomposition import PCA

    # Exact as long as that is quick: the solver that scikit-learn chooses for 20 axes of 885 x 198 values leaves an
    # error of about 0.04 % above the least one.
    rows, features = x.shape
    exact = "covariance_eigh" if features <= rows else "full"
    solver = exact if min(rows, features) <= MAX_EXACT else "randomized"
    fitted = PCA(n_axes, copy=False, svd_solver=solver, iterated_power=7, random_state=0).fit(x)
    return fitted.components_.astype(np.float64), fitted.explained_variance_.astype(np.float64)


def _many(blocks: Iterable[np.ndarray], n_axes: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.decomposition import IncrementalPCA

    fitted = IncrementalPCA(min(2 * n_axes + 10, most))
    for part in _merged(blocks, fitted.n_components):
        fitted.partial_fit(part)
    return fitted.components_[:n_axes].astype(np.float64), fitted.explained_variance_[:n_axes].astype(np.float64)


def _merged(blocks: Iterable[np.ndarray], least: int) -> Iterator[np.ndarray]:
    """Blocks joined until each has at least so many rows; what is left at the end joins the one before it."""
    ready: list[np.ndarray] = []
    waiting: list[np.ndarray] = []
    for block in blocks:
        waiting.append(block)
        if sum(map(len, waiting)) >= least:
            if ready:
                yield ready.pop()
            ready, waiting = [np.concatenate(waiting)], []
    yield np.concatenate([*ready, *waiting])
