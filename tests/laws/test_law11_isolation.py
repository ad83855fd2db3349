"""Law 11. A result depends on arguments, data and seed: same numbers in any process, in any order of calls."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

import latentome as lt

SMALL = {"n_components": 3, "max_epochs": 3, "batch_size": 40, "random_state": 7}
FAMILIES = {
    "linear": lt.LinearAutoencoder(**SMALL),
    "deep": lt.DeepAutoencoder(**SMALL, hidden=(6,)),
    "adage": lt.DenoisingAutoencoder(**SMALL),
    "nonlinear-pca": lt.NonlinearPCA(**SMALL, hidden=(6,)),
    "vae": lt.VariationalAutoencoder(**SMALL, hidden=(6,)),
}


def digests(order):
    """A digest of the weights and the history of each family, fitted in this order."""
    x = lt.datasets.load("tcga-33").X[:150, :30] / 20.0
    result = {}
    for name in order:
        model = FAMILIES[name].fit(x)
        content = b"".join(np.ascontiguousarray(w).tobytes() for w in model.model_.get_weights())
        result[name] = hashlib.sha256(content + model.history_.to_csv().encode()).hexdigest()
    return result


def test_the_order_of_calls_and_global_seeds_do_not_matter():
    import keras

    first = digests(["linear", "deep", "adage", "nonlinear-pca", "vae"])
    state = np.random.get_state()  # noqa: NPY002
    keras.utils.set_random_seed(123)
    try:
        assert digests(["vae", "nonlinear-pca", "adage", "deep", "linear"]) == first
    finally:
        np.random.set_state(state)  # noqa: NPY002  the global state is what this test is about


def test_no_global_seed_is_read_or_set():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    digests(["vae"])
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize(
    ("policy", "kind"), [("mixed_bfloat16", "float32"), ("float16", "float16"), ("float64", "float64")]
)
def test_a_precision_that_was_set_for_other_models_does_not_matter(policy, kind, tmp_path, monkeypatch):
    import keras

    from latentome.training import engine

    expected, x = digests(FAMILIES), lt.datasets.load("tcga-33").X[:150, :30] / 20.0
    codes = FAMILIES["vae"].transform(x)
    FAMILIES["vae"].save(tmp_path / "model")
    monkeypatch.setattr(engine, "_programs", {})  # those that were compiled before
    keras.config.set_floatx(kind)
    keras.config.set_dtype_policy(policy)
    try:
        np.testing.assert_array_equal(lt.load_model(tmp_path / "model").transform(x), codes)
        assert digests(FAMILIES) == expected
        assert (keras.config.floatx(), keras.config.dtype_policy().name) == (kind, policy)
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


def test_another_process_gives_the_same_numbers():
    program = (
        "import json, sys, importlib.util\n"
        "spec = importlib.util.spec_from_file_location('law', sys.argv[1])\n"
        "law = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(law); print(json.dumps(law.digests(['vae', 'deep'])))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, __file__], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == digests(["deep", "vae"])


def test_seeds_differ():
    x = lt.datasets.load("blobs").X
    one, two = (
        lt.LinearAutoencoder(2, max_epochs=1, random_state=seed).fit(x).encoder_.get_weights()[0] for seed in (0, 1)
    )
    assert np.abs(one - two).max() > 0.01
