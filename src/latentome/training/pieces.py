"""A group of models cut into pieces, which threads train side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from latentome.training.engine import Limits, Program, Sample
from latentome.training.lanes import LANES
from latentome.training.state import State


def run_pieces(
    program: Program, state: State, data: jax.Array, samples: Sample, first: int, limits: Limits
) -> tuple[State, np.ndarray]:
    """Run a chunk of epochs of many tiny models as `run_members` of a program with `has_lanes` does, piece by piece.

    A piece has always as many models, the last one filled up with copies of the last model, and runs in one thread. So
    neither the number of processors nor that of the models changes any bit of a model.
    """
    models = len(limits.first_candidate)
    numbers = np.arange(-(-models // LANES) * LANES).clip(max=models - 1).reshape(-1, LANES)
    own = jax.tree.map(np.asarray, (state, samples, limits.first_candidate))

    def arguments(members: np.ndarray, last: int) -> tuple[Any, ...]:
        states, sample, candidate = jax.device_put(jax.tree.map(lambda a: a[members], own), may_alias=False)
        return states, data, sample, np.int32(first), Limits(np.int32(last), np.int32(limits.patience), candidate)

    run = program.piece(*arguments(numbers[0], first))
    done = _side_by_side(run, arguments, numbers, first, int(limits.last), np.int32)
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:models], *done)


def run_each(
    program: Program, state: State, data: jax.Array, samples: Sample, first: int, limits: Limits, compiled: bool
) -> tuple[State, np.ndarray]:
    """Run a chunk of epochs of several models as the program's `run_members` does, each by itself, on all processors.

    Every model runs through the program of a single one, and has its bits. The operations of such a step are too small
    to be shared out among processors, and as products of many models at once the compiler would run them one by one.
    Where the program is not `compiled` yet, the first model goes ahead: threads would all compile it.
    """
    own = jax.tree.map(np.asarray, (state, samples))

    def arguments(member: int, last: int) -> tuple[Any, ...]:
        mine, sample = jax.device_put(jax.tree.map(lambda a: a[member], own), may_alias=False)
        return mine, data, sample, first, Limits(last, limits.patience, int(limits.first_candidate[member]))

    members = range(len(limits.first_candidate))
    if not compiled:
        program.run(*arguments(0, first))  # no epoch at all
    done = _side_by_side(program.run, arguments, members, first, int(limits.last), int)
    return jax.tree.map(lambda *parts: np.stack(parts), *done)


def start_each(program: Program, state: State, data: jax.Array, samples: Sample) -> State:
    """Make the state of every model before its first epoch a candidate for its best one; see the program's `start`."""
    own = jax.tree.map(np.asarray, (state, samples))
    done = []
    for member in range(len(own[0].epochs)):
        mine, sample = jax.device_put(jax.tree.map(lambda a, i=member: a[i], own), may_alias=False)
        done.append(program.start(mine, data, sample))
    return jax.tree.map(lambda *parts: np.stack(parts), *done)


def _side_by_side(
    run: Callable, arguments: Callable, pieces: Sequence[Any], first: int, last: int, number: Callable
) -> list[tuple[State, np.ndarray]]:
    """State and table of each piece after the epochs ``first .. last - 1``."""
    # In two halves each, which leave a processor idle for half as long where the pieces cannot be shared out evenly.
    middle = (first + last + 1) // 2

    def begin(piece: Any) -> tuple[tuple[Any, ...], np.ndarray]:
        given = arguments(piece, middle)
        state, table = run(*given)
        return (state, *given[1:]), np.array(table)

    def go_on(begun: Future) -> tuple[State, np.ndarray]:
        (state, data, sample, _, limits), table = begun.result()
        state, rest = run(state, data, sample, number(middle), limits._replace(last=number(last)))
        table[..., middle - first : last - first, :] = np.asarray(rest)[..., : last - middle, :]
        return jax.tree.map(np.asarray, state), table

    with ThreadPoolExecutor(min(len(pieces), processors())) as pool:
        begun = [pool.submit(begin, piece) for piece in pieces]
        return list(pool.map(go_on, begun))  # in this order, so that what is waited for has always begun


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
