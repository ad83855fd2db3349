"""Optimizers by name."""

from __future__ import annotations

from typing import Any

import keras

from latentome.errors import InputError, check_known
from latentome.models import in_float32
from latentome.training.schedules import Schedule, schedule_of

_OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "adadelta": keras.optimizers.Adadelta,
    "rmsprop": keras.optimizers.RMSprop,
}


def describe_optimizer(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    """The class and the configuration of an optimizer, equal for two that do the same.

    Keras numbers the names of its objects; and its own serialisation imports TensorFlow wherever that is installed.
    """
    kind = keras.saving.get_registered_name(type(optimizer))
    return {"class_name": kind, "config": {**optimizer.get_config(), "name": "optimizer"}}


def program_key(model: keras.Model, architecture: str) -> tuple[Any, ...]:
    """What two compiled models of the same `architecture` share when one program can train both.

    The classes are in it themselves, because their names do not tell them apart: a cell of a notebook that is run again
    makes others. The learning rate is not, where programs take it as a number: a constant one is one of the optimizer's
    variables, the peak of a `Schedule` (but no argument of another's schedule) a live value.
    """
    optimizer = model.optimizer
    description = describe_optimizer(optimizer)
    rate = description["config"].get("learning_rate")
    if schedule_of(optimizer) is not None:
        rate = {**rate, "config": {**rate["config"], "peak": None}}
    elif not isinstance(rate, dict):
        rate = None
    description["config"]["learning_rate"] = rate
    classes = (type(model), type(optimizer), type(getattr(optimizer, "_learning_rate", None)))
    return (*classes, architecture, str(description))


@in_float32
def make_optimizer(
    name: str,
    learning_rate: float | Schedule,
    momentum: float = 0.0,
    nesterov: bool = False,
    clip_norm: float | None = None,
) -> keras.optimizers.Optimizer:
    """Build a Keras optimizer.

    Parameters
    ----------
    name
        ``sgd``, ``adam``, ``adamw``, ``adadelta`` or ``rmsprop``.
    learning_rate
        Step size, or a schedule of it.
    momentum
        For ``sgd`` (and ``rmsprop``): the share of the last update that is added to this one, in [0, 1).
    nesterov
        For ``sgd``: whether the gradient is taken where the momentum leads (Nesterov's accelerated gradient).
    clip_norm
        The largest norm of the whole gradient; a longer one is shortened to it (Pascanu et al. 2013).

    Raises
    ------
    InputError
        On an unknown name, or on momentum for an optimizer that has none.
    """
    check_known(name, _OPTIMIZERS, f"There is no optimizer '{name}'.", where="the option optimizer")
    extra: dict[str, object] = {} if clip_norm is None else {"global_clipnorm": clip_norm}
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
