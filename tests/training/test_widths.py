"""Models of several latent sizes in one program: each is the single model, and nothing grows in what was padded."""

import numpy as np
import pytest

import latentome as lt
from latentome.training import engine

#: 135 rows in three equal batches: a shorter program compiles faster.
CASES = {
    "deep": (lt.DeepAutoencoder, {"hidden": (8,), "activation": "gelu"}, 1),
    # A sigmoid unit is one half at zero: the deep model masks what was padded, the denoising one shares no program.
    "deep, sigmoid": (lt.DeepAutoencoder, {"hidden": (8,), "code_activation": "sigmoid"}, 1),
    "denoising, relu": (lt.DenoisingAutoencoder, {"sparsity": 0.01}, 1),
    "non-linear PCA": (lt.NonlinearPCA, {"hidden": (8,), "max_epochs": 40}, 2),  # one for each round
    "denoising, sigmoid": (lt.DenoisingAutoencoder, {"activation": "sigmoid"}, 2),
}


@pytest.fixture(scope="module")
def x():
    return lt.datasets.load("tcga-33").X[:150, :20] / 20.0


@pytest.mark.parametrize("name", CASES)
def test_latent_sizes_share_a_program_where_padding_is_exact(name, x, monkeypatch):
    kind, arguments, programs = CASES[name]
    monkeypatch.setattr(engine, "_programs", {})
    sizes = (3, 5)
    models = [
        kind(k, **{"max_epochs": 8, "batch_size": 45, "random_state": i, "optimizer": "adamw", **arguments})
        for i, k in enumerate(sizes)
    ]
    lt.estimators.fit_together(models, x)
    assert len(engine._programs) == programs
    for model, k in zip(models, sizes, strict=True):
        single = kind(**model.get_params()).fit(x)
        assert model.transform(x).shape == (150, k)
        for mine, other in zip(model.model_.get_weights(), single.model_.get_weights(), strict=True):
            assert mine.shape == other.shape
            np.testing.assert_allclose(mine, other, atol=1e-5)
        np.testing.assert_allclose(model.history_["val_loss"], single.history_["val_loss"], rtol=1e-4)


def test_padding_that_doubles_the_work_is_not_done(x, monkeypatch):
    monkeypatch.setattr(engine, "_programs", {})
    models = [lt.LinearAutoencoder(k, max_epochs=1, random_state=0) for k in (1, 1, 1, 19)]
    lt.estimators.fit_together(models, x)
    assert len(engine._programs) == 2
