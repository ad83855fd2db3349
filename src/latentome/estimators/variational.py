"""The variational autoencoder."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from latentome.estimators.base import BaseAutoencoder
from latentome.estimators.checks import check_widths, check_zero_one
from latentome.models import VariationalModel


class VariationalAutoencoder(BaseAutoencoder):
    """A variational autoencoder whose KL term acts, and says so in its history.

    Parameters
    ----------
    n_components
        Width of the code.
    hidden
        Widths of the hidden layers between input and code, from the input inwards; the decoder mirrors them. With none,
        encoder and decoder are one layer each, as in Tybalt.
    activation
        Activation of the hidden layers, by its Keras name.
    likelihood
        ``gaussian``: a learned variance per feature; ``bernoulli``: cross-entropy of data in [0, 1]; ``mse``: the sum
        of squared errors.
    heads
        ``linear``, or ``batchnorm-relu`` as in the published Tybalt, where mean and log-variance cannot be negative.
    beta
        Largest weight of the KL term; 1 gives the evidence lower bound.
    warmup
        How the weight rises from 0: a fraction of the training, in [0, 1), or a whole number of epochs. A warm-up that
        would not end inside the training is refused.
    optimizer, learning_rate, momentum, nesterov, schedule, schedule_warmup, clip_norm, batch_size, max_epochs,
    validation_fraction, patience, shuffle, precision, members, random_state
        As in `LinearAutoencoder`.

    References
    ----------
    Kingma and Welling (2014). Auto-encoding variational Bayes. ICLR.
    Way and Greene (2018). Extracting a biologically relevant latent space from cancer transcriptomes with variational
    autoencoders. Pacific Symposium on Biocomputing 23, 80-91.
    """

    family: ClassVar[str] = "vae"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAutoencoder._parameter_constraints,
        "hidden": ["array-like"],
        "activation": [str],
        "likelihood": [StrOptions({"gaussian", "bernoulli", "mse"})],
        "heads": [StrOptions({"linear", "batchnorm-relu"})],
        "beta": [Interval(Real, 0, None, closed="left")],
        "warmup": [Interval(Real, 0, 1, closed="left"), Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components=20,
        *,
        hidden=(128,),
        activation="gelu",
        likelihood="gaussian",
        heads="linear",
        beta=1.0,
        warmup=0.5,
        optimizer="adam",
        learning_rate=0.001,
        momentum=0.0,
        nesterov=False,
        schedule="constant",
        schedule_warmup=0.0,
        clip_norm=None,
        batch_size=50,
        max_epochs=200,
        validation_fraction=0.1,
        patience=None,
        shuffle=True,
        precision="float32",
        members=1,
        random_state=None,
    ):
        self.n_components = n_components
        self.hidden = hidden
        self.activation = activation
        self.likelihood = likelihood
        self.heads = heads
        self.beta = beta
        self.warmup = warmup
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov
        self.schedule = schedule
        self.schedule_warmup = schedule_warmup
        self.clip_norm = clip_norm
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.shuffle = shuffle
        self.precision = precision
        self.members = members
        self.random_state = random_state

    def _check_data(self, X: np.ndarray) -> None:
        if self.likelihood == "bernoulli":
            check_zero_one(X, "likelihood='bernoulli'", "likelihood='gaussian'")

    def _make_model(self, n_features: int, seed: int, steps_per_epoch: int) -> VariationalModel:
        return VariationalModel(
            n_features,
            self.n_components,
            hidden=check_widths(self.hidden),
            activation=self.activation,
            likelihood=self.likelihood,
            heads=self.heads,
            beta=self.beta,
            warmup_steps=self._warmup_steps(steps_per_epoch),
            precision=self.precision,
            seed=seed,
        )

    def _warmup_steps(self, steps_per_epoch: int) -> int:
        if isinstance(self.warmup, Integral):
            return int(self.warmup) * steps_per_epoch
        # Rounded down, so that a fraction below 1 always ends inside the training.
        return math.floor(self.warmup * self.max_epochs * steps_per_epoch)

    def sample(self, n_samples: int = 1, random_state: int | None = None) -> np.ndarray:
        """Draw codes from the prior and decode them.

        Parameters
        ----------
        n_samples
            Number of samples.
        random_state
            Seed of the draw.

        Returns
        -------
        float32, samples x features: the mean of the likelihood for each drawn code.
        """
        check_is_fitted(self)
        codes = np.random.default_rng(random_state).standard_normal((n_samples, self._n_features_out))
        return self.inverse_transform(codes)
