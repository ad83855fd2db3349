"""Intervals of the difference of two methods hold the truth about as often as they say, also of groups of samples."""

import numpy as np
import pytest
from scipy import stats

from latentome.tl.intervals import MIN_TESTED, accuracy_difference, answer, error_difference


def skewed(rng, n, size=1.0):
    """Errors of two equally good methods: each sample is harder or easier, and one of them does better on it."""
    hard = rng.lognormal(0.0, 0.5, n)
    return hard * rng.lognormal(-0.18, 0.6, n), hard * size


def missed(found):
    return found["percent_low"] > 0 or found["percent_high"] < 0


def test_skewed_errors_of_a_few_samples_are_not_taken_for_a_difference():
    """5 % of the intervals should miss; of 400 that is 20 with a standard deviation of 4.4, and skew adds its part."""
    rng = np.random.default_rng(0)
    assert sum(missed(error_difference(*skewed(rng, MIN_TESTED))) for _ in range(400)) < 48
    assert 8 <= sum(missed(error_difference(*skewed(rng, 200))) for _ in range(400)) < 36


def test_samples_of_one_patient_do_not_count_as_many():
    """Ten samples of each of 30 patients, whose errors differ by patient: counted alone half of the intervals miss."""
    rng, groups = np.random.default_rng(1), np.repeat(np.arange(30), 10)
    alone = together = 0
    for _ in range(200):
        other = rng.lognormal(0.0, 0.3, 300)
        model = other * np.exp(rng.normal(0.0, 0.3, 30)[groups] - 0.045)
        alone += missed(error_difference(model, other))
        together += missed(error_difference(model, other, groups))
    assert alone > 60
    assert together <= 20


def test_the_intervals_are_students_and_groups_of_one_change_nothing():
    rng = np.random.default_rng(2)
    model, other = rng.lognormal(size=(2, 50))
    found = error_difference(model, other)
    low, high = stats.t.interval(0.95, 49, (model - other).mean(), stats.sem(model - other))
    assert (found["low"], found["high"]) == pytest.approx((low, high))
    assert found["percent"] == pytest.approx(100 * (model.mean() / other.mean() - 1))
    assert found["percent_low"] < found["percent"] < found["percent_high"]
    assert error_difference(model, other, rng.permutation(50)) == pytest.approx(found)
    # Ten times as good, by as much on each sample: the ratio is known to the last digit.
    exact = error_difference(other / 10, other)
    assert (exact["percent_low"], exact["percent_high"]) == pytest.approx((-90, -90))


def test_no_error_has_no_ratio():
    ones, zeros = np.ones(30), np.zeros(30)
    assert "percent" not in error_difference(ones, zeros)
    assert error_difference(zeros, ones)["percent_high"] == -100.0
    assert answer(error_difference(zeros, ones), 30) == "better"
    assert answer(error_difference(ones, zeros), 30) == "worse"
    alone = error_difference(ones[:1], ones[:1])
    assert (alone["low"], alone["high"]) == (-np.inf, np.inf)
    assert answer(alone, 1) == "too few"


@pytest.mark.parametrize("n", [24, 50, 221])
@pytest.mark.parametrize(("gained", "lost"), [(0.0, 0.2), (0.02, 0.06), (0.05, 0.3), (0.1, 0.1), (0.01, 0.0)])
def test_intervals_of_accuracies_cover_the_difference(n, gained, lost):
    """Of 2,000 draws 95 % should; 92 % is what the discreteness of few samples, and chance, may take."""
    draws = np.random.default_rng(n).choice([1, -1, 0], (2000, n), p=[gained, lost, 1 - gained - lost])
    found = [accuracy_difference(row == 1, (row == -1).astype(float)) for row in draws]
    assert np.mean([f["low"] <= gained - lost <= f["high"] for f in found]) > 0.92
    assert all(-1 <= f["low"] <= f["mean"] <= f["high"] <= 1 for f in found)


@pytest.mark.parametrize(("gained", "lost"), [(4, 0), (6, 0), (0, 6), (9, 1), (8, 2), (30, 14), (0, 0), (3, 3)])
def test_accuracies_differ_where_mcnemars_exact_test_says_so(gained, lost):
    model = np.r_[np.ones(gained), np.zeros(lost), np.ones(40)]
    other = np.r_[np.zeros(gained), np.ones(lost), np.ones(40)]
    found = accuracy_difference(model, other)
    p = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert (found["low"] > 0 or found["high"] < 0) == (p < 0.05)
    assert found["mean"] == pytest.approx((gained - lost) / len(model))
    assert found["low"] < found["mean"] < found["high"]


def test_accuracies_of_groups_count_groups():
    rng, groups = np.random.default_rng(3), np.repeat(np.arange(25), 8)
    model, other = ((rng.random(25) < 0.7)[groups].astype(float) for _ in range(2))
    alone, together = accuracy_difference(model, other), accuracy_difference(model, other, groups)
    assert together["mean"] == pytest.approx(alone["mean"])
    of_patients = accuracy_difference(model[::8], other[::8])
    width = together["high"] - together["low"]
    assert width == pytest.approx(of_patients["high"] - of_patients["low"], rel=0.3)
    assert width > 2 * (alone["high"] - alone["low"])


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("n", [30, 50, 100])
def test_intervals_of_accuracies_of_groups_cover_the_difference(n, size):
    """Without the groups that are added fewer did, and some had no width."""
    rng, groups = np.random.default_rng([n, size]), np.repeat(np.arange(n), size)
    draws = rng.choice([1, -1, 0], (1000, n), p=[0.04, 0.01, 0.95])
    found = [accuracy_difference((d == 1)[groups] * 1.0, (d == -1)[groups] * 1.0, groups) for d in draws]
    assert np.mean([f["low"] <= 0.03 <= f["high"] for f in found]) > 0.92
    assert all(-1 <= f["low"] < f["high"] <= 1 for f in found)
