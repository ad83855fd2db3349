"""Law 3. Noise touches the input of the denoising model during training, nothing else; tied weights are one array."""

import numpy as np
import pytest

import latentome as lt
from latentome.models import DenoisingModel, InputNoise


@pytest.mark.parametrize("kind", ["masking", "dropout", "gaussian"])
def test_noise_acts_while_training_only(kind):
    x = np.random.default_rng(0).uniform(0.5, 1.0, size=(200, 100)).astype("float32")
    layer = InputNoise(0.3, kind, seed=0)
    np.testing.assert_array_equal(layer(x, training=False), x)
    noisy = np.asarray(layer(x, training=True))
    if kind == "gaussian":
        # 20,000 draws: the standard deviation is known to 0.3 / sqrt(40,000) = 0.0015; four of these.
        assert (noisy - x).std() == pytest.approx(0.3, abs=0.006)
        return
    # 20,000 draws: the share is known to sqrt(0.3 * 0.7 / 20,000) = 0.0032; four of these.
    assert (noisy == 0).mean() == pytest.approx(0.3, abs=0.013)
    kept = noisy != 0
    np.testing.assert_allclose(noisy[kept], x[kept] / (0.7 if kind == "dropout" else 1.0), rtol=1e-6)


def loss_of(model, x, training):
    model(x, training=training)
    return float(sum(np.asarray(v) for v in model.losses))


def test_the_target_stays_clean_and_the_code_untouched():
    x = np.random.default_rng(0).uniform(0.5, 1.0, size=(50, 20)).astype("float32")
    model = DenoisingModel(20, 4, noise=0.5, seed=0)
    model.live.noise = 1.0
    # A bias, so that the code of nothing is not nothing: noise on the code would show.
    model.encoder.get_layer("code").bias.assign([0.5, 1.0, 1.5, 2.0])
    # With all of the input gone the reconstruction is that of zero. Had the target been corrupted too, the
    # loss would be the error of reconstructing zeros.
    blank = np.asarray(model.decoder(model.encoder(x * 0.0)))
    assert loss_of(model, x, training=True) == pytest.approx(np.square(x - blank).mean(), rel=1e-5)
    assert loss_of(model, x, training=False) == pytest.approx(
        np.square(x - np.asarray(model.decoder(model.encoder(x)))).mean(), rel=1e-5
    )


def test_prediction_is_free_of_noise():
    x = lt.datasets.load("blobs").X
    model = lt.DenoisingAutoencoder(2, noise=0.5, max_epochs=2, random_state=0).fit(x)
    np.testing.assert_array_equal(model.transform(x), model.transform(x))
    plain = np.maximum(x.astype("float32") @ model.encoder_.get_weights()[0] + model.encoder_.get_weights()[1], 0)
    np.testing.assert_allclose(model.transform(x), plain, atol=1e-6)


def test_noise_changes_the_training():
    x = lt.datasets.load("blobs").X
    clean, noisy = (
        lt.DenoisingAutoencoder(2, noise=noise, max_epochs=30, random_state=0).fit(x).history_["loss"].iloc[-1]
        for noise in (0.0, 0.5)
    )
    assert noisy > 1.2 * clean


def test_tied_weights_are_one_array():
    model = DenoisingModel(9, 2, tied=True, seed=0)
    # One kernel (9 x 2), two biases, and the step counter, which is not trained.
    assert sorted(tuple(v.shape) for v in model.trainable_variables) == [(2,), (9,), (9, 2)]
    kernel = model.encoder.get_layer("code").kernel
    kernel.assign(np.arange(18, dtype="float32").reshape(9, 2))
    z = np.eye(2, dtype="float32")
    np.testing.assert_allclose(model.decoder(z), np.arange(18).reshape(9, 2).T, rtol=1e-6)
    own = DenoisingModel(9, 2, tied=False, seed=0)
    assert sorted(tuple(v.shape) for v in own.trainable_variables) == [(2,), (2, 9), (9,), (9, 2)]


def test_tied_weights_stay_tied_through_training_and_saving(tmp_path):
    x = lt.datasets.load("blobs").X
    model = lt.DenoisingAutoencoder(2, activation="linear", max_epochs=2, random_state=0).fit(x)
    for fitted in (model, lt.load_model(model.save(tmp_path / "model"))):
        kernel = fitted.encoder_.get_layer("code").get_weights()[0]
        moved = fitted.inverse_transform(np.eye(2)) - fitted.inverse_transform(np.zeros((2, 2)))
        np.testing.assert_allclose(moved, kernel.T, atol=1e-6)


def test_sparsity_is_charged_per_sample():
    x = np.random.default_rng(0).uniform(size=(50, 20)).astype("float32")
    model = DenoisingModel(20, 4, noise=0.0, sparsity=0.1, seed=0)
    code = np.asarray(model.encoder(x))
    reconstruction = np.square(x - np.asarray(model.decoder(code))).mean()
    expected = reconstruction + 0.1 * np.abs(code).sum(axis=1).mean()
    # The same samples twice are no stronger penalty: it is no sum over the batch.
    for batch in (x, np.concatenate([x, x])):
        assert loss_of(model, batch, training=True) == pytest.approx(expected, rel=1e-5)
