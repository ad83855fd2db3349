"""Units done by the workers of a Dask cluster: one that runs already, or one that a batch system starts."""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentome._version import __version__
from latentome.errors import InputError, LatentomeError, nearest
from latentome.sweep.plan import Unit
from latentome.sweep.pool import Done
from latentome.sweep.request import SweepRequest
from latentome.sweep.work import do_unit_from_disk, failed_rows

if TYPE_CHECKING:
    from latentome.workflow.reporter import Reporter

#: The batch systems, with the class of dask-jobqueue that speaks to each and what it calls a partition.
BATCH = {"slurm": "SLURMCluster", "lsf": "LSFCluster", "sge": "SGECluster"}
#: What has to be the same in the client and in its workers for the same numbers.
VERSIONS = ("jax", "keras", "numpy", "scikit-learn")


class ClusterError(LatentomeError, RuntimeError):
    """A cluster cannot be reached, or is not fit to train on."""


@dataclass(frozen=True)
class Cluster:
    """Where the trainings of a sweep run.

    Parameters
    ----------
    kind
        ``here``, ``local``, ``slurm``, ``lsf``, ``sge``, or ``dask`` for a cluster that runs already.
    address
        Of its scheduler.
    workers
        Number of local processes, or of jobs.
    partition, memory, walltime, cores, gpus
        What each job asks for: the partition or queue, such as ``8GB``, such as ``04:00:00``, processors, GPUs.
    timeout
        Seconds to wait for the scheduler, and for a first worker where the cluster runs already.
    """

    kind: str = "here"
    address: str = ""
    workers: int | None = None
    partition: str | None = None
    memory: str = "8GB"
    walltime: str = "04:00:00"
    cores: int = 2
    gpus: int = 0
    timeout: float = 20.0

    @classmethod
    def parse(cls, text: str, workers: int | None = None, **asked: Any) -> Cluster:
        """From what ``--on`` says.

        Raises
        ------
        InputError
            If it is no such place.
        """
        if "://" in text:
            return cls("dask", text, workers, **asked)
        kinds = ["here", "local", *BATCH]
        if text not in kinds:
            raise InputError(
                f"There is no place '{text}' to train on.",
                where=f"--on {text}",
                expected=f"{nearest(text, kinds)} Or the address of a Dask scheduler, such as tcp://host:8786",
                todo="correct the option",
            )
        if text == "here" and workers is not None and workers > 1:
            text = "local"
        return cls(text, "", workers, **asked)

    @property
    def is_batch(self) -> bool:
        """Whether a batch system starts the workers."""
        return self.kind in BATCH

    def job_script(self) -> str:
        """The script of one job, as it would be submitted.

        Raises
        ------
        InputError
            If the cluster is none of a batch system, or dask-jobqueue is not installed.
        """
        if not self.is_batch:
            raise InputError(
                "Only a batch system has job scripts.",
                where=f"on: {self.address or self.kind}",
                expected=f"one of {', '.join(BATCH)}",
                todo="add --on slurm, say",
            )
        with self._batch(None) as made:
            return made.job_script()

    def _batch(self, log: str | None) -> Any:
        """The cluster of dask-jobqueue; its scheduler runs in this process."""
        directives = []
        if self.gpus:
            directives = {"slurm": [f"--gpus={self.gpus}"], "lsf": [f'-gpu "num={self.gpus}"'],
                          "sge": [f"-l gpu={self.gpus}"]}[self.kind]  # fmt: skip
        options: dict[str, Any] = {
            "queue": self.partition,
            "memory": self.memory,
            "walltime": self.walltime,
            "cores": self.cores,
            "processes": 1,
            "job_extra_directives": directives,
            # One unit at a time: JAX uses all processors of its job.
            "worker_extra_args": ["--nthreads", "1"],
            "scheduler_options": {"dashboard_address": ":0"},
            **({"log_directory": log} if log else {}),
        }
        return getattr(_import("dask_jobqueue"), BATCH[self.kind])(**options)

    @contextlib.contextmanager
    def client(self, folder: Path) -> Iterator[Any]:
        """A client of the cluster.

        Raises
        ------
        ClusterError
            If the scheduler does not answer in time.
        """
        distributed = _import("distributed")
        with contextlib.ExitStack() as stack:
            where: Any = self.address
            if self.is_batch:
                where = stack.enter_context(self._batch(str(folder / "jobs")))
                where.scale(jobs=self.workers or 1)
            try:
                client = stack.enter_context(distributed.Client(where, timeout=self.timeout))
                # What happens to the connection is told by the error that ends the sweep.
                logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
            except (OSError, TimeoutError) as error:
                raise ClusterError(
                    "The scheduler of the cluster does not answer.",
                    where=f"{self.address}, asked for {self.timeout:g} s: {error}",
                    expected="a running Dask scheduler (dask scheduler) that this machine can reach",
                    todo="start it, correct the address, or leave --on out",
                ) from error
            yield client


