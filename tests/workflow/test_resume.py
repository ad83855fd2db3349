"""Law 7: a run that was stopped anywhere and resumed is the uninterrupted run, bit for bit."""

from __future__ import annotations

import json
import signal
from dataclasses import replace

import numpy as np
import pytest

import latentome as lt
from latentome.errors import LatentomeError, RunFolderError
from latentome.workflow import Reporter, predict_step, train_step

EPOCHS = 60


class Stops(Reporter):
    """Presses Ctrl-C at the first report of progress."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped_at: list[int] = []

    def progress(self, done: int, total: int, row: dict[str, float]) -> None:
        if not self.stopped_at:
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
        kept = tmp_path / "run" / "checkpoints" / "training.npz"
        with np.load(kept, allow_pickle=False) as state:
            assert len(state["rows"]) == stops.stopped_at[0]
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
    assert not kept.exists()
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
        (path / "checkpoints" / "training.npz").unlink()
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


def test_resume_leaves_a_trained_model_alone(finished, config, told):
    before = finished.model.read_bytes()
    run, prepared = train_step(config, str(finished.path), told, command="", resume=True)
    assert run.model.read_bytes() == before
    assert prepared.training.sum() == 96
    assert any("is trained" in said for said in told.said)
