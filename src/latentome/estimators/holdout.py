"""Which rows of the training data an estimator validates on: whole groups of them where samples belong together."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from latentome.errors import InputError
from latentome.training import n_held_out


def hold_out(n: int, share: float, seed: int, groups: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Draw the row numbers to train on and to validate on, both ascending.

    Parameters
    ----------
    n
        Number of rows.
    share
        The share to validate on; where one is asked for, at least one row.
    seed
        Seed of the draw.
    groups
        The number of the group of each row, such as a patient, none of which is divided. As many rows are held out as
        whole groups of these sizes can make, up to the share, or else the smallest group: equally many for every seed.

    Raises
    ------
    InputError
        If all rows are one group.
    """
    wanted, generator = n_held_out(n, share), np.random.default_rng([seed, 1])
    if groups is None or not wanted:
        order = generator.permutation(n)
        return np.sort(order[wanted:]), np.sort(order[:wanted])
    sizes = np.bincount(groups)
    if len(sizes) < 2:
        raise InputError(
            "No group can be held out: all samples are of one.",
            where=f"groups, {n} samples",
            expected="two groups or more, none of which is in training and in validation",
            todo="leave groups out, or set validation_fraction=0",
        )
    order = generator.permutation(len(sizes))
    chosen = order[_of_size(sizes[order], wanted)]
    held_out = np.isin(groups, chosen if len(chosen) else sizes.argmin())
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def refuse_groups(groups: Any, shape: tuple[int, ...]) -> None:
    """Refuse groups where the training goes through the data in blocks."""
    if groups is None:
        return
    raise InputError(
        "Data in blocks are validated on whole blocks, not on whole groups.",
        where=f"fit(X, groups=...), {' x '.join(map(str, shape))}",
        expected="groups with data that fit into memory",
        todo="leave groups out, or hold out samples of other groups yourself",
    )


def _of_size(sizes: np.ndarray, wanted: int) -> np.ndarray:
    """Choose some of these sizes, by their places, that add up to `wanted` or as near below it as any can."""
    # Bit s of a number is set where some of the sizes from that place on add up to s.
    mask = (1 << (wanted + 1)) - 1
    sums = list(itertools.accumulate(reversed(sizes.tolist()), lambda s, size: (s | s << size) & mask, initial=1))[::-1]
    left, chosen = sums[0].bit_length() - 1, []
    for place, size in enumerate(sizes.tolist()):
        if left and size <= left and sums[place + 1] >> (left - size) & 1:
            left -= size
            chosen.append(place)
    return np.array(chosen, dtype=int)
