"""A sweep through Slurm gives the table of one process: with a real Slurm where there is one, and with a stand-in."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys

import pandas as pd
import pytest

from latentome.sweep.cluster import Cluster

pytest.importorskip("dask_jobqueue")

#: Starts a script as a process of its own, as sbatch would on a node, and refuses what sbatch refuses.
SBATCH = """#!{python}
import pathlib, re, subprocess, sys
script = pathlib.Path(sys.argv[-1])
lines = script.read_text().splitlines()
asked = [line.split(maxsplit=1)[1] for line in lines if line.startswith("#SBATCH")]
known = re.compile(
    r"(-J \\S+|-p \\S+|-n 1|-o \\S+|-e \\S+|-t \\d+:\\d\\d:\\d\\d|--cpus-per-task=\\d+|--mem=\\d+[KMG])$"
)
wrong = [line for line in asked if not known.match(line)]
if not lines[0].startswith("#!") or wrong:
    sys.exit(f"sbatch: error: invalid: {{wrong or lines[0]}}")
process = subprocess.Popen(["bash", str(script)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
pathlib.Path({jobs!r}, f"{{process.pid}}.sh").write_text("\\n".join(lines))
print("Submitted batch job", process.pid)
"""


def same(found, expected):
    """Equal bit for bit, but for the seconds."""
    pd.testing.assert_frame_equal(found.drop(columns="seconds"), expected.drop(columns="seconds"), check_exact=True)


def slurm_answers() -> bool:
    """Whether this machine can give a job to a Slurm."""
    if shutil.which("sbatch") is None or shutil.which("sinfo") is None:
        return False
    told = subprocess.run(["sinfo", "--noheader", "--states=idle,mixed"], capture_output=True, text=True, check=False)
    return told.returncode == 0 and bool(told.stdout.strip())


@pytest.mark.filterwarnings("ignore")
def test_jobs_of_a_stand_in_for_slurm(done, make, monkeypatch, tmp_path):
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
    asked = {"partition": "norm", "memory": "2GB", "walltime": "00:10:00", "cores": 1}
    found = make(tmp_path / "out", on=Cluster.parse("slurm", 1, **asked))
    same(found.trials, done.trials)
    scripts = [path.read_text() for path in jobs.iterdir()]
    assert len(scripts) == 1
    assert "#SBATCH -p norm" in scripts[0]


@pytest.mark.skipif(not slurm_answers(), reason="no Slurm answers here")
@pytest.mark.filterwarnings("ignore")
def test_jobs_of_a_real_slurm(done, make, tmp_path):
    cluster = Cluster.parse("slurm", 1, memory="2GB", walltime="00:10:00", cores=1)
    script = tmp_path / "job.sh"
    script.write_text(cluster.job_script())
    judged = subprocess.run(["sbatch", "--test-only", str(script)], capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stderr
    same(make(tmp_path / "out", on=cluster).trials, done.trials)
