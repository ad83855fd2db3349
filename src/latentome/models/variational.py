"""The variational autoencoder, with a KL term that acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from latentome.models.base import Autoencoder
from latentome.models.layers import PairedGlorot, Seeds, dense_stack, dtype_policy
from latentome.models.losses import (
    MIN_VARIANCE,
    bernoulli_nll,
    gaussian_nll,
    kl_to_standard_normal,
    kl_weight,
    squared_error,
)
from latentome.models.products import Dense


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
        likelihood: str = "gaussian",
        heads: str = "linear",
        beta: float = 1.0,
        warmup_steps: int = 0,
        precision: str = "float32",
        seed: int = 0,
    ) -> None:
        config = {
            "n_features": n_features,
            "n_components": n_components,
            "hidden": list(hidden),
            "activation": activation,
            "likelihood": likelihood,
            "heads": heads,
            "beta": beta,
            "warmup_steps": warmup_steps,
            "precision": precision,
            "seed": seed,
        }
        self.warmup_steps, self.likelihood = int(warmup_steps), likelihood
        live = {"beta": float(beta), "warmup_steps": int(warmup_steps)}
        super().__init__(config, ("reconstruction", "kl"), name="variational", live=live)
        dtype = dtype_policy(precision)
        seeds = Seeds(seed)
        self.sampling = keras.random.SeedGenerator(next(seeds))
        x = keras.Input((n_features,), name="x")
        h = dense_stack(x, hidden, activation, seeds, "encoder_hidden", dtype)
        # Both heads as one product: the input is read once. Columns are [mean | log-variance].
        initializer = PairedGlorot((next(seeds), next(seeds)))
        both = Dense(2 * n_components, kernel_initializer=initializer, name="heads", dtype=dtype)(h)
        both = ops.cast(both, "float32")
        if heads == "batchnorm-relu":
            both = keras.layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name="heads_normalisation")(both)
            both = keras.layers.ReLU(name="heads_relu")(both)
        mean, log_variance = both[:, :n_components], both[:, n_components:]
        self.posterior = keras.Model(x, [mean, log_variance], name="posterior")
        self.encoder = keras.Model(x, mean, name="encoder")
        z = keras.Input((n_components,), name="z")
        h = dense_stack(z, list(hidden)[::-1], activation, seeds, "decoder_hidden", dtype)
        output = Dense(n_features, kernel_initializer=seeds.glorot(), name="output", dtype=dtype)
        y = ops.cast(output(h), "float32")
        activate = keras.layers.Activation("sigmoid" if likelihood == "bernoulli" else "linear", name="activation")
        self._linear = keras.Model(z, y, name="linear_decoder")
        self.decoder = keras.Model(z, activate(y), name="decoder")
        self._output, self._activate = output, activate
        if likelihood == "gaussian":
            self.log_variance = self.add_weight(name="log_variance", shape=(n_features,), initializer="zeros")
        self.build((None, n_features))

    def call(self, x, training: bool = False):
        """Reconstruct `x` (samples x features): from a draw of the posterior while training, else from its mean."""
        mean, log_variance = self.posterior(x, training=training)
        z = mean
        if training:
            noise = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.sampling)
            z = mean + ops.exp(0.5 * log_variance) * noise
        linear = self._linear(z)
        self.add_loss(ops.mean(self.reconstruction_nll(x, linear)))
        self.add_loss(ops.mean(kl_to_standard_normal(mean, log_variance)))
        return self._activate(linear)

    def reconstruction_nll(self, x, linear):
        """Reconstruction loss per sample of `x` given the decoder's output before its activation."""
        if self.likelihood == "bernoulli":
            return bernoulli_nll(x, linear)
        if self.likelihood == "gaussian":
            return gaussian_nll(x, linear, self.log_variance)
        return squared_error(x, linear)

    def weights_of_terms(self, step) -> dict[str, Any]:
        """The weight of the KL term at `step`."""
        return {"beta": kl_weight(step, self.live.beta, self.live.warmup_steps)}

    def total(self, terms: Mapping[str, Any], weights: Mapping[str, Any]):
        """Reconstruction plus the weighted KL term."""
        return terms["reconstruction"] + weights["beta"] * terms["kl"]

    def start_from(self, mean: np.ndarray, variance: np.ndarray) -> None:
        """Start the Gaussian likelihood at the best model without a code: every gene's own mean and variance.

        Parameters
        ----------
        mean, variance
            Of the training data, one for each feature.
        """
        if self.likelihood == "gaussian":
            self._output.bias.assign(mean.astype("float32"))
            self.log_variance.assign(np.log(np.maximum(variance, MIN_VARIANCE)).astype("float32"))
