from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

import latentome as lt
from latentome.errors import InputError, LatentomeError, RunFolderError, TrainingError
from latentome.workflow import evaluate_step, open_run, prepare_again, run_config, steps, train_step, visualize_step

from .conftest import PARAMETERS

TABLES = (
    "latent.tsv",
    "tsne.tsv",
    "history.tsv",
    "signatures.tsv",
    "metrics.json",
    "preprocessing.json",
    "config.toml",
)


def read(path, **options) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", index_col=0, **options)


def test_the_folder_holds_the_files_of_the_contract_and_nothing_else(finished):
    files = {str(path.relative_to(finished.path)) for path in finished.path.rglob("*") if path.is_file()}
    figures = {name for name in files if name.startswith("figures/")}
    assert files - figures == {
        "config.toml",
        "manifest.json",
        "model.keras",
        "encoder.weights.h5",
        "decoder.weights.h5",
        "estimator.json",
        "test-vectors.npz",
        "preprocessing.json",
        "history.tsv",
        "latent.tsv",
        "tsne.tsv",
        "metrics.json",
        "errors_by_gene.tsv",
        "errors_by_class.tsv",
        "confusion.tsv",
        "latent.h5ad",
        "signatures.tsv",
        "report.html",
    }
    names = {"tsne", "training_curves", "scores", "latent_heatmap", "activations", "error_by_class"}
    names |= {"architecture", "swarm", "loading_scatter"}
    assert {f"figures/{name}.png" for name in names} <= figures
    for name in figures:
        assert (finished.path / name).read_bytes().startswith(b"\x89PNG\r\n")


def test_the_tables_agree_with_one_another(finished, simulated):
    latent, maps = read(finished.latent), read(finished.tsne)
    encoded = anndata.read_h5ad(finished.h5ad)
    assert list(latent) == [f"vae_{i}" for i in range(1, 6)]
    assert list(maps) == ["tsne_vae_1", "tsne_vae_2", "tsne_pca_1", "tsne_pca_2"]
    for names in (latent.index, maps.index, encoded.obs_names):
        assert list(names) == list(simulated.obs_names)
    # Text with nine digits reads back to the same float32.
    assert np.array_equal(latent.to_numpy(np.float32), encoded.obsm["X_vae"])
    assert np.array_equal(maps.to_numpy(np.float32)[:, 2:], encoded.obsm["X_tsne_pca"])
    assert encoded.obsm["X_pca"].shape == (120, 5)
    assert encoded.varm["vae_loadings"].shape == (40, 5)
    assert np.isfinite(latent.to_numpy()).all()
    assert np.isfinite(maps.to_numpy()).all()
    assert len(read(finished.history)) == 6
    metrics = json.loads(finished.metrics.read_text())
    assert metrics["methods"] == ["VAE", "PCA"]
    assert metrics["n_test"] == (encoded.obs["split"] == "test").sum() == 24


def test_the_metrics_are_those_of_the_saved_model_on_the_held_out_samples(finished, config):
    model = lt.load_model(finished.path)
    prepared = prepare_again(config, finished)
    x = prepared.adata.to_df()[~prepared.training]
    rebuilt = model.inverse_transform(model.transform(x))
    error = np.square(x.to_numpy() - rebuilt, dtype=np.float64).mean()
    told = json.loads(finished.metrics.read_text())["table"]["held-out MSE"]
    assert told["VAE"] == pytest.approx(error, rel=1e-6)
    centred = prepared.adata.X - prepared.adata.X[prepared.training].mean(axis=0, dtype=np.float64)
    directions = np.linalg.svd(centred[prepared.training], full_matrices=False)[2][:5]
    test = centred[~prepared.training]
    expected = np.square(test - test @ directions.T @ directions).mean()
    # Codes and loadings of PCA pass through float32.
    assert told["PCA"] == pytest.approx(expected, rel=1e-4)


def test_the_manifest_tells_what_was_done(finished, config, simulated):
    manifest = finished.read_manifest()
    assert manifest["status"] == "done"
    assert manifest["command"] == "latentome run ..."
    assert manifest["seed"] == 1
    assert manifest["data"]["n_samples"] == 120
    assert manifest["data"]["label_column"] == "type"
    encoded = anndata.read_h5ad(finished.h5ad)
    kept = hashlib.sha256(np.packbits(encoded.obs["split"] == "test").tobytes()).hexdigest()
    told = {"train": 96, "test": 24, "stratified_by": "type", "grouped_by": None, "sha256": kept}
    assert manifest["split"] == told
    assert manifest["model"]["parameters"]["max_epochs"] == PARAMETERS["max_epochs"]
    assert manifest["model"]["validation_rows"] == 10
    encoder, heads, decoder, variance = 0, 2 * (40 * 5 + 5), 5 * 40 + 40, 40
    assert manifest["model"]["n_parameters"] == encoder + heads + decoder + variance
    assert {"train", "evaluate", "figures"} <= manifest["timings"].keys()
    assert open_run(str(finished.path))[1].to_dict() == config.to_dict()


