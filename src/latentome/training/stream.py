"""Training on data that do not fit into memory: block-shuffled, the next buffer read while this one trains."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np

from latentome.io import BackedMatrix
from latentome.models import compiled
from latentome.training.checkpoint import Checkpoints, describe_models
from latentome.training.diagnose import diverged
from latentome.training.engine import Program, program_for
from latentome.training.interrupt import DeferredInterrupt
from latentome.training.live import live_values, read_live
from latentome.training.memory import check_room
from latentome.training.order import epoch_order, seed_word
from latentome.training.run import NEVER, Progress, history
from latentome.training.state import State, copied, read_state, write_state
from latentome.training.task import Options, Training, n_held_out
from latentome.training.train import CHECKPOINT_SECONDS, check_warmup

#: Rows that are read at once: neighbours on disk stay together in a pass, their companions change.
CHUNK_ROWS = 1024
#: Bytes of a buffer, the rows that are shuffled among each other. Two are in memory: one in use, one on its way.
BUFFER_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Layout:
    """Which rows of a matrix are read together, which are held out, and in which order a pass takes the others.

    The last chunk may have fewer than `chunk_rows`; a buffer has `per_buffer` chunks; `held_out` are numbers of chunks.
    """

    n_rows: int
    chunk_rows: int
    per_buffer: int
    held_out: np.ndarray
    seed: int

    def bounds(self, chunk: int) -> tuple[int, int]:
        """First row, and the one after the last, of a chunk."""
        return int(chunk) * self.chunk_rows, min((int(chunk) + 1) * self.chunk_rows, self.n_rows)

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return math.ceil(self.n_rows / self.chunk_rows)

    def rows(self, held_out: bool) -> np.ndarray:
        """The numbers of the rows that are held out, or of those that are not."""
        wanted = [c for c in range(self.chunks) if (c in self.held_out) == held_out]
        return np.concatenate([np.zeros(0, np.int64), *(np.arange(*self.bounds(c)) for c in wanted)])

    def buffers(self, epoch: int) -> list[np.ndarray]:
        """The chunks of each buffer of a pass.

        A chunk that is short comes last, so that all buffers but the last one have one shape.
        """
        chunks = np.setdiff1d(np.arange(self.chunks), self.held_out)
        order = np.random.default_rng([self.seed, 2, epoch]).permutation(chunks)
        if self.n_rows % self.chunk_rows:
            order = np.concatenate([order[order != self.chunks - 1], order[order == self.chunks - 1]])
        return self._in_buffers(order)

    def held_out_buffers(self) -> list[np.ndarray]:
        """The chunks of each buffer of a validation."""
        return self._in_buffers(self.held_out)

    def _in_buffers(self, chunks: np.ndarray) -> list[np.ndarray]:
        return [chunks[i : i + self.per_buffer] for i in range(0, len(chunks), self.per_buffer)]


def rows_at_once(batch_size: int) -> int:
    """Rows that are read at once, a whole number of batches."""
    return batch_size * max(CHUNK_ROWS // batch_size, 1)


def lay_out(source: BackedMatrix, batch_size: int, validation_fraction: float, seed: int) -> Layout:
    """Choose chunks and buffers of a matrix, samples x features.

    A chunk is a whole number of batches, so that only the last batch of a pass is smaller. The share to hold out is
    made of whole chunks; the short last chunk is among them. The seed is that of the order and of what is held out.
    """
    n, width = source.shape
    size = min(batch_size, n)
    rows = rows_at_once(size)
    while validation_fraction and math.ceil(n / rows) * validation_fraction < 1.0 and rows > size:
        rows = size * max(rows // size // 2, 1)  # smaller chunks, until the share to hold out is one of them
    if validation_fraction and n <= rows:  # one batch: what is left of it is a chunk of its own, the one to hold out
        rows = n - n_held_out(n, validation_fraction)
    chunks = math.ceil(n / rows)
    held_out = n_held_out(chunks, validation_fraction)
    order = np.random.default_rng([seed, 1]).permutation(chunks)
    if n % rows:
        order = np.concatenate([[chunks - 1], order[order != chunks - 1]])
    per_buffer = max(BUFFER_BYTES // (rows * width * 4), 1)
    return Layout(n, rows, int(per_buffer), np.sort(order[:held_out]), seed)


def ahead(source: BackedMatrix, layout: Layout, buffers: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Read buffer after buffer, each while the one before it is used: rows x features, float32, in their order.

    The memory is used again: when the next buffer is asked for, nothing may still compute with this one.
    """
    places = [_place(min(layout.per_buffer * layout.chunk_rows, layout.n_rows), source.shape[1]) for _ in range(2)]
    with ThreadPoolExecutor(1) as reader:
        coming = None
        for number, chunks in enumerate(buffers):
            due, coming = coming, reader.submit(_read, source, layout, chunks, places[number % 2])
            if due is not None:
                yield due.result()
        if coming is not None:
            yield coming.result()


def _place(rows: int, width: int) -> np.ndarray:
    """Memory for rows x features, float32, that begins where XLA uses an array in place instead of copying it."""
    memory = np.empty(4 * rows * width + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + 4 * rows * width].view(np.float32).reshape(rows, width)


