"""Which genes a latent feature stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras
    import pandas as pd

    from latentome.estimators import BaseAutoencoder

#: How many standard deviations from the mean loading make a gene one of the signature (Tybalt and ADAGE).
CUTOFF = 2.5


def loadings(model: BaseAutoencoder, codes: np.ndarray) -> np.ndarray:
    """How much the reconstruction of each gene moves when a feature moves by one standard deviation.

    The Jacobian of the decoder at the mean code, times the standard deviation of each feature over the samples. For a
    linear decoder this is its kernel, scaled. A model with a covariate decodes equal shares of its categories.

    Parameters
    ----------
    model
        A trained estimator.
    codes
        Codes of the samples, samples x components.

    Returns
    -------
    float32, genes x components, in units of the scaled expression; of an ensemble each feature through the decoder of
    its own member.
    """
    parts = np.split(codes, len(model.models_), axis=1)
    return np.concatenate([_jacobian(m.decoder, part) for m, part in zip(model.models_, parts, strict=True)], axis=1)


def _jacobian(decoder: keras.Model, codes: np.ndarray) -> np.ndarray:
    import jax
    import jax.numpy as jnp

    categories = decoder.input_shape[-1] - codes.shape[1]
    shares = jnp.full(categories, 1.0 / max(categories, 1), jnp.float32)
    trainable = [v.value for v in decoder.trainable_variables]
    fixed = [v.value for v in decoder.non_trainable_variables]

    def decode(code):
        return decoder.stateless_call(trainable, fixed, jnp.concatenate([code, shares])[None], training=False)[0][0]

    jacobian = jax.jit(jax.jacfwd(decode))(np.asarray(codes.mean(axis=0), dtype=np.float32))
    return np.asarray(jacobian, dtype=np.float32) * codes.std(axis=0, dtype=np.float64).astype(np.float32)


def signatures(weights: np.ndarray, genes: list[str], cutoff: float = CUTOFF) -> pd.DataFrame:
    """List the genes whose loading is far from the mean loading of a feature.

    Parameters
    ----------
    weights
        Loadings, genes x components.
    genes
        Names of the genes.
    cutoff
        How many standard deviations from the mean. Both mean and deviation are those of the feature's own loadings.

    Returns
    -------
    One row for each gene of a signature: ``feature`` (from 1), ``side`` (``positive`` or ``negative``), ``rank`` (from
    1 within the side, strongest first), ``gene``, ``loading``, ``z`` (standard deviations from the mean).
    """
    import pandas as pd

    z = (weights - weights.mean(axis=0)) / np.maximum(weights.std(axis=0), np.finfo(np.float32).tiny)
    parts = []
    for feature in range(weights.shape[1]):
        for side, sign in (("positive", 1.0), ("negative", -1.0)):
            strength = sign * z[:, feature]
            order = np.argsort(-strength, kind="stable")
            order = order[strength[order] > cutoff]
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
