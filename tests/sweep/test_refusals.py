"""What a sweep cannot do is refused before anything is written."""

from __future__ import annotations

import pytest

import latentome as lt
from latentome.cli.main import run as command
from latentome.sweep.grid import Span, combinations, parse_grid


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
    import shutil

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
