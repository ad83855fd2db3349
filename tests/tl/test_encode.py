from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import sklearn
from anndata import AnnData
from scipy.sparse import csr_matrix

import latentome as lt
from latentome import tl


def test_encode_adds_the_codes_of_the_model():
    adata = lt.datasets.load("blobs")
    model = lt.LinearAutoencoder(n_components=2, max_epochs=5, random_state=0).fit(adata.to_df())
    tl.encode(adata, model, key_added="ae")
    assert np.array_equal(adata.obsm["X_ae"], model.transform(adata.to_df()))
    assert adata.obsm["X_ae"].dtype == np.float32
    assert adata.uns["ae"]["params"] == {"estimator": "LinearAutoencoder", "n_components": 2}
    one = adata[500:501].copy()
    tl.encode(one, model, key_added="ae")
    assert np.array_equal(one.obsm["X_ae"][0], adata.obsm["X_ae"][500])


def test_a_covariate_that_is_not_there_is_refused_with_the_nearest():
    rng = np.random.default_rng(0)
    adata = AnnData(rng.normal(size=(40, 6)).astype(np.float32))
    adata.obs["batch"] = np.where(np.arange(40) % 2, "a", "b")
    model = lt.VariationalAutoencoder(2, hidden=(), max_epochs=1, warmup=0.0, random_state=0)
    model.fit(adata.to_df(), covariate=adata.obs["batch"])
    tl.encode(adata, model, "v", covariate="batch")
    with pytest.raises(lt.InputError, match="There is no column 'bach'") as refused:
        tl.encode(adata, model, "v", covariate="bach")
    assert "Did you mean 'batch'" in refused.value.expected


def test_training_samples_are_told_by_booleans():
    adata = lt.datasets.simulate(60, 10, n_types=2, rng=0)
    training = np.arange(60) % 4 != 0
    for wrong in (training.astype(int), np.flatnonzero(training), training[:50]):
        with pytest.raises(lt.InputError, match="no list of booleans"):
            tl.pca(adata, 3, wrong)
        with pytest.raises(lt.InputError, match="no list of booleans"):
            tl.evaluate(adata.X, {}, wrong, None)
        with pytest.raises(lt.InputError, match="no list of booleans"):
            tl.confusion(adata.X, adata.obs["type"], wrong)
        with pytest.raises(lt.InputError, match="no list of booleans"):
            tl.errors_by_gene(adata.X, {}, wrong, list(adata.var_names))
        with pytest.raises(lt.InputError, match="no list of booleans"):
            tl.errors_by_class(adata.X, {}, wrong, adata.obs["type"])
    tl.pca(adata, 3, training.astype(object))
    first = adata.obsm["X_pca"].copy()
    tl.pca(adata, 3, training)
    np.testing.assert_array_equal(adata.obsm["X_pca"], first)


def test_sparse_backed_and_pandas_output_change_nothing(tmp_path):
    adata = lt.datasets.simulate(60, 10, n_types=2, rng=0)
    model = lt.LinearAutoencoder(3, max_epochs=2, random_state=0).fit(adata.to_df())
    training = np.arange(60) % 4 != 0

    def features(of):
        tl.encode(of, model, "m")
        tl.pca(of, 3, training)
        tl.tsne(of, "X_pca", perplexity=5)
        return [np.asarray(of.obsm[key]) for key in ("X_m", "X_pca", "X_tsne_pca")]

    expected = features(adata.copy())
    sparse = adata.copy()
    sparse.X = csr_matrix(sparse.X)
    sparse.write_h5ad(tmp_path / "sparse.h5ad")
    with sklearn.config_context(transform_output="pandas"):
        found = features(adata.copy())
    for one, other, third in zip(expected, found, features(ad.read_h5ad(tmp_path / "sparse.h5ad", "r")), strict=True):
        np.testing.assert_array_equal(other, one)
        np.testing.assert_array_equal(third, one)
