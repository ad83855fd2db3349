"""Splitting samples into training and held-out rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latentome.errors import InputError, nearest

if TYPE_CHECKING:
    from anndata import AnnData


def split_rows(
    n_samples: int, test_size: float, labels: np.ndarray | None, rng: int | np.random.Generator
) -> np.ndarray:
    """Choose the held-out rows.

    The samples are put in random order, sorted by label, and every ``1/test_size``-th one is taken. So each class, rare
    ones too, is held out in its share, to within one sample, and the number of held-out rows is exact.

    Parameters
    ----------
    n_samples
        Number of samples.
    test_size
        Share to hold out, in (0, 1).
    labels
        One label for each sample, or none for a purely random choice.
    rng
        Seed or generator.

    Returns
    -------
    Boolean, one for each sample: whether it is held out.

    Raises
    ------
    InputError
        If the share is outside (0, 1), or so small or large that one side would be empty.
    """
    wanted = round(n_samples * test_size) if 0 < test_size < 1 else 0
    if not 0 < wanted < n_samples:
        raise InputError(
            "The samples cannot be split like this.",
            where=f"a held-out share of {test_size} of {n_samples} samples",
            expected="a share in (0, 1) that leaves at least one sample on each side",
            todo="choose another share, such as 0.2, or bring more samples",
        )
    generator = np.random.default_rng(rng)
    order = _random_order(n_samples, labels, generator)
    # Systematic sampling: `wanted` equal steps through the sorted samples, from a random start within the first step.
    picks = np.floor((np.arange(wanted) + generator.random()) * (n_samples / wanted)).astype(int)
    held_out = np.zeros(n_samples, dtype=bool)
    held_out[order[picks]] = True
    return held_out


def fold_rows(n_samples: int, folds: int, labels: np.ndarray | None, rng: int | np.random.Generator) -> np.ndarray:
    """Assign each sample to a fold.

    The samples are put in random order, sorted by label, and dealt out like cards. So folds differ in size by one
    sample at most, and each has its share of each class.

    Parameters
    ----------
    n_samples
        Number of samples.
    folds
        Number of folds.
    labels
        One label for each sample, or none.
    rng
        Seed or generator.

    Returns
    -------
    The number of its fold for each sample, from 0.

    Raises
    ------
    InputError
        If there are fewer than two folds, or more than samples.
    """
    if not 2 <= folds <= n_samples:
        raise InputError(
            "The samples cannot be cut into so many folds.",
            where=f"{folds} folds of {n_samples} samples",
            expected="2 or more, and at most as many as samples",
            todo="ask for 5 folds, say",
        )
    order = _random_order(n_samples, labels, np.random.default_rng(rng))
    assigned = np.empty(n_samples, dtype=np.int64)
    assigned[order] = np.arange(n_samples) % folds
    return assigned


def split(
    adata: AnnData, test_size: float = 0.1, stratify: str | None = None, rng: int | np.random.Generator = 0
) -> tuple[AnnData, AnnData]:
    """Split samples into training and held-out ones.

    Parameters
    ----------
    adata
        Samples x genes.
    test_size
        Share to hold out, in (0, 1).
    stratify
        A column of ``adata.obs``: each of its classes is held out in its share.
    rng
        Seed or generator.

    Returns
    -------
    The training samples and the held-out samples, as copies, each in the order of `adata`.

    Raises
    ------
    InputError
        If there is no such column, or one side would be empty.
    """
    if stratify is not None and stratify not in adata.obs:
        raise InputError(
            f"There is no column '{stratify}' to stratify by.",
            where="adata.obs",
            expected=nearest(stratify, adata.obs.columns),
            todo="name one of these columns, or none",
        )
    labels = None if stratify is None else adata.obs[stratify].astype(str).to_numpy()
    held_out = split_rows(adata.n_obs, test_size, labels, rng)
    return adata[~held_out].copy(), adata[held_out].copy()


def _random_order(n_samples: int, labels: np.ndarray | None, generator: np.random.Generator) -> np.ndarray:
    """A random order of the samples, sorted by label where there are labels."""
    order = generator.permutation(n_samples)
    if labels is None:
        return order
    codes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1]
    return order[np.argsort(codes[order], kind="stable")]
