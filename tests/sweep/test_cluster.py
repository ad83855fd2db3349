"""A sweep on a Dask cluster, where a worker dies, ends with the table of the undisturbed one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pandas as pd
import pytest

from latentome.errors import InputError
from latentome.sweep.cluster import Cluster, ClusterError, describe_worker

distributed = pytest.importorskip("distributed")


@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_is_killed_changes_nothing(done, make, told, tmp_path):
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as local:
        victim = local.workers[0].pid

        def kill_while_it_trains():
            while not (tmp_path / "out" / "store" / "store.json").exists():
                time.sleep(0.01)
            time.sleep(0.5)
            os.kill(victim, signal.SIGKILL)

        threading.Thread(target=kill_while_it_trains, daemon=True).start()
        found = make(tmp_path / "out", on=local.scheduler_address, reporter=told)
    pd.testing.assert_frame_equal(
        found.trials.drop(columns="seconds"), done.trials.drop(columns="seconds"), check_exact=True
    )


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_dies_ends_the_sweep_and_what_was_done_stays(done, make, tmp_path):
    file, out = tmp_path / "scheduler.json", tmp_path / "out"
    options = ["--no-dashboard", "--scheduler-file", str(file)]
    module = [sys.executable, "-W", "ignore", "-m", "distributed.cli.dask_scheduler", "--port", "0"]
    scheduler = subprocess.Popen([*module, *options], stderr=subprocess.DEVNULL)
    worker = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "distributed.cli.dask_worker", "--nthreads", "1", *options],
        stderr=subprocess.DEVNULL,
    )

    def kill_after_the_first_unit():
        while not list(out.glob("results/*.json")):
            time.sleep(0.01)
        scheduler.kill()

    try:
        while not file.exists():
            time.sleep(0.05)
        threading.Thread(target=kill_after_the_first_unit, daemon=True).start()
        with pytest.raises(ClusterError, match=r"scheduler of the cluster has gone.*\n(.*\n)*.*--resume"):
            make(out, on=f"tcp://{json.loads(file.read_text())['address'].removeprefix('tcp://')}")
    finally:
        scheduler.kill()
        worker.terminate()
        scheduler.wait()
        worker.wait()
    assert list(out.glob("results/*.json"))
    found = make(out, resume=True)
    pd.testing.assert_frame_equal(
        found.trials.drop(columns="seconds"), done.trials.drop(columns="seconds"), check_exact=True
    )


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_does_not_answer_is_refused_in_time(tmp_path):
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


def test_job_scripts_say_what_was_asked_for():
    pytest.importorskip("dask_jobqueue")
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
    told = describe_worker(str(tmp_path))
    assert told["sees the folder"] is False
    assert {"latentome", "jax", "keras", "numpy"} <= told.keys()
