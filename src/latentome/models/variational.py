"""The variational autoencoder, with a KL term that acts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from latentome.errors import InputError
from latentome.models.base import Autoencoder, arguments_of
from latentome.models.layers import Dense, Seeds, batch_normalisation, dense_stack, dtype_policy
from latentome.models.losses import (
    MIN_VARIANCE,
    bernoulli_nll,
    gaussian_nll,
    kl_per_unit,
    kl_weight,
    squared_error,
    with_free_bits,
)
from latentome.models.noise import normal
from latentome.models.summary import Summary

#: A Bernoulli mean starts inside these: the logit of a gene that is zero in every sample would be infinite.
BERNOULLI_RANGE = (0.01, 0.99)


@keras.saving.register_keras_serializable("latentome")
class VariationalModel(Autoencoder):
    """A variational autoencoder with a normal posterior and a standard normal prior (Kingma and Welling 2014).

    The loss per sample is ``reconstruction + beta(t) KL``, both in nats and summed over features and components.
    Encoding gives the posterior mean; samples are drawn while training only.

    Parameters
    ----------
    n_features
        Width of the input.
    n_components
        Width of the code.
    hidden
        Widths of the hidden layers between input and code; the decoder mirrors them.
    activation
        Activation of the hidden layers.
    hidden_batchnorm
        Whether the encoder's hidden layers pass a batch normalisation before their activation, as in Tybalt.
    linear_path
        Whether posterior mean and reconstruction also have a linear path beside the hidden layers, which starts at
        probabilistic PCA of the training data, while what the hidden layers add starts at zero. For linear heads.
    likelihood
        ``"gaussian"``: a learned variance per feature; ``"bernoulli"``: data in [0, 1], cross-entropy;
        ``"mse"``: the sum of squared errors.
    heads
        ``"linear"``: mean and log-variance are linear in the last hidden layer; ``"batchnorm-relu"``: each passes a
        batch normalisation and a ReLU, as in the published Tybalt (both are then never negative).
    beta
        Largest weight of the KL term.
    warmup_steps
        Steps over which the weight rises from 0 to `beta`.
    free_bits
        Nats of KL divergence that each component may use without cost.
    n_covariates
        Columns of a covariate, one-hot, that follow the features in the input and the components in the code; they are
        not reconstructed (Sohn et al. 2015).
    precision
        ``"float32"``, or ``"bfloat16"``: products in bfloat16, weights and losses in float32.
    seed
        Seed of the initial weights and of the sampling.
    """

    def __init__(
        self,
        n_features: int,
        n_components: int,
        hidden: Sequence[int] = (),
        activation: str = "relu",
        hidden_batchnorm: bool = False,
        linear_path: bool = False,
        likelihood: str = "gaussian",
        heads: str = "linear",
        beta: float = 1.0,
        warmup_steps: int = 0,
        free_bits: float = 0.0,
        n_covariates: int = 0,
        precision: str = "float32",
        seed: int = 0,
    ) -> None:
        config = arguments_of(locals())
        self.warmup_steps, self.likelihood = int(warmup_steps), likelihood
        terms = ("reconstruction", "kl", "kl_charged") if free_bits else ("reconstruction", "kl")
        live = {"beta": float(beta), "warmup_steps": int(warmup_steps), "free_bits": float(free_bits)}
        super().__init__(config, terms, name="variational", live=live)
        self.n_features, self.n_covariates = int(n_features), int(n_covariates)
        self.n_axes = int(n_components) if linear_path and heads == "linear" else 0
        dtype = dtype_policy(precision)
        seeds = Seeds(seed)
        self.sampling = keras.random.SeedGenerator(next(seeds))
        self._build_encoder(hidden, activation, hidden_batchnorm, heads, n_components, seeds, dtype)
        self._build_decoder(hidden, activation, n_components, seeds, dtype)
        if likelihood == "gaussian":
            self.log_variance = self.add_weight(name="log_variance", shape=(n_features,), initializer="zeros")
        self.build((None, n_features + n_covariates))

    def _build_encoder(self, hidden, activation, batchnorm, heads, n_components, seeds, dtype) -> None:
        x = keras.Input((self.n_features + self.n_covariates,), name="x")
        h = dense_stack(x, hidden, activation, seeds, "encoder_hidden", dtype, batchnorm)
        # Both heads as one product: the input is read once. Columns are [mean | log-variance].
        product = Dense(2 * n_components, kernel_initializer=seeds.glorot(2), name="heads", dtype=dtype)
        both = ops.cast(product(h), "float32")
        if heads == "batchnorm-relu":
            both = batch_normalisation("heads_normalisation")(both)
            both = keras.layers.ReLU(name="heads_relu")(both)
        mean, log_variance = both[:, :n_components], both[:, n_components:]
        self._mean_path = self._beside(n_components, hidden, "mean_path", seeds, dtype)
        if self._mean_path is not None:
            mean = mean + ops.cast(self._mean_path(x), "float32")
        self.posterior = keras.Model(x, [mean, log_variance], name="posterior")
        self.encoder = keras.Model(x, mean, name="encoder")
        self.kl_units = keras.Model(x, kl_per_unit(mean, log_variance), name="kl_units")

    def _build_decoder(self, hidden, activation, n_components, seeds, dtype) -> None:
        z = keras.Input((n_components + self.n_covariates,), name="z")
        h = dense_stack(z, list(hidden)[::-1], activation, seeds, "decoder_hidden", dtype)
        self._output = Dense(self.n_features, kernel_initializer=seeds.glorot(), name="output", dtype=dtype)
        y = ops.cast(self._output(h), "float32")
        self._output_path = self._beside(self.n_features, hidden, "output_path", seeds, dtype)
        if self._output_path is not None:
            y = y + ops.cast(self._output_path(z), "float32")
        name = "sigmoid" if self.likelihood == "bernoulli" else "linear"
        self._activate = keras.layers.Activation(name, name="activation")
        self._linear = keras.Model(z, y, name="linear_decoder")
        self.decoder = keras.Model(z, self._activate(y), name="decoder")

    def _beside(self, width: int, hidden: Sequence[int], name: str, seeds: Seeds, dtype: str):
        """The linear layer beside hidden layers; without hidden layers the layer that is there is linear."""
        if not self.n_axes or not hidden:
            return None
        return Dense(width, use_bias=False, kernel_initializer=seeds.glorot(), name=name, dtype=dtype)

    def call(self, x, training: bool = False):
        """Reconstruct `x` (samples x features): from a draw of the posterior while training, else from its mean."""
        mean, log_variance = self.posterior(x, training=training)
        z = mean
        if training:
            z = mean + ops.exp(0.5 * log_variance) * normal(ops.shape(mean), self.sampling, keep=True)
        linear = self.decode(z, x, training=training)
        kl = kl_per_unit(mean, log_variance)
        self.add_loss(ops.mean(self.reconstruction_nll(x[:, : self.n_features], linear)))
        self.add_loss(ops.mean(ops.sum(kl, axis=-1)))
        if "kl_charged" in self._term_names:
            self.add_loss(with_free_bits(kl, self.live.free_bits))
        return self._activate(linear)

    def decode(self, z, x, training: bool = False):
        """The decoder's output before its activation, of codes `z` and the covariate that `x` carries."""
        if self.n_covariates:
            z = ops.concatenate([z, x[:, self.n_features :]], axis=1)
        return self._linear(z, training=training)

    def reconstruction_nll(self, x, linear):
        """Reconstruction loss per sample of `x` given the decoder's output before its activation."""
        if self.likelihood == "bernoulli":
            return bernoulli_nll(x, linear)
        if self.likelihood == "gaussian":
            return gaussian_nll(x, linear, self.log_variance)
        return squared_error(x, linear)

    def negative_log_likelihood(self, x, linear):
        """`reconstruction_nll` as a normalised density: a squared error is that of a normal of variance 1/2."""
        constant = 0.5 * math.log(math.pi) * self.n_features if self.likelihood == "mse" else 0.0
        return self.reconstruction_nll(x, linear) + constant

    def weights_of_terms(self, step) -> dict[str, Any]:
        """The weight of the KL term at `step`."""
        return {"beta": kl_weight(step, self.live.beta, self.live.warmup_steps)}

    def total(self, terms: Mapping[str, Any], weights: Mapping[str, Any]):
        """Reconstruction plus the weighted KL term, or what is charged of it."""
        return terms["reconstruction"] + weights["beta"] * terms.get("kl_charged", terms["kl"])

    @property
    def starts_from_data(self) -> bool:
        """Whether there is a linear path, or a Gaussian likelihood, to set; see `start_at`."""
        return self.n_axes > 0 or self.likelihood == "gaussian"

    def start_at(self, summary: Summary) -> None:
        """Start at what is known without a training.

        Without a linear path, the Gaussian likelihood starts at the best model without a code: each gene's own mean and
        variance. With one, the model starts at probabilistic PCA, whose posterior is known (Tipping and Bishop 1999).
        With axes v, variances l along them and noise s, the reconstruction is ``mean + z (l - s)^1/2 v'``, and the
        posterior of z has the mean ``(l - s)^1/2 / l (x - mean) v`` and the variance ``s / l``. Each feature's own
        residual variance is the likelihood's. A Bernoulli mean has these as the first order of its logit.

        Raises
        ------
        InputError
            If most features vary less than the Gaussian likelihood can tell from noise.
        """
        if self.likelihood == "gaussian":
            _check_scale(summary)
        if not self.n_axes:
            self._output.bias.assign(summary.mean.astype("float32"))
            self._set_variance(summary.variance)
            return
        variances = summary.spread * (summary.n_rows - 1) / summary.n_rows
        rest = max(self.n_features - len(variances), 1)
        noise = max((summary.variance.sum() - variances.sum()) / rest, MIN_VARIANCE)
        k = int((variances > noise).sum())
        axes, variances = summary.axes[:, :k], variances[:k]
        scale = np.sqrt(variances - noise)
        encode, decode = axes * (scale / variances), axes.T * scale[:, None]
        bias, slope = self._linked(summary.mean)
        if self.likelihood == "gaussian":
            self._set_variance(summary.variance - np.square(axes) @ variances)
        heads, into, out = self._linear_layers()
        offsets = np.zeros(2 * self.n_axes)
        offsets[:k] = -summary.mean @ encode
        offsets[self.n_axes : self.n_axes + k] = np.log(noise / variances)
        # Nothing of what is not linear yet, and one posterior variance for all samples. Components beyond the rank of
        # the data keep the small random weights of the linear path, so that they can learn.
        kernel = np.array(heads.kernel)
        kernel[:, 0 if into is not heads else self.n_axes :] = 0.0
        heads.set_weights([kernel, offsets])
        self._output.set_weights([np.array(self._output.kernel) * (out is self._output), bias])
        kernel = np.array(into.kernel)
        kernel[: self.n_features, :k] = encode
        into.kernel.assign(kernel)
        kernel = np.array(out.kernel)
        kernel[:k] = decode / slope
        out.kernel.assign(kernel)

    def _set_variance(self, variance: np.ndarray) -> None:
        self.log_variance.assign(np.log(np.maximum(variance, MIN_VARIANCE)).astype("float32"))

    def start_shifted(self, shifts: np.ndarray) -> None:
        """Start a linear path with the mean of each category of the covariate: the code is about what differs within.

        Parameters
        ----------
        shifts
            Categories x features: how far the mean of each category lies from that of all.
        """
        _, into, out = self._linear_layers()
        bias = np.array(self._output.bias, dtype=np.float64)
        slope = self._linked(1.0 / (1.0 + np.exp(-bias)))[1] if self.likelihood == "bernoulli" else 1.0
        for layer, start, values in (
            (into, self.n_features, -shifts @ np.array(into.kernel)[: self.n_features]),
            (out, self.n_axes, shifts / slope),
        ):
            kernel = np.array(layer.kernel)
            kernel[start:, : values.shape[1]] = values
            layer.kernel.assign(kernel)

    def _linear_layers(self):
        """The heads, and the layers of the linear path into the code and out of it: beside hidden layers or alone."""
        heads = self.encoder.get_layer("heads")
        return heads, self._mean_path or heads, self._output_path or self._output

    def _linked(self, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray | float]:
        """The decoder's output before its activation for a mean, and the slope of the mean there."""
        if self.likelihood != "bernoulli":
            return mean, 1.0
        mean = np.clip(mean, *BERNOULLI_RANGE)
        return np.log(mean / (1.0 - mean)), mean * (1.0 - mean)


def _check_scale(summary: Summary) -> None:
    """Refuse features of which most vary less than `MIN_VARIANCE`: all would be noise, and the code would collapse."""
    varying = summary.variance[summary.variance > 1e-12 * np.square(summary.mean)]  # the others are constant
    if len(varying) and np.median(varying) < MIN_VARIANCE:
        raise InputError(
            "The features vary too little for the Gaussian likelihood.",
            where=f"standard deviations of {np.sqrt(np.median(varying)):.2g} (median of {len(varying)} features)",
            expected=f"{math.sqrt(MIN_VARIANCE):g} or more, the least that it tells from noise",
            todo="scale the features, to z-scores or to [0, 1]; or multiply all values by the same number",
        )