def on_dask(
    units: Sequence[Unit], request: SweepRequest, folder: Path, cluster: Cluster, reporter: Reporter
) -> Iterator[Done]:
    """Do units on the workers of a cluster; each unit that is done is given at once.

    A task is a handful of numbers: the workers read the data from the folder of the sweep, which they have to see. A
    worker that dies loses its unit, which another one begins anew from its last state; a unit that has cost three
    workers their lives is given as failed.
    """
    with cluster.client(folder) as client:
        reporter.say(f"Dask dashboard: {client.dashboard_link}")
        try:
            _check_workers(client, folder, cluster)
            yield from _collect(client, units, request, folder)
        except _lost() as error:
            raise ClusterError(
                "The scheduler of the cluster has gone.",
                where=f"{cluster.address or cluster.kind}: {type(error).__name__}",
                expected="a scheduler that lives as long as the sweep",
                todo="start it again and go on with --resume: what was done by then is kept",
            ) from error


def _collect(client: Any, units: Sequence[Unit], request: SweepRequest, folder: Path) -> Iterator[Done]:
    distributed = _import("distributed")
    futures = {
        client.submit(
            do_unit_from_disk, unit, request, str(folder.resolve()), key=f"unit-{unit.number}-{unit.identity()}",
            pure=False, priority=-unit.number,
        ): unit
        for unit in units
    }  # fmt: skip
    try:
        for future in distributed.as_completed(list(futures)):
            unit = futures[future]
            try:
                yield unit, future.result()
            except distributed.KilledWorker:
                reason = "The workers that trained it were killed; is there enough memory?"
                yield unit, {"identity": "", "rows": failed_rows(unit, reason), "curves": []}
    finally:
        with contextlib.suppress(*_lost()):
            client.cancel(list(futures))


def _lost() -> tuple[type[Exception], ...]:
    """What is raised where the scheduler is gone."""
    return (_import("distributed.comm").CommClosedError, CancelledError)


def _check_workers(client: Any, folder: Path, cluster: Cluster) -> None:
    """Refuse workers that would give other numbers, or do not see the folder of the sweep."""
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
    ours = describe_worker(str(folder.resolve()))
    told = client.run(describe_worker, str(folder.resolve()), on_error="return")
    for worker, theirs in told.items():
        if isinstance(theirs, OSError):  # it died meanwhile: what it was given goes to others
            continue
        if isinstance(theirs, Exception):
            theirs = {"latentome": f"{type(theirs).__name__}: {theirs}"}
        wrong = {name: (ours[name], theirs.get(name)) for name in ours if ours[name] != theirs.get(name)}
        if wrong:
            raise ClusterError(
                "A worker of the cluster is not fit for this sweep.",
                where=f"{worker}: " + "; ".join(f"{n}: {a!r} here, {b!r} there" for n, (a, b) in wrong.items()),
                expected="workers with the same versions that see the folder of the sweep",
                todo="install the same versions there, or put the sweep on a shared file system (-o)",
            )


def describe_worker(folder: str) -> dict[str, Any]:
    """Versions, and whether the data of the sweep can be read."""
    from importlib import metadata

    seen = (Path(folder) / "store" / "store.json").exists()
    return {"latentome": __version__, **{n: metadata.version(n) for n in VERSIONS}, "sees the folder": seen}


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"The package '{name.replace('_', '-')}' is not installed.",
            where="the option --on",
            expected="the extra 'cluster'",
            todo='install it: pip install "latentome[cluster]"',
        ) from error
