"""A group of models on their way: chunks of compiled epochs, a history, and a state that survives what stops them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import jax
import keras
import numpy as np
import pandas as pd

from latentome.errors import TrainingError
from latentome.training.callbacks import Callbacks
from latentome.training.checkpoint import Checkpoints, describe_models, digest
from latentome.training.diagnose import diverged
from latentome.training.engine import MAX_CHUNK, Limits, Program, Sample
from latentome.training.interrupt import DeferredInterrupt
from latentome.training.lanes import MIN_MODELS
from latentome.training.live import read_live
from latentome.training.order import seed_word
from latentome.training.pieces import run_each, run_pieces, start_each
from latentome.training.schedules import peak_rate
from latentome.training.state import State, copied, narrow, read_state, widen, write_state
from latentome.training.task import Options, Split, Training

#: Seconds between two returns to Python: what keeps a progress bar alive and an interruption prompt.
CHUNK_SECONDS = 0.7
#: No early stopping: more epochs than any training has.
NEVER = np.iinfo(np.int32).max

Progress = Callable[[int, int, dict[str, float]], None]


class Run:
    """The training of a group of models: runs chunk after chunk and learns how many epochs fit into `CHUNK_SECONDS`."""

    def __init__(
        self,
        program: Program,
        data: jax.Array,
        x: np.ndarray,
        models: Sequence[keras.Model],
        splits: Sequence[Split],
        options: Options,
        steps: int,
    ) -> None:
        self.program, self.data, self.x, self.models, self.options = program, data, x, list(models), options
        self.alone = len(self.models) == 1
        self.in_threads = not self.alone and program.in_threads
        self.in_pieces = self.in_threads and len(self.models) >= MIN_MODELS and program.has_lanes(data)
        self.splits = list(splits)
        keep = options.keep_best or options.patience is not None
        self.lasts = np.array([options.epochs if split.epochs is None else split.epochs for split in splits], np.int32)
        samples = [
            Sample(
                np.asarray(split.rows, np.int32),
                np.asarray(split.held_out, np.int32),
                seed_word(split.seed),
                last,
                {name: np.float32(value) for name, value in read_live(model).items()},
            )
            for model, split, last in zip(self.models, self.splits, self.lasts, strict=True)
        ]
        self.sample = program.place(samples[0] if self.alone else jax.tree.map(_stack, *samples))
        states = [read_state(model, keep, copy=self.alone) for model in self.models]
        self.shapes = [jax.eval_shape(lambda state: state, state) for state in states]
        widest = max(self.shapes, key=lambda shapes: sum(math.prod(a.shape) for a in jax.tree.leaves(shapes)))
        states = [widen(state, widest) for state in states]
        self.state: State = program.place(states[0] if self.alone else jax.tree.map(_stack, *states))
        self.good = self.state
        self.patience = NEVER if options.patience is None else options.patience
        firsts = [math.ceil(getattr(model, "warmup_steps", 0) / steps) for model in self.models]
        self.first_candidate = firsts[0] if self.alone else np.array(firsts, np.int32)
        # Epochs x models x columns; the epochs after the end of a model are NaN.
        self.rows = np.zeros((0, len(self.models), len(program.columns)), np.float32)
        self.checkpoints: Checkpoints | None = None
        self.length, self.warm = 1, False
        if keep and not any(firsts):
            if self.in_threads:
                self.state = start_each(program, self.state, data, self.sample)
            else:
                start = program.start if self.alone else program.start_members
                self.state = start(self.state, data, self.sample)

    def identity(self, data: str) -> dict[str, str]:
        """What makes this training the one it is, by the name under which a refusal tells a difference."""
        options = self.options
        ends = {"the length of each model's training": str(self.lasts)} if (self.lasts < options.epochs).any() else {}
        return {
            **describe_models(self.models),
            "the training data": data,
            "the rows trained on and validated on": digest(*(a for s in self.splits for a in (s.rows, s.held_out))),
            "the batch size, the seed of the order, shuffling": str(
                [options.batch_size, [s.seed for s in self.splits], options.shuffle]
            ),
            "early stopping": str([options.patience, options.keep_best]),
            **ends,
        }

    def keep_in(self, checkpoints: Checkpoints, resume: bool, notes: Callable[[str], None] | None) -> None:
        """Keep the state in `checkpoints`, and go on from there where that is asked for."""
        self.checkpoints = checkpoints
        kept = checkpoints.load() if resume else None
        for note in checkpoints.notes if notes else ():
            notes(note)
        if kept is not None:
            leaves, tree = jax.tree.flatten(self.state)
            self.state = self.program.place(jax.tree.unflatten(tree, [kept[f"state.{i}"] for i in range(len(leaves))]))
            self.rows = kept["rows"]
            checkpoints.check_length(len(self.rows), self.options.epochs)

    def save(self) -> None:
        """Keep the last good state."""
        if self.checkpoints is not None:
            arrays = {f"state.{i}": np.asarray(a) for i, a in enumerate(jax.tree.leaves(self.state))}
            self.checkpoints.save({"rows": self.rows, **arrays}, len(self.rows))

    def finish(self, progress: Progress | None, callbacks: Callbacks | None, keep_end: bool) -> list[Training]:
        """Train to the end and give the models their weights."""
        epochs = int(self.lasts.max())
        with DeferredInterrupt() as interrupt:
            if callbacks:
                self._write(best=False)  # a resumed state, say
                callbacks.begin()
            while self._goes_on():
                if callbacks:
                    callbacks.epoch_begin(len(self.rows))
                    self._take_over()
                self._chunk(1 if callbacks else self.length)
                failed = self._failed()
                if failed and not self.options.tolerate:
                    error = failed[min(failed)]
                    error.models = self.models
                    raise error
                if callbacks:
                    write_state(self.models[0], self.state)
                    callbacks.epoch_end(len(self.rows) - 1, self._shown())
                    self._take_over()
                if progress is not None:
                    progress(len(self.rows), epochs, self._shown())
                ended = not self._goes_on() or bool(callbacks and callbacks.stop)
                stop = interrupt.pending and not ended  # asked once: what is not kept is not left either
                if stop or (not ended and self.checkpoints is not None and self.checkpoints.due()):
                    self.save()
                if stop or ended:
                    break
        if self._goes_on() and not (callbacks and callbacks.stop):
            self._write(best=False)
            raise KeyboardInterrupt(f"training was interrupted after epoch {len(self.rows)} of {epochs}")
        if callbacks and callbacks.stop:  # kept with the state: a resumed training is not to go on
            self.state = self.state._replace(stopped=np.bool_(True))
        if keep_end or interrupt.pending:
            self.save()
        self._write(best=bool(self.state.best))
        if interrupt.pending:
            raise KeyboardInterrupt("training was interrupted at its end")
        if callbacks:
            callbacks.end()
        return self._trainings()

    def _goes_on(self) -> bool:
        over = np.atleast_1d(self.state.stopped) | (np.atleast_1d(self.state.bad_step) >= 0)
        return not (over | (len(self.rows) >= self.lasts)).all()

    def _chunk(self, length: int) -> None:
        first = len(self.rows)
        limits = Limits(min(first + length, int(self.lasts.max())), self.patience, self.first_candidate)
        # A program takes the state that it is given; threads give it copies.
        self.good = self.state if self.in_threads else copied(self.state)
        self.before = self.rows
        start = time.perf_counter()
        given = (self.state, self.data, self.sample, first, limits)
        if self.in_pieces:
            self.state, table = run_pieces(self.program, *given)
        elif self.in_threads:
            self.state, table = run_each(self.program, *given, compiled=self.warm)
        else:
            run = self.program.run if self.alone else self.program.run_members
            self.state, table = run(*given)
        table = np.asarray(table)[None] if self.alone else np.asarray(table)  # waits for the device
        took = time.perf_counter() - start
        new = int(np.atleast_1d(self.state.epochs).max()) - first
        self.rows = np.concatenate([self.rows, table[:, :new].swapaxes(0, 1)])
        if self.warm:  # the time of the first chunk is mostly compilation and teaches nothing
            wanted = int(self.length * CHUNK_SECONDS / max(took, 1e-4))
            self.length = min(max(wanted, 1), 8 * self.length, MAX_CHUNK)
        self.warm = True

    def _failed(self) -> dict[int, TrainingError]:
        """The models that diverged, with what to tell; the last good state is put back where that stops them all."""
        steps = np.atleast_1d(self.state.bad_step)
        epochs = np.atleast_1d(self.state.epochs)
        numbers = np.flatnonzero(steps >= 0)
        if len(numbers) and not self.options.tolerate:
            self.state, lost = self.good, self.rows
            self.rows = self.before
            self.save()
            self._write(best=False)
            kept = f"The last good state is that after epoch {len(self.rows)}"
            kept += f", kept in {'this error as models' if self.checkpoints is None else self.checkpoints.folder}."
        else:
            lost, kept = self.rows, "The other models went on."
        rate = self.program.columns.index("learning_rate")
        return {
            int(i): diverged(
                lost[: epochs[i], i],
                self.program.columns,
                int(steps[i]),
                self.x,
                peak_rate(self.models[i], float(lost[epochs[i] - 1, i, rate])),
                kept,
                "" if self.alone else f"Model {i + 1} of {len(self.models)} (seed {self.splits[i].seed})",
            )
            for i in numbers
        }

    def _take_over(self) -> None:
        """Go on with what callbacks changed in the model: the learning rate, say."""
        changed = read_state(self.models[0])
        self.state = self.state._replace(**{name: getattr(changed, name) for name in State._fields[:3]})

    def _shown(self) -> dict[str, float]:
        """The last row of the history, a mean over the models that still train; without what none of them has."""
        values = self.rows[-1].T.astype(np.float64)
        means = {name: v[~np.isnan(v)] for name, v in zip(self.program.columns, values, strict=True)}
        return {name: float(v.mean()) for name, v in means.items() if len(v)}

    def _write(self, best: bool) -> None:
        # From the host's copy: on the device each slice of each array would be an operation of its own.
        whole = self.state if self.alone else jax.tree.map(np.asarray, self.state)
        for i, (model, shapes) in enumerate(zip(self.models, self.shapes, strict=True)):
            state = whole if self.alone else jax.tree.map(lambda a, i=i: a[i], whole)
            write_state(model, narrow(state, shapes), best)

    def _trainings(self) -> list[Training]:
        failed = self._failed() if self.options.tolerate else {}
        epochs = np.atleast_1d(self.state.epochs)
        best, stopped = np.atleast_1d(self.state.best_epoch), np.atleast_1d(self.state.stopped)
        return [
            Training(
                history(self.rows[: epochs[i], i], self.program.columns, len(self.splits[i].held_out) > 0),
                int(best[i]) if self.state.best else None,
                bool(stopped[i]),
                failed.get(i),
            )
            for i in range(len(self.models))
        ]


def _stack(*arrays) -> np.ndarray:
    return np.stack([np.asarray(array) for array in arrays])


def history(rows: np.ndarray, columns: list[str], has_validation: bool) -> pd.DataFrame:
    """The table of the epochs from the program's rows of metrics (epochs x columns)."""
    frame = pd.DataFrame(rows.astype(np.float64), columns=columns)
    frame.insert(0, "epoch", np.arange(1, len(frame) + 1))
    return frame if has_validation else frame.drop(columns=[c for c in columns if c.startswith("val_")])
