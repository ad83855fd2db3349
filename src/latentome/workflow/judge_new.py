"""New samples beside those of the run: do they look like them, which are nearest, and which class is likely."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from latentome.workflow.reporter import Reporter

#: A new sample whose error is above this share of the errors of held-out samples is flagged as unlike them.
UNLIKE = 0.99
#: Nearest training samples that are named.
NEIGHBOURS = 5
#: A class of fewer training samples is none that a probability is given for.
MIN_SAMPLES = 5


def judge_errors(encoded: AnnData, error: np.ndarray, names: pd.Index, reporter: Reporter) -> pd.DataFrame:
    """Compare reconstruction errors with those of the held-out samples of the run, which the model has not seen either.

    ``obs["error"]`` of the run's samples are their errors, and ``obs["split"]`` says which were held out. Gives
    ``mean squared error``; ``share below`` (of the held-out samples with a smaller error); ``unlike`` (whether that
    share is above 0.99). Only the first where the run was made before errors were kept.
    """
    import pandas as pd
    from scipy.stats import betabinom

    trained = int(names.isin(encoded.obs_names[(encoded.obs["split"] == "train").to_numpy()]).sum())
    if trained:
        reporter.say(
            f"{trained} of {len(names)} samples have the names of samples that the model was trained on: their errors, "
            "neighbours and classes are not those of new ones."
        )
    table = pd.DataFrame({"mean squared error": error}, index=names)
    if "error" not in encoded.obs:
        reporter.say(
            "The run keeps no errors of its own samples to compare with: repeat 'latentome predict RUN' for them."
        )
        return table
    reference = np.sort(encoded.obs["error"].to_numpy()[(encoded.obs["split"] == "test").to_numpy()])
    below = np.searchsorted(reference, error) / len(reference)
    unlike = below > UNLIKE
    if unlike.any():
        n = len(reference)
        # How many samples like the held-out ones are worse than so many of them: any rank among them is as likely, and
        # what is too low or too high of the held-out ones by chance is so for all new samples at once.
        least = math.floor(UNLIKE * n)
        rate = (n - least) / (n + 1)
        by_chance = betabinom.sf(unlike.sum() - 1, len(error), n - least, least + 1) > 0.05
        reporter.say(
            f"{int(unlike.sum())} of {len(error)} samples are reconstructed worse than {UNLIKE:.0%} of the {n} "
            "held-out "
            + (
                f"samples of the run, where {rate * len(error):.1f} are expected of samples like those."
                if by_chance
                else "samples of the run: they are unlike what the model was trained on."
            )
        )
    return table.assign(**{"share below": below, "unlike": unlike})


def nearest_training(encoded: AnnData, key: str, codes: np.ndarray, names: pd.Index) -> pd.DataFrame:
    """Name the training samples whose features are nearest to those of each new sample, with their labels.

    The features of the run's samples are in ``obsm[key]``, `codes` are those of the new samples, by their names.
    """
    from latentome import tl

    training = encoded[(encoded.obs["split"] == "train").to_numpy()]
    table = tl.nearest_samples(training, key, codes, NEIGHBOURS)
    label = str(encoded.uns["model"]["label_column"])
    if label:
        table[label] = training.obs.loc[table["sample"], label].astype(object).to_numpy()
    return table.assign(query=np.asarray(names)[table["query"]]).rename(columns={"query": "new"}).set_index("new")


def class_probabilities(
    encoded: AnnData, key: str, codes: np.ndarray, names: pd.Index, reporter: Reporter
) -> pd.DataFrame | None:
    """Give each new sample the probability of each class: new samples x classes; arguments as of `nearest_training`.

    A logistic regression on the features of the training samples, calibrated by one temperature that makes the held-out
    samples most likely. None where the run has no labels, or fewer than two classes with five training samples.

    References
    ----------
    Guo et al. (2017). On calibration of modern neural networks. ICML. (temperature scaling)
    """
    import pandas as pd
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    from latentome.tl.probe import linear_probe

    label = str(encoded.uns["model"]["label_column"])
    if not label:
        return None
    labels = encoded.obs[label].astype(object)
    training = (encoded.obs["split"] == "train").to_numpy() & labels.notna().to_numpy()
    counts = labels[training].astype(str).value_counts()
    classes = counts.index[counts >= MIN_SAMPLES]
    known = labels.astype(str).isin(classes).to_numpy() & labels.notna().to_numpy()
    if len(classes) < 2:
        reporter.say(
            f"No classes are predicted: {len(classes)} of the {len(counts)} in '{label}' have {MIN_SAMPLES} training "
            "samples or more, and two are needed."
        )
        return None
    features, truth = np.asarray(encoded.obsm[key], np.float64), labels.astype(str).to_numpy()
    probe = linear_probe().fit(features[training & known], truth[training & known])

    def scores(x: np.ndarray) -> np.ndarray:
        found = probe.decision_function(x)
        return np.stack([np.zeros(len(x)), found], axis=1) if found.ndim == 1 else found

    held_out = known & ~training
    temperature = 1.0
    if held_out.any():
        logits = scores(features[held_out])
        at = np.searchsorted(probe.classes_, truth[held_out])

        def surprise(log_temperature: float) -> float:
            told = log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(len(at)), at]
            # Few samples that are all told right would have the temperature at 0: its logarithm is held near 0, as a
            # normal prior with a standard deviation of a half does.
            return -float(told.sum()) + 2.0 * log_temperature**2

        temperature = float(np.exp(minimize_scalar(surprise, bounds=(-3.0, 3.0), method="bounded").x))
    probability = np.exp(log_softmax(scores(np.asarray(codes, np.float64)) / temperature, axis=1))
    return pd.DataFrame(probability, index=names, columns=[str(c) for c in probe.classes_])
