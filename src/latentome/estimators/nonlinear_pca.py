"""Non-linear PCA."""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from latentome.errors import InputError
from latentome.estimators.backed import blocks_of
from latentome.estimators.base import BaseAutoencoder
from latentome.estimators.checks import check_widths
from latentome.estimators.together import Fit
from latentome.io import BackedMatrix
from latentome.models import NonlinearPCAModel
from latentome.training import Options, Training, apply_in_blocks


class NonlinearPCA(BaseAutoencoder):
    """Principal components, and beyond them what a network learns: PCA where that is the best that the data allow.

    The model starts as the PCA of X. Networks on both sides of the code, which start at zero, then learn what a linear
    map cannot say; the model is left as it was at the epoch with the lowest loss on the held-out rows, and the start is
    one of the candidates. So it does not end worse than PCA on these rows, and where nothing better is found
    (``best_epoch_ == 0``) it is the PCA of all rows.

    Parameters
    ----------
    n_components
        Width of the code; at most the number of samples and the number of features.
    hidden
        Widths of the hidden layers of the encoder's network, from the input inwards; the decoder's mirrors them.
    activation
        Activation of the hidden layers, by its Keras name.
    dropout
        Share of the hidden units that is left out in each step of the training, in [0, 1).
    noise
        Standard deviation of the noise that the input carries while training, in units of the root of the mean variance
        of the features.
    validation_fraction
        Share of the rows that is held out to choose the best epoch. With 0 the last epoch is kept.
    patience
        Epochs without a better validation loss after which the training ends.
    optimizer, learning_rate, momentum, nesterov, schedule, schedule_warmup, clip_norm, batch_size, max_epochs, shuffle
        As in `LinearAutoencoder`.
    precision, members, random_state
        As in `LinearAutoencoder`. The members of an ensemble all start from the same PCA.

    Attributes
    ----------
    explained_variance_ : numpy.ndarray
        The variance of X that each component explains in a linear regression of X on the code, which is also the
        variance of the component: they are uncorrelated over the rows of X and sorted by it, each with its largest
        loading positive, as in PCA. For an ensemble one member after the other.
    explained_variance_ratio_ : numpy.ndarray
        The same as shares of the variance of X. What the decoder finds beyond a linear regression comes on top: `score`
        says how much the whole model explains.

    References
    ----------
    Kramer (1991). Nonlinear principal component analysis using autoassociative neural networks. AIChE Journal 37,
    233-243.

    Examples
    --------
    >>> import latentome as lt
    >>> X = lt.datasets.load("blobs").X
    >>> model = lt.NonlinearPCA(2, max_epochs=5, random_state=0).fit(X)
    >>> model.transform(X).shape
    (1000, 2)
    >>> bool(model.explained_variance_[0] > model.explained_variance_[1])
    True
    """

    family: ClassVar[str] = "nonlinear-pca"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAutoencoder._parameter_constraints,
        "hidden": ["array-like"],
        "activation": [str],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components=20,
        *,
        hidden=(256,),
        activation="gelu",
        dropout=0.2,
        noise=0.2,
        optimizer="adamw",
        learning_rate=0.001,
        momentum=0.0,
        nesterov=False,
        schedule="cosine",
        schedule_warmup=0.0,
        clip_norm=None,
        batch_size=50,
        max_epochs=100,
        validation_fraction=0.1,
        patience=20,
        shuffle=True,
        precision="float32",
        members=1,
        random_state=None,
    ):
        self.n_components = n_components
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.noise = noise
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

    def _check_shape(self, n_samples: int, n_features: int) -> None:
        if self.n_components > min(n_samples, n_features):
            raise InputError(
                "PCA has no such number of components.",
                where=f"n_components={self.n_components}; n_samples = {n_samples}, n_features = {n_features}",
                expected="at most the number of samples and the number of features",
                todo="ask for fewer components, or give more samples",
            )

    def _make_model(self, n_features: int, seed: int, steps_per_epoch: int) -> NonlinearPCAModel:
        return NonlinearPCAModel(
            n_features,
            self.n_components,
            hidden=check_widths(self.hidden),
            activation=self.activation,
            dropout=self.dropout,
            noise=self.noise,
            precision=self.precision,
            seed=seed,
        )

    def _options(self, tolerate: bool) -> Options:
        return replace(super()._options(tolerate), keep_best=self.validation_fraction > 0)

    def _finish_fit(self, fits: list[Fit], trainings: list[Training], data: BackedMatrix) -> None:
        super()._finish_fit(fits, trainings, data)
        for model in self.models_:
            moments = _moments(model, data)
            if all(np.isfinite(values).all() for values in moments):  # not of one whose divergence is tolerated
                model.order(*moments)

    @property
    def explained_variance_(self) -> np.ndarray:
        """The variance of the data that each component explains, which is also its own."""
        check_is_fitted(self)
        return np.concatenate([np.asarray(model.code_variance) for model in self.models_])

    @property
    def explained_variance_ratio_(self) -> np.ndarray:
        """The share of the variance of the data that each component explains."""
        check_is_fitted(self)
        whole = [float(model.data_variance) or 1.0 for model in self.models_]
        return self.explained_variance_ / np.repeat(whole, self.n_components)


def _moments(model: NonlinearPCAModel, data: BackedMatrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of the codes of the data, their covariance, and the covariance of the data with them."""
    codes = np.concatenate([apply_in_blocks(model, "encoder", block) for block in blocks_of(data)], dtype=np.float64)
    mean = codes.mean(axis=0)
    codes -= mean
    degrees, with_data, start = len(codes) - 1, np.zeros((data.shape[1], codes.shape[1])), 0
    for block in blocks_of(data):
        # Each block from its own mean: the codes have mean zero over all of them, not over one.
        own = block.mean(axis=0, dtype=np.float64)
        here = codes[start : start + len(block)]
        with_data += (block - own).T.astype(np.float64) @ here + np.outer(own, here.sum(axis=0))
        start += len(block)
    return mean, codes.T @ codes / degrees, with_data / degrees
