"""Weights of published models, from files in the formats in which they were published."""

import gzip
from itertools import pairwise

import h5py
import numpy as np
import pandas as pd
import pytest

import latentome as lt


def write_adage(path, weights, hidden, visible):
    """As ADAGE's training script writes it: headings with a space at their end, eight decimals."""
    with open(path, "w", encoding="ascii") as file:
        file.write("layer 1 \nweight matrix \n")
        np.savetxt(file, weights, fmt="%.8f", delimiter="\t")
        file.write("hidden bias vector \n")
        np.savetxt(file, hidden, fmt="%.8f", delimiter="\t")
        file.write("visible bias vector \n")
        np.savetxt(file, visible, fmt="%.8f", delimiter="\t")
    return path


@pytest.fixture
def adage(tmp_path):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype("float32").round(6) for shape in ((30, 4), 4, 30)]
    return write_adage(tmp_path / "network_SdA.txt", *arrays), arrays


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def test_an_adage_network_encodes_as_its_formula(adage, tmp_path):
    path, (weights, hidden, visible) = adage
    read = lt.io.read_adage_network(path)
    for mine, written in zip(read, (weights, hidden, visible), strict=True):
        np.testing.assert_allclose(mine, written, atol=5e-9 + 1e-7)
    packed = tmp_path / "network.txt.gz"
    packed.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    np.testing.assert_array_equal(lt.io.read_adage_network(packed).weights, read.weights)
    genes = [f"PA{i:04d}" for i in range(30)]
    model = lt.estimators.load_adage_network(path, genes=genes)
    x = pd.DataFrame(np.random.default_rng(1).uniform(size=(20, 30)), columns=genes)
    codes = sigmoid(x.to_numpy() @ weights + hidden)
    np.testing.assert_allclose(model.transform(x), codes, atol=1e-6)
    np.testing.assert_allclose(model.inverse_transform(codes), sigmoid(codes @ weights.T + visible), atol=1e-6)
    loaded = lt.load_model(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.transform(x), model.transform(x))
    assert list(loaded.feature_names_in_) == genes
    assert len(loaded.history_) == loaded.n_iter_ == 0
    with pytest.raises(lt.InputError, match="names do not fit"):
        lt.estimators.load_adage_network(path, genes=genes[:-1])


def edit(path, change):
    lines = path.read_text().splitlines()
    change(lines)
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines.__setitem__(5, lines[5].replace("\t", "\toops", 1)), "line 6, below 'weight matrix'"),
        (lambda lines: lines.__setitem__(7, lines[7].rsplit("\t", 1)[0]), "line 8, below 'weight matrix': 3 fields"),
        (lambda lines: lines.__setitem__(33, "inf"), "line 34"),
        (lambda lines: lines.__delitem__(slice(50, None)), "does not fit its weights"),
        (lambda lines: lines.__delitem__(slice(20, None)), "ends too soon"),
        (lambda lines: lines.__delitem__(slice(38, None)), "nothing below 'visible bias vector'"),
        (lambda lines: lines.__delitem__(33), "does not fit its weights"),
        (lambda lines: lines.extend(["layer 2", "weight matrix", "0.1"]), "not an ADAGE network of one layer"),
        (lambda lines: lines.__delitem__(0), "not an ADAGE network"),
        (lambda lines: lines.__setitem__(slice(0, 2), []), "not an ADAGE network"),
    ],
)
def test_an_adage_network_that_does_not_fit_is_refused(adage, change, message):
    with pytest.raises(lt.InputError) as refused:
        lt.io.read_adage_network(edit(adage[0], change))
    assert message in str(refused.value)


def put(group, layer, weights):
    """A layer as Keras 2 keeps it: the names of its weights as an attribute, each below the layer's own name."""
    inner = group.create_group(layer)
    inner.attrs["weight_names"] = [name.encode() for name in weights]
    for name, values in weights.items():
        inner.create_dataset(name, data=values)


def write_keras(path, layers, whole=True):
    with h5py.File(path, "w") as file:
        group = file
        if whole:
            file.attrs["keras_version"], file.attrs["backend"] = b"2.0.6", b"tensorflow"
            file.attrs["model_config"] = b"{}"
            group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in layers]
        for name, weights in layers.items():
            put(group, name, weights)
    return path


def dense(rng, number, n_in, n_out):
    return {
        f"dense_{number}/kernel:0": rng.normal(size=(n_in, n_out)).astype("float32") / 3,
        f"dense_{number}/bias:0": rng.normal(size=n_out).astype("float32"),
    }


