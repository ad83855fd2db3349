"""New samples brought into the shape that a model reads: its genes in its order, on its scale."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentome.errors import InputError, of_anndata
from latentome.io import RunFolder, gene_table
from latentome.io.genes import listed
from latentome.io.tasks import dense, densely, is_lazy
from latentome.pp.transform import LOG_MAXIMUM, depth_shares
from latentome.pp.values import check_values, source_name

if TYPE_CHECKING:
    from anndata import AnnData

    from latentome.pp.preprocessing import Preprocessing

#: The largest share of a model's genes that new samples may lack.
MAX_MISSING = 0.2
#: Values are centred where their mean is within this share of their range of zero.
CENTRED = 0.05
#: The largest of some counts is this, or more; whole numbers below are calls of mutations, say.
FEW_READS = 3


@of_anndata
def align(adata: AnnData, model: Any, *, max_missing: float = MAX_MISSING, check_range: bool = True) -> AnnData:
    """Bring samples that a model has never seen into the shape that it reads.

    Parameters
    ----------
    adata
        Samples x genes, genes in any order and under any of their names, on the scale that the training data came in.
    model
        The folder of a run, or its :class:`~latentome.pp.Preprocessing`: genes are chosen, ordered, transformed and
        scaled as in training. Or a fitted estimator: it knows the names and the order of its genes alone; values are
        then taken as they are, and no gene may be missing.
    max_missing
        The largest share of the model's genes that may be missing; they get their training mean.
    check_range
        Whether values are refused whose range tells that they are on another scale than in training.

    Returns
    -------
    The samples x the genes of the model, float32, ready for its ``transform``. ``var["filled"]`` tells which genes were
    missing; ``uns["source"]["notes"]`` says what was done. The order of the genes in `adata` makes no difference.

    Raises
    ------
    InputError
        If too many genes are missing, a gene is named twice, the values are on another scale, or `max_missing` is no
        share.

    Notes
    -----
    A gene that is not found under its name is looked for by its Entrez id: of ``var["entrez"]``, of a name
    ``SYMBOL|ENTREZ``, or of the bundled table of symbols.
    """
    from latentome.pp.preprocessing import Preprocessing

    if isinstance(model, RunFolder | str | os.PathLike):
        folder = model if isinstance(model, RunFolder) else RunFolder.open(Path(model))
        model = Preprocessing.load(folder.require("preprocessing"))
    if isinstance(model, Preprocessing):
        if check_range:
            check_scale(adata, model)
        values, notes = model.apply(adata, max_missing)
        genes = model.genes
        positions, _ = match_genes(adata, genes, model.entrez)
    else:
        genes = [str(gene) for gene in _names_of(model)]
        positions, notes = match_genes(adata, genes)
        check_missing(adata, genes, positions < 0, 0.0)
        values = np.ascontiguousarray(dense(adata.X[:, positions]), dtype=np.float32)
    return _assemble(adata, values, genes, positions < 0, notes)


def match_genes(adata: AnnData, genes: Sequence[str], ids: Sequence[str] = ()) -> tuple[np.ndarray, list[str]]:
    """Find the genes of a model among those of some samples, none of which may be named twice.

    Where the model knows the Entrez ids of its genes, these are `ids`; what has none is looked up by its name. Gives
    for each gene of the model its column in `adata`, -1 if it is missing; and a sentence about those that were found
    under another name, if there are any.
    """
    if not adata.var_names.is_unique:
        twice = [name for name, times in Counter(adata.var_names).items() if times > 1]
        raise InputError(
            f"The samples have {len(twice)} gene names more than once: {listed(twice)}",
            where=source_name(adata),
            expected="every gene once",
            todo="keep one of each, or give them different names",
        )
    positions = adata.var_names.get_indexer(list(genes))
    absent = np.flatnonzero(positions < 0)
    if not len(absent):
        return positions, []
    free = np.setdiff1d(np.arange(adata.n_vars), positions)
    entrez = adata.var["entrez"].astype(str).to_numpy() if "entrez" in adata.var else None
    by_id: dict[str, list[int]] = {}
    for column in free:
        known = (
            entrez[column] if entrez is not None and entrez[column].isdigit() else entrez_id(adata.var_names[column])
        )
        if known:
            by_id.setdefault(known, []).append(int(column))
    renamed = []
    own = {i: (ids[i] if len(ids) else "") or entrez_id(genes[i]) for i in absent}
    wanted = Counter(own.values())
    for i, known in own.items():
        columns = by_id.get(known, [])
        if known and len(columns) == 1 and wanted[known] == 1:  # several would be a choice, and nobody made it
            positions[i] = columns[0]
            renamed.append(f"{genes[i]} as {adata.var_names[columns[0]]}")
    notes = [f"{len(renamed)} genes were found under another name: {listed(renamed, 3)}."] if renamed else []
    return positions, notes


def entrez_id(name: str) -> str:
    """Give the Entrez id of a gene by its symbol, its id or ``SYMBOL|ENTREZ``; empty if it is not known."""
    symbols, ids = _table()
    name = str(name)
    tail = name.rpartition("|")[2]
    if tail.isdigit():
        return tail if tail != name or tail in ids else ""
    return symbols.get(name, "")


def check_missing(adata: AnnData, genes: Sequence[str], absent: np.ndarray, most: float) -> None:
    """Refuse samples that lack more than a share of the model's genes, with some of them and some that are there."""
    check_max_missing(most)
    if absent.mean() <= most:
        return
    missing = [gene for gene, gone in zip(genes, absent, strict=True) if gone]
    raise InputError(
        f"The samples lack {absent.sum()} of the {len(genes)} genes of the model ({absent.mean():.0%}).",
        where=f"{source_name(adata)}; missing: {', '.join(missing[:5])}; "
        f"present: {', '.join(map(str, adata.var_names[:5]))}, ...",
        expected=f"at most {most:.0%} missing; genes named as in training, or by symbol or Entrez id",
        todo="name the genes as in the training data (symbols, say), or allow a larger share (--max-missing)"
        if most
        else "name the genes as in the training data; a run's folder in place of the model fills what is missing",
    )


