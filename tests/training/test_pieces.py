"""Models in threads: one compiled program, each model its own end, the same bits on any number of processors."""

import threading

import jax
import numpy as np
import pytest

import latentome as lt
from latentome.training import engine, pieces

pytestmark = pytest.mark.skipif(jax.default_backend() != "cpu", reason="models train in threads on processors only")


@pytest.fixture(scope="module")
def x():
    return lt.datasets.load("tcga-33").X[:160, :30] / 20.0


def ensemble(**changed):
    arguments = {"hidden": (6,), "members": 3, "batch_size": 32, "max_epochs": 5, "random_state": 0}
    return lt.DeepAutoencoder(2, **{**arguments, **changed})


def test_the_members_share_a_program_that_is_traced_once_and_run_in_threads(x, monkeypatch):
    traced, threads, trace, side_by_side = [], set(), engine.Program._run, pieces._side_by_side

    def counted(self, *args, **how):
        traced.append(threading.current_thread())
        return trace(self, *args, **how)

    def watched(run, *args):
        def noted(*given):
            threads.add(threading.current_thread())
            return run(*given)

        return side_by_side(noted, *args)

    monkeypatch.setattr(engine, "_programs", {})
    monkeypatch.setattr(engine.Program, "_run", counted)
    monkeypatch.setattr(pieces, "_side_by_side", watched)
    model = ensemble().fit(x)
    assert traced == [threading.main_thread()]
    assert threads
    assert threading.main_thread() not in threads
    ensemble(members=1).fit(x)
    assert len(traced) == 1, "a single model runs through the same program"
    assert len({w.tobytes() for w in (m.get_weights()[1] for m in model.models_)}) == 3


def test_the_number_of_processors_changes_no_bit(x, monkeypatch):
    def fitted(count):
        monkeypatch.setattr(pieces, "processors", lambda: count)
        return [w for model in ensemble().fit(x).models_ for w in model.get_weights()]

    for many, one in zip(fitted(3), fitted(1), strict=True):
        np.testing.assert_array_equal(many, one)


def test_a_member_that_stops_early_leaves_the_others_going(x):
    stopping = {"patience": 1, "max_epochs": 40, "learning_rate": 0.05, "validation_fraction": 0.2}
    model = ensemble(**stopping).fit(x)
    lengths = model.history_.groupby("member").size().tolist()
    singles = [ensemble(**stopping, members=1).set_params(random_state=seed).fit(x) for seed in range(3)]
    assert lengths == [len(single.history_) for single in singles]
    assert len(set(lengths)) > 1, lengths


def test_the_start_of_every_member_is_a_candidate_for_its_best_epoch(x):
    hopeless = {"learning_rate": 3.0, "max_epochs": 3, "validation_fraction": 0.2, "patience": 5}
    model = ensemble(**hopeless).fit(x)
    single = ensemble(**hopeless, members=1).fit(x)
    assert single.best_epoch_ == 0
    for mine, other in zip(single.models_[0].get_weights(), model.models_[0].get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
