"""What kills, full disks and read-only folders leave can be gone on with, or is refused with what to do."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import numpy as np
import pytest

from latentome.io import atomic, guard_writing
from latentome.io.atomic import WriteError


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """A whole run that a test may change."""
    return shutil.copytree(finished, tmp_path / "run")


def test_halves_of_figures_and_tables_are_passed_over(run, latentome):
    assert latentome("interpret", run)[0] == 0
    litter = [run / "figures" / ".0123456789ab.partial.tsne.png"]
    litter += [run / "interpretation" / ".0123456789ab.partial.associations.tsv"]
    for path in litter:
        path.write_bytes(b"")
    for command in ("visualize", "report"):
        code, _, told = latentome(command, run)
        assert code == 0, told
    assert not any(path.exists() for path in litter)


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("latent.h5ad", ["evaluate", "visualize", "interpret", "generate"]),
        ("metrics.json", ["visualize", "report"]),
        ("preprocessing.json", ["evaluate"]),
        ("manifest.json", ["evaluate"]),
    ],
)
def test_half_of_a_file_of_the_run_is_refused(run, name, commands, latentome, tmp_path):
    whole = (run / name).read_bytes()
    (run / name).write_bytes(whole[: len(whole) // 2])
    for command in commands:
        more = ["-o", tmp_path / "made.tsv"] if command == "generate" else []
        code, _, told = latentome(command, run, *more)
        assert code == 2, (command, told)
        assert name in told


def test_a_folder_that_cannot_be_written_is_told_whichever_way_it_is_named(tmp_path, monkeypatch):
    """Libraries name the absolute path of what they could not write."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WriteError, match="cannot be written"), guard_writing(Path("run")):
        raise OSError(errno.EROFS, "Read-only file system", str(tmp_path / "run" / ".lock"))
    with pytest.raises(OSError, match="Read-only"), guard_writing(Path("run")):
        raise OSError(errno.EROFS, "Read-only file system", str(tmp_path / "elsewhere" / "deep" / "file"))


def test_a_model_is_not_saved_where_there_is_no_room(tmp_path, monkeypatch):
    import latentome as lt

    model = lt.LinearAutoencoder(2, max_epochs=1).fit(np.random.default_rng(0).normal(size=(20, 5)))

    def full(path, size):
        raise WriteError("there is no room", where=str(path), expected="room", todo="free some")

    monkeypatch.setattr("latentome.estimators.persistence.check_room", full)
    with pytest.raises(WriteError, match="no room"):
        model.save(tmp_path / "model")
    assert not list((tmp_path / "model").iterdir())
    assert atomic.TEMPORARY_SUFFIX


def test_predictions_that_replace_others_leave_none_of_them(run, files, latentome, tmp_path):
    out = tmp_path / "new"
    assert latentome("predict", run, files / "expression.tsv", "-o", out)[0] == 0
    (out / "notes.txt").write_text("mine")
    assert (out / "tsne.tsv").exists()
    few = tmp_path / "few.h5ad"
    import latentome as lt

    lt.io.read(files / "expression.tsv")[:5].copy().write_h5ad(few)
    code, _, told = latentome("predict", run, few, "-o", out, "--replace", "--on-disk")
    assert code == 0, told
    assert sorted(path.name for path in out.iterdir()) == ["error.tsv", "latent.h5ad", "latent.tsv", "notes.txt"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-missing", "0.5", "--replace"], "--max-missing, --replace"),
        (["--orientation", "genes-by-samples"], "--orientation"),
    ],
)
def test_options_for_new_samples_need_new_samples(run, arguments, said, latentome):
    code, _, told = latentome("predict", run, *arguments)
    assert code == 2
    assert said in told


def test_two_models_are_not_named_at_once(latentome, tmp_path):
    arguments = ["-m", "deep", "--preset", "adage-2016", "-o", tmp_path / "r"]
    code, _, told = latentome("train", "tcga-33", *arguments)
    assert code == 2
    assert "two models are named" in told


def test_words_are_checked_even_where_a_data_set_needs_none(latentome, tmp_path):
    code, _, told = latentome("train", "tcga-33", "--duplicates", "dropp", "-o", tmp_path / "r")
    assert code == 2
    assert "Did you mean 'drop'" in told


@pytest.mark.parametrize(
    "during", ["latentome.cli.lines.load", "latentome.cli.options.request", "latentome.workflow.steps._prepare"]
)
def test_who_stops_before_the_earlier_run_is_gone_is_not_sent_back_to_it(run, files, latentome, monkeypatch, during):
    def stop(*_, **__):
        raise KeyboardInterrupt

    before = (run / "model.keras").read_bytes()
    monkeypatch.setattr(during, stop)
    arguments = [files / "expression.tsv", "-m", "linear", "-e", "3", "-o", run]
    code, _, told = latentome("train", *arguments, "--replace")
    assert code == 130
    assert f"to begin again: latentome train {' '.join(map(str, arguments))} --replace" in told
    assert "--resume" not in told
    assert (run / "model.keras").read_bytes() == before
