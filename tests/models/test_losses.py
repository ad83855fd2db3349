"""The cross-entropy, whose gradient is written by hand, against its formula and the derivative of that."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from latentome.models.losses import bernoulli_nll


def plain(x, logits):
    return jnp.sum(jnp.logaddexp(0.0, logits) - logits * x, axis=-1)


@pytest.mark.parametrize("width", [3, 40, 43], ids=["less than share a logarithm", "all do", "some are left"])
def test_cross_entropy_and_its_gradients_are_those_of_the_formula(width):
    x = jax.random.uniform(jax.random.key(0), (7, width))
    logits = 6 * jax.random.normal(jax.random.key(1), (7, width))
    weights = jnp.arange(1.0, 8.0)  # another slope for each sample
    np.testing.assert_allclose(bernoulli_nll(x, logits), plain(x, logits), rtol=1e-6)
    for argument in (0, 1):
        found, expected = (
            jax.jit(jax.grad(lambda *a, loss=loss: jnp.dot(weights, loss(*a)), argument))(x, logits)
            for loss in (bernoulli_nll, plain)
        )
        np.testing.assert_allclose(found, expected, atol=1e-5)
    # No overflow, and no logarithm of zero.
    assert np.isfinite(bernoulli_nll(jnp.ones((1, 2)), jnp.array([[200.0, -200.0]]))).all()
    extreme = jnp.tile(jnp.array([[1e4, -1e4, 0.0]]), (1, 8))
    np.testing.assert_allclose(bernoulli_nll(jnp.ones((1, 24)), extreme), 8 * (1e4 + np.log(2.0)), rtol=1e-6)
