"""What shape the loadings of a feature have, and which cutoffs that asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latentome.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

#: Cutoffs in standard deviations by type: on the long tail (or both tails), on the other one.
CUTOFFS = {"A": (3.0, 3.0), "B": (2.5, 2.5), "C": (2.5, 3.0), "D": (2.0, 2.5)}
LEVEL = 0.05


def node_types(weights: np.ndarray, names: list[str] | None = None) -> pd.DataFrame:
    """Sort features by the skew and the kurtosis of their loadings.

    Type A has neither, B heavy tails, C one long tail, D both. The longer and heavier a tail, the lower is the cutoff
    there that makes a gene one of the signature. A feature is skewed or heavy-tailed where D'Agostino's test says so at
    0.05, corrected for the number of features (Bonferroni).

    Parameters
    ----------
    weights
        Loadings, genes x features; 20 genes at least.
    names
        Names of the features; ``1``, ``2``, ... by default.

    Returns
    -------
    One row for each feature: ``feature``, ``skew``, ``kurtosis`` (excess; 0 for a normal distribution), ``p_skew``,
    ``p_kurtosis``, ``type``, ``cutoff_positive``, ``cutoff_negative``. A feature whose loadings are all the same is of
    type A.

    Raises
    ------
    InputError
        If there are fewer than 20 genes.

    References
    ----------
    D'Agostino, Belanger and D'Agostino (1990). A suggestion for using powerful and informative tests of normality. Am.
    Stat. 44, 316-321.
    """
    import pandas as pd
    from scipy import stats

    weights = np.asarray(weights, dtype=np.float64)
    genes, features = weights.shape
    if genes < 20:
        raise InputError(
            f"The shape of {genes} loadings cannot be judged.",
            where=f"loadings of {genes} genes x {features} features",
            expected="20 genes or more",
            todo="use one cutoff for all features",
        )
    varies = weights.std(axis=0) > 0
    statistics = {name: np.zeros(features) for name in ("skew", "kurtosis")}
    p = {name: np.ones(features) for name in statistics}
    if varies.any():
        live = weights[:, varies]
        for name, measure, test in (
            ("skew", stats.skew, stats.skewtest),
            ("kurtosis", stats.kurtosis, stats.kurtosistest),
        ):
            statistics[name][varies] = measure(live, axis=0)
            p[name][varies] = test(live, axis=0).pvalue
    skewed = p["skew"] < LEVEL / features
    # Tails lighter than those of a normal distribution are no reason for a lower cutoff.
    heavy = (p["kurtosis"] < LEVEL / features) & (statistics["kurtosis"] > 0)
    kind = np.array(["A", "B", "C", "D"])[skewed * 2 + heavy]
    long, other = np.array([CUTOFFS[letter] for letter in kind]).T
    right = statistics["skew"] >= 0  # a positive skew is a long tail of positive loadings
    return pd.DataFrame(
        {
            "feature": [str(i + 1) for i in range(features)] if names is None else list(names),
            **statistics,
            "p_skew": p["skew"],
            "p_kurtosis": p["kurtosis"],
            "type": kind,
            "cutoff_positive": np.where(right, long, other),
            "cutoff_negative": np.where(right, other, long),
        }
    )
