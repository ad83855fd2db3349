from __future__ import annotations

import numpy as np
import pytest

from latentome import tl
from latentome.datasets import load
from latentome.errors import InputError


def error_of(adata, key="pca", training=slice(None)):
    mean = adata.X[training].mean(axis=0)
    rebuilt = adata.obsm[f"X_{key}"].astype(np.float64) @ adata.varm[f"{key}_loadings"].T.astype(np.float64) + mean
    return float(np.square(adata.X - rebuilt).mean())


@pytest.mark.parametrize(("name", "published"), [("blobs", 6.2030e-4), ("blobs-test", None)])
def test_pca_of_the_class_example_is_numpy_svd(name, published):
    adata = load(name)
    centred = adata.X - adata.X.mean(axis=0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    best = np.square(s[2:]).sum() / centred.size
    tl.pca(adata, 2, np.ones(adata.n_obs, dtype=bool))
    # Codes and loadings are kept as float32, 6e-8 relative; the optimum is flat to first order.
    assert error_of(adata) == pytest.approx(best, rel=1e-6)
    if published is not None:
        assert best == pytest.approx(published, rel=1e-5)
    signs = np.sign((vt[:2] * adata.varm["pca_loadings"].T).sum(axis=1))
    np.testing.assert_allclose(adata.obsm["X_pca"], u[:, :2] * s[:2] * signs, atol=1e-6)
    np.testing.assert_allclose(adata.uns["pca"]["variance_ratio"], np.square(s[:2]) / np.square(s).sum(), rtol=1e-9)


def test_pca_sees_training_rows_only(tcga):
    adata, training = tcga[0].copy(), tcga[1]
    tl.pca(adata, 5, training)
    wild = adata.copy()
    wild.X[~training] = 1e3 * np.random.default_rng(0).normal(size=wild.X[~training].shape)
    tl.pca(wild, 5, training)
    assert np.array_equal(adata.varm["pca_loadings"], wild.varm["pca_loadings"])
    assert np.array_equal(adata.uns["pca"]["variance_ratio"], wild.uns["pca"]["variance_ratio"])


def test_loadings_are_orthonormal_and_training_codes_are_centred(tcga):
    adata, training = tcga[0].copy(), tcga[1]
    tl.pca(adata, 20, training, key_added="linear")
    loadings = adata.varm["linear_loadings"].astype(np.float64)
    np.testing.assert_allclose(loadings.T @ loadings, np.eye(20), atol=1e-5)
    codes = adata.obsm["X_linear"][training].astype(np.float64)
    assert np.abs(codes.mean(axis=0)).max() < 1e-4 * codes.std(axis=0).max()
    assert adata.obsm["X_linear"].dtype == np.float32
    assert adata.uns["linear"]["params"] == {"n_components": 20, "rng": 0}


@pytest.mark.parametrize(("samples", "features", "asked"), [(10, 50, 11), (50, 10, 11), (5, 5, 100)])
def test_more_components_than_pca_can_have_are_refused(samples, features, asked):
    with pytest.raises(InputError, match=f"for {asked} latent dimensions") as refused:
        tl.check_pca(samples, features, asked)
    assert f"-z {min(samples, features)} or less" in refused.value.todo
    tl.check_pca(samples, features, min(samples, features))


@pytest.mark.parametrize(
    ("members", "advice"), [(3, "-z 1 or less, or for fewer --members, or"), (7, "--members 5 or less, or bring")]
)
def test_of_an_ensemble_the_advice_is_for_each_member(members, advice):
    with pytest.raises(
        InputError, match=f"for {2 * members} latent dimensions .2 of each of {members} members"
    ) as refused:
        tl.check_pca(40, 5, 2, members)
    assert f"ask for {advice}" in refused.value.todo
    tl.check_pca(40, 5, 1, 5)
