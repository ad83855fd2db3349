"""Keras layers of the models: noise on an input, a sampled posterior, a decoder tied to its encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import lax
from keras import ops

from latentome.models.initial import Glorot
from latentome.models.noise import normal, uniform


class Seeds(Iterator[int]):
    """Independent integer seeds from one seed, so that no global random state is ever read.

    Parameters
    ----------
    seed
        The seed of the model. Every initial weight and every noise stream derives from it, in the order of creation.
    """

    def __init__(self, seed: int) -> None:
        self._sequence = np.random.SeedSequence(int(seed))

    def __next__(self) -> int:
        return int(self._sequence.spawn(1)[0].generate_state(1)[0] >> 1)

    def glorot(self, layers: int = 1, scale: float = 1.0) -> Glorot:
        """Glorot's initialiser with the next seeds, for so many `layers` in one kernel."""
        return Glorot([next(self) for _ in range(layers)], scale)


@keras.saving.register_keras_serializable("latentome")
class InputNoise(keras.layers.Layer):
    """Corruption of an input while training, and only then.

    Parameters
    ----------
    noise
        For ``"masking"`` and ``"dropout"`` the share of values set to zero, in [0, 1); for ``"gaussian"`` the standard
        deviation of what is added, in units of the input.
    kind
        ``"masking"`` sets values to zero and leaves the others as they are (Vincent et al. 2008; ADAGE 2016);
        ``"dropout"`` also divides the others by ``1 - noise`` (as in Tybalt's ADAGE); ``"gaussian"`` adds noise.
    seed
        Seed of the noise stream.
    """

    def __init__(self, noise: float, kind: str, seed: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.noise, self.kind = float(noise), kind
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x, training: bool = False, noise=None):
        """Corrupt `x` (batch x features) when training; return it untouched otherwise.

        `noise` replaces the value of the constructor, but noise that was 0 there stays none.
        """
        if not training or self.noise == 0.0:
            return x
        noise = self.noise if noise is None else noise
        if self.kind == "gaussian":
            return x + noise * normal(ops.shape(x), self.seed_generator)
        kept = uniform(ops.shape(x), self.seed_generator) >= noise
        scale = 1.0 / (1.0 - noise) if self.kind == "dropout" else 1.0
        return ops.where(kept, x * scale, 0.0)

    def compute_output_shape(self, input_shape):
        """Noise does not change a shape."""
        return input_shape


@keras.saving.register_keras_serializable("latentome")
class Dropout(keras.layers.Dropout):
    """Keras' dropout, with the same numbers, drawn in less time; see `latentome.models.noise`."""

    def call(self, inputs, training: bool = False):
        """Set the share `rate` of the inputs to zero when training, and divide the others by what is left."""
        if not training or not self.rate:
            return inputs
        kept = uniform(ops.shape(inputs), self.seed_generator, keep=True) < 1.0 - self.rate
        return ops.where(kept, inputs / (1.0 - self.rate), 0.0)


@jax.custom_vjp
def affine(x, kernel, bias):
    """``x kernel + bias``, whose gradients read what comes from the loss twice and not three times."""
    return jnp.matmul(x, kernel) + bias


def _affine(x, kernel, bias):
    return affine(x, kernel, bias), (x, kernel)


def _affine_slopes(kept, slope):
    x, kernel = kept
    # Ones beside the inputs: the sum over the samples, the gradient of the bias, comes with the kernel's. Four rows of
    # them leave a number of rows that is a multiple of four one.
    with_ones = lax.optimization_barrier(jnp.concatenate([x.T, jnp.ones((4, len(x)), x.dtype)]))
    both = jnp.matmul(with_ones, slope)
    return jnp.matmul(slope, kernel.T), both[: x.shape[1]], both[x.shape[1]]


affine.defvjp(_affine, _affine_slopes)


@keras.saving.register_keras_serializable("latentome")
class Dense(keras.layers.Dense):
    """Keras' dense layer, trained by `affine` where it has fewer inputs than outputs and no activation.

    It has Keras' name, because files of weights hold the names of classes.
    """

    def call(self, inputs, training=None):
        """Map `inputs`, samples x inputs."""
        widens = self.kernel.shape[0] < self.kernel.shape[1]
        linear = self.use_bias and self.activation is keras.activations.linear
        if training and widens and linear and self.compute_dtype == "float32":
            return affine(inputs, ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.bias))
        return super().call(inputs)


