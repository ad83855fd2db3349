"""What only a process of its own can show: what is imported, and a real Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

HEAVY = ("keras", "jax", "pandas", "sklearn", "matplotlib", "scipy", "anndata", "openTSNE", "h5py", "numpy")
MAIN = "from latentome.cli import main; main()"


@pytest.mark.parametrize(
    "code",
    ["import latentome; latentome.__version__", "from latentome.cli.main import run; assert run(['--help']) == 0"],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code):
    """The law behind a start in half a second: each of these costs from 0.1 s to 3 s."""
    seen = f"{code}\nimport sys; print('imported:', *sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, timeout=60, check=True)
    imported = done.stdout.rpartition("imported:")[2].split()
    assert "latentome" in imported
    assert sorted(set(HEAVY) & set(imported)) == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_is_130_and_prints_the_command_that_goes_on(tmp_path):
    out = tmp_path / "run"
    arguments = ["train", "blobs", "-m", "linear", "-z", "2", "-e", "5000000", "-o", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        end = time.monotonic() + 60
        while not (out / "manifest.json").exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(1.5)  # most of it compilation; the training itself would take an hour
        os.kill(process.pid, signal.SIGINT)
        printed, told = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert f"to go on: latentome {' '.join(arguments)} --resume" in told
    assert json.loads((out / "manifest.json").read_text())["status"] == "training"
    assert not (out / "model.keras").exists()
    if "training was interrupted after epoch" in told:
        assert (out / "checkpoints" / "training.npz").exists()


def test_exit_codes_leave_the_process():
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "train", "no-such-data"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("latentome: 'no-such-data' is neither a data set nor a file.\n")
