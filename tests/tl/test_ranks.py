from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from latentome.tl import ranks
from latentome.tl.survival import cox


@pytest.fixture(scope="module")
def values():
    """Sixty samples of four features: continuous, with ties, with many ties, constant."""
    x = np.random.default_rng(0).normal(size=(60, 4))
    x[:, 1] = x[:, 1].round(1)
    x[:, 2] = x[:, 2] > 0.5
    x[:, 3] = 1.5
    return x


@pytest.fixture(scope="module")
def classes():
    return np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [30, 22, 8]))


def test_groups_are_compared_as_scipy_does(values, classes):
    auroc, p = ranks.compare_groups(ranks.rank(values), classes[:, None] == np.arange(3))
    for group in range(3):
        for feature in range(3):
            inside, outside = values[classes == group, feature], values[classes != group, feature]
            told = stats.mannwhitneyu(inside, outside, method="asymptotic")
            assert auroc[group, feature] == pytest.approx(told.statistic / (len(inside) * len(outside)), abs=1e-12)
            assert p[group, feature] == pytest.approx(told.pvalue, rel=1e-10)
    assert (auroc[:, 3] == 0.5).all()
    assert (p[:, 3] == 1.0).all()


def test_kruskal_wallis_is_scipys(values, classes):
    share, p = ranks.kruskal_wallis(ranks.rank(values), classes[:, None] == np.arange(3))
    for feature in range(3):
        told = stats.kruskal(*(values[classes == group, feature] for group in range(3)))
        assert share[feature] == pytest.approx(told.statistic / 59, rel=1e-10)
        assert p[feature] == pytest.approx(told.pvalue, rel=1e-10)
    assert (share[3], p[3]) == (0.0, 1.0)


def test_correlations_are_scipys(values):
    numbers = values[:, 0] + np.random.default_rng(2).normal(size=60).round(1)
    rho, p = ranks.correlate(ranks.rank(values), numbers)
    for feature in range(3):
        told = stats.spearmanr(values[:, feature], numbers)
        assert rho[feature] == pytest.approx(told.statistic, abs=1e-12)
        assert p[feature] == pytest.approx(told.pvalue, rel=1e-9)
    assert (rho[3], p[3]) == (0.0, 1.0)


def test_what_only_the_stratum_explains_is_gone_within_it():
    """A feature that follows the tissue, and a class that is common in one tissue: related over all, not within."""
    rng = np.random.default_rng(3)
    tissue = np.repeat([0, 1, 2], 100)
    member = rng.random(300) < np.array([0.1, 0.5, 0.9])[tissue]
    feature = 3.0 * tissue + rng.normal(size=300)
    over_all = ranks.compare_groups(ranks.rank(feature[:, None]), member[:, None])
    within, p, pairs = ranks.compare_within(feature, member, tissue)
    assert over_all[0].item() > 0.75
    assert over_all[1].item() < 1e-10
    assert 0.4 < within < 0.6
    assert p > 0.05
    assert pairs == sum(member[tissue == t].sum() * (~member[tissue == t]).sum() for t in range(3))
    rho, p, used = ranks.correlate_within(feature, 5.0 * tissue + rng.normal(size=300), tissue)
    assert abs(rho) < 0.15
    assert (p > 0.01, used) == (True, 300)
    one = np.zeros(300, dtype=int)
    assert ranks.compare_within(feature, member, one)[0] == pytest.approx(over_all[0].item())
    assert np.isnan(ranks.compare_within(feature, tissue == 1, tissue)[0])


def test_adjusted_values_leave_out_what_was_not_tested():
    p = np.array([0.01, np.nan, 0.02, 0.5])
    np.testing.assert_allclose(ranks.adjust(p), [0.03, np.nan, 0.03, 0.5])


