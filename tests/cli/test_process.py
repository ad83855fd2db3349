"""What a command does as a process: what is imported, a real Ctrl-C, two writers, a full disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from .conftest import OPTIONS

HEAVY = ("keras", "jax", "pandas", "sklearn", "matplotlib", "scipy", "anndata", "openTSNE", "h5py", "numpy")
MAIN = "from latentome.cli import main; main()"
#: A training of an hour: it ends when it is killed.
ENDLESS = ["train", "blobs", "-m", "linear", "-z", "2", "-e", "5000000"]


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
    if "training was interrupted after epoch" in told:  # else it was still being compiled, on a busy machine
        assert list((out / "checkpoints").glob("*.state"))


def test_exit_codes_leave_the_process():
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "download", "no-such-data"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("latentome: There is no data set 'no-such-data'")


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MAIN, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait(condition, *processes: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 90
    while not condition() and all(process.poll() is None for process in processes) and time.monotonic() < end:
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_of_two_commands_at_the_same_moment_one_trains_and_the_other_is_refused(tmp_path, latentome):
    out = tmp_path / "run"
    both = [start(*ENDLESS, "-o", out), start(*ENDLESS, "-o", out)]
    try:
        wait(lambda: False, *both)  # until one of them ends
        loser, winner = both if both[0].poll() is not None else both[::-1]
        printed, told = loser.communicate(timeout=30)
        assert (loser.returncode, printed) == (2, "")
        assert "Another process is writing into run" in told
        assert f"{out}, held by process {winner.pid} on " in told
        assert "Traceback" not in told
        wait(lambda: (out / "manifest.json").exists(), winner)
        before = (out / "manifest.json").read_bytes()
        # Whatever else is asked for while it trains is refused at once, and changes nothing.
        again = [*ENDLESS, "-o", out]
        for command in (again, [*again, "--resume"], [*again, "--replace"], ["run", *again[1:], "--resume"]):
            code, _, told = latentome(*command)
            assert (code, f"held by process {winner.pid}" in told) == (2, True), command
        assert winner.poll() is None
        assert (out / "manifest.json").read_bytes() == before
        os.kill(winner.pid, signal.SIGKILL)
        winner.wait(timeout=30)
    finally:
        for process in both:
            process.kill()
            process.communicate()
    # Nobody was there to let go of the lock, and nothing has to be removed by hand.
    assert (out / ".lock").exists()
    code, _, told = latentome("train", "blobs", "-m", "linear", "-z", 2, "-e", 2, "-o", out, "--replace")
    assert code == 0, told
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []


@contextmanager
def files_up_to(limit: int):
    """No file of this process may become larger: what a writer sees is a full disk."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
@pytest.mark.parametrize(("limit", "full"), [(1000, "preprocessing.json"), (16000, "model.keras")])
def test_a_full_disk_is_2_and_the_command_goes_on_with_resume(files, finished, tmp_path, latentome, limit, full):
    out = tmp_path / "run"
    arguments = ["train", f"{files}/expression.tsv", "--labels", f"{files}/labels.tsv", "-o", str(out), *OPTIONS]
    with files_up_to(limit):
        code, _, told = latentome(*arguments)
    assert code == 2, told
    assert f"latentome: {full} cannot be written: files may not become that large there\n" in told
    assert f"where:    {out / full}: File too large; " in told
    assert "--resume" in told[told.index("to do:") :]
    assert "Traceback" not in told
    left = {path.name for path in out.iterdir() if path.name != "checkpoints"}
    early = {"config.toml"}
    assert left == (early if full == "preprocessing.json" else early | {"preprocessing.json", "manifest.json"})
    code, _, told = latentome(*arguments, "--resume")
    assert (code, "starts afresh" in told) == (0, full == "preprocessing.json"), told
    for name in ("history.tsv", "preprocessing.json"):
        assert (out / name).read_bytes() == (finished / name).read_bytes(), name


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_full_disk_during_a_later_command_leaves_what_was_there(finished, tmp_path, latentome):
    out = shutil.copytree(finished, tmp_path / "run")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    limits = {"predict": ((out / "latent.h5ad").stat().st_size - 1, "latent.h5ad"), "visualize": (30000, ".png")}
    for command, (limit, full) in limits.items():
        with files_up_to(limit):  # an "Exception ignored" here, from an HDF5 that saw the full disk, would be an error
            code, _, told = latentome(command, out)
        assert code == 2, told
        assert f"{full} cannot be written" in told
        assert {path for path in out.rglob("*") if path.is_file()} == set(before)
        assert (out / "latent.h5ad").read_bytes() == before[out / "latent.h5ad"]


def test_what_is_not_there_to_compute_on_is_named(tmp_path):
    program = [sys.executable, "-c", "from latentome.cli.main import main; main()", "train", "blobs", "-m", "linear"]
    done = subprocess.run(
        [*program, "-z", "2", "-e", "1", "-o", str(tmp_path / "run")],
        env={**os.environ, "JAX_PLATFORMS": "tpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "JAX finds no 'tpu' to compute on" in done.stderr
    assert "unset JAX_PLATFORMS" in done.stderr


def test_a_notebooks_way_to_draw_is_none_of_a_command():
    program = "import contextlib\nfrom latentome.cli.main import main\nwith contextlib.suppress(SystemExit): main()\n"
    done = subprocess.run(
        [sys.executable, "-c", program + "import matplotlib.pyplot", "--version"],
        env={**os.environ, "MPLBACKEND": "not-installed-here"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
