"""What the system refuses, what is no file, and what must not be lost to a command about something else."""

import os
import shutil
import signal
import stat

import pytest

import latentome as lt
from latentome.cli.main import OF_THE_SYSTEM, _interrupted
from latentome.errors import BEGUN, RunFolderError, WriteError
from latentome.io import RunFolder
from latentome.io.atomic import atomic_path
from latentome.training.interrupt import DeferredInterrupt


@pytest.fixture
def copied(finished, tmp_path):
    """A run of one's own."""
    return shutil.copytree(finished, tmp_path / "copied")


def test_a_pipe_or_a_device_is_never_replaced(copied, latentome, tmp_path):
    pipe = tmp_path / "made.tsv"
    os.mkfifo(pipe)
    code, _, said = latentome("generate", copied, "-o", pipe, "--replace")
    assert code == 2
    assert "--replace" not in said.partition("to do")[2]
    with pytest.raises(WriteError, match="is no file"), atomic_path(pipe) as aside:
        aside.write_text("")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_an_export_does_not_take_the_preprocessing_of_another_run(copied, finished, latentome, tmp_path):
    pytest.importorskip("onnxruntime")
    before = (copied / "preprocessing.json").read_bytes()
    code, _, said = latentome("export", finished, "-o", copied)
    assert code == 2
    assert "the preprocessing of something else" in said
    assert (copied / "preprocessing.json").read_bytes() == before
    assert latentome("export", finished, "-o", tmp_path / "graphs")[0] == 0
    assert latentome("export", finished, "-o", tmp_path / "graphs")[0] == 0


@pytest.mark.parametrize("change", [{"seed": 2}, {"test_size": 0.5}])
def test_other_held_out_samples_are_not_scored(copied, latentome, change):
    metrics = (copied / "metrics.json").read_bytes()
    run = RunFolder(copied)  # as if another version drew them, for the file is not to be changed alone
    run.write_config(run.read_config() | change)
    run.update_manifest(settings=run.read_manifest()["settings"] | change)
    code, _, said = latentome("evaluate", copied)
    assert code == 2
    assert "The held-out samples are not those of the training" in said
    assert (copied / "metrics.json").read_bytes() == metrics


def test_what_the_system_refuses_is_no_defect(latentome, finished, monkeypatch):
    code, _, said = latentome("train", "x" * 300, "-m", "linear")
    assert code == 2
    assert "File name too long" in said
    assert "Traceback" not in said

    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(RunFolder, "open", forbidden)
    code, _, said = latentome("report", finished)
    assert code == 2
    assert "Permission denied" in said
    assert str(finished) in said
    assert all(OF_THE_SYSTEM.values())


def test_who_ignores_interruptions_is_not_interrupted():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with DeferredInterrupt() as interrupt:
            os.kill(os.getpid(), signal.SIGINT)
        assert not interrupt.pending
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_command_that_goes_on_keeps_what_is_no_option_at_its_end():
    token = BEGUN.set(True)
    try:
        said = _interrupted(["train", "-z", "2", "--", "-lead.tsv"], KeyboardInterrupt())
    finally:
        BEGUN.reset(token)
    assert said.endswith("latentome train -z 2 --resume -- -lead.tsv")


def test_numbers_that_no_sweep_can_have(latentome, tmp_path):
    for arguments, said in (
        (("--grid", "latent_dim=1,2", "--on", "local", "--workers", "-3"), "workers=-3"),
        (("--grid", "latent_dim=1,2", "--seed", "4294967295", "--seeds", "3"), "There are no such seeds"),
        (("--grid", "learning_rate=1e-3..inf", "--random", "2"), "no such range"),
        (("--grid", "latent_dim=1..99999999999999999999", "--random", "2"), "no such range"),
    ):
        code, _, told = latentome("sweep", "blobs", "-m", "linear", "-e", "2", *arguments, "-o", tmp_path / "sweep")
        assert (code, said in told) == (2, True), told
        assert not (tmp_path / "sweep").exists()
    code, _, told = latentome("train", "blobs", "-m", "linear", "-e", "3000000000", "-o", tmp_path / "run")
    assert code == 2
    assert not (tmp_path / "run").exists()


def test_results_of_unknown_data_are_not_gone_on_with(tmp_path):
    how = {"model": "linear", "grid": {"latent_dim": [1, 2]}, "out": tmp_path / "sweep"}
    how |= {"parameters": {"max_epochs": 2}}
    lt.sweep.run("blobs", **how)
    (tmp_path / "sweep" / "manifest.json").unlink()
    with pytest.raises(RunFolderError, match="nothing says of which data"):
        lt.sweep.run("blobs", **how, resume=True)
