"""On a GPU: products of full float32, the same bits in every process, and the model that a processor trains."""

from __future__ import annotations

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import latentome as lt
from latentome.models import compiled

pytestmark = pytest.mark.skipif(jax.default_backend() != "gpu", reason="no GPU")

#: Trains in a process of its own. What is on disk from another one, compiled there, is not used.
CHILD = """
import signal, sys
from pathlib import Path
import numpy as np
import latentome as lt

x, (out, checkpoint, stop, resume) = np.load(sys.argv[1]), sys.argv[2:]
def press(done, total, row):
    if done >= int(stop) > 0:
        signal.raise_signal(signal.SIGINT)
how = {"progress": press, "checkpoint": Path(checkpoint), "resume": resume == "resume"} if checkpoint else {}
models = [
    lt.VariationalAutoencoder(3, hidden=(8,), max_epochs=40, batch_size=60, random_state=0),
    lt.NonlinearPCA(3, hidden=(8,), max_epochs=40, batch_size=60, random_state=0),
    lt.LinearAutoencoder(3, max_epochs=40, batch_size=60, random_state=0, members=3),
]
found = {}
for i, model in enumerate(models[:1] if checkpoint else models):
    model.fit(x, **how)
    found |= {f"{i}.weight.{n}": w for n, w in enumerate(w for m in model.models_ for w in m.get_weights())}
    found |= {f"{i}.history": model.history_.to_numpy(), f"{i}.codes": model.transform(x)}
np.savez(out, **found)
"""


@pytest.fixture(scope="module")
def x():
    return (lt.datasets.load("tcga-33").X[:200, :50] / 20.0).astype("float32")


def child(folder, out, checkpoint="", stop=0, resume="", **variables):
    arguments = [str(folder / "x.npy"), str(folder / out), checkpoint and str(folder / checkpoint), str(stop), resume]
    environment = {**os.environ, "LATENTOME_CACHE": "off", "XLA_PYTHON_CLIENT_PREALLOCATE": "false", **variables}
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments], env=environment, stderr=subprocess.PIPE, text=True
    )


def read(folder, out, process):
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    with np.load(folder / out) as file:
        return dict(file)


@pytest.fixture(scope="module")
def runs(x, tmp_path_factory):
    """Two trainings on the GPU, one that is stopped and goes on in another process, and one on the processor."""
    folder = tmp_path_factory.mktemp("runs")
    np.save(folder / "x.npy", x)
    begun = {
        "one.npz": child(folder, "one.npz"),
        "other.npz": child(folder, "other.npz"),
        "processor.npz": child(folder, "processor.npz", JAX_PLATFORMS="cpu"),
    }
    stopped = child(folder, "stopped.npz", "states", stop=2)
    _, told = stopped.communicate(timeout=300)
    assert "training was interrupted after epoch" in told
    begun["resumed.npz"] = child(folder, "resumed.npz", "states", resume="resume")
    return {out: read(folder, out, process) for out, process in begun.items()}


def test_two_processes_come_to_the_same_bits(runs):
    for name, array in runs["one.npz"].items():
        np.testing.assert_array_equal(runs["other.npz"][name], array, err_msg=name)


def test_a_training_goes_on_in_another_process_to_the_same_bits(runs):
    assert {"0.history", "0.codes", "0.weight.0"} <= runs["resumed.npz"].keys()
    for name, array in runs["resumed.npz"].items():
        np.testing.assert_array_equal(array, runs["one.npz"][name], err_msg=name)


def test_it_is_the_model_that_a_processor_trains(runs):
    # To the tolerance of law 7 for sums in another order.
    for name, array in runs["processor.npz"].items():
        tolerance = {"rtol": 1e-3, "atol": 1e-5} if name.endswith("history") else {"rtol": 1e-3, "atol": 1e-4}
        np.testing.assert_allclose(runs["one.npz"][name], array, err_msg=name, **tolerance)


def test_products_are_of_full_float32():
    a = np.random.default_rng(0).normal(size=(300, 300)).astype("float32")
    exact = a.astype("float64") @ a.astype("float64")
    error = np.abs(np.asarray(compiled(lambda a: a @ a)(a)) - exact).max() / np.abs(exact).max()
    assert error < 2e-6, "of factors with 11 bits it is 3e-4"