@pytest.fixture(scope="module")
def survival():
    """Two hundred samples whose hazard doubles with one standard deviation of the first of three features."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(200, 3))
    x[:, 2] = x[:, 2] > 0
    life, last = rng.exponential(1.0 / 2.0 ** x[:, 0]), rng.exponential(2.0, size=200)
    return x, np.minimum(life, last), life <= last


def test_cox_maximises_the_partial_likelihood(survival):
    from scipy.optimize import minimize_scalar

    x, time, event = survival
    beta, _ = cox(x, time, event)
    for feature in range(3):
        z = (x[:, feature] - x[:, feature].mean()) / x[:, feature].std()

        def minus_log_likelihood(b, z=z):
            risk = np.array([np.log(np.exp(b * z[time >= t]).sum()) for t in time[event]])
            return (risk - b * z[event]).sum()

        best = minimize_scalar(minus_log_likelihood, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9}).x
        assert beta[feature] == pytest.approx(best, abs=1e-5)
    assert beta[0] == pytest.approx(np.log(2.0), abs=0.25)


def test_the_score_test_of_two_groups_is_the_log_rank_test(survival):
    x, time, event = survival
    group = x[:, 2] > 0
    data = [stats.CensoredData.right_censored(time[g], ~event[g]) for g in (group, ~group)]
    assert cox(x, time, event)[1][2] == pytest.approx(stats.logrank(*data).pvalue, rel=1e-8)
    assert cox(x, time, event)[1][0] < 1e-8
    beta, p = cox(np.ones((200, 1)), time, event)
    assert (beta.item(), p.item()) == (0.0, 1.0)


def test_the_share_of_false_features_holds_where_one_true_feature_has_many_tests():
    """One feature goes with 50 columns, 19 with none: the mean share of false ones is 5 % at most, of 60 draws."""
    rng, by_test, by_feature = np.random.default_rng(0), [], []
    names = [f"v_{i}" for i in range(20)]
    for _ in range(60):
        p = rng.random((20, 50))
        p[0] = 1e-9
        tests = pd.DataFrame({"feature": np.repeat(names, 50), "p": p.ravel()})
        for shares, found in (
            (by_test, ranks.adjust(p.ravel()).reshape(p.shape).min(axis=1) <= 0.05),
            (by_feature, ranks.q_of_each(tests, names) <= 0.05),
        ):
            shares.append(found[1:].sum() / max(1, found.sum()))
    assert np.mean(by_test) > 0.2
    assert np.mean(by_feature) < 0.09
    untested = ranks.q_of_each(pd.DataFrame({"feature": ["a", "b"], "p": [0.01, np.nan]}), ["b", "a", "c"])
    np.testing.assert_array_equal(untested, [np.nan, 0.01, np.nan])


def test_tests_that_are_not_listed_count():
    listed = pd.DataFrame({"feature": ["a", "a", "b"], "p": [0.001, 0.004, 0.03]})
    whole = pd.DataFrame({"feature": np.repeat(["a", "b", "c"], 20), "p": 1.0})
    whole.loc[[0, 1, 20], "p"] = listed["p"].to_numpy()
    names = ["a", "b", "c"]
    np.testing.assert_allclose(ranks.q_of_each(listed, names, 20), ranks.q_of_each(whole, names))
    assert ranks.q_of_each(listed, names, 20) == pytest.approx([0.06, 0.9, 1.0])


def test_a_unit_that_is_nearly_always_silent_tells_no_class_by_chance():
    # One sample of 500 is not zero, and it is in a class of five: that has a probability of 0.01.
    values = np.zeros((500, 2))
    values[0, 0] = values[[0, 100, 200, 300, 400], 1] = 1.0
    member = np.arange(500) < 5
    auroc, p = ranks.compare_groups(ranks.rank(values), member[:, None])
    assert p[0] == pytest.approx([0.01, stats.fisher_exact([[1, 4], [4, 491]])[1]])
    assert auroc[0, 0] == pytest.approx(0.6)
    # Of a value that half of the samples have, the normal approximation is as good as before.
    often = (np.arange(500) % 3 == 0).astype(float)[:, None]
    plain = stats.mannwhitneyu(often[:60, 0], often[60:, 0], use_continuity=True, method="asymptotic")
    found = ranks.compare_groups(ranks.rank(often), (np.arange(500) < 60)[:, None])[1]
    assert found[0, 0] == pytest.approx(plain.pvalue)


def test_silent_units_make_no_discoveries_of_small_classes():
    # 20 sets of 50 features, one value in a hundred not zero, ten classes of 5 to 200: at 5 % one set may have one.
    sizes = [5, 5, 10, 10, 20, 30, 50, 70, 100, 200]
    member = np.repeat(np.arange(10), sizes)[:, None] == np.arange(10)
    found = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        values = np.where(rng.random((500, 50)) < 0.01, rng.random((500, 50)), 0.0)
        ranked = ranks.rank(values)
        found += (ranks.adjust(ranks.compare_groups(ranked, member)[1].ravel()) <= 0.05).any()
        found += (ranks.adjust(ranks.kruskal_wallis(ranked, member)[1]) <= 0.05).any()
    assert found <= 5  # of 40; P < 0.02 where each has a twentieth


def test_a_perfect_order_of_few_samples_is_as_likely_as_it_is():
    for n in (5, 7):
        x = np.arange(n, dtype=float)[:, None]
        rho, p = ranks.correlate(ranks.rank(x), x[:, 0])
        assert rho[0] == pytest.approx(1.0)
        assert p[0] == pytest.approx(2 / math.factorial(n))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 1)), rng.normal(size=6)
    exact = stats.permutation_test((y,), lambda v: stats.spearmanr(x[:, 0], v)[0], permutation_type="pairings")
    assert ranks.correlate(ranks.rank(x), y)[1][0] == pytest.approx(exact.pvalue, abs=1e-6)


def test_strata_of_two_tell_nothing():
    strata = np.repeat([0, 1], 2)
    rho, p, used = ranks.correlate_within(np.array([1.0, 2, 1, 2]), np.array([1.0, 2, 1, 2]), strata)
    assert (np.isnan(rho), p, used) == (True, 1.0, 0)


def draws(active, sets=20):
    """Sets of 60 features without a meaning, of which so many of 500 samples have another value than zero."""
    for seed in range(sets):
        rng = np.random.default_rng([seed, active])
        values = np.zeros((500, 60))
        for column in values.T:
            column[rng.choice(500, active, replace=False)] = rng.exponential(size=active)
        yield rng, values


@pytest.mark.parametrize("active", [1, 3, 10, 25])
def test_silent_units_make_no_discoveries_of_survival(active):
    # By the score test a twentieth of the p-values of units that are active in one sample were below 1e-4.
    found = 0
    for rng, values in draws(active):
        end, last = rng.exponential(1.0, 500), rng.exponential(1.0, 500)
        p = cox(values, np.minimum(end, last), end <= last)[1]
        assert (p < 0.01).mean() < 0.1
        found += (ranks.adjust(p) <= 0.05).any()
    assert found <= 4  # of 20; P < 0.02 where each has a twentieth


def test_cox_of_a_unit_that_is_nearly_always_silent_compares_the_residuals():
    time, event = np.arange(1.0, 101.0), np.arange(100) % 2 == 0
    values = (np.arange(100) < 8).astype(float)[:, None]
    expected = np.cumsum(event / np.arange(100, 0, -1))
    plain = stats.mannwhitneyu((event - expected)[:8], (event - expected)[8:], method="asymptotic")
    assert cox(values, time, event)[1][0] == pytest.approx(plain.pvalue, rel=1e-9)


@pytest.mark.parametrize("active", [1, 3, 10, 25])
def test_silent_units_make_no_discoveries_of_numbers_that_are_mostly_one(active):
    # Counts of metastases, say.
    found = 0
    for rng, values in draws(active):
        counts = np.zeros(500)
        counts[rng.choice(500, 10, replace=False)] = rng.integers(1, 4, 10)
        found += (ranks.adjust(ranks.correlate(ranks.rank(values), counts)[1]) <= 0.05).any()
    assert found <= 4
    ordinary = rng.normal(size=500)
    rho, p = ranks.correlate(ranks.rank(values), ordinary)
    assert p[0] == pytest.approx(stats.spearmanr(values[:, 0], ordinary).pvalue)
    assert rho[0] == pytest.approx(stats.spearmanr(values[:, 0], ordinary).statistic)


def test_a_silent_unit_is_exact_within_strata_too():
    strata, member, values = np.arange(1000) % 4, np.zeros(1000, bool), np.zeros(1000)
    member[[3, 7, 11, 15, 19]], values[3] = True, 1.0
    assert ranks.compare_within(values, member, strata)[1] == pytest.approx(5 / 250)
    assert ranks.correlate_within(values, member.astype(float), strata)[1] == pytest.approx(5 / 250)
    # One stratum is Fisher's exact test; of two the p-value is that of all tables with these margins.
    values[[7, 40, 43]] = 2.0
    fisher = stats.fisher_exact([[2, 3], [2, 993]]).pvalue
    assert ranks.compare_within(values, member, np.zeros(1000))[1] == pytest.approx(fisher)
    some = np.isin(strata, [0, 3])
    p = ranks.compare_within(values[some], member[some], strata[some])[1]
    assert p == pytest.approx(stats.fisher_exact([[2, 3], [1, 244]]).pvalue), "no member is in the other stratum"
