"""Optimizers by name."""

from __future__ import annotations

from typing import Any

import keras

from latentome.errors import InputError, nearest

_OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "adadelta": keras.optimizers.Adadelta,
    "rmsprop": keras.optimizers.RMSprop,
}


def describe_optimizer(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    """The configuration of an optimizer, equal for two that do the same: Keras numbers the names of its objects."""
    description = keras.saving.serialize_keras_object(optimizer)
    description["config"]["name"] = "optimizer"
    return description


def make_optimizer(
    name: str, learning_rate: float, momentum: float = 0.0, nesterov: bool = False
) -> keras.optimizers.Optimizer:
    """Build a Keras optimizer.

    Parameters
    ----------
    name
        ``sgd``, ``adam``, ``adamw``, ``adadelta`` or ``rmsprop``.
    learning_rate
        Step size.
    momentum
        For ``sgd`` (and ``rmsprop``): the share of the last update that is added to this one, in [0, 1).
    nesterov
        For ``sgd``: whether the gradient is taken where the momentum leads (Nesterov's accelerated gradient).

    Raises
    ------
    InputError
        On an unknown name, or on momentum for an optimizer that has none.
    """
    if name not in _OPTIMIZERS:
        raise InputError(
            f"There is no optimizer '{name}'.",
            where="the option optimizer",
            expected=nearest(name, _OPTIMIZERS),
            todo="choose one of these",
        )
    extra: dict[str, object] = {}
    if momentum and name in ("sgd", "rmsprop"):
        extra["momentum"] = momentum
    if nesterov and name == "sgd":
        extra["nesterov"] = True
    if (momentum and "momentum" not in extra) or (nesterov and (name != "sgd" or not momentum)):
        raise InputError(
            "Momentum does not fit this optimizer.",
            where=f"optimizer={name}, momentum={momentum}, nesterov={nesterov}",
            expected="momentum with sgd or rmsprop; nesterov with sgd and a momentum above 0",
            todo="use optimizer='sgd' with momentum=0.9, or leave momentum and nesterov out",
        )
    return _OPTIMIZERS[name](learning_rate=learning_rate, **extra)
