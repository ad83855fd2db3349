"""Turning features to where their loadings are simple: each gene on few of them."""

from __future__ import annotations

import numpy as np

#: Power of the promax rotation: how hard small loadings are pushed to zero.
POWER = 3
STEPS = 500


def simple_structure(codes: np.ndarray, weights: np.ndarray, power: int = POWER) -> tuple[np.ndarray, np.ndarray]:
    """Rotate the features of one model so that each gene loads on few of them (promax).

    A decoder that is linear, or nearly so, reconstructs as well from any mixture of its features: training says which
    space they span, and chance which axes of it they are. Axes with simple loadings can be compared between trainings,
    and come near to the factors behind the data where each of these moves some of the genes. They may be correlated.

    Parameters
    ----------
    codes
        Samples x components.
    weights
        Loadings, genes x components, for one standard deviation of each feature, as `loadings` gives them.
    power
        Of the promax target.

    Returns
    -------
    The rotated codes (standardised) and loadings (for one standard deviation), whose product is that of the given ones.
    A feature that does not vary, or moves no gene, is all zeros.

    References
    ----------
    Kaiser (1958). The varimax criterion for analytic rotation in factor analysis. Psychometrika 23, 187-200.
    Hendrickson and White (1964). Promax: a quick method for rotation to oblique simple structure. Br. J. Stat. Psychol.
    17, 65-70.
    """
    codes, weights = np.asarray(codes, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    deviation = codes.std(axis=0)
    alive = (deviation > 0) & weights.any(axis=0)
    turned, loaded = np.zeros_like(codes), np.zeros_like(weights)
    if not alive.any():
        return turned, loaded
    z, own = (codes[:, alive] - codes[:, alive].mean(axis=0)) / deviation[alive], weights[:, alive]
    mixing = _promax(own, power)
    scores, rotated = z @ np.linalg.pinv(mixing).T, own @ mixing
    scale = scores.std(axis=0)
    turned[:, alive], loaded[:, alive] = scores / np.where(scale > 0, scale, 1.0), rotated * scale
    return turned, loaded


def _promax(weights: np.ndarray, power: int) -> np.ndarray:
    """The matrix that turns loadings into simple ones."""
    rotation = _varimax(weights)
    simple = weights @ rotation
    target = simple * np.abs(simple) ** (power - 1)
    oblique = np.linalg.lstsq(simple, target, rcond=None)[0]
    # A column without length has no direction of its own and is left where varimax put it.
    length = np.linalg.norm(oblique, axis=0)
    oblique = np.where(length > 0, oblique / np.where(length > 0, length, 1.0), np.eye(len(oblique)))
    return rotation @ oblique


def _varimax(weights: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(weights, axis=1, keepdims=True)
    rows = weights / np.where(length > 0, length, 1.0)  # every gene counts the same
    rotation, before = np.eye(weights.shape[1]), 0.0
    for _ in range(STEPS):
        turned = rows @ rotation
        u, s, v = np.linalg.svd(rows.T @ (turned**3 - turned * np.square(turned).mean(axis=0)))
        rotation = u @ v
        if s.sum() <= before * (1.0 + 1e-8):
            break
        before = s.sum()
    return rotation
