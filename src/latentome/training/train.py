"""One training run: chunks of compiled epochs, a history, and a state that survives an interruption."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pandas as pd

from latentome.errors import TrainingError
from latentome.training.checkpoint import Checkpoint, fingerprint
from latentome.training.engine import MAX_CHUNK, program_for, read_state, write_state
from latentome.training.interrupt import DeferredInterrupt

if TYPE_CHECKING:
    from latentome.training.engine import Program, State

#: Seconds between two returns to Python: what keeps a progress bar alive and an interruption prompt.
CHUNK_SECONDS = 0.7
#: Seconds between two checkpoints.
CHECKPOINT_SECONDS = 20.0


def train(
    model: keras.Model,
    x: np.ndarray,
    validation: np.ndarray | None = None,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    shuffle: bool = True,
    progress: Callable[[int, int, dict[str, float]], None] | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> pd.DataFrame:
    """Train a compiled model in place and return its history.

    Parameters
    ----------
    model
        A `keras.Model` that was compiled with an optimizer and trains as ``model.fit(x)``.
    x
        Training data, samples x features; kept on the device as float32.
    validation
        Rows to evaluate after each epoch, validation samples x features. Nothing is chosen by them here.
    epochs
        Number of passes over the data.
    batch_size
        Samples of a step; at most the number of samples is used. The last batch of an epoch may be smaller.
    seed
        Seed of the order of the samples.
    shuffle
        Whether each epoch visits the samples in a new order.
    progress
        Called after each chunk with the epochs done, the epochs in all, and the last row of the history.
    checkpoint
        A file in which to keep the state, every 20 seconds and when interrupted.
    resume
        Whether to go on from `checkpoint` where that file exists.

    Returns
    -------
    One row an epoch: ``epoch`` (from 1), the loss and its terms as means over the samples of the epoch, the learning
    rate, and each of them with ``val_`` for the validation rows.

    Raises
    ------
    TrainingError
        If the KL warm-up would not end inside the training, if the loss stops being finite, or if the checkpoint
        belongs to another training.
    KeyboardInterrupt
        On an interruption, after the state was kept.
    """
    x = np.ascontiguousarray(x, dtype=np.float32)
    held_out = np.zeros((0, x.shape[1]), np.float32) if validation is None else np.asarray(validation, np.float32)
    batch_size = min(int(batch_size), x.shape[0])
    check_warmup(model, epochs * math.ceil(x.shape[0] / batch_size), epochs)
    program = program_for(model, batch_size, shuffle)
    state, rows, done = read_state(model), np.zeros((0, len(program.columns)), np.float32), 0
    keeper = None
    if checkpoint is not None:
        keeper = Checkpoint(checkpoint, fingerprint(model, x, held_out, batch_size, seed, shuffle), CHECKPOINT_SECONDS)
        if resume and checkpoint.exists():
            state, rows = keeper.load(state)
            done = len(rows)
    run = _Run(program, jnp.asarray(x), jnp.asarray(held_out), seed, epochs)
    with DeferredInterrupt() as interrupt:
        while done < epochs:
            state, new = run.chunk(state, done)
            rows = np.concatenate([rows, new])
            done = len(rows)
            _check_finite(rows, program.columns)
            if progress is not None:
                progress(done, epochs, dict(zip(program.columns, rows[-1].tolist(), strict=True)))
            stop = interrupt.pending and done < epochs  # asked once: what is not kept is not left either
            if keeper is not None and (stop or (keeper.due() and done < epochs)):
                keeper.save(state, rows)
            if stop:
                break
    write_state(model, state)
    if done < epochs:
        raise KeyboardInterrupt(f"training was interrupted after epoch {done} of {epochs}")
    return history(rows, program.columns, has_validation=len(held_out) > 0)


class _Run:
    """Runs chunk after chunk and learns how many epochs fit into `CHUNK_SECONDS`."""

    def __init__(self, program: Program, data: jax.Array, validation: jax.Array, seed: int, epochs: int) -> None:
        self.program, self.data, self.validation, self.seed, self.epochs = program, data, validation, seed, epochs
        self.length, self.warm = 1, False

    def chunk(self, state: State, first: int) -> tuple[State, np.ndarray]:
        last = min(first + self.length, self.epochs)
        start = time.perf_counter()
        state, rows = self.program.run(state, self.data, self.validation, self.seed, first, last)
        rows = np.asarray(rows)[: last - first]  # waits for the device
        took = time.perf_counter() - start
        if self.warm:  # the time of the first chunk is mostly compilation and teaches nothing
            wanted = int(self.length * CHUNK_SECONDS / max(took, 1e-4))
            self.length = min(max(wanted, 1), 8 * self.length, MAX_CHUNK)
        self.warm = True
        return state, rows


def check_warmup(model: keras.Model, steps: int, epochs: int) -> None:
    """Refuse a training in which the KL weight would not reach its value."""
    warmup = getattr(model, "warmup_steps", 0)
    if warmup and warmup >= steps:
        raise TrainingError(
            "The KL warm-up would not end inside the training, so the KL term would never have its full weight.",
            where=f"a warm-up of {warmup} steps in a training of {epochs} epochs = {steps} steps",
            expected="a warm-up shorter than the training",
            todo="shorten the warm-up (a fraction below 1, such as 0.5) or train for more epochs",
        )


def _check_finite(rows: np.ndarray, columns: list[str]) -> None:
    loss = rows[:, columns.index("loss")]
    if np.isfinite(loss).all():
        return
    epoch = int(np.flatnonzero(~np.isfinite(loss))[0]) + 1
    raise TrainingError(
        "The loss stopped being finite.",
        where=f"epoch {epoch}; the loss before it was {loss[epoch - 2]:.6g}" if epoch > 1 else "epoch 1",
        expected="a finite loss in every epoch",
        todo="lower the learning rate, and check that the data are scaled (zero-one, say)",
    )


def history(rows: np.ndarray, columns: list[str], has_validation: bool) -> pd.DataFrame:
    """The table of the epochs from the program's rows of metrics (epochs x columns)."""
    frame = pd.DataFrame(rows.astype(np.float64), columns=columns)
    frame.insert(0, "epoch", np.arange(1, len(frame) + 1))
    return frame if has_validation else frame.drop(columns=[c for c in columns if c.startswith("val_")])
