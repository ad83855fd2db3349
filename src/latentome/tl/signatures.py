"""Which genes a latent feature stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

#: How many standard deviations from the mean loading make a gene one of the signature (Tybalt and ADAGE).
CUTOFF = 2.5


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
    """Which genes are on the positive and on the negative side of each signature.

    Parameters
    ----------
    weights
        Loadings, genes x components.
    cutoff
        As of `signatures`.

    Returns
    -------
    Two boolean arrays, genes x components.
    """
    z = standardise(weights)
    up, down = cutoff if np.ndim(cutoff) else (cutoff, cutoff)
    return z > up, z < -down


def signature_fdr(
    x: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray,
    cutoff: float | np.ndarray = CUTOFF,
    n_permutations: int = 20,
    rng: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Estimate how many genes of each signature chance would have put there.

    Chance is a feature whose samples are shuffled: how far each gene moves with one standard deviation of it is the
    slope of a regression, in the units of the loadings. The false discovery rate is the mean number of genes that move
    as far as the signature demands, over the number of genes that the signature has.

    Parameters
    ----------
    x
        Scaled expression, samples x genes. Samples that the model was not trained on are the stricter choice.
    codes
        Features of the same samples, samples x components.
    weights
        Loadings, genes x components, as `latentome.tl.loadings` gives them.
    cutoff
        As of `signatures`.
    n_permutations
        How often the samples are shuffled.
    rng
        Seed.
    progress
        Is told how many permutations are done, of how many.

    Returns
    -------
    One row for each side of each feature: ``feature`` (from 1), ``side``, ``genes``, ``by_chance``, ``fdr`` (1 where
    the signature has no gene); the last two NaN for a single sample.

    References
    ----------
    Tusher, Tibshirani and Chu (2001). Significance analysis of microarrays applied to the ionizing radiation response.
    Proc. Natl. Acad. Sci. 98, 5116-5121. The rate is estimated as there.
    """
    import pandas as pd

    generator = np.random.default_rng([rng, 3])
    codes = np.asarray(codes, dtype=np.float64)
    z = (codes - codes.mean(axis=0)) / np.maximum(codes.std(axis=0), np.finfo(np.float32).tiny)
    centred = x - x.mean(axis=0, dtype=np.float64)
    mean, deviation = weights.mean(axis=0, dtype=np.float64), weights.std(axis=0, dtype=np.float64)
    up, down = np.broadcast_arrays(*(cutoff if np.ndim(cutoff) else (cutoff, cutoff)), mean)[:2]
    by_chance = np.zeros((2, codes.shape[1]))
    for done in range(n_permutations):
        if progress is not None:
            progress(done, n_permutations)
        slopes = centred.T @ generator.permuted(z, axis=0) / len(z)
        by_chance += [(slopes > mean + up * deviation).sum(axis=0), (slopes < mean - down * deviation).sum(axis=0)]
    by_chance /= n_permutations
    found = np.array([inside.sum(axis=0) for inside in sides(weights, cutoff)])
    rate = np.where(found > 0, np.minimum(1.0, by_chance / np.maximum(found, 1)), 1.0)
    if len(codes) < 2:  # one sample cannot be shuffled
        by_chance, rate = np.full_like(by_chance, np.nan), np.full_like(rate, np.nan)
    features = np.arange(codes.shape[1]) + 1
    return pd.DataFrame(
        {
            "feature": np.repeat(features, 2),
            "side": np.tile(["positive", "negative"], len(features)),
            "genes": found.T.ravel(),
            "by_chance": by_chance.T.ravel(),
            "fdr": rate.T.ravel(),
        }
    )
