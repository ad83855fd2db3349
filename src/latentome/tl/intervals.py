"""How far two methods differ on the same held-out samples, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from latentome.pp.split import group_codes

#: Of fewer held-out samples, or groups of them, intervals are too narrow by far, and the verdict names no winner.
MIN_TESTED = 20
#: Two errors that differ by less, in percent, are the same: of the digits that are shown, and of float32.
SAME = 0.05
LEVEL = 0.95


def error_difference(model: np.ndarray, other: np.ndarray, groups: np.ndarray | None = None) -> dict[str, float]:
    """Mean difference of the errors of two methods on the same samples, as it is and in percent of the other's.

    Parameters
    ----------
    model, other
        The error of each sample.
    groups
        Which samples belong together, as those of a patient do; by default each stands alone.

    Returns
    -------
    ``mean``, ``low``, ``high``; and ``percent``, ``percent_low``, ``percent_high`` unless the other has no error. The
    intervals are Student's over the groups: of the mean, and of the logarithm of the ratio of the two mean errors, so
    that it cannot fall below -100 %. A sample that stands alone, or one group, has an interval without ends.
    """
    sums, size = _sums(groups, model, other)
    low, high = _student(sums[0] - sums[1], size)
    result = {"mean": float((model - other).mean()), "low": low, "high": high}
    whole, base = sums.sum(axis=1)
    if base > 0:  # as many components as genes can leave PCA without any error
        result["percent"] = float(100.0 * (whole / base - 1.0))
        if whole > 0:
            ratio = np.log(whole / base)
            below, above = _half(sums[0] / whole - sums[1] / base)
            low, high = (100.0 * np.expm1(ratio + half) for half in (below, above))
            result |= {"percent_low": float(low), "percent_high": float(high)}
        else:
            result |= {"percent_low": -100.0, "percent_high": -100.0}
    return result


def accuracy_difference(model: np.ndarray, other: np.ndarray, groups: np.ndarray | None = None) -> dict[str, float]:
    """Difference of the accuracies of two methods on the same samples: ``mean``, ``low``, ``high``.

    Parameters
    ----------
    model, other
        Whether each sample was told right (1 or 0).
    groups
        As of `error_difference`.

    Returns
    -------
    Without groups the interval is that of Bonett and Price for two proportions of the same samples: Wald's, with one
    sample more that each method alone tells right. With groups it is Student's over them, with one group of mean size
    more of which each method alone tells all samples right.

    References
    ----------
    Bonett and Price (2012). Adjusted Wald confidence interval for a difference of binomial proportions based on paired
    data. Journal of Educational and Behavioral Statistics 37, 479-488.
    """
    from scipy.stats import norm

    difference = model - other
    mean = float(difference.mean())
    if groups is not None:
        sums, size = _sums(groups, difference)
        more = np.full(2, size.mean())
        low, high = _student(np.append(sums[0], more * [1.0, -1.0]), np.append(size, more))
        return {"mean": mean, "low": max(low, -1.0), "high": min(high, 1.0)}
    n = len(difference) + 2
    gained, lost = ((np.count_nonzero(difference * sign > 0) + 1) / n for sign in (1, -1))
    half = float(norm.ppf((1.0 + LEVEL) / 2.0)) * np.sqrt((gained + lost - (gained - lost) ** 2) / n)
    low, high = (float(np.clip(gained - lost + end, -1.0, 1.0)) for end in (-half, half))
    return {"mean": mean, "low": low, "high": high}


def answer(difference: Mapping[str, float], n_tested: int) -> str:
    """What an `error_difference` of the model and the baseline says, of so many independent samples.

    ``too few`` samples to tell, ``same`` (to the digits that are shown), ``better``, ``worse`` or ``undecided``.
    """
    if n_tested < MIN_TESTED:
        return "too few"
    in_percent = "percent_low" in difference
    low, high = (difference[f"percent_{end}" if in_percent else end] for end in ("low", "high"))
    if in_percent and max(abs(low), abs(high)) < SAME:
        return "same"
    return "better" if high < 0 else "worse" if low > 0 else "undecided"


def _sums(groups: np.ndarray | None, *values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sum of each of some values in each group (values x groups), and the sizes of the groups."""
    if groups is None:
        return np.stack([np.asarray(v, np.float64) for v in values]), np.ones(len(values[0]))
    code = group_codes(groups)
    return np.stack([np.bincount(code, weights=v) for v in values]), np.bincount(code).astype(np.float64)


def _student(sums: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """The interval of a mean over all samples, from the sums and the sizes of their groups."""
    mean = sums.sum() / sizes.sum()
    below, above = _half((sums - mean * sizes) / sizes.sum())
    return float(mean + below), float(mean + above)


def _half(influence: np.ndarray) -> tuple[float, float]:
    """How far below and above its value an interval reaches, from what each group adds to that value."""
    from scipy.stats import t

    n = len(influence)
    if n < 2:
        return float("-inf"), float("inf")
    half = float(t.ppf((1.0 + LEVEL) / 2.0, n - 1) * np.sqrt(n / (n - 1.0) * np.square(influence).sum()))
    return -half, half
