"""Rows of a matrix given to a function as tasks of Dask: by threads, by processes, by the workers of a cluster.

What is asked of some rows is one task, whatever the chunks, and the answers come in the order of the questions. So
neither the chunks, nor the scheduler, nor the number of its workers change a bit of what is made of them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from latentome.errors import InputError
    from latentome.io.backed import BackedMatrix

#: Without a cluster so many tasks for each thread are given at once: their answers are in memory together.
EACH = 4


class Wrong(NamedTuple):
    """The first values that are no finite numbers: where they are in the matrix, and what they are."""

    rows: list[int]
    columns: list[int]
    values: list[str]


class Lazy:
    """A Dask array of which rows are computed when they are asked for, dense whatever its chunks are."""

    def __init__(self, array: Any) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, rows: slice) -> np.ndarray:
        return dense(self.array[rows].compute())


def is_lazy(x: Any) -> bool:
    """Whether values are a Dask array."""
    return hasattr(x, "__dask_graph__")


def dense(part: Any) -> np.ndarray:
    """A chunk, or the matrix of an AnnData in whatever form, as an array."""
    part = part.to_memory() if hasattr(part, "to_memory") else part
    return part.toarray() if hasattr(part, "toarray") else np.asarray(part)


def densely(array: Any) -> Any:
    """A Dask array whose chunks may be sparse as one whose chunks are not."""
    return array.map_blocks(dense, meta=np.empty((0, 0), array.dtype))


def not_finite(values: np.ndarray, numbers: np.ndarray) -> Wrong | None:
    """Find what is missing, infinite or beyond float32 in the rows with these numbers; None if nothing is."""
    finite = np.isfinite(values)
    if finite.all():
        return None
    at = np.argwhere(~finite)[:1000]
    return Wrong(numbers[at[:, 0]].tolist(), at[:, 1].tolist(), [str(values[i, j]) for i, j in at])


def windows(numbers: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Ranges that hold rows with ascending numbers, none more than twice as long as there are rows in all.

    Gives first row, last row + 1, and the places in between of those that are wanted.
    """
    which = (numbers - numbers[0]) // (2 * len(numbers))
    for some in np.split(numbers, np.flatnonzero(np.diff(which)) + 1):
        yield int(some[0]), int(some[-1]) + 1, some - some[0]


def map_array(
    array: Any,
    function: Callable[..., Any],
    numbers: Sequence[np.ndarray],
    more: Sequence[Sequence[Any]],
    refusal: Callable[[Wrong], InputError],
) -> Iterator[Any]:
    """As `latentome.io.BackedMatrix.map`, of a Dask array; `refusal` is made of values that are missing or infinite."""
    import dask

    shared, task = dask.delayed(function, pure=False, traverse=False), dask.delayed(_ask, pure=False)
    tasks = []
    for mine, *own in zip(numbers, *more, strict=True):
        ranges = list(windows(mine))
        tasks.append(task([array[a:b] for a, b, _ in ranges], [taken for *_, taken in ranges], mine, shared, *own))
    for answer in _answers(tasks):
        if isinstance(answer, Wrong):
            raise refusal(answer)
        yield answer


def map_path(
    path: Path, function: Callable[..., Any], numbers: Sequence[np.ndarray], more: Sequence[Sequence[Any]]
) -> Iterator[Any]:
    """As `latentome.io.BackedMatrix.map`, of a matrix on disk that each process opens itself."""
    import dask

    shared, task = dask.delayed(function, pure=False, traverse=False), dask.delayed(_read_and_ask, pure=False)
    yield from _answers([task(str(path), mine, shared, *own) for mine, *own in zip(numbers, *more, strict=True)])


def _answers(tasks: list[Any]) -> Iterator[Any]:
    """What the tasks give, in their order, some at a time."""
    import dask

    client = getattr(dask.base.get_scheduler(collections=tasks), "__self__", None)
    if hasattr(client, "gather"):  # of distributed: an answer waits at its worker until it is asked for
        futures = client.compute(tasks)[::-1]
        try:
            while futures:
                yield futures.pop().result()
        finally:
            client.cancel(futures)
        return
    at_once = EACH * (os.cpu_count() or 1)
    for first in range(0, len(tasks), at_once):
        yield from dask.compute(*tasks[first : first + at_once])


def _ask(
    parts: list[Any], taken: list[np.ndarray], numbers: np.ndarray, function: Callable[..., Any], *own: Any
) -> Any:
    """In a task: what the function makes of the rows, or what is wrong with them."""
    with np.errstate(over="ignore"):  # beyond float32 is infinite: told below
        blocks = [np.require(dense(part), np.float32, ["C"]) for part in parts]
    blocks = [block if len(some) == len(block) else block[some] for block, some in zip(blocks, taken, strict=True)]
    rows = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    wrong = not_finite(rows, numbers)
    return function(rows, *own) if wrong is None else wrong


def _read_and_ask(path: str, numbers: np.ndarray, function: Callable[..., Any], *own: Any) -> Any:
    """In a task: the same of a matrix on disk."""
    matrix, reading = _opened(path, os.stat(path).st_mtime_ns)
    with reading:
        rows = matrix.rows(numbers)
    return function(rows, *own)


@lru_cache(maxsize=2)
def _opened(path: str, changed: int) -> tuple[BackedMatrix, AbstractContextManager]:
    """A matrix on disk, and what keeps threads from reading one file at once; a folder of Zarr has many."""
    from latentome.io.backed import open_matrix

    del changed  # a file that was written anew is opened anew
    return open_matrix(path), nullcontext() if os.path.isdir(path) else threading.Lock()
