"""Signatures at work: their activity in samples, the genes they share, and what is left without these."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latentome.errors import InputError, of_anndata
from latentome.io.tasks import dense
from latentome.tl.arithmetic import two_groups, welch
from latentome.tl.features import loading_names
from latentome.tl.ranks import adjust
from latentome.tl.signatures import CUTOFF, sides

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

_MARKS = ("pos", "neg")

#: Lists of equally likely genes that are added: a few signatures do not tell how likely a gene is to be in one.
EQUAL_LISTS = 5


@of_anndata
def activity(
    adata: AnnData, loadings_key: str, *, cutoff: float | np.ndarray = CUTOFF, key_added: str = "activity"
) -> None:
    """Compute how active each side of each signature is in each sample.

    The mean, over the genes of the signature, of the scaled expression times the loading: what ADAGE calls the activity
    of a signature, on any model. A signature without genes has no activity and is left out.

    Parameters
    ----------
    adata
        Scaled expression, samples x genes, with the loadings in ``varm``. Gains ``obsm["X_<key_added>"]`` (samples x
        signatures) and ``uns[key_added]`` with ``params``, ``names`` (``vae_3pos``, ``vae_3neg``, ...) and ``genes``
        (number of genes of each).
    loadings_key
        Their key, such as ``vae_loadings``.
    cutoff
        As of `signatures`.
    key_added
        Name of the result.

    Raises
    ------
    InputError
        If there are no such loadings, or no signature has a gene.

    References
    ----------
    Tan et al. (2017). Cell Systems 5, 63-71.
    """
    weights, chosen, names = _signatures(adata, loadings_key, cutoff)
    key_added = key_added.removeprefix("X_")
    adata.obsm[f"X_{key_added}"] = _activity(dense(adata.X), weights, chosen).astype(np.float32)
    adata.uns[key_added] = {
        "params": {"loadings_key": loadings_key, "cutoff": np.asarray(cutoff)},
        "names": np.array(names, dtype=str),
        "genes": chosen.sum(axis=0),
    }


@of_anndata
def differential_activity(
    adata: AnnData, groupby: str, one: str, other: str, *, use_activity: str = "activity"
) -> pd.DataFrame:
    """Test which signatures differ in activity between two groups of samples.

    Parameters
    ----------
    adata
        After `activity`.
    groupby
        The column of ``obs`` with the groups.
    one, other
        The two groups; 2 samples of each at least.
    use_activity
        Name of the activities.

    Returns
    -------
    One row for each signature, the smallest p first: ``signature``, ``genes``, ``difference`` (one less other), ``t``,
    ``p`` (Welch's test), ``q`` (Benjamini-Hochberg).

    Raises
    ------
    InputError
        If the activities are not there, or there is no such column or group, or a group has fewer than 2 samples.
    """
    import pandas as pd

    if use_activity not in adata.uns or f"X_{use_activity}" not in adata.obsm:
        raise InputError(
            f"There are no activities '{use_activity}'.",
            where="adata.uns",
            expected="what latentome.tl.activity leaves",
            todo="call latentome.tl.activity first",
        )
    values = np.asarray(adata.obsm[f"X_{use_activity}"], dtype=np.float64)
    a, b = (values[rows] for rows in two_groups(adata, groupby, one, other))
    t, p, q = welch(a, b)
    table = pd.DataFrame(
        {
            "signature": np.asarray(adata.uns[use_activity]["names"], dtype=object),
            "genes": adata.uns[use_activity]["genes"],
            "difference": a.mean(axis=0) - b.mean(axis=0),
            "t": t,
            "p": p,
            "q": q,
        }
    )
    return table.sort_values("p", kind="stable", ignore_index=True)


@of_anndata
def signature_overlap(adata: AnnData, loadings_key: str, *, cutoff: float | np.ndarray = CUTOFF) -> pd.DataFrame:
    """Test which signatures share more genes than chance makes them, given how many others each gene is in.

    Genes that vary much are in many signatures. So a gene is as likely in either list of a pair as it is often in the
    other lists, and in five in which all genes are equally likely. The number of shared genes is then nearly Poisson
    distributed. Of two lists alone it has the mean of the hypergeometric distribution.

    Parameters
    ----------
    adata
        With the loadings in ``varm``; its genes are the background.
    loadings_key
        Their key.
    cutoff
        As of `signatures`.

    Returns
    -------
    One row for each pair that shares a gene, the smallest p first: ``one``, ``other``, ``shared``, ``jaccard`` (shared
    over all genes of both), ``expected`` (how many chance gives), ``p``, ``q`` (Benjamini-Hochberg over all pairs).

    Raises
    ------
    InputError
        If there are no such loadings, or no signature has a gene.

    References
    ----------
    Chung and Lu (2002). The average distances in random graphs with given expected degrees. PNAS 99, 15879-15882.
    Saracco et al. (2017). Inferring monopartite projections of bipartite networks: an entropy-based approach. New J.
    Phys. 19, 053022. (shared neighbours, given how many neighbours each node has)
    """
    import pandas as pd
    from scipy.stats import poisson

    _, chosen, names = _signatures(adata, loadings_key, cutoff)
    chosen = chosen.astype(np.float64)
    size = chosen.sum(axis=0)
    shared = chosen.T @ chosen
    i, j = np.triu_indices(len(names), 1)
    weight = chosen.sum(axis=1) + EQUAL_LISTS * size.mean() / len(chosen)  # of a gene: the lists that it is in
    in_list = chosen.T @ weight
    # Sums over the genes of their weights without the pair itself, squared and not.
    squares = np.square(weight).sum() - 2 * (in_list[i] + in_list[j]) + size[i] + size[j] + 2 * shared[i, j]
    expected = size[i] * size[j] * squares / np.square(weight.sum() - size[i] - size[j])
    p = poisson.sf(shared[i, j] - 1, expected)
    table = pd.DataFrame(
        {
            "one": np.array(names, dtype=object)[i],
            "other": np.array(names, dtype=object)[j],
            "shared": shared[i, j].astype(int),
            "jaccard": shared[i, j] / (size[i] + size[j] - shared[i, j]),
            "expected": expected,
            "p": p,
            "q": adjust(p),
        }
    )
    return table[table["shared"] > 0].sort_values("p", kind="stable", ignore_index=True)


@of_anndata
def marginal_activity(
    adata: AnnData,
    loadings_key: str,
    groupby: str,
    one: str,
    other: str,
    *,
    cutoff: float | np.ndarray = CUTOFF,
) -> pd.DataFrame:
    """Test whether a signature differs between two groups by genes of its own, or by those that it shares.

    Parameters
    ----------
    adata
        Scaled expression, samples x genes, with the loadings in ``varm``.
    loadings_key
        Their key.
    groupby, one, other
        As of `differential_activity`.
    cutoff
        As of `signatures`.

    Returns
    -------
    One row for each signature and each other one that it shares genes with: ``signature``, ``without``, ``genes``
    (those left without the shared ones), ``t`` and ``p`` (Welch's test of the activity of these; NaN where none is
    left), ``q`` (Benjamini-Hochberg).

    Raises
    ------
    InputError
        If there are no such loadings, column or group, or a group has fewer than 2 samples.

    References
    ----------
    Tan et al. (2017). ADAGE signature analysis. BMC Bioinformatics 18, 512. (marginal activation)
    """
    import pandas as pd

    weights, chosen, names = _signatures(adata, loadings_key, cutoff)
    rows = two_groups(adata, groupby, one, other)
    shared = chosen.T.astype(np.float64) @ chosen > 0
    np.fill_diagonal(shared, False)
    i, j = np.nonzero(shared)
    alone = chosen[:, i] & ~chosen[:, j]
    t, p = np.full(len(i), np.nan), np.full(len(i), np.nan)
    left = alone.any(axis=0)
    if left.any():
        values = _activity(dense(adata.X), weights[:, i[left]], alone[:, left])
        t[left], p[left], _ = welch(values[rows[0]], values[rows[1]])
    named = np.array(names, dtype=object)
    table = pd.DataFrame(
        {"signature": named[i], "without": named[j], "genes": alone.sum(axis=0), "t": t, "p": p, "q": adjust(p)}
    )
    return table.sort_values(["signature", "without"], kind="stable", ignore_index=True)


def _signatures(
    adata: AnnData, loadings_key: str, cutoff: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Loadings, genes, and names of the signatures that have genes: positive sides, then negative sides."""
    weights, names = loading_names(adata, loadings_key)
    chosen = np.hstack(sides(weights, cutoff))
    kept = np.flatnonzero(chosen.any(axis=0))
    if not len(kept):
        raise InputError(
            "No signature has a gene.",
            where=f"adata.varm['{loadings_key}']: {len(weights)} genes x {len(names)} features; cutoff {cutoff}",
            expected="genes whose loadings are that many standard deviations from the mean",
            todo="take a lower cutoff",
        )
    named = [f"{name}{mark}" for mark in _MARKS for name in names]
    return np.hstack([weights, weights])[:, kept], chosen[:, kept], [named[i] for i in kept]


def _activity(x: np.ndarray, weights: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return np.asarray(x, dtype=np.float64) @ (weights * chosen / chosen.sum(axis=0))
