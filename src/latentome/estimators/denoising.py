"""The denoising autoencoder, ADAGE."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from latentome.errors import InputError
from latentome.estimators.base import BaseAutoencoder
from latentome.estimators.checks import check_zero_one
from latentome.models import DenoisingModel


class DenoisingAutoencoder(BaseAutoencoder):
    """A denoising autoencoder: codes learned by restoring corrupted samples (ADAGE).

    Parameters
    ----------
    n_components
        Width of the code.
    noise
        For ``masking`` and ``dropout`` the share of inputs set to zero, below 1; for ``gaussian`` the standard
        deviation of the added noise, in units of the input. Inputs are corrupted while training only.
    noise_kind
        ``masking`` (ADAGE 2016), ``dropout`` (masking that rescales what is left) or ``gaussian``.
    activation
        Activation of the code, by its Keras name.
    tied
        Whether the decoder uses the encoder's weights, transposed.
    loss
        ``mse``, or ``bernoulli``: cross-entropy summed over the features, for data in [0, 1].
    output_activation
        Activation of the reconstruction under ``mse``; ``bernoulli`` implies a sigmoid.
    sparsity
        Weight of the sum of the absolute code per sample.
    optimizer, learning_rate, momentum, nesterov, schedule, schedule_warmup, clip_norm, batch_size, max_epochs,
    validation_fraction, patience, shuffle, precision, members, random_state
        As in `LinearAutoencoder`.

    References
    ----------
    Vincent et al. (2008). Extracting and composing robust features with denoising autoencoders. ICML.
    Tan et al. (2016). ADAGE-based integration of publicly available Pseudomonas aeruginosa gene expression data with
    denoising autoencoders illuminates microbe-host interactions. mSystems 1, e00025-15.
    """

    family: ClassVar[str] = "adage"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAutoencoder._parameter_constraints,
        "noise": [Interval(Real, 0, None, closed="left")],
        "noise_kind": [StrOptions({"masking", "dropout", "gaussian"})],
        "activation": [str],
        "tied": ["boolean"],
        "loss": [StrOptions({"mse", "bernoulli"})],
        "output_activation": [str],
        "sparsity": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components=20,
        *,
        noise=0.1,
        noise_kind="masking",
        activation="relu",
        tied=True,
        loss="mse",
        output_activation="linear",
        sparsity=0.0,
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
        self.noise = noise
        self.noise_kind = noise_kind
        self.activation = activation
        self.tied = tied
        self.loss = loss
        self.output_activation = output_activation
        self.sparsity = sparsity
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
        if self.loss == "bernoulli":
            check_zero_one(X, "loss='bernoulli'", "loss='mse'")

    def _make_model(self, n_features: int, seed: int, steps_per_epoch: int) -> DenoisingModel:
        if self.noise >= 1.0 and self.noise_kind != "gaussian":
            raise InputError(
                "With this noise nothing of the input is left.",
                where=f"noise={self.noise}, noise_kind='{self.noise_kind}'",
                expected="a share of the inputs below 1",
                todo="use 0.1, say",
            )
        return DenoisingModel(
            n_features,
            self.n_components,
            noise=self.noise,
            noise_kind=self.noise_kind,
            activation=self.activation,
            tied=bool(self.tied),
            loss=self.loss,
            output_activation=self.output_activation,
            sparsity=self.sparsity,
            precision=self.precision,
            seed=seed,
        )
