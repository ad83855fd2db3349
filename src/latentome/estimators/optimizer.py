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

    An optimizer object is refused together with what it carries itself, or if it keeps moving averages of the weights.
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
        if estimator.optimizer.use_ema:
            raise InputError(
                "Moving averages of the weights are not kept.",
                where="an optimizer with use_ema=True",
                expected="use_ema=False",
                todo="leave use_ema out; patience keeps the weights of the best epoch, members averages models",
            )
        # A copy: the state of an optimizer belongs to one training, and fit may be called again.
        return type(estimator.optimizer).from_config(estimator.optimizer.get_config())
    # A float, because Keras takes no whole number.
    rate = make_schedule(float(estimator.learning_rate), estimator.schedule, estimator.schedule_warmup, steps)
    return make_optimizer(estimator.optimizer, rate, estimator.momentum, estimator.nesterov, estimator.clip_norm)
