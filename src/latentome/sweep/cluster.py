"""Where the trainings of a sweep run: here, or on a Dask cluster, which runs already or which a batch system starts."""

from __future__ import annotations

import contextlib
import importlib
import logging
import queue
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentome.errors import InputError, LatentomeError, extra, nearest

#: The batch systems, with the class of dask-jobqueue that speaks to each and what it calls a partition.
BATCH = {"slurm": "SLURMCluster", "lsf": "LSFCluster", "sge": "SGECluster"}


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
    wait
        Seconds without any worker after which a sweep ends; by default 600, and without end for the first job of a
        batch system, whose queue may be long.
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
    wait: float | None = None

    @classmethod
    def parse(
        cls,
        text: str,
        workers: int | None = None,
        *,
        option: str = "--on",
        kinds: Sequence[str] = ("here", "local", *BATCH),
        **asked: Any,
    ) -> Cluster:
        """From what an option says.

        Parameters
        ----------
        text
            The place.
        workers
            Number of local processes, or of jobs.
        option, kinds
            The option, for messages, and the places beside the address of a scheduler that it takes.
        **asked
            What each job asks for.

        Raises
        ------
        InputError
            If it is no such place.
        """
        if workers is not None and workers < 1:
            raise InputError(
                "No process would train.", where=f"workers={workers}", expected="1 or more", todo="correct it"
            )
        if "://" in text:
            return cls("dask", text, workers, **asked)
        if text not in kinds:
            raise InputError(
                f"There is no place '{text}'.",
                where=f"{option} {text}",
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
        made = self._batch_class().job_cls("tcp://SCHEDULER:PORT", name="latentome", **self._job_options())
        return made.job_script()

    def _batch_class(self) -> Any:
        return getattr(import_extra("dask_jobqueue"), BATCH[self.kind])

    def _job_options(self) -> dict[str, Any]:
        """What a job asks for, in the words of dask-jobqueue."""
        directives = []
        if self.gpus:
            directives = {"slurm": [f"--gpus={self.gpus}"], "lsf": [f'-gpu "num={self.gpus}"'],
                          "sge": [f"-l gpu={self.gpus}"]}[self.kind]  # fmt: skip
        return {
            "queue": self.partition,
            "memory": self.memory,
            "walltime": self.walltime,
            "cores": self.cores,
            "processes": 1,
            "job_extra_directives": directives,
            # One unit at a time: JAX uses all processors of its job.
            "worker_extra_args": ["--nthreads", "1"],
        }

    def _submit(self, folder: Path, stack: contextlib.ExitStack) -> Any:
        """Give the jobs to the batch system: the cluster of dask-jobqueue, whose scheduler runs in this process."""
        kind, told = self._batch_class(), queue.SimpleQueue()
        where = stack.enter_context(
            kind(
                job_cls=_telling(kind.job_cls, told),
                **self._job_options(),
                scheduler_options={"dashboard_address": ":0"},
                log_directory=str(folder / "jobs"),
            )
        )
        where.scale(jobs=self.workers or 1)
        refused = [text for text in (told.get() for _ in range(self.workers or 1)) if text]
        if refused:
            raise ClusterError(
                f"The batch system '{self.kind}' does not take the jobs.",
                where=refused[0],
                expected="a machine that can submit jobs, and a partition, memory and walltime that are granted",
                todo="correct the options; --dry-run shows the job script",
            )
        return where

    @contextlib.contextmanager
    def client(self, folder: Path) -> Iterator[Any]:
        """A client of the cluster; jobs keep their logs in a folder.

        Raises
        ------
        ClusterError
            If the scheduler does not answer in time.
        """
        distributed = import_extra("distributed")
        with contextlib.ExitStack() as stack:
            where = self._submit(folder, stack) if self.is_batch else self.address
            try:
                client = stack.enter_context(distributed.Client(where, timeout=self.timeout, set_as_default=False))
                # What happens to the connection is told by the error that ends the sweep.
                logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
            except (OSError, TimeoutError) as error:
                raise ClusterError(
                    "The scheduler of the cluster does not answer.",
                    where=f"{self.address}, asked for {self.timeout:g} s: {error}",
                    expected="a running Dask scheduler (dask scheduler) that this machine can reach",
                    todo="start it, or correct the address",
                ) from error
            yield client


def _telling(kind: Any, told: queue.SimpleQueue) -> Any:
    """A class of jobs that tell whether they were taken: empty, or why not. Their own would fail where nobody hears."""

    class Telling(kind):
        async def start(self) -> None:
            problem = "it failed in a way of its own"
            try:
                await super().start()
                problem = ""
            except (OSError, RuntimeError, ValueError) as error:
                problem = " ".join(str(error).split())
            finally:  # whatever happens, somebody waits for the answer
                if problem:
                    self.status = import_extra("distributed").Status.running  # so that it can be closed
                told.put(problem)

    return Telling


def import_extra(name: str) -> Any:
    """A module of the extra ``cluster``, refused where it is not installed."""
    with extra("cluster", f"The package '{name.replace('_', '-')}' is not installed.", where=f"import {name}"):
        return importlib.import_module(name)
