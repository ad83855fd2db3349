"""How faithful a map is to what it maps."""

from __future__ import annotations

import numpy as np

from latentome.errors import InputError


def map_quality(
    representation: np.ndarray, positions: np.ndarray, labels: np.ndarray | None = None, k: int = 10
) -> dict[str, float]:
    """Measure how much of the neighbourhoods a map keeps.

    Parameters
    ----------
    representation
        What was mapped, samples x components.
    positions
        The map, samples x 2.
    labels
        A class for each sample (missing ones as None or NaN).
    k
        How many neighbours; less than half of the samples.

    Returns
    -------
    ``trustworthiness`` (1 where all neighbours on the map are near ones in truth), ``k-NN preservation`` (the mean
    share of the k nearest neighbours that are among those on the map) and, with labels, ``class k-NN accuracy`` (each
    sample by the majority of its neighbours on the map, itself left out; of several the first in the alphabet).

    Raises
    ------
    InputError
        If there are too few samples for that many neighbours.

    References
    ----------
    Venna and Kaski (2001). Neighborhood preservation in nonlinear projection methods. ICANN. (trustworthiness)
    Lee and Verleysen (2009). Quality assessment of dimensionality reduction. Neurocomputing 72, 1431-1443.
    """
    import pandas as pd
    from sklearn.neighbors import NearestNeighbors

    n = len(positions)
    if not 1 <= k < n / 2:
        raise InputError(
            f"{k} neighbours are too many, or too few.",
            where=f"a map of {n} samples",
            expected=f"from 1 to {max(1, (n - 1) // 2)}",
            todo="ask for fewer neighbours, or bring more samples",
        )
    known, placed = (
        NearestNeighbors(n_neighbors=k).fit(x).kneighbors(return_distance=False) for x in (representation, positions)
    )
    kept = (known[:, :, None] == placed[:, None, :]).any(axis=2).mean()
    quality = {
        "trustworthiness": _trustworthiness(np.asarray(representation, np.float64), placed),
        "k-NN preservation": float(kept),
    }
    if labels is not None:
        present = ~pd.isna(labels)
        classes, codes = np.unique(np.asarray(labels, dtype=object)[present].astype(str), return_inverse=True)
        if len(codes) > k and (np.bincount(codes) > 1).sum() > 1:  # one class is always right, one sample never
            around = NearestNeighbors(n_neighbors=k).fit(positions[present]).kneighbors(return_distance=False)
            votes = (codes[around][:, :, None] == np.arange(len(classes))).sum(axis=1)
            quality["class k-NN accuracy"] = float((votes.argmax(axis=1) == codes).mean())
    return quality


def _trustworthiness(representation: np.ndarray, placed: np.ndarray) -> float:
    """As scikit-learn computes it, in blocks: there it takes 25 bytes for each pair of samples."""
    from sklearn.metrics import pairwise_distances_chunked

    n, k = placed.shape

    def beyond(distance: np.ndarray, start: int) -> np.ndarray:
        rows = np.arange(len(distance))
        near = placed[start : start + len(distance)]
        distance[rows, start + rows] = np.inf  # nobody is a neighbour of its own
        # How many are nearer in truth than each neighbour on the map.
        nearer = np.stack([(distance < distance[rows, column][:, None]).sum(axis=1) for column in near.T])
        return np.maximum(nearer + 1 - k, 0).sum(axis=0)

    blocks = pairwise_distances_chunked(representation, reduce_func=beyond, working_memory=256)
    penalty = sum(float(block.sum()) for block in blocks)
    return 1.0 - 2.0 * penalty / (n * k * (2.0 * n - 3.0 * k - 1.0))
