"""How good a representation is, on samples that it has not seen, always beside PCA."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from latentome.errors import InputError
from latentome.pp.split import group_codes
from latentome.tl.cluster import check_clustering, cluster
from latentome.tl.features import check_training
from latentome.tl.intervals import MIN_TESTED, accuracy_difference, answer, error_difference
from latentome.tl.probe import linear_probe

#: For each metric whether a lower or a higher value is better.
BETTER = {
    "held-out MSE": "lower",
    "variance explained": "higher",
    "probe accuracy": "higher",
    "5-NN accuracy": "higher",
    "silhouette": "higher",
    "ARI": "higher",
    "NMI": "higher",
}
#: What a verdict begins with where the model is PCA.
STAYED_PCA = "The model is PCA: training found nothing beyond it that held on the validation samples."


@dataclass(frozen=True)
class Representation:
    """Codes and reconstructions of the same samples by one method.

    Parameters
    ----------
    codes
        Samples x components.
    reconstruction
        Samples x features, on the scale that the models were trained on.
    """

    codes: np.ndarray
    reconstruction: np.ndarray

    def __post_init__(self) -> None:
        for name in ("codes", "reconstruction"):  # a table would be aligned by its names
            object.__setattr__(self, name, np.asarray(getattr(self, name)))


def check_compared(
    x: np.ndarray, methods: Mapping[str, Representation], training: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give the data and which samples are for training as arrays; refuse methods that have not reconstructed them."""
    x = np.asarray(x)
    for name, method in methods.items():
        shape = getattr(getattr(method, "reconstruction", None), "shape", None)
        if shape != x.shape:
            raise InputError(
                f"'{name}' is no representation of these samples.",
                where=f"its reconstruction has shape {shape}" if shape else f"it is of type {type(method).__name__}",
                expected=f"codes and a reconstruction of {x.shape[0]} samples x {x.shape[1]} features",
                todo="pass latentome.tl.Representation(codes, model.inverse_transform(codes)) for each method",
            )
    return x, check_training(training, len(x))


def evaluate(
    x: np.ndarray,
    methods: Mapping[str, Representation],
    training: np.ndarray,
    labels: np.ndarray | None,
    rng: int = 0,
    *,
    groups: np.ndarray | None = None,
    clustering: str = "k-means",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, object]:
    """Compare representations on the held-out samples.

    Parameters
    ----------
    x
        Scaled data, samples x features.
    methods
        The representations by name; the first is the model, the others are what it is compared with.
    training
        Boolean, one for each sample: whether it was trained on.
    labels
        A class for each sample (missing ones as None or NaN), or None: the metrics that need classes are then left out.
    rng
        Seed of the clusters.
    groups
        Which samples belong together, as those of a patient do: intervals then count groups. By default each sample
        stands alone.
    clustering
        ``k-means``, with as many clusters as classes, or ``leiden`` (extra ``leiden``); see `latentome.tl.cluster`.
    progress
        Is told for how many methods classifiers and clusters are done, of how many.

    Returns
    -------
    ``methods``, ``table`` (metric -> method -> value), ``better``, ``by_class`` (class -> method -> held-out MSE),
    ``n_by_class`` (held-out samples of each), ``difference`` (the model's held-out MSE less each other method's, with
    95 % intervals; see `latentome.tl.intervals`), ``accuracy_difference`` (the same of the two accuracies: metric ->
    other method -> numbers), ``majority`` (the most common class of the training samples, and the share of the held-out
    ones that are of it: what a classifier reaches that always says this), ``n_test``, ``n_independent`` (the same, or
    their groups), ``n_labelled`` (held-out samples of known classes), ``clustering``, ``notes``.

    Raises
    ------
    InputError
        If there is no such clustering, or it is not installed.
    """
    check_clustering(clustering)
    x, training = check_compared(x, methods, training)
    test = ~training
    errors = {
        name: np.square(x[test] - method.reconstruction[test], dtype=np.float64).mean(axis=1)
        for name, method in methods.items()
    }
    around_mean = np.square(x[test] - x[training].mean(axis=0), dtype=np.float64).mean()
    table: dict[str, dict[str, float]] = {
        "held-out MSE": {name: float(e.mean()) for name, e in errors.items()},
        "variance explained": {name: float(1.0 - e.mean() / around_mean) for name, e in errors.items()},
    }
    by_class: dict[str, dict[str, float]] = {}
    n_by_class: dict[str, int] = {}
    of_labels: dict[str, object] = {}
    notes = [f"All metrics are of {int(test.sum())} samples that no step was fitted on."]
    if labels is not None:
        known, classes = known_classes(labels, training, notes)
        tested = np.unique(classes[known & test])
        if len(tested) < 2:
            seen = f"are all of the class '{tested[0]}'" if len(tested) else "have no class of a training sample"
            notes.append(f"The held-out samples {seen}: metrics that need classes are left out.")
        else:
            right: dict[str, dict[str, np.ndarray]] = {}
            for done, (name, method) in enumerate(methods.items()):
                if progress is not None:
                    progress(done, len(methods))
                right[name] = {}
                scores = by_labels(method.codes, known, classes, training, clustering, rng, right[name])
                for metric, value in scores.items():
                    table.setdefault(metric, {})[name] = value
            together = None if groups is None else groups[known & test]
            of_labels = _of_labels(right, classes[known & training], classes[known & test], together)
        for label in tested:
            here = (known & (classes == label))[test]
            by_class[str(label)] = {name: float(e[here].mean()) for name, e in errors.items()}
            n_by_class[str(label)] = int(here.sum())
    model, *others = methods
    together = None if groups is None else groups[test]
    return {
        "methods": list(methods),
        "table": table,
        "better": {metric: BETTER[metric] for metric in table},
        "by_class": by_class,
        "n_by_class": n_by_class,
        "difference": {other: error_difference(errors[model], errors[other], together) for other in others},
        **of_labels,
        "n_test": int(test.sum()),
        "n_independent": int(test.sum()) if together is None else len(np.unique(group_codes(together))),
        "clustering": clustering,
        "notes": notes,
    }


