"""One small matrix for all tests of training, so that a program compiles once, and a key that presses Ctrl-C."""

from __future__ import annotations

import importlib
import signal

import numpy as np
import pytest

import latentome as lt

#: The modules; ``latentome.training.train`` is the function of that name.
RUN, TRAIN = (importlib.import_module(f"latentome.training.{name}") for name in ("run", "train"))


def make_x():
    """90 samples of 12 features: three components under as much noise, so that a model overfits within some epochs."""
    rng = np.random.default_rng(0)
    signal_ = rng.normal(size=(90, 3)) @ rng.normal(size=(3, 12)) * 0.3
    return (signal_ + rng.normal(size=(90, 12)) * 0.5).astype("float32")


@pytest.fixture(scope="session")
def x():
    return make_x()


@pytest.fixture(scope="session")
def linear():
    """Makes the linear estimator that most tests train: 81 rows in 5 steps, 9 rows held out."""

    def make(n_components=3, **parameters):
        if isinstance(parameters.get("optimizer", "adam"), str):  # an object has its own
            parameters = {"learning_rate": 0.01, **parameters}
        return lt.LinearAutoencoder(
            n_components, **{"max_epochs": 10, "batch_size": 20, "random_state": 0, **parameters}
        )

    return make


@pytest.fixture
def small_chunks(monkeypatch):
    """One epoch a chunk, and a checkpoint after each."""
    monkeypatch.setattr(RUN, "CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(TRAIN, "CHECKPOINT_SECONDS", 0.0)


class StopAfter:
    """Progress that presses Ctrl-C once, when `epoch` epochs are done."""

    def __init__(self, epoch):
        self.epoch, self.pressed, self.seen = epoch, False, []

    def __call__(self, done, total, row):
        self.seen.append((done, total, row))
        if done >= self.epoch and not self.pressed:
            self.pressed = True
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="session")
def stop_after():
    return StopAfter


@pytest.fixture(scope="session")
def same():
    """Asserts that two lists of arrays, or the weights of two models, are equal; to the bit without a tolerance."""

    def check(mine, other, **tolerance):
        mine, other = (m.get_weights() if hasattr(m, "get_weights") else m for m in (mine, other))
        compare = np.testing.assert_allclose if tolerance else np.testing.assert_array_equal
        for a, b in zip(mine, other, strict=True):
            compare(a, b, **tolerance)

    return check
