"""How many latent dimensions: what each number of them gives, beside PCA, and which one to take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from latentome.errors import InputError
from latentome.io.tasks import dense
from latentome.pp.split import group_codes
from latentome.tl.encode import check_pca, make_pca
from latentome.tl.features import check_training
from latentome.training import apply_in_blocks

if TYPE_CHECKING:
    import pandas as pd

    from latentome.estimators import BaseAutoencoder

#: A feature whose codes have less than this share of the mean variance of all features is not in use.
ACTIVE = 0.01


def dimensions(
    x: np.ndarray,
    model: BaseAutoencoder,
    sizes: Sequence[int],
    training: np.ndarray,
    labels: np.ndarray | None = None,
    members: int = 2,
    rng: int = 0,
    *,
    gene_sets: Mapping[str, Sequence[str]] | None = None,
    genes: Sequence[str] | None = None,
    groups: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Train a model with each number of latent dimensions and see what that gives on held-out samples.

    Parameters
    ----------
    x
        Scaled data, samples x features.
    model
        An estimator; its ``n_components``, ``members`` and ``random_state`` are replaced.
    sizes
        Numbers of latent dimensions.
    training
        Boolean, one for each sample: whether it is trained on.
    labels
        A class for each sample, for the probe; classes without five held-out samples are left out of it.
    members
        Trainings for each size, which differ in their seed; 2 or more.
    rng
        Seed.
    gene_sets, genes
        Gene sets, as `read_gmt` gives them, and the names of the genes of `x`: then the sets that some feature stands
        for are counted, too.
    groups
        The group of each sample, such as its patient: no training validates on a part of one, and they are what the
        standard error counts.
    progress
        Is told how many sizes are done, of how many.

    Returns
    -------
    One row for each size: ``size``, ``error`` (held-out mean squared error, mean of the members), ``above`` (how far
    that is above the lowest one), ``standard_error`` (of ``above``, over the held-out samples in pairs), ``pca_error``,
    ``active`` (mean number of features in use), ``stability`` (mean over the features of all members), and with labels
    ``probe`` and ``pca_probe`` (mean cross-validated AUROC over the classes, on the held-out samples); with gene sets
    ``sets`` and ``pca_sets``: how many of them are over-represented (q < 0.05) in some signature, mean of the members.

    Raises
    ------
    InputError
        If a size is larger than PCA of the training samples can have, there is one member only, or fewer than two
        samples are held out.

    References
    ----------
    Way, Zietz, Rubinetti, Himmelstein and Greene (2020). Compressing gene expression data using multiple latent space
    dimensionalities learns complementary biological representations. Genome Biol. 21, 109.
    """
    import pandas as pd
    from sklearn.base import clone

    from latentome.tl.consensus import stability
    from latentome.tl.loadings import loadings

    x = dense(x)
    training = check_training(training, len(x))
    for size in sizes:
        check_pca(int(training.sum()), x.shape[1], int(size))
    held_out, rows, by_sample = x[~training], [], []
    if len(held_out) < 2:
        raise InputError(
            "Sizes are compared on held-out samples, and differences need some.",
            where=f"{len(held_out)} of {len(x)} samples held out",
            expected="2 or more",
            todo="hold out more samples (--test-size)",
        )
    for done, size in enumerate(sizes):
        if progress is not None:
            progress(done, len(sizes))
        fitted = clone(model).set_params(n_components=int(size), members=members, random_state=rng)
        fitted.fit(x[training], groups=None if groups is None else np.asarray(groups)[training])
        codes = np.asarray(fitted.transform(held_out))
        found = stability(codes, members)
        parts = np.split(codes, members, axis=1)
        errors = np.mean([_errors(held_out, _decode(fitted, i, part)) for i, part in enumerate(parts)], axis=0)
        pca = make_pca(int(size), rng).fit(x[training])
        pcs = pca.transform(held_out)
        variances = [part.var(axis=0) for part in parts]
        row = {
            "size": int(size),
            "error": float(errors.mean()),
            "pca_error": float(_errors(held_out, pca.inverse_transform(pcs)).mean()),
            "active": float(np.mean([(v > ACTIVE * v.mean()).sum() for v in variances])),
            "stability": float(found["stability"].mean()),
        }
        if labels is not None:
            own = None if groups is None else group_codes(np.asarray(groups)[~training])
            row["probe"] = float(np.mean([_probe(part, labels[~training], rng, own) for part in parts]))
            row["pca_probe"] = _probe(pcs, labels[~training], rng, own)
        if gene_sets is not None:
            weights = np.split(loadings(fitted, fitted.transform(x[training])), members, axis=1)
            row["sets"] = float(np.mean([_count_sets(w, genes, gene_sets) for w in weights]))
            row["pca_sets"] = float(_count_sets(pca.components_.T, genes, gene_sets))
        rows.append(row)
        by_sample.append(errors)
    table, errors = pd.DataFrame(rows), np.array(by_sample)
    # The same samples are hard at every size: in pairs their differences say much more than the errors themselves.
    above = errors - errors[table["error"].idxmin()]
    table.insert(2, "above", above.mean(axis=1))
    together = np.arange(len(held_out)) if groups is None else group_codes(np.asarray(groups)[~training])
    sums = np.stack([np.bincount(together, row) for row in above - above.mean(axis=1, keepdims=True)])
    n = sums.shape[1]
    table.insert(3, "standard_error", np.sqrt(n / max(n - 1, 1) * np.square(sums).sum(axis=1)) / len(held_out))
    return table


