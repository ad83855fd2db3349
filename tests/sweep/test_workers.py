"""What the engine of a cluster does with units, whatever they are: nothing is trained here."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib
import io
import json
import os
import queue
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from latentome.errors import InputError, TrainingError, WriteError
from latentome.sweep import cluster, pool, work, workers
from latentome.sweep.cluster import Cluster, ClusterError
from latentome.sweep.plan import Trial, Unit
from latentome.sweep.request import Configuration, SweepRequest
from latentome.sweep.store import Fold, Store
from latentome.sweep.workers import Session, describe_worker, on_dask
from latentome.workflow import RunConfig

UNITS = [Unit(number, sizes=(1,)) for number in range(1, 5)]


def pretend(unit, request, folder):
    """A unit whose result is the folder that it was done for."""
    time.sleep(0.05)
    return {"identity": Path(folder).name, "rows": [], "curves": []}


@pytest.fixture(scope="module")
def local():
    """A cluster whose workers are threads of this process."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, memory_limit=None
    ) as cluster:
        yield cluster


@pytest.fixture
def session(local, tmp_path, told):
    """Make a session of a sweep's folder."""

    def _session(name="sweep", **how):
        (tmp_path / name / "store").mkdir(parents=True)
        (tmp_path / name / "store" / "store.json").touch()
        return Session(Cluster("dask", local.scheduler_address, **how), tmp_path / name, told)

    return _session


@pytest.mark.filterwarnings("ignore")
def test_two_sweeps_of_the_same_units_at_once_do_not_share_their_results(session, monkeypatch):
    monkeypatch.setattr(workers, "do_unit_from_disk", pretend)
    found = {}

    def run(name):
        with session(name) as mine:
            found[name] = [result["identity"] for _, result in on_dask(UNITS, None, mine)]

    threads = [threading.Thread(target=run, args=[name]) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {name: [name] * len(UNITS) for name in ("one", "other")}


@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_comes_later_and_is_another_is_refused(session, monkeypatch):
    monkeypatch.setattr(workers, "do_unit_from_disk", pretend)
    with session() as mine:
        told, _ = mine.client, monkeypatch.setattr(workers, "VERSIONS", ())
        ours = describe_worker(str(mine.store)) | {"latentome": "0.0.1"}
        future = told.submit(workers._do_unit, ours, str(mine.store), UNITS[0], None, str(mine.folder))
        with pytest.raises(ClusterError, match=r"not fit for this work.\n.*latentome: '0.0.1' here"):
            future.result()


@pytest.mark.filterwarnings("ignore")
def test_workers_that_are_gone_are_told_and_awaited(session, local, told, monkeypatch):
    monkeypatch.setattr(workers, "do_unit_from_disk", pretend)
    monkeypatch.setattr(workers, "LOOK", 0.02)
    monkeypatch.setattr(workers, "SILENCE", 0.1)
    with session() as mine:
        assert mine.client
        local.scale(0)
        while mine.client.nthreads():
            time.sleep(0.01)
        results = on_dask(UNITS, None, mine)

        def said():
            return any(text.startswith("No worker for ") and "at most 600 s" in text for text in told.said)

        def come_back():  # when it was said, however busy the machine is
            until = time.monotonic() + 30
            while not said() and time.monotonic() < until:
                time.sleep(0.01)
            local.scale(2)

        threading.Thread(target=come_back).start()
        assert len(list(results)) == len(UNITS)
    assert said()


def look(session, *minutes_and_workers):
    """What is said where there are so many workers after so many minutes."""
    watch = workers._Watch(session)
    watch._begun = 0.0  # the differences of a clock that runs are not exact
    for minutes, count in minutes_and_workers:
        watch._look(count, watch._begun + 60 * minutes)
    return session.reporter.said


def test_when_it_is_said_and_when_the_waiting_ends(told, tmp_path):
    running = Session(Cluster("dask", "tcp://host:1", wait=3600), tmp_path, told)
    times = [(minutes / 60, 0) for minutes in range(0, 3600, 5)]
    said = look(running, *times, (60, 2), (61, 0))
    assert [int(text.split()[3]) for text in said[:8]] == [10, 20, 40, 80, 160, 320, 640, 1240]
    assert said[-2:] == [
        "Workers are there again: 2.",
        "No worker for 60 s (tcp://host:1): waiting for one, at most 3600 s.",
    ]
    with pytest.raises(ClusterError, match=r"no workers any more.\n.*tcp://host:1, 3600 s\n.*--wait(.|\n)*--resume"):
        look(running, (1, 2), (61, 0))
    with pytest.raises(ClusterError, match=r"has no workers.\n.*600 s"):
        look(Session(Cluster("dask", "tcp://host:1"), tmp_path, told), (10, 0))


def test_the_first_job_may_wait_in_its_queue_for_days(told, tmp_path):
    jobs = Session(Cluster("slurm"), tmp_path, told)
    where = f"'squeue --me' shows the jobs, {tmp_path / 'jobs'} has their logs"
    assert look(jobs, (1, 0), (5000, 0))[0] == f"No worker for 60 s (slurm): waiting for one; {where}."
    with pytest.raises(ClusterError, match=r"no workers any more(.|\n)*squeue --me(.|\n)*--resume"):
        look(jobs, (1, 1), (11, 0))
    with pytest.raises(ClusterError, match="has no workers"):
        look(Session(Cluster("slurm", wait=60), tmp_path, told), (2, 0))


@pytest.mark.parametrize(
    ("listed", "there"),
    [("JOBID PARTITION\n 4711 norm me", True), ("4711_3 norm me", True), ("JOBID\n 471 1", False), (None, True)],
    ids=["waiting or running", "an array", "others' jobs", "a system that does not answer"],
)
def test_jobs_are_looked_for_among_those_of_the_batch_system(listed, there, told, tmp_path, monkeypatch):
    jobs = Session(Cluster("slurm"), tmp_path, told)
    jobs._client = SimpleNamespace(cluster=SimpleNamespace(workers={"a": SimpleNamespace(job_id="4711")}))
    if listed is not None:
        (tmp_path / "squeue").write_text(f"#!/bin/sh\necho '{listed}'")
        (tmp_path / "squeue").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path) + (os.pathsep + "/bin" if listed else ""))
    assert jobs.has_jobs() is there


