"""What a sweep cannot do is refused before anything is written."""

from __future__ import annotations

import json
import shutil
import tomllib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import latentome as lt
from latentome.cli.main import run as command
from latentome.sweep import Configuration, SweepRequest, work
from latentome.sweep import folder as sweep_folder
from latentome.sweep.grid import Span, combinations, parse_grid
from latentome.sweep.plan import Trial, Unit
from latentome.sweep.store import Fold, Store, prepare_store
from latentome.workflow import RunConfig
from latentome.workflow.prepare import prepare


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["latent_dim"], "no part of a grid"),
        (["latent_dim="], "no part of a grid"),
        (["latent_dim=2,,3"], "no part of a grid"),
        (["latent_dim=2", "n_components=3"], "names 'n_components' twice"),
        (["latent_dim=2,2"], "the value 2 twice"),
        (["seed=1,2"], "not varied by a grid"),
        (["learning_rate=1..0.1"], "no such range"),
        (["learning_rate=0.0..0.1"], "no such range"),
    ],
)
def test_a_grid_that_says_nothing_or_contradicts_itself(texts, message):
    with pytest.raises(lt.InputError, match=message):
        parse_grid(texts)


def test_what_a_grid_says():
    grid = parse_grid(["latent-dim=2,3", "learning_rate=1e-3", "hidden=none,300x100", "patience=none,5", "tied=true"])
    assert grid == {
        "n_components": [2, 3],
        "learning_rate": [0.001],
        "hidden": [[], [300, 100]],
        "patience": [None, 5],
        "tied": [True],
    }


def test_random_configurations_are_distinct_and_repeat_with_their_seed():
    grid = {"n_components": Span(2, 50), "learning_rate": Span(1e-4, 1e-2)}
    drawn = combinations(grid, 20, seed=3)
    assert drawn == combinations(grid, 20, seed=3)
    assert len({str(values) for values in drawn}) == 20
    assert all(2 <= v["n_components"] <= 50 and 1e-4 <= v["learning_rate"] <= 1e-2 for v in drawn)
    with pytest.raises(lt.InputError, match="no end of values"):
        combinations(grid, None, 0)
    assert len(combinations({"n_components": [1, 2, 3]}, 2, 0)) == 2


@pytest.mark.parametrize(
    ("model", "grid", "message"),
    [
        ("linear", {"latent_dmi": [1, 2]}, "Did you mean 'latent_dim'"),
        ("linear", {"learning_rate": [0.1, -1]}, r"configuration 2 \(linear, learning_rate=-1\)"),
        ("linear", {"n_components": [2, 40]}, r"configuration 2 \(linear, n_components=40\)"),
        ("linear", {}, "nothing to compare"),
        ("vae", {"max_epochs": [4, 2], "warmup": [3]}, "warm-up would not end"),
        ("linear,linear", {"n_components": [2, 3]}, "not the models of a sweep"),
        ("linear", {"max_epochs": [2, 3]}, "both varied and fixed"),
    ],
)
def test_what_no_training_could_do(model, grid, message, files, tmp_path):
    fixed = {"max_epochs": 2, "n_components": 2}
    if model == "vae" or "n_components" in grid:
        del fixed["max_epochs" if model == "vae" else "n_components"]
    with pytest.raises(lt.errors.LatentomeError, match=message):
        lt.sweep.run(files / "expression.tsv", model, grid, tmp_path / "out", parameters=fixed)
    assert not (tmp_path / "out").exists()


def test_the_folder_of_another_sweep(done, make, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in done.path.rglob("*")}
    with pytest.raises(lt.RunFolderError, match="already holds a sweep"):
        make(done.path)
    with pytest.raises(lt.RunFolderError, match="seeds: 2 in the folder, 3 now"):
        make(done.path, resume=True, seeds=3)
    assert {p: p.stat().st_mtime_ns for p in done.path.rglob("*")} == before
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(lt.RunFolderError, match="not a sweep's alone"):
        make(tmp_path, replace=True)
    assert (tmp_path / "letter.txt").read_text() == "mine"


def test_data_that_have_changed(done, make, files, tmp_path):
    folder = shutil.copytree(done.path, tmp_path / "out")
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"sha256": "', '"sha256": "0', 1))
    with pytest.raises(lt.RunFolderError, match="data have changed"):
        make(folder, resume=True)


def test_the_command_line_refuses_with_2_and_says_what_to_do(files, tmp_path, capsys):
    data = str(files / "expression.tsv")
    assert command(["sweep", data, "-m", "linear", "--grid", "latent_dim=2,3", "--on", "slrm"]) == 2
    assert "Did you mean 'slurm'" in capsys.readouterr().err
    assert command(["sweep", data, "--named", "tibalt-onehidden"]) == 2
    assert "Did you mean 'tybalt-onehidden'" in capsys.readouterr().err


