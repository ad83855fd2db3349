"""Whether models of other samples find the same features: the model trained anew on halves of its samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from latentome.errors import InputError
from latentome.estimators.together import fit_together
from latentome.io.tasks import dense
from latentome.pp import fold_rows
from latentome.tl.encode import check_pca, make_pca

if TYPE_CHECKING:
    import pandas as pd

    from latentome.estimators import BaseAutoencoder

#: The least mean correlation of a feature that is found again.
FOUND = 0.7
#: The share of the components of `CHANCE` that a feature has to exceed as well.
BEYOND = 0.95
#: What the model is compared with.
PCA, CHANCE = "PCA", "PCA of shuffled genes"


def replication(
    x: np.ndarray,
    model: BaseAutoencoder,
    repeats: int = 5,
    rng: int = 0,
    *,
    covariate: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """See which features of a model come again where it is trained on half of its samples, from another seed.

    The samples are cut into two halves several times, and each half trains a model of its own. A feature is compared
    with those of such a model on the samples that this one has not seen. So are the components of PCA, and those of PCA
    of data without a pattern, each gene of which is shuffled over the samples: genes that vary much make components
    that come again although nothing goes together.

    Parameters
    ----------
    x
        The scaled data that the model was trained on, samples x features.
    model
        The fitted estimator.
    repeats
        How often the samples are cut in halves.
    rng
        Seed.
    covariate
        The category of each sample, for a model that is conditional on one; each half has its share of each.
    groups
        The group of each sample, such as the patient: the samples of one are in one half. Halves have equally many
        samples; what one of them has more is left out, at random.
    progress
        Is told how many pairs of halves are done, of how many.

    Returns
    -------
    One row for each feature of the model (of all its members), of PCA with as many components as a member has, and of
    PCA of shuffled genes: ``method`` (the family, or `PCA`, or `CHANCE`), ``feature`` (``vae_1``, ``pca_1``,
    ``shuffled_1``, ...), ``replication`` (the absolute correlation with the feature of the other model that it is
    matched with, one to one; mean over all halves), ``lowest`` (the least of these), ``explained`` (the share of its
    variance that all features of the other model explain, linearly, by weights that are learned on the samples of that
    model; mean), ``again`` (whether ``replication`` is at least `least_to_be_found`), and ``models`` (how many halves).

    Raises
    ------
    InputError
        If half of the samples are too few for a model of this size, or the samples cannot be cut.

    References
    ----------
    Lange, Roth, Braun and Buhmann (2004). Stability-based validation of clustering solutions. Neural Comput. 16,
    1299-1323. (halves, and what data without structure give)
    """
    import pandas as pd
    from sklearn.base import clone

    if repeats < 1:
        raise InputError(
            "Nothing can be trained anew.",
            where=f"repeats={repeats}",
            expected="a whole number from 1: how often the samples are cut in halves",
            todo="ask for 5, say",
        )
    x, k, members = dense(x), model.n_components, model.members
    halves = [_halves(len(x), [rng, repeat], groups, covariate) for repeat in range(repeats)]
    given = {} if covariate is None else {"covariate": np.asarray(covariate)}
    check_pca(min(len(half) for pair in halves for half in pair), x.shape[1], k)
    shuffled = np.random.default_rng([rng, repeats]).permuted(x, axis=0)
    whole = {
        model.family: np.split(np.asarray(model.transform(_named(x, model), **given)), members, axis=1),
        PCA: [make_pca(k, rng).fit(x).transform(x)],
        CHANCE: [make_pca(k, rng).fit(shuffled).transform(shuffled)],
    }
    found: dict[str, list[np.ndarray]] = {method: [] for method in whole}
    for repeat, pair in enumerate(halves):
        if progress is not None:
            progress(repeat, repeats)
        seeds = [rng + 1 + 2 * repeat + half for half in (0, 1)]
        models = [clone(model).set_params(members=1, random_state=seed) for seed in seeds]
        both, one = np.concatenate(pair), len(pair[0])
        told = {name: values[both] for name, values in given.items()}
        if groups is not None:
            told["groups"] = np.asarray(groups)[both]
        fit_together(models, _named(x[both], model), rows=[slice(0, one), slice(one, None)], **told)
        for half, own in enumerate(pair):
            other = pair[1 - half]
            codes = {model.family: np.asarray(models[half].transform(_named(x, model), **given))}
            for method, data in ((PCA, x), (CHANCE, shuffled)):
                codes[method] = make_pca(k, seeds[half]).fit(data[own]).transform(data)
            for method, features in whole.items():
                found[method].append(np.concatenate([_found(f, codes[method], own, other) for f in features]))
    if progress is not None:
        progress(repeats, repeats)
    tables = []
    for (method, each), name in zip(found.items(), (model.family, "pca", "shuffled"), strict=True):
        matched, explained = np.moveaxis(np.stack(each), -1, 0)
        columns = {
            "method": method,
            "feature": [f"{name}_{i + 1}" for i in range(matched.shape[1])],
            "replication": matched.mean(axis=0),
            "lowest": matched.min(axis=0),
            "explained": explained.mean(axis=0),
        }
        tables.append(pd.DataFrame(columns))
    table = pd.concat(tables, ignore_index=True)
    least = least_to_be_found(table.loc[table["method"] == CHANCE, "replication"])
    return table.assign(again=table["replication"] >= least, models=2 * repeats)


def least_to_be_found(chance: Sequence[float]) -> float:
    """The mean correlation from which on a feature is found again: `FOUND`, and more than most components of chance."""
    return max(FOUND, float(np.quantile(chance, BEYOND)))


def _named(x: np.ndarray, model: BaseAutoencoder) -> Any:
    """Data as the model was given them, with the names of its features where it knows them."""
    import pandas as pd

    names = getattr(model, "feature_names_in_", None)
    return x if names is None else pd.DataFrame(x, columns=names)


def _halves(
    n: int, seed: list[int], groups: np.ndarray | None = None, labels: np.ndarray | None = None
) -> list[np.ndarray]:
    """The rows of two halves, equally many: models of equally many rows share a compiled program."""
    generator = np.random.default_rng(seed)
    assigned = fold_rows(n, 2, None if labels is None else np.asarray(labels).astype(str), generator, groups=groups)
    halves = [generator.permutation(np.flatnonzero(assigned == half)) for half in (0, 1)]
    size = min(map(len, halves))
    return [np.sort(half[:size]) for half in halves]


def _found(features: np.ndarray, codes: np.ndarray, own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How well each feature (samples x features) is found in the codes of a model of the rows `own`: features x 2."""
    from scipy.optimize import linear_sum_assignment

    centred, against = (values[other] - values[other].mean(axis=0) for values in (features, codes))
    lengths = np.outer(np.linalg.norm(centred, axis=0), np.linalg.norm(against, axis=0))
    correlation = np.abs(centred.T @ against) / np.where(lengths > 0, lengths, 1.0)
    matched = np.zeros(features.shape[1])
    rows, columns = linear_sum_assignment(-correlation)
    matched[rows] = correlation[rows, columns]
    design = np.column_stack([codes, np.ones(len(codes))])
    weights = np.linalg.lstsq(design[own], features[own], rcond=None)[0]
    left = np.square(features[other] - design[other] @ weights).sum(axis=0)
    total = np.square(centred).sum(axis=0)
    explained = 1.0 - np.divide(left, total, out=np.ones_like(total), where=total > 0)
    return np.column_stack([matched, np.maximum(explained, 0.0)])
