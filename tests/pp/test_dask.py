"""Preprocessing by Dask is that of memory, bit for bit, whatever the chunks, the scheduler and its workers."""

from __future__ import annotations

import anndata
import numpy as np
import pytest
import scipy.sparse as sp

from latentome import pp
from latentome.datasets import load
from latentome.errors import InputError
from latentome.io import MemoryMatrix, open_matrix
from latentome.pp import values

dask = pytest.importorskip("dask")
array = pytest.importorskip("dask.array")

WORDS = ("transform", "scaling", "genes", "constant", "notes", "selection", "scale")
ARRAYS = ("minimum", "span", "mean", "lowest", "highest")
#: Rows and columns of a chunk: none of them ends where a block does.
CHUNKS = [(50, -1), (7, 130), (350, 100)]
ALL = [("mean-deviation", "zero-one"), ("median-deviation", "robust"), ("variance", "z-score")]


@pytest.fixture(scope="module")
def counts():
    """350 samples x 300 genes as counts, one of them constant."""
    adata = load("tcga-6")[:, :300].copy()
    adata.X = np.rint(np.exp2(adata.X)).astype(np.float32)
    adata.X[:, 7] = 3.0
    return adata


@pytest.fixture(scope="module")
def training(counts):
    return ~pp.split_rows(counts.n_obs, 0.2, None, 0)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Seven blocks of rows, and a hundred genes at a time."""
    monkeypatch.setattr(values, "BLOCK_VALUES", 40 * 300)
    monkeypatch.setattr(values, "GENES_BYTES", 4 * 280 * 100)


@pytest.fixture(scope="module")
def cluster():
    """Two workers in this process, which all the same are given nothing but what travels over TCP."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=False,
            protocol="tcp",
            dashboard_address=None,
            memory_limit=None,
        ) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):
        yield client


def lazily(adata, chunks=CHUNKS[0], sparse=False):
    """The same samples with X as a Dask array."""
    x = array.from_array(adata.X, chunks=chunks)
    return anndata.AnnData(x.map_blocks(sp.csr_matrix) if sparse else x, adata.obs.copy(), adata.var.copy())


def same(one, other):
    for name in WORDS:
        assert getattr(one, name) == getattr(other, name), name
    for name in ARRAYS:
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize(("selection", "scaling"), ALL)
def test_threads_learn_what_memory_does(counts, training, chunks, selection, scaling):
    how = {"n_genes": 60, "selection": selection, "scaling": scaling}
    expected = pp.fit_preprocessing(counts[training], **how)
    same(expected, pp.fit_preprocessing(lazily(counts, chunks), rows=training, **how))
    same(expected, pp.fit_preprocessing(lazily(counts, chunks)[training], **how))


@pytest.mark.filterwarnings("ignore")
def test_workers_learn_what_memory_does_from_an_array_and_from_disk(counts, training, cluster, tmp_path):
    counts.write_zarr(tmp_path / "counts.zarr")
    # Rows that are few and far between are read alone.
    few = np.isin(np.arange(counts.n_obs), [0, 1, 2, 100, 101, 349, 348])
    how = {"n_genes": 60, "transform": "log2cpm", "selection": "median-deviation", "scaling": "z-score"}
    expected = pp.fit_preprocessing(counts[training], **how)
    with cluster.as_current(), open_matrix(tmp_path / "counts.zarr", dask=True) as matrix:
        same(expected, pp.fit_preprocessing(lazily(counts), rows=training, **how))
        same(expected, pp.fit_preprocessing(matrix, rows=training, **how))
        same(pp.fit_preprocessing(counts[few]), pp.fit_preprocessing(matrix, rows=few))
        pp.write_preprocessed(matrix, expected, tmp_path / "scaled.zarr", training, chunk_rows=30)
    with open_matrix(tmp_path / "scaled.zarr") as written:
        np.testing.assert_array_equal(written.block(0, len(written)), expected.apply(counts[training])[0])


@pytest.mark.parametrize("sparse", [False, True])
def test_samples_are_scaled_when_they_are_asked_for(counts, training, sparse, tmp_path):
    adata = lazily(counts, CHUNKS[1] if not sparse else CHUNKS[0], sparse)
    fitted = pp.fit_preprocessing(adata, "log2cpm", n_genes=60, rows=training)
    same(pp.fit_preprocessing(counts[training], "log2cpm", n_genes=60), fitted)
    scaled = pp.align(adata[:, ::-1][:20], fitted)
    assert hasattr(scaled.X, "dask")
    assert scaled.X.shape == (20, 60)
    np.testing.assert_array_equal(scaled.X.compute(), fitted.apply(counts[:, ::-1][:20])[0])
    matrix = MemoryMatrix(adata.X, adata.var_names, adata.obs_names)
    pp.write_preprocessed(matrix, fitted, tmp_path / "scaled.zarr", training)
    with open_matrix(tmp_path / "scaled.zarr") as written:
        np.testing.assert_array_equal(written.block(0, len(written)), fitted.apply(counts[training])[0])


def test_a_split_leaves_values_where_they_are(counts):
    train, test = pp.split(lazily(counts), 0.2, rng=0)
    here = pp.split(counts, 0.2, rng=0)
    assert [list(part.obs_names) for part in (train, test)] == [list(part.obs_names) for part in here]
    assert hasattr(train.X, "dask")
    np.testing.assert_array_equal(test.X.compute(), here[1].X)


def test_a_missing_value_is_named(counts):
    broken = counts.copy()
    broken.X[333, 20] = np.nan
    with pytest.raises(InputError, match="1 value missing or infinite") as caught:
        pp.fit_preprocessing(lazily(broken))
    assert f"sample '{counts.obs_names[333]}' (row 334), gene '{counts.var_names[20]}'" in caught.value.where
    with pytest.raises(InputError, match="missing or infinite"):
        MemoryMatrix(lazily(broken).X).block(330, 340)
