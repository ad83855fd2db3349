"""The layers whose gradients are written by hand, and the noise, against what Keras and JAX make of the same."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from latentome.models import noise
from latentome.models.layers import Dense, Dropout, affine


@pytest.mark.parametrize("keep", [False, True])
def test_noise_is_that_of_keras(keep):
    for name, tolerance in (("uniform", 0.0), ("normal", 1e-6)):  # how the bits are rounded is the compiler's affair
        ours, theirs = keras.random.SeedGenerator(7), keras.random.SeedGenerator(7)
        for shape in ((5, 9), (64, 33), (1,)):  # an odd number of values, an even one, one; each with the next key
            found = getattr(noise, name)(shape, ours, keep=keep)
            expected = getattr(keras.random, name)(shape, seed=theirs)
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
            assert found.dtype == jnp.float32
        np.testing.assert_array_equal(ours.state.value, theirs.state.value)


def test_dropout_is_that_of_keras_bit_for_bit():
    x = jax.random.normal(jax.random.key(0), (9, 31))
    ours, theirs = Dropout(0.3, seed=3), keras.layers.Dropout(0.3, seed=3)
    for _ in range(2):
        np.testing.assert_array_equal(ours(x, training=True), theirs(x, training=True))
    np.testing.assert_array_equal(ours(x), x)


def test_gradients_of_a_widening_layer_are_those_of_its_formula():
    keys = jax.random.split(jax.random.key(0), 4)
    shapes = ((13, 6), (6, 70), (70,))
    arguments = [jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=False)]
    slope = jax.random.normal(keys[3], (13, 70))

    def plain(x, kernel, bias):
        return x @ kernel + bias

    value, gradient = jax.vjp(affine, *arguments)
    np.testing.assert_array_equal(value, plain(*arguments))
    for found, expected in zip(gradient(slope), jax.vjp(plain, *arguments)[1](slope), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_widening_layer_trains_like_a_dense_one():
    x = np.random.default_rng(0).random((24, 5), dtype="float32")
    weights = []
    for kind in (Dense, keras.layers.Dense):
        model = keras.Sequential([keras.Input((5,)), kind(40, kernel_initializer=keras.initializers.GlorotUniform(1))])
        model.compile("sgd", "mse")
        model.fit(x, np.ones((24, 40), dtype="float32"), epochs=3, verbose=0, shuffle=False)
        weights.append(model.get_weights())
    for found, expected in zip(*weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
        assert np.abs(found).max() > 0