def choose_size(table: pd.DataFrame) -> tuple[int, str]:
    """Recommend a number of latent dimensions.

    Parameters
    ----------
    table
        As `dimensions` gives it.

    Returns
    -------
    The smallest size whose held-out error is above the lowest one by one standard error at most, and the reason in
    sentences.

    References
    ----------
    Breiman, Friedman, Olshen and Stone (1984). Classification and regression trees. (the rule of one standard error)
    """
    best = table.loc[table["error"].idxmin()]
    good = table[table["above"] <= table["standard_error"]].sort_values("size")
    chosen = good.iloc[0]
    if chosen["size"] == best["size"]:
        lowest = f"the held-out error is lowest ({best['error']:.4g})"
        why = f"{lowest}, and no smaller size is within one standard error of it"
    else:
        why = (
            f"the smallest size whose held-out error ({chosen['error']:.4g}) is within one standard error "
            f"({chosen['standard_error']:.2g}) of the lowest ({best['error']:.4g}, with {int(best['size'])})"
        )
    reason = (
        f"{int(chosen['size'])} latent dimensions: {why}; PCA of that size has {chosen['pca_error']:.4g}. On average "
        f"{chosen['active']:.1f} features are in use, and their stability over seeds is {chosen['stability']:.2f}."
    )
    if best["size"] == table["size"].max():
        reason += " The largest size has the lowest error: more dimensions may do better still."
    return int(chosen["size"]), reason


def _count_sets(weights: np.ndarray, genes: Sequence[str], gene_sets: Mapping[str, Sequence[str]]) -> int:
    """How many gene sets are over-represented in some signature."""
    from anndata import AnnData

    from latentome.tl.enrich import enrich

    adata = AnnData(shape=(1, len(weights)), varm={"loadings": weights})
    adata.var_names = list(genes)
    found = enrich(adata, "loadings", gene_sets)
    return found.loc[found["q"] < 0.05, "set"].nunique()


def _decode(model: BaseAutoencoder, member: int, codes: np.ndarray) -> np.ndarray:
    return apply_in_blocks(model.models_[member], "decoder", np.asarray(codes, dtype=np.float32))


def _errors(x: np.ndarray, decoded: np.ndarray) -> np.ndarray:
    return np.square(x - decoded, dtype=np.float64).mean(axis=1)


def _probe(codes: np.ndarray, labels: np.ndarray, rng: int, groups: np.ndarray | None) -> float:
    """Mean AUROC of a cross-validated probe over the classes of five samples or more; NaN with fewer than two such.

    Of `groups` each class has five or more, and no fold has a part.
    """
    import pandas as pd

    from latentome.tl import ranks as r
    from latentome.tl.probe import FOLDS, probe_classes

    names = pd.Series(labels, dtype=object)
    counts = names.value_counts() if groups is None else pd.Series(groups).groupby(names).nunique()
    names = names.where(names.map(counts).ge(FOLDS))
    known = names.notna().to_numpy()
    classes, at = np.unique(names[known].astype(str), return_inverse=True)
    if len(classes) < 2:
        return float("nan")
    probability = probe_classes(codes[known], at, rng, None if groups is None else groups[known])
    member = at[:, None] == np.arange(len(classes))
    aurocs = [r.compare_groups(r.rank(probability[:, [i]]), member[:, [i]])[0] for i in range(len(classes))]
    return float(np.mean(aurocs))
