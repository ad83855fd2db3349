"""Dense layers whose products can be written out, for many tiny models in one program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import jax
import jax.numpy as jnp
import keras

#: A kernel of at most so many values, and a batch of at most so many rows, is multiplied by written-out sums where at
#: least so many models train together. On 2 cores 32 products of 32 x 9 by 9 x 5 with gradients take 145 us batched
#: and 39 us written out. From kernels of 20 x 16 on the batched product is faster, and for 16 models or fewer, whose
#: written-out sums the compiler does not vectorise.
MAX_KERNEL, MAX_ROWS, MIN_MODELS = 64, 64, 32

_written_out: ContextVar[bool] = ContextVar("written_out", default=False)


@contextmanager
def written_out_products(models: int) -> Iterator[None]:
    """While a program for many `models` is traced: write small products out instead of making batched ones of them."""
    token = _written_out.set(models >= MIN_MODELS)
    try:
        yield
    finally:
        _written_out.reset(token)


def _sums(x, kernel):
    """``x @ kernel`` as one sum of outer products: element by element, which runs through all models at once."""
    total = x[:, 0:1] * kernel[0:1]
    for i in range(1, x.shape[1]):
        total = total + x[:, i : i + 1] * kernel[i : i + 1]
    return total


@jax.custom_vjp
def small_product(x, kernel):
    """``x @ kernel`` for small arrays, rows x inputs and inputs x outputs, and its gradients in the same way."""
    return _sums(x, kernel)


def _forward(x, kernel):
    return _sums(x, kernel), (x, kernel)


def _backward(kept, slope):
    x, kernel = kept
    return _sums(slope, jnp.transpose(kernel)), _sums(jnp.transpose(x), slope)


small_product.defvjp(_forward, _backward)


@keras.saving.register_keras_serializable("latentome")
class Dense(keras.layers.Dense):
    """A dense layer of Keras that obeys `written_out_products`."""

    def call(self, inputs, training=None):
        """Map inputs (rows x features) to units."""
        rows, (n_in, n_out) = inputs.shape[0], self.kernel.shape
        if not _written_out.get() or rows is None or rows > MAX_ROWS or n_in * n_out > MAX_KERNEL:
            return super().call(inputs, training=training)
        product = small_product(inputs, jnp.asarray(self.kernel, inputs.dtype))
        return self.activation(product + jnp.asarray(self.bias, inputs.dtype))
