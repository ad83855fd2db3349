"""Where a reconstruction errs: gene by gene, and class by class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from latentome.pp.split import group_codes
from latentome.tl.evaluate import Representation, check_compared, known_classes
from latentome.tl.intervals import error_difference

if TYPE_CHECKING:
    import pandas as pd

#: A class of fewer held-out samples has no interval.
MIN_SAMPLES = 10


def errors_by_gene(
    x: np.ndarray, methods: Mapping[str, Representation], training: np.ndarray, genes: list[str]
) -> pd.DataFrame:
    """Say how well each gene is reconstructed on the held-out samples.

    Parameters
    ----------
    x
        Scaled data, samples x genes.
    methods
        The representations by name; the first is the model.
    training
        Boolean, one for each sample: whether it was trained on.
    genes
        Their names.

    Returns
    -------
    One row for each gene, that which the model reconstructs worst for its variance first: ``gene``; ``variance``
    (around the training mean, held-out samples); for each method ``<method> MSE`` and ``<method> explained`` (one less
    the error over the variance; NaN for a gene without variance).
    """
    import pandas as pd

    x, training = check_compared(x, methods, training)
    test = ~training
    variance = np.square(x[test] - x[training].mean(axis=0), dtype=np.float64).mean(axis=0)
    table = {"gene": genes, "variance": variance}
    for name, method in methods.items():
        error = np.square(x[test] - method.reconstruction[test], dtype=np.float64).mean(axis=0)
        table[f"{name} MSE"] = error
        table[f"{name} explained"] = np.where(variance > 0, 1.0 - error / np.where(variance > 0, variance, 1.0), np.nan)
    frame = pd.DataFrame(table)
    return frame.sort_values(f"{next(iter(methods))} explained", kind="stable", ignore_index=True)


def errors_by_class(
    x: np.ndarray,
    methods: Mapping[str, Representation],
    training: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
) -> pd.DataFrame:
    """Say how well the held-out samples of each class are reconstructed.

    Parameters
    ----------
    x, methods, training
        As of `errors_by_gene`.
    labels
        A class for each sample (missing ones as None or NaN).
    groups
        Which samples belong together, as of `evaluate`.

    Returns
    -------
    One row for each class, that with the largest error of the model first: ``class``, ``samples`` (held out), for each
    method ``<method> MSE``; for each other method ``v <method>, %``: how far the model's error is above that one's, and
    ``v <method>, % low`` and ``high``: its 95 % interval, where there are 10 samples (or groups of them) or more.
    """
    import pandas as pd

    x, training = check_compared(x, methods, training)
    test, rows = ~training, []
    known, classes = known_classes(labels, training, [])
    errors = {
        name: np.square(x[test] - method.reconstruction[test], dtype=np.float64).mean(axis=1)
        for name, method in methods.items()
    }
    model, *others = methods
    for label in np.unique(classes[known & test]):
        here = (known & (classes == label))[test]
        together = None if groups is None else groups[test][here]
        row = {"class": label, "samples": int(here.sum())}
        row |= {f"{name} MSE": float(error[here].mean()) for name, error in errors.items()}
        for other in others:
            found = error_difference(errors[model][here], errors[other][here], together)
            shown = (here.sum() if together is None else len(np.unique(group_codes(together)))) >= MIN_SAMPLES
            row[f"v {other}, %"] = found.get("percent", np.nan)
            row[f"v {other}, % low"] = found.get("percent_low", np.nan) if shown else np.nan
            row[f"v {other}, % high"] = found.get("percent_high", np.nan) if shown else np.nan
        rows.append(row)
    if not rows:  # no held-out sample of a class that was taught
        return pd.DataFrame()
    return pd.DataFrame(rows).sort_values(f"{model} MSE", ascending=False, kind="stable", ignore_index=True)
