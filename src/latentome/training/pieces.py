"""A group of tiny models cut into pieces of equal size, which threads train side by side."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from latentome.training.engine import Limits, Program, Sample, State
from latentome.training.lanes import LANES


def run_pieces(
    program: Program, state: State, data: jax.Array, samples: Sample, first: int, limits: Limits
) -> tuple[State, np.ndarray]:
    """Run a chunk of epochs of many models, piece by piece on all processors.

    A piece has always as many models, the last one filled up with copies of the last model, and runs in one thread. So
    neither the number of processors nor that of the models changes any bit of a model.

    Parameters
    ----------
    program
        One with `has_lanes`.
    state, data, samples, first, limits
        As the program's `run_members` takes them.

    Returns
    -------
    The state and the table of metrics, models x epochs x columns.
    """
    models = len(limits.first_candidate)
    numbers = np.arange(-(-models // LANES) * LANES).clip(max=models - 1).reshape(-1, LANES)
    own = jax.tree.map(np.asarray, (state, samples, limits.first_candidate))
    # In two halves each, which leave a processor idle for half as long where the pieces cannot be shared out evenly.
    middle, last = (int(first) + int(limits.last) + 1) // 2, int(limits.last)

    def arguments(members: np.ndarray) -> tuple[Any, ...]:
        states, sample, candidate = jax.device_put(jax.tree.map(lambda a: a[members], own), may_alias=False)
        return states, data, sample, np.int32(first), Limits(np.int32(middle), np.int32(limits.patience), candidate)

    run = program.piece(*arguments(numbers[0]))

    def begin(members: np.ndarray) -> tuple[tuple[Any, ...], np.ndarray]:
        given = arguments(members)
        states, table = run(*given)
        return (states, *given[1:]), np.array(table)

    def go_on(begun: Future) -> tuple[State, np.ndarray]:
        (states, data, sample, _, limits), table = begun.result()
        states, rest = run(states, data, sample, np.int32(middle), limits._replace(last=np.int32(last)))
        table[:, middle - first : last - first] = np.asarray(rest)[:, : last - middle]
        return jax.tree.map(np.asarray, states), table

    with ThreadPoolExecutor(min(len(numbers), processors())) as pool:
        begun = [pool.submit(begin, members) for members in numbers]
        done = list(pool.map(go_on, begun))  # in this order, so that what is waited for has always begun
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:models], *done)


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
