"""The random numbers of a training step: those that `keras.random` draws, in one loop over the numbers.

On processors JAX runs the rounds of its generator as a loop of small computations (`jax.extend.random.threefry_2x32`
too). Written out, the rounds and what follows them are one computation. Its random bits are those of `jax.random`, so
that nothing else changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import keras
import numpy as np
from jax import lax

#: Threefry-2x32 with 20 rounds (Salmon et al. 2011): how far each turns the second word, and the constant of the key's
#: third word.
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = np.uint32(0x1BD11BDA)


def normal(shape: Sequence[int], seed: keras.random.SeedGenerator, keep: bool = False):
    """Standard normal numbers, float32: ``keras.random.normal(shape, seed=seed)``.

    With `keep` they are kept for the gradient, which needs them, too; the compiler would draw them anew. On processors
    one thread draws them then: for the small arrays behind a layer, not for a batch of genes.
    """
    lowest = np.nextafter(np.float32(-1.0), np.float32(0.0))

    def from_bits(bits):
        centred = jnp.maximum(unit(bits) * (np.float32(1.0) - lowest) + lowest, lowest)
        return np.float32(math.sqrt(2.0)) * lax.erf_inv(centred)

    return _draw(from_bits, shape, seed, keep)


def uniform(shape: Sequence[int], seed: keras.random.SeedGenerator, keep: bool = False):
    """Numbers in [0, 1), float32: ``keras.random.uniform(shape, seed=seed)``. For the parameters see `normal`."""
    return _draw(unit, shape, seed, keep)


def _draw(from_bits: Callable, shape: Sequence[int], seed: keras.random.SeedGenerator, keep: bool):
    key, size = seed.next(), math.prod(shape)

    def numbers(first, count):
        return from_bits(draw(key, first, count))

    if not keep:
        return numbers(np.uint32(0), size).reshape(shape)
    half = -(-size // 2)  # a loop of two turns: of one the compiler makes none
    halves = lax.map(lambda first: numbers(first, half), np.array([0, half], dtype="uint32"))
    return halves.reshape(-1)[:size].reshape(shape)


def draw(key, first, count: int):
    """The random bits of the numbers ``first .. first + count - 1`` of an array that JAX draws with `key`, uint32."""
    # JAX numbers the values by two words, of which the first is zero for fewer than 2^32 values.
    place = lax.iota("uint32", count) + first
    x, y = threefry(key, jnp.zeros_like(place), place)
    return x ^ y


def unit(bits):
    """Numbers in [0, 1), float32, of random bits."""
    # 23 random bits behind the exponent of 1 are a number in [1, 2).
    mantissa = lax.shift_right_logical(bits, np.uint32(9))
    return lax.bitcast_convert_type(mantissa | np.uint32(0x3F800000), "float32") - np.float32(1.0)


def threefry(key, x, y):
    """Encrypt pairs of words, uint32, with a key of two: Threefry-2x32 with 20 rounds."""
    keys = (key[0], key[1], key[0] ^ key[1] ^ PARITY)
    x, y = x + keys[0], y + keys[1]
    for group in range(5):
        for turn in ROTATIONS[group % 2]:
            x = lax.add(x, y)
            turned = lax.bitwise_or(
                lax.shift_left(y, np.uint32(turn)), lax.shift_right_logical(y, np.uint32(32 - turn))
            )
            y = lax.bitwise_xor(x, turned)
        x, y = x + keys[(group + 1) % 3], y + (keys[(group + 2) % 3] + np.uint32(group + 1))
    return x, y
