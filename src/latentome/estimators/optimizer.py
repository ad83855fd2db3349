"""The optimizer of a training, from the parameters of an estimator."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import keras

from latentome.errors import InputError
from latentome.training import make_optimizer, make_schedule

if TYPE_CHECKING:
    from latentome.estimators.base import BaseAutoencoder

#: What an optimizer object holds itself, of the parameters of an estimator.
ITS_OWN = ("learning_rate", "momentum", "nesterov", "schedule", "schedule_warmup", "clip_norm")


def optimizer_of(estimator: BaseAutoencoder, steps: int) -> keras.optimizers.Optimizer:
    """A new optimizer for a training of so many steps.

    An optimizer object is copied by its configuration: the state of an optimizer belongs to one training, and `fit` may
    be called again. One of which a copy would lose something is refused, and one together with what it carries itself.
    """
    if isinstance(estimator.optimizer, keras.optimizers.Optimizer):
        defaults = inspect.signature(type(estimator)).parameters
        beside = [name for name in ITS_OWN if getattr(estimator, name) != defaults[name].default]
        if beside:
            raise InputError(
                f"An optimizer object carries its own {beside[0]}.",
                where=f"{', '.join(f'{name}={getattr(estimator, name)!r}' for name in beside)}, beside the object",
                expected=f"{', '.join(f'{name}={defaults[name].default!r}' for name in beside)}, as by default",
                todo="give them to the Keras optimizer, or name the optimizer",
            )
        if estimator.optimizer.use_ema:
            raise InputError(
                "Moving averages of the weights are not kept.",
                where="an optimizer with use_ema=True",
                expected="use_ema=False",
                todo="leave use_ema out; patience keeps the weights of the best epoch, members averages models",
            )
        return _copied(estimator.optimizer)
    # A float, because Keras takes no whole number.
    rate = make_schedule(float(estimator.learning_rate), estimator.schedule, estimator.schedule_warmup, steps)
    return make_optimizer(estimator.optimizer, rate, estimator.momentum, estimator.nesterov, estimator.clip_norm)


def _copied(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The same optimizer, with no state."""
    rate = getattr(optimizer, "_learning_rate", None)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise InputError(
            "The loss is not scaled.",
            where="optimizer=LossScaleOptimizer(...)",
            expected="the optimizer inside it; bfloat16 has the range of float32 and needs no scaling",
            todo="pass the inner optimizer",
        )
    if callable(rate) and not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        raise InputError(
            "A function as learning rate cannot be copied.",
            where=f"optimizer={type(optimizer).__name__}(learning_rate={getattr(rate, '__name__', rate)})",
            expected="a number, or a keras.optimizers.schedules.LearningRateSchedule",
            todo="write the function as a schedule, or set the rate with keras.callbacks.LearningRateScheduler",
        )
    if any(getattr(optimizer, f"_exclude_from_weight_decay{what}", None) for what in ("", "_pattern")):
        raise InputError(
            "What is excluded from weight decay is not part of an optimizer's configuration.",
            where=f"a {type(optimizer).__name__} with exclude_from_weight_decay",
            expected="a weight decay of all weights, or of none",
            todo="leave exclude_from_weight_decay out",
        )
    try:
        return type(optimizer).from_config(optimizer.get_config())
    except (TypeError, ValueError, NotImplementedError, AttributeError, KeyError, ImportError) as failure:
        told = f"{type(failure).__name__}: {failure}".splitlines()[0][:200]
        raise InputError(
            "This optimizer cannot be made anew from its configuration.",
            where=f"optimizer={type(optimizer).__name__}: {told}",
            expected="an optimizer and a schedule whose get_config() has all arguments of their constructors",
            todo="write get_config() for the class, and register that of a schedule with "
            "@keras.saving.register_keras_serializable()",
        ) from failure
