"""Units done by the workers of a Dask cluster, which come and go."""

from __future__ import annotations

import contextlib
import queue
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from latentome._version import __version__
from latentome.sweep.cluster import Cluster, ClusterError, import_extra
from latentome.sweep.plan import Unit
from latentome.sweep.pool import Done
from latentome.sweep.request import SweepRequest
from latentome.sweep.work import do_unit_from_disk, failed_rows

if TYPE_CHECKING:
    from latentome.workflow.reporter import Reporter

#: What shows the jobs of a batch system.
JOBS = {"slurm": "squeue --me", "lsf": "bjobs", "sge": "qstat"}
#: Seconds without a worker after which a sweep ends; not while a batch system has yet to start the first one.
WAIT = 600.0
#: Seconds without a worker after which that is said; then again after twice as many, and at least every ten minutes.
SILENCE, REPEAT = 10.0, 600.0
#: Seconds without a result after which the workers are looked for.
LOOK = 5.0
#: What has to be the same in the client and in its workers for the same numbers.
VERSIONS = ("jax", "keras", "numpy", "scikit-learn")


class Session:
    """The connection of a sweep to a cluster: opened for its first units, kept for those of later rounds."""

    def __init__(self, cluster: Cluster, folder: Path, reporter: Reporter) -> None:
        self.cluster, self.folder, self.reporter = cluster, folder, reporter
        #: What the workers have to see.
        self.store = folder.resolve() / "store" / "store.json"
        self._opened, self._client = contextlib.ExitStack(), None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def client(self) -> Any:
        """The client; refused where there is no cluster, or its workers are not fit for the sweep."""
        if self._client is None:
            self._client = self._opened.enter_context(self.cluster.client(self.folder))
            self.reporter.say(f"Dask dashboard: {self._client.dashboard_link}")
            check_workers(self._client, self.cluster, self.store)
        return self._client

    def has_jobs(self) -> bool:
        """Whether a batch system lists a job of ours, waiting or running; also where it does not tell."""
        cluster = getattr(self._client, "cluster", None)
        ids = {str(job.job_id) for job in getattr(cluster, "workers", {}).values()}
        try:
            told = subprocess.run(JOBS[self.cluster.kind].split(), capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            return True
        return not ids or told.returncode != 0 or bool(ids & set(re.findall(r"\d+", told.stdout)))


def on_dask(units: Sequence[Unit], request: SweepRequest, session: Session) -> Iterator[Done]:
    """Do units on the workers of a cluster; each unit that is done is given at once.

    A task is a handful of numbers: the workers read the data from the folder of the sweep, which they have to see. A
    worker that dies loses its unit, which another one begins anew from its last state; a unit that has cost three
    workers their lives is given as failed.

    Raises
    ------
    ClusterError
        If the scheduler dies, or there has been no worker for too long.
    """
    try:
        yield from _collect(units, request, session)
    except _lost() as error:
        raise ClusterError(
            "The scheduler of the cluster has gone.",
            where=f"{session.cluster.address or session.cluster.kind}: {type(error).__name__}",
            expected="a scheduler that lives as long as the sweep",
            todo="start it again and go on with --resume: what was done by then is kept",
        ) from error


def _collect(units: Sequence[Unit], request: SweepRequest, session: Session) -> Iterator[Done]:
    client, folder = session.client, str(session.folder.resolve())
    # A key of its own: another sweep on the same cluster may have the same units of other data.
    sweep, seen, done = uuid4().hex, str(session.store), queue.SimpleQueue()
    task = partial(_do_unit, describe_worker(seen), seen)
    futures = {
        client.submit(task, u, request, folder, key=f"unit-{u.number}-{sweep}", pure=False, priority=-u.number): u
        for u in units
    }
    try:
        for future in futures:
            future.add_done_callback(done.put)
        watch = _Watch(session)
        for _ in range(len(futures)):
            yield _result(watch.next_of(done), futures)
    finally:
        with contextlib.suppress(*_lost()):
            client.cancel(list(futures))


def _result(future: Any, futures: dict[Any, Unit]) -> Done:
    unit = futures[future]
    try:
        return unit, future.result()
    except import_extra("distributed").KilledWorker:
        reason = "The workers that trained it were killed; is there enough memory?"
        return unit, {"identity": "", "rows": failed_rows(unit, reason), "curves": []}


def _do_unit(client: dict[str, Any], seen: str, unit: Unit, request: SweepRequest, folder: str) -> dict[str, Any]:
    """At a worker, which may have come after the others were looked at."""
    _check_same("a worker", client, describe_worker(seen))
    return do_unit_from_disk(unit, request, folder)


class _Watch:
    """Waits for results; says how long a cluster has had no worker, and ends the waiting."""

    def __init__(self, session: Session) -> None:
        self._session, self._begun, self._told = session, time.monotonic(), 0.0
        self._last: float | None = None

    def next_of(self, done: queue.SimpleQueue) -> Any:
        """The next future that is done."""
        while True:
            try:
                return done.get(timeout=LOOK)
            except queue.Empty:
                self._look(len(self._workers()), time.monotonic())

    def _workers(self) -> Any:
        try:
            return self._session.client.nthreads()
        except OSError as error:
            raise import_extra("distributed.comm").CommClosedError("it does not answer") from error

    def _look(self, workers: int, now: float) -> None:
        cluster, reporter = self._session.cluster, self._session.reporter
        if workers:
            if self._told:
                reporter.say(f"Workers are there again: {workers}.")
            self._last, self._told = now, 0.0
            return
        alone = now - (self._begun if self._last is None else self._last)
        place = f"{cluster.address or cluster.kind}, {alone:.0f} s"
        limit = WAIT if cluster.wait is None and not (cluster.is_batch and self._last is None) else cluster.wait
        if limit is not None and alone >= limit:
            raise ClusterError(
                "The cluster has no workers any more." if self._last is not None else "The cluster has no workers.",
                where=place,
                expected=f"a worker within {limit:g} s (--wait)",
                todo=f"start some{self._hint()}; then go on with --resume: what was done by then is kept",
            )
        if alone >= max(SILENCE, min(2 * self._told, self._told + REPEAT)):
            if cluster.is_batch and self._last is None and not self._session.has_jobs():
                raise ClusterError(
                    "The jobs have ended, and none became a worker.",
                    where=place,
                    expected="jobs that reach the scheduler on this machine, and its folder",
                    todo=f"read their logs in {self._session.folder / 'jobs'}; then go on with --resume",
                )
            ends = "" if limit is None else f", at most {limit:g} s"
            reporter.say(f"No worker for {alone:.0f} s ({place.split(',')[0]}): waiting for one{ends}{self._hint()}.")
            self._told = alone

    def _hint(self) -> str:
        kind = self._session.cluster.kind
        return (
            f"; '{JOBS[kind]}' shows the jobs, {self._session.folder / 'jobs'} has their logs" if kind in JOBS else ""
        )


def _lost() -> tuple[type[Exception], ...]:
    """What is raised where the scheduler is gone."""
    return (import_extra("distributed.comm").CommClosedError, CancelledError)


def check_workers(client: Any, cluster: Cluster, path: Path) -> None:
    """Refuse a cluster without workers, and workers that would give other numbers or do not see a path."""
    if cluster.kind == "dask":
        try:
            client.wait_for_workers(1, timeout=cluster.timeout)
        except TimeoutError as error:
            raise ClusterError(
                "The cluster has no workers.",
                where=f"{cluster.address}, waited for {cluster.timeout:g} s",
                expected="at least one worker (dask worker ADDRESS)",
                todo="start some",
            ) from error
    ours = describe_worker(str(path))
    told = client.run(describe_worker, str(path), on_error="return")
    for worker, theirs in told.items():
        if isinstance(theirs, OSError):  # it died meanwhile: what it was given goes to others
            continue
        if isinstance(theirs, Exception):
            theirs = {"latentome": f"{type(theirs).__name__}: {theirs}"}
        _check_same(worker, ours, theirs)


def _check_same(worker: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    wrong = {name: (ours[name], theirs.get(name)) for name in ours if ours[name] != theirs.get(name)}
    if wrong:
        raise ClusterError(
            "A worker of the cluster is not fit for this work.",
            where=f"{worker}: " + "; ".join(f"{n}: {a!r} here, {b!r} there" for n, (a, b) in wrong.items()),
            expected="workers with the same versions that see the data where this machine sees them",
            todo="install the same versions there, or use a shared file system (-o)",
        )


def describe_worker(path: str) -> dict[str, Any]:
    """Versions, and whether a path is there."""
    from importlib import metadata

    return {"latentome": __version__, **{n: metadata.version(n) for n in VERSIONS}, f"sees {path}": Path(path).exists()}
