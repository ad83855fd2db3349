"""The space that the members of an ensemble share, and the features in it that are simple to name."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from latentome.tl.rotate import simple_structure


class Shared(NamedTuple):
    """Features of the space that members share.

    `codes` are samples x features, standardised; `loadings`, genes x features, how much expression moves with one
    standard deviation of each; `explained`, members x features, the share of the variance of each feature that the
    features of a member explain, adjusted for their number (0 to 1).
    """

    codes: np.ndarray
    loadings: np.ndarray
    explained: np.ndarray


def shared_features(codes: np.ndarray, members: int, x: np.ndarray) -> Shared:
    """Find what the feature spaces of members have in common, and turn it to simple loadings.

    Each member spans a space over the samples. The mean of the projections onto these spaces has as its first
    directions those that most members hold (generalised canonical correlation). Of them as many as a member has
    features are kept, and none that unrelated members would share as much by chance. Their loadings are the regression
    of the expression on them, and both are turned so that each gene loads on few (promax). No member has to have all of
    them: a feature that is dead in one is there in others.

    Parameters
    ----------
    codes
        Codes of all members side by side, samples x (members times components).
    members
        How many members there are.
    x
        Scaled expression of the same samples, samples x genes.

    Returns
    -------
    At most as many features as a member has.

    References
    ----------
    Kettenring (1971). Canonical analysis of several sets of variables. Biometrika 58, 433-451. (MAXVAR)
    Marchenko and Pastur (1967). Math. USSR Sb. 1, 457-483. (the largest share that chance gives)
    Hendrickson and White (1964). Promax. Br. J. Stat. Psychol. 17, 65-70.
    """
    n = len(codes)
    spaces = [_basis(part) for part in np.split(np.asarray(codes, np.float64), members, axis=1)]
    together = np.hstack(spaces)
    share, mixing = np.linalg.eigh(together.T @ together / members)
    first = np.argsort(-share, kind="stable")[: codes.shape[1] // members]
    first = first[share[first] > (1.0 + np.sqrt(together.shape[1] / n)) ** 2 / members]
    directions = together @ mixing[:, first] / np.sqrt(members * share[first])  # orthonormal over the samples
    x = np.asarray(x, np.float64)
    centred = x - x.mean(axis=0)
    scores, loadings = simple_structure(directions * np.sqrt(n), centred.T @ directions / np.sqrt(n))
    # The sign of a direction is that of rounding: the gene that moves most decides, whichever way samples are sorted.
    strongest = np.take_along_axis(loadings, np.abs(loadings).argmax(axis=0)[None], axis=0)[0]
    scores, loadings = scores * np.where(strongest < 0, -1.0, 1.0), loadings * np.where(strongest < 0, -1.0, 1.0)
    total = np.square(scores).sum(axis=0)
    inside = np.array([np.square(space.T @ scores).sum(axis=0) for space in spaces]) / np.where(total > 0, total, 1.0)
    freedom = np.array([max(n - 1 - space.shape[1], 1) for space in spaces])[:, None]
    explained = np.clip(1.0 - (1.0 - inside) * (n - 1) / freedom, 0.0, 1.0)
    return Shared(scores, loadings, explained)


def _basis(codes: np.ndarray) -> np.ndarray:
    """Orthonormal directions over the samples that the features of a member span; none of dead features."""
    u, s, _ = np.linalg.svd(codes - codes.mean(axis=0), full_matrices=False)
    return u[:, s > 1e-6 * max(s.max(initial=0.0), np.finfo(np.float64).tiny)]