def test_a_worker_that_outlives_a_sweep_reads_the_data_of_the_next_one(tmp_path):
    for value in (1.0, 2.0):
        fold = Fold(np.full((4, 2), value, np.float32), np.array([True, True, False, False]))
        Store([fold], None).save(tmp_path / "store")
        seen = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(work, "do_unit", lambda unit, request, store, folder, seen=seen: seen.append(store))
            work.do_unit_from_disk(UNITS[0], None, str(tmp_path))
        assert seen[0].folds[0].x[0, 0] == value


def test_a_unit_that_found_no_room_is_named_and_not_kept(tmp_path, monkeypatch):
    unit = Unit(1, (Trial(Configuration(1, "linear", {"n_components": 1}), 0, 0),))
    request = SweepRequest(RunConfig("blobs"), ("linear",), {"n_components": [1, 2]})
    for error, kept in ((WriteError, False), (TrainingError, True)):

        def fail(*_, kind=error):
            raise kind("It failed.", where="there", expected="room", todo="make some")

        monkeypatch.setattr(work, "train_unit", fail)
        result = work.do_unit(unit, request, Store([], None), tmp_path)
        assert result["rows"][0]["error"] == "It failed. there"
        assert result["identity"] == (unit.identity() if kept else "")


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_does_not_answer_is_refused_in_time(tmp_path):
    pytest.importorskip("distributed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
    start = time.monotonic()
    with (
        pytest.raises(ClusterError, match=r"does not answer.\n.*asked for 0.5 s"),
        Cluster("dask", address, timeout=0.5).client(tmp_path),
    ):
        pass
    assert time.monotonic() - start < 10


def test_job_scripts_say_what_was_asked_for(monkeypatch):
    jobqueue = pytest.importorskip("dask_jobqueue")
    for kind in ("SLURMCluster", "LSFCluster", "SGECluster"):  # no scheduler is started for a script
        monkeypatch.setattr(getattr(jobqueue, kind), "__init__", None)
    asked = {"partition": "norm", "memory": "16GB", "walltime": "02:00:00", "cores": 8, "gpus": 1}
    script = Cluster.parse("slurm", **asked).job_script()
    for line in ("#SBATCH -p norm", "#SBATCH --cpus-per-task=8", "#SBATCH -t 02:00:00", "#SBATCH --gpus=1"):
        assert line in script
    assert "#SBATCH --mem=15G" in script  # 16 GB in the units of Slurm, 2^30 bytes, rounded down by dask-jobqueue
    assert "#BSUB -q norm" in Cluster.parse("lsf", **asked).job_script()
    assert "#$ -q norm" in Cluster.parse("sge", **asked).job_script()
    with pytest.raises(InputError, match="Only a batch system"):
        Cluster.parse("local").job_script()


def test_what_a_worker_says_about_itself(tmp_path):
    told = describe_worker(str(tmp_path / "data"))
    assert told[f"sees {tmp_path / 'data'}"] is False
    assert {"latentome", "jax", "keras", "numpy"} <= told.keys()
    json.dumps(told)


def test_a_process_that_dies_between_two_units_is_replaced(monkeypatch, tmp_path):
    made = []

    class OneUnit(ThreadPoolExecutor):
        """A process that is dead when its second unit comes."""

        _processes: ClassVar[dict] = {}

        def submit(self, *asked):
            if self in made:
                raise BrokenProcessPool
            made.append(self)
            return super().submit(*asked)

    monkeypatch.setattr(pool, "ProcessPoolExecutor", lambda *_, **__: OneUnit(1))
    monkeypatch.setattr(pool, "do_unit_from_disk", pretend)
    assert [unit.number for unit, _ in pool.in_processes(UNITS, None, tmp_path, 1)] == [1, 2, 3, 4]
    assert len(made) == 4


@pytest.mark.parametrize(("error", "told"), [(KeyError("x"), "it failed in a way of its own"), (OSError("no"), "no")])
def test_whatever_happens_to_a_job_is_told(error, told):
    """Who waits for the answer would wait without end."""
    answers = queue.SimpleQueue()

    class Job:
        async def start(self):
            raise error

    with contextlib.suppress(KeyError):
        asyncio.run(cluster._telling(Job, answers)().start())
    assert answers.get(timeout=5) == told


def test_a_store_that_was_broken_off_is_written_anew(tmp_path, told, monkeypatch):
    run = importlib.import_module("latentome.sweep.run")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "x-0.npy").write_bytes(b"half")
    monkeypatch.setattr(run, "in_processes", lambda *_: "begun")
    store = Store([Fold(np.ones((4, 2), np.float32), np.array([True, True, False, False]))], None)
    assert run._engine([UNITS[0]], None, store, Session(Cluster("local", workers=2), tmp_path, told)) == "begun"
    np.testing.assert_array_equal(Store.load(tmp_path / "store").folds[0].x, store.folds[0].x)


class Full(io.FileIO):
    """A file on a disk that has room for a header."""

    def write(self, content):
        if len(content) > 1000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(content)


def test_a_full_disk_is_told_by_the_system_where_a_matrix_is_written(tmp_path):
    from latentome.sweep.store import _write

    x = np.arange(600, dtype=np.float32).reshape(300, 2)
    with Full(tmp_path / "x.npy", "w") as stream, pytest.raises(OSError, match="No space left"):
        _write(stream, x)
    with open(tmp_path / "x.npy", "wb") as stream:
        _write(stream, x)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), x)