def _of_labels(
    right: dict[str, dict[str, np.ndarray]], taught: np.ndarray, truth: np.ndarray, groups: np.ndarray | None
) -> dict[str, object]:
    """How far the accuracies differ, and what a classifier reaches that knows the most common class alone."""
    model, *others = right
    names, counts = np.unique(taught, return_counts=True)
    common = names[counts.argmax()]
    differences = {
        metric: {other: accuracy_difference(right[model][metric], right[other][metric], groups) for other in others}
        for metric in right[model]
    }
    return {
        "accuracy_difference": differences,
        "majority": {"class": str(common), "share": float((truth == common).mean())},
        "n_labelled": len(truth),
    }


def known_classes(labels: np.ndarray, training: np.ndarray, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Which samples have a class that a classifier could know, and the classes as text."""
    import pandas as pd

    present = ~pd.isna(labels)
    classes = np.where(present, np.asarray(labels, dtype=object), "").astype(str)
    taught = np.isin(classes, np.unique(classes[training & present]))
    if (~present).any():
        notes.append(f"{int((~present).sum())} samples have no label and are left out of the metrics that need one.")
    unknown = present & ~taught & ~training
    if unknown.any():
        notes.append(
            f"{int(unknown.sum())} held-out samples are of classes without a training sample and are left out."
        )
    return present & taught, classes


def by_labels(
    codes: np.ndarray,
    known: np.ndarray,
    classes: np.ndarray,
    training: np.ndarray,
    clustering: str = "k-means",
    rng: int = 0,
    right: dict[str, np.ndarray] | None = None,
) -> dict[str, float]:
    """What `separation` gives, and ``ARI`` and ``NMI`` of clusters of the held-out samples against their classes.

    Classifiers and clusters (see `latentome.tl.cluster`) are fitted on training samples. The two are left out where
    each held-out sample is of a class of its own.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    seen, new = _parts(codes, known, training)
    truth = classes[known & ~training]
    if len(np.unique(truth)) == len(truth):  # as many clusters as samples would agree whatever the codes are
        return separation(codes, known, classes, training, right)
    clusters = cluster(seen, new, len(np.unique(classes[known & training])), clustering, rng)
    return {
        **separation(codes, known, classes, training, right),
        "ARI": float(adjusted_rand_score(truth, clusters)),
        "NMI": float(normalized_mutual_info_score(truth, clusters)),
    }


def separation(
    codes: np.ndarray,
    known: np.ndarray,
    classes: np.ndarray,
    training: np.ndarray,
    right: dict[str, np.ndarray] | None = None,
) -> dict[str, float]:
    """How well codes (samples x components) tell classes apart; classifiers are fitted on the training samples.

    `known` and `classes` are what `known_classes` returned. `right` gains, for both accuracies, whether each held-out
    sample was told right (1 or 0). Gives ``probe accuracy``, ``5-NN accuracy``, and ``silhouette`` where it is defined,
    of the held-out samples.
    """
    from sklearn.metrics import silhouette_score
    from sklearn.neighbors import KNeighborsClassifier

    seen, new = _parts(codes, known, training)
    taught, truth = classes[known & training], classes[known & ~training]
    probe = linear_probe().fit(seen, taught)
    neighbours = KNeighborsClassifier(min(5, len(seen))).fit(seen, taught)
    told = {"probe accuracy": probe.predict(new) == truth, "5-NN accuracy": neighbours.predict(new) == truth}
    metrics = {metric: float(hits.mean()) for metric, hits in told.items()}
    if right is not None:
        right.update({metric: hits.astype(np.float64) for metric, hits in told.items()})
    if 2 <= len(np.unique(truth)) < len(truth):
        metrics["silhouette"] = float(silhouette_score(new, truth))
    return metrics


def _parts(codes: np.ndarray, known: np.ndarray, training: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the training and of the held-out samples with a known class."""
    return codes[known & training].astype(np.float64), codes[known & ~training].astype(np.float64)


def percent(share: float) -> str:
    """A difference in percent, with its sign; one in the thousands with three digits."""
    return f"{share:+z.1f} %" if abs(share) < 1000.0 else f"{share:+.3g} %"


def verdict(result: Mapping[str, object], model: str, baseline: str = "PCA") -> list[str]:
    """Say in sentences how the model did against the baseline of equal size; if the baseline wins, it says so.

    Parameters
    ----------
    result
        What `evaluate` returned.
    model, baseline
        Names of the two methods.
    """
    table, difference = result["table"], result["difference"][baseline]
    mse = table["held-out MSE"]
    tested = result.get("n_independent", result["n_test"])
    of_groups = f" of {tested} groups" if tested < result["n_test"] else ""
    beside = f"over {result['n_test']} samples{of_groups}"
    if "percent_low" in difference:
        mean, low, high = (difference[key] for key in ("percent", "percent_low", "percent_high"))
        beside = f"{percent(mean)}, 95 % interval {percent(low)} to {percent(high)} {beside}"
    said = answer(difference, tested)
    beside = "no interval" if said == "too few" else beside
    first = {
        "too few": f"{result['n_test']} held-out samples{of_groups} are too few to tell {model} from {baseline} of "
        "equal size",
        "better": f"{model} reconstructs held-out samples better than {baseline} of equal size",
        "worse": f"{baseline} of equal size reconstructs held-out samples better than {model}",
        "same": f"{model} and {baseline} of equal size reconstruct held-out samples equally well",
        "undecided": f"{model} and {baseline} of equal size reconstruct held-out samples about equally well",
    }[said]
    sentences = [f"{first}: mean squared error {mse[model]:.4g} against {mse[baseline]:.4g} for {baseline} ({beside})."]
    if said != "too few" and table["variance explained"][model] < 0.0:
        sentences.append(
            f"The mean of each gene would do better than {model}: it was trained too little, or its training went "
            "wrong."
        )
    labelled = result.get("n_labelled", 0)
    if said == "too few" or labelled < MIN_TESTED:
        return sentences
    # Of silhouettes and clusters there is no interval: they are in the table, and decide nothing.
    wins, losses, ties = [], [], []
    for metric, differences in result.get("accuracy_difference", {}).items():
        beyond = differences[baseline]
        if round(table[metric][model], 3) == round(table[metric][baseline], 3):
            continue  # "0.792 against 0.792" would be no news
        kind = wins if beyond["low"] > 0 else losses if beyond["high"] < 0 else ties
        kind.append(
            f"{metric} {table[metric][model]:.3f} against {table[metric][baseline]:.3f} "
            f"(95 % interval of the difference {beyond['low']:+z.3f} to {beyond['high']:+z.3f})"
        )
    if wins:
        sentences.append(f"Its features tell the classes better: {'; '.join(wins)}.")
    if losses:
        sentences.append(f"{baseline} tells the classes better: {'; '.join(losses)}.")
    if ties:
        sentences.append(f"No difference beyond chance between the two in {'; '.join(ties)}.")
    if "majority" in result:
        common, share = result["majority"]["class"], result["majority"]["share"]
        sentences.append(f"Always saying '{common}' would be right for {share:.3f} of the {labelled} labelled ones.")
    return sentences
