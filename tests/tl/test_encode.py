from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

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
