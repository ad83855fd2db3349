"""Rank statistics of many features at once: groups, correlations, the same within strata, false discovery rates."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

#: Fewer expected samples than this are too few for the normal approximation, as in contingency tables (Cochran 1954).
LEAST = 5
#: Up to so many samples a correlation is compared with those of all their orders.
EXACT = 8
#: Fewer degrees of freedom than these make no p-value.
FREEDOM = 4

if TYPE_CHECKING:
    import pandas as pd


class Ranked(NamedTuple):
    """The ranks of samples in each feature.

    Parameters
    ----------
    ranks
        Samples x features, from 1; tied samples share their mean rank.
    ties
        One for each feature: the sum of t^3 - t over its groups of t tied samples.
    odd
        Boolean, samples x features: which samples have another value than the one that most samples have; none where
        no value has a majority.
    """

    ranks: np.ndarray
    ties: np.ndarray
    odd: np.ndarray


def rank(values: np.ndarray) -> Ranked:
    """Rank the samples in each feature: samples x features, finite."""
    from scipy.stats import rankdata

    low, high = rankdata(values, "min", axis=0), rankdata(values, "max", axis=0)
    size = (high - low + 1).astype(np.float64)
    common = size.max(axis=0)
    odd = (size < common) & (common > len(values) / 2)
    return Ranked((low + high) / 2.0, np.square(size).sum(axis=0) - len(values), odd)


def compare_groups(ranked: Ranked, member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compare each group with all other samples: the Mann-Whitney test, with ties and continuity corrected.

    `member` is boolean, n samples x groups; each group has a member, and a sample that is none. Gives AUROC (the
    probability that a member is above another sample, ties counting half) and two-sided p-values by the normal
    approximation; both groups x features. Where fewer than `LEAST` members, or other samples, are to be expected among
    those that do not have a feature's most common value, such as the zero of a unit that is nearly always silent, that
    approximation fails: a single such sample in a group of five of 500 would have p = 3e-23. There the p-value is that
    of Fisher's exact test of having that value.

    References
    ----------
    Mann and Whitney (1947). Ann. Math. Stat. 18, 50-60.
    Fisher (1922). J. R. Stat. Soc. 85, 87-94.
    """
    pairs, above, variance = _above(ranked, member)
    p = _p_of(above - pairs / 2.0, variance)
    rare, exact = _presence(ranked, member)
    return above / pairs, np.where(rare, exact, p)


def _presence(ranked: Ranked, member: np.ndarray, least: float = LEAST) -> tuple[np.ndarray, np.ndarray]:
    """Where only who differs from the most common value can tell groups apart, and Fisher's test of that.

    Both groups x features.
    """
    from scipy.stats import fisher_exact

    n, inside, odd = len(member), member.sum(axis=0), ranked.odd.sum(axis=0)
    fewest = np.minimum(inside, n - inside)[:, None] * (odd / n)
    rare, p = (odd > 0) & (fewest < least), np.ones(fewest.shape)
    known: dict[tuple[int, ...], float] = {}
    if rare.any():
        seen = member.T.astype(np.float64) @ ranked.odd
        for group, feature in np.argwhere(rare):
            has, size, of = int(seen[group, feature]), int(inside[group]), int(odd[feature])
            key = (has, size - has, of - has, n - size - of + has)
            if key not in known:
                known[key] = float(fisher_exact([key[:2], key[2:]])[1])
            p[group, feature] = known[key]
    return rare, p


