"""A state on disk is sound, this training's, and goes on to the same bits; or it is refused and says why."""

from __future__ import annotations

import errno
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import latentome as lt
from latentome.errors import RunFolderError, WriteError
from latentome.io import lock_folder
from latentome.models import DeepModel
from latentome.training import Options, Split, clear_checkpoints, make_optimizer, train
from latentome.training.checkpoint import Checkpoints

EPOCHS = 10


@pytest.fixture(scope="module")
def whole(linear, x):
    """The uninterrupted training."""
    return linear().fit(x)


@pytest.fixture
def stopped(linear, x, small_chunks, stop_after, tmp_path):
    """A folder with the states of a training that was stopped after epoch 7, one epoch a chunk."""
    folder = tmp_path / "states"
    with pytest.raises(KeyboardInterrupt, match=f"after epoch 7 of {EPOCHS}"):
        linear().fit(x, checkpoint=folder, progress=stop_after(7))
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_two_last_states_are_kept_and_nothing_else(stopped):
    assert names(stopped) == ["000000000006.state", "000000000007.state"]


def flip(position):
    def damage(path):
        content = bytearray(path.read_bytes())
        content[position if position >= 0 else len(content) + position] ^= 1
        path.write_bytes(content)

    return damage


def cut(share):
    def damage(path):
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])

    return damage


DAMAGES = {
    "a bit of the first byte": flip(0),
    "a bit of the checksum": flip(30),
    "a bit of the content": flip(3000),
    "a bit of the last byte": flip(-1),
    "half of the file is gone": cut(0.5),
    "the last tenth is gone": cut(0.9),
    "nothing is left": cut(0.0),
    "another file": lambda path: path.write_bytes(b"PK" + bytes(5000)),
}


def test_a_damaged_state_is_told_and_the_one_before_it_goes_on_to_the_same_bits(stopped, linear, x, whole, same):
    for title, damage in DAMAGES.items():
        folder = stopped.with_name(title)
        shutil.copytree(stopped, folder)
        damage(folder / "000000000007.state")
        notes, done = [], []
        model = linear().fit(
            x, checkpoint=folder, resume=True, notes=notes.append, progress=lambda n, *_, done=done: done.append(n)
        )
        assert len(notes) == 1, title
        assert "000000000007.state is damaged" in notes[0], title
        assert done[0] == 7, f"{title}: epoch 7 is trained again, from the state after epoch 6"
        same(model.model_, whole.model_)
        np.testing.assert_array_equal(model.history_.to_numpy(), whole.history_.to_numpy())


def test_a_sound_state_goes_on_from_where_it_was_without_a_note(stopped, linear, x, whole, same):
    notes, done = [], []
    model = linear().fit(x, checkpoint=stopped, resume=True, notes=notes.append, progress=lambda n, *_: done.append(n))
    assert (notes, done) == ([], [8, 9, 10])
    same(model.model_, whole.model_)
    same(model.model_.optimizer.variables, whole.model_.optimizer.variables)


def test_where_all_states_are_damaged_the_training_is_refused(stopped, linear, x):
    for path in stopped.iterdir():
        cut(0.5)(path)
    notes = []
    with pytest.raises(lt.TrainingError, match="No checkpoint of this training can be read") as refused:
        linear().fit(x, checkpoint=stopped, resume=True, notes=notes.append)
    assert all(name in refused.value.where for name in names(stopped))
    assert "--replace" in refused.value.todo


def test_resume_without_a_state_starts_at_the_first_epoch(linear, x, whole, same, tmp_path):
    same(linear().fit(x, checkpoint=tmp_path / "none", resume=True).model_, whole.model_)


DIFFERENT = {
    "the training data": ({}, 1.0001),
    "the model and its seed": ({"n_components": 2}, 1.0),
    "the optimizer": ({"learning_rate": 0.02}, 1.0),
    "the rows trained on and validated on": ({"validation_fraction": 0.2}, 1.0),
    "the batch size, the seed of the order, shuffling": ({"shuffle": False}, 1.0),
    "early stopping": ({"patience": 3}, 1.0),
}


@pytest.mark.parametrize("named", DIFFERENT)
def test_another_training_is_refused_by_what_differs_and_by_that_alone(named, stopped, linear, x):
    change, factor = DIFFERENT[named]
    before = {path.name: path.read_bytes() for path in stopped.iterdir()}
    with pytest.raises(lt.TrainingError, match="another training") as refused:
        linear(**change).fit(x * np.float32(factor), checkpoint=stopped, resume=True)
    assert refused.value.where.endswith(f"what differs: {named}")
    assert {path.name: path.read_bytes() for path in stopped.iterdir()} == before


def test_rows_that_move_from_training_to_validation_are_another_training(x, small_chunks, stop_after, tmp_path):
    # The numbers of the rows stand in the same order in both: only where the first list ends differs.
    def go_on(border, **how):
        model = DeepModel(12, 3, seed=0)
        model.compile(make_optimizer("adam", 0.01))
        split = Split(np.arange(border), np.arange(border, 90), seed=0)
        train(model, x, split, Options(EPOCHS, 20), checkpoint=tmp_path / "states", **how)

    with pytest.raises(KeyboardInterrupt):
        go_on(81, progress=stop_after(2))
    with pytest.raises(lt.TrainingError, match="what differs: the rows trained on and validated on"):
        go_on(80, resume=True)


