"""Which classes a classifier on the codes takes for which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def confusion(codes: np.ndarray, labels: np.ndarray, training: np.ndarray) -> pd.DataFrame:
    """Count which held-out classes a linear classifier, fitted on the training samples, takes for which.

    Parameters
    ----------
    codes
        Samples x components.
    labels
        A class for each sample; missing ones as None or NaN are left out, and so are held-out samples of classes
        without a training sample.
    training
        Boolean, one for each sample: whether it was trained on.

    Returns
    -------
    Counts, true classes x predicted classes, of the classes that occur in either; empty if fewer than two classes
    were trained on or nothing is held out.
    """
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    present = ~pd.isna(labels)
    classes = np.where(present, np.asarray(labels, dtype=object), "").astype(str)
    taught = np.unique(classes[present & training])
    held_out = present & ~training & np.isin(classes, taught)
    if len(taught) < 2 or not held_out.any():
        return pd.DataFrame()
    seen = present & training
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    probe.fit(codes[seen].astype(np.float64), classes[seen])
    predicted, truth = probe.predict(codes[held_out].astype(np.float64)), classes[held_out]
    names = sorted({*truth, *predicted}, key=lambda name: (name.casefold(), name))
    return pd.crosstab(truth, predicted).reindex(index=names, columns=names, fill_value=0)
