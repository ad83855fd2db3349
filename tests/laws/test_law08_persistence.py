"""Law 8. Save, load, encode: identical numbers. Files of older versions load."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import latentome as lt

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SMALL = {"n_components": 3, "max_epochs": 2, "random_state": 0}
FAMILIES = [
    lt.LinearAutoencoder(**SMALL),
    lt.DeepAutoencoder(**SMALL, hidden=(16,)),
    lt.DenoisingAutoencoder(**SMALL, loss="bernoulli"),
    lt.VariationalAutoencoder(**SMALL, hidden=(16,)),
    lt.VariationalAutoencoder(**SMALL, hidden=(), heads="batchnorm-relu"),
    lt.NonlinearPCA(**SMALL, hidden=(16,), noise=0.0),
]


@pytest.fixture(scope="module")
def tumours():
    return lt.datasets.load("tcga-33")[:300].to_df() / 20.0


@pytest.mark.parametrize("model", FAMILIES, ids=lambda m: f"{m.family}-{getattr(m, 'heads', '')}")
def test_save_load_encode_gives_identical_numbers(model, tumours, tmp_path):
    codes = model.fit_transform(tumours)
    loaded = lt.load_model(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.transform(tumours), codes)
    np.testing.assert_array_equal(loaded.inverse_transform(codes), model.inverse_transform(codes))
    np.testing.assert_array_equal(loaded.history_.to_numpy(), model.history_.to_numpy())
    assert loaded.get_params() == model.get_params()
    assert list(loaded.feature_names_in_) == list(tumours.columns)
    pickled = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(pickled.transform(tumours), codes)


def test_the_parts_are_plain_keras_files(tumours, tmp_path):
    import keras

    model = FAMILIES[3].fit(tumours)
    folder = model.save(tmp_path / "model")
    whole = keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)
    x = tumours.to_numpy(np.float32)
    np.testing.assert_allclose(whole.encoder.predict(x, verbose=0), model.transform(tumours), atol=1e-6)
    fresh = type(whole)(**{**whole.get_config(), "seed": 99})
    fresh.encoder.load_weights(folder / "encoder.weights.h5")
    fresh.decoder.load_weights(folder / "decoder.weights.h5")
    np.testing.assert_allclose(fresh.encoder.predict(x, verbose=0), model.transform(tumours), atol=1e-6)
    np.testing.assert_allclose(fresh.predict(x, verbose=0), whole.predict(x, verbose=0), atol=1e-6)


@pytest.mark.parametrize("version", sorted(p.name for p in GOLDEN.iterdir()))
def test_files_of_older_versions_load(version):
    with np.load(GOLDEN / version / "expected.npz") as expected:
        for name in set(expected) - {"x"}:
            codes = lt.load_model(GOLDEN / version / name).transform(expected["x"])
            # Another machine may sum in another order; the codes are of size 1.
            np.testing.assert_allclose(codes, expected[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.fixture
def saved(tumours, tmp_path):
    return FAMILIES[0].fit(tumours).save(tmp_path / "model")


@pytest.mark.parametrize("name", ["model.keras", "estimator.json", "history.tsv"])
def test_a_missing_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(lt.InputError, match=name):
        lt.load_model(saved)


def test_a_truncated_file_is_refused(saved):
    file = saved / "model.keras"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(lt.InputError, match="cannot be read"):
        lt.load_model(saved)


def test_a_newer_schema_is_refused(saved):
    file = saved / "estimator.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema": 999}))
    with pytest.raises(lt.InputError, match="newer version"):
        lt.load_model(saved)
