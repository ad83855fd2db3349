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
    for folder, name in (
        (run.figures, "tsne.png"),
        (path / "figures-dark", "tsne.png"),
        (run.checkpoints, "epoch-5.npz"),
    ):
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


def test_replace_removes_the_states_and_members_of_many_models_and_what_a_killed_process_left(tmp_path):
    run = a_run(tmp_path / "run")
    made = [
        "checkpoints/.lock",
        "checkpoints/group-1/000000000012.state",
        "checkpoints/000000000012.state",
        "model.member-1.keras",
    ]
    made += [".saving-x1/model.keras", ".saving-x1/history.tsv", "figures/.ab.partial.tsne.png", ".lock-holder.json"]
    for name in (*made, "checkpoints/group-1/mine.doc"):
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / name).write_text("x")
    RunFolder.create(run.path, replace=True)
    left = sorted(str(p.relative_to(run.path)) for p in run.path.rglob("*"))
    assert left == ["checkpoints", "checkpoints/group-1", "checkpoints/group-1/mine.doc"]


def test_a_run_that_came_while_the_lock_was_waited_for_is_found(tmp_path, monkeypatch):
    """Of two processes that found the folder free, the second one holds it when the first is done."""
    lock = RunFolder.lock

    def late(self):
        with monkeypatch.context() as patched:
            patched.setattr(RunFolder, "lock", lock)
            a_run(self.path)
        return lock(self)

    monkeypatch.setattr(RunFolder, "lock", late)
    with pytest.raises(RunFolderError, match="already holds a run"):
        RunFolder.create(tmp_path / "run")
    assert (tmp_path / "run" / "latent.tsv").exists()


@pytest.mark.parametrize("kept", [0, 1, 2, 4])
def test_a_removal_that_is_broken_off_can_be_repeated_and_is_no_run_to_go_on_with(tmp_path, monkeypatch, kept):
    run = a_run(tmp_path / "run")
    unlink, done = Path.unlink, []

    def broken(self, missing_ok=False):
        if self.name not in (".lock", ".lock-holder.json") and len(done) == kept:
            raise KeyboardInterrupt
        done.append(self.name)
        unlink(self, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", broken)
        with pytest.raises(KeyboardInterrupt):
            RunFolder.create(run.path, replace=True)
    assert run.manifest.exists() == (kept == 0), "the first to go"
    assert run.config.exists(), "the last to go"
    if 0 < kept < 4:
        with pytest.raises(RunFolderError, match="has lost its manifest.json(.|\n)*--replace"):
            run.is_broken_off()
    RunFolder.create(run.path, replace=True)
    assert list(run.path.iterdir()) == []


def test_a_run_that_was_stopped_before_its_manifest_is_known(tmp_path):
    run = RunFolder.create(tmp_path / "run")
    assert not run.is_broken_off()
    run.write_config({"model": "vae"})
    assert run.is_broken_off()
    run.preprocessing.write_text("{}")
    assert run.is_broken_off()
    with pytest.raises(RunFolderError, match="already holds a run"):
        RunFolder.create(run.path)
    run.model.write_text("hours of training")
    with pytest.raises(RunFolderError, match="holds model.keras"):
        run.is_broken_off()
    run.update_manifest(seed=1)
    assert not run.is_broken_off()


def test_what_a_killed_process_left_makes_no_folder_a_used_one(tmp_path):
    for name in (".lock", ".lock-holder.json", ".probe.partial", ".0a1b2c3d4e5f.partial.config.toml"):
        (tmp_path / name).write_text("")
    RunFolder.check_free(tmp_path)
    RunFolder.create(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".lock").write_text("")
    (tmp_path / ".locked-in.doc").write_text("mine")
    with pytest.raises(RunFolderError, match="not a run(.|\n)*holds .locked-in.doc\n"):
        RunFolder.create(tmp_path)


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


def test_the_working_folder_has_a_name(tmp_path, monkeypatch):
    (tmp_path / "notes.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunFolderError, match=f"^{tmp_path.name} is not empty and is not a run"):
        RunFolder.create(".")


def test_open_names_the_nearest_run(tmp_path):
    a_run(tmp_path / "vae-100")
    with pytest.raises(RunFolderError, match="Did you mean 'vae-100'"):
        RunFolder.open(tmp_path / "vae-10")
    (tmp_path / "data").mkdir()
    with pytest.raises(RunFolderError, match="not a run folder"):
        RunFolder.open(tmp_path / "data")


def test_a_folder_whose_name_is_no_text_is_refused_before_anything_is_removed(tmp_path):
    for way in (RunFolder.open, RunFolder.check_free, lambda path: RunFolder.create(path, replace=True)):
        with pytest.raises(RunFolderError, match="no text in UTF-8"):
            way(f"{tmp_path}/n\udce9")
    assert not list(tmp_path.iterdir())


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


def test_a_command_is_proposed_as_it_has_to_be_typed(tmp_path):
    run = RunFolder.create(tmp_path / "my run")
    with pytest.raises(RunFolderError, match=f"latentome train DATA -m MODEL -o '{run.path}'"):
        run.require("history")


def test_a_manifest_without_a_part_that_is_needed_is_damaged(tmp_path):
    run = a_run(tmp_path / "run")
    run.update_manifest(data={"on_disk": False})
    assert run.read_manifest("data")["data"] == {"on_disk": False}
    with pytest.raises(RunFolderError, match="manifest.json of the run run is damaged") as refused:
        run.read_manifest("data", "split")
    assert "it has no 'split'" in refused.value.where


def test_a_damaged_manifest_is_refused(tmp_path):
    run = a_run(tmp_path / "run")
    run.manifest.write_text('{"seed": ')
    with pytest.raises(RunFolderError, match="manifest.json of the run run is damaged"):
        run.update_manifest(seed=2)
    run.config.write_text("= 1")
    with pytest.raises(RunFolderError, match="config.toml of the run run is damaged"):
        run.read_config()


def test_states_of_a_second_round_are_removed_too(tmp_path):
    run = a_run(tmp_path / "run")
    inner = run.path / "checkpoints" / "member-1-of-2" / "anew"
    inner.mkdir(parents=True)
    (inner / "000000000003.state").write_text("x")
    predictions = run.path / "predictions" / "others"
    predictions.mkdir(parents=True)
    (predictions / "latent.tsv").write_text("of the earlier model")
    RunFolder.create(run.path, replace=True)
    assert list(run.path.rglob("*")) == []


def test_who_holds_the_folder_sweeps_up_halves_of_files(tmp_path):
    run = a_run(tmp_path / "run")
    run.interpretation.mkdir(exist_ok=True)
    litter = [run.path / ".ab.partial.report.html", run.figures / ".ab.partial.tsne.png"]
    litter += [run.interpretation / ".ab.partial.associations.tsv"]
    for path in litter:
        path.write_text("half")
    with run.lock():
        assert not any(path.exists() for path in litter)


@pytest.mark.parametrize("content", ["{}", "[]", '"text"', "{"])
def test_a_manifest_that_says_nothing_is_refused(tmp_path, content):
    run = a_run(tmp_path / "run")
    run.manifest.write_text(content)
    with pytest.raises(RunFolderError, match=r"manifest.json of the run run is damaged"):
        run.read_manifest()


def test_the_folder_of_a_sweep_is_no_run_to_be_replaced(tmp_path):
    for name in ("manifest.json", "sweep.toml", "report.html"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(RunFolderError, match="is not empty and is not a run"):
        RunFolder.check_free(tmp_path, replace=True)
    with pytest.raises(RunFolderError, match=r"is not a run folder\n.*holds a sweep"):
        RunFolder.open(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
