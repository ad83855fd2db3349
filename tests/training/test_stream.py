"""Ensembles trained from disk, and values that a likelihood does not know."""

from __future__ import annotations

import signal

import numpy as np
import pytest

import latentome as lt
from latentome.errors import InputError
from latentome.io import MemoryMatrix

HOW = {"n_components": 3, "max_epochs": 2, "batch_size": 32, "validation_fraction": 0.2}


@pytest.fixture(scope="module")
def matrix():
    return MemoryMatrix(np.random.default_rng(0).random((300, 12), dtype=np.float32), [f"g{i}" for i in range(12)])


@pytest.fixture(scope="module")
def ensemble(matrix):
    return lt.LinearAutoencoder(**HOW, members=3, random_state=5).fit(matrix)


def test_each_member_is_the_single_model_of_its_seed_bit_for_bit(matrix, ensemble):
    for member in range(3):
        single = lt.LinearAutoencoder(**HOW, random_state=5 + member).fit(matrix)
        pairs = zip(single.model_.get_weights(), ensemble.models_[member].get_weights(), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)
        own = ensemble.history_.query("member == @member").drop(columns="member").reset_index(drop=True)
        assert own.equals(single.history_)
    assert ensemble.transform(matrix).shape == (300, 9)


def test_an_ensemble_that_was_stopped_between_members_goes_on(matrix, ensemble, tmp_path):
    told = []

    def stop(done, total, row):
        told.append((done, total))
        if told.count((3, 6)) == 1 and done == 3:  # once: who presses Ctrl-C twice does not wait for the state
            signal.raise_signal(signal.SIGINT)

    stopped = lt.LinearAutoencoder(**HOW, members=3, random_state=5)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(matrix, checkpoint=tmp_path, progress=stop)
    assert told[-1] == (3, 6)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["member-1-of-3", "member-2-of-3"]
    resumed = lt.LinearAutoencoder(**HOW, members=3, random_state=5).fit(matrix, checkpoint=tmp_path, resume=True)
    for one, other in zip(resumed.models_, ensemble.models_, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))
    assert resumed.history_.equals(ensemble.history_)


def test_a_value_beyond_the_range_of_the_likelihood_is_named(matrix):
    x = matrix.block(0, 300)
    x[250, 7] = 1.5
    names = [f"s{i}" for i in range(300)]
    model = lt.VariationalAutoencoder(2, likelihood="bernoulli", max_epochs=2)
    with pytest.raises(InputError, match=r"needs data in \[0, 1\]") as refused:
        model.fit(MemoryMatrix(x, matrix.genes, names))
    assert "1.5 at row 250 (sample 's250'), column 7 (gene 'g7')" in refused.value.where
