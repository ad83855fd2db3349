"""A sweep on a Dask cluster ends with the table of the undisturbed one in one process, whatever dies meanwhile.

It has three rounds, over which one cluster is kept.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time

import pandas as pd
import pytest

from latentome import sweep
from latentome.sweep import workers
from latentome.sweep.cluster import Cluster, ClusterError

distributed = pytest.importorskip("distributed")
jobqueue = pytest.importorskip("dask_jobqueue")

#: Nine configurations of one width, one of which diverges: of nine, three and one the best are trained for longer.
GRID = {"n_components": [2], "learning_rate": [1e-4, 1e-3, 3e-3, 0.01, 0.02, 0.03, 0.05, 0.1, 1e30]}

#: Starts a script as a process of its own, as sbatch would on a node, and refuses what sbatch refuses.
SBATCH = """#!{python}
import pathlib, re, subprocess, sys
script = pathlib.Path(sys.argv[-1])
lines = script.read_text().splitlines()
asked = [line.split(maxsplit=1)[1] for line in lines if line.startswith("#SBATCH")]
known = re.compile(
    r"(-J \\S+|-p norm|-n 1|-o \\S+|-e \\S+|-t \\d+:\\d\\d:\\d\\d|--cpus-per-task=\\d+|--mem=\\d+[KMG])$"
)
wrong = [line for line in asked if not known.match(line)]
if not lines[0].startswith("#!") or wrong:
    sys.exit(f"sbatch: error: invalid: {{wrong or lines[0]}}")
log = open({jobs!r} + ".log", "w")
process = subprocess.Popen(["bash", str(script)], stdout=log, stderr=log)
pathlib.Path({jobs!r}, f"{{process.pid}}.sh").write_text("\\n".join(lines))
print("Submitted batch job", process.pid)
"""


@pytest.fixture(scope="module")
def halve(files):
    """Run the sweep."""

    def _halve(out, **how):
        fixed = {"optimizer": "sgd", "max_epochs": 9}
        return sweep.run(files / "expression.tsv", "linear", GRID, out, folds=2, halving=3, parameters=fixed, **how)

    return _halve


@pytest.fixture(scope="module")
def undisturbed(halve, tmp_path_factory):
    return halve(tmp_path_factory.mktemp("sweeps") / "whole")


def same(found, expected):
    """Equal bit for bit, but for the seconds."""
    found, expected = (table.trials.drop(columns="seconds") for table in (found, expected))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_is_killed_changes_nothing(undisturbed, halve, told, tmp_path):
    # One worker, which another one follows: what it had begun is begun anew.
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as local:
        victim = local.workers[0].pid

        def kill_while_it_trains():
            while not list(tmp_path.glob("out/results/*.json")):
                time.sleep(0.01)
            os.kill(victim, signal.SIGKILL)

        threading.Thread(target=kill_while_it_trains, daemon=True).start()
        same(halve(tmp_path / "out", on=local.scheduler_address, reporter=told), undisturbed)
    assert sum("Dask dashboard" in text for text in told.said) == 1, "one connection for three rounds"


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_dies_ends_the_sweep_and_what_was_done_stays(undisturbed, halve, tmp_path):
    file, out = tmp_path / "scheduler.json", tmp_path / "out"
    options = ["--no-dashboard", "--scheduler-file", str(file)]
    scheduler, worker = (
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", f"distributed.cli.dask_{name}", *more, *options],
            stderr=subprocess.DEVNULL,
        )
        for name, more in (("scheduler", ["--port", "0"]), ("worker", ["--nthreads", "1", "--no-nanny"]))
    )

    def kill_after_the_first_unit():
        while not list(out.glob("results/*.json")):
            time.sleep(0.01)
        scheduler.kill()

    try:
        end = time.monotonic() + 60
        while not file.exists() and scheduler.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        threading.Thread(target=kill_after_the_first_unit, daemon=True).start()
        with pytest.raises(ClusterError, match=r"scheduler of the cluster has gone.*\n(.*\n)*.*--resume"):
            halve(out, on=Cluster("dask", json.loads(file.read_text())["address"], timeout=100))
    finally:
        scheduler.kill()
        worker.terminate()
        scheduler.wait()
        worker.wait()
    assert list(out.glob("results/*.json"))
    same(halve(out, resume=True), undisturbed)


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """An sbatch and an scancel of our own; the folder of what was submitted."""
    tools, jobs = tmp_path / "bin", tmp_path / "submitted"
    tools.mkdir()
    jobs.mkdir()
    for name, text in {
        "sbatch": SBATCH.format(python=sys.executable, jobs=str(jobs)),
        "scancel": "#!/bin/sh\nkill $1",
    }.items():
        (tools / name).write_text(text)
        (tools / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    return jobs


@pytest.mark.filterwarnings("ignore")
def test_jobs_of_a_stand_in_for_slurm(undisturbed, halve, stand_in, tmp_path):
    asked = {"partition": "norm", "memory": "2GB", "walltime": "00:10:00", "cores": 1, "wait": 120}
    same(halve(tmp_path / "out", on=Cluster.parse("slurm", 1, **asked)), undisturbed)
    scripts = [path.read_text() for path in stand_in.iterdir()]
    assert len(scripts) == 1, "one job for three rounds"
    assert "#SBATCH -p norm" in scripts[0]


@pytest.mark.filterwarnings("ignore")
def test_jobs_that_are_refused(halve, stand_in, tmp_path):
    with pytest.raises(ClusterError, match=r"'slurm' does not take the jobs.\n.*sbatch: error: invalid: .'-p nrom'"):
        halve(tmp_path / "out", on=Cluster.parse("slurm", 1, partition="nrom"))
    assert not list(stand_in.iterdir())


@pytest.mark.filterwarnings("ignore")
def test_jobs_that_end_before_they_are_workers_are_not_awaited(halve, stand_in, tmp_path, monkeypatch):
    tools = tmp_path / "bin"
    (tools / "sbatch").write_text("#!/bin/sh\necho Submitted batch job 4711")
    queue = tools / "squeue"
    queue.write_text("#!/bin/sh\necho \"  JOBID USER\"; echo ' 47110 me'")
    queue.chmod(stat.S_IRWXU)
    monkeypatch.setattr(workers, "LOOK", 0.05)
    monkeypatch.setattr(workers, "SILENCE", 0.2)
    with pytest.raises(ClusterError, match=r"jobs have ended, and none became a worker.(.|\n)*out/jobs; .*--resume"):
        halve(tmp_path / "out", on=Cluster.parse("slurm", 1, wait=30))


def slurm_answers() -> bool:
    """Whether this machine can give a job to a Slurm."""
    if shutil.which("sbatch") is None or shutil.which("sinfo") is None:
        return False
    try:
        told = subprocess.run(["sinfo", "--noheader", "--states=idle,mixed"], capture_output=True, text=True, timeout=2)
    except subprocess.TimeoutExpired:
        return False
    return told.returncode == 0 and bool(told.stdout.strip())


@pytest.mark.filterwarnings("ignore")
def test_jobs_of_a_real_slurm(undisturbed, halve, tmp_path):
    if not slurm_answers():  # asked here, and not while tests are collected: one that is down lets wait for seconds
        pytest.skip("no Slurm answers here")
    cluster = Cluster.parse("slurm", 1, memory="2GB", walltime="00:10:00", cores=1)
    script = tmp_path / "job.sh"
    script.write_text(cluster.job_script())
    judged = subprocess.run(["sbatch", "--test-only", str(script)], capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stderr
    same(halve(tmp_path / "out", on=cluster), undisturbed)
