"""Passes in several buffers, ensembles trained from disk, and values that a likelihood does not know."""

from __future__ import annotations

import importlib
import signal

import numpy as np
import pytest

import latentome as lt
from latentome.errors import InputError, TrainingError
from latentome.io import MemoryMatrix

STREAM = importlib.import_module("latentome.training.stream")
HOW = {"n_components": 3, "max_epochs": 2, "batch_size": 32, "validation_fraction": 0.2}


@pytest.fixture(scope="module")
def matrix():
    return MemoryMatrix(np.random.default_rng(0).random((300, 12), dtype=np.float32), [f"g{i}" for i in range(12)])


@pytest.fixture
def in_buffers(monkeypatch):
    """Of 300 rows in chunks of 32 two are held out: a pass has 8 chunks in 4 buffers, a state is kept after each."""
    monkeypatch.setattr(STREAM, "CHUNK_ROWS", 32)
    monkeypatch.setattr(STREAM, "BUFFER_BYTES", 2 * 32 * 12 * 4)
    monkeypatch.setattr(STREAM, "CHECKPOINT_SECONDS", 0.0)


def test_a_model_that_cannot_fit_is_refused_beside_a_matrix_that_need_not(matrix, monkeypatch):
    monkeypatch.setattr("latentome.training.memory.free_bytes", lambda _: 100)
    with pytest.raises(TrainingError, match="too little memory to train this model"):
        lt.LinearAutoencoder(**HOW).fit(matrix)


class Killed(Exception):
    """Ends a training where a kill would."""


def in_three_passes():
    return lt.LinearAutoencoder(**{**HOW, "max_epochs": 3}, patience=5, random_state=5)


@pytest.mark.parametrize("buffers", [1, 4, 5, 11])
def test_killed_after_any_buffer_it_goes_on_to_the_same_bits(matrix, in_buffers, buffers, tmp_path, monkeypatch):
    whole, kept, save = in_three_passes().fit(matrix), [], STREAM._Stream.save

    def save_and_die(stream):
        save(stream)
        kept.append((len(stream.rows), stream.buffer))
        if len(kept) == buffers:
            raise Killed

    monkeypatch.setattr(STREAM._Stream, "save", save_and_die)
    with pytest.raises(Killed):
        in_three_passes().fit(matrix, checkpoint=tmp_path)
    monkeypatch.setattr(STREAM._Stream, "save", save)
    assert kept[-1] == ((buffers - 1) // 4, (buffers - 1) % 4 + 1)
    resumed = in_three_passes().fit(matrix, checkpoint=tmp_path, resume=True)
    for mine, other in zip(resumed.model_.get_weights(), whole.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert resumed.history_.equals(whole.history_)


def test_a_pass_is_a_training_in_memory_on_the_rows_in_its_order(matrix, in_buffers):
    how = {**HOW, "max_epochs": 1, "validation_fraction": 0.0, "random_state": 5}
    streamed, layout, order = lt.LinearAutoencoder(**how).fit(matrix), STREAM.lay_out(matrix, 32, 0.0, 5), []
    for turn, chunks in enumerate(layout.buffers(0)):
        rows = np.concatenate([np.arange(*layout.bounds(chunk)) for chunk in np.sort(chunks)])
        order.append(rows[np.asarray(STREAM.epoch_order(5, turn, len(rows)))])
    assert [len(rows) for rows in order] == [64, 64, 64, 64, 44]
    in_memory = lt.LinearAutoencoder(**how, shuffle=False).fit(matrix.block(0, 300)[np.concatenate(order)])
    for mine, other in zip(streamed.model_.get_weights(), in_memory.model_.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)
    assert streamed.history_["loss"].iloc[0] == pytest.approx(in_memory.history_["loss"].iloc[0], rel=1e-5)


def test_a_training_reads_once_ahead_of_all_its_passes_and_validations(matrix, in_buffers, monkeypatch):
    asked, ahead = [], STREAM.ahead

    def watched(source, layout, buffers):
        return ahead(source, layout, (asked.append(chunks.tolist()) or chunks for chunks in buffers))

    used, validate = [], STREAM._Stream._validate
    monkeypatch.setattr(STREAM, "ahead", watched)
    monkeypatch.setattr(STREAM._Stream, "_validate", lambda s: (validate(s), used.append(len(asked)))[0])
    in_three_passes().fit(matrix)
    held_out, passes = asked[0], [asked[i : i + 5] for i in range(1, len(asked), 5)]
    assert len(passes) == 3
    for *trained, validated in passes:
        assert validated == held_out
        assert sorted(sum(trained, [])) == sorted({*range(10)} - {*held_out})
    assert passes[0] != passes[1]
    assert used == [2, 7, 12, 16], "the first buffer of the next pass was asked for before its validation, but the last"


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


def test_of_less_than_a_batch_as_many_rows_are_held_out_as_in_memory():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(40, 3)) @ rng.normal(size=(3, 12))).astype("float32")
    how = {"n_components": 3, "max_epochs": 30, "learning_rate": 0.01, "patience": 3, "random_state": 0}
    in_memory, from_disk = (lt.LinearAutoencoder(**how).fit(data) for data in (x, MemoryMatrix(x)))
    assert len(from_disk.validation_rows_) == len(in_memory.validation_rows_) == 4
    assert from_disk.best_epoch_ > 10, "no validation loss, no epoch better than the start"
    assert from_disk.score(x) == pytest.approx(in_memory.score(x), abs=0.1)


def test_an_interruption_in_the_last_epoch_of_a_member_stops_the_others(matrix, tmp_path):
    told = []

    def stop(done, total, row):
        told.append(done)
        if done == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="interrupted at its end"):
        lt.LinearAutoencoder(**HOW, members=2, random_state=5).fit(matrix, progress=stop)
    assert max(told) == 2, "epochs 3 and 4 are the second member's"


@pytest.mark.parametrize("name", ["callbacks", "devices"])
def test_what_a_matrix_on_disk_cannot_be_trained_with_is_refused(name, matrix):
    with pytest.raises(InputError, match=f"takes no {name}"):
        lt.LinearAutoencoder(**HOW).fit(matrix, **{name: [object()]})


def test_names_of_an_earlier_training_are_forgotten(matrix):
    model = lt.LinearAutoencoder(**HOW).fit(matrix)
    assert len(model.feature_names_in_) == 12
    model.fit(MemoryMatrix(matrix.block(0, 300)[:, :5].copy()))
    assert not hasattr(model, "feature_names_in_")