def test_more_epochs_go_on_and_fewer_than_were_done_are_refused(stopped, linear, x, same):
    with pytest.raises(lt.TrainingError, match="after epoch 7") as refused:
        linear(max_epochs=5).fit(x, checkpoint=stopped, resume=True)
    assert "5 epochs" in refused.value.expected
    longer = linear(max_epochs=14).fit(x, checkpoint=stopped, resume=True)
    same(longer.model_, linear(max_epochs=14).fit(x).model_)
    assert len(longer.history_) == 14


def test_a_disk_that_fills_up_leaves_the_earlier_states_and_no_half_file(
    linear, x, whole, same, small_chunks, monkeypatch, tmp_path
):
    flush, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    folder = tmp_path / "states"
    with pytest.raises(WriteError, match=r"000000000004\.state cannot be written"):
        linear().fit(x, checkpoint=folder)
    assert names(folder) == ["000000000002.state", "000000000003.state"]
    same(linear().fit(x, checkpoint=folder, resume=True).model_, whole.model_)


def test_what_a_killed_writer_left_is_never_read_and_goes_with_the_next_state(stopped, linear, x, whole, same):
    # The names under which io.atomic writes. One is half a state, the other a whole one that was not renamed yet.
    whole_state = (stopped / "000000000007.state").read_bytes()
    (stopped / ".0123456789ab.partial.000000000008.state").write_bytes(whole_state[:1000])
    (stopped / ".ba9876543210.partial.000000000009.state").write_bytes(whole_state)
    notes = []
    model = linear().fit(x, checkpoint=stopped, resume=True, notes=notes.append)
    assert notes == []
    same(model.model_, whole.model_)
    assert names(stopped) == ["000000000008.state", "000000000009.state"]


def test_a_training_killed_in_its_very_first_state_starts_anew(linear, x, whole, same, tmp_path):
    (tmp_path / ".0123456789ab.partial.000000000001.state").write_bytes(b"latentome-sta")
    same(linear().fit(x, checkpoint=tmp_path, resume=True).model_, whole.model_)


def test_states_of_an_earlier_training_that_went_further_do_not_outlive_the_first_of_a_new_one(tmp_path):
    old, new = (Checkpoints(tmp_path, {"what": what}, every=0.0) for what in ("old", "new"))
    for number in (40, 50):
        old.save({"a": np.arange(3)}, number)
    new.save({"a": np.arange(4)}, 2)
    assert names(tmp_path) == ["000000000002.state"]
    np.testing.assert_array_equal(new.load()["a"], np.arange(4))


def test_clearing_removes_states_and_empty_folders_and_nothing_of_the_users(tmp_path):
    folder = tmp_path / "checkpoints"
    for inside in (folder, folder / "program-1" / "group-1-of-2", folder / "program-2"):
        Checkpoints(inside, {}, every=0.0).save({"a": np.zeros(3)}, 1)
    (folder / "program-2" / "notes.txt").write_text("mine")
    (folder / ".0123456789ab.partial.000000000001.state").write_bytes(b"half")
    clear_checkpoints(folder)
    assert [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*"))] == [
        "program-2",
        "program-2/notes.txt",
    ]
    clear_checkpoints(tmp_path / "never made")


def test_ctrl_c_at_the_end_of_a_training_is_not_lost(linear, x, same, small_chunks, stop_after, tmp_path):
    whole = linear().fit(x)
    model, press = linear(), stop_after(len(whole.history_))
    with pytest.raises(KeyboardInterrupt, match="interrupted at its end"):
        model.fit(x, checkpoint=tmp_path, progress=press)
    told = []
    model.fit(x, checkpoint=tmp_path, resume=True, progress=lambda done, *_: told.append(done))
    assert told == [], "nothing was left to train"
    same(model.models_[0], whole.models_[0])


@pytest.mark.parametrize("given", [np.asarray, lt.io.MemoryMatrix], ids=["array", "in buffers"])
def test_a_second_training_with_the_folder_of_one_that_goes_on_is_refused(
    linear, x, same, small_chunks, tmp_path, given
):
    folder, refused = tmp_path / "states", []
    whole = linear().fit(given(x))

    def ask():
        other = linear()
        with pytest.raises(RunFolderError, match="states is being written") as refusal:
            other.fit(given(x), checkpoint=folder)
        assert not hasattr(other, "n_features_in_")
        return refusal.value

    def meanwhile(done, total, row):
        if not refused:
            with ThreadPoolExecutor(1) as pool:
                refused.append(pool.submit(ask).result())

    with lock_folder(tmp_path), lock_folder(folder):  # as a run holds its folder: the same thread may ask again
        model = linear().fit(given(x), checkpoint=folder, progress=meanwhile)
    assert len(refused) == 1
    same(model.model_, whole.model_)
    assert not [name for name in names(folder) if not name.endswith(".state")]
    linear().fit(given(x), checkpoint=folder)


@pytest.mark.parametrize("of", [np.asarray, lt.io.MemoryMatrix], ids=["array", "in buffers"])
def test_a_state_further_than_the_training_shall_go_is_refused(of, linear, x, small_chunks, stop_after, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        linear().fit(of(x), checkpoint=tmp_path, progress=stop_after(3))
    with pytest.raises(lt.TrainingError, match="went on for longer than is asked for"):
        linear(max_epochs=2).fit(of(x), checkpoint=tmp_path, resume=True)
