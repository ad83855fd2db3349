"""What happened to the genes of a tumour: mutations, copy-number gains and losses, and both together."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from latentome.datasets import oncokb_genes
from latentome.errors import InputError, nearest
from latentome.io.files import check_exists, check_text
from latentome.io.unpack import UNPACK_ERRORS, open_unpacked
from latentome.pp.tcga.rows import open_wide

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix

#: Effects that change a protein or its amount, as the published processing chooses them.
EFFECTS = (
    *("Frame_Shift_Del", "Frame_Shift_Ins", "In_Frame_Del", "In_Frame_Ins", "Missense_Mutation"),
    *("Nonsense_Mutation", "Nonstop_Mutation", "RNA", "Splice_Site", "Translation_Start_Site"),
)


class Calls(NamedTuple):
    """A table of 0 and 1.

    Parameters
    ----------
    samples, genes
        Names of the rows and of the columns, sorted as in the published tables.
    matrix
        Samples x genes, int8.
    """

    samples: list[str]
    genes: list[str]
    matrix: csr_matrix


def read_mutations(path: Path) -> pd.DataFrame:
    """Read a list of mutations and keep those that matter.

    Parameters
    ----------
    path
        ``PANCAN_mutation`` of UCSC Xena: one row a mutation, with the columns ``#sample`` (or ``sample``), ``chr``,
        ``gene`` and ``effect`` among others.

    Returns
    -------
    The columns sample, chr and gene of the mutations whose effect is one of `EFFECTS`.

    Raises
    ------
    InputError
        If a column is missing, or no effect is known.
    """
    import pandas as pd

    check_exists(path)
    check_text(path)
    wanted = {"#sample": "sample", "sample": "sample", "chr": "chr", "gene": "gene", "effect": "effect"}
    try:
        # Text throughout: chromosomes are 1 and X, and genes may be named NA. Quotes mean nothing in this format.
        with open_unpacked(path) as stream:
            table = pd.read_csv(
                stream,
                sep="\t",
                usecols=lambda name: name in wanted,
                dtype="category",
                quoting=csv.QUOTE_NONE,
                keep_default_na=False,
            )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, *UNPACK_ERRORS) as failure:
        raise InputError(
            f"{path.name} cannot be read as a list of mutations",
            where=f"{path}: {failure}",
            expected="a complete table with tabs between its columns",
            todo="fetch it again: it may be cut off",
        ) from failure
    table = table.rename(columns=wanted)
    for column in ("sample", "chr", "gene", "effect"):
        if column not in table:
            raise InputError(
                f"{path.name} has no column '{column}'",
                where=str(path),
                expected="a list of mutations with the columns sample, chr, gene and effect",
                todo=nearest(column, table.columns),
            )
    kept = table[table["effect"].isin(EFFECTS)]
    if kept.empty:
        raise InputError(
            f"{path.name} has no mutation of a known effect",
            where=f"{path}: effects {', '.join(map(str, table['effect'].cat.categories[:5]))}",
            expected=f"effects such as {EFFECTS[4]}",
            todo="check that it is the right file",
        )
    return kept.drop(columns="effect")


def mutation_burden(mutations: pd.DataFrame) -> pd.Series:
    """Count the mutations of each sample.

    Parameters
    ----------
    mutations
        As :func:`read_mutations` returns them.

    Returns
    -------
    log10 of the number of mutations, ``log10_mut``, by sample (``SAMPLE_BARCODE``), sorted.
    """
    counts = mutations["sample"].astype(object).value_counts().sort_index()
    counts = counts[counts.index != ""]
    return np.log10(counts).rename("log10_mut").rename_axis("SAMPLE_BARCODE")


def mutated_genes(mutations: pd.DataFrame) -> Calls:
    """Tell which genes are mutated in which samples.

    Parameters
    ----------
    mutations
        As :func:`read_mutations` returns them. A row without a chromosome or a gene tells nothing, as in the published
        table.
    """
    import pandas as pd

    whole = mutations[(mutations[["sample", "chr", "gene"]] != "").all(axis=1)]
    rows, samples = pd.factorize(whole["sample"].astype(object), sort=True)
    columns, genes = pd.factorize(whole["gene"].astype(object), sort=True)
    return Calls(list(samples), list(genes), _ones(rows, columns, (len(samples), len(genes))))


def read_copy_number(path: Path) -> tuple[Calls, Calls]:
    """Read thresholded copy numbers.

    Parameters
    ----------
    path
        Genes x samples, -2 (deep loss) to 2 (high gain), as GISTIC2 makes them.

    Returns
    -------
    Gains: 1 where the value is 2. Losses: 1 where it is -2. Samples in the order of their barcodes, genes in the order
    of the file.

    Raises
    ------
    InputError
        If it is no such table, or holds anything but whole numbers from -2 to 2.
    """
    wide = open_wide(path)
    genes: list[str] = []
    found: dict[int, tuple[list[np.ndarray], list[np.ndarray]]] = {2: ([], []), -2: ([], [])}
    for gene, values in wide.rows:
        whole = np.nan_to_num(values).astype(np.int8)
        if (whole != np.nan_to_num(values)).any() or np.abs(whole).max() > 2:
            raise InputError(
                f"{path.name} holds other numbers than thresholded copy numbers",
                where=f"{path}, gene '{gene}': {np.nanmin(values):g} to {np.nanmax(values):g}",
                expected="-2, -1, 0, 1 or 2",
                todo="give the file 'all_thresholded.by_genes' of GISTIC2",
            )
        for level, (rows, columns) in found.items():
            hit = np.flatnonzero(whole == level)
            rows.append(hit)
            columns.append(np.full(len(hit), len(genes)))
        genes.append(gene)
    shape = (len(wide.samples), len(genes))
    gains, losses = (
        Calls(wide.samples, genes, _ones(np.concatenate(rows), np.concatenate(columns), shape))
        for rows, columns in found.values()
    )
    return gains, losses


def status_matrix(mutations: Calls, gains: Calls, losses: Calls, oncokb: pd.DataFrame | None = None) -> Calls:
    """Tell in which samples a gene is altered: mutated, an oncogene gained, or a tumour suppressor gene lost.

    Parameters
    ----------
    mutations, gains, losses
        As :func:`mutated_genes` and :func:`read_copy_number` return them.
    oncokb
        Gene types, as `latentome.datasets.oncokb_genes` gives them, which is the default.

    Returns
    -------
    Samples that have both kinds of data, x the genes of `mutations`. Copy numbers of genes that are both oncogene and
    tumour suppressor gene (NOTCH1, NOTCH2) do not count.
    """
    types = oncokb_genes() if oncokb is None else oncokb
    both = types["oncogene"] & types["tsg"]
    copies = set(gains.samples)
    samples = [sample for sample in mutations.samples if sample in copies]
    total = mutations.matrix[_positions(mutations.samples, samples)]
    for calls, kind in ((gains, "oncogene"), (losses, "tsg")):
        total = total + _only(calls, types.index[types[kind] & ~both], samples, mutations.genes)
    total.data = np.minimum(total.data, 1).astype(np.int8)
    return Calls(samples, mutations.genes, total.tocsr())


def _only(calls: Calls, wanted: pd.Index, samples: list[str], genes: list[str]) -> csr_matrix:
    """Some samples and genes of a table, in the columns of another one; all other cells 0."""
    from scipy.sparse import csr_matrix

    place = {gene: column for column, gene in enumerate(genes)}
    here = {gene: column for column, gene in enumerate(calls.genes)}
    common = [gene for gene in wanted if gene in place and gene in here]
    part = calls.matrix[_positions(calls.samples, samples)].tocsc()[:, [here[gene] for gene in common]].tocoo()
    columns = np.array([place[gene] for gene in common], dtype=int)[part.col]
    return csr_matrix((part.data, (part.row, columns)), shape=(len(samples), len(genes)), dtype=np.int8)


def _positions(names: list[str], wanted: list[str]) -> list[int]:
    place = {name: i for i, name in enumerate(names)}
    return [place[name] for name in wanted]


def _ones(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> csr_matrix:
    """A matrix that is 1 at these places, however often they are named."""
    from scipy.sparse import csr_matrix

    # Made with wide counts, which add up where a place is named twice; int8 would overflow.
    matrix = csr_matrix((np.ones(len(rows), dtype=np.int32), (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    return csr_matrix((np.ones(matrix.nnz, dtype=np.int8), matrix.indices, matrix.indptr), shape=shape)
