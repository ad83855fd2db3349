"""The preprocessing of a matrix on disk is that of memory: real data, all choices, in small blocks."""

from __future__ import annotations

import os
import tracemalloc

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from latentome import pp
from latentome.datasets import load
from latentome.errors import InputError, WriteError
from latentome.io import MemoryMatrix, open_matrix
from latentome.pp import transform, values

ARRAYS = ("minimum", "span", "mean", "lowest", "highest")
WORDS = ("transform", "scaling", "genes", "constant", "notes", "selection", "scale")


@pytest.fixture(scope="module")
def tcga():
    """350 samples x 400 genes, one of them constant among the training samples."""
    adata = load("tcga-6")[:, :400].copy()
    adata.X[:, 7] = 3.0
    return adata


@pytest.fixture(scope="module")
def training(tcga):
    return ~pp.split_rows(tcga.n_obs, 0.2, None, 0)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Nine blocks of rows, and a hundred genes at a time."""
    monkeypatch.setattr(values, "BLOCK_VALUES", 40 * 400)
    monkeypatch.setattr(values, "GENES_BYTES", 4 * 280 * 100)


def counts(adata):
    """As counts: linear, whole numbers."""
    return anndata.AnnData(np.rint(np.exp2(adata.X)).astype(np.float32), adata.obs.copy(), adata.var.copy())


def backed(adata) -> MemoryMatrix:
    return MemoryMatrix(adata.X, adata.var_names, adata.obs_names)


def assert_same(one, other) -> None:
    for name in WORDS:
        assert getattr(one, name) == getattr(other, name), name
    for name in ARRAYS:
        found, expected = getattr(other, name), getattr(one, name)
        assert found.dtype == np.float32
        assert found.tobytes() == expected.tobytes(), name


@pytest.mark.parametrize("scaling", ["zero-one", "z-score", "robust", "none"])
@pytest.mark.parametrize("selection", ["mean-deviation", "median-deviation", "variance"])
def test_what_is_learned_in_blocks_is_what_is_learned_in_memory(tcga, training, selection, scaling):
    how = {"n_genes": 60, "scaling": scaling, "selection": selection}
    whole = pp.fit_preprocessing(tcga[training], **how)
    assert_same(whole, pp.fit_preprocessing(backed(tcga), rows=training, **how))
    assert tcga.var_names[7] in whole.constant


@pytest.mark.parametrize("transform", ["auto", "log2p1", "log2cpm", "none"])
def test_the_transform_and_what_is_said_of_it_are_the_same(tcga, training, transform):
    linear = counts(tcga)
    how = {"transform": transform, "n_genes": [str(name) for name in tcga.var_names[:30]]}
    assert_same(
        pp.fit_preprocessing(linear[training], **how), pp.fit_preprocessing(backed(linear), rows=training, **how)
    )


def test_held_out_rows_make_no_difference(tcga, training):
    changed = tcga.copy()
    changed.X[~training] = 1e6
    fitted = [pp.fit_preprocessing(backed(adata), n_genes=50, rows=training) for adata in (tcga, changed)]
    assert_same(*fitted)


def test_a_matrix_is_never_in_memory_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(transform, "_LOOKED_AT", 10_000)
    x = np.random.default_rng(0).random((20_000, 50), dtype=np.float32)
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        file.create_dataset("X", data=x)
    with open_matrix(tmp_path / "x.h5ad") as matrix:
        tracemalloc.start()
        try:
            pp.fit_preprocessing(matrix, n_genes=20, selection="variance", scaling="z-score")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 0.4 * x.nbytes


@pytest.mark.parametrize("kind", ["h5ad", "h5ad-csr", "zarr"])
def test_the_copy_holds_the_scaled_training_rows(tmp_path, tcga, training, kind, recwarn):
    linear = counts(tcga)
    stored = linear.copy()
    if kind.endswith("csr"):
        stored.X = sp.csr_matrix(stored.X)
    path = tmp_path / f"data.{kind.split('-')[0]}"
    getattr(stored, f"write_{path.suffix[1:]}")(path)
    recwarn.clear()  # of AnnData on formats to come
    with open_matrix(path) as matrix:
        fitted = pp.fit_preprocessing(matrix, n_genes=60, rows=training)
        assert_same(pp.fit_preprocessing(linear[training], n_genes=60), fitted)
        prints = []
        for _ in range(2):  # the second one replaces the first, and counts as the same
            pp.write_preprocessed(matrix, fitted, tmp_path / "copy.zarr", training)
            with open_matrix(tmp_path / "copy.zarr") as copy:
                np.testing.assert_array_equal(copy.block(0, len(copy)), fitted.apply(linear[training])[0])
                assert copy.genes.tolist() == fitted.genes
                assert copy.samples.tolist() == tcga.obs_names[training].tolist()
                prints.append(copy.fingerprint())
        assert prints[0] == prints[1]
        seen, _ = pp.preprocess(matrix, fitted)
        np.testing.assert_array_equal(seen.block(300, 350), fitted.apply(linear[300:])[0])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy.zarr", path.name]


def test_a_missing_value_in_a_late_block_is_named_and_nothing_is_left(tmp_path, tcga):
    fitted = pp.fit_preprocessing(tcga)
    broken = tcga.copy()
    broken.X[333, 20] = np.nan
    for refused in (
        lambda: pp.fit_preprocessing(backed(broken)),
        lambda: pp.write_preprocessed(backed(broken), fitted, tmp_path / "copy.zarr"),
    ):
        with pytest.raises(InputError, match="1 value missing or infinite") as caught:
            refused()
        assert f"sample '{tcga.obs_names[333]}' (row 334), gene '{tcga.var_names[20]}'" in caught.value.where
    assert not any(tmp_path.iterdir())


def test_a_value_without_a_logarithm_is_named(tcga, training):
    broken = counts(tcga)
    row = int(np.flatnonzero(training)[-1])
    broken.X[row, 30] = -5.0
    with pytest.raises(InputError, match="logarithm") as caught:
        pp.fit_preprocessing(backed(broken), "log2p1", rows=training)
    assert f"row {row}, column 30" in caught.value.where
    assert f"sample '{tcga.obs_names[row]}', gene '{tcga.var_names[30]}'" in caught.value.where


def test_too_little_room_is_told_before_anything_is_written(tmp_path, tcga, monkeypatch):
    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(WriteError, match="the disk is full") as caught:
        pp.write_preprocessed(backed(tcga), pp.fit_preprocessing(tcga), tmp_path / "copy.zarr")
    assert f"{4 * 350 * 399:,} bytes were to be written" in caught.value.where
    assert not any(tmp_path.iterdir())


def test_what_is_there_is_no_copy_or_stays(tmp_path, tcga):
    fitted = pp.fit_preprocessing(tcga)
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "thesis.txt").write_text("all of it")
    for name in ("mine.zarr", "copy.h5ad"):
        with pytest.raises(InputError, match="no place for Zarr"):
            pp.write_preprocessed(backed(tcga), fitted, tmp_path / name)
    assert (tmp_path / "mine.zarr" / "thesis.txt").exists()


def test_a_mask_that_does_not_fit_and_a_gene_named_twice_are_refused(tcga, training):
    with pytest.raises(InputError, match="not the training samples"):
        pp.fit_preprocessing(backed(tcga), rows=training[:-1])
    twice = pd.Index([tcga.var_names[0], *tcga.var_names[:-1]])
    with pytest.raises(InputError, match="names a gene more than once"):
        pp.fit_preprocessing(MemoryMatrix(tcga.X, twice))


@pytest.mark.parametrize("damage", ["cut", "lost chunk"])
def test_a_damaged_matrix_is_a_refusal(tmp_path, tcga, damage, recwarn):
    if damage == "cut":
        path = tmp_path / "data.h5ad"
        tcga.write_h5ad(path)
        os.truncate(path, path.stat().st_size // 2)
    else:
        path = tmp_path / "data.zarr"
        tcga.write_zarr(path)
        chunk = max((p for p in (path / "X").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
        os.truncate(chunk, 100)
    recwarn.clear()
    with pytest.raises(InputError, match=path.name), open_matrix(path) as matrix:
        pp.fit_preprocessing(matrix)
