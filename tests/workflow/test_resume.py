"""Law 7: a run that was stopped anywhere and resumed is the uninterrupted run, bit for bit."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import latentome as lt
from latentome import io, report
from latentome.errors import LatentomeError, RunFolderError, WriteError
from latentome.workflow import Reporter, predict_new, predict_step, run_config, train_step

EPOCHS = 60


class Stops(Reporter):
    """Presses Ctrl-C at the first report of an epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped_at: list[int] = []

    def progress(self, done: int, total: int, row: dict[str, float] | None = None) -> None:
        if row and not self.stopped_at:
            self.stopped_at.append(done)
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def longer(config):
    return replace(config, parameters={**config.parameters, "max_epochs": EPOCHS})


def test_stopped_twice_and_resumed_is_the_uninterrupted_run(longer, tmp_path, told):
    whole, prepared = train_step(longer, str(tmp_path / "whole"), told, command="")
    predict_step(whole, prepared, told)

    done = []
    for resume in (False, True):
        stops = Stops()
        with pytest.raises(KeyboardInterrupt, match=f"after epoch .* of {EPOCHS}"):
            train_step(longer, str(tmp_path / "run"), stops, command="again" if resume else "first", resume=resume)
        done += stops.stopped_at
        kept = sorted((tmp_path / "run" / "checkpoints").glob("*.state"))
        assert int(kept[-1].stem) == stops.stopped_at[0]
        assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "training"
        assert not (tmp_path / "run" / "model.keras").exists()
    assert 0 < done[0] < done[1] < EPOCHS
    run, prepared = train_step(longer, str(tmp_path / "run"), told, command="again", resume=True)
    predict_step(run, prepared, told)

    for name in ("latent.tsv", "history.tsv", "tsne.tsv", "signatures.tsv", "preprocessing.json", "config.toml"):
        assert (run.path / name).read_bytes() == (whole.path / name).read_bytes(), name
    one, other = lt.load_model(run.path), lt.load_model(whole.path)
    for a, b in zip(one.model_.get_weights(), other.model_.get_weights(), strict=True):
        assert np.array_equal(a, b)
    assert not (run.path / "checkpoints").exists()
    assert run.read_manifest()["status"] == "trained"
    assert run.read_manifest()["command"] == "first", "the command that repeats the run, not the one that went on"


def stopped(config, path):
    with pytest.raises(KeyboardInterrupt):
        train_step(config, str(path), Stops(), command="")
    return path


def test_another_option_is_refused_and_named(longer, tmp_path, told):
    path = stopped(longer, tmp_path / "run")
    before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    more = replace(longer, parameters={**longer.parameters, "learning_rate": 0.01})
    for changed, named in ((replace(longer, seed=9), "seed: 1 in the folder, 9 now"), (more, "'learning_rate': 0.01")):
        with pytest.raises(RunFolderError, match="asked for something else") as refused:
            train_step(changed, str(path), told, command="", resume=True)
        assert named in refused.value.where
    assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("keep", [True, False])
def test_other_data_are_refused_with_and_without_a_checkpoint(own_data, tmp_path, told, keep):
    longer = replace(own_data, parameters={**own_data.parameters, "max_epochs": EPOCHS})
    path = stopped(longer, tmp_path / "run")
    if not keep:
        for kept in (path / "checkpoints").glob("*.state"):
            kept.unlink()
    with open(longer.data, encoding="utf-8") as stream:
        content = stream.read()
    value = content.splitlines()[5].split("\t")[3]
    with open(longer.data, "w", encoding="utf-8") as stream:
        stream.write(content.replace(value, "19.5", 1))
    before = (path / "manifest.json").read_bytes()
    with pytest.raises(LatentomeError, match="data have changed"):
        train_step(longer, str(path), told, command="", resume=True)
    assert (path / "manifest.json").read_bytes() == before, "the record of what was trained on stays"


def test_resume_without_a_run_starts_one(config, finished, tmp_path, told):
    run, _ = train_step(config, str(tmp_path / "new"), told, command="", resume=True)
    assert run.history.read_bytes() == finished.history.read_bytes()


def test_a_trained_run_without_its_model_is_not_gone_on_with(finished, config, tmp_path, told):
    shutil.copytree(finished.path, tmp_path / "run")
    (tmp_path / "run" / "model.keras").unlink()
    for step in (
        lambda: train_step(config, str(tmp_path / "run"), told, command="", resume=True),
        lambda: io.RunFolder(tmp_path / "run").require("model"),
    ):
        with pytest.raises(RunFolderError, match="has no model.keras yet") as refused:
            step()
        assert refused.value.todo.endswith("--replace")
    io.RunFolder(tmp_path / "run").update_manifest(status="training")
    with pytest.raises(RunFolderError, match="--resume"):
        io.RunFolder(tmp_path / "run").require("model")


def test_resume_leaves_a_trained_model_alone(finished, config, told):
    before = finished.model.read_bytes()
    run, prepared = train_step(config, str(finished.path), told, command="", resume=True)
    assert run.model.read_bytes() == before
    assert prepared.training.sum() == 96
    assert any("is trained" in said for said in told.said)


