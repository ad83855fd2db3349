"""Two groups of samples in the latent space: what differs between them, as features, as genes, as signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latentome.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from latentome.estimators import BaseAutoencoder


def contrast(
    adata: AnnData, model: BaseAutoencoder, family: str, groups: tuple[str, str, str], cutoff: float
) -> dict[str, pd.DataFrame]:
    """Compare two groups of samples: a column of ``obs`` and two of its groups.

    `adata` is scaled expression, with the features of the model in ``obsm`` and their loadings in ``varm``. Gives
    ``difference`` (of features), ``difference_genes`` (decoded), ``differential_activity`` and ``marginal_activity``
    (of signatures; not where none has a gene).
    """
    from latentome import tl

    key, weights = f"X_{family}", f"{family}_loadings"
    tables = {
        "difference": tl.group_difference(adata, key, *groups),
        "difference_genes": tl.decoded_difference(adata, model, key, *groups),
    }
    try:
        tl.activity(adata, weights, cutoff=cutoff)
    except InputError:  # no signature has a gene: features and genes differ all the same
        return tables
    tables["differential_activity"] = tl.differential_activity(adata, *groups)
    tables["marginal_activity"] = tl.marginal_activity(adata, weights, *groups, cutoff=cutoff)
    return tables
