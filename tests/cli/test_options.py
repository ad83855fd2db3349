"""Every option of a training reaches the request, and the options that no other test gives do what they say."""

from __future__ import annotations

import json
import tomllib

import numpy as np
import pytest

from latentome import datasets, workflow
from latentome.cli import options
from latentome.errors import InputError
from latentome.io import write_table

#: For each option what is typed, and what it sets in the request: a setting, or a parameter of the model.
TYPED = {
    "model": (["-m", "vae"], "model", "vae"),
    "out": (["-o", "somewhere"], None, None),
    "preset": (["--preset", "adage-2016"], "model", "adage-2016"),
    "labels": (["--labels", "no-such-labels.tsv"], "labels", "no-such-labels.tsv"),
    "label_column": (["--label-column", "type"], "label_column", "type"),
    "latent_dim": (["-z", "7"], "n_components", 7),
    "epochs": (["-e", "3"], "max_epochs", 3),
    "batch_size": (["--batch-size", "16"], "batch_size", 16),
    "learning_rate": (["--learning-rate", "0.002"], "learning_rate", 0.002),
    "optimizer": (["--optimizer", "sgd"], "optimizer", "sgd"),
    "momentum": (["--momentum", "0.9"], "momentum", 0.9),
    "nesterov": (["--nesterov"], "nesterov", True),
    "schedule": (["--schedule", "cosine"], "schedule", "cosine"),
    "schedule_warmup": (["--schedule-warmup", "0.1"], "schedule_warmup", 0.1),
    "clip_norm": (["--clip-norm", "1"], "clip_norm", 1.0),
    "patience": (["--patience", "5"], "patience", 5),
    "refit": (["--no-refit"], "refit", False),
    "hidden": (["--hidden", "300,100"], "hidden", [300, 100]),
    "beta": (["--beta", "0.5"], "beta", 0.5),
    "warmup": (["--warmup", "0.25"], "warmup", 0.25),
    "likelihood": (["--likelihood", "mse"], "likelihood", "mse"),
    "free_bits": (["--free-bits", "0.1"], "free_bits", 0.1),
    "noise": (["--noise", "0.2"], "noise", 0.2),
    "noise_kind": (["--noise-kind", "gaussian"], "noise_kind", "gaussian"),
    "tied": (["--untied"], "tied", False),
    "loss": (["--loss", "bernoulli"], "loss", "bernoulli"),
    "dropout": (["--dropout", "0.3"], "dropout", 0.3),
    "sparsity": (["--sparsity", "0.01"], "sparsity", 0.01),
    "precision": (["--precision", "bfloat16"], "precision", "bfloat16"),
    "members": (["--members", "3"], "members", 3),
    "duplicates": (["--duplicates", "sum"], "duplicates", "sum"),
    "impute": (["--impute", "mean"], "impute", "mean"),
    "transform": (["--transform", "none"], "transform", "none"),
    "genes": (["--genes", "50"], "genes", 50),
    "select": (["--select", "variance"], "select", "variance"),
    "scaling": (["--scaling", "robust"], "scaling", "robust"),
    "clip": (["--clip"], "clip", True),
    "orientation": (["--orientation", "genes-by-samples"], "orientation", "genes-by-samples"),
    "on_disk": (["--on-disk"], "on_disk", True),
    "test_size": (["--test-size", "0.3"], "test_size", 0.3),
    "stratify": (["--stratify", "type"], "stratify", ["type"]),
    "group": (["--group", "patient"], "group", "patient"),
    "seed": (["--seed", "9"], "seed", 9),
    "replace": (["--replace"], None, None),
    "resume": (["--resume"], None, None),
}


def test_no_option_is_left_out():
    assert set(TYPED) == set(options._TRAINING)


@pytest.mark.parametrize("option", TYPED)
def test_an_option_reaches_the_request_alone(option, latentome, monkeypatch):
    seen = []

    def caught(config, out, *, replace, resume, **_):
        seen.append((config, out, replace, resume))
        raise InputError("caught", where="here", expected="this", todo="nothing")

    monkeypatch.setattr(workflow, "run_config", caught)
    typed, name, value = TYPED[option]
    assert latentome("run", "tcga-33", *typed)[0] == 2
    assert latentome("run", "tcga-33")[0] == 2
    (config, out, replace, resume), (plain, plain_out, *_) = seen
    got, without = ({**c.to_dict(), **c.to_dict()["parameters"]} for c in (config, plain))
    changed = {key for key in got | without if got.get(key) != without.get(key)} - {"parameters"}
    assert changed == ({name} if name else set())
    if name:
        assert got[name] == value
    assert (replace, resume) == (option == "replace", option == "resume")
    assert (out == "somewhere") == (option == "out")
    assert plain_out == "latentome-tcga-33-nonlinear-pca"


