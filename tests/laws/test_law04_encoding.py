"""Law 4. Encoding gives the posterior mean, and a sample's code does not depend on its companions."""

import numpy as np
import pytest

import latentome as lt

# Six equal batches and no held-out rows: a shorter program compiles faster.
SMALL = {"n_components": 3, "max_epochs": 2, "validation_fraction": 0.0, "random_state": 0}
FAMILIES = [
    lt.LinearAutoencoder(**SMALL),
    lt.DeepAutoencoder(**SMALL, hidden=(16,)),
    lt.DenoisingAutoencoder(**SMALL),
    lt.NonlinearPCA(**SMALL, hidden=(16,), noise=0.0, patience=None),
    lt.VariationalAutoencoder(**SMALL, hidden=(16,)),
    lt.VariationalAutoencoder(**SMALL, hidden=(), heads="batchnorm-relu", likelihood="mse"),
]


@pytest.fixture(scope="module")
def tumours():
    return lt.datasets.load("tcga-33").X[:300] / 20.0


def test_the_code_is_the_posterior_mean(tumours):
    model = lt.VariationalAutoencoder(**SMALL, hidden=()).fit(tumours)
    kernel, bias = model.encoder_.get_weights()
    both = tumours @ kernel + bias
    np.testing.assert_allclose(model.transform(tumours), both[:, :3], atol=1e-5)  # float32 sums of 198 terms
    # Neither the log-variance, which one port saved in its place, nor a sample.
    assert np.abs(model.transform(tumours) - both[:, 3:]).max() > 0.1
    np.testing.assert_array_equal(model.transform(tumours), model.transform(tumours))


@pytest.mark.parametrize("model", FAMILIES, ids=lambda m: f"{type(m).__name__}-{getattr(m, 'heads', '')}")
def test_one_sample_alone_has_the_code_that_it_has_among_all(model, tumours):
    model.fit(tumours)
    together = model.transform(tumours)
    alone = np.concatenate([model.transform(tumours[i : i + 1]) for i in (0, 7, 255, 256, 299)])
    # The rows pass the same program in blocks of one size; only their place in the block differs.
    np.testing.assert_allclose(alone, together[[0, 7, 255, 256, 299]], rtol=1e-6, atol=1e-6)
    back = model.inverse_transform(together)
    np.testing.assert_allclose(model.inverse_transform(together[7:8]), back[7:8], rtol=1e-6, atol=1e-6)


def test_one_sample_alone_lands_where_it_lands_among_all():
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(200, 5)) + 5.0 * rng.integers(0, 3, size=(200, 1))
    import anndata

    adata = anndata.AnnData(np.zeros((200, 1)), obsm={"X_z": reference})
    lt.tl.tsne(adata, "X_z")
    positions = adata.obsm["X_tsne_z"]
    new = reference[:10] + 0.1
    together = lt.tl.place_on_map(reference, positions, new)
    alone = np.concatenate([lt.tl.place_on_map(reference, positions, new[i : i + 1]) for i in range(10)])
    # The map is some tens of units wide; openTSNE sums the forces on several threads, in no fixed order.
    np.testing.assert_allclose(alone, together, atol=1e-3)
