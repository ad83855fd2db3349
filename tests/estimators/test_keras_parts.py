"""The halves of every model are genuine Keras models: saved, read, saved again and cloned as such."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import latentome as lt

X = np.random.default_rng(0).random((40, 8), dtype=np.float32)
SMALL = {"max_epochs": 1, "optimizer": "sgd", "random_state": 0}
MODELS = {
    "linear": lt.LinearAutoencoder(2, **SMALL),
    "deep": lt.DeepAutoencoder(2, hidden=(3,), **SMALL),
    "nonlinear-pca": lt.NonlinearPCA(2, hidden=(3,), **SMALL),
    "vae": lt.VariationalAutoencoder(2, hidden=(3,), **SMALL),
    "adage, untied": lt.DenoisingAutoencoder(2, tied=False, **SMALL),
    "adage, tied": lt.DenoisingAutoencoder(2, **SMALL),
    "adage, tied with the bias of the code": lt.DenoisingAutoencoder(2, decoder_bias="minus-encoder", **SMALL),
}


@pytest.mark.parametrize("name", MODELS)
def test_each_half_is_saved_and_read_by_keras_alone(name, tmp_path):
    fitted = MODELS[name].fit(X)
    for part, given in ((fitted.encoder_, X), (fitted.decoder_, fitted.transform(X) + 0.5)):
        expected = np.asarray(part(given))
        assert np.ptp(expected, axis=0).max() > 0
        for again in ("once", "twice"):
            part.save(tmp_path / f"{again}.keras")
            part = keras.saving.load_model(tmp_path / f"{again}.keras")
            np.testing.assert_array_equal(np.asarray(part(given)), expected)
        assert keras.models.clone_model(part).output_shape == part.output_shape


def test_another_process_reads_them(tmp_path):
    fitted = MODELS["adage, tied"].fit(X)
    codes = fitted.transform(X)
    fitted.decoder_.save(tmp_path / "decoder.keras")
    np.save(tmp_path / "codes.npy", codes)
    read = "import latentome.models, keras; decoder = keras.saving.load_model('decoder.keras')"
    write = "import numpy as np; np.save('back.npy', np.asarray(decoder(np.load('codes.npy'))))"
    subprocess.run([sys.executable, "-c", f"{read}; {write}"], cwd=tmp_path, check=True, timeout=120)
    np.testing.assert_array_equal(np.load(tmp_path / "back.npy"), np.asarray(fitted.decoder_(codes)))


def test_a_tied_decoder_that_was_read_alone_is_tied_to_nothing(tmp_path):
    fitted = MODELS["adage, tied"].fit(X)
    fitted.decoder_.save(tmp_path / "decoder.keras")
    alone = keras.saving.load_model(tmp_path / "decoder.keras")
    codes = fitted.transform(X)
    before = np.asarray(alone(codes))
    fitted.encoder_.set_weights([np.zeros_like(weight) for weight in fitted.encoder_.get_weights()])
    np.testing.assert_array_equal(np.asarray(alone(codes)), before)
    assert not np.array_equal(np.asarray(fitted.decoder_(codes)), before)
