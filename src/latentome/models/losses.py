"""The losses, as pure functions: each takes batches (samples x features) and gives one number per sample.

The functions run on arrays of Keras' backend, inside compiled programs.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from keras import ops

#: The smallest variance that a learned Gaussian likelihood may claim, in squared units of the input. Without a floor a
#: gene that is reproduced exactly drives the likelihood to infinity. A thousandth of the zero-one range, squared.
MIN_VARIANCE = 1e-6


def squared_error(x, mean):
    """Sum over the features of the squared differences, per sample."""
    return ops.sum(ops.square(x - mean), axis=-1)


@jax.custom_vjp
def bernoulli_nll(x, logits):
    """Cross-entropy of targets in [0, 1] against logits, summed over the features, per sample.

    Written on logits as ``max(l, 0) - l x + log(1 + exp(-|l|))``: no sigmoid, no clipping, no logarithm of zero. Loss
    and gradient share the exponential. Eight features share a logarithm, that of the product of their ``1 + exp``,
    which is at most 2^8; and the sum is a product with ones, because the compiler's own sum reads four arrays.
    """
    return _bernoulli_nll(x, logits)[0]


#: How many features share a logarithm.
SHARED = 8


def _bernoulli_nll(x, logits):
    small = jnp.exp(-jnp.abs(logits))
    linear, more = jnp.maximum(logits, 0.0) - logits * x, 1.0 + small
    residual = jnp.where(logits >= 0.0, 1.0, small) / more - x
    width = logits.shape[-1] // SHARED
    rest = linear[..., SHARED * width :] + jnp.log(more[..., SHARED * width :])
    total = _row_sums(rest)
    if width:
        parts = [slice(i * width, (i + 1) * width) for i in range(SHARED)]
        total += _row_sums(sum(linear[..., part] for part in parts) + jnp.log(math.prod(more[..., p] for p in parts)))
    return total, (logits, residual)


def _row_sums(a):
    return jnp.matmul(jax.lax.optimization_barrier(a), jnp.ones(a.shape[-1], a.dtype), precision="highest")


def _bernoulli_slopes(kept, slope):
    logits, residual = kept
    return -logits * slope[..., None], residual * slope[..., None]


bernoulli_nll.defvjp(_bernoulli_nll, _bernoulli_slopes)


def gaussian_nll(x, mean, log_variance):
    """Negative log-density of `x` under independent normals with one variance per feature, summed, per sample.

    Parameters
    ----------
    x, mean
        Samples x features.
    log_variance
        Features. A variance below `MIN_VARIANCE` counts as `MIN_VARIANCE`.
    """
    log_variance = ops.maximum(log_variance, math.log(MIN_VARIANCE))
    residual = ops.square(x - mean) * ops.exp(-log_variance)
    return 0.5 * ops.sum(residual + log_variance + math.log(2.0 * math.pi), axis=-1)


def kl_to_standard_normal(mean, log_variance):
    """Kullback-Leibler divergence of N(mean, exp(log_variance)) from N(0, 1), summed over the components, per sample.

    ``-1/2 sum(1 + lv - mu^2 - exp(lv))`` (Kingma and Welling 2014, appendix B).
    """
    return ops.sum(kl_per_unit(mean, log_variance), axis=-1)


def kl_per_unit(mean, log_variance):
    """The terms of `kl_to_standard_normal`: samples x components."""
    return -0.5 * (1.0 + log_variance - ops.square(mean) - ops.exp(log_variance))


def with_free_bits(kl, free):
    """What is charged of a KL divergence of which each component may use `free` nats without cost.

    The mean over the samples of each component counts, and as `free` where it is less (Kingma et al. 2016, equation
    15): a component gains nothing by carrying less information than that.

    Parameters
    ----------
    kl
        Samples x components.
    free
        Nats of each component.
    """
    return ops.sum(ops.maximum(ops.mean(kl, axis=0), free))


def kl_weight(step, beta, warmup_steps):
    """The weight of the KL term at a training step: a line from 0 to `beta`, then `beta`.

    Parameters
    ----------
    step
        Number of steps done before this one.
    beta
        The largest weight, reached at step `warmup_steps` and never exceeded.
    warmup_steps
        Length of the warm-up in steps; 0 for none.
    """
    # Both may be traced numbers. Without a warm-up the share is at least 1 at every step, the first included.
    share = (ops.cast(step, "float32") + ops.cast(warmup_steps == 0, "float32")) / ops.maximum(warmup_steps, 1)
    return beta * ops.minimum(share, 1.0)