def _above(ranked: Ranked, member: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of a member and another sample, in how many the member is above, and the variance of that under chance."""
    n = len(member)
    inside = member.sum(axis=0).astype(np.float64)[:, None]
    above = member.T.astype(np.float64) @ ranked.ranks - inside * (inside + 1.0) / 2.0
    pairs = inside * (n - inside)
    return pairs, above, pairs / 12.0 * ((n + 1.0) - ranked.ties / (n * (n - 1.0)))


def _p_of(deviation: np.ndarray, variance: np.ndarray) -> np.ndarray:
    from scipy.stats import norm

    shrunk = np.maximum(np.abs(deviation) - 0.5, 0.0)  # a rank sum moves in steps
    # A feature that is the same in all samples says nothing: no variance, p = 1.
    return 2.0 * norm.sf(shrunk / np.sqrt(np.where(variance > 0, variance, np.inf)))


def kruskal_wallis(ranked: Ranked, member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Test whether any group (boolean, n samples x groups; every sample is in one) differs from the others.

    Gives epsilon squared, the share of the rank variance that the groups explain, and p-values by the chi-squared
    approximation; one for each feature. Where a group is to have less than one sample without a feature's most common
    value, that approximation fails, and it is the smallest p-value of a group times the number of groups.

    References
    ----------
    Kruskal and Wallis (1952). J. Am. Stat. Assoc. 47, 583-621.
    """
    from scipy.stats import chi2

    n, sizes = len(member), member.sum(axis=0).astype(np.float64)
    sums = member.T.astype(np.float64) @ ranked.ranks
    h = 12.0 / (n * (n + 1.0)) * (np.square(sums) / sizes[:, None]).sum(axis=0) - 3.0 * (n + 1.0)
    untied = 1.0 - ranked.ties / (float(n) ** 3 - n)
    h = np.where(untied > 0, h / np.where(untied > 0, untied, 1.0), 0.0)
    rare, _ = _presence(ranked, member, 1.0)  # of several groups some may have as few as that (Cochran 1954)
    few = np.minimum(1.0, compare_groups(ranked, member)[1].min(axis=0) * len(sizes))
    return h / (n - 1.0), np.where(rare.any(axis=0), few, chi2.sf(h, len(sizes) - 1))


def correlate(ranked: Ranked, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spearman's correlation of each feature with a number of n samples, at least 3.

    Gives correlations and two-sided p-values, one for each feature: of up to `EXACT` samples by all their orders, of
    more by Student's t with n - 2 degrees of freedom, to which a perfect order of five samples would be certain. Where
    most samples share one value of the feature and one of the number, such as no metastasis, and fewer than `LEAST`
    are expected to differ in both, it is Fisher's exact test of that, as in `compare_groups`.
    """
    number = rank(values[:, None])
    ranks = number.ranks[:, 0]
    rho, p = _correlation(ranked.ranks, ranks, len(values) - 2)
    if len(values) <= EXACT:
        return rho, _exact(ranked.ranks, ranks)
    rare, exact = _presence(ranked, number.odd)
    return rho, np.where(rare[0] & number.odd.any(), exact[0], p)


def _exact(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """In which share of all orders of `y` its covariance with each column of `x` is as large, or as negative."""
    x, y = x - x.mean(axis=0), y - y.mean()
    all_of_them = _orders(len(y))
    p = np.empty(x.shape[1])
    for i, column in enumerate(x.T):
        others = np.abs(y[all_of_them] @ column)
        p[i] = (others >= abs(y @ column) - 1e-9).mean()
    return p


@functools.cache
def _orders(n: int) -> np.ndarray:
    return np.array(list(itertools.permutations(range(n))), dtype=np.int8)


def _correlation(x: np.ndarray, y: np.ndarray, freedom: int) -> tuple[np.ndarray, np.ndarray]:
    from scipy.stats import t

    x, y = x - x.mean(axis=0), y - y.mean()
    norms = np.linalg.norm(x, axis=0) * np.linalg.norm(y)
    rho = np.clip(np.where(norms > 0, y @ x / np.where(norms > 0, norms, 1.0), 0.0), -1.0, 1.0)
    rest = np.sqrt(np.maximum(1.0 - np.square(rho), np.finfo(np.float64).tiny))
    return rho, 2.0 * t.sf(np.abs(rho) * np.sqrt(freedom) / rest, freedom)


def compare_within(values: np.ndarray, member: np.ndarray, strata: np.ndarray) -> tuple[float, float, int]:
    """Compare the members of a group with other samples of their own stratum, such as a tissue, only.

    One feature of n samples. A stratum that is all members, or has none, says nothing. Gives AUROC over the pairs
    within strata, its two-sided p-value, and the number of pairs; NaN, 1 and 0 without pairs. Where few samples differ
    from the feature's most common value the p-value is exact, as in `compare_groups`.

    References
    ----------
    van Elteren (1960). On the combination of independent two-sample tests of Wilcoxon. Here every pair counts the same.
    """
    total = np.zeros(3)
    for stratum in np.unique(strata):
        here = strata == stratum
        if 0 < member[here].sum() < here.sum():
            parts = _above(rank(values[here, None]), member[here, None])
            total += [part.item() for part in parts]
    pairs, above, variance = total
    if not pairs:
        return float("nan"), 1.0, 0
    rare, exact = _presence_within(rank(values[:, None]).odd[:, 0], member, strata)
    p = exact if rare else float(_p_of(np.array(above - pairs / 2.0), np.array(variance)))
    return above / pairs, p, int(pairs)


def _presence_within(odd: np.ndarray, member: np.ndarray, strata: np.ndarray) -> tuple[bool, float]:
    """As `_presence`, of one feature and one group, each sample beside those of its own stratum only.

    The numbers of odd members of the strata are independent and hypergeometric, given the sizes; the p-value is the
    probability of the sums that are no more probable than the one that is seen.

    References
    ----------
    Gart (1970). Point and interval estimation of the common odds ratio in the combination of 2 x 2 tables with fixed
    marginals. Biometrika 57, 471-475. (the distribution)
    """
    from scipy.stats import hypergeom

    expected, mass = 0.0, np.ones(1)
    for stratum in np.unique(strata):
        here = strata == stratum
        n, inside, has = int(here.sum()), int(member[here].sum()), int(odd[here].sum())
        expected += min(inside, n - inside) * has / n
        mass = np.convolve(mass, hypergeom.pmf(np.arange(min(inside, has) + 1), n, has, inside))
    seen = int((member & odd).sum())
    return 0.0 < expected < LEAST, min(1.0, float(mass[mass <= mass[seen] * (1.0 + 1e-7)].sum()))


def correlate_within(values: np.ndarray, numbers: np.ndarray, strata: np.ndarray) -> tuple[float, float, int]:
    """Correlate a feature and a number within strata: each sample is ranked in its own stratum only.

    Gives the correlation of the centred within-stratum ranks, its two-sided p-value (exact where few samples differ
    from the most common value of both, as in `correlate`), and the number of samples behind it; NaN, 1 and 0 where the
    strata leave fewer than `FREEDOM` degrees of freedom.
    """
    x, y, used, groups = np.zeros(len(values)), np.zeros(len(values)), 0, 0
    for stratum in np.unique(strata):
        here = np.flatnonzero(strata == stratum)
        if len(here) < 2:
            continue
        for ranks, of in ((x, values), (y, numbers)):
            ranks[here] = (rank(of[here, None]).ranks[:, 0] - (len(here) + 1) / 2.0) / len(here)
        used, groups = used + len(here), groups + 1
    if used - groups - 1 < FREEDOM:
        return float("nan"), 1.0, 0
    rho, p = _correlation(x[:, None], y, used - groups - 1)
    odd, other = (rank(of[:, None]).odd[:, 0] for of in (values, numbers))
    rare, exact = _presence_within(odd, other, strata)
    return float(rho[0]), exact if rare else float(p[0]), used


def adjust(p: np.ndarray) -> np.ndarray:
    """Benjamini-Hochberg's adjusted p-values; what is NaN was not tested, stays so and does not count.

    References
    ----------
    Benjamini and Hochberg (1995). J. R. Stat. Soc. B 57, 289-300.
    """
    from scipy.stats import false_discovery_control

    p = np.asarray(p, dtype=np.float64)
    tested = ~np.isnan(p)
    q = np.full(p.shape, np.nan)
    if tested.any():
        q[tested] = false_discovery_control(p[tested])
    return q


def q_of_each(tests: pd.DataFrame, features: Sequence[str], n_tests: int | None = None) -> np.ndarray:
    """The q-value of each feature as a whole, from all tests of it (columns ``feature`` and ``p``); NaN without any.

    Where each feature had `n_tests`, those that are not among `tests` had p = 1, as gene sets that share no gene have.

    Those at or below a rate hold a false one, that goes with nothing that was tested, at no more than this rate, which
    is not so of the features that have a test of a q-value below it: many tests of a true one make room for others.

    References
    ----------
    Simes (1986). Biometrika 73, 751-754. Benjamini and Bogomolov (2014). J. R. Stat. Soc. B 76, 297-318.
    """
    known = tests.dropna(subset="p")
    groups = known.groupby("feature", sort=False)["p"]
    least = groups.agg(lambda p: adjust(p.to_numpy()).min()).reindex(features)
    if n_tests is not None:  # the k-th smallest of n is multiplied by n / k, not by the number of those listed
        counts = groups.size().reindex(features)
        least = (least * np.maximum(n_tests / counts, 1.0)).clip(upper=1.0).fillna(1.0)
    return adjust(least.to_numpy())
