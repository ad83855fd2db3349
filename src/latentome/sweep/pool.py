"""Units done after each other in this process, or side by side in local processes that may die."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentome.sweep.plan import Unit
from latentome.sweep.request import SweepRequest
from latentome.sweep.work import do_unit, do_unit_from_disk, failed_rows

if TYPE_CHECKING:
    from latentome.sweep.store import Store
    from latentome.workflow.reporter import Reporter

#: How often a unit is begun whose process dies.
ATTEMPTS = 3

Done = tuple[Unit, dict[str, Any]]


def in_this_process(
    units: Sequence[Unit], request: SweepRequest, store: Store, folder: Path, reporter: Reporter
) -> Iterator[Done]:
    """Do units one after the other; what is trained of one counts in the progress of all."""
    before, total = 0, sum(len(unit.trials) for unit in units)
    for unit in units:
        share = functools.partial(_share, reporter, before, len(unit.trials), total)
        yield unit, do_unit(unit, request, store, folder, share)
        before += len(unit.trials)


def _share(
    reporter: Reporter, before: int, trials: int, total: int, done: int, epochs: int, row: Mapping[str, float]
) -> None:
    reporter.progress(before + trials * done / epochs, total, row)


def in_processes(units: Sequence[Unit], request: SweepRequest, folder: Path, workers: int) -> Iterator[Done]:
    """Do units in processes, with the data in the folder's ``store``; each unit that is done is given at once.

    A process that dies takes only its own unit with it, which another one begins anew from its last state. A unit whose
    process dies three times is given as failed.
    """
    waiting, attempts = list(units)[::-1], dict.fromkeys((unit.number for unit in units), 0)
    pools = [_pool() for _ in range(min(workers, len(units)))]
    running: dict[Future, tuple[int, Unit]] = {}
    try:
        while waiting or running:
            busy = {place for place, _ in running.values()}
            for place in range(len(pools)):
                if place not in busy and waiting:
                    unit = waiting.pop()
                    attempts[unit.number] += 1
                    asked = (do_unit_from_disk, unit, request, str(folder))
                    try:
                        future = pools[place].submit(*asked)
                    except BrokenProcessPool:  # it died between two units
                        pools[place] = _pool()
                        future = pools[place].submit(*asked)
                    running[future] = (place, unit)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                place, unit = running.pop(future)
                try:
                    yield unit, future.result()
                except BrokenProcessPool:
                    pools[place].shutdown(wait=False)
                    pools[place] = _pool()
                    if attempts[unit.number] < ATTEMPTS:
                        waiting.append(unit)
                    else:
                        reason = f"The process that trained it was killed {ATTEMPTS} times; is there enough memory?"
                        yield unit, {"identity": "", "rows": failed_rows(unit, reason), "curves": []}
    finally:
        for pool in pools:
            _end(pool)


def _pool() -> ProcessPoolExecutor:
    """One process, started afresh: a fork of a process with JAX's threads would hang."""
    from multiprocessing import get_context

    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_live_and_die_with_the_sweep)


def _live_and_die_with_the_sweep() -> None:
    """Ctrl-C reaches every process of a terminal: the one that collects decides what ends. Without it all do."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the sweep's has died: nobody holds its folder any more, and another may go on there."""
    from multiprocessing import parent_process

    parent_process().join()
    os._exit(1)


def _end(pool: ProcessPoolExecutor) -> None:
    """End the process of a pool, whatever it does: its unit is begun anew from its last state."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        with contextlib.suppress(OSError, ValueError):
            process.terminate()
    for process in processes:
        process.join()


def default_workers() -> int:
    """As many processes as there are processors to run on; one where they would share a GPU."""
    import jax

    from latentome.training.pieces import processors

    return processors() if jax.default_backend() == "cpu" else 1
