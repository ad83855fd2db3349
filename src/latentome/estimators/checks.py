"""What estimators refuse, and refusals that several of them share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral

import numpy as np

from latentome.errors import InputError
from latentome.training import check_warmup, n_held_out
from latentome.training.cache import keep_compiled_programs

#: How far beyond [0, 1] the rounding of float32 may carry what was scaled to it.
ROUNDING = 1e-6


class Checked:
    """The part of every estimator that looks at parameters and data before anything is trained."""

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
        self.check_for(X.shape, X)

    def check_for(self, shape: tuple[int, int], X: np.ndarray) -> None:
        """As `check`, of data of a certain shape, of which `X` are some rows that reach as far as all of them."""
        n_samples, n_features = shape
        keep_compiled_programs()
        try:
            self._validate_params()
            rows = n_samples - n_held_out(n_samples, self.validation_fraction)
            steps = math.ceil(rows / min(self.rows_of_batch(n_samples), max(rows, 1)))
            model = self._make_model(n_features, 0, steps)
        except InputError:
            raise
        except ValueError as error:
            raise wrong_parameter(error) from error
        self._optimizer(steps * self.max_epochs)
        self._check_early_stopping()
        self._check_shape(n_samples, n_features)
        self._check_data(X)
        check_warmup(model, steps * self.max_epochs, self.max_epochs)

    def _check_early_stopping(self) -> None:
        if self.patience is not None and not self.validation_fraction:
            raise InputError(
                "Early stopping needs held-out rows.",
                where=f"patience={self.patience}, validation_fraction={self.validation_fraction}",
                expected="a validation_fraction above 0",
                todo="hold out a tenth of the rows (validation_fraction=0.1), or leave patience out",
            )

    def _check_shape(self, n_samples: int, n_features: int) -> None:
        """Refuse data of which the model cannot be made; by default none."""

    def _needs_zero_one(self) -> tuple[str, str] | None:
        """Of a model for values in [0, 1] only: the parameter that says so, and the one to use instead."""
        return None

    def _check_data(self, X: np.ndarray) -> None:
        """Refuse data that the model's likelihood cannot have produced (samples x features)."""
        if words := self._needs_zero_one():
            check_zero_one(X, *words)


def refuse_anndata(X: object) -> None:
    """Refuse AnnData, whose values scikit-learn would look for in vain."""
    if hasattr(X, "obs_names") and hasattr(X, "var_names"):
        raise InputError(
            "An estimator takes values, not AnnData.",
            where=f"X is {type(X).__name__}",
            expected="samples x features: an array, a table or a sparse matrix",
            todo="pass adata.X, or adata.to_df(), which names the genes",
        )


def check_zero_one(X: np.ndarray, needs: str, instead: str) -> None:
    """Refuse data outside [0, 1], which the argument `needs` asks for and `instead` does not."""
    low, high = float(X.min()), float(X.max())
    if low < -ROUNDING or high > 1.0 + ROUNDING:
        row, column = np.argwhere((X < -ROUNDING) | (X > 1.0 + ROUNDING))[0]
        where = f"X of shape {X.shape} ranges over [{low:.7g}, {high:.7g}], first at row {row}, column {column}"
        raise outside_zero_one(where, needs, instead)


def outside_zero_one(where: str, needs: str, instead: str) -> InputError:
    """The refusal of data outside [0, 1], which are `where`."""
    return InputError(
        f"{needs} needs data in [0, 1].",
        where=where,
        expected="every value in [0, 1]",
        todo=f"scale each feature to [0, 1] with the training rows' range, or use {instead}",
    )


def wrong_parameter(error: ValueError) -> InputError:
    """A refusal of scikit-learn or Keras, which names the parameter and what it may be, as one of ours."""
    wrong, _, got = str(error).strip().splitlines()[0].partition(" Got ")
    name, _, expected = wrong.partition(" must be ")
    return InputError(
        "A parameter of the model is wrong.",
        where=f"{name}; got {got}" if got else name,
        expected=expected or "a value that Keras knows",
        todo="correct the option",
    )


def check_widths(hidden: Iterable[int]) -> list[int]:
    """The widths of hidden layers, as the user gave them, refused where a layer would have no unit."""
    widths = list(hidden)
    if not all(isinstance(width, Integral) and width >= 1 for width in widths):
        raise InputError(
            "A hidden layer cannot have this width.",
            where=f"hidden={widths}",
            expected="whole numbers of 1 or more, such as (300, 100); () for no hidden layer",
            todo="correct the widths",
        )
    return [int(width) for width in widths]