def test_the_same_request_gives_the_same_bytes(finished, config, tmp_path, monkeypatch):
    """From Python this time, into a folder that holds a run of something else, which goes."""
    for name in ("_of_samples", "_of_genes"):
        monkeypatch.setattr(f"latentome.workflow.figures.{name}", lambda *_: {})
    path = str(tmp_path / "run")
    train_step(replace(config, seed=5), path, lt.workflow.Reporter(), command="")
    options = {key: value for key, value in config.to_dict().items() if key not in ("data", "model")}
    options["parameters"]["hidden"] = ()  # as one writes it in Python; the file knows lists only
    options["labels"] = Path(config.labels)
    again = lt.run(Path(config.data), config.model, Path(path), replace=True, **options)
    for name in TABLES:
        assert (again.path / name).read_bytes() == (finished.path / name).read_bytes(), name
    one, other = lt.load_model(again.path), lt.load_model(finished.path)
    for a, b in zip(one.model_.get_weights(), other.model_.get_weights(), strict=True):
        assert np.array_equal(a, b)
    assert "latentome.run(out=" in again.read_manifest()["command"]
    # The same call with resume finds its model trained, and leaves it.
    before = again.model.read_bytes()
    train_step(config, path, lt.workflow.Reporter(), command="", resume=True)
    assert again.model.read_bytes() == before


def test_a_folder_that_holds_a_run_is_not_touched(finished, config):
    before = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")}
    with pytest.raises(RunFolderError, match="already holds a run"):
        run_config(config, str(finished.path))
    assert {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")} == before


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"parameters": {"n_components": 41}}, InputError),
        ({"parameters": {"n_components": 0}}, InputError),
        ({"parameters": {"hidden": [0]}}, InputError),
        ({"parameters": {"warmup": 7, "max_epochs": 7}}, TrainingError),
        ({"parameters": {"optimizer": "adm"}}, InputError),
        ({"parameters": {"activation": "gelo", "hidden": [4]}}, InputError),
        ({"parameters": {"likelihood": "bernoulli"}, "scaling": "none"}, InputError),
        ({"test_size": 1.0}, InputError),
        ({"scaling": "one-zero"}, InputError),
        ({"genes": -5}, InputError),
    ],
)
def test_what_cannot_be_trained_leaves_no_folder(config, tmp_path, changed, kind):
    with pytest.raises(kind):
        run_config(replace(config, **changed), str(tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []


def test_too_few_samples_for_a_map_are_refused_before_training(simulated, config, tmp_path):
    lt.io.write_table(tmp_path / "three.tsv", simulated.to_df().iloc[:3])
    few = replace(config, data=str(tmp_path / "three.tsv"), labels=None, parameters={"n_components": 1})
    with pytest.raises(InputError, match="at least 4 samples"):
        run_config(few, str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("what", ["data", "labels"])
def test_changed_files_are_refused_by_every_later_step(own_data, tmp_path, what, told):
    """Changed labels would split the samples anew, and score the model on samples that it was trained on."""
    folder, _ = train_step(own_data, str(tmp_path / "run"), told, command="")
    run, config = open_run(str(folder.path))
    prepare_again(config, run)
    path = getattr(own_data, what)
    with open(path, encoding="utf-8") as stream:
        content = stream.read()
    old = "type-1" if what == "labels" else content.splitlines()[1].split("\t")[1]
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(content.replace(old, "type-2" if what == "labels" else "7.5", 1))
    with pytest.raises(RunFolderError, match="have changed since") as refused:
        prepare_again(config, run)
    assert path in refused.value.where
    with pytest.raises(RunFolderError, match="have changed since"):
        run_config(config, str(folder.path), resume=True)


def test_data_that_lost_a_gene_are_refused_as_changed(own_data, tmp_path, told):
    folder, _ = train_step(own_data, str(tmp_path / "run"), told, command="")
    lt.io.write_table(own_data.data, read(own_data.data).iloc[:, 1:])
    with pytest.raises(RunFolderError, match="have changed since"):
        prepare_again(own_data, folder)


def test_steps_say_which_command_has_to_come_first(own_data, tmp_path, told):
    folder, prepared = train_step(own_data, str(tmp_path / "run"), told, command="")
    for step in (evaluate_step, visualize_step):
        with pytest.raises(LatentomeError, match="latentome predict"):
            step(folder, prepared, told)


def test_an_accelerator_is_named_where_it_trains(config, tmp_path, monkeypatch, told):
    monkeypatch.setattr(steps, "accelerator", lambda: "NVIDIA of a test")
    titles, step = [], told.step
    monkeypatch.setattr(told, "step", lambda title, unit="": titles.append(title) or step(title, unit))
    train_step(config, str(tmp_path / "run"), told, command="latentome train ...")
    assert "train on NVIDIA of a test" in titles


def test_data_that_were_moved_are_missed_by_the_name_of_the_run(config, finished):
    moved = replace(config, data="/nowhere/expression.tsv")
    with pytest.raises(RunFolderError, match="The data of this run are not where they were") as refused:
        prepare_again(moved, finished)
    assert f"change the line 'data =' in {finished.config}" in refused.value.todo