def test_the_command_line_sweeps(files, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = [
        "sweep",
        str(files / "expression.tsv"),
        "-m",
        "linear",
        "-e",
        "4",
        "--optimizer",
        "sgd",
        "-o",
        str(out),
    ]
    assert (
        command(
            [*arguments, "--grid", "latent_dim=2,3", "--grid", "learning_rate=0.05", "--folds", "2", "--keep-models"]
        )
        == 0
    )
    printed = capsys.readouterr().out
    assert "The best of 2 configurations" in printed
    assert f"Report: {out}/report.html" in printed
    kept = sorted(str(path.relative_to(out)) for path in (out / "models").glob("*/*"))
    assert kept == [f"models/{c}-linear/fold-{f}-seed-0" for c in ("0001", "0002") for f in (0, 1)]
    assert lt.load_model(out / kept[2]).n_components == 3
    assert (out / "sweep.tsv").read_text().startswith("configuration\tmodel\tn_components\tlearning_rate\t")


def test_halves_of_files_do_not_keep_a_sweep_from_going_on(done, make, tmp_path):
    folder = shutil.copytree(done.path, tmp_path / "out")
    litter = folder / ".0123456789ab.partial.summary.tsv"
    litter.write_text("half")
    make(folder, resume=True)
    assert not litter.exists()


def test_a_replacement_that_is_broken_off_can_be_repeated(done, make, tmp_path, monkeypatch):
    folder = shutil.copytree(done.path, tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(sweep_folder.shutil, "rmtree", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            make(folder, replace=True)
    assert len(make(folder, replace=True).trials) == len(done.trials)


def test_what_is_done_is_kept_where_both_replace_and_resume_are_given(done, make, tmp_path):
    folder = shutil.copytree(done.path, tmp_path / "out")
    results = {path: path.stat().st_mtime_ns for path in (folder / "results").iterdir()}
    make(folder, replace=True, resume=True)
    assert {path: path.stat().st_mtime_ns for path in (folder / "results").iterdir()} == results


def test_other_versions_are_told_and_damaged_files_refused(done, make, told, tmp_path):
    folder = shutil.copytree(done.path, tmp_path / "out")
    manifest = folder / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "latentome": "0.0.1"}))
    make(folder, resume=True, reporter=told)
    assert any("done with other versions: latentome 0.0.1 then" in text for text in told.said)
    (folder / "results" / "00000.json").write_text("[]")
    make(folder, resume=True)
    manifest.write_text("{}")
    with pytest.raises(lt.RunFolderError, match="manifest of this sweep is damaged"):
        make(folder, resume=True)


def test_groups_stay_together_in_every_fold_as_in_the_run(files, tmp_path):
    patients = pd.read_csv(files / "labels.tsv", sep="\t", index_col=0).assign(patient=lambda t: np.arange(len(t)) // 3)
    patients["patient"] = "P" + patients["patient"].astype(str)
    patients.to_csv(tmp_path / "labels.tsv", sep="\t")
    labels = {"labels": str(tmp_path / "labels.tsv"), "label_column": "type"}
    base = RunConfig(data=str(files / "expression.tsv"), model="linear", group="patient", **labels)
    groups = patients["patient"].to_numpy()
    for folds in (1, 3):
        store = prepare_store(SweepRequest(base, ("linear",), {"latent_dim": [2, 3]}, folds=folds))
        for fold in store.folds:
            assert not set(groups[fold.training]) & set(groups[~fold.training])
        if folds == 1:
            assert np.array_equal(store.folds[0].training, prepare(base, "zero-one").training)
        else:
            assert np.all(sum((~fold.training).astype(int) for fold in store.folds) == 1)
        # Nor does a training divide them, from the data as another process reads them.
        store.save(tmp_path / f"store-{folds}")
        store, configuration = Store.load(tmp_path / f"store-{folds}"), Configuration(1, "linear", {"n_components": 2})
        sizes = [fold.training.sum() for fold in store.folds]
        unit = Unit(1, tuple(Trial(configuration, fold, 0) for fold in range(folds) if sizes[fold] == sizes[0]))
        short = SweepRequest(replace(base, parameters={"max_epochs": 1}), ("linear",), folds=folds)
        for trained, trial in zip(work.train_unit(unit, short, store, tmp_path, None)[0], unit.trials, strict=True):
            own = groups[store.folds[trial.fold].training]
            assert not set(own[trained.training_rows_]) & set(own[trained.validation_rows_])


def test_pca_of_every_size_is_at_its_least_error():
    """The randomised solver alone leaves the largest size .06 % above it."""
    x = lt.datasets.load("tcga-33").X
    training = np.arange(len(x)) % 5 != 0
    rows = work._score_pca(Unit(0, sizes=(5, 20, 50)), Store([Fold(x, training)], None))
    mean = x[training].mean(axis=0, dtype=np.float64)
    axes = np.linalg.svd(x[training] - mean, full_matrices=False)[2]
    for row in rows:
        some = axes[: row["size"]]
        held_out = x[~training] - mean
        least = np.square(held_out - held_out @ some.T @ some).mean()
        assert row["PCA held-out MSE"] == pytest.approx(least, rel=1e-4)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('models = "vae"', "no value of the setting 'models' of a sweep"),
        ('models = ["vae"]\nseeds = "3"', "no value of the setting 'seeds' of a sweep"),
        ('models = ["vae"]\nsedes = 3', "no setting 'sedes'"),
        ('models = ["vae"]\n[grid]\nlatent_dim = 3', "nothing that 'latent_dim' can be varied over"),
        ('models = ["vae"]\n[grid]\nlatent_dim = {low = 1}', "nothing that 'latent_dim' can be varied over"),
        ("seeds = 3", "not the models of a sweep"),
    ],
)
def test_a_request_that_was_edited_badly(text, what):
    with pytest.raises(lt.InputError, match=what):
        SweepRequest.from_dict(tomllib.loads(text), "sweep.toml")
