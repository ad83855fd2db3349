"""Representations in an AnnData, and the names of their features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latentome.errors import InputError, nearest

if TYPE_CHECKING:
    from anndata import AnnData


def representation(adata: AnnData, use_rep: str) -> np.ndarray:
    """Give a representation of the samples.

    Parameters
    ----------
    adata
        With the representation in ``obsm``.
    use_rep
        Its key, such as ``X_vae``.

    Returns
    -------
    float64, samples x features.

    Raises
    ------
    InputError
        If there is no such representation.
    """
    if use_rep not in adata.obsm:
        raise InputError(
            f"There is no representation '{use_rep}'.",
            where="adata.obsm",
            expected=nearest(use_rep, adata.obsm.keys()),
            todo="encode the samples first, or name one of these",
        )
    return np.asarray(adata.obsm[use_rep], dtype=np.float64)


def feature_names(adata: AnnData, use_rep: str) -> list[str]:
    """Name the features of a representation as the tables of a run do: ``vae_1``, ``vae_2``, and so on."""
    return [f"{use_rep.removeprefix('X_')}_{i + 1}" for i in range(adata.obsm[use_rep].shape[1])]


def loading_names(adata: AnnData, loadings_key: str) -> tuple[np.ndarray, list[str]]:
    """Give loadings and the names of their features.

    Parameters
    ----------
    adata
        With the loadings in ``varm``.
    loadings_key
        Their key, such as ``vae_loadings``.

    Returns
    -------
    float64, genes x features; and names as `feature_names` gives them.

    Raises
    ------
    InputError
        If there are no such loadings.
    """
    if loadings_key not in adata.varm:
        raise InputError(
            f"There are no loadings '{loadings_key}'.",
            where="adata.varm",
            expected=nearest(loadings_key, adata.varm.keys()),
            todo="put genes x features there, such as latentome.tl.loadings gives them, or name one of these",
        )
    weights = np.asarray(adata.varm[loadings_key], dtype=np.float64)
    prefix = loadings_key.removesuffix("_loadings")
    return weights, [f"{prefix}_{i + 1}" for i in range(weights.shape[1])]
