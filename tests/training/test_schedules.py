"""The learning rate of every step is the formula's, in the history and in programs that several models share."""

from __future__ import annotations

import importlib
import math

import numpy as np
import pytest

import latentome as lt
from latentome.estimators.together import fit_together
from latentome.training import Schedule, make_schedule

PEAK = 0.2


def by_hand(step, shape, total, warmup):
    if step < warmup:
        return PEAK * (step + 1) / (warmup + 1)
    if shape == "constant":
        return PEAK
    return PEAK * (1 + math.cos(math.pi * min((step - warmup) / (total - warmup), 1.0))) / 2


@pytest.mark.parametrize("shape", ["constant", "cosine"])
@pytest.mark.parametrize(("share", "warmup"), [(0.0, 0), (0.2, 20), (0.003, 1), (0.99, 99)])
def test_every_step_has_the_rate_of_the_formula(shape, share, warmup):
    rate = make_schedule(PEAK, shape, share, 100)
    if (shape, warmup) == ("constant", 0):
        assert rate == PEAK
        return
    assert rate.warmup_steps == warmup
    steps = range(120)
    expected = [by_hand(step, shape, 100, warmup) for step in steps]
    np.testing.assert_allclose([float(rate(step)) for step in steps], expected, rtol=1e-5, atol=1e-7)


def test_the_landmarks_of_a_cosine_with_warm_up():
    rate = make_schedule(PEAK, "cosine", 0.2, 100)
    landmarks = {0: PEAK / 21, 9: PEAK * 10 / 21, 19: PEAK * 20 / 21, 20: PEAK, 40: PEAK * 0.8535534, 60: PEAK / 2}
    for step, expected in {**landmarks, 100: 0.0, 1000: 0.0}.items():
        assert float(rate(step)) == pytest.approx(expected, rel=1e-5, abs=1e-7), step
    assert max(float(rate(step)) for step in range(101)) == pytest.approx(PEAK)


def test_a_schedule_survives_its_configuration():
    rate = Schedule(PEAK, "cosine", 100, 20)
    again = Schedule.from_config(rate.get_config())
    assert [float(again(step)) for step in range(0, 101, 10)] == [float(rate(step)) for step in range(0, 101, 10)]


def test_history_and_weights_follow_the_schedule_and_every_peak_its_own(linear, x, same, monkeypatch):
    """Two peaks in one program, against their single trainings: 5 steps an epoch, 50 in all, 10 of them warm-up."""
    together = importlib.import_module("latentome.estimators.together")
    calls, train_together = [], together.train_together
    monkeypatch.setattr(together, "train_together", lambda *a, **k: calls.append(len(a[0])) or train_together(*a, **k))
    how = {"schedule": "cosine", "schedule_warmup": 0.2, "optimizer": "sgd"}
    peaks = (PEAK, 3 * PEAK)
    models = [linear(learning_rate=peak, **how) for peak in peaks]
    fit_together(models, x)
    assert calls == [2], "one program for both"
    for model, peak in zip(models, peaks, strict=True):
        # The rate of the step that comes next, as Keras shows it after an epoch.
        expected = [by_hand(5 * epoch, "cosine", 50, 10) * peak / PEAK for epoch in range(1, 11)]
        np.testing.assert_allclose(model.history_["learning_rate"], expected, rtol=1e-5, atol=1e-7)
        single = linear(learning_rate=peak, **how).fit(x)
        same(single.model_, model.model_, atol=1e-5)
        np.testing.assert_allclose(single.history_, model.history_, rtol=1e-4, atol=1e-6)
    assert np.abs(models[0].model_.get_weights()[1] - models[1].model_.get_weights()[1]).max() > 0.01


@pytest.mark.parametrize("rate", [1, np.float32(0.01), np.int64(1)])
def test_a_rate_may_be_any_number(linear, x, rate):
    assert linear(learning_rate=rate, max_epochs=1).fit(x).history_["learning_rate"][0] == np.float32(rate)


@pytest.mark.parametrize(("shape", "share"), [("linear", 0.0), ("cosine", 1.0), ("cosine", -0.1)])
def test_a_schedule_that_is_none_is_refused(shape, share):
    with pytest.raises(lt.InputError):
        make_schedule(PEAK, shape, share, 100)


@pytest.mark.parametrize("steps", [1, 10, 19])
def test_a_warm_up_ends_inside_the_training(steps):
    schedule = make_schedule(PEAK, "constant", 0.95, steps)
    assert float(schedule(steps - 1)) == pytest.approx(PEAK)
