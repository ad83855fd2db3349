"""Initial weights: those of Keras' Glorot initialiser, drawn without a program to compile for each shape of a layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import keras
import numpy as np

from latentome.models.noise import draw, unit

#: Numbers that one call of the compiled program draws.
BLOCK = 2**16


@keras.saving.register_keras_serializable("latentome")
class Glorot(keras.initializers.Initializer):
    """Glorot-uniform weights (Glorot and Bengio 2010): ``keras.initializers.GlorotUniform``, the default of Keras.

    They lie within ``scale sqrt(6 / (inputs + outputs))`` of zero.

    Parameters
    ----------
    seeds
        One seed, or one for each of several layers over the same input that are held in one kernel, side by side. One
        product computes them all, but its outputs would be counted together: each is drawn as a layer of its own.
    scale
        By which the weights are multiplied.
    """

    def __init__(self, seeds: Sequence[int], scale: float = 1.0) -> None:
        self.seeds, self.scale = tuple(seeds), scale

    def __call__(self, shape, dtype=None):
        """Draw a kernel of `shape`, inputs x outputs."""
        n_inputs, n_outputs = shape[0], shape[1] // len(self.seeds)
        # In the order of Keras' own operations, so that the limit has the same bits.
        limit = math.sqrt(3.0 * (self.scale**2 / max(1.0, (n_inputs + n_outputs) / 2.0)))
        parts = [between(-limit, limit, n_inputs * n_outputs, seed).reshape(n_inputs, -1) for seed in self.seeds]
        return jax.device_put(np.concatenate(parts, axis=1).astype(dtype or keras.config.floatx()))

    def get_config(self) -> dict:
        """The seeds and the scale."""
        return {"seeds": list(self.seeds), "scale": self.scale}


def between(low: float, high: float, size: int, seed: int) -> np.ndarray:
    """Numbers between `low` and `high`, float32: ``keras.random.uniform((size,), low, high, seed=seed)``."""
    key = np.array([seed, 0], np.uint32)
    blocks = [_block(key, np.uint32(first), np.float32(low), np.float32(high)) for first in range(0, size, BLOCK)]
    return np.concatenate([np.asarray(block) for block in blocks])[:size]


@jax.jit
def _block(key, first, low, high):
    return jnp.maximum(unit(draw(key, first, BLOCK)) * (high - low) + low, low)
