"""Non-linear PCA."""

from __future__ import annotations

import math
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from latentome.errors import InputError
from latentome.estimators.backed import blocks_of
from latentome.estimators.base import BaseAutoencoder, Blocks
from latentome.estimators.checks import check_widths
from latentome.estimators.together import Fit
from latentome.io import BackedMatrix
from latentome.models import NonlinearPCAModel
from latentome.models.summary import summarise
from latentome.training import Options, Split, Training, apply_in_blocks, n_held_out

#: The most rows for which ``refit="auto"`` trains a second time: of more, a tenth held out is hardly missed.
REFIT_ROWS = 10_000
#: Where no batch size is given: at least so many steps an epoch, of batches within these sizes.
STEPS, LEAST_BATCH, LARGEST_BATCH = 20, 10, 50
#: The least share of its error on the held-out rows for which PCA is left.
LEAST_GAIN = 0.01


class NonlinearPCA(BaseAutoencoder):
    """Principal components, and beyond them what a network learns: PCA where that is the best that the data allow.

    The model starts as a PCA. Networks on both sides of the code, which start at zero, then learn what a linear map
    cannot say. That is done in two rounds. The first one starts from the PCA of the rows that are not held out, and
    finds the epoch with the lowest loss on those that are; the start is one of the candidates, and is kept unless that
    epoch's errors on the held-out rows are lower by more than one standard error and by more than 1 %: what may be
    chance, or is next to nothing, is no reason to leave PCA. The second round starts from the PCA of all rows and is
    trained on all of them for as many epochs. Where nothing better than PCA is found (``best_epoch_ == 0``), or the
    second round has more error on the held-out rows than it started with, the model is the PCA of all rows.

    Axes that have seen the held-out rows would make the start look better on them than it is: of few samples the model
    would stay the PCA that it could be better than.

    Parameters
    ----------
    n_components
        Width of the code; at most the number of samples that are not held out and the number of features.
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
        Epochs without a lower validation loss than that of any epoch before after which the first round ends. The start
        does not count: a training that is not yet better than PCA, but on its way, goes on.
    refit
        Whether there is a second round; ``"auto"`` for at most 10,000 rows. Without it the model is that of the first
        round's best epoch, or the PCA of all rows where that is the start. Keras callbacks see one training: they need
        ``refit=False``.
    batch_size
        Rows of a step. None for 50, and fewer where there are fewer than 1,000 rows: a twentieth of them, at least 10,
        so that an epoch of few rows has steps enough.
    optimizer, learning_rate, momentum, nesterov, schedule, schedule_warmup, clip_norm, max_epochs, shuffle
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
    Breiman, Friedman, Olshen and Stone (1984). Classification and Regression Trees: the rule of one standard error.

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
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "refit": ["boolean", StrOptions({"auto"})],
    }
    _has_second_round: ClassVar[bool] = True

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
        batch_size=None,
        max_epochs=100,
        validation_fraction=0.1,
        patience=20,
        refit="auto",
        shuffle=True,
        precision="float32",
        members=1,
        random_state=None,
    ):
        self._store(locals())

    def _check_shape(self, n_samples: int, n_features: int) -> None:
        held_out = n_held_out(n_samples, self.validation_fraction)
        if self.n_components > min(n_samples - held_out, n_features):
            raise InputError(
                "PCA has no such number of components.",
                where=f"n_components={self.n_components}; n_samples = {n_samples}, of which {held_out} are held out; "
                f"n_features = {n_features}",
                expected="at most the number of samples that are not held out and the number of features",
                todo="ask for fewer components, or give more samples",
            )

    def _make_model(self, n_features: int, seed: int, steps_per_epoch: int) -> NonlinearPCAModel:
        return NonlinearPCAModel(
            n_features,
            int(self.n_components),
            hidden=check_widths(self.hidden),
            activation=self.activation,
            dropout=self.dropout,
            noise=self.noise,
            precision=self.precision,
            seed=seed,
        )

    def rows_of_batch(self, n_samples: int) -> int:
        """The batch size for so many samples; see `batch_size`."""
        return min(max(n_samples // STEPS, LEAST_BATCH), LARGEST_BATCH) if self.batch_size is None else self.batch_size

    def _options(self, tolerate: bool, n_samples: int) -> Options:
        return replace(super()._options(tolerate, n_samples), keep_best=self.validation_fraction > 0)

    def _anew(self, blocks: Blocks, n_samples: int, fits: list[Fit], trainings: list[Training]) -> list[Fit]:
        if not self.validation_fraction:
            return fits
        for member, (fit, training) in enumerate(zip(fits, trainings, strict=True)):
            if training.best_epoch and not training.error:
                errors = _errors(fit.model, blocks, fit.split.held_out)
                if not _clearly_lower(_by_group(errors, fit.groups), _by_group(fit.at_start, fit.groups)):
                    trainings[member] = replace(training, best_epoch=0)
        anew = [not t.error and (self._refits(n_samples) or t.best_epoch == 0) for t in trainings]
        summary = summarise(blocks, self.n_components) if any(anew) else None
        steps, rows = math.ceil(n_samples / self.rows_of_batch(n_samples)), np.arange(n_samples)
        fresh = list(fits)
        for member in np.flatnonzero(anew):
            split = fits[member].split
            model = self._make_model(len(summary.mean), split.seed, steps)
            model.start_at(summary)
            model.compile(optimizer=self._optimizer(steps * self.max_epochs))
            whole = Split(rows, rows[:0], split.seed, trainings[member].best_epoch)
            fresh[member] = Fit(model, whole, self._at_start(model, blocks, split.held_out), fits[member].groups)
        return fresh

    def _at_start(self, model: NonlinearPCAModel, blocks: Blocks, held_out: np.ndarray) -> np.ndarray | None:
        return _errors(model, blocks, held_out) if len(held_out) else None

    def _refits(self, n_samples: int) -> bool:
        wanted = n_samples <= REFIT_ROWS if self.refit == "auto" else bool(self.refit)
        return wanted and self.validation_fraction > 0

    @property
    def second_round_(self) -> list[int]:
        """For how many epochs each member was trained anew on all rows; empty where there was no second round."""
        check_is_fitted(self)
        best = self.best_epoch_ if isinstance(self.best_epoch_, list) else [self.best_epoch_]
        refits = self._refits(len(self.training_rows_) + len(self.validation_rows_))
        return best if refits and any(best) else []

    def _stay_pca(self, fits: list[Fit], trainings: list[Training], blocks: Blocks) -> None:
        """Go back to the PCA of all rows where the second round has made more of an error on the held-out rows."""
        for member, (model, split, of_pca, _) in enumerate(fits):
            if of_pca is None or trainings[member].error:
                continue
            if not _errors(model, blocks, split.held_out).sum() <= of_pca.sum():
                model = self._make_model(model.encoder.input_shape[-1], split.seed, 1)
                model.start_at(summarise(blocks, self.n_components))
                fits[member] = Fit(model, split)
                trainings[member] = replace(trainings[member], best_epoch=0)

    def _finish_fit(self, fits: list[Fit], trainings: list[Training], data: BackedMatrix) -> None:
        self._stay_pca(fits, trainings, lambda: blocks_of(data))
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
        return self.explained_variance_ / np.repeat(whole, self._n_features_out // len(self.models_))


def _errors(model: NonlinearPCAModel, blocks: Blocks, rows: np.ndarray) -> np.ndarray:
    """The sum of the squared errors of some rows of all samples, which come in blocks: one for each row, in order."""
    found, start = [], 0
    for block in blocks():
        own = block[np.sort(rows[(rows >= start) & (rows < start + len(block))]) - start]
        start += len(block)
        if len(own):
            back = apply_in_blocks(model, "decoder", apply_in_blocks(model, "encoder", own))
            found.append(np.square(own - back, dtype=np.float64).sum(axis=1))
    return np.concatenate(found)


def _by_group(errors: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """The sum of the errors of each group: samples of one patient are no independent witnesses."""
    return errors if groups is None else np.bincount(np.unique(groups, return_inverse=True)[1], weights=errors)


def _clearly_lower(errors: np.ndarray, than: np.ndarray) -> bool:
    """Whether errors are lower than others of the same rows by more than chance and trifles; one row does not tell."""
    gains = than - errors
    if len(gains) < 2 or not gains.sum() > LEAST_GAIN * than.sum():
        return False
    return bool(gains.mean() > gains.std(ddof=1) / math.sqrt(len(gains)))


def _moments(model: NonlinearPCAModel, data: BackedMatrix) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean of the codes of the data, their covariance, the covariance of the data with them, the data's variances."""
    codes = np.concatenate([apply_in_blocks(model, "encoder", block) for block in blocks_of(data)], dtype=np.float64)
    mean = codes.mean(axis=0)
    codes -= mean
    degrees, with_data, start = len(codes) - 1, np.zeros((data.shape[1], codes.shape[1])), 0
    centre, squares = np.zeros(data.shape[1]), np.zeros(data.shape[1])
    for block in blocks_of(data):
        # Each block from its own mean: the codes have mean zero over all of them, not over one.
        own = block.mean(axis=0, dtype=np.float64)
        here, n = codes[start : start + len(block)], len(block)
        with_data += (block - own).T.astype(np.float64) @ here + np.outer(own, here.sum(axis=0))
        squares += np.square(block - own).sum(axis=0) + np.square(own - centre) * (start * n / (start + n))
        centre += (own - centre) * (n / (start + n))
        start += n
    return mean, codes.T @ codes / degrees, with_data / degrees, squares / degrees
