"""Cox's proportional hazards model of one feature at a time, for many features at once."""

from __future__ import annotations

import numpy as np

#: Steps of Newton's method; the likelihood of one coefficient is concave, and 20 steps reach float precision.
STEPS = 20


def cox(values: np.ndarray, time: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit the hazard to each feature by itself.

    Parameters
    ----------
    values
        Samples x features; each feature is standardised here.
    time
        Time of the event or of the last observation, one for each sample.
    event
        Boolean: whether the event was seen (False: censored).

    Returns
    -------
    The log hazard ratio of one standard deviation, and the p-value of the score test (for two groups this is the
    log-rank test); both one for each feature. Tied times are treated as by Breslow. A feature that is the same in all
    samples has 0 and 1.

    References
    ----------
    Cox (1972). Regression models and life-tables. J. R. Stat. Soc. B 34, 187-220.
    Breslow (1974). Covariance analysis of censored survival data. Biometrics 30, 89-99.
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
    for _ in range(STEPS):
        step = score / np.where(information > 0, information, np.inf)
        # A feature that tells all event times apart has no finite optimum: steps of one unit at most, within 20.
        beta = np.clip(beta + np.clip(step, -1.0, 1.0), -20.0, 20.0)
        score, information = _derivatives(z, events, at_risk, beta)
    return beta, p


def _derivatives(
    z: np.ndarray, events: np.ndarray, at_risk: np.ndarray, beta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """First derivative of the log partial likelihood, and minus the second one."""
    exponent = z * beta
    weight = np.exp(exponent - exponent.max(axis=0))
    total, first, second = (np.cumsum(a, axis=0)[at_risk] for a in (weight, weight * z, weight * np.square(z)))
    mean = first / total
    return (z[events] - mean).sum(axis=0), (second / total - np.square(mean)).sum(axis=0)