@keras.saving.register_keras_serializable("latentome")
class TiedDecoder(keras.layers.Layer):
    """A dense layer whose kernel is the transpose of an encoder's kernel: one array, with a bias of its own.

    A decoder that was saved alone and is read again has no encoder: its layer then has a kernel, and where there is no
    bias of the features that of the code, of its own.

    Parameters
    ----------
    encoder
        The dense layer whose kernel is shared, built; or none.
    own_bias
        Whether there is a bias of the features. If not, the encoder's bias is subtracted from the code before the
        product, as in Tybalt's tied ADAGE.
    kernel_shape
        Features x components, where there is no encoder.
    """

    def __init__(
        self,
        encoder: keras.layers.Dense | None = None,
        own_bias: bool = True,
        kernel_shape: Sequence[int] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.own_bias = own_bias
        self.kernel_shape = tuple(kernel_shape if encoder is None else encoder.kernel.shape)
        # A tuple hides the layer from Keras' tracking: the kernel stays a weight of the encoder alone.
        self._tied_to = () if encoder is None else (encoder,)

    def build(self, input_shape) -> None:
        """Create the bias of the features, where there is one, and without an encoder what it would have."""
        n_features, n_components = self.kernel_shape
        if self.own_bias:
            self.bias = self.add_weight(name="bias", shape=(n_features,), initializer="zeros")
        if not self._tied_to:
            self._kernel = self.add_weight(name="kernel", shape=self.kernel_shape, initializer="zeros")
            if not self.own_bias:
                self._code_bias = self.add_weight(name="code_bias", shape=(n_components,), initializer="zeros")

    @property
    def kernel(self) -> keras.Variable:
        """The kernel of the encoder, features x components."""
        return self._tied_to[0].kernel if self._tied_to else self._kernel

    @property
    def code_bias(self) -> keras.Variable:
        """The bias of the encoder."""
        return self._tied_to[0].bias if self._tied_to else self._code_bias

    def call(self, z):
        """Map codes (batch x components) to features (batch x features)."""
        kernel = ops.transpose(self.kernel)
        return ops.matmul(z, kernel) + self.bias if self.own_bias else ops.matmul(z - self.code_bias, kernel)

    def compute_output_shape(self, input_shape):
        """The width of what the encoder reads."""
        return (*input_shape[:-1], self.kernel_shape[0])

    def get_config(self) -> dict:
        """What a decoder without its encoder is made from."""
        return {**super().get_config(), "own_bias": self.own_bias, "kernel_shape": list(self.kernel_shape)}

    def save_own_variables(self, store) -> None:
        """Keep the encoder's kernel, too, so that the decoder alone can be read again."""
        if self.own_bias:
            store["0"] = np.asarray(self.bias)
        else:
            store["code_bias"] = np.asarray(self.code_bias)
        store["kernel"] = np.asarray(self.kernel)

    def load_own_variables(self, store) -> None:
        """Read what `save_own_variables` has kept; what an encoder has is left to it."""
        if self.own_bias:
            self.bias.assign(store["0"])
        if not self._tied_to:
            self._kernel.assign(store["kernel"])
            if not self.own_bias:
                self._code_bias.assign(store["code_bias"])


@keras.saving.register_keras_serializable("latentome")
class Standardise(keras.layers.Layer):
    """A centre for each column and one scale for all of them, both fixed: ``(x - mean) / scale``, or its inverse.

    Parameters
    ----------
    inverse
        Whether the layer goes the other way, ``scale * x + mean``.
    """

    def __init__(self, inverse: bool = False, **kwargs) -> None:
        super().__init__(**{"trainable": False, **kwargs})
        self.inverse = inverse

    def build(self, input_shape) -> None:
        """Create centre and scale: 0 and 1 until they are assigned."""
        self.mean = self.add_weight(name="mean", shape=(input_shape[-1],), initializer="zeros")
        self.scale = self.add_weight(name="scale", shape=(), initializer="ones")

    def call(self, x):
        """Map `x`, rows x columns."""
        return x * self.scale + self.mean if self.inverse else (x - self.mean) / self.scale

    def compute_output_shape(self, input_shape):
        """The shape of the input."""
        return input_shape


def dtype_policy(precision: str) -> str:
    """The Keras policy of a precision: ``"float32"``, or ``"bfloat16"`` for products in it and weights in float32."""
    return {"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision]


def batch_normalisation(name: str) -> keras.layers.Layer:
    """A batch normalisation with the constants that Keras has always had, and with them Tybalt."""
    return keras.layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=name)


def dense_stack(
    x,
    widths: Sequence[int],
    activation: str,
    seeds: Seeds,
    prefix: str,
    dtype: str = "float32",
    batchnorm: bool = False,
):
    """Put dense layers of the given `widths` on the symbolic tensor `x`, named ``prefix_1``, ``prefix_2``, ...

    With `batchnorm` each passes a batch normalisation before its activation.
    """
    for i, width in enumerate(widths, start=1):
        name = f"{prefix}_{i}"
        layer = keras.layers.Dense(
            width,
            activation=None if batchnorm else activation,
            kernel_initializer=seeds.glorot(),
            name=name,
            dtype=dtype,
        )
        x = layer(x)
        if batchnorm:
            x = batch_normalisation(f"{name}_normalisation")(ops.cast(x, "float32"))
            x = keras.layers.Activation(activation, name=f"{name}_activation")(x)
    return x
