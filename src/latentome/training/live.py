"""Hyperparameters that are read while a model trains, so that a compiled program takes them as numbers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import keras

from latentome.training.schedules import schedule_of

#: The name of the schedule's peak among the live values.
PEAK = "peak_learning_rate"
#: Held while a model reads traced values: threads that train models of one architecture trace the same one.
_TRACING = threading.RLock()


def live_names(model: keras.Model) -> list[str]:
    """The names of the live hyperparameters of a compiled `model`: two models that differ in them share a program."""
    return list(read_live(model))


def read_live(model: keras.Model) -> dict[str, float]:
    """The values of the live hyperparameters of a compiled `model`."""
    values = dict(vars(getattr(model, "live", SimpleNamespace())))
    schedule = schedule_of(model.optimizer)
    return {**values, PEAK: schedule.peak} if schedule else values


@contextmanager
def live_values(model: keras.Model, values: Mapping[str, Any]) -> Iterator[None]:
    """Let `model` read these values, which may be traced ones, instead of its own while the block runs.

    Only one thread at a time is in such a block.
    """
    with _TRACING:
        before = read_live(model)
        _write(model, values)
        try:
            yield
        finally:
            _write(model, before)


def _write(model: keras.Model, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name == PEAK:
            schedule_of(model.optimizer).peak = value
        else:
            setattr(model.live, name, value)
