from __future__ import annotations

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
