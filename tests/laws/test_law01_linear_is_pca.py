"""Law 1. The linear autoencoder spans the PCA subspace and reaches PCA's error; the deep one is far below it."""

import numpy as np
import pytest

import latentome as lt

#: science.md a.4: the error of the best rank-2 linear reconstruction of the class example.
PCA_TRAIN, PCA_TEST = 6.2030e-4, 5.929e-4


@pytest.fixture(scope="module")
def blobs():
    return lt.datasets.load("blobs").X, lt.datasets.load("blobs-test").X


def error(model, x):
    return np.square(x - model.inverse_transform(model.transform(x)), dtype=float).mean()


def pca(x):
    centred = x - x.mean(axis=0)
    return np.linalg.svd(centred, full_matrices=False)[2][:2]


def test_trained_to_the_end_the_linear_autoencoder_is_pca(blobs):
    train, test = blobs
    model = lt.LinearAutoencoder(
        2,
        optimizer="sgd",
        learning_rate=1.0,
        momentum=0.9,
        nesterov=True,
        batch_size=1000,
        max_epochs=12000,
        validation_fraction=0.0,
        random_state=0,
    ).fit(train)
    # Gradient descent ends slowly: 0.2 % above the optimum after 6,000 epochs, 0.13 % after these, 0.09 % after 20,000.
    assert PCA_TRAIN * (1 - 1e-4) < error(model, train) < PCA_TRAIN * (1 + 2e-3)
    assert error(model, test) == pytest.approx(PCA_TEST, rel=5e-3)
    # The decoder's columns span the plane of the two leading principal axes: both principal angles vanish.
    basis = np.linalg.qr(model.decoder_.get_weights()[0].T.astype(float))[0]
    cosines = np.linalg.svd(pca(train) @ basis, compute_uv=False)
    assert np.all(cosines > 1 - 1e-4)


def test_model_1_of_the_class_comes_close_to_pca_and_model_2_beats_it(blobs):
    train, test = blobs
    one = lt.LinearAutoencoder.from_preset("class3-model1", random_state=0).fit(train)
    two = lt.DeepAutoencoder.from_preset("class3-model2", random_state=0).fit(train)
    for x, best in ((train, PCA_TRAIN), (test, PCA_TEST)):
        assert best < error(one, x) < 1.2 * best
        assert error(two, x) < best / 5
