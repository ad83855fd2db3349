"""Gene sets scored by the methods of decoupler, an extra."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latentome.errors import InputError, extra
from latentome.tl.ranks import adjust

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

#: The methods, as decoupler names them; those that need further packages are left out.
METHODS = ("aucell", "gsea", "gsva", "mlm", "ora", "ulm", "viper", "waggr", "zscore")


def score_sets(
    method: str, weights: np.ndarray, genes: np.ndarray, tested: list[str], member: csr_array, min_genes: int, rng: int
) -> list[pd.DataFrame]:
    """Score gene sets on the loadings (genes x features) of each feature with a method of decoupler, one of `METHODS`.

    `tested` and `member` are names of the sets, and which genes they have; see `latentome.tl.enrich.measured_sets`.
    Gives a table for the positive side of each feature, then for the negative ones: ``set``, ``set_size``, ``effect``
    (the score), ``q`` (Benjamini-Hochberg within the side of a feature; NaN of methods without a test). A side is
    scored on the loadings turned so that it is positive, and lists the sets with a positive score.

    References
    ----------
    Badia-i-Mompel et al. (2022). decoupleR: ensemble of computational methods to infer biological activities from omics
    data. Bioinform. Adv. 2, vbac016.
    """
    import pandas as pd

    missing = f"The method '{method}' is one of decoupler, which is not installed."
    expected = "the extra 'enrich', or the methods over-representation and rank, which need nothing"
    with extra("enrich", missing, where="import decoupler", expected=expected):
        import decoupler
    both = pd.DataFrame(np.hstack([weights, -weights]).T, columns=genes)
    both.index = [f"{i:06d}" for i in range(len(both))]
    at, of = member.nonzero()
    net = pd.DataFrame({"source": np.array(tested, dtype=object)[at], "target": genes[of], "weight": 1.0})
    # Not 0: decoupler 2.2 takes that as no seed, and then permutes nothing.
    options = {"times": 1000, "seed": rng + 1} if method in ("gsea", "waggr") else {}
    try:
        score, q = getattr(decoupler.mt, method)(both, net, tmin=min_genes, empty=False, **options)
    except (AssertionError, ValueError, np.linalg.LinAlgError) as failure:
        raise InputError(
            f"decoupler's method '{method}' cannot be used on these gene sets.",
            where=f"{len(tested)} sets, {len(genes)} genes: {failure}",
            expected="for mlm, fewer sets than genes, none of which follows from others",
            todo="take another method, or fewer sets",
        ) from failure
    sizes = pd.Series(np.asarray(member.sum(axis=1)).astype(int), index=tested)
    parts = []
    for name in both.index:
        found = score.loc[name]
        rates = pd.Series(np.nan, found.index) if q is None else q.loc[name]
        if q is not None and method == "mlm":  # the one that decoupler leaves as p-values
            rates = pd.Series(adjust(rates.to_numpy()), rates.index)
        table = pd.DataFrame({"set": found.index, "set_size": sizes[found.index], "effect": found, "q": rates})
        order = ["q", "effect"] if q is not None else ["effect"]
        table = table[table["effect"] > 0].sort_values(order, ascending=[*[True] * (len(order) - 1), False])
        parts.append(table.reset_index(drop=True))
    return parts