def normalisation(rng, number, n):
    name = f"batch_normalization_{number}"
    values = [rng.normal(size=n) + 1, rng.normal(size=n), rng.normal(size=n), rng.uniform(0.5, 2.0, size=n)]
    parts = ("gamma", "beta", "moving_mean", "moving_variance")
    return {f"{name}/{part}:0": value.astype("float32") for part, value in zip(parts, values, strict=True)}


def tybalt(folder, hidden, whole=True):
    """Files of 30 genes and 4 components, and the encoder and decoder as NumPy computes them."""
    rng = np.random.default_rng(len(hidden))
    widths, layers, steps = [30, *hidden, 4], {"input_1": {}}, []
    for i, (n_in, n_out) in enumerate(pairwise(widths), start=1):
        layers[f"dense_{i}"], layers[f"batch_normalization_{i}"] = (
            dense(rng, i, n_in, n_out),
            normalisation(rng, i, n_out),
        )
        layers[f"activation_{i}"] = {}
        steps.append((*layers[f"dense_{i}"].values(), *layers[f"batch_normalization_{i}"].values()))
    back = [dense(rng, 7 + i, n_in, n_out) for i, (n_in, n_out) in enumerate(pairwise(widths[::-1]))]
    decoder = {"input_2": {}, "sequential_1": {k: v for part in back for k, v in part.items()}}

    def encode(x):
        for kernel, bias, gamma, beta, mean, variance in steps:
            x = np.maximum(gamma * (x @ kernel + bias - mean) / np.sqrt(variance + 1e-3) + beta, 0.0)
        return x

    def decode(z):
        for part in back[:-1]:
            z = np.maximum(z @ part[list(part)[0]] + part[list(part)[1]], 0.0)
        kernel, bias = back[-1].values()
        return sigmoid(z @ kernel + bias)

    paths = [write_keras(folder / f"{n}.hdf5", ls, whole) for n, ls in (("encoder", layers), ("decoder", decoder))]
    return paths, encode, decode


@pytest.mark.parametrize(("hidden", "whole"), [((), True), ((10,), True), ((), False)])
def test_a_tybalt_model_encodes_as_its_formula(hidden, whole, tmp_path):
    paths, encode, decode = tybalt(tmp_path, hidden, whole)
    model = lt.estimators.load_tybalt_hdf5(*paths)
    x = np.random.default_rng(1).uniform(size=(20, 30)).astype("float32")
    codes = model.transform(x)
    # float32 against float64: sums of 30 terms of size 1, divided by standard deviations down to 0.7.
    np.testing.assert_allclose(codes, encode(x.astype("float64")), atol=1e-5)
    assert (codes > 0).any()
    np.testing.assert_allclose(model.inverse_transform(codes), decode(codes.astype("float64")), atol=1e-5)
    assert np.isnan(model.score(x)), "the file holds no log-variance"
    if not hidden and whole:
        loaded = lt.load_model(model.save(tmp_path / "model"))
        np.testing.assert_array_equal(loaded.transform(x), codes)


def test_tybalt_files_that_do_not_fit_are_refused(tmp_path):
    (encoder, decoder), _, _ = tybalt(tmp_path, ())
    rng = np.random.default_rng(0)
    other = write_keras(tmp_path / "other.hdf5", {"dense_1": dense(rng, 1, 5, 30)})
    odd = write_keras(tmp_path / "odd.hdf5", {"conv": {"conv/kernel:0": np.zeros((3, 4, 30), "float32")}})
    apart = write_keras(tmp_path / "apart.hdf5", {"a": dense(rng, 1, 4, 6), "b": dense(rng, 2, 7, 30)})
    cut = tmp_path / "cut.hdf5"
    cut.write_bytes(decoder.read_bytes()[:1500])
    empty = tmp_path / "empty.hdf5"
    h5py.File(empty, "w").close()
    deeper = write_keras(tmp_path / "deeper.hdf5", {"a": dense(rng, 1, 4, 6), "b": dense(rng, 2, 6, 30)})
    for path, message in (
        (other, "does not fit the encoder"),
        (odd, "a layer that Tybalt has not"),
        (apart, "do not fit each other"),
        (cut, "cannot be read"),
        (empty, "cannot be read"),
        (deeper, "not the architecture"),
        (tmp_path / "none.hdf5", "There is no file"),
    ):
        with pytest.raises(lt.InputError, match=message):
            lt.estimators.load_tybalt_hdf5(encoder, path)
    text = tmp_path / "text.hdf5"
    text.write_text("layer 1\n")
    with pytest.raises(lt.InputError, match="HDF5"):
        lt.io.read_tybalt_hdf5(text, decoder)
