"""Which classes a classifier on the codes takes for which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latentome.tl.evaluate import known_classes
from latentome.tl.features import check_training
from latentome.tl.probe import linear_probe

if TYPE_CHECKING:
    import pandas as pd


def confusion(codes: np.ndarray, labels: np.ndarray, training: np.ndarray) -> pd.DataFrame:
    """Count which held-out classes a linear classifier, fitted on the training samples, takes for which.

    Parameters
    ----------
    codes
        Samples x components.
    labels
        A class for each sample, in the order of the rows of `codes`; missing ones as None or NaN are left out, and so
        are held-out samples of classes without a training sample.
    training
        Boolean, one for each sample: whether it was trained on.

    Returns
    -------
    Counts, true classes x predicted classes, of the classes that occur in either; empty if fewer than two classes
    were trained on or nothing is held out.

    Raises
    ------
    InputError
        If `training` is no list of booleans.
    """
    import pandas as pd

    training = check_training(training, len(codes))
    known, classes = known_classes(labels, training, [])
    seen, held_out = known & training, known & ~training
    if len(np.unique(classes[seen])) < 2 or not held_out.any():
        return pd.DataFrame()
    probe = linear_probe().fit(codes[seen].astype(np.float64), classes[seen])
    predicted, truth = probe.predict(codes[held_out].astype(np.float64)), classes[held_out]
    names = sorted({*truth, *predicted}, key=lambda name: (name.casefold(), name))
    return pd.crosstab(truth, predicted).reindex(index=names, columns=names, fill_value=0)
