"""The optimizer of a training, from the parameters of an estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from latentome.errors import InputError
from latentome.training import make_optimizer, make_schedule

if TYPE_CHECKING:
    from latentome.estimators.base import BaseAutoencoder


def optimizer_of(estimator: BaseAutoencoder, steps: int) -> keras.optimizers.Optimizer:
    """A new optimizer for a training of so many steps.

    An optimizer object is copied by its configuration: the state of an optimizer belongs to one training, and `fit` may
    be called again. One of which a copy would lose something is refused, and one together with what it carries itself.
    """
    if isinstance(estimator.optimizer, keras.optimizers.Optimizer):
        if estimator.schedule != "constant" or estimator.schedule_warmup or estimator.clip_norm is not None:
            raise InputError(
                "An optimizer object carries its own schedule and clipping.",
                where=f"schedule='{estimator.schedule}', schedule_warmup={estimator.schedule_warmup}, "
                f"clip_norm={estimator.clip_norm}",
                expected="schedule='constant', schedule_warmup=0, clip_norm=None; or the optimizer by name",
                todo="give the schedule and the clipping to the Keras optimizer, or name the optimizer",
            )
        if estimator.momentum or estimator.nesterov:
            raise InputError(
                "An optimizer object carries its own momentum.",
                where=f"momentum={estimator.momentum}, nesterov={estimator.nesterov}, beside an optimizer object",
                expected="momentum=0, nesterov=False; or the optimizer by name",
                todo="give the momentum to the Keras optimizer, or name the optimizer",
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
