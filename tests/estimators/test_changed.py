"""What is set or given in another form than in training changes no trained model."""

from __future__ import annotations

import os

import numpy as np
import pytest

import latentome as lt
from latentome.io.backed import MemoryMatrix


def test_widths_may_be_integers_of_numpy(tmp_path):
    x = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    model = lt.DeepAutoencoder(2, hidden=[np.int64(4)], max_epochs=1, random_state=0).fit(x)
    again = lt.load_model(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.transform(x), model.transform(x))


def test_parameters_that_were_set_later_change_no_trained_model(tmp_path):
    x = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    model = lt.LinearAutoencoder(2, max_epochs=1, random_state=0).fit(x)
    decoded = model.inverse_transform(model.transform(x))
    model.set_params(n_components=5, members=3)
    np.testing.assert_array_equal(model.inverse_transform(model.transform(x)), decoded)
    again = lt.load_model(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.inverse_transform(again.transform(x)), decoded)


def test_scores_need_the_data_in_memory():
    x = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    model = lt.VariationalAutoencoder(2, hidden=(), max_epochs=1, warmup=0.0, random_state=0).fit(x)
    for ask in (model.score, model.kl_per_unit, model.log_likelihood):
        with pytest.raises(lt.InputError, match="needs the data in memory"):
            ask(MemoryMatrix(x))
    with pytest.raises(lt.InputError, match="needs the data in memory"):
        lt.LinearAutoencoder(2, max_epochs=1).fit(x).score(MemoryMatrix(x))


def test_a_folder_may_begin_with_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME" if os.name == "posix" else "USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    diverging = lt.LinearAutoencoder(2, optimizer="sgd", learning_rate=1e30, max_epochs=5, random_state=0)
    for name, data in (("array", x), ("buffers", MemoryMatrix(x))):
        with pytest.raises(lt.TrainingError):
            diverging.fit(data, checkpoint=f"~/{name}")
        assert list((tmp_path / name).glob("*.state"))
    model = lt.LinearAutoencoder(2, max_epochs=1, random_state=0).fit(x)
    assert model.save("~/model") == tmp_path / "model"
    np.testing.assert_array_equal(lt.load_model("~/model").transform(x), model.transform(x))
    assert model.export_onnx("~/onnx")[0] == tmp_path / "onnx" / "encoder.onnx"
    assert not (tmp_path / "~").exists()
