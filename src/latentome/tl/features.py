"""Representations in an AnnData, and the names of their features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latentome.errors import InputError, check_known

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
    values = np.asarray(arrays[key], dtype=np.float64)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        names = adata.obs_names if where == "obsm" else adata.var_names
        raise InputError(
            f"'{key}' has values that are not finite.",
            where=f"adata.{where}, {int((~np.isfinite(values)).sum())} values; the first is {values[row, column]} of "
            f"{names[row]}, column {column + 1}",
            expected="finite numbers",
            todo="leave these rows out, or compute them anew",
        )
    return values


def check_training(training: np.ndarray, n_samples: int) -> np.ndarray:
    """Give which samples are for training as booleans; refuse numbers, which would be taken for positions."""
    mask = np.asarray(training)
    if mask.dtype == object and all(isinstance(value, bool | np.bool_) for value in mask):
        mask = mask.astype(bool)
    if mask.dtype != bool or mask.shape != (n_samples,):
        raise InputError(
            "What says which samples are for training is no list of booleans.",
            where=f"training: {mask.dtype}, shape {mask.shape}",
            expected=f"True or False for each of {n_samples} samples",
            todo="compare first, such as with obs['split'] == 'train'; 0 and 1 become booleans with .astype(bool)",
        )
    return mask
