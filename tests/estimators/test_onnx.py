"""Exported encoders and decoders give our numbers in onnxruntime, to 1e-5."""

import json

import numpy as np
import onnxruntime
import pandas as pd
import pytest

import latentome as lt

GENES = [f"gene {i}" for i in range(12)]
# One plain step of all rows: a shorter program compiles faster.
SMALL = {
    "n_components": 3,
    "max_epochs": 1,
    "batch_size": 64,
    "optimizer": "sgd",
    "validation_fraction": 0.0,
    "random_state": 0,
}
DEEP, VAE, ADAGE = lt.DeepAutoencoder, lt.VariationalAutoencoder, lt.DenoisingAutoencoder
MODELS = {
    "linear": lt.LinearAutoencoder(**SMALL),
    "deep": DEEP(**SMALL, hidden=(7, 5), activation="gelu", code_activation="tanh", output_activation="sigmoid"),
    "deep ensemble": DEEP(**SMALL, hidden=(7,), activation="silu", members=3),
    "bfloat16": DEEP(**SMALL, hidden=(7,), activation="relu", precision="bfloat16"),
    "vae": VAE(**SMALL, hidden=(7, 5), activation="elu"),
    "vae, published": VAE(**SMALL, hidden=(), heads="batchnorm-relu", likelihood="bernoulli"),
    "vae ensemble": VAE(**SMALL, hidden=(7,), likelihood="mse", members=2),
    "adage, tied": ADAGE(**SMALL, activation="sigmoid", loss="bernoulli"),
    "adage, untied": ADAGE(**SMALL, tied=False, noise_kind="gaussian"),
}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.random((64, 12), dtype=np.float32), columns=GENES)


def run(path, given):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: given})[0], session.get_modelmeta().custom_metadata_map


@pytest.mark.parametrize("name", MODELS)
def test_encoder_and_decoder_give_our_numbers(name, table, tmp_path):
    model = MODELS[name].fit(table)
    encoder, decoder = model.export_onnx(tmp_path / "onnx")
    codes, told = run(encoder, table.to_numpy())
    # The products of the one model in bfloat16 have 8 bits; exported, they have 24.
    close = {"rtol": 0, "atol": 0.05 if name == "bfloat16" else 1e-5}
    ours = model.transform(table)
    np.testing.assert_allclose(codes, ours, **close)
    np.testing.assert_allclose(run(decoder, ours)[0], model.inverse_transform(ours), **close)
    assert codes.std(axis=0).max() > 0.01  # codes that are all alike would be a weak test
    assert json.loads(told["features"]) == GENES
    assert told["estimator"] == type(model).__name__


def activations():
    from latentome.estimators.onnx import ACTIVATIONS

    return sorted([*ACTIVATIONS, "linear", "silu", "swish", "relu6"])


@pytest.mark.parametrize("activation", activations())
def test_activations_are_those_of_keras(activation):
    import keras

    from latentome.estimators import onnx as exporter

    class Alone:  # what the exporter asks of a model
        encoder = keras.Sequential([keras.Input((9,)), keras.layers.Activation(activation)])

    x = np.linspace(-8.0, 8.0, 45, dtype=np.float32).reshape(5, 9)
    proto = exporter._whole([Alone], "encoder", 9, 9)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {"x": x})
    np.testing.assert_allclose(got, np.asarray(Alone.encoder(x)), rtol=1e-5, atol=1e-5)


def test_what_cannot_be_exported_is_named(table, tmp_path):
    model = DEEP(**SMALL, hidden=(4,), activation="log_softmax").fit(table)
    with pytest.raises(lt.InputError, match=r"activation 'log_softmax' of the layer 'encoder_hidden_1'"):
        model.export_onnx(tmp_path)
    assert not list(tmp_path.glob("*"))


def test_an_export_that_computes_something_else_is_not_kept(table, tmp_path, monkeypatch):
    from latentome.estimators import onnx as exporter

    monkeypatch.setitem(exporter.ACTIVATIONS, "gelu", ("Gelu", {"approximate": "tanh"}))
    model = MODELS["deep"].fit(table)
    with pytest.raises(RuntimeError, match="off by"):
        model.export_onnx(tmp_path)
    assert not list(tmp_path.glob("*"))
