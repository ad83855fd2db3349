"""The scikit-learn face that all model families share."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import keras
import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from latentome.errors import InputError
from latentome.estimators.backed import blocks_of, check_backed, fit_backed, fit_in_buffers, refuse_backed
from latentome.estimators.checks import Checked, refuse_anndata
from latentome.estimators.covariate import NoCovariate, part_categories, read_categories
from latentome.estimators.face import Shown
from latentome.estimators.holdout import hold_out, refuse_groups
from latentome.estimators.optimizer import optimizer_of
from latentome.estimators.sparse import dense_blocks
from latentome.estimators.stored import Stored
from latentome.estimators.together import Fit, all_or_nothing, fit_together, hold_states
from latentome.io import BackedMatrix
from latentome.models import Autoencoder
from latentome.models.base import arguments_of
from latentome.models.presets import find_preset
from latentome.pp.split import check_order
from latentome.training import Options, Split, Training, apply_in_blocks
from latentome.training.memory import fits_in_memory, fits_on_device
from latentome.training.schedules import SHAPES

#: Gives all samples anew at each call, in blocks.
Blocks = Callable[[], Iterable[np.ndarray]]
#: What `fit` takes beside the data.
HOW = {"callbacks", "checkpoint", "devices", "groups", "notes", "progress", "resume"}


class BaseAutoencoder(
    Shown, Stored, Checked, NoCovariate, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Base of the estimators; a leaf says how its Keras model is built.

    Attributes
    ----------
    models_ : list of latentome.models.Autoencoder
        The trained Keras models, one for each member; ``model_`` is the first of them.
    history_ : pandas.DataFrame
        One row an epoch: ``epoch``, ``loss``, its terms, ``learning_rate``, and ``val_...`` on the validation rows; for
        an ensemble one after the other, with a column ``member`` from 0.
    best_epoch_ : int or None
        The epoch whose weights the model has, where `patience` kept the best one; for an ensemble a list.
    n_iter_ : int
        Number of epochs trained.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : numpy.ndarray of str
        Their names, where `fit` was given a table with text column names.
    seed_ : int
        The seed that all randomness of the fit came from; member m of an ensemble is the single model of seed + m.
    training_rows_, validation_rows_ : numpy.ndarray of int
        Which rows of X were trained on and which were held out for the validation columns of the history; of an
        ensemble those of the first member.
    preprocessing_ : latentome.pp.Preprocessing
        What new samples need; there where the model was loaded and had been saved with it, as runs do.
    folder_ : pathlib.Path
        The folder that the model was loaded from, where it was loaded.
    """

    #: The name of the family on the command line.
    family: ClassVar[str]
    #: Whether there can be a second round of training; see `_anew`.
    _has_second_round: ClassVar[bool] = False

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "optimizer": [str, keras.optimizers.Optimizer],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterov": ["boolean"],
        "schedule": [StrOptions(set(SHAPES))],
        "schedule_warmup": [Interval(Real, 0, 1, closed="left")],
        "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "shuffle": ["boolean"],
        "precision": [StrOptions({"float32", "bfloat16"})],
        "members": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def _store(self, constructor: dict[str, Any]) -> None:
        """Keep the arguments of a constructor, which are its ``locals()``, and nothing else, as scikit-learn asks."""
        vars(self).update(arguments_of(constructor))

    if TYPE_CHECKING:  # the arguments as attributes

        def __getattr__(self, name: str) -> Any: ...

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

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, **how: Any) -> Self:
        """Train the model; what fails or is interrupted leaves the estimator as it was, fitted before or not.

        Parameters
        ----------
        X
            Data, samples x features: an array, a table, or a sparse matrix, which is made dense (and a
            `latentome.errors.DensifiedWarning` says so) where it then fits into memory; or a matrix on disk (see
            `latentome.io.open_matrix`), of which only some buffers are in memory at any time.
        y
            Ignored; there for pipelines.
        **how
            ``groups``, the group of each sample, such as its patient: none is divided between training and validation
            rows. And what does not change the result: ``progress``, ``checkpoint``, ``resume``, ``notes``, ``devices``,
            and Keras ``callbacks``, which see the model between epochs. See `latentome.training.train_together`.

        Raises
        ------
        TrainingError
            If the loss stops being finite, the KL warm-up would not end inside the training, or the checkpoint belongs
            to another training.
        TypeError
            If `how` has another name.
        """
        del y
        for unknown in sorted(how.keys() - HOW - {"covariate"}):
            raise TypeError(f"fit() got an unexpected keyword argument {unknown!r}; it knows {', '.join(sorted(HOW))}")
        refuse_anndata(X)
        X = X.to_memory() if hasattr(X, "to_memory") else X  # the X of an AnnData that is on disk
        shape = getattr(X, "shape", ())
        with all_or_nothing([self]), hold_states(how.pop("checkpoint", None)) as checkpoint:
            how["checkpoint"] = checkpoint
            backed = isinstance(X, BackedMatrix)
            if backed or not fits_on_device(*shape) or (issparse(X) and not fits_in_memory(*shape)):
                refuse_groups(how.pop("groups", None), shape)
                (fit_backed if backed else fit_in_buffers)(self, X, **how)
            else:
                fit_together([self], X, **how)
        return self

    def _prepare_fit(self, X: np.ndarray, columns: Any = None, groups: Any = None) -> list[Fit]:
        """The untrained models, compiled, each with its rows; `columns` are a covariate's, beside the features."""
        self._check_early_stopping()
        self._check_shape(*X.shape)
        self._check_data(X)
        self.seed_ = self._seed()
        fits = []
        for member in range(self.members):
            rows, held_out = self._hold_out(len(X), self.seed_ + member, groups)
            steps = math.ceil(len(rows) / min(self.rows_of_batch(len(X)), len(rows)))
            model = self._make_model(X.shape[1], self.seed_ + member, steps)
            # A copy only where a model looks at its rows: a training set can be most of the memory.
            if model.starts_from_data:
                seen = X if len(held_out) == 0 else X[rows]
                parted = columns is not None and model.n_axes > 0
                shifts, within = part_categories(seen, columns[rows]) if parted else (None, seen)
                model.adapt(within)
                if parted:
                    model.start_shifted(shifts)
            model.compile(optimizer=self._optimizer(steps * self.max_epochs))
            at_start = self._at_start(model, lambda: [X], held_out)
            own = None if groups is None else groups[held_out]
            fits.append(Fit(model, Split(rows, held_out, self.seed_ + member), at_start, own))
        return fits

    def _at_start(self, model: Autoencoder, blocks: Blocks, held_out: np.ndarray) -> np.ndarray | None:
        """What `_anew` needs to know of an untrained model: see `Fit`."""
        del model, blocks, held_out
        return None

    def rows_of_batch(self, n_samples: int) -> int:
        """The batch size for so many samples."""
        del n_samples
        return self.batch_size

    @property
    def second_round_(self) -> list[int]:
        """For how many epochs each member was trained anew on all rows; empty where there was no second round."""
        check_is_fitted(self)
        return []

    def _refits(self, n_samples: int) -> bool:
        """Whether what was learned from so many samples is trained anew on all of them; see `_anew`."""
        del n_samples
        return False

    def _options(self, tolerate: bool, n_samples: int) -> Options:
        """How the models are trained on so many samples; `tolerate` as in `Options`."""
        return Options(
            epochs=self.max_epochs,
            batch_size=self.rows_of_batch(n_samples),
            shuffle=bool(self.shuffle),
            patience=None if self.patience is None else min(self.patience, self.max_epochs),
            keep_best=self.patience is not None,
            tolerate=tolerate,
        )

    def _anew(self, blocks: Blocks, n_samples: int, fits: list[Fit], trainings: list[Training]) -> list[Fit]:
        """What is trained in a second round, now that the first one is known: the same fits where there is none.

        A new fit with ``epochs=0`` is ready as it is.

        Parameters
        ----------
        blocks
            Gives all samples anew at each call, in blocks.
        n_samples
            How many these are.
        fits, trainings
            The first round, one for each member. In ``trainings`` the best epoch becomes 0 where the start is kept.
        """
        del blocks, n_samples, trainings
        return fits

    def _finish_fit(self, fits: list[Fit], trainings: list[Training], data: BackedMatrix) -> None:
        """Keep the trained models and what became of them; `data` are all rows, samples x features."""
        del data
        self.models_ = [fit.model for fit in fits]
        self.training_rows_, self.validation_rows_ = fits[0].split.rows, fits[0].split.held_out
        histories = [training.history for training in trainings]
        if self.members > 1:
            histories = [table.assign(member=i) for i, table in enumerate(histories)]
        self.history_ = histories[0] if self.members == 1 else pd.concat(histories, ignore_index=True)
        self.best_epoch_ = (
            [training.best_epoch for training in trainings] if self.members > 1 else trainings[0].best_epoch
        )
        self.n_iter_ = max(len(table) for table in histories)
        self._n_features_out = self.n_components * self.members
        for name in ("preprocessing_", "folder_"):  # of an earlier training
            vars(self).pop(name, None)

    def _seed(self) -> int:
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        if self.random_state is None:  # not of numpy's global generator: others draw from it, and seed it
            return int(np.random.default_rng().integers(2**31 - 1 - self.members))
        return int(self.random_state.randint(2**31 - 1 - self.members))

    def _hold_out(self, n: int, seed: int, groups: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers to train on and to validate on."""
        return hold_out(n, self.validation_fraction, seed, groups)

    def _optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        return optimizer_of(self, steps)

    @property
    def model_(self) -> Autoencoder:
        """The trained Keras model; of an ensemble the first one."""
        check_is_fitted(self)
        return self.models_[0]

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

        An ensemble gives the codes of its members side by side.

        Parameters
        ----------
        X
            Data, samples x features: an array, a table, a sparse matrix, which is made dense block by block; or a
            matrix on disk.

        Returns
        -------
        float32, samples x components (times members).
        """
        return self._transform(X)

    def _transform(self, X: Any, covariate: Any = None) -> np.ndarray:
        check_is_fitted(self)
        if isinstance(X, BackedMatrix):
            check_backed(self, X)
            parts, start = [], 0
            categories = None if covariate is None else read_categories(covariate, len(X))
            for block in blocks_of(X):
                own = None if categories is None else categories[start : start + len(block)]
                parts.append(self._encode(self._join(block, own)))
                start += len(block)
            return np.concatenate(parts)
        refuse_anndata(X)
        check_order(X, covariate)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=False)
        return self._encode(self._join(X, covariate))

    def _encode(self, X: np.ndarray) -> np.ndarray:
        return np.concatenate([apply_in_blocks(model, "encoder", X) for model in self.models_], axis=1)

    def inverse_transform(self, Z: Any) -> np.ndarray:
        """Decode codes; of an ensemble the mean of what the members make of their own codes.

        Parameters
        ----------
        Z
            Codes, samples x components (times members).

        Returns
        -------
        float32, samples x features.

        Raises
        ------
        InputError
            If the codes have another width than the model's.
        """
        return self._inverse_transform(Z)

    def _inverse_transform(self, Z: Any, covariate: Any = None) -> np.ndarray:
        check_is_fitted(self)
        check_order(Z, covariate)
        Z = np.asarray(Z, dtype=np.float32)
        if Z.ndim != 2 or Z.shape[1] != self._n_features_out or not np.isfinite(Z).all():
            raise InputError(
                "These codes do not fit the model.",
                where=f"an array of shape {Z.shape}, {int((~np.isfinite(Z)).sum())} values not finite",
                expected=f"samples x {self._n_features_out} components, finite numbers",
                todo="pass what transform returned, or rows of the same width",
            )
        parts = [self._join(part, covariate) for part in np.split(Z, len(self.models_), axis=1)]
        decoded = [apply_in_blocks(m, "decoder", part) for m, part in zip(self.models_, parts, strict=True)]
        return decoded[0] if len(decoded) == 1 else np.mean(decoded, axis=0, dtype=np.float32)

    def score(self, X: Any, y: Any = None) -> float:
        """Share of the variance of `X` that its reconstruction explains; 1 is perfect, 0 is what the mean explains.

        Parameters
        ----------
        X
            Data, samples x features: an array, a table or a sparse matrix.
        y
            Ignored.
        """
        del y
        check_is_fitted(self)
        refuse_backed(X, "score")
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=False)
        mean, residual, total = np.asarray(X.mean(axis=0, dtype=np.float64)).ravel(), 0.0, 0.0
        for rows in dense_blocks(X):
            decoded = self.inverse_transform(self._encode(rows))
            residual += np.square(rows - decoded, dtype=np.float64).sum()
            total += np.square(rows - mean, dtype=np.float64).sum()
        return float(1.0 - residual / total) if total > 0 else 0.0

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