@pytest.mark.parametrize("way", [{"resume": True}, {"replace": True}])
@pytest.mark.parametrize("killed", ["preprocessing.json", "manifest.json"])
def test_a_run_that_was_killed_before_its_manifest_starts_afresh(
    config, finished, tmp_path, told, monkeypatch, way, killed
):
    """The process ends while it writes this file; what it leaves is as it was then, the files of its lock too."""
    path = tmp_path / "run"
    write = io.atomic.write_bytes

    def stop(target, content):
        if target.name == killed:
            raise KeyboardInterrupt
        write(target, content)

    with monkeypatch.context() as patched:
        patched.setattr("latentome.io.atomic.write_bytes", stop)
        with pytest.raises(KeyboardInterrupt):
            train_step(config, str(path), told, command="")
    for name in (".lock", ".lock-holder.json", f".0123456789ab.partial.{killed}"):
        (path / name).write_text("")
    assert (path / "config.toml").exists()
    assert not (path / "manifest.json").exists()
    with pytest.raises(RunFolderError, match="already holds a run"):
        train_step(config, str(path), told, command="")
    told.said.clear()
    run, _ = train_step(config, str(path), told, command="", **way)
    assert any("starts afresh" in said for said in told.said) == ("resume" in way)
    assert run.history.read_bytes() == finished.history.read_bytes()
    assert [path.name for path in run.path.iterdir() if path.name.startswith(".")] == []


def test_a_run_that_lost_its_manifest_is_not_started_afresh(config, tmp_path, told):
    """That would remove a trained model where going on was asked for."""
    run, _ = train_step(config, str(tmp_path / "run"), told, command="")
    run.manifest.unlink()
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(RunFolderError, match="has lost its manifest.json"):
        train_step(config, str(run.path), told, command="", resume=True)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


class Tries(Reporter):
    """Tries to write into the folder, from another thread, in every step."""

    def __init__(self, path) -> None:
        super().__init__()
        self.path, self.tried = path, {}

    @contextlib.contextmanager
    def step(self, title, unit=""):
        def attempt() -> None:
            try:
                with io.RunFolder(self.path).lock():
                    self.tried[title] = "taken"
            except RunFolderError:
                self.tried[title] = "refused"

        if self.path.exists():
            thread = threading.Thread(target=attempt)
            thread.start()
            thread.join()
        with super().step(title):
            yield


def test_a_run_holds_its_folder_from_its_first_file_to_its_last(config, tmp_path, told, monkeypatch):
    for name in ("_of_samples", "_of_genes"):
        monkeypatch.setattr(f"latentome.workflow.figures.{name}", lambda *_: {})
    path = tmp_path / "run"
    tries = Tries(path)
    run_config(config, str(path), reporter=tries)
    training = ["train", "save the model"]
    steps = ["encode, PCA beside it", "t-SNE of both", "write the features", "evaluate", "figures", "report"]
    assert tries.tried == dict.fromkeys(training + steps, "refused"), "and before its first file there is no folder"
    assert not (path / ".lock").exists()
    tries = Tries(path)
    run_config(config, str(path), reporter=tries, resume=True)
    assert tries.tried == dict.fromkeys(["read and prepare", *steps], "refused")
    assert not (path / ".lock").exists()


def test_a_trained_run_on_a_read_only_disk_can_be_read(config, finished, tmp_path, told, monkeypatch):
    def read_only(self):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    take = io.lock._Lock.take
    monkeypatch.setattr(
        "latentome.io.lock._Lock.take", lambda self: read_only(self) if self.folder == finished.path else take(self)
    )
    run, _ = train_step(config, str(finished.path), told, command="", resume=True)
    assert predict_new(run, config.data, tmp_path / "elsewhere").is_dir()
    assert not (tmp_path / "elsewhere" / ".lock").exists()
    for task in (
        lambda: predict_new(run, config.data),
        lambda: report.write(run.path),
        lambda: run_config(config, str(run.path), resume=True),
    ):
        with pytest.raises(WriteError, match="cannot be written: the disk is read-only"):
            task()


def test_a_project_that_was_moved_goes_on(own_data, tmp_path, told):
    """The data of the run are told by their checksum, not by where they lie."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    files = Path(own_data.data), Path(own_data.labels)
    for path in files:
        shutil.copy(path, before)

    def at(folder):
        return replace(own_data, data=str(folder / files[0].name), labels=str(folder / files[1].name))

    train_step(at(before), str(before / "run"), told, command="latentome train ...")
    before.rename(after)
    run, _ = train_step(at(after), str(after / "run"), told, command="latentome train ...", resume=True)
    assert run.read_config()["data"] == at(after).data
    after.rename(before)
    text = files[0].read_text()
    Path(at(before).data).write_text(text[:-2] + ("2" if text[-2] == "1" else "1") + "\n")
    with pytest.raises(RunFolderError, match="changed"):
        train_step(at(before), str(before / "run"), told, command="latentome train ...", resume=True)
