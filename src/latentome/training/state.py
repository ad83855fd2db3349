"""The state of a training: all that it changes, between a Keras model and the compiled program."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import keras
import numpy as np


class State(NamedTuple):
    """All that training changes, as lists of device arrays in the order of the model's variables.

    `best` are the trainable and the other values after the best epoch so far, empty where none is kept; `best_loss` and
    `best_epoch` its validation loss and number; 0 is the state before the first epoch. `lowest_loss` and `lowest_epoch`
    are the same of the trained epochs alone: the start can be the best for long while the training gets better.
    `bad_step` is the step of the last epoch, from 0, at which the loss stopped being finite, or -1. `stopped` says that
    the training has ended early, because the validation loss no longer improved.
    """

    trainable: list[jax.Array]
    non_trainable: list[jax.Array]
    optimizer: list[jax.Array]
    best: list[jax.Array]
    best_loss: jax.Array
    best_epoch: jax.Array
    lowest_loss: jax.Array
    lowest_epoch: jax.Array
    epochs: jax.Array
    bad_step: jax.Array
    stopped: jax.Array


def read_state(model: keras.Model, keep_best: bool = False, copy: bool = True) -> State:
    """The variables of a compiled `model` and its optimizer; copies of them may be donated to the program."""
    model.optimizer.build(model.trainable_variables)
    groups = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
    trainable, fixed, optimizer = ([v.value for v in variables] for variables in groups)
    if copy:
        trainable, fixed, optimizer = copied(trainable), copied(fixed), copied(optimizer)
    best = (copied if copy else list)([*trainable, *fixed]) if keep_best else []
    infinite, zero, stopped = np.float32(np.inf), np.int32(0), np.bool_(False)
    start = jax.device_put((infinite, zero, infinite, zero, zero, np.int32(-1), stopped))  # computed by no program
    return State(trainable, fixed, optimizer, best, *start)


def copied(tree: Any) -> Any:
    """Copies of the arrays of a tree, where they are; `jnp.copy` would compile a program for each of their shapes."""
    return jax.device_put(tree, may_alias=False)


def write_state(model: keras.Model, state: State, best: bool = False) -> None:
    """Give the arrays of `state`, or of its best epoch, back to the variables of `model` and its optimizer."""
    model.optimizer.build(model.trainable_variables)
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    arrays = state.best if best else [*state.trainable, *state.non_trainable]
    pairs = zip([*variables, *model.optimizer.variables], [*arrays, *state.optimizer], strict=True)
    for variable, array in pairs:
        variable.assign(array)


def widen(state: State, shapes: State) -> State:
    """Fill the arrays of `state` up with zeros to those `shapes`, on the host: each shape would be a program."""

    def fill(array: jax.Array, like: jax.ShapeDtypeStruct) -> jax.Array:
        missing = [(0, n - m) for m, n in zip(array.shape, like.shape, strict=True)]
        return np.pad(np.asarray(array), missing) if any(more for _, more in missing) else array

    return jax.tree.map(fill, state, shapes)


def narrow(state: State, shapes: State) -> State:
    """Cut the arrays of `state` back to those `shapes`."""
    return jax.tree.map(lambda a, like: a[tuple(slice(n) for n in like.shape)], state, shapes)
