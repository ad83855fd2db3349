"""Lower bounds on the log-likelihood of samples under a variational model, by drawing from its posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from latentome.models.variational import VariationalModel


def bounds(model: VariationalModel, x, rows, seed, draws):
    """The evidence lower bound and the importance-weighted one, both in nats: samples x 2.

    The first is the mean log-likelihood of a sample given its draws, less the KL divergence. The second is
    ``log mean w`` of the weights ``w = p(x | z) p(z) / q(z | x)``; it rises with the number of draws towards
    ``log p(x)`` and in expectation never beyond (Burda et al. 2016).

    `x` are samples x features, and the columns of a covariate. The draws of a sample depend on its number in `rows` and
    the seed, not on which samples are computed together. One draw of all samples is in memory at a time.
    """
    mean, log_variance = model.posterior(x, training=False)
    features = x[:, : model.n_features]
    keys = jax.vmap(lambda row: jax.random.fold_in(jax.random.key(seed), row))(rows)

    def one_draw(i, carry):
        top, total, given = carry
        noise = jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, i), mean.shape[1:]))(keys)
        z = mean + jnp.exp(0.5 * log_variance) * noise
        likelihood = -model.negative_log_likelihood(features, model.decode(z, x))
        weight = likelihood + 0.5 * jnp.sum(jnp.square(noise) + log_variance - jnp.square(z), axis=1)
        # The sum of exponentials, kept relative to the largest so far.
        largest = jnp.maximum(top, weight)
        total = total * jnp.exp(top - largest) + jnp.exp(weight - largest)
        return largest, total, given + likelihood

    nothing = jnp.zeros(x.shape[0])
    top, total, given = jax.lax.fori_loop(0, draws, one_draw, (jnp.full(x.shape[0], -jnp.inf), nothing, nothing))
    elbo = given / draws - jnp.sum(model.kl_units(x, training=False), axis=1)
    return jnp.stack([elbo, top + jnp.log(total) - jnp.log(draws)], axis=1)
