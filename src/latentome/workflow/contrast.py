"""Two groups of samples in the latent space: what differs between them, as features, as genes, as signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latentome.errors import InputError
from latentome.io.tasks import dense
from latentome.pp.split import group_codes
from latentome.tl.covariates import name_of

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from latentome.estimators import BaseAutoencoder


def contrast(
    adata: AnnData,
    model: BaseAutoencoder,
    family: str,
    groups: tuple[str, str, str],
    cutoff: float,
    together: np.ndarray | None = None,
) -> dict[str, pd.DataFrame]:
    """Compare two groups of samples: a column of ``obs`` and two of its groups.

    `adata` is scaled expression, with the features of the model in ``obsm`` and their loadings in ``varm``. Samples
    that belong `together`, as those of a patient do, count once in each group, with their means. Gives ``difference``
    (of features), ``difference_genes`` (decoded), ``differential_activity`` and ``marginal_activity`` (of signatures;
    not where none has a gene).
    """
    from latentome import tl

    key, weights = f"X_{family}", f"{family}_loadings"
    if together is not None and groups[0] in adata.obs:  # that there is no such column, the comparison says
        adata = _once_in_each(adata, together, groups[0], key)
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


def _once_in_each(adata: AnnData, together: np.ndarray, column: str, key: str) -> AnnData:
    """The means of the samples that belong together and have one value of a column: of values and of features."""
    import anndata
    import pandas as pd
    from scipy.sparse import csr_matrix

    known = np.flatnonzero(adata.obs[column].notna().to_numpy())
    values = adata.obs[column].astype(object).map(name_of).to_numpy()[known]
    pairs = pd.DataFrame({"of": group_codes(together)[known], "value": values})
    number = pairs.groupby(["of", "value"]).ngroup().to_numpy()
    counts = np.bincount(number)
    mean = csr_matrix((1.0 / counts[number], (number, known)), shape=(len(counts), adata.n_obs))
    first = pairs.groupby(number)["value"].first().to_numpy()
    return anndata.AnnData(
        (mean @ dense(adata.X)).astype(np.float32),
        obs=pd.DataFrame({column: first}, index=np.arange(len(counts)).astype(str)),
        var=adata.var,
        obsm={key: (mean @ adata.obsm[key]).astype(np.float32)},
        varm=dict(adata.varm),
    )
