"""The compiled trainer: whole chunks of epochs as one program, the data and their order on the device.

``model.fit`` returns to Python at every step. Here the very same step, ``model.train_step``, runs inside
``jax.lax.scan`` over the batches and ``jax.lax.while_loop`` over the epochs. The order of the samples is drawn on the
device, the last partial batch is trained with its right weight, and Python is back only at the end of a chunk. Models
that differ in their seeds and in the values of their live hyperparameters train together: on an accelerator as
``jax.vmap`` of that program, on processors in threads that share it (see `latentome.training.pieces`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras

from latentome.models import compiled, in_float32
from latentome.training import one_function
from latentome.training.cache import keep_compiled_programs
from latentome.training.lanes import COMPILER_OPTIONS, is_plain, pass_in_lanes
from latentome.training.live import live_names, live_values, read_live
from latentome.training.optimizers import program_key
from latentome.training.order import epoch_order
from latentome.training.state import State

#: The most epochs that one call of the compiled program may run: the length of its table of metrics.
MAX_CHUNK = 512
#: The most validation rows that are passed through the model at once.
VALIDATION_ROWS = 1024
#: How many compiled programs are kept; the one that was used longest ago goes first.
MAX_PROGRAMS = 16


class Sample(NamedTuple):
    """What one model is trained on.

    `rows` and `held_out` are the rows of the data that are trained on and validated on, by their numbers; after so many
    `epochs` its training ends; `live` are the values of the live hyperparameters. All numbers are int32.
    """

    rows: Any
    held_out: Any
    seed: Any
    epochs: Any
    live: dict[str, Any]


class Limits(NamedTuple):
    """When a training ends.

    The chunk ends after epoch `last`; the training after `patience` epochs without a lower validation loss than that of
    any trained epoch before. `first_candidate`, one for each of several models, is the first epoch that may be the best
    one: before it the KL term has not its full weight, and its loss cannot be compared with later ones.
    """

    last: int
    patience: int
    first_candidate: Any


#: Which arguments of a chunk of epochs each of several models has its own of.
MEMBERS = (0, None, 0, None, Limits(None, None, 0))


class Program:
    """The compiled chunk of epochs of one architecture, optimizer and shape of data.

    Parameters
    ----------
    model
        A compiled model. It serves as the template of the computation; its weights are neither read nor changed.
    batch_size
        Rows of a batch. The rows that are left at the end of an epoch make a smaller last batch.
    shuffle
        Whether each epoch draws a new order of the samples.
    devices
        Devices that share every batch; none for the default device.
    """

    def __init__(
        self, model: keras.Model, batch_size: int, shuffle: bool = True, devices: Sequence[jax.Device] = ()
    ) -> None:
        keep_compiled_programs()
        model.optimizer.build(model.trainable_variables)
        self.model, self.batch_size, self.shuffle = model, batch_size, shuffle
        names: list[str] = []
        jax.eval_shape(lambda: names.extend(model.get_metrics_result()))  # not computed, as programs of their own
        self.columns = [*names, "learning_rate", *(f"val_{name}" for name in names)]
        self.live = live_names(model)
        self.mesh = jax.sharding.Mesh(devices, ("batch",)) if len(devices) > 1 else None
        options = one_function.compiler_options() if self.tiny else None
        self.run = compiled(self._run, options, donate_argnums=0)
        self.run_members = compiled(self._run_members, donate_argnums=0)
        self._pieces: dict[tuple[Any, ...], Callable] = {}
        self.start = compiled(self._start, options, donate_argnums=0)  # the loss that `run` would give, to the bit
        self.start_members = compiled(jax.vmap(self._start, in_axes=(0, None, 0)), donate_argnums=0)

    @property
    def in_threads(self) -> bool:
        """Whether several of these models train in threads, on a processor, and not as `run_members`."""
        return jax.default_backend() == "cpu" and self.mesh is None

    @functools.cached_property
    def tiny(self) -> bool:
        """Whether such a model is small enough to train in one function of a processor, or many in its lanes."""
        layers = self.model._flatten_layers(include_self=False)
        shapes = [tuple(v.shape) for v in self.model.trainable_variables]
        return (
            self.in_threads
            and all(layer.compute_dtype == "float32" for layer in layers)
            and one_function.is_tiny(shapes, self.batch_size)
        )

    def has_lanes(self, data: jax.Array) -> bool:
        """Whether many of these models train side by side in the lanes of the processor's vectors."""
        if not self.tiny:
            return False
        variables = (self.model.trainable_variables, self.model.non_trainable_variables, self.model.optimizer.variables)
        carry = (*([v.value for v in some] for some in variables), *self._begin_pass())
        batch = jax.ShapeDtypeStruct((self.batch_size, data.shape[1]), jnp.float32)
        return is_plain(self._live_step, carry, read_live(self.model), batch, jnp.int32(0))

    def _live_step(self, carry, live, batch, number):
        with live_values(self.model, live):
            return self.step(carry, batch, number)

    def place(self, tree: Any) -> Any:
        """Put arrays where the program runs: on each of its devices, so that it need not compile for another place."""
        if self.mesh is None:
            return jax.device_put(tree)
        return jax.device_put(tree, jax.sharding.NamedSharding(self.mesh, jax.sharding.PartitionSpec()))

    def _start(self, state: State, data, sample: Sample) -> State:
        """Make the state before the first epoch a candidate for the best one."""
        with live_values(self.model, sample.live):
            metrics = self._validate(state, data, sample.held_out)
        return state._replace(best_loss=metrics[self.columns.index("loss")])

    def _run_members(self, states: State, data, samples: Sample, first, limits: Limits) -> tuple[State, jax.Array]:
        return jax.vmap(self._run, in_axes=MEMBERS)(states, data, samples, first, limits)

    def _run_piece(self, states: State, data, samples: Sample, first, limits: Limits) -> tuple[State, jax.Array]:
        run = functools.partial(self._run, lanes=True)
        return jax.vmap(run, in_axes=MEMBERS)(states, data, samples, first, limits)

    def piece(self, *args: Any) -> Callable:
        """The compiled chunk of epochs of a piece; compiled here, so that threads which share it do not each do it."""
        key = tuple((a.shape, str(a.dtype)) for a in jax.tree.leaves(args))
        if key not in self._pieces:
            run = jax.jit(self._run_piece, donate_argnums=0, compiler_options=COMPILER_OPTIONS)
            self._pieces[key] = run.lower(*args).compile()
        return self._pieces[key]

    def _run(
        self, state: State, data, sample: Sample, first, limits: Limits, lanes: bool = False
    ) -> tuple[State, jax.Array]:
        """Train the epochs ``first .. limits.last - 1``; return the state and a row of metrics for each epoch."""

        def goes_on(carry):
            epoch, state, _ = carry
            ends = jnp.minimum(limits.last, sample.epochs)
            return (epoch < ends) & ~state.stopped & (state.bad_step < 0)

        def one_epoch(carry):
            epoch, state, rows = carry
            with live_values(self.model, sample.live):
                state, row = self._epoch(state, data, sample, epoch, lanes)
                row += self._validate(state, data, sample.held_out)
            if state.best:
                loss = row[self.columns.index("val_loss")]
                state = self.keep_best(state, loss, limits.patience, limits.first_candidate)
            return epoch + 1, state, rows.at[epoch - first].set(jnp.stack(row))

        rows = jnp.full((MAX_CHUNK, len(self.columns)), jnp.nan, dtype="float32")
        _, state, rows = jax.lax.while_loop(goes_on, one_epoch, (first, state, rows))
        return state, rows

    def _epoch(self, state: State, data, sample: Sample, epoch, lanes: bool) -> tuple[State, list[jax.Array]]:
        order = functools.partial(epoch_order, n_samples=sample.rows.shape[0])
        order = one_function.in_one_function(order) if lanes or self.tiny else order
        rows = sample.rows[order(sample.seed, epoch)] if self.shuffle else sample.rows
        if lanes:
            ends = functools.partial(self._end_of_pass, steps=math.ceil(rows.shape[0] / self.batch_size))
            whole = pass_in_lanes(self._live_step, self._begin_pass, ends, self.batch_size)
            carry = whole(state[:3], sample.live, rows, data)
        else:
            whole = one_function.pass_in_one_function(self._whole_pass) if self.tiny else self._whole_pass
            carry = whole(state[:3], data, rows)
        trainable, fixed, optimizer, metrics, bad = carry
        state = State(trainable, fixed, optimizer, *state[3:])._replace(epochs=state.epochs + 1, bad_step=bad)
        return state, [*self.results(metrics), self.learning_rate(state)]

    def _begin_pass(self) -> tuple[list[jax.Array], jax.Array]:
        """What a carry has behind the values of the model before the first step: metrics, and no bad step."""
        return self.zero_metrics(), jnp.int32(-1)

    def _whole_pass(self, values, data, rows):
        return self.pass_over((*values, *self._begin_pass()), data, rows)

    def pass_over(self, carry, data, rows):
        """Train on rows of the data, by their numbers, in their order, batch after batch; a carry as that of `step`."""
        n, size = rows.shape[0], self.batch_size
        full = n // size

        def step(carry, numbered):
            return self.step(carry, data[numbered[1]], numbered[0]), None

        if full:  # a loop of no turns, too, would be traced and compiled
            carry, _ = jax.lax.scan(step, carry, (jnp.arange(full), rows[: full * size].reshape(full, size)))
        if n % size:
            carry, _ = step(carry, (full, rows[full * size :]))
        return self._end_of_pass(carry, math.ceil(n / size))

    @staticmethod
    def _end_of_pass(carry, steps: int):
        """A loss can be finite while the update that follows it is not."""
        *values, bad = carry
        sound = jnp.isfinite(sum(jnp.sum(a) for a in values[0]))
        return (*values, jnp.where((bad < 0) & ~sound, steps - 1, bad))

    def step(self, carry, batch, number):
        """One step of training, by its number in the epoch from 0: from carry to carry.

        The carry are trainable, other, optimizer and metrics values, as ``model.train_step`` takes them, and the first
        step of the epoch with a loss that is not finite, or -1.
        """
        *values, bad = carry
        if self.mesh is not None and batch.shape[0] % self.mesh.size == 0:
            split = jax.sharding.NamedSharding(self.mesh, jax.sharding.PartitionSpec("batch"))
            batch = jax.lax.with_sharding_constraint(batch, split)
        logs, values = self.model.train_step(tuple(values), (batch,))
        first = (bad < 0) & ~jnp.isfinite(logs["loss"])  # the mean so far: what is lost stays lost
        return (*values, jnp.where(first, jnp.int32(number), bad))

    def keep_best(self, state: State, loss, patience, first_candidate) -> State:
        """Keep this state where its validation `loss` is the best so far; stop where it has not fallen for too long."""
        candidate = state.epochs >= first_candidate
        better, lower = candidate & (loss < state.best_loss), candidate & (loss < state.lowest_loss)
        now = [*state.trainable, *state.non_trainable]
        lowest_epoch = jnp.where(lower, state.epochs, state.lowest_epoch)
        return state._replace(
            best=[jnp.where(better, new, old) for new, old in zip(now, state.best, strict=True)],
            best_loss=jnp.where(better, loss, state.best_loss),
            best_epoch=jnp.where(better, state.epochs, state.best_epoch),
            lowest_loss=jnp.where(lower, loss, state.lowest_loss),
            lowest_epoch=lowest_epoch,
            stopped=state.epochs - jnp.maximum(lowest_epoch, first_candidate) >= patience,
        )

    def _validate(self, state: State, data, held_out) -> list[jax.Array]:
        """The metrics on the held-out rows, nothing sampled and nothing updated; NaN where there are no such rows."""
        metrics = self.zero_metrics()
        if held_out.shape[0] == 0:
            return [jnp.float32(jnp.nan)] * len(self.results(metrics))
        return self.results(self.test_rows(state, metrics, data, held_out))

    def test_rows(self, state: State, metrics: list[jax.Array], data, rows) -> list[jax.Array]:
        """Add some rows of the data to the metrics of a validation."""
        full = rows.shape[0] // VALIDATION_ROWS * VALIDATION_ROWS

        def add(metrics, part):
            _, (_, _, metrics) = self.model.test_step((state.trainable, state.non_trainable, metrics), (data[part],))
            return metrics, None

        if full:
            metrics, _ = jax.lax.scan(add, metrics, rows[:full].reshape(-1, VALIDATION_ROWS))
        return add(metrics, rows[full:])[0] if full < rows.shape[0] else metrics

    def zero_metrics(self) -> list[jax.Array]:
        """The metrics before the first batch."""
        return [jnp.zeros(v.shape, v.dtype) for v in self.model.metrics_variables]

    def results(self, metrics: list[jax.Array]) -> list[jax.Array]:
        """The values of the metrics, in the order of the history's columns."""
        with keras.StatelessScope(state_mapping=list(zip(self.model.metrics_variables, metrics, strict=True))):
            return [jnp.asarray(v, "float32") for v in self.model.get_metrics_result().values()]

    def learning_rate(self, state: State) -> jax.Array:
        """The learning rate of the step that comes next."""
        optimizer = self.model.optimizer
        with keras.StatelessScope(state_mapping=list(zip(optimizer.variables, state.optimizer, strict=True))):
            return jnp.asarray(optimizer.learning_rate, "float32")


_programs: dict[tuple[Any, ...], Program] = {}


@in_float32
def program_for(model: keras.Model, batch_size: int, shuffle: bool, devices: Sequence[jax.Device] = ()) -> Program:
    """The program of `model`, shared by all models of the same architecture and optimizer, so that it compiles once.

    A model without an ``architecture`` (one of the user's own) gets a program of its own.
    """
    if not hasattr(model, "architecture"):
        return Program(model, batch_size, shuffle, devices)
    key = (*program_key(model, model.architecture), batch_size, shuffle, tuple(devices))
    program = _programs.pop(key, None)
    if program is None:
        # A copy, because the user is free to compile the model anew, with another optimizer, while the program lives.
        template = type(model).from_config(model.get_config())
        template.compile(optimizer=type(model.optimizer).from_config(model.optimizer.get_config()))
        program = Program(template, batch_size, shuffle, devices)
    _programs[key] = program
    while len(_programs) > MAX_PROGRAMS:
        del _programs[next(iter(_programs))]
    return program