def _read(source: BackedMatrix, layout: Layout, chunks: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Read the rows of some chunks, in the order of the matrix, into `place`; the part of it that they fill."""
    at = 0
    for start, stop in (layout.bounds(chunk) for chunk in np.sort(chunks)):
        source.block(start, stop, place[at : at + stop - start])
        at += stop - start
    return place[:at]


def fitted(source: BackedMatrix, layout: Layout) -> Iterator[np.ndarray]:
    """The rows that are not held out, chunk after chunk; see `ahead`."""
    return ahead(source, layout, (np.array([c]) for c in range(layout.chunks) if c not in layout.held_out))


def train_stream(
    model: keras.Model,
    source: BackedMatrix,
    layout: Layout,
    options: Options,
    *,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    notes: Callable[[str], None] | None = None,
    keep_end: bool = False,
) -> Training:
    """Train a compiled model in place on a matrix (samples x features) of which only some buffers are in memory.

    The result is a function of the data, the seed and the layout (see `lay_out`): it is the same whether the rows come
    from memory or from disk. ``shuffle=False`` takes the rows of each buffer in their order. The other arguments, and
    what is raised, are as in `train_together`; the state is kept between buffers, so that no pass has to be repeated,
    and with `keep_end` the last one, too, because other models follow that may be stopped.
    """
    stream = _Stream(model, source, layout, options)
    if checkpoint is not None:
        stream.keep_in(Checkpoints(checkpoint, stream.identity(), CHECKPOINT_SECONDS), resume, notes)
    return stream.finish(progress, keep_end)


class _Stream:
    """A training on its way through the buffers."""

    def __init__(self, model: keras.Model, source: BackedMatrix, layout: Layout, options: Options) -> None:
        self.model, self.source, self.layout, self.options = model, source, layout, options
        size = min(options.batch_size, layout.n_rows)
        lengths = [sum(np.ptp(layout.bounds(c)) for c in chunks) for chunks in layout.buffers(0)]
        steps = sum(math.ceil(length / size) for length in lengths)
        check_warmup(model, options.epochs * steps, options.epochs)
        self.keep = options.keep_best or options.patience is not None
        check_room(model, self.keep)
        self.program = program_for(model, size, options.shuffle)
        self.state: State = read_state(model, self.keep)
        self.live = {name: np.float32(value) for name, value in read_live(model).items()}
        self.first_candidate = math.ceil(getattr(model, "warmup_steps", 0) / steps)
        self.rows = np.zeros((0, len(self.program.columns)), np.float32)
        self.metrics, self.buffer = self.program.zero_metrics(), 0
        self.checkpoints: Checkpoints | None = None
        self._train, self._test = _passes(self.program)

    def identity(self) -> dict[str, str]:
        """What makes this training the one it is, by the name under which a refusal tells a difference."""
        return {
            **describe_models([self.model]),
            "the training data": self.source.fingerprint(),
            "the buffers": str((self.layout.chunk_rows, self.layout.per_buffer, self.layout.held_out.tolist())),
            "the batch size, the seed of the order, shuffling": str(
                [self.options.batch_size, self.layout.seed, self.options.shuffle]
            ),
            "early stopping": str([self.options.patience, self.options.keep_best]),
        }

    def keep_in(self, checkpoints: Checkpoints, resume: bool, notes: Callable[[str], None] | None) -> None:
        """Keep the state in `checkpoints`, and go on from there where that is asked for."""
        self.checkpoints = checkpoints
        kept = checkpoints.load() if resume else None
        for note in checkpoints.notes if notes else ():
            notes(note)
        if kept is not None:
            leaves, tree = jax.tree.flatten((self.state, self.metrics))
            read = jax.device_put([kept[f"state.{i}"] for i in range(len(leaves))])
            self.state, self.metrics = jax.tree.unflatten(tree, read)
            self.rows, self.buffer = kept["rows"], int(kept["buffer"])
            checkpoints.check_length(len(self.rows), self.options.epochs)

    def save(self) -> None:
        """Keep the state between two buffers."""
        if self.checkpoints is not None:
            leaves = jax.tree.leaves((self.state, self.metrics))
            arrays = {f"state.{i}": np.asarray(a) for i, a in enumerate(leaves)}
            number = len(self.rows) * 1_000_000 + self.buffer
            self.checkpoints.save({"rows": self.rows, "buffer": np.array(self.buffer), **arrays}, number)

    def finish(self, progress: Progress | None, keep_end: bool) -> Training:
        """Train to the end and give the model its weights."""
        epochs, patience = self.options.epochs, self.options.patience or NEVER
        with closing(ahead(self.source, self.layout, self._plan())) as self.blocks, DeferredInterrupt() as interrupt:
            if self._starts():
                losses = self._validate()
                self.state = self.state._replace(best_loss=jnp.float32(losses[self.program.columns.index("loss")]))
            while len(self.rows) < epochs and not self.state.stopped:
                for _ in self._epoch():
                    if progress is not None and len(self.rows):
                        progress(len(self.rows), epochs, self._shown())
                    if interrupt.pending or (self.checkpoints is not None and self.checkpoints.due()):
                        self.save()
                    if interrupt.pending:
                        write_state(self.model, self.state)
                        raise KeyboardInterrupt(f"training was interrupted in epoch {len(self.rows) + 1} of {epochs}")
                self._end_epoch(patience)
                if progress is not None:
                    progress(len(self.rows), epochs, self._shown())
        if keep_end or interrupt.pending:
            self.save()
        write_state(self.model, self.state, best=self.keep)
        if interrupt.pending:
            raise KeyboardInterrupt("training was interrupted at its end")
        table = history(self.rows, self.program.columns, len(self.layout.held_out) > 0)
        best = int(self.state.best_epoch) if self.keep else None
        return Training(table, best, bool(self.state.stopped))

    def _starts(self) -> bool:
        """Whether the state before the first epoch is one of the candidates, and has not been validated."""
        return self.keep and self.first_candidate == 0 and len(self.rows) == 0 and self.buffer == 0

    def _plan(self) -> Iterator[np.ndarray]:
        """The chunks of all buffers from here on, in the order in which they are used: none is waited for."""
        first, done = len(self.rows), self.buffer
        if self._starts():
            yield from self.layout.held_out_buffers()
        for epoch in range(first, self.options.epochs):
            yield from self.layout.buffers(epoch)[done if epoch == first else 0 :]
            yield from self.layout.held_out_buffers()

    def _epoch(self) -> Iterator[None]:
        """Train on the buffers of this pass that are left; stop for a moment after each."""
        epoch = len(self.rows)
        buffers = self.layout.buffers(epoch)
        for block in islice(self.blocks, len(buffers) - self.buffer):
            turn = np.int32(epoch * len(buffers) + self.buffer)
            good = copied((self.state, self.metrics))
            carry = (*self.state[:3], self.metrics, jnp.int32(-1))
            *values, self.metrics, bad = self._train(carry, block, seed_word(self.layout.seed), turn, self.live)
            self.state = self.state._replace(**dict(zip(State._fields[:3], values, strict=True)))
            if int(bad) >= 0:  # waits for the device; the next buffer is being read meanwhile
                self._diverged(good, int(bad), block)
            self.buffer += 1
            yield

    def _diverged(self, good: tuple[State, list[jax.Array]], step: int, block: np.ndarray) -> None:
        """Go back to the state before this buffer, keep it, and say what happened."""
        (self.state, self.metrics), at = good, self.buffer
        rate = float(self._rate())
        self.save()
        write_state(self.model, self.state)
        kept = "The last good state is that before this buffer"
        kept += f", kept in {'this error as models' if self.checkpoints is None else self.checkpoints.folder}."
        now = np.full((1, len(self.program.columns)), np.nan, np.float32)
        rows = np.concatenate([self.rows, now])
        error = diverged(rows, self.program.columns, step, block, rate, kept, f"In buffer {at + 1} of the pass")
        error.models = [self.model]
        raise error

    def _end_epoch(self, patience: int) -> None:
        row = [*self.program.results(self.metrics), self._rate(), *self._validate()]
        self.rows = np.concatenate([self.rows, np.array([[float(v) for v in row]], np.float32)])
        self.metrics, self.buffer = self.program.zero_metrics(), 0
        self.state = self.state._replace(epochs=self.state.epochs + 1)
        if self.keep:
            loss = jnp.float32(self.rows[-1, self.program.columns.index("val_loss")])
            self.state = self.program.keep_best(self.state, loss, patience, self.first_candidate)

    def _rate(self) -> jax.Array:
        with live_values(self.program.model, self.live):  # the program's own model may have another one's
            return self.program.learning_rate(self.state)

    def _validate(self) -> list[jax.Array]:
        metrics = self.program.zero_metrics()
        if len(self.layout.held_out) == 0:
            return [jnp.float32(jnp.nan)] * len(self.program.results(metrics))
        for block in islice(self.blocks, len(self.layout.held_out_buffers())):
            metrics = jax.block_until_ready(self._test(self.state, metrics, block, self.live))
        return self.program.results(metrics)

    def _shown(self) -> dict[str, float]:
        named = zip(self.program.columns, self.rows[-1].tolist(), strict=True)
        return {name: value for name, value in named if not math.isnan(value)}


def _passes(program: Program) -> tuple[Callable, Callable]:
    """The compiled pass through a buffer, and the validation on one."""

    def train(carry, block, seed, turn, live):
        with live_values(program.model, live):
            n = block.shape[0]
            order = epoch_order(seed, turn, n) if program.shuffle else jnp.arange(n, dtype="int32")
            return program.pass_over(carry, block, order)

    def test(state, metrics, block, live):
        with live_values(program.model, live):
            return program.test_rows(state, metrics, block, jnp.arange(block.shape[0], dtype="int32"))

    if not hasattr(program, "stream"):
        program.stream = compiled(train, donate_argnums=0), compiled(test)
    return program.stream
