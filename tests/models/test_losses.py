"""The cross-entropy, whose gradient is written by hand, against its formula and the derivative of that."""

import jax
import jax.numpy as jnp
import numpy as np

from latentome.models.losses import bernoulli_nll


def plain(x, logits):
    return jnp.sum(jnp.logaddexp(0.0, logits) - logits * x, axis=-1)


def test_cross_entropy_and_its_gradients_are_those_of_the_formula():
    x = jax.random.uniform(jax.random.key(0), (7, 40))
    logits = 6 * jax.random.normal(jax.random.key(1), (7, 40))
    weights = jnp.arange(1.0, 8.0)  # another slope for each sample
    np.testing.assert_allclose(bernoulli_nll(x, logits), plain(x, logits), rtol=1e-6)
    for argument in (0, 1):
        found, expected = (
            jax.grad(lambda *a, loss=loss: jnp.dot(weights, loss(*a)), argument)(x, logits)
            for loss in (bernoulli_nll, plain)
        )
        np.testing.assert_allclose(found, expected, atol=1e-5)
    # No overflow, and no logarithm of zero.
    assert np.isfinite(bernoulli_nll(jnp.ones((1, 2)), jnp.array([[200.0, -200.0]]))).all()
