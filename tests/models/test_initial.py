"""Initial weights are those that Keras draws, to the last bit."""

import jax
import keras
import numpy as np
import pytest

from latentome.models.initial import BLOCK, Glorot


@pytest.mark.parametrize(
    ("shape", "scale"), [((5, 3), 1.0), ((1, 1), 4.0), ((66, 993), 0.3), ((256, BLOCK // 256), 1.0), ((700, 194), 1.7)]
)
@pytest.mark.parametrize("seed", [0, 2**31 - 1])
def test_the_weights_are_those_of_keras(shape, scale, seed):
    """One number, less than a block of them, a block, and more."""
    kind = keras.initializers.VarianceScaling(scale**2, mode="fan_avg", distribution="uniform", seed=seed)
    np.testing.assert_array_equal(Glorot([seed], scale)(shape, "float32"), np.array(kind(shape, "float32")))


def test_layers_in_one_kernel_are_drawn_one_by_one():
    apart = [np.array(keras.initializers.GlorotUniform(seed=seed)((50, 7), "float32")) for seed in (3, 8)]
    np.testing.assert_array_equal(Glorot([3, 8])((50, 14), "float32"), np.concatenate(apart, axis=1))


def test_without_a_type_they_are_of_the_usual_one():
    assert Glorot([1])((5, 4)).dtype == keras.initializers.GlorotUniform(seed=1)((5, 4)).dtype == "float32"


def test_another_shape_compiles_nothing(caplog):
    Glorot([1])((5, 4), "float32")
    with jax.log_compiles(), caplog.at_level("WARNING"):
        Glorot([1])((17, 11), "float32")
        assert not caplog.messages
        keras.initializers.GlorotUniform(seed=1)((17, 11), "float32")
        assert any("Compiling" in message for message in caplog.messages)
