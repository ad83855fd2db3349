"""Representations in an AnnData, and the names of their features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latentome.errors import check_known

if TYPE_CHECKING:
    from anndata import AnnData


def representation(adata: AnnData, use_rep: str) -> np.ndarray:
    """Give a representation in ``obsm`` by its key, such as ``X_vae``: float64, samples x features."""
    return _find(adata, "obsm", use_rep, "There is no representation", "encode the samples first")


def feature_names(adata: AnnData, use_rep: str) -> list[str]:
    """Name the features of a representation as the tables of a run do: ``vae_1``, ``vae_2``, and so on."""
    return [f"{use_rep.removeprefix('X_')}_{i + 1}" for i in range(adata.obsm[use_rep].shape[1])]


def loading_names(adata: AnnData, loadings_key: str) -> tuple[np.ndarray, list[str]]:
    """Give loadings in ``varm``, genes x features, float64, by their key, such as ``vae_loadings``; and their names."""
    todo = "put genes x features there, such as latentome.tl.loadings gives them"
    weights = _find(adata, "varm", loadings_key, "There are no loadings", todo)
    prefix = loadings_key.removesuffix("_loadings")
    return weights, [f"{prefix}_{i + 1}" for i in range(weights.shape[1])]


def _find(adata: AnnData, where: str, key: str, missing: str, todo: str) -> np.ndarray:
    arrays = getattr(adata, where)
    check_known(key, arrays.keys(), f"{missing} '{key}'.", where=f"adata.{where}", todo=f"{todo}, or name one of these")
    return np.asarray(arrays[key], dtype=np.float64)