def check_max_missing(share: float) -> None:
    """Refuse what is no share of the genes of a model."""
    if not 0 <= share <= 1:
        raise InputError(
            f"{share:g} is no share of a model's genes.",
            where=f"max_missing={share:g} (--max-missing)",
            expected="a number from 0 (no gene may be missing) to 1",
            todo="correct it, or leave it out (0.2)",
        )


def check_scale(adata: AnnData, preprocessing: Preprocessing) -> None:
    """Refuse samples whose values are on another scale than those that the preprocessing was learned from."""
    check_values(adata)
    positions, _ = match_genes(adata, preprocessing.genes, preprocessing.entrez)
    found = positions >= 0
    if not found.any():
        return  # told by `check_missing`
    columns = positions[found]
    if is_lazy(adata.X):
        import dask

        rows = densely(adata.X).rechunk({1: -1})  # the depth of a library is the sum of a whole row
        values = rows[:, columns]
        looked = [np.nanmin(values), np.nanmax(values), (np.isnan(values) | (values == np.rint(values))).all()]
        shares = rows.map_blocks(depth_shares, columns, drop_axis=1, dtype=np.float64)
        low, high, whole, shares = dask.compute(*looked, shares if preprocessing.counted else None)
    else:
        values = dense(adata.X[:, columns])
        low, high, whole = np.nanmin(values), np.nanmax(values), are_whole(values)
        shares = depth_shares(dense(adata.X), columns) if preprocessing.counted else None
    if shares is not None:
        check_depth(shares, adata.n_vars, preprocessing, source_name(adata))
    check_range(float(low), float(high), bool(whole), preprocessing, source_name(adata))


def are_whole(values: np.ndarray) -> bool:
    """Whether all values that there are are whole numbers."""
    return bool((np.isnan(values) | (values == np.rint(values))).all())


def check_depth(shares: np.ndarray, n_genes: int, preprocessing: Preprocessing, source: str) -> None:
    """Refuse counts that lack so many of the other genes that their sum does not tell the depth of the library.

    `shares` are the shares of the genes of the model in the sums of the samples, which have `n_genes`.
    """
    share = float(np.nanmedian(shares)) if np.isfinite(shares).any() else 0.0
    if 2 * n_genes >= preprocessing.counted or share <= 1.25 * preprocessing.depth_share:
        return
    raise InputError(
        "The depth of these libraries cannot be told: most genes that the model does not read are not there.",
        where=f"{source}: {n_genes:,} genes, {share:.0%} of the reads of the median sample in those of the model; in "
        f"training {preprocessing.counted:,} genes, {preprocessing.depth_share:.1%}",
        expected="counts of all genes that were counted, since the model reads counts per million",
        todo="give the whole table of counts; or go on without this check (--any-range, check_range=False)",
    )


