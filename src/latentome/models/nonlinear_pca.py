"""Non-linear PCA: the principal components of the data, and what a network finds beyond them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.layers import Dense

from latentome.models.base import Autoencoder, arguments_of
from latentome.models.layers import Dropout, InputNoise, Seeds, Standardise, dtype_policy
from latentome.models.losses import squared_error
from latentome.models.summary import Summary, scale_of

#: The standard deviation of the code, as a share of the largest one, below which a component counts as constant.
SMALLEST = 1e-4


@keras.saving.register_keras_serializable("latentome")
class NonlinearPCAModel(Autoencoder):
    """Encoder ``z = V'(x - mean) + f(x)``, decoder ``x^ = mean + V z + g(z)``, with V the principal axes of the data.

    V stays what PCA found. The networks f and g have last layers that start at zero, so that the model is PCA until
    its first step, and learns what PCA cannot say. Inside, data and code are divided by one standard deviation, so that
    the networks see numbers of the same size whatever the units of the data are.

    The loss is the share of the variance that the reconstruction leaves unexplained; its term ``reconstruction`` is the
    mean squared error, in squared units of the data.

    Parameters
    ----------
    n_features
        Width of the input.
    n_components
        Width of the code.
    hidden
        Widths of the hidden layers of the encoder's network; the decoder's mirrors them.
    activation
        Activation of the hidden layers.
    dropout
        Share of the hidden units that is left out in each step of the training.
    noise
        Standard deviation of the normal noise on the input while training, in standard deviations of the data.
    precision
        ``"float32"``, or ``"bfloat16"``: products of the networks in bfloat16, the linear path, weights and losses in
        float32.
    seed
        Seed of the initial weights, the noise and the dropout.
    """

    def __init__(
        self,
        n_features: int,
        n_components: int,
        hidden: Sequence[int] = (256,),
        activation: str = "gelu",
        dropout: float = 0.2,
        noise: float = 0.2,
        precision: str = "float32",
        seed: int = 0,
    ) -> None:
        config = arguments_of(locals())
        super().__init__(config, ("reconstruction",), name="nonlinear_pca", live={"noise": float(noise)})
        self.n_axes = int(n_components)
        self._activation, self._dropout, self._dtype = activation, dropout, dtype_policy(precision)
        seeds = Seeds(seed)
        self.corrupt = InputNoise(noise, "gaussian", seed=next(seeds), name="noise")
        x = keras.Input((n_features,), name="x")
        self._centre = Standardise(name="standardise")
        scaled = self._centre(x)
        self._encode_axes = _fixed_product(n_components, "axes")
        own = self._encode_axes(scaled) + self._network(scaled, hidden, n_components, seeds)
        self._code_out = Standardise(inverse=True, name="code")
        self.encoder = keras.Model(x, self._code_out(own), name="encoder")
        z = keras.Input((n_components,), name="z")
        self._code_in = Standardise(name="standardise_code")
        scaled = self._code_in(z)
        self._decode_axes = _fixed_product(n_features, "axes")
        # The network sees codes of size 1, divided by one number for all, which leaves room for `order`.
        self._size = Standardise(name="size")
        y = self._decode_axes(scaled) + self._network(self._size(scaled), list(hidden)[::-1], n_features, seeds)
        self._output = Standardise(inverse=True, name="output")
        self.decoder = keras.Model(z, self._output(y), name="decoder")
        # Kept as weights, so that they travel with the model.
        self.code_variance = self.add_weight(
            name="code_variance", shape=(n_components,), initializer="zeros", trainable=False
        )
        self.data_variance = self.add_weight(name="data_variance", shape=(), initializer="zeros", trainable=False)
        self.build((None, n_features))

    def _network(self, x, widths: Sequence[int], n_out: int, seeds: Seeds):
        """The non-linear part of one side, whose last layer starts at zero."""
        for i, width in enumerate(widths, start=1):
            layer = Dense(
                width,
                activation=self._activation,
                kernel_initializer=seeds.glorot(),
                name=f"hidden_{i}",
                dtype=self._dtype,
            )
            x = layer(x)
            if self._dropout:
                x = Dropout(self._dropout, seed=next(seeds), name=f"dropout_{i}", dtype=self._dtype)(x)
        return ops.cast(Dense(n_out, kernel_initializer="zeros", name="beyond", dtype=self._dtype)(x), "float32")

    @property
    def family_of_widths(self) -> str | None:
        """See `Autoencoder`: a component without axis and weights stays zero."""
        return self._architecture_but_width("linear")

    def call(self, x, training: bool = False):
        """Reconstruct `x` (samples x features); while training from a noisy copy, always against the clean one."""
        scale = self._centre.scale
        seen = self.corrupt(x / scale, training=True, noise=self.live.noise) * scale if training else x
        y = self.decoder(self.encoder(seen, training=training), training=training)
        self.add_loss(ops.mean(squared_error(x, y)) / ops.shape(x)[-1])
        return y

    def total(self, terms: Mapping[str, Any], weights: Mapping[str, Any]):
        """The mean squared error in units of the mean variance of the data."""
        del weights
        return terms["reconstruction"] / ops.square(self._centre.scale)

    def start_at(self, summary: Summary) -> None:
        """Become the PCA of the data."""
        scale = scale_of(summary.variance)
        for layer in (self._centre, self._output):
            layer.mean.assign(summary.mean.astype("float32"))
        for layer in (self._centre, self._output, self._code_in, self._code_out):
            layer.scale.assign(np.float32(scale))
        self._size.scale.assign(np.float32(np.sqrt(summary.spread.mean()) / scale or 1.0))
        self._encode_axes.kernel.assign(summary.axes.astype("float32"))
        self._decode_axes.kernel.assign(summary.axes.T.astype("float32"))
        self.code_variance.assign(summary.spread.astype("float32"))
        self.data_variance.assign(np.float32(summary.variance.sum() * summary.n_rows / (summary.n_rows - 1)))

    def order(
        self, mean: np.ndarray, covariance: np.ndarray, with_data: np.ndarray, data_variances: np.ndarray
    ) -> None:
        """Express the code anew, as components ordered like PCA's; the reconstruction stays what it is.

        A linear map of the code, whose inverse the decoder takes up. The new components have mean zero and are
        uncorrelated, a linear regression of the data on them has orthonormal loadings, and the variance of each is the
        variance of the data that it explains there. The first one explains most, and its largest loading is positive.
        Before the first step this is what the code is already.

        Parameters
        ----------
        mean, covariance
            Of the codes of the rows that the model was fitted on: components, and components x components.
        with_data
            Covariance of the data with the codes, features x components.
        data_variances
            Variance of each feature, of the same rows.
        """
        variances, rotation = np.linalg.eigh(covariance)
        deviations = _floored(np.sqrt(np.maximum(variances, 0.0)))
        loadings, explained, turned = np.linalg.svd(with_data @ (rotation / deviations), full_matrices=False)
        signs = np.where(loadings[np.abs(loadings).argmax(axis=0), np.arange(len(explained))] < 0.0, -1.0, 1.0)
        scales = _floored(explained) * signs
        into = (rotation / deviations) @ (turned.T * scales)
        back = (turned / scales[:, None] * deviations) @ rotation.T
        last = self.encoder.get_layer("beyond")
        for weight in (self._encode_axes.kernel, last.kernel, last.bias):
            weight.assign((np.asarray(weight, np.float64) @ into).astype("float32"))
        for weight in (self._decode_axes.kernel, self._after_code().kernel):
            weight.assign((back @ np.asarray(weight, np.float64)).astype("float32"))
        offset = (np.asarray(self._code_out.mean, np.float64) - mean) @ into
        for layer in (self._code_out, self._code_in):
            layer.mean.assign(offset.astype("float32"))
        self.code_variance.assign(np.square(explained).astype("float32"))
        self.data_variance.assign(np.float32(data_variances.sum()))

    def _after_code(self) -> keras.layers.Dense:
        """The first layer of the decoder's network."""
        names = [layer.name for layer in self.decoder.layers]
        return self.decoder.get_layer("hidden_1" if "hidden_1" in names else "beyond")


def _fixed_product(width: int, name: str) -> keras.layers.Dense:
    return keras.layers.Dense(width, use_bias=False, kernel_initializer="zeros", trainable=False, name=name)


def _floored(deviations: np.ndarray) -> np.ndarray:
    """Standard deviations to divide by: a component that hardly varies beside the others is no reason to magnify it."""
    return np.maximum(deviations, SMALLEST * deviations.max()) if deviations.max() > 0.0 else np.ones_like(deviations)
