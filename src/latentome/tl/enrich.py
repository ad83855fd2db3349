"""Which gene sets a signature stands for: over-representation, a rank test over all loadings, scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from latentome.errors import InputError, check_known, of_anndata
from latentome.tl.features import loading_names
from latentome.tl.ranks import adjust, compare_groups, rank
from latentome.tl.scores import METHODS, score_sets
from latentome.tl.signatures import CUTOFF, sides

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from scipy.sparse import csr_array

#: Sets with fewer or more measured genes say little: one gene decides, or everything belongs to it.
MIN_GENES, MAX_GENES = 5, 500


@of_anndata
def enrich(
    adata: AnnData,
    loadings_key: str,
    gene_sets: Mapping[str, Sequence[str]],
    *,
    method: str = "over-representation",
    cutoff: float | None = None,
    min_genes: int = MIN_GENES,
    max_genes: int = MAX_GENES,
    key_added: str = "enrich",
    rng: int = 0,
) -> pd.DataFrame:
    """Test every side of every feature for every gene set.

    Parameters
    ----------
    adata
        With the genes that were measured, which are the background. Gains ``uns[key_added]``.
    loadings_key
        The key in ``varm`` of the loadings, such as ``vae_loadings``.
    gene_sets
        As `read_gmt` gives them.
    method
        ``over-representation``: the genes of the signature (`signatures`) against the background, by the hypergeometric
        distribution. ``rank``: the loadings of the genes of a set against those of all other genes, by the
        Mann-Whitney test, one-sided on each side; it needs no cutoff. Or a method of decoupler on all loadings (extra
        ``enrich``): aucell, gsea, gsva, mlm, ora, ulm, viper, waggr, zscore.
    cutoff
        Of the signature, in standard deviations; as in `signatures` by default.
    min_genes, max_genes
        Only sets with this many measured genes are tested.
    key_added
        Name of the result.
    rng
        Seed of the methods of decoupler that permute.

    Returns
    -------
    One row for each test: ``feature``, ``side``, ``set``, ``overlap``, ``set_size`` (measured genes of the set),
    ``list_size``, ``effect`` (how many times the overlap that chance gives, or AUROC), ``p``, ``q``
    (Benjamini-Hochberg over all tests of the call), ``genes``. Sorted by feature, side and p. Over-representation lists
    only sets that have a gene of the signature; the others have p = 1 and count in the adjustment. The rank test has no
    ``overlap``, ``list_size`` and ``genes``. Of a method of decoupler ``effect`` is its score, sets with a positive one
    are listed, there is no ``p`` either, and ``q`` is adjusted within each side of a feature, as decoupler does.

    Raises
    ------
    InputError
        If there are no such loadings or method, no set has enough of the measured genes, or decoupler is not there.
    """
    import pandas as pd

    known = ("over-representation", "rank", *METHODS)
    check_known(method, known, f"There is no method '{method}'.", where=f"method='{method}'")
    weights, names = loading_names(adata, loadings_key)
    genes = np.asarray(adata.var_names.astype(str))
    tested, member = measured_sets(gene_sets, genes, min_genes, max_genes)
    cutoff = CUTOFF if cutoff is None else cutoff if np.ndim(cutoff) else float(cutoff)
    if method == "rank":
        parts = _rank_test(weights, tested, member)
    elif method == "over-representation":
        parts = _hypergeometric(np.hstack(sides(weights, cutoff)), genes, tested, member)
    else:
        parts = score_sets(method, weights, genes, tested, member, min_genes, rng)
    lists = [(name, side) for side in ("positive", "negative") for name in names]
    for part, (name, side) in zip(parts, lists, strict=True):
        part.insert(0, "feature", name)
        part.insert(1, "side", side)
    k = len(names)
    table = pd.concat([part for pair in zip(parts[:k], parts[k:], strict=True) for part in pair], ignore_index=True)
    params = {"loadings_key": loadings_key, "method": method, "cutoff": cutoff, "n_sets": len(tested)}
    adata.uns[key_added] = {"params": {**params, "min_genes": min_genes, "max_genes": max_genes}, "table": table}
    return table


def over_representation(
    genes: Iterable[str],
    background: Iterable[str],
    gene_sets: Mapping[str, Sequence[str]],
    *,
    min_genes: int = MIN_GENES,
    max_genes: int = MAX_GENES,
) -> pd.DataFrame:
    """Test one list of genes for every gene set.

    Parameters
    ----------
    genes
        The list, such as one side of a signature.
    background
        All genes that could have been on the list: those that were measured.
    gene_sets
        As `read_gmt` gives them.
    min_genes, max_genes
        Only sets with this many genes of the background are tested.

    Returns
    -------
    As of `enrich`, without ``feature`` and ``side``.

    Raises
    ------
    InputError
        If a gene of the list is not in the background, or no set has enough genes of it.
    """
    background = np.array(list(dict.fromkeys(background)), dtype=object).astype(str)
    listed = np.array(list(dict.fromkeys(genes)), dtype=object).astype(str)
    foreign = sorted(set(listed) - set(background))
    if foreign:
        raise InputError(
            f"{len(foreign)} genes of the list are not in the background.",
            where=f"{', '.join(foreign[:5])}{', ...' if len(foreign) > 5 else ''}",
            expected="a list of genes that were measured, and all genes that were measured as the background",
            todo="give the background from which the list was chosen",
        )
    tested, member = measured_sets(gene_sets, background, min_genes, max_genes)
    return _hypergeometric(np.isin(background, listed)[:, None], background, tested, member)[0]


def measured_sets(
    gene_sets: Mapping[str, Sequence[str]], genes: np.ndarray, min_genes: int = MIN_GENES, max_genes: int = MAX_GENES
) -> tuple[list[str], csr_array]:
    """Find the genes of each set among those that were measured; sets with too few or too many of them are left out.

    Gives names of the sets, and a sparse matrix of ones, sets x genes. That no set is left is refused.
    """
    from scipy.sparse import csr_array

    at = {gene: i for i, gene in enumerate(genes)}
    if len(at) < len(genes):
        twice = sorted(gene for gene, times in Counter(genes).items() if times > 1)
        raise InputError(
            "Genes have the same name, so that it is not clear which of them is in a gene set.",
            where=f"{len(twice)} names, such as {', '.join(twice[:3])}",
            expected="one gene of each name",
            todo="keep one gene of each, or sum them, before the model is trained",
        )
    found = {name: [at[gene] for gene in dict.fromkeys(members) if gene in at] for name, members in gene_sets.items()}
    most = min(max_genes, len(genes) - 1)  # a set of all genes is compared with none
    kept = {name: rows for name, rows in found.items() if min_genes <= len(rows) <= most}
    if not kept:
        most = max((len(rows) for rows in found.values()), default=0)
        theirs = next((members[0] for members in gene_sets.values() if members), "none")
        raise InputError(
            "No gene set can be tested." if most else "No gene set has a gene that was measured.",
            where=f"{len(gene_sets)} sets with genes such as {theirs}; {len(genes)} measured genes such as {genes[0]}; "
            f"the largest overlap is {most}",
            expected=f"sets with {min_genes} to {max_genes} measured genes, named as in the data",
            todo="use sets of the same kind of names (symbols or ids), or change min_genes and max_genes",
        )
    rows = np.repeat(np.arange(len(kept)), [len(members) for members in kept.values()])
    columns = np.concatenate(list(kept.values()))
    return list(kept), csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(kept), len(genes)))


def _hypergeometric(chosen: np.ndarray, genes: np.ndarray, tested: list[str], member: csr_array) -> list[pd.DataFrame]:
    """Over-representation of lists of genes; `chosen` is boolean, genes x lists."""
    import pandas as pd
    from scipy.stats import hypergeom

    n, drawn = chosen.shape[0], chosen.sum(axis=0)
    size = np.asarray(member.sum(axis=1)).astype(int)
    overlap = (member @ chosen.astype(np.float64)).astype(int)
    p = np.minimum(1.0, hypergeom.sf(overlap - 1, n, size[:, None], drawn))
    q = adjust(p.ravel()).reshape(p.shape)
    parts = []
    for j in range(chosen.shape[1]):
        shown = np.flatnonzero(overlap[:, j])
        shown = shown[np.lexsort((-overlap[shown, j], p[shown, j]))]
        inside = member[shown].toarray().astype(bool) & chosen[:, j]
        part = {
            "set": np.array(tested, dtype=object)[shown],
            "overlap": overlap[shown, j],
            "set_size": size[shown],
            "list_size": int(drawn[j]),
            "effect": overlap[shown, j] * n / (size[shown] * max(int(drawn[j]), 1)),
            "p": p[shown, j],
            "q": q[shown, j],
            "genes": [",".join(genes[row]) for row in inside],
        }
        parts.append(pd.DataFrame(part))
    return parts


def _rank_test(weights: np.ndarray, tested: list[str], member: csr_array) -> list[pd.DataFrame]:
    """Whether the genes of a set have larger loadings than other genes; then, whether they have smaller ones."""
    import pandas as pd

    inside = member.toarray().astype(bool).T
    auroc, both = compare_groups(rank(weights), inside)
    larger = np.where(auroc > 0.5, both / 2.0, 1.0 - both / 2.0)
    smaller = np.where(auroc < 0.5, both / 2.0, 1.0 - both / 2.0)
    p = np.hstack([larger, smaller])
    q, parts = adjust(p.ravel()).reshape(p.shape), []
    for j, effect in enumerate(np.hstack([auroc, auroc]).T):
        order = np.argsort(p[:, j], kind="stable")
        rows = {"set": np.array(tested, dtype=object), "set_size": inside.sum(axis=0), "effect": effect}
        parts.append(pd.DataFrame({k: v[order] for k, v in {**rows, "p": p[:, j], "q": q[:, j]}.items()}))
    return parts
