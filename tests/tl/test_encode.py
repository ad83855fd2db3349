from __future__ import annotations

import numpy as np

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
