"""Learning-rate schedules."""

from __future__ import annotations

import math

import keras
from keras import ops

from latentome.errors import InputError, check_known

SHAPES = ("constant", "cosine")


@keras.saving.register_keras_serializable("latentome")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises on a line to its peak and then stays, or falls to zero along half a cosine.

    Parameters
    ----------
    peak
        The largest learning rate.
    shape
        ``"constant"``, or ``"cosine"``: from the peak to zero over the rest of the training (Loshchilov and Hutter
        2017, without restarts).
    total_steps
        Number of steps of the training.
    warmup_steps
        Steps over which the rate rises; step i of them has the share (i + 1) / (warmup_steps + 1) of the peak.
    """

    def __init__(self, peak: float, shape: str, total_steps: int, warmup_steps: int = 0) -> None:
        self.peak, self.shape = peak, shape
        self.total_steps, self.warmup_steps = int(total_steps), int(warmup_steps)

    def __call__(self, step):
        """The learning rate of a step, counted from 0."""
        step = ops.cast(step, "float32")
        rising = (step + 1.0) / (self.warmup_steps + 1.0)
        falling = 1.0
        if self.shape == "cosine":
            done = (step - self.warmup_steps) / max(self.total_steps - self.warmup_steps, 1)
            falling = 0.5 * (1.0 + ops.cos(math.pi * ops.clip(done, 0.0, 1.0)))
        return self.peak * ops.where(step < self.warmup_steps, rising, falling)

    def get_config(self) -> dict[str, object]:
        """The arguments."""
        return {
            "peak": self.peak,
            "shape": self.shape,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
        }


def make_schedule(peak: float, shape: str, warmup: float, total_steps: int) -> float | Schedule:
    """A learning rate for an optimizer: a plain number where it never changes.

    Parameters
    ----------
    peak
        The largest learning rate.
    shape
        ``constant`` or ``cosine``.
    warmup
        Share of the training over which the rate rises, in [0, 1).
    total_steps
        Number of steps of the training.

    Raises
    ------
    InputError
        On an unknown shape, or a warm-up that is no share of the training.
    """
    check_known(shape, SHAPES, f"There is no learning-rate schedule '{shape}'.", where="the option schedule")
    if not 0.0 <= warmup < 1.0:
        raise InputError(
            "The warm-up of the learning rate would not end inside the training.",
            where=f"schedule_warmup={warmup}",
            expected="a share of the training, at least 0 and below 1",
            todo="use 0.05, say",
        )
    if shape == "constant" and warmup == 0.0:
        return peak
    return Schedule(peak, shape, total_steps, min(math.ceil(warmup * total_steps), total_steps - 1))


def peak_rate(model: keras.Model, rate: float) -> float:
    """The largest learning rate of the schedule of a model, or the given one where it has none of ours."""
    schedule = schedule_of(model.optimizer)
    return rate if schedule is None else float(schedule.peak)


def schedule_of(optimizer: keras.optimizers.Optimizer | None) -> Schedule | None:
    """The schedule of an optimizer, where it is one of ours."""
    rate = getattr(optimizer, "_learning_rate", None)
    return rate if isinstance(rate, Schedule) else None
