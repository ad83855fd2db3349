from __future__ import annotations

from pathlib import Path

import pytest

from latentome.errors import RunFolderError
from latentome.io import RunFolder


def a_run(path: Path) -> RunFolder:
    run = RunFolder.create(path)
    run.write_config({"model": "vae", "latent_dim": 100, "labels": None})
    run.update_manifest(seed=1)
    run.latent.write_text("x")
    for folder, name in ((run.figures, "tsne.png"), (run.checkpoints, "epoch-5.npz")):
        folder.mkdir()
        (folder / name).write_text("x")
    return run


def test_create_makes_parents_and_open_finds_the_run(tmp_path):
    run = a_run(tmp_path / "a" / "b")
    again = RunFolder.open(tmp_path / "a" / "b")
    assert again.read_config() == {"model": "vae", "latent_dim": 100}
    assert again.read_manifest() == {"seed": 1}
    assert again.update_manifest(versions={"numpy": "2"}) == {"seed": 1, "versions": {"numpy": "2"}}
    assert again.read_manifest()["versions"] == {"numpy": "2"}
    assert run.require("latent") == tmp_path / "a" / "b" / "latent.tsv"


def test_the_paths_are_those_of_the_contract(tmp_path):
    run = RunFolder(tmp_path)
    names = ["config", "manifest", "model", "encoder", "decoder", "preprocessing", "history", "latent", "tsne"]
    names += ["metrics", "h5ad", "signatures", "figures", "report", "checkpoints"]
    expected = ["config.toml", "manifest.json", "model.keras", "encoder.weights.h5", "decoder.weights.h5"]
    expected += ["preprocessing.json", "history.tsv", "latent.tsv", "tsne.tsv", "metrics.json", "latent.h5ad"]
    expected += ["signatures.tsv", "figures", "report.html", "checkpoints"]
    assert [getattr(run, name).name for name in names] == expected
    assert all(getattr(run, name) == run.item(name) for name in names)


def test_an_empty_folder_may_be_used(tmp_path):
    RunFolder.create(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_not_overwritten_unless_asked(tmp_path):
    a_run(tmp_path / "run")
    with pytest.raises(RunFolderError, match="already holds a run(.|\n)*--replace"):
        RunFolder.create(tmp_path / "run")


def test_replace_removes_what_a_run_writes_and_nothing_else(tmp_path):
    run = a_run(tmp_path / "run")
    (run.path / "notes.txt").write_text("mine")
    (run.figures / "mine.psd").write_text("mine")
    (run.path / ".ab.partial.latent.tsv").write_text("litter")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious.png").write_text("mine")
    (run.path / "metrics.json").symlink_to(elsewhere / "precious.png")
    RunFolder.create(run.path, replace=True)
    left = sorted(str(p.relative_to(run.path)) for p in run.path.rglob("*"))
    assert left == ["figures", "figures/mine.psd", "notes.txt"]
    assert (elsewhere / "precious.png").exists()


def test_replace_does_not_follow_a_folder_that_is_a_link(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious.png").write_text("mine")
    run = RunFolder.create(tmp_path / "run")
    run.write_config({})
    run.figures.symlink_to(elsewhere)
    RunFolder.create(run.path, replace=True)
    assert (elsewhere / "precious.png").exists()


@pytest.mark.parametrize("replace", [False, True])
def test_a_folder_with_other_things_is_never_used(tmp_path, replace):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(RunFolderError, match="not empty and is not a run(.|\n)*thesis.tex"):
        RunFolder.create(tmp_path, replace=replace)
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(RunFolderError, match="is a file"):
        RunFolder.create(tmp_path / "run", replace=True)
    with pytest.raises(RunFolderError, match="cannot be written"):
        RunFolder.create(tmp_path / "run" / "below")


def test_a_place_that_cannot_be_written(tmp_path, monkeypatch):
    def forbidden(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", forbidden)
    with pytest.raises(RunFolderError, match="cannot be written(.|\n)*Permission denied"):
        RunFolder.create(tmp_path / "run")


def test_open_names_the_nearest_run(tmp_path):
    a_run(tmp_path / "vae-100")
    with pytest.raises(RunFolderError, match="Did you mean 'vae-100'"):
        RunFolder.open(tmp_path / "vae-10")
    (tmp_path / "data").mkdir()
    with pytest.raises(RunFolderError, match="not a run folder"):
        RunFolder.open(tmp_path / "data")


def test_require_names_the_command_that_makes_the_file(tmp_path):
    run = RunFolder.create(tmp_path / "run")
    for name, command in (("tsne", "predict"), ("metrics", "evaluate"), ("signatures", "predict")):
        with pytest.raises(RunFolderError, match=f"latentome {command} .*run"):
            run.require(name)
    with pytest.raises(RunFolderError, match="latentome visualize"):
        run.require("figures")
    with pytest.raises(RunFolderError, match="latentome train DATA -m MODEL -o"):
        run.require("model")
    with pytest.raises(RunFolderError, match="Did you mean 'latent'"):
        run.require("latnt")


def test_a_damaged_manifest_is_refused(tmp_path):
    run = a_run(tmp_path / "run")
    run.manifest.write_text('{"seed": ')
    with pytest.raises(RunFolderError, match="manifest.json of the run run is damaged"):
        run.update_manifest(seed=2)
    run.config.write_text("= 1")
    with pytest.raises(RunFolderError, match="config.toml of the run run is damaged"):
        run.read_config()
