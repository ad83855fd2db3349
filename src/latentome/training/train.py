"""Training models on data that are in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import keras
import numpy as np

from latentome.errors import TrainingError
from latentome.training.callbacks import Callbacks
from latentome.training.checkpoint import Checkpoints, digest, kept_groups
from latentome.training.engine import VALIDATION_ROWS, program_for
from latentome.training.memory import check_room, free_bytes, group_sizes, member_bytes, shares
from latentome.training.run import Progress, Run
from latentome.training.task import Options, Split, Training

#: Seconds between two checkpoints.
CHECKPOINT_SECONDS = 20.0


def train(model: keras.Model, x: np.ndarray, split: Split, options: Options, **how) -> Training:
    """Train one compiled model in place; see `train_together`.

    Parameters
    ----------
    model, x, split, options
        The model, compiled; the data, samples x features; its rows; and how it is trained.
    **how
        As in `train_together`.
    """
    return train_together([model], x, [split], options, **how)[0]


def train_together(
    models: Sequence[keras.Model],
    x: np.ndarray,
    splits: Sequence[Split],
    options: Options,
    *,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    notes: Callable[[str], None] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    devices: Sequence[jax.Device] = (),
    keep_end: bool = False,
) -> list[Training]:
    """Train compiled models in place, all in one program.

    Parameters
    ----------
    models
        `keras.Model`s that were compiled with an optimizer and train as ``model.fit(x)``. They may differ in their
        initial weights, their seeds and the values of live hyperparameters, the learning rate among them; and in the
        width of their code where they share `family_of_widths`: the narrower ones are padded with zeros, which stay.
    x
        Data, samples x features; kept on the device as float32, once for all models.
    splits
        What each model is trained and validated on; the numbers of rows are the same for all.
    options
        See `Options`.
    progress
        Called after each chunk with the epochs done, the epochs in all, and the last row of the history, a mean over
        the models.
    checkpoint
        A folder in which to keep the state, every 20 seconds, when interrupted and when diverged.
    resume
        Whether to go on from `checkpoint` where there is a state in it.
    notes
        Called with what the user should know, such as a checkpoint that was damaged.
    callbacks
        Keras callbacks, called at the boundaries of the epochs; with one model only.
    devices
        Devices that share every batch.
    keep_end
        Whether the last state is kept in `checkpoint`, too, because other trainings follow that may be stopped.

    Returns
    -------
    One `Training` for each model.

    Raises
    ------
    TrainingError
        If the KL warm-up would not end inside the training, if a model does not fit into memory (`check_room`), if a
        loss stops being finite (the models then have their last good state), or if the checkpoint belongs to another
        training.
    KeyboardInterrupt
        On an interruption, after the state was kept.
    """
    x = np.ascontiguousarray(x, dtype=np.float32)
    size = min(int(options.batch_size), len(splits[0].rows))
    steps = math.ceil(len(splits[0].rows) / size)
    for model in models:
        check_warmup(model, options.epochs * steps, options.epochs)
    widest = max(models, key=lambda model: model.count_params())
    check_room(widest, options.keep_best or options.patience is not None)
    program = program_for(widest, size, options.shuffle, tuple(devices))
    data = program.place(x)
    hashed = digest(x) if checkpoint is not None else ""
    done: list[Training] = []
    kept = kept_groups(checkpoint) if resume and checkpoint is not None else None
    groups = (
        group_sizes(len(models), _bytes_each(widest, splits[0], size, options.keep_best), free_bytes())
        if kept is None
        else shares(len(models), kept)
    )
    for number, count in enumerate(groups):
        part = slice(len(done), len(done) + count)
        run = Run(program, data, x, models[part], splits[part], options, steps)
        if checkpoint is not None:
            folder = checkpoint if len(groups) == 1 else checkpoint / f"group-{number + 1}-of-{len(groups)}"
            run.keep_in(Checkpoints(folder, run.identity(hashed), CHECKPOINT_SECONDS), resume, notes)
        shown = shifted(progress, number, len(groups), options.epochs)
        called = Callbacks(callbacks, models[0], options.epochs) if callbacks else None
        done += run.finish(shown, called, keep_end or number + 1 < len(groups))
    return done


def shifted(progress: Progress | None, group: int, groups: int, epochs: int) -> Progress | None:
    """One progress over several groups of models, or single ones."""
    if progress is None or groups == 1:
        return progress
    return lambda done, total, row: progress(group * epochs + done, groups * epochs, row)


def _bytes_each(model: keras.Model, split: Split, size: int, keep_best: bool) -> int:
    model.optimizer.build(model.trainable_variables)
    weights = sum(math.prod(v.shape) for v in model.trainable_variables)
    others = sum(math.prod(v.shape) for v in [*model.non_trainable_variables, *model.optimizer.variables])
    widths = sum(v.shape[0] for v in model.trainable_variables if len(v.shape) == 1)
    rows = max(size, min(len(split.held_out), VALIDATION_ROWS))
    return member_bytes(weights, (1 + keep_best) * weights + others, rows, widths)


def check_warmup(model: keras.Model, steps: int, epochs: int) -> None:
    """Refuse a training in which the KL weight would not reach its value.

    Parameters
    ----------
    model
        Any model; one without a KL term has no warm-up.
    steps, epochs
        Length of the training.
    """
    warmup = getattr(model, "warmup_steps", 0)
    if warmup and warmup >= steps:
        raise TrainingError(
            "The KL warm-up would not end inside the training, so the KL term would never have its full weight.",
            where=f"a warm-up of {warmup} steps in a training of {epochs} epochs = {steps} steps",
            expected="a warm-up shorter than the training",
            todo="shorten the warm-up (a fraction below 1, such as 0.5) or train for more epochs",
        )
