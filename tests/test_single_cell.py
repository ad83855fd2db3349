"""AnnData as single-cell tools leave it: counts, sparse, on disk, with layers and a PCA of its own."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import latentome as lt
from latentome import io, tl
from latentome.errors import DensifiedWarning, InputError
from latentome.workflow import RunConfig
from latentome.workflow.prepare import prepare


def counts(depth=3000, cells=80, genes=1200, seed=0):
    """Counts of reads, sparse; a fifth of the genes has most of them."""
    share = np.random.default_rng(9).gamma(0.3, size=genes) * np.where(np.arange(genes) % 5, 1.0, 10.0)
    x = np.random.default_rng(seed).poisson(depth * share / share.sum(), (cells, genes)).astype(np.float32)
    adata = ad.AnnData(sparse.csr_matrix(x))
    adata.obs["kind"] = pd.Categorical(np.array(["a", "b"])[np.arange(cells) % 2])
    return adata


@pytest.fixture(scope="module")
def learned():
    return lt.pp.fit_preprocessing(counts())


def test_a_cell_of_few_reads_is_no_logarithm(learned):
    assert (learned.transform, learned.scale) == ("log2cpm", "counts")
    shallow = counts(300, cells=10, seed=1)
    assert shallow.X.max() <= 30
    together = lt.pp.align(shallow, learned).X
    for cell in range(3):
        np.testing.assert_array_equal(lt.pp.align(shallow[[cell]], learned).X, together[[cell]])
    logged = shallow.copy()
    logged.X = np.log2(counts(cells=10).X.toarray() + 1.5)
    with pytest.raises(InputError, match="look like logarithms"):
        lt.pp.align(logged, learned)


def test_counts_of_few_reads_are_no_logarithms_either():
    normal = counts()
    x = normal.X.toarray()
    normal.X = np.log1p(1e4 * x / x.sum(axis=1, keepdims=True))
    of_logarithms = lt.pp.fit_preprocessing(normal)
    assert of_logarithms.scale == "log2"
    lt.pp.align(normal[:5], of_logarithms)
    shallow = counts(300, cells=10, seed=1)
    with pytest.raises(InputError, match="they are counts, and the model was trained on logarithms"):
        lt.pp.align(shallow, of_logarithms)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_infinite_values_are_refused_in_memory_as_in_files(form, learned):
    x = counts().X.toarray()
    x[3, 7] = np.inf
    adata = ad.AnnData(form(x))
    for refused in (lambda: lt.pp.fit_preprocessing(adata), lambda: lt.pp.align(adata, learned)):
        with pytest.raises(InputError, match=r"infinite values.\n.*sample '3', gene '7'"):
            refused()


def test_infinite_values_are_refused_on_disk_and_in_dask_arrays_too(learned, tmp_path):
    array, adata = pytest.importorskip("dask.array"), counts(cells=10)
    x = adata.X.toarray()
    x[3, 7] = np.inf
    adata.X = sparse.csr_matrix(x)
    adata.write_h5ad(tmp_path / "x.h5ad")
    with pytest.raises(InputError, match=r"infinite values.\n.*sample '3', gene '7'"):
        lt.pp.fit_preprocessing(ad.read_h5ad(tmp_path / "x.h5ad", backed="r"))
    adata.X = array.from_array(x, chunks=(4, -1))
    with pytest.raises(InputError, match=r"infinite values.\n.*to inf"):
        lt.pp.align(adata, learned)


def test_layers_are_added_up_as_the_values_are(tmp_path):
    adata = counts(genes=30)
    adata.var_names = ["A", "A", *(f"G{i}" for i in range(26)), "B", "B"]
    adata.layers["sparse"], adata.layers["dense"] = adata.X.copy(), adata.X.toarray()
    adata.write_h5ad(tmp_path / "x.h5ad")
    read = io.read(tmp_path / "x.h5ad", duplicates="sum")
    x = adata.X.toarray()
    expected = np.column_stack([x[:, :2].sum(axis=1), x[:, 2:28], x[:, 28:].sum(axis=1)])
    for found in (read.X, read.layers["sparse"].toarray(), read.layers["dense"]):
        np.testing.assert_array_equal(found, expected)


def test_the_depth_of_libraries_is_looked_at_in_dask_arrays_too():
    array = pytest.importorskip("dask.array")
    few = lt.pp.fit_preprocessing(counts(), n_genes=200)
    adata = counts(cells=20, seed=1)[:, few.genes].copy()
    for values in (adata.X, array.from_array(adata.X.toarray(), chunks=(8, 50))):
        adata.X = values
        with pytest.raises(InputError, match="depth of these libraries cannot be told"):
            lt.pp.align(adata, few)


def test_sparse_values_serve_where_others_do():
    rng = np.random.default_rng(0)
    x = (rng.random((60, 8)) * (rng.random((60, 8)) < 0.5)).astype(np.float32)
    many, model = sparse.csr_matrix(x), lt.LinearAutoencoder(2, max_epochs=2, random_state=0)
    fitted = lt.LinearAutoencoder(2, max_epochs=2, random_state=0).fit(x)
    codes = fitted.transform(x)
    weights = tl.loadings(fitted, codes)
    for of in (
        lambda x: tl.two_sample(x[:30], x[30:])["mean"],
        lambda x: tl.dimensions(x, model, [1], np.arange(60) % 3 > 0, members=2)["error"],
        lambda x: tl.replication(x, fitted, 1)["replication"],
        lambda x: tl.signature_fdr(x, fitted, weights)["fdr"],
        lambda x: tl.loadings(fitted, codes, "encoder", x),
    ):
        np.testing.assert_allclose(of(many), of(x), rtol=1e-6)


def test_data_that_anndata_leaves_on_disk(tmp_path):
    adata = counts(cells=40, genes=20)
    adata.X = (adata.X / 200.0).astype(np.float32)
    adata.write_h5ad(tmp_path / "x.h5ad")
    there = ad.read_h5ad(tmp_path / "x.h5ad", backed="r")
    parts = lt.pp.split(there, 0.25, "kind", rng=0)
    for part, other in zip(parts, lt.pp.split(adata, 0.25, "kind", rng=0), strict=True):
        np.testing.assert_array_equal(part.X.toarray(), other.X.toarray())
    np.testing.assert_array_equal(io.MemoryMatrix(there.X).block(0, 40), adata.X.toarray())
    model = lt.LinearAutoencoder(2, max_epochs=1, random_state=0)
    with pytest.warns(DensifiedWarning):
        found = model.fit(there.X).transform(adata.X.toarray())
    np.testing.assert_array_equal(found, model.fit(adata.X.toarray()).transform(adata.X.toarray()))


def test_a_pca_of_the_samples_own_gives_way_as_a_whole(tmp_path):
    adata = counts(genes=300)
    adata.obsm["X_pca"], adata.varm["PCs"], adata.uns["pca"] = np.ones((80, 7)), np.ones((300, 7)), {"variance": 1}
    adata.obsm["X_umap"] = np.ones((80, 2))
    adata.write_h5ad(tmp_path / "x.h5ad")
    prepared = prepare(RunConfig(str(tmp_path / "x.h5ad")), "zero-one")
    assert "X_pca" not in prepared.adata.obsm
    assert "PCs" not in prepared.adata.varm
    assert "pca" not in prepared.adata.uns
    assert "X_umap" in prepared.adata.obsm
    assert any("own PCA gives way" in note and "varm['PCs']" in note for note in prepared.notes)
