"""How much each gene belongs to a feature: by the decoder at one point, along paths through it, or by the encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from latentome.errors import InputError, check_known
from latentome.io.tasks import dense

if TYPE_CHECKING:
    import keras

    from latentome.estimators import BaseAutoencoder

METHODS = ("decoder", "integrated-gradients", "encoder")
#: Points on the way from the mean code to that of a sample, and the most samples (evenly spaced) that ways lead to.
STEPS, SAMPLES = 16, 256


def loadings(
    model: BaseAutoencoder, codes: np.ndarray, method: str = "decoder", x: np.ndarray | None = None
) -> np.ndarray:
    """How much the reconstruction of each gene moves when a feature moves by one standard deviation.

    Of a linear decoder this is its kernel, scaled, by either of the first two methods. A model with a covariate decodes
    equal shares of its categories.

    Parameters
    ----------
    model
        A trained estimator.
    codes
        Codes of the samples, samples x components.
    method
        ``decoder``: the Jacobian of the decoder at the mean code. ``integrated-gradients``: its mean along the straight
        ways from the mean code to the codes of samples, each weighted by the square of its length along the feature;
        what counts where a decoder is bent. ``encoder``: the Jacobian of the encoder at the mean sample, in standard
        deviations of the feature; the weights that ADAGE reads.
    x
        Scaled expression of the same samples, samples x genes; for ``encoder`` only.

    Returns
    -------
    float32, genes x components, in units of the scaled expression (of ``encoder``, per unit of it); of an ensemble each
    feature through the network of its own member.

    Raises
    ------
    InputError
        If there is no such method, the codes have another width than the model's, or the encoder is asked without `x`,
        or of a model with a covariate.

    References
    ----------
    Sundararajan, Taly and Yan (2017). Axiomatic attribution for deep networks. ICML. (integrated gradients)
    Tan et al. (2016). ADAGE-based integration of publicly available Pseudomonas aeruginosa gene expression data.
    mSystems 1, e00025-15. (encoder weights)
    """
    _check(model, codes, method, x)
    parts = np.split(np.asarray(codes), len(model.models_), axis=1)
    pairs = list(zip(model.models_, parts, strict=True))
    if method == "encoder":
        mean = np.mean(dense(x), axis=0, dtype=np.float64).astype(np.float32)
        found = [_encoder_jacobian(member.encoder, mean, part) for member, part in pairs]
    else:
        how = _jacobian if method == "decoder" else _integrated
        found = [how(member.decoder, part) for member, part in pairs]
    return np.concatenate(found, axis=1)


def _check(model: BaseAutoencoder, codes: np.ndarray, method: str, x: np.ndarray | None) -> None:
    check_known(method, METHODS, f"There are no loadings by '{method}'.", where=f"method='{method}'")
    if np.ndim(codes) != 2 or np.shape(codes)[1] != model._n_features_out:
        raise InputError(
            "These codes do not fit the model.",
            where=f"an array of shape {np.shape(codes)}",
            expected=f"samples x {model._n_features_out} components",
            todo="pass what transform returned",
        )
    if method != "encoder":
        return
    genes = np.shape(x)[1] if x is not None else 0
    if any(member.encoder.input_shape[-1] != genes for member in model.models_):
        raise InputError(
            "The encoder's loadings need the expression that it encodes, and no covariate beside it.",
            where="no x" if x is None else f"x of {genes} genes",
            expected=f"samples x {model.models_[0].encoder.input_shape[-1]} genes, scaled as in training",
            todo="give it, or take method='decoder'",
        )


def _function(network: keras.Model) -> Any:
    """A network as a function of one row."""
    trainable = [v.value for v in network.trainable_variables]
    fixed = [v.value for v in network.non_trainable_variables]

    def of_row(row):
        found = network.stateless_call(trainable, fixed, row[None], training=False)[0]
        return (found[0] if isinstance(found, (list, tuple)) else found)[0]

    return of_row


def _decoder(decoder: keras.Model, components: int) -> Any:
    """The decoder as a function of one code; of a model with a covariate with equal shares of its categories."""
    import jax.numpy as jnp

    categories, decode = decoder.input_shape[-1] - components, _function(decoder)
    shares = jnp.full(categories, 1.0 / max(categories, 1), jnp.float32)
    return lambda code: decode(jnp.concatenate([code, shares]))


def _deviation(codes: np.ndarray) -> np.ndarray:
    return np.std(codes, axis=0, dtype=np.float64).astype(np.float32)


def _jacobian(decoder: keras.Model, codes: np.ndarray) -> np.ndarray:
    import jax

    from latentome.models import compiled

    jacobian = compiled(jax.jacfwd(_decoder(decoder, codes.shape[1])))(np.asarray(codes.mean(axis=0), dtype=np.float32))
    return np.asarray(jacobian, dtype=np.float32) * _deviation(codes)


def _integrated(decoder: keras.Model, codes: np.ndarray) -> np.ndarray:
    """The slope of a gene's attributions over a feature; that of a sample is its way times the mean slope along it."""
    import jax
    import jax.numpy as jnp

    from latentome.models import compiled

    decode = _decoder(decoder, codes.shape[1])
    mean = np.asarray(codes.mean(axis=0), dtype=np.float32)
    chosen = np.linspace(0, len(codes) - 1, min(len(codes), SAMPLES)).astype(int)
    ways = np.asarray(codes[chosen] - mean, dtype=np.float32)
    total = np.square(ways).sum(axis=0)
    middles = (np.arange(STEPS, dtype=np.float32) + 0.5) / STEPS

    def add(carry, way):
        slopes = jax.vmap(lambda share: jax.jacfwd(decode)(mean + share * way))(middles).mean(axis=0)
        return carry + slopes * jnp.square(way), None

    start = jnp.zeros((decoder.output_shape[-1], codes.shape[1]), jnp.float32)
    weighted, _ = compiled(lambda: jax.lax.scan(add, start, ways))()
    return np.asarray(weighted, dtype=np.float32) / np.where(total > 0, total, 1.0) * _deviation(codes)


def _encoder_jacobian(encoder: keras.Model, mean: np.ndarray, codes: np.ndarray) -> np.ndarray:
    import jax

    from latentome.models import compiled

    jacobian = np.asarray(compiled(jax.jacrev(_function(encoder)))(mean), dtype=np.float32).T[:, : codes.shape[1]]
    deviation = _deviation(codes)
    return jacobian / np.where(deviation > 0, deviation, 1.0)
