"""The compiled trainer: whole chunks of epochs as one program, the data and their order on the device.

``model.fit`` returns to Python at every step. Here the very same step, ``model.train_step``, runs inside
``jax.lax.scan`` over the batches and ``jax.lax.while_loop`` over the epochs. The order of the samples is drawn on the
device, the last partial batch is trained with its right weight, and Python is back only at the end of a chunk.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras

from latentome.training.optimizers import describe_optimizer

#: The most epochs that one call of the compiled program may run: the length of its table of metrics.
MAX_CHUNK = 512
#: The most validation rows that are passed through the model at once.
VALIDATION_ROWS = 1024
#: How many compiled programs are kept; the one that was used longest ago goes first.
MAX_PROGRAMS = 16


class State(NamedTuple):
    """All that training changes, as lists of device arrays in the order of the model's variables."""

    trainable: list[jax.Array]
    non_trainable: list[jax.Array]
    optimizer: list[jax.Array]


def epoch_order(seed: int, epoch, n_samples: int) -> jax.Array:
    """The order in which an epoch visits the samples; a function of the seed and the epoch, nothing else.

    Parameters
    ----------
    seed
        Seed of the training run.
    epoch
        Number of the epoch, from 0.
    n_samples
        Number of samples.

    Returns
    -------
    A permutation of ``0 .. n_samples - 1``.
    """
    return jax.random.permutation(jax.random.fold_in(jax.random.key(seed), epoch), n_samples)


def read_state(model: keras.Model) -> State:
    """Copy the variables of a compiled `model` and its optimizer; the copies may be donated to the program."""
    model.optimizer.build(model.trainable_variables)
    return State(
        *(
            [jnp.array(v.value, copy=True) for v in variables]
            for variables in (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
        )
    )


def write_state(model: keras.Model, state: State) -> None:
    """Give the arrays of `state` back to the variables of `model` and its optimizer."""
    model.optimizer.build(model.trainable_variables)
    groups = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
    for variables, arrays in zip(groups, state, strict=True):
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)


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
    """

    def __init__(self, model: keras.Model, batch_size: int, shuffle: bool = True) -> None:
        model.optimizer.build(model.trainable_variables)
        self.model, self.batch_size, self.shuffle = model, batch_size, shuffle
        names = list(model.get_metrics_result())
        self.columns = [*names, "learning_rate", *(f"val_{name}" for name in names)]
        self.run = jax.jit(self._run, donate_argnums=0)

    def _run(self, state: State, data, validation, seed, first, last) -> tuple[State, jax.Array]:
        """Train the epochs ``first .. last - 1``; return the state and one row of metrics for each epoch."""

        def one_epoch(carry):
            epoch, state, rows = carry
            state, logs = self._epoch(state, data, seed, epoch)
            row = jnp.stack([*logs, self._learning_rate(state), *self._validate(state, validation)])
            return epoch + 1, state, rows.at[epoch - first].set(row)

        rows = jnp.full((MAX_CHUNK, len(self.columns)), jnp.nan, dtype="float32")
        _, state, rows = jax.lax.while_loop(lambda carry: carry[0] < last, one_epoch, (first, state, rows))
        return state, rows

    def _epoch(self, state: State, data, seed, epoch) -> tuple[State, list[jax.Array]]:
        n, size = data.shape[0], self.batch_size
        order = epoch_order(seed, epoch, n) if self.shuffle else jnp.arange(n)

        def step(carry, rows):
            return self._step(carry, data[rows]), None

        full = n // size
        carry = (*state, self._zero_metrics())
        carry, _ = jax.lax.scan(step, carry, order[: full * size].reshape(full, size))
        if n % size:
            carry, _ = step(carry, order[full * size :])
        *state, metrics = carry
        return State(*state), self._results(metrics)

    def _step(self, carry, batch):
        _, carry = self.model.train_step(carry, (batch,))
        return tuple(carry)

    def _validate(self, state: State, validation) -> list[jax.Array]:
        """The metrics on the validation rows, nothing sampled and nothing updated; NaN where there are no such rows."""
        metrics = self._zero_metrics()
        if validation.shape[0] == 0:
            return [jnp.float32(jnp.nan)] * len(self._results(metrics))
        for start in range(0, validation.shape[0], VALIDATION_ROWS):
            carry = (state.trainable, state.non_trainable, metrics)
            _, (_, _, metrics) = self.model.test_step(carry, (validation[start : start + VALIDATION_ROWS],))
        return self._results(metrics)

    def _zero_metrics(self) -> list[jax.Array]:
        return [jnp.zeros(v.shape, v.dtype) for v in self.model.metrics_variables]

    def _results(self, metrics) -> list[jax.Array]:
        with keras.StatelessScope(state_mapping=list(zip(self.model.metrics_variables, metrics, strict=True))):
            return [jnp.asarray(v, "float32") for v in self.model.get_metrics_result().values()]

    def _learning_rate(self, state: State) -> jax.Array:
        optimizer = self.model.optimizer
        with keras.StatelessScope(state_mapping=list(zip(optimizer.variables, state.optimizer, strict=True))):
            return jnp.asarray(optimizer.learning_rate, "float32")


_programs: dict[tuple[Any, ...], Program] = {}


def program_for(model: keras.Model, batch_size: int, shuffle: bool) -> Program:
    """The program of `model`, shared by all models of the same architecture and optimizer, so that it compiles once.

    Parameters
    ----------
    model
        A compiled model. One without an ``architecture`` (a model of the user's own) gets a program of its own.
    batch_size, shuffle
        See `Program`.
    """
    if not hasattr(model, "architecture"):
        return Program(model, batch_size, shuffle)
    optimizer = describe_optimizer(model.optimizer)
    key = (model.architecture, str(optimizer), batch_size, shuffle)
    program = _programs.pop(key, None)
    if program is None:
        # A copy, because the user is free to compile the model anew, with another optimizer, while the program lives.
        template = type(model).from_config(model.get_config())
        template.compile(optimizer=keras.saving.deserialize_keras_object(optimizer))
        program = Program(template, batch_size, shuffle)
    _programs[key] = program
    while len(_programs) > MAX_PROGRAMS:
        del _programs[next(iter(_programs))]
    return program
