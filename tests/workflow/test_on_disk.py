"""A run whose matrix stays on disk: the same preprocessing and folder as in memory, encoded in blocks, or a refusal."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest

import latentome as lt
from latentome import io
from latentome.errors import InputError, LatentomeError, RunFolderError, WriteError
from latentome.workflow import Reporter, on_disk, predict_new, predict_run, prepare_again, run_config, train_step
from latentome.workflow.manifest import describe_data
from latentome.workflow.prepare import prepare

FILES = {
    *("config.toml", "manifest.json", "preprocessing.json", "history.tsv", "estimator.json", "test-vectors.npz"),
    *("model.keras", "encoder.weights.h5", "decoder.weights.h5", "latent.tsv", "latent.h5ad", "signatures.tsv"),
}


@pytest.fixture(scope="module")
def asked(config, simulated, tmp_path_factory):
    """The same request on an .h5ad file, with few rows to a chunk."""
    path = tmp_path_factory.mktemp("disk") / "big.h5ad"
    known = simulated.copy()  # ids of genes are learned from disk, too
    known.var["entrez"] = [str(1000 + i) for i in range(known.n_vars)]
    known.write_h5ad(path)
    parameters = {**config.parameters, "batch_size": 16}
    return replace(config, data=str(path), genes=30, on_disk=True, parameters=parameters)


@pytest.fixture(scope="module")
def trained(asked, tmp_path_factory):
    run, prepared = train_step(asked, str(tmp_path_factory.mktemp("runs") / "disk"), Reporter(), command="latentome")
    predict_run(run, asked, Reporter())
    return run, prepared


def test_the_folder_is_that_of_a_run_in_memory(asked, trained):
    run, prepared = trained
    assert {p.name for p in run.path.iterdir()} == FILES
    in_memory = prepare(replace(asked, on_disk=False), "zero-one")
    in_memory.preprocessing.save(run.path.parent / "preprocessing.json")
    assert run.preprocessing.read_bytes() == (run.path.parent / "preprocessing.json").read_bytes()
    assert prepared.adata.obs.equals(in_memory.adata.obs)
    one, other = run.read_manifest(), describe_data(in_memory)
    assert one["data"]["sha256"] == other["data"]["sha256"]
    assert (one["data"]["on_disk"], other["data"]["on_disk"]) == (True, False)
    assert one["split"] == other["split"]
    assert one["status"] == "trained"


def test_tasks_of_dask_prepare_the_same(asked, trained, tmp_path):
    pytest.importorskip("dask")
    prepared = on_disk.prepare_backed(asked, "zero-one", tmp_path / "run", dask=True)
    with prepared.matrix:
        prepared.preprocessing.save(tmp_path / "preprocessing.json")
    assert (tmp_path / "preprocessing.json").read_bytes() == trained[0].preprocessing.read_bytes()


def test_the_model_is_that_of_the_scaled_training_rows(asked, trained):
    run, prepared = trained
    x = prepared.preprocessing.apply(anndata.read_h5ad(asked.data)[prepared.training])[0]
    own = lt.load_model(run.path)
    again = lt.VariationalAutoencoder(**asked.parameters, random_state=asked.seed)
    again.fit(io.MemoryMatrix(x, prepared.preprocessing.genes))
    assert all(np.array_equal(a, b) for a, b in zip(own.model_.get_weights(), again.model_.get_weights(), strict=True))


def test_samples_are_encoded_in_blocks(asked, trained, monkeypatch, tmp_path, told):
    run, prepared = trained
    x, _ = prepared.preprocessing.apply(anndata.read_h5ad(asked.data))
    table = pd.DataFrame(x, columns=prepared.preprocessing.genes)
    model = lt.load_model(run.path)
    expected = model.transform(table)
    own = anndata.read_h5ad(run.h5ad)
    np.testing.assert_allclose(own.obsm["X_vae"], expected, atol=1e-5)  # products of another number of rows
    assert own.obs["split"].value_counts().to_dict() == {"train": 96, "test": 24}
    error = np.square(x - model.inverse_transform(expected)).mean(axis=1)
    np.testing.assert_allclose(own.obs["error"], error, rtol=1e-4)
    monkeypatch.setattr("latentome.workflow.encode_backed.ROWS", 50)
    for number, how in enumerate(({"on_disk": True}, {"on_disk": False})):
        folder = predict_new(run, asked.data, tmp_path / str(number), reporter=told, **how)
        codes = pd.read_csv(folder / "latent.tsv", sep="\t", index_col="sample")
        np.testing.assert_allclose(codes, expected, atol=1e-5)
        assert (folder / "error.tsv").exists()
        assert (folder / "latent.h5ad").exists()
    assert any("no map" in text for text in told.said)


def test_a_single_sample_is_encoded_in_blocks(trained, simulated, tmp_path):
    run, _ = trained
    own = anndata.read_h5ad(run.h5ad).obsm["X_vae"][7]
    simulated[[7]].write_h5ad(tmp_path / "one.h5ad")
    asked = (run, str(tmp_path / "one.h5ad"), tmp_path / "out")
    for on_disk_too in (True, False):
        folder = predict_new(*asked, on_disk=on_disk_too, replace=True)
        codes = pd.read_csv(folder / "latent.tsv", sep="\t", index_col="sample")
        np.testing.assert_allclose(codes.to_numpy(), own[None], atol=1e-5)  # products of another number of rows
    for changed, message in (
        ({"max_missing": float("nan")}, "no share"),
        ({"impute": "mean"}, "not filled for a run that was trained from disk"),
        ({"duplicates": "sum"}, "taken as it is"),
    ):
        with pytest.raises(InputError, match=message):
            predict_new(*asked, on_disk=True, replace=True, **changed)


def test_samples_without_a_gene_of_the_model_are_encoded_where_that_is_allowed(trained, simulated, tmp_path):
    strange = simulated[:3].copy()
    strange.var_names = [f"other-{i}" for i in range(strange.n_vars)]
    strange.write_h5ad(tmp_path / "new.h5ad")
    folder = predict_new(trained[0], str(tmp_path / "new.h5ad"), tmp_path / "out", on_disk=True, max_missing=1.0)
    assert len(pd.read_csv(folder / "latent.tsv", sep="\t").drop(columns="sample").drop_duplicates()) == 1


def test_reads_without_a_gene_are_set_aside(tmp_path):
    names = ["TP53", "__no_feature", "KRAS"]
    table = pd.DataFrame([[1, 2, 3], [4, 5, 6]], ["a", "b"], names, dtype=np.float32)
    anndata.AnnData(table).write_h5ad(tmp_path / "e.h5ad")
    matrix, told = on_disk.read_backed(str(tmp_path / "e.h5ad"))
    with matrix:
        assert matrix.block(0, 2).tolist() == [[1, 3], [4, 6]]
    assert list(told.var_names) == ["TP53", "KRAS"]
    assert any("__no_feature are no genes" in note for note in told.uns["source"]["notes"])


def test_genes_for_samples_are_refused(tmp_path):
    adata = anndata.AnnData(np.ones((3, 2), np.float32))
    adata.obs_names, adata.var_names = ["TP53", "EGFR", "MYC"], ["TCGA-OR-A5J1-01", "TCGA-OR-A5J2-01"]
    adata.write_h5ad(path := tmp_path / "turned.h5ad")
    with pytest.raises(InputError, match="has genes where AnnData has samples"):
        on_disk.read_backed(str(path))
    assert on_disk.read_backed(str(path), orientation="samples-by-genes")[1].shape == (3, 2)


def test_what_needs_all_samples_is_refused(asked, trained, tmp_path):
    run, _ = trained
    with pytest.raises(RunFolderError, match="trained from disk"):
        prepare_again(asked, run)
    for part in ("metrics", "figures", "report"):  # what 'visualize', 'report' and others ask for first
        with pytest.raises(RunFolderError, match="trained from disk"):
            run.require(part)
    with pytest.raises(InputError, match="Only training and encoding"):
        run_config(asked, str(tmp_path / "run"))
    for changed in ({"impute": "mean"}, {"orientation": "genes-by-samples"}, {"duplicates": "sum"}):
        with pytest.raises(InputError, match="taken as it is"):
            train_step(replace(asked, **changed), str(tmp_path / "run"), Reporter(), command="")
    wrong = replace(asked, parameters={**asked.parameters, "likelihood": "bernoulli"}, scaling="z-score")
    with pytest.raises(InputError, match=r"needs data in \[0, 1\]"):
        train_step(wrong, str(tmp_path / "run"), Reporter(), command="")
    with pytest.raises(InputError, match="read into memory"):
        train_step(replace(asked, data="tcga-33"), str(tmp_path / "run"), Reporter(), command="")
    assert not (tmp_path / "run").exists()


def test_a_matrix_is_read_from_disk_where_it_is_large(asked, monkeypatch, told):
    assert not on_disk.streams(asked.data, None, told)
    monkeypatch.setattr("latentome.training.memory.free_memory", lambda: 4 * 120 * 40 * 3)
    assert on_disk.streams(asked.data, None, told)
    assert "quarter of the free memory" in told.said[-1]
    assert not on_disk.streams(asked.data, False, told)
    assert not on_disk.streams("tcga-33", None, told)


class Stops(Reporter):
    """Presses Ctrl-C at the first report of progress."""

    stopped = False

    def progress(self, done: int, total: int, row: dict[str, float]) -> None:
        if not self.stopped:
            self.stopped = True
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("lost", [False, True], ids=["copy there", "copy lost"])
def test_a_run_that_was_stopped_goes_on(asked, trained, tmp_path, told, lost):
    with pytest.raises(KeyboardInterrupt):
        train_step(asked, str(tmp_path / "run"), Stops(), command="")
    run = io.RunFolder(tmp_path / "run")
    assert list(run.checkpoints.glob("*.state"))
    if lost:
        run.remove_matrix()
    assert run.item("matrix").is_dir() != lost
    run, _ = train_step(asked, str(run.path), told, command="", resume=True)
    assert run.history.read_bytes() == trained[0].history.read_bytes()
    pairs = zip(*(lt.load_model(r.path).model_.get_weights() for r in (run, trained[0])), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert not run.item("matrix").exists()
    assert not run.checkpoints.exists()


def own_copy(asked, tmp_path):
    path = tmp_path / "own.h5ad"
    shutil.copy(asked.data, path)
    return replace(asked, data=str(path))


def test_data_that_change_are_refused(asked, tmp_path, monkeypatch, told):
    mine = own_copy(asked, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train_step(mine, str(tmp_path / "stopped"), Stops(), command="")
    write = on_disk.write_preprocessed

    def meanwhile(*arguments):
        write(*arguments)
        os.utime(mine.data)

    monkeypatch.setattr(on_disk, "write_preprocessed", meanwhile)
    with pytest.raises(InputError, match="changed while it was prepared"):
        train_step(mine, str(tmp_path / "run"), told, command="")
    assert not (tmp_path / "run" / "preprocessed.zarr").exists()
    adata = anndata.read_h5ad(mine.data)
    adata.X[0, 0] += 1
    adata.write_h5ad(mine.data)
    with pytest.raises(RunFolderError, match="data have changed"):
        train_step(mine, str(tmp_path / "stopped"), told, command="", resume=True)


def test_no_room_for_the_copy_is_told_before_the_run_is_made(asked, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(WriteError, match="disk is full"):
        train_step(asked, str(tmp_path / "run"), Reporter(), command="")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("damage", ["cut", "missing value"])
def test_damaged_data_are_refused_before_the_run_is_made(asked, tmp_path, damage):
    mine = own_copy(asked, tmp_path)
    if damage == "cut":
        os.truncate(mine.data, os.path.getsize(mine.data) // 2)
    else:
        adata = anndata.read_h5ad(mine.data)
        adata.X[117, 3] = np.nan
        adata.write_h5ad(mine.data)
    with pytest.raises(LatentomeError, match=r"own\.h5ad") as refused:
        train_step(mine, str(tmp_path / "run"), Reporter(), command="")
    if damage == "missing value":
        assert "(row 118)" in refused.value.where
        assert "(column 4)" in refused.value.where
    assert not (tmp_path / "run").exists()


def test_another_scale_is_refused(asked, trained, tmp_path):
    run, _ = trained
    adata = anndata.read_h5ad(asked.data)
    adata.X = np.exp2(adata.X)
    adata.write_h5ad(tmp_path / "linear.h5ad")
    with pytest.raises(InputError, match="another scale"):
        predict_new(run, str(tmp_path / "linear.h5ad"), tmp_path / "new", on_disk=True)
    assert not (tmp_path / "new" / "latent.tsv").exists()
    adata[:, :20].write_h5ad(tmp_path / "few.h5ad")
    with pytest.raises(InputError, match="lack"):
        predict_new(run, str(tmp_path / "few.h5ad"), tmp_path / "new", on_disk=True)
    assert json.loads(run.manifest.read_text())["status"] == "trained"


def test_counts_of_the_genes_of_the_model_alone_are_refused(asked, tmp_path):
    rng = np.random.default_rng(0)
    rates = rng.lognormal(3.0, 1.0, 1200) * rng.lognormal(0, 0.4, (60, 1)) * rng.lognormal(0, 0.3, (60, 1200))
    adata = anndata.AnnData(rng.poisson(rates).astype(np.float32))
    adata.var_names, adata.obs_names = [f"G{i}" for i in range(1200)], [f"s{i}" for i in range(60)]
    adata.write_h5ad(tmp_path / "counts.h5ad")
    counts = replace(asked, data=str(tmp_path / "counts.h5ad"), labels=None, label_column=None, transform="log2cpm")
    run, prepared = train_step(counts, str(tmp_path / "run"), Reporter(), command="")
    adata[:, prepared.preprocessing.genes].write_h5ad(tmp_path / "few.h5ad")
    with pytest.raises(InputError, match="depth of these libraries"):
        predict_new(run, str(tmp_path / "few.h5ad"), tmp_path / "new", on_disk=True)
    assert not (tmp_path / "new" / "latent.tsv").exists()
    predict_new(run, str(tmp_path / "counts.h5ad"), tmp_path / "new", on_disk=True)
    predict_new(run, str(tmp_path / "few.h5ad"), tmp_path / "few", on_disk=True, check_range=False)
