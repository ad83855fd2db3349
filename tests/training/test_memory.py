"""Models that do not fit into memory at once train in groups, to the same result."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from latentome.errors import TrainingError
from latentome.training.memory import fits_in_memory, free_bytes, group_sizes, member_bytes, shares

MEMORY, TRAIN, STREAM = (importlib.import_module(f"latentome.training.{n}") for n in ("memory", "train", "stream"))
EPOCHS, MEMBERS = 6, 5
#: Without held-out rows: the columns of the validation are then empty for all models.
HOW = {
    "members": MEMBERS,
    "max_epochs": EPOCHS,
    "validation_fraction": 0.0,
    "optimizer": "sgd",
    "momentum": 0.9,
    "learning_rate": 0.05,
}


@pytest.fixture
def in_pairs(monkeypatch):
    monkeypatch.setattr(MEMORY, "MAX_GROUP", 2)


@pytest.fixture(scope="module")
def at_once(linear, x):
    return linear(**HOW).fit(x)


@pytest.fixture(scope="module")
def grouped(linear, x):
    """The uninterrupted training in groups of 2, 2 and 1, and what its progress told."""
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MEMORY, "MAX_GROUP", 2)
        model = linear(**HOW).fit(x, progress=lambda *seen: told.append(seen))
    return model, told


@pytest.mark.parametrize(
    ("members", "each", "free", "expected"),
    [
        (1, 10, 1, [1]),
        (5, 10, 1000, [5]),
        (5, 10, 100, [5]),  # half of the free memory holds just five
        (5, 10, 99, [3, 2]),
        (5, 10, 40, [2, 2, 1]),
        (7, 10, 60, [3, 2, 2]),
        (5, 10, 0, [1, 1, 1, 1, 1]),
        (513, 1, 10**9, [257, 256]),
        (1024, 1, 10**9, [512, 512]),
    ],
)
def test_groups_are_as_few_as_fit_and_nearly_equal(members, each, free, expected):
    assert group_sizes(members, each, free) == expected
    assert shares(members, len(expected)) == expected


def test_the_estimate_of_a_member_counts_its_arrays():
    # Two layers of 100 x 10 and Adam's two moments: 2 x 3 x 2000 values of state, 2000 of gradient; 50 rows of 110.
    assert member_bytes(2000, 6000, 50, 110) == 4 * (12_000 + 2000 + 2 * 50 * 110)


def test_the_free_memory_is_that_of_a_machine():
    assert 2**20 < free_bytes() < 2**50


def test_groups_equal_all_at_once(grouped, at_once, same):
    model, _ = grouped
    for mine, other in zip(model.models_, at_once.models_, strict=True):
        same(mine, other, atol=1e-5)
    np.testing.assert_allclose(model.history_, at_once.history_, rtol=1e-4, atol=1e-6)
    assert list(model.history_["member"].unique()) == list(range(MEMBERS))


def test_progress_runs_once_from_the_first_group_to_the_last(grouped):
    _, told = grouped
    done = [seen[0] for seen in told]
    assert {seen[1] for seen in told} == {3 * EPOCHS}
    assert done == sorted(set(done))
    assert done[-1] == 3 * EPOCHS


def test_progress_shows_the_mean_of_the_models_and_no_empty_column(grouped):
    model, told = grouped
    shown = {seen[0]: seen[2] for seen in told}[2 * EPOCHS]
    last = model.history_.query(f"epoch == {EPOCHS} and member in (2, 3)")
    assert set(shown) == {"loss", "reconstruction", "learning_rate"}
    assert shown["loss"] == pytest.approx(last["loss"].mean(), rel=1e-6)


def test_memory_for_less_than_one_model_trains_them_one_by_one(linear, x, at_once, same, monkeypatch):
    monkeypatch.setattr(TRAIN, "free_bytes", lambda: 0)
    told = []
    model = linear(**HOW).fit(x, progress=lambda *seen: told.append(seen))
    assert told[-1][:2] == (MEMBERS * EPOCHS, MEMBERS * EPOCHS)
    for mine, other in zip(model.models_, at_once.models_, strict=True):
        same(mine, other, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "moments", "kept"),
    [({}, 2, 1), ({"members": 3}, 2, 1), ({"optimizer": "rmsprop"}, 1, 1), ({"patience": 2}, 2, 2)],
    ids=["adam", "an ensemble", "one moment", "the best epoch beside the last"],
)
def test_a_model_that_cannot_fit_is_refused_before_it_asks_for_the_memory(how, moments, kept, linear, x, monkeypatch):
    # Twice the weights, the count of steps and the moments of each weight, and the moments of the model itself.
    weights = 12 * 11 + 11 + 11 * 12 + 12
    least = 4 * (2 * (moments * weights + kept * (weights + 1)) + moments * weights)
    for place in (TRAIN, STREAM):  # what is free decides on an accelerator whether data stay there, too
        monkeypatch.setattr(place, "program_for", lambda *_: pytest.fail("it is not refused"))
    for free, refusal in ((least - 1, TrainingError), (least, pytest.fail.Exception)):
        monkeypatch.setattr(MEMORY, "free_bytes", lambda _, free=free: free)
        with pytest.raises(refusal, match=r"too little memory to train(.|\n)*smaller hidden|it is not refused"):
            linear(11, **how).fit(x)


@pytest.mark.parametrize("free", ["as before", "for all at once"])
def test_an_interruption_in_the_second_group_goes_on_to_the_same_bits(
    free, linear, x, grouped, same, small_chunks, in_pairs, stop_after, monkeypatch, tmp_path
):
    """Groups stay as they began: what is free may have changed meanwhile, and a state is one of a whole group."""
    model = linear(**HOW)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, checkpoint=tmp_path, progress=stop_after(EPOCHS + 2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["group-1-of-3", "group-2-of-3"]
    if free == "for all at once":
        monkeypatch.setattr(MEMORY, "MAX_GROUP", 512)
    told = []
    model.fit(x, checkpoint=tmp_path, resume=True, progress=lambda done, *_: told.append(done))
    assert told[0] == EPOCHS + 3, "the first group is not trained again, the second goes on where it was"
    for mine, other in zip(model.models_, grouped[0].models_, strict=True):
        same(mine, other)
    np.testing.assert_array_equal(model.history_.to_numpy(), grouped[0].history_.to_numpy())


def test_all_at_once_stays_so_when_memory_has_become_scarce(
    linear, x, at_once, same, small_chunks, stop_after, monkeypatch, tmp_path
):
    model = linear(**HOW)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, checkpoint=tmp_path, progress=stop_after(3))
    monkeypatch.setattr(MEMORY, "MAX_GROUP", 2)
    model.fit(x, checkpoint=tmp_path, resume=True)
    for mine, other in zip(model.models_, at_once.models_, strict=True):
        same(mine, other)


def test_ctrl_c_in_the_last_epoch_of_a_group_is_not_lost(
    linear, x, grouped, same, small_chunks, in_pairs, stop_after, tmp_path
):
    model, press = linear(**HOW), stop_after(EPOCHS)
    with pytest.raises(KeyboardInterrupt, match="interrupted at its end"):
        model.fit(x, checkpoint=tmp_path, progress=press)
    assert press.seen[-1][0] == EPOCHS, "the second group did not begin"
    model.fit(x, checkpoint=tmp_path, resume=True)
    for mine, other in zip(model.models_, grouped[0].models_, strict=True):
        same(mine, other)


def test_the_memory_of_the_machine_is_not_asked_of_jax(monkeypatch):
    """With JAX_PLATFORMS=cuda it knows no processor."""

    def devices(*_):
        raise RuntimeError("Unknown backend cpu")

    monkeypatch.setattr("jax.devices", devices)
    assert fits_in_memory(1, 1)
    assert not fits_in_memory(1 << 30, 1 << 30)