def check_range(low: float, high: float, whole: bool, preprocessing: Preprocessing, source: str) -> None:
    """As `check_scale`, of samples of which the range is known, whether all are whole numbers, and their source."""
    if np.isinf(low) or np.isinf(high):  # of a Dask array; others are refused with the place
        raise InputError(
            "There are infinite values.",
            where=f"{source}: values from {low:.4g} to {high:.4g}",
            expected="finite numbers, or NaN where a value is missing",
            todo="look where they come from (a division by zero, the logarithm of zero); correct or remove them",
        )
    trained_low, trained_high = _training_range(preprocessing)
    # Of values around zero a sample always has negative ones; of others that dip below it a few samples may have none.
    centred = abs(float(np.mean(preprocessing.mean))) < CENTRED * (trained_high - trained_low)
    problem = _another_scale(low, high, trained_low, trained_high, preprocessing.transform != "none", centred, whole)
    if problem is None and whole and low == 0.0 and high >= FEW_READS and _of_logarithms(preprocessing):
        problem = "they are counts, and the model was trained on logarithms", "give what the training data were"
    if problem is None:
        return
    logged = " after log2(x + 1)" if preprocessing.transform != "none" else ""
    raise InputError(
        f"The samples are on another scale than the training data: {problem[0]}.",
        where=f"{source}: values from {low:.4g} to {high:.4g}; "
        f"in training{logged} from {trained_low:.4g} to {trained_high:.4g}",
        expected="values as the training data came",
        todo=f"{problem[1]}; or go on without this check (--any-range, check_range=False) if you know better",
    )


def _another_scale(
    low: float, high: float, trained_low: float, trained_high: float, logged: bool, centred: bool, whole: bool
) -> tuple[str, str] | None:
    """What tells two scales apart, and the way from one to the other; None if they may be the same."""
    if low < -1 and trained_low >= -0.01:
        return (
            "they have negative values, as z-scores and centred values do",
            "give the values before they were centred",
        )
    if low >= 0 and trained_low < -1 and centred:
        return "the training data had negative values, and they have none", "centre them as the training data were"
    if logged:
        # Whole numbers are no logarithms, but a few counts of a cell.
        if not whole and high <= LOG_MAXIMUM and 2.0**trained_high > 50 * max(high, 1.0):
            return "they look like logarithms, and the model takes the logarithm itself", "give linear values (2^x - 1)"
        return None
    if high > LOG_MAXIMUM >= trained_high and high > 2 * trained_high:
        return "they look linear, and the model was trained on logarithms", "give log2(x + 1)"
    if high <= LOG_MAXIMUM < trained_high and high < trained_high / 50:
        return "they look like logarithms, and the model was trained on linear values", "give linear values"
    if low >= 0 and high <= 1 and trained_high > 4:
        return "they lie in [0, 1], as scaled values do", "give the values before they were scaled"
    return None


def _of_logarithms(preprocessing: Preprocessing) -> bool:
    """Whether the training data were logarithms, and no whole numbers such as those of rounded ones."""
    ends = np.concatenate([preprocessing.lowest, preprocessing.highest])
    return preprocessing.scale == "log2" and len(ends) > 0 and not are_whole(ends)


def _training_range(preprocessing: Preprocessing) -> tuple[float, float]:
    """The range of the training values on the transformed scale; of their means where only these are known."""
    low, high = preprocessing.lowest, preprocessing.highest  # empty in files of older versions
    if not len(low) and preprocessing.scaling == "zero-one":
        low, high = preprocessing.minimum, preprocessing.minimum + preprocessing.span
    elif not len(low):
        low = high = preprocessing.mean
    return float(np.min(low)), float(np.max(high))


def _assemble(
    adata: AnnData, values: np.ndarray, genes: Sequence[str], absent: np.ndarray, notes: list[str]
) -> AnnData:
    import pandas as pd
    from anndata import AnnData

    aligned = AnnData(values, obs=adata.obs.copy(), var=pd.DataFrame({"filled": absent}, index=pd.Index(list(genes))))
    source = dict(adata.uns.get("source", {}))
    aligned.uns["source"] = {**source, "notes": [*map(str, source.get("notes", [])), *notes]}
    return aligned


def _names_of(model: Any) -> np.ndarray:
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        raise InputError(
            "Samples cannot be aligned to this: it does not know the names of its genes.",
            where=f"an object of type {type(model).__name__}",
            expected="the folder of a run, its Preprocessing, or an estimator that was fitted on a DataFrame",
            todo="give one of these",
        )
    return names


@lru_cache(maxsize=1)
def _table() -> tuple[dict[str, str], frozenset[str]]:
    """Entrez ids by symbol, and all of them."""
    table = gene_table()
    return dict(zip(table["symbol"], table["entrez"], strict=True)), frozenset(table["entrez"])
