"""What all features tell together: linear probes on samples that they were not fitted on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

FOLDS = 5


def linear_probe(tol: float = 1e-4) -> Pipeline:
    """The classifier that tells how well features separate classes: a logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000, tol=tol))


def probe_classes(codes: np.ndarray, classes: np.ndarray, rng: int = 0, groups: np.ndarray | None = None) -> np.ndarray:
    """Predict classes from features, each sample by a logistic regression that has not seen it, nor its group.

    Classes are numbered from 0, and each has `FOLDS` samples (or groups) or more. Gives probabilities, samples x
    classes.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict

    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    folds = kind(FOLDS, shuffle=True, random_state=rng)
    # A probe is compared by the order of its probabilities, which a looser optimum does not change.
    probe, how = linear_probe(tol=1e-3), {"cv": folds, "method": "predict_proba", "groups": groups}
    return cross_val_predict(probe, codes, classes, **how)


def probe_number(
    codes: np.ndarray, values: np.ndarray, rng: int = 0, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Predict a number of each sample from features, by a ridge regression that has not seen it, nor its group.

    There are `FOLDS` samples (or groups) or more. Gives the predictions, and the fold of each sample.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    kind = KFold if groups is None else GroupKFold
    folds = list(kind(FOLDS, shuffle=True, random_state=rng).split(codes, groups=groups))
    fold = np.empty(len(codes), dtype=int)
    for number, (_, held_out) in enumerate(folds):
        fold[held_out] = number
    probe = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 6)))
    return cross_val_predict(probe, codes, values, cv=folds), fold
