"""Which genes a latent feature stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from latentome.io.tasks import dense

if TYPE_CHECKING:
    import pandas as pd

#: How many standard deviations from the mean loading make a gene one of the signature (Tybalt and ADAGE).
CUTOFF = 2.5
#: How many samples tell the sign of a slope, fewer where there are many genes: so many values are encoded at most. And
#: so many at a time.
SAMPLES, MOST_WORK, AT_ONCE = (100, 500), 2**33, 2**24


def signatures(weights: np.ndarray, genes: list[str], cutoff: float | np.ndarray = CUTOFF) -> pd.DataFrame:
    """List the genes whose loading is far from the mean loading of a feature.

    Parameters
    ----------
    weights
        Loadings, genes x components.
    genes
        Names of the genes.
    cutoff
        How many standard deviations from the mean (Tybalt took 2.5, ADAGE 2.0). Both mean and deviation are those of
        the feature's own loadings. Or one for the positive and one for the negative side of each feature, 2 x
        components, such as `node_types` gives them.

    Returns
    -------
    One row for each gene of a signature: ``feature`` (from 1), ``side`` (``positive`` or ``negative``), ``rank`` (from
    1 within the side, strongest first), ``gene``, ``loading``, ``z`` (standard deviations from the mean).
    """
    import pandas as pd

    weights = np.asarray(weights)
    z, chosen = standardise(weights), sides(weights, cutoff)
    parts = []
    for feature in range(weights.shape[1]):
        for side, sign, inside in (("positive", 1.0, chosen[0]), ("negative", -1.0, chosen[1])):
            order = np.argsort(-sign * z[:, feature], kind="stable")
            order = order[inside[order, feature]]
            parts.append(
                pd.DataFrame(
                    {
                        "feature": feature + 1,
                        "side": side,
                        "rank": np.arange(1, len(order) + 1),
                        "gene": np.asarray(genes)[order],
                        "loading": weights[order, feature],
                        "z": z[order, feature],
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def standardise(weights: np.ndarray) -> np.ndarray:
    """How many standard deviations each loading is from the mean loading of its feature; 0 for a dead feature."""
    return (weights - weights.mean(axis=0)) / np.maximum(weights.std(axis=0), np.finfo(np.float32).tiny)


def sides(weights: np.ndarray, cutoff: float | np.ndarray = CUTOFF) -> tuple[np.ndarray, np.ndarray]:
    """Which genes are on the positive and on the negative side of each signature: boolean, genes x components."""
    z = standardise(weights)
    up, down = cutoff if np.ndim(cutoff) else (cutoff, cutoff)
    return z > up, z < -down


def signature_fdr(
    x: np.ndarray,
    encode: Callable[[np.ndarray], np.ndarray],
    weights: np.ndarray,
    cutoff: float | np.ndarray = CUTOFF,
    members: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Estimate which share of the genes of each signature has nothing to do with its feature.

    A feature is made of its genes, so that each moves with it even where all are noise. So all features are computed
    anew for each gene, without that gene (its mean stands in for it), and the gene is explained by them (least
    squares). A gene that has nothing to do with the others then moves against its loading as often as with it, and
    twice the share of genes that do is the share of such genes.

    Parameters
    ----------
    x
        Scaled expression, samples x genes, of samples that the model was not trained on.
    encode
        Gives the features of such samples, samples x components; ``transform`` of an estimator, say.
    weights
        Loadings, genes x components, as `latentome.tl.loadings` gives them.
    cutoff
        As of `signatures`.
    members
        How many models of an ensemble the components are of; a gene is explained by the features of one at a time.
    progress
        Is told how many genes are done, of how many.

    Returns
    -------
    One row for each side of each feature: ``feature`` (from 1), ``side``, ``genes``, ``against`` (genes that move
    against their loading), ``fdr``: twice one more than these, of all genes, at most 1, and 1 where the signature has
    no gene; the last two NaN below 3 samples. One more, because few genes are all on the right side by chance: of two
    genes the rate is always 1, of ten at least 0.2.

    References
    ----------
    Storey (2002). A direct approach to false discovery rates. J. R. Stat. Soc. B 64, 479-498. The share is estimated as
    there, for finite samples, with one-sided tests and lambda = 1/2.
    """
    import pandas as pd

    x, weights = dense(x), np.asarray(weights)
    inside = np.array(sides(weights, cutoff))
    found, against = inside.sum(axis=1), np.zeros(inside.sum(axis=1).shape, dtype=int)
    listed = np.flatnonzero(inside.any(axis=(0, 2)))
    most = int(np.clip(MOST_WORK // max(x.shape[1] * len(listed), 1), *SAMPLES))
    x = np.asarray(x[:: -(-len(x) // most) or 1], dtype=np.float32)
    centre = x.mean(axis=0)
    at_once = max(AT_ONCE // max(x.size, 1), 1)
    for start in range(0, len(listed) if len(x) > 2 else 0, at_once):
        if progress is not None:
            progress(start, len(listed))
        genes = listed[start : start + at_once]
        without = np.repeat(x[None], len(genes), axis=0)
        without[np.arange(len(genes)), :, genes] = centre[genes, None]
        codes = np.asarray(encode(without.reshape(-1, x.shape[1])), dtype=np.float64).reshape(len(genes), len(x), -1)
        moves = _explained(codes - codes.mean(axis=1, keepdims=True), (x - centre)[:, genes].T, members)
        against += (inside[:, genes] & (moves * weights[genes] <= 0)).sum(axis=1)
    rate = np.where(found > 0, np.minimum(1.0, 2.0 * (against + 1) / np.maximum(found, 1)), 1.0)
    features = np.arange(weights.shape[1]) + 1
    table = pd.DataFrame(
        {
            "feature": np.repeat(features, 2),
            "side": np.tile(["positive", "negative"], len(features)),
            "genes": found.T.ravel(),
            "against": against.T.ravel().astype(float),
            "fdr": rate.T.ravel(),
        }
    )
    if len(x) < 3:  # of two samples any gene moves one way or the other
        table[["against", "fdr"]] = np.nan
    return table


def _explained(codes: np.ndarray, values: np.ndarray, members: int) -> np.ndarray:
    """The slopes of each gene on the features that were computed without it; covariances where samples are too few.

    `codes` are genes x samples x components, `values` genes x samples, both centred.
    """
    slopes = []
    for part in np.split(codes, members, axis=2):
        with_gene = np.einsum("gsk,gs->gk", part, values)
        if part.shape[1] > part.shape[2] + 2:
            gram = np.einsum("gsk,gsl->gkl", part, part)
            scale = np.trace(gram, axis1=1, axis2=2) / gram.shape[1]
            # A feature without use has no slope, rather than any.
            gram += (1e-9 * scale + np.finfo(np.float64).tiny)[:, None, None] * np.eye(gram.shape[1])
            with_gene = np.linalg.solve(gram, with_gene[..., None])[..., 0]
        slopes.append(with_gene)
    return np.concatenate(slopes, axis=1)
