"""The scikit-learn face that all model families share."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Self

import keras
import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from latentome.errors import InputError
from latentome.models import Autoencoder
from latentome.models.presets import find_preset
from latentome.training import apply_in_blocks, check_warmup, make_optimizer, train

Progress = Callable[[int, int, dict[str, float]], None]


class BaseAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of the estimators; a leaf says how its Keras model is built.

    Attributes
    ----------
    model_ : latentome.models.Autoencoder
        The trained Keras model.
    history_ : pandas.DataFrame
        One row an epoch: ``epoch``, ``loss``, its terms, ``learning_rate``, and ``val_...`` on the validation rows.
    n_iter_ : int
        Number of epochs trained.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : numpy.ndarray of str
        Their names, where `fit` was given a table with text column names.
    seed_ : int
        The seed that all randomness of the fit came from.
    training_rows_, validation_rows_ : numpy.ndarray of int
        Which rows of X were trained on and which were held out for the validation columns of the history.
    """

    #: The name of the family on the command line.
    family: ClassVar[str]

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "optimizer": [str, keras.optimizers.Optimizer],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterov": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
    }

    @classmethod
    def from_preset(cls, name: str, **parameters: Any) -> Self:
        """Make the estimator of a published model.

        Parameters
        ----------
        name
            Name of the preset, such as ``tybalt-2018-as-described``.
        **parameters
            Arguments that replace the preset's.

        Raises
        ------
        InputError
            If there is no such preset, or if it belongs to another family.
        """
        preset = find_preset(name)
        if preset.family != cls.family:
            raise InputError(
                f"The preset '{name}' is not a model of {cls.__name__}.",
                where=f"{cls.__name__}.from_preset('{name}')",
                expected=f"a preset of the family '{cls.family}'; this one is of the family '{preset.family}'",
                todo="call from_preset on the estimator of that family",
            )
        return cls(**{**preset.parameters, **parameters})

    @abstractmethod
    def _make_model(self, n_features: int, seed: int, steps_per_epoch: int) -> Autoencoder:
        """Build the untrained Keras model."""

    def check(self, X: np.ndarray) -> None:
        """Refuse what `fit` would refuse, without training: parameters, data and the schedule.

        Parameters
        ----------
        X
            Training data, samples x features, float32.

        Raises
        ------
        LatentomeError
            If a parameter is out of range, unknown, or does not fit the data.
        """
        try:
            self._validate_params()
            rows = len(X) - (max(round(len(X) * self.validation_fraction), 1) if self.validation_fraction else 0)
            steps = math.ceil(rows / min(self.batch_size, max(rows, 1)))
            model = self._make_model(X.shape[1], 0, steps)
        except InputError:
            raise
        except ValueError as error:  # scikit-learn's and Keras' own refusals name the parameter and what it may be
            wrong, _, got = str(error).strip().splitlines()[0].partition(" Got ")
            name, _, expected = wrong.partition(" must be ")
            raise InputError(
                "A parameter of the model is wrong.",
                where=f"{name}; got {got}" if got else name,
                expected=expected or "a value that Keras knows",
                todo="correct the option",
            ) from error
        self._optimizer()
        self._check_data(X)
        check_warmup(model, steps * self.max_epochs, self.max_epochs)

    def _check_data(self, X: np.ndarray) -> None:
        """Refuse data that the model's likelihood cannot have produced (samples x features); by default none."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        progress: Progress | None = None,
        checkpoint: Path | None = None,
        resume: bool = False,
    ) -> Self:
        """Train the model.

        Parameters
        ----------
        X
            Data, samples x features.
        y
            Ignored; there for pipelines.
        progress
            Called about once a second with the epochs done, the epochs in all and the last row of the history.
        checkpoint
            A file in which the state is kept while training and when interrupted.
        resume
            Whether to go on from `checkpoint` where that file exists; the result is that of an uninterrupted run.

        Raises
        ------
        TrainingError
            If the loss stops being finite, the KL warm-up would not end inside the training, or the checkpoint belongs
            to another training.
        """
        del y
        X = validate_data(self, X, dtype=np.float32, ensure_min_samples=2)
        self._check_data(X)
        self.seed_ = self._seed()
        self.training_rows_, self.validation_rows_ = self._hold_out(len(X))
        # Copies only where rows are held out: a training set can be most of the memory.
        rows = X if len(self.validation_rows_) == 0 else X[self.training_rows_]
        batch_size = min(self.batch_size, len(rows))
        model = self._make_model(X.shape[1], self.seed_, math.ceil(len(rows) / batch_size))
        model.adapt(rows)
        model.compile(optimizer=self._optimizer())
        self.history_ = train(
            model,
            rows,
            X[self.validation_rows_] if len(self.validation_rows_) else None,
            epochs=self.max_epochs,
            batch_size=batch_size,
            seed=self.seed_,
            shuffle=self.shuffle,
            progress=progress,
            checkpoint=checkpoint,
            resume=resume,
        )
        self.model_ = model
        self.n_iter_ = len(self.history_)
        self._n_features_out = self.n_components
        return self

    def _seed(self) -> int:
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _hold_out(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers to train on and to validate on; where a share is asked for, at least one row is held out."""
        held_out = min(max(round(n * self.validation_fraction), 1), n - 1) if self.validation_fraction else 0
        order = np.random.default_rng([self.seed_, 1]).permutation(n)
        return np.sort(order[held_out:]), np.sort(order[:held_out])

    def _optimizer(self) -> keras.optimizers.Optimizer:
        if isinstance(self.optimizer, keras.optimizers.Optimizer):
            # A copy: the state of an optimizer belongs to one training, and fit may be called again.
            return type(self.optimizer).from_config(self.optimizer.get_config())
        return make_optimizer(self.optimizer, self.learning_rate, self.momentum, self.nesterov)

    @property
    def encoder_(self) -> keras.Model:
        """The trained encoder: samples x features to samples x components."""
        check_is_fitted(self)
        return self.model_.encoder

    @property
    def decoder_(self) -> keras.Model:
        """The trained decoder: samples x components to samples x features."""
        check_is_fitted(self)
        return self.model_.decoder

    def transform(self, X: Any) -> np.ndarray:
        """Encode samples, without noise and without sampling; a sample's code does not depend on the others.

        Parameters
        ----------
        X
            Data, samples x features.

        Returns
        -------
        float32, samples x components.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        return apply_in_blocks(self.model_, "encoder", X)

    def inverse_transform(self, Z: Any) -> np.ndarray:
        """Decode codes.

        Parameters
        ----------
        Z
            Codes, samples x components.

        Returns
        -------
        float32, samples x features.

        Raises
        ------
        InputError
            If the codes have another width than the model's.
        """
        check_is_fitted(self)
        Z = np.asarray(Z, dtype=np.float32)
        if Z.ndim != 2 or Z.shape[1] != self._n_features_out:
            raise InputError(
                "These codes do not fit the model.",
                where=f"an array of shape {Z.shape}",
                expected=f"samples x {self._n_features_out} components",
                todo="pass what transform returned, or rows of the same width",
            )
        return apply_in_blocks(self.model_, "decoder", Z)

    def score(self, X: Any, y: Any = None) -> float:
        """Share of the variance of `X` that its reconstruction explains; 1 is perfect, 0 is what the mean explains.

        Parameters
        ----------
        X
            Data, samples x features.
        y
            Ignored.
        """
        del y
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        residual = np.square(X - self.inverse_transform(self.transform(X)), dtype=np.float64).sum()
        total = np.square(X - X.mean(axis=0), dtype=np.float64).sum()
        return float(1.0 - residual / total) if total > 0 else 0.0

    def save(self, folder: str | Path) -> Path:
        """Save the trained estimator in a folder of plain formats; see `latentome.load_model`.

        Parameters
        ----------
        folder
            Made where it does not exist. Files of an earlier model in it are replaced.
        """
        from latentome.estimators.persistence import save_model

        return save_model(self, Path(folder))

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copies: the Keras model as its configuration and weights."""
        state = dict(super().__getstate__())
        model = state.pop("model_", None)
        if model is not None:
            state["_model_state"] = (type(model), model.get_config(), model.get_weights())
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        kept = state.pop("_model_state", None)
        super().__setstate__(state)
        if kept is not None:
            kind, config, weights = kept
            self.model_ = kind.from_config(config)
            self.model_.set_weights(weights)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
