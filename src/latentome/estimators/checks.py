"""Refusals that several estimators share."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral

import numpy as np

from latentome.errors import InputError


def check_zero_one(X: np.ndarray, needs: str, instead: str) -> None:
    """Refuse data outside [0, 1].

    Parameters
    ----------
    X
        Data, samples x features.
    needs, instead
        The argument that needs such data, and the one that does not.
    """
    low, high = float(X.min()), float(X.max())
    if low < 0.0 or high > 1.0:
        row, column = np.argwhere((X < 0.0) | (X > 1.0))[0]
        where = f"X of shape {X.shape} ranges over [{low:.4g}, {high:.4g}], first at row {row}, column {column}"
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
    """The widths of hidden layers, refused where a layer would have no unit.

    Parameters
    ----------
    hidden
        What the user gave.
    """
    widths = list(hidden)
    if not all(isinstance(width, Integral) and width >= 1 for width in widths):
        raise InputError(
            "A hidden layer cannot have this width.",
            where=f"hidden={widths}",
            expected="whole numbers of 1 or more, such as (300, 100); () for no hidden layer",
            todo="correct the widths",
        )
    return [int(width) for width in widths]
