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
    order = generator.permutation(n_samples)
    if labels is not None:
        codes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1]
        order = order[np.argsort(codes[order], kind="stable")]
    # Systematic sampling: `wanted` equal steps through the sorted samples, from a random start within the first step.
    picks = np.floor((np.arange(wanted) + generator.random()) * (n_samples / wanted)).astype(int)
    held_out = np.zeros(n_samples, dtype=bool)
    held_out[order[picks]] = True
    return held_out


def assign_folds(n_samples: int, folds: int, labels: np.ndarray | None, rng: int | np.random.Generator) -> np.ndarray:
    """Deal the samples into folds of exactly equal size.

    Models of equally many rows share a compiled program, so that what does not divide stays in training in every fold:
    fewer than `folds` samples, chosen at random.

    Parameters
    ----------
    n_samples
        Number of samples.
    folds
        Number of folds.
    labels
        One label for each sample: each class is dealt evenly, to within one sample. None for a purely random choice.
    rng
        Seed or generator.

    Returns
    -------
    The fold that holds each sample out, from 0; -1 where none does.

    Raises
    ------
    InputError
        If there are fewer than two folds, or a fold would be empty.
    """
    if not 2 <= folds <= n_samples:
        raise InputError(
            "The samples cannot be dealt into so many folds.",
            where=f"{folds} folds of {n_samples} samples",
            expected="at least two folds, and at least one sample for each",
            todo="choose another number, such as 5",
        )
    order = np.random.default_rng(rng).permutation(n_samples)[n_samples % folds :]
    if labels is not None:
        codes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1]
        order = order[np.argsort(codes[order], kind="stable")]
    dealt = np.full(n_samples, -1)
    dealt[order] = np.arange(len(order)) % folds
    return dealt


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