def test_selection_scaling_and_training_options_together(latentome, tmp_path):
    table = datasets.simulate(80, 40, n_types=2, n_factors=3, rng=0).to_df()
    table.iloc[3, 5] = np.nan
    write_table(tmp_path / "data.tsv", table)
    chosen = ["--genes", "20", "--select", "variance", "--scaling", "robust", "--clip", "--impute", "mean"]
    trained = ["--members", "2", "--patience", "2", "--schedule", "cosine", "-b", "16", "-l", "0.002", "-e", "3"]
    out = tmp_path / "run"
    code, _, told = latentome("train", tmp_path / "data.tsv", "-m", "linear", "-z", "3", *chosen, *trained, "-o", out)
    assert code == 0, told
    kept = json.loads((out / "preprocessing.json").read_text())
    assert (len(kept["genes"]), kept["selection"], kept["scaling"], kept["clip"]) == (20, "variance", "robust", True)
    assert "missing" in told
    parameters = tomllib.loads((out / "config.toml").read_text())["parameters"]
    assert parameters == {
        "n_components": 3, "max_epochs": 3, "batch_size": 16, "learning_rate": 0.002, "schedule": "cosine",
        "patience": 2, "members": 2,
    }  # fmt: skip
    assert (out / "model.member-1.keras").exists()


def test_values_on_another_scale_are_taken_when_told(latentome, finished, files, tmp_path):
    import pandas as pd

    linear = 2.0 ** pd.read_csv(files / "expression.tsv", sep="\t", index_col=0).iloc[:5] - 1.0
    write_table(tmp_path / "linear.tsv", linear)
    code, _, told = latentome("predict", finished, tmp_path / "linear.tsv", "-o", tmp_path / "new")
    assert code == 2
    assert "another scale" in told
    assert not (tmp_path / "new").exists()
    assert latentome("predict", finished, tmp_path / "linear.tsv", "-o", tmp_path / "new", "--any-range")[0] == 0
    assert (tmp_path / "new" / "latent.tsv").exists()


def test_missing_genes_are_allowed_up_to_the_share_that_is_told(latentome, finished, files, tmp_path):
    import pandas as pd

    few = pd.read_csv(files / "expression.tsv", sep="\t", index_col=0).iloc[:5, :28]  # 12 of 40 genes are missing
    write_table(tmp_path / "few.tsv", few)
    asked = ("predict", finished, tmp_path / "few.tsv", "-o", tmp_path / "new")
    assert latentome(*asked, "--max-missing", "0.29")[0] == 2
    assert latentome(*asked, "--max-missing", "0.31")[0] == 0


def test_new_samples_have_rules_of_their_own(latentome, finished, files, tmp_path):
    import pandas as pd

    few = pd.read_csv(files / "expression.tsv", sep="\t", index_col=0).iloc[:1]
    few = pd.concat([few, few.iloc[:, [1]]], axis=1)  # one sample, one gene twice, one value missing
    few.iloc[0, 5] = None
    write_table(tmp_path / "few.tsv", few)
    asked = ("predict", finished, tmp_path / "few.tsv", "-o", tmp_path / "new")
    assert latentome(*asked, "--duplicates", "drop")[0] == 2
    assert latentome(*asked, "--impute", "mean")[0] == 2
    assert latentome(*asked, "--duplicates", "drop", "--impute", "mean")[0] == 0


def test_where_a_matrix_is_prepared(latentome, monkeypatch):
    pytest.importorskip("dask")
    asked = []
    monkeypatch.setattr("latentome.workflow.train_step", lambda *_, dask, **__: asked.append(dask) or 1 / 0)
    for place in ([], ["--prepare-on", "local"]):
        latentome("train", "blobs", *place)
    assert asked == [False, True]
    code, _, told = latentome("train", "blobs", "--prepare-on", "slurm")
    assert code == 2
    assert "not prepared by jobs of its own" in told
    code, _, told = latentome("train", "blobs", "--prepare-on", "nowhere:1")
    assert code == 2
    assert "--prepare-on nowhere:1" in told
    assert "There are: here, local. Or the address" in told


def test_a_dry_run_shows_the_plan_and_the_job_script(latentome, tmp_path):
    pytest.importorskip("dask_jobqueue")
    grid = ["--grid", "latent_dim=2,3,4", "--grid", "learning_rate=0.001,0.01", "--limit", "4", "--seeds", "2"]
    place = ["--on", "slurm", "--partition", "long", "--memory", "16GB", "--walltime", "02:00:00", "--gpus", "1"]
    code, printed, _ = latentome("sweep", "blobs", "-m", "linear", *grid, *place, "--dry-run", "-o", tmp_path / "s")
    assert code == 0
    assert printed.startswith("4 configurations x 1 folds x 2 seeds")
    for line in ("#SBATCH -p long", "#SBATCH -t 02:00:00", "--mem=15G", "#SBATCH --gpus=1"):
        assert line in printed
    assert not (tmp_path / "s").exists()
