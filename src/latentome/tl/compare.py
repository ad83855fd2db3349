"""Methods side by side on folds that they have not seen: autoencoders, PCA, NMF, ICA, and the genes themselves."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from latentome.errors import InputError, of_anndata
from latentome.pp import fit_preprocessing, fold_rows
from latentome.tl.encode import make_pca
from latentome.tl.evaluate import by_labels, known_classes

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

#: Makes what is to be fitted, with the methods of a scikit-learn transformer, from the number of components and a seed.
Maker = Callable[[int, int], Any]
#: What identifies a row of the table.
KEY = ("method", "k", "seed", "fold")
#: What is measured, in the order of the table.
MEASURES = (
    "held-out MSE",
    "variance explained",
    "probe accuracy",
    "5-NN accuracy",
    "silhouette",
    "ARI",
    "NMI",
    "seconds",
)
#: Of these, those of which less is better.
LOWER_IS_BETTER = ("held-out MSE", "seconds")


def _nmf(k: int, seed: int) -> Any:
    from sklearn.decomposition import NMF
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    # Held-out samples can lie below the range of the training samples, which NMF would refuse.
    return make_pipeline(
        FunctionTransformer(_not_negative), NMF(k, init="nndsvda", max_iter=1000, tol=1e-3, random_state=seed)
    )


def _not_negative(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0.0)


def _ica(k: int, seed: int) -> Any:
    from sklearn.decomposition import FastICA

    return FastICA(k, whiten="unit-variance", max_iter=1000, tol=1e-3, random_state=seed)


#: What autoencoders are compared with, by name. The genes themselves are no model: there is nothing to make.
BASELINES: dict[str, Maker | None] = {"pca": make_pca, "nmf": _nmf, "ica": _ica, "genes": None}


@of_anndata
def compare(
    adata: AnnData,
    methods: Mapping[str, Maker | None],
    sizes: Sequence[int],
    labels: np.ndarray | None = None,
    *,
    folds: int = 5,
    seeds: int = 3,
    rng: int = 0,
    done: Collection[tuple] = (),
    strata: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    **preprocessing: Any,
) -> Iterator[dict[str, Any]]:
    """Fit methods on all folds but one and measure them on that one; row after row, as they come.

    Transform, gene selection and scaling are fitted on the training samples of each fold alone, and all methods see the
    same matrix: their errors are on one scale.

    Parameters
    ----------
    adata
        Samples x genes, as read.
    methods
        By name what makes them, `BASELINES` among them; None for the genes themselves.
    sizes
        Numbers of components.
    labels
        A class for each sample (missing ones as None or NaN); folds are then stratified. Without, the measures that
        need classes are left out.
    folds, seeds
        How many folds, and how often the samples are cut into them anew. The seed is also that of the methods.
    rng
        The first seed.
    done
        Rows that are there already, by the values of `KEY`, and are left out.
    strata
        A class for each sample, of which each fold has its share; the labels by default.
    groups
        The group of each sample, such as the patient: all samples of one are in one fold.
    **preprocessing
        ``transform``, ``n_genes``, ``scaling``, ``selection``, ``clip``: see `latentome.pp.fit_preprocessing`.

    Yields
    ------
    ``method``, ``k`` (0 for the genes), ``seed``, ``fold``, ``n_train``, ``n_test``, those of `MEASURES` that there
    are (``seconds`` is the time of the fit), and ``note``.

    Raises
    ------
    InputError
        If the samples cannot be cut or preprocessed, or NMF is given negative values.
    """
    asked = [(name, k) for name, maker in methods.items() for k in (sizes if maker is not None else [0])]
    cut = labels if strata is None else strata
    text = None if cut is None else np.asarray(cut).astype(str)
    for seed in range(rng, rng + seeds):
        assigned = fold_rows(adata.n_obs, folds, text, np.random.default_rng([seed, 0]), groups=groups)
        for fold in range(folds):
            missing = [(name, k) for name, k in asked if (name, k, seed, fold) not in done]
            if not missing:
                continue
            training = assigned != fold
            x, _ = fit_preprocessing(adata[training], **preprocessing).apply(adata)
            sides = {"n_train": int(training.sum()), "n_test": int((~training).sum())}
            for name, k in missing:
                row = {"method": name, "k": k, "seed": seed, "fold": fold, **sides}
                if k > min(x[training].shape):
                    yield {**row, "note": f"only {sides['n_train']} training samples x {x.shape[1]} genes"}
                    continue
                own = None if groups is None else np.asarray(groups)[training]
                yield {**row, **_measure(name, methods[name], k, seed, x, training, labels, own)}


def _measure(
    name: str,
    maker: Maker | None,
    k: int,
    seed: int,
    x: np.ndarray,
    training: np.ndarray,
    labels: np.ndarray | None,
    groups: np.ndarray | None,
) -> dict[str, Any]:
    measured: dict[str, Any] = {}
    codes = x
    if maker is not None:
        if name == "nmf" and x[training].min() < 0:
            raise InputError(
                "NMF needs values that are not negative.",
                where=f"the training samples, least value {x[training].min():.4g}",
                expected="data scaled to [0, 1]",
                todo="compare with --scaling zero-one runs, or leave nmf out of the methods",
            )
        model, measured["seconds"], measured["note"] = _fit(maker(k, seed), x[training], groups)
        codes = np.asarray(model.transform(x))
        decoded = np.asarray(model.inverse_transform(codes[~training]))
        error = np.square(x[~training] - decoded, dtype=np.float64).mean()
        around_mean = np.square(x[~training] - x[training].mean(axis=0), dtype=np.float64).mean()
        measured["held-out MSE"] = float(error)
        measured["variance explained"] = float(1.0 - error / around_mean)
    if labels is not None:
        known, classes = known_classes(labels, training, [])
        if len(np.unique(classes[known & ~training])) >= 2:
            measured |= by_labels(codes, known, classes, training, rng=seed)
    return measured


def _fit(model: Any, x: np.ndarray, groups: np.ndarray | None) -> tuple[Any, float, str]:
    """The fitted model, its time in seconds, and whether it stopped before it converged."""
    from sklearn.exceptions import ConvergenceWarning

    from latentome.estimators import BaseAutoencoder

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        start = time.perf_counter()
        model.fit(x, **({"groups": groups} if isinstance(model, BaseAutoencoder) else {}))
        seconds = time.perf_counter() - start
    stopped = [w for w in caught if issubclass(w.category, ConvergenceWarning)]
    for w in caught:
        if w not in stopped:
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
    return model, seconds, "stopped before it converged" if stopped else ""


def summarise(table: pd.DataFrame, baseline: str = "pca") -> pd.DataFrame:
    """Mean and standard deviation over folds and seeds.

    Parameters
    ----------
    table
        Rows of `compare`.
    baseline
        The method that errors are compared with, on the same folds at the same k.

    Returns
    -------
    One row for each method and k, in the order of the table; columns (measure, ``mean`` or ``sd``), and
    ``MSE v <baseline>, %`` where the baseline is among the methods.
    """
    import pandas as pd

    present = [name for name in MEASURES if name in table and table[name].notna().any()]
    table = table[table[present].notna().any(axis=1)]
    versus = f"MSE v {baseline}, %"
    reference = table[table["method"] == baseline].set_index(["k", "seed", "fold"])
    if len(reference) and "held-out MSE" in present:
        same = pd.MultiIndex.from_frame(table[["k", "seed", "fold"]])
        other = reference["held-out MSE"].reindex(same).to_numpy()
        table = table.assign(**{versus: 100.0 * (table["held-out MSE"] / other - 1.0)})
        present.insert(1, versus)
    grouped = table.groupby(["method", "k"], sort=False)[present].agg(["mean", "std"])
    return grouped.rename(columns={"std": "sd"}, level=1)


def rank_methods(table: pd.DataFrame) -> pd.DataFrame:
    """Rank the methods on each fold by each measure.

    Methods are ranked among those with as many components on the same fold of the same data; the genes themselves,
    which have no components, take part at every number of them.

    Parameters
    ----------
    table
        Rows of `compare`; of several data sets with a column ``data``.

    Returns
    -------
    One row for each method, fold and measure that there is: ``measure``, ``data`` (where given), ``k``, ``seed``,
    ``fold``, ``method``, ``rank`` (1 is best; equal values share the mean of their ranks).
    """
    import pandas as pd

    fold = [name for name in ("data", "k", "seed", "fold") if name in table]
    sizes = table.loc[table["k"] > 0, "k"].unique()
    genes = table[table["k"] == 0]
    whole = pd.concat([table[table["k"] > 0], *(genes.assign(k=k) for k in sizes)], ignore_index=True)
    parts = []
    for name in [name for name in MEASURES if name in table and table[name].notna().any()]:
        rows = whole[whole[name].notna()]
        # At the digits that are shown: the errors of PCA and ICA differ by rounding.
        digits = rows.assign(value=rows[name].map(lambda value: float(f"{value:.4g}")))
        rank = digits.groupby(fold)["value"].rank(ascending=name in LOWER_IS_BETTER)
        parts.append(rows[[*fold, "method"]].assign(rank=rank).assign(measure=name))
    ranked = pd.concat(parts, ignore_index=True)
    return ranked[["measure", *fold, "method", "rank"]]
