"""The denoising autoencoder, ADAGE."""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from latentome.errors import InputError
from latentome.estimators.base import BaseAutoencoder
from latentome.io import BackedMatrix
from latentome.models import DenoisingModel
from latentome.training import Options


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
    noise_on
        ``input``; or ``code``, as in Tybalt's tied ADAGE, which then is no denoising autoencoder.
    activation
        Activation of the code, by its Keras name.
    tied
        Whether the decoder uses the encoder's weights, transposed.
    decoder_bias
        ``own``; or ``minus-encoder`` for tied weights: the decoder has no bias of the features and subtracts the
        encoder's from the code, as in Tybalt's tied ADAGE.
    loss
        ``mse``, or ``bernoulli``: cross-entropy summed over the features, for data in [0, 1].
    output_activation
        Activation of the reconstruction under ``mse``; ``bernoulli`` implies a sigmoid.
    sparsity
        Weight of the sum of the absolute code per sample.
    init_scale
        The initial weights lie within so many times Glorot's limit; 4 is what is advised for sigmoid units.
    shuffle
        Whether each epoch visits the samples in a new order; ``once`` for one random order that all epochs follow.
    drop_last
        Whether the samples at the end of an order, that would make a smaller last batch, are left out. With a fixed
        order only.
    optimizer, learning_rate, momentum, nesterov, schedule, schedule_warmup, clip_norm, batch_size, max_epochs
        As in `LinearAutoencoder`.
    validation_fraction, patience, precision, members, random_state
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
        "noise_on": [StrOptions({"input", "code"})],
        "activation": [str],
        "tied": ["boolean"],
        "decoder_bias": [StrOptions({"own", "minus-encoder"})],
        "loss": [StrOptions({"mse", "bernoulli"})],
        "output_activation": [str],
        "sparsity": [Interval(Real, 0, None, closed="left")],
        "init_scale": [Interval(Real, 0, None, closed="neither")],
        "shuffle": ["boolean", StrOptions({"once"})],
        "drop_last": ["boolean"],
    }

    def __init__(
        self,
        n_components=20,
        *,
        noise=0.1,
        noise_kind="masking",
        noise_on="input",
        activation="relu",
        tied=True,
        decoder_bias="own",
        loss="mse",
        output_activation="linear",
        sparsity=0.0,
        init_scale=1.0,
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
        drop_last=False,
        precision="float32",
        members=1,
        random_state=None,
    ):
        self._store(locals())

    def _needs_zero_one(self) -> tuple[str, str] | None:
        return ("loss='bernoulli'", "loss='mse'") if self.loss == "bernoulli" else None

    def _make_model(self, n_features: int, seed: int, steps_per_epoch: int) -> DenoisingModel:
        if self.noise >= 1.0 and self.noise_kind != "gaussian":
            raise InputError(
                "With this noise nothing of the input is left.",
                where=f"noise={self.noise}, noise_kind='{self.noise_kind}'",
                expected="a share of the inputs below 1",
                todo="use 0.1, say",
            )
        if self.decoder_bias != "own" and not self.tied:
            raise InputError(
                "A decoder with weights of its own has a bias of its own.",
                where=f"decoder_bias='{self.decoder_bias}', tied={self.tied}",
                expected="decoder_bias='own', or tied=True",
                todo="correct one of them",
            )
        return DenoisingModel(
            n_features,
            int(self.n_components),
            noise=self.noise,
            noise_kind=self.noise_kind,
            noise_on=self.noise_on,
            activation=self.activation,
            tied=bool(self.tied),
            decoder_bias=self.decoder_bias,
            loss=self.loss,
            output_activation=self.output_activation,
            sparsity=self.sparsity,
            init_scale=self.init_scale,
            precision=self.precision,
            seed=seed,
        )

    def _hold_out(self, n: int, seed: int, groups: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        if self.drop_last and self.shuffle not in ("once", False):
            raise InputError(
                "Samples are left out at the end of a fixed order only.",
                where=f"drop_last=True, shuffle={self.shuffle}",
                expected="shuffle=False or shuffle='once' with drop_last=True",
                todo="correct one of them",
            )
        rows, held_out = super()._hold_out(n, seed, groups)
        if self.shuffle == "once":
            rows = np.random.default_rng([seed, 3]).permutation(rows)
        whole = len(rows) - len(rows) % min(self.batch_size, len(rows))
        return rows[:whole] if self.drop_last else rows, held_out

    def _options(self, tolerate: bool, n_samples: int) -> Options:
        return replace(super()._options(tolerate, n_samples), shuffle=self.shuffle not in ("once", False))

    def fit(self, X: Any, y: Any = None, **how: Any) -> Self:
        """Train the model; see `LinearAutoencoder.fit`. A fixed order needs the data in memory."""
        if isinstance(X, BackedMatrix) and (self.drop_last or self.shuffle == "once"):
            raise InputError(
                "A matrix on disk is read in chunks, whose order no model fixes.",
                where=f"shuffle={self.shuffle}, drop_last={self.drop_last}",
                expected="shuffle=True or False and drop_last=False, or data in memory",
                todo="read the matrix, or leave the order open",
            )
        return super().fit(X, y, **how)
