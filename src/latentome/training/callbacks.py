"""Keras callbacks at the boundaries of compiled epochs."""

from __future__ import annotations

from collections.abc import Sequence

import keras


class Callbacks:
    """Calls Keras callbacks as ``model.fit`` does at the start and the end of a training and of each epoch.

    Nothing is called at single batches: they run inside a compiled program. A callback that sets
    ``model.stop_training`` ends the training after the epoch.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback], model: keras.Model, epochs: int) -> None:
        self.model = model
        self.model.stop_training = False
        self._all = keras.callbacks.CallbackList(
            list(callbacks), add_history=False, model=model, epochs=epochs, verbose=0
        )
        self._logs: dict[str, float] = {}

    @property
    def stop(self) -> bool:
        """Whether a callback asked for the end."""
        return bool(self.model.stop_training)

    def begin(self) -> None:
        """The training starts."""
        self._all.on_train_begin()

    def epoch_begin(self, epoch: int) -> None:
        """An epoch, counted from 0, starts."""
        self._all.on_epoch_begin(epoch)

    def epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """An epoch, counted from 0, is done; `logs` is its row of the history."""
        self._logs = logs
        self._all.on_epoch_end(epoch, dict(logs))

    def end(self) -> None:
        """The training is over."""
        self._all.on_train_end(self._logs)
