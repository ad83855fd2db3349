"""Cox's proportional hazards model of one feature at a time, for many features at once."""

from __future__ import annotations

import numpy as np

from latentome.tl.ranks import compare_groups, rank

#: Steps to the largest likelihood: of Newton's method, or halving what is left where that would leave it.
STEPS = 40
#: A feature that tells all event times apart has no finite optimum: coefficients end here.
LARGEST = 20.0
#: Fewer events than this to be expected among the samples that differ from a feature's most common value are too few
#: for the normal approximation of the score.
FEWEST = 20


def cox(values: np.ndarray, time: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit the hazard to each feature, standardised, by itself: log hazard ratio of one standard deviation, and p-value.

    `time` is that of the event or of the last observation; `event` says whether the event was seen (False: censored).
    The p-value is that of the score test (for two groups the log-rank test). Tied times are treated as by Breslow. A
    feature that is the same in all samples has 0 and 1. Where most samples share one value of a feature, such as the
    zero of a unit that is nearly always silent, and fewer than `FEWEST` events are to be expected among the others, one
    early event among these would have p = 1e-100: there the p-value is that of the Mann-Whitney test of the martingale
    residuals, events seen less those expected of a sample that was watched for so long.

    References
    ----------
    Cox (1972). Regression models and life-tables. J. R. Stat. Soc. B 34, 187-220.
    Breslow (1974). Covariance analysis of censored survival data. Biometrics 30, 89-99.
    Therneau, Grambsch and Fleming (1990). Martingale-based residuals for survival models. Biometrika 77, 147-160.
    """
    from scipy.stats import chi2

    order = np.argsort(-time, kind="stable")  # from late to early: who is at risk at a time comes first
    deviation = values.std(axis=0)
    z = ((values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0))[order]
    falling = -time[order]
    events = np.flatnonzero(event[order])
    at_risk = np.searchsorted(falling, falling[events], side="right") - 1
    beta = np.zeros(values.shape[1])
    score, information = _derivatives(z, events, at_risk, beta)
    p = chi2.sf(np.square(score) / np.where(information > 0, information, np.inf), 1)
    odd = rank(values).odd
    rare = odd.any(axis=0) & (odd.sum(axis=0) * len(events) < FEWEST * len(values))
    if rare.any():
        p[rare] = compare_groups(rank(_residuals(time, event)[:, None]), odd[:, rare])[1][:, 0]
    low, high = np.full_like(beta, -LARGEST), np.full_like(beta, LARGEST)
    for _ in range(STEPS):
        # The likelihood is concave: the optimum is where the score points. Newton's steps alone can go to and fro for
        # ever, of skewed features above all.
        low, high = np.where(score > 0, beta, low), np.where(score < 0, beta, high)
        newton = beta + score / np.where(information > 0, information, np.inf)
        beta = np.where(score == 0, beta, np.where((low < newton) & (newton < high), newton, (low + high) / 2))
        score, information = _derivatives(z, events, at_risk, beta)
    return beta, p


def _residuals(time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Events seen less events expected (Nelson and Aalen) of each sample, where no feature matters."""
    times, at, ends = np.unique(time, return_inverse=True, return_counts=True)
    watched = np.cumsum(ends[::-1])[::-1]
    return event - np.cumsum(np.bincount(at, weights=event, minlength=len(times)) / watched)[at]


def _derivatives(
    z: np.ndarray, events: np.ndarray, at_risk: np.ndarray, beta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """First derivative of the log partial likelihood, and minus the second one."""
    exponent = z * beta
    weight = np.exp(exponent - exponent.max(axis=0))
    total, first, second = (np.cumsum(a, axis=0)[at_risk] for a in (weight, weight * z, weight * np.square(z)))
    # Where all weights of a risk set vanish beside the largest of all, its own largest one is all there is of it.
    lost = total == 0
    total = np.where(lost, 1.0, total)
    largest = np.maximum.accumulate(exponent, axis=0)[at_risk] / np.where(beta == 0, 1.0, beta)
    mean = np.where(lost, largest, first / total)
    spread = np.where(lost, 0.0, second / total - np.square(mean))
    return (z[events] - mean).sum(axis=0), spread.sum(axis=0)
