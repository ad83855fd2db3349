"""Genes that features treat alike: a network of them, and the neighbours of a gene or of a sample."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from latentome.errors import InputError, check_known, of_anndata
from latentome.io import write_bytes, write_json
from latentome.tl.features import loading_names, representation

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

#: Pairs of genes are taken in blocks of so many genes, which bounds the memory.
BLOCK = 2000


@of_anndata
def gene_network(
    adata: AnnData, loadings_key: str, *, least: float = 0.8, key_added: str | None = None
) -> pd.DataFrame:
    """Join genes whose loadings go together over the features.

    Parameters
    ----------
    adata
        With the loadings in ``varm``. Gains ``varp[key_added]`` (sparse, genes x genes) where that is given.
    loadings_key
        Their key.
    least
        The smallest absolute correlation of two genes that is an edge. Each feature counts the same.
    key_added
        Name of the result.

    Returns
    -------
    One row for each edge, the strongest first: ``one``, ``other``, ``correlation``.

    Raises
    ------
    InputError
        If there are no such loadings, or fewer than 3 features.
    """
    import pandas as pd
    from scipy.sparse import coo_array

    z = _gene_profiles(*loading_names(adata, loadings_key))
    rows, columns, values = [], [], []
    for start in range(0, len(z), BLOCK):
        block = z[start : start + BLOCK] @ z.T
        i, j = np.nonzero(np.abs(block) >= least)
        upper = j > i + start
        rows.append(i[upper] + start)
        columns.append(j[upper])
        values.append(block[i[upper], j[upper]])
    i, j, r = np.concatenate(rows), np.concatenate(columns), np.clip(np.concatenate(values), -1.0, 1.0)
    if key_added is not None:
        half = coo_array((r, (i, j)), shape=(len(z), len(z)))
        adata.varp[key_added] = (half + half.T).tocsr()
    order, genes = np.argsort(-np.abs(r), kind="stable"), np.asarray(adata.var_names.astype(object))
    return pd.DataFrame({"one": genes[i[order]], "other": genes[j[order]], "correlation": r[order]})


def write_network(path: str | os.PathLike[str], edges: pd.DataFrame) -> None:
    """Write a network of genes for Cytoscape, Gephi and others.

    Parameters
    ----------
    path
        ``.graphml``, or ``.json`` (nodes and links, as d3 takes them).
    edges
        As `gene_network` gives them.

    Raises
    ------
    InputError
        If the name of the file says neither.
    """
    text, genes = str(path), list(dict.fromkeys([*edges["one"], *edges["other"]]))
    pairs = list(zip(edges["one"], edges["other"], edges["correlation"].astype(float), strict=True))
    if text.endswith(".json"):
        links = [{"source": a, "target": b, "correlation": r} for a, b, r in pairs]
        write_json(path, {"nodes": [{"id": gene} for gene in genes], "links": links})
        return
    if not text.endswith(".graphml"):
        raise InputError(
            "It is not clear how to write the network.",
            where=text,
            expected="a name that ends in .graphml or .json",
            todo="give the file such a name",
        )
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
        '<key id="r" for="edge" attr.name="correlation" attr.type="double"/>',
        '<graph id="genes" edgedefault="undirected">',
        *(f"<node id={quoteattr(str(gene))}/>" for gene in genes),
        *(
            f'<edge source={quoteattr(str(a))} target={quoteattr(str(b))}><data key="r">{escape(repr(r))}</data></edge>'
            for a, b, r in pairs
        ),
        "</graph>",
        "</graphml>",
    ]
    write_bytes(path, ("\n".join(lines) + "\n").encode("utf-8"))


@of_anndata
def nearest_genes(adata: AnnData, loadings_key: str, gene: str, k: int = 10) -> pd.DataFrame:
    """Find the genes that features treat most like one gene.

    Parameters
    ----------
    adata
        With the loadings in ``varm``.
    loadings_key
        Their key.
    gene
        Name of the gene.
    k
        How many to give.

    Returns
    -------
    ``gene`` and ``correlation`` of the loadings over the features, the largest first.

    Raises
    ------
    InputError
        If there is no such gene or several, or no such loadings, fewer than 3 features, or `k` is below 1.
    """
    import pandas as pd

    genes = np.asarray(adata.var_names.astype(object))
    what = f"There is no gene '{gene}'."
    check_known(gene, genes, what, where=f"{len(genes)} genes", todo="name a gene of the model")
    _check_number(k)
    if (genes == gene).sum() > 1:
        raise InputError(
            f"There are several genes '{gene}'.",
            where=f"{int((genes == gene).sum())} of {len(genes)} genes have this name",
            expected="one",
            todo="make the names unique (adata.var_names_make_unique())",
        )
    z = _gene_profiles(*loading_names(adata, loadings_key))
    at = int(np.flatnonzero(genes == gene)[0])
    correlation = np.clip(z @ z[at], -1.0, 1.0)
    order = [i for i in np.argsort(-correlation, kind="stable") if i != at][:k]
    return pd.DataFrame({"gene": genes[order], "correlation": correlation[order]})


@of_anndata
def nearest_samples(adata: AnnData, use_rep: str, codes: np.ndarray, k: int = 5) -> pd.DataFrame:
    """Find the samples whose features are nearest to those of others.

    Parameters
    ----------
    adata
        The samples to search, with the representation in ``obsm``.
    use_rep
        Its key, such as ``X_vae``.
    codes
        Features of the samples to find neighbours of, samples x components.
    k
        How many to give for each; all if there are fewer.

    Returns
    -------
    One row for each pair: ``query`` (row number in `codes`), ``rank`` (from 1), ``sample``, ``distance`` (Euclidean).

    Raises
    ------
    InputError
        If there is no such representation, `codes` are none of it, or `k` is below 1.
    """
    import pandas as pd
    from sklearn.neighbors import NearestNeighbors

    known, codes = representation(adata, use_rep), np.asarray(codes, dtype=np.float64)
    _check_number(k)
    if codes.ndim != 2 or codes.shape[1] != known.shape[1] or not np.isfinite(codes).all():
        raise InputError(
            f"These codes are none of '{use_rep}'.",
            where=f"an array of shape {codes.shape}, {int((~np.isfinite(codes)).sum())} values not finite",
            expected=f"samples x {known.shape[1]} features, finite numbers",
            todo="pass what transform returned",
        )
    k = min(k, len(known))
    distance, at = NearestNeighbors(n_neighbors=k).fit(known).kneighbors(codes)
    return pd.DataFrame(
        {
            "query": np.repeat(np.arange(len(at)), k),
            "rank": np.tile(np.arange(1, k + 1), len(at)),
            "sample": np.asarray(adata.obs_names.astype(object))[at.ravel()],
            "distance": distance.ravel(),
        }
    )


def _check_number(k: int) -> None:
    if k < 1:
        raise InputError(
            "So many neighbours cannot be given.", where=f"k={k}", expected="1 or more", todo="ask for more"
        )


def _gene_profiles(weights: np.ndarray, names: list[str]) -> np.ndarray:
    """Loadings of each gene over the standardised features, centred and of length 1 (0 for a gene that none moves)."""
    if len(names) < 3:
        raise InputError(
            f"{len(names)} features do not tell genes apart.",
            where=f"loadings of {len(weights)} genes x {len(names)} features",
            expected="3 features or more: of two, any two genes correlate fully",
            todo="train with more latent dimensions",
        )
    deviation = weights.std(axis=0)
    z = (weights - weights.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    z = z - z.mean(axis=1, keepdims=True)
    length = np.linalg.norm(z, axis=1, keepdims=True)
    return z / np.where(length > 0, length, 1.0)
