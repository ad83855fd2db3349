"""A table as its file has it, and how it becomes samples x genes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentome.errors import InputError
from latentome.io import checks
from latentome.io.genes import Genes, are_row_numbers, note_computed, tidy_genes
from latentome.io.orientation import SAMPLE_HEADS, Orientation, find_orientation
from latentome.io.text import ENTREZ, TextTable

if TYPE_CHECKING:
    from anndata import AnnData

#: Columns of names, of which numbered rows take theirs, the first that there is.
_NAMES = (
    *("gene_symbol", "hugo_symbol", "symbol", "gene_name", "gene", "genes", "gene_id", "geneid"),
    *("ensembl_gene_id", "ensembl_id", "ensembl", "entrez_gene_id", "entrez_id", "entrez", "probe_id", "probe", "name"),
    *("sample_id", "sampleid", "sample", "samples", "barcode", "tcga_id", "cell", "patient_id", "patient"),
)


@dataclass
class Table:
    """Names and values as a file has them, and in notes what was noticed.

    The values are float32 blocks of rows x columns, the rows of all blocks together; they are let go as they are used
    up. `corner` heads the names of the rows. `row_place` and `column_place` say for a position where in the file it is;
    `row_info` and `column_info` are what the file says of each beside its name. Some formats say the orientation.
    """

    rows: list[str]
    columns: list[str]
    values: list[np.ndarray]
    corner: str = ""
    row_place: Callable[[int], str] = field(default=lambda i: f"row {i + 1}")
    column_place: Callable[[int], str] = field(default=lambda i: f"column {i + 1}")
    orientation: Orientation | None = None
    row_info: dict[str, list[str]] = field(default_factory=dict)
    column_info: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def to_anndata(
    path: Path, table: Table, orientation: str, duplicates: str, missing: str, min_samples: int = 2
) -> tuple[AnnData, str, list[str]]:
    """Turn a table, whose values are used up, into samples x genes; with its orientation and what was done.

    The other arguments are those of :func:`latentome.io.read`; names and values that cannot be used are refused.
    """
    import pandas as pd
    from anndata import AnnData

    word, said = _orient(table, orientation)
    turned = word == "genes-by-samples"
    names = (table.columns, table.rows) if turned else (table.rows, table.columns)
    places = (table.column_place, table.row_place) if turned else (table.row_place, table.column_place)
    grid = checks.Grid(path, *names, *places)
    checks.check_samples(grid, min_samples)
    said += checks.check_finite(grid, table.values, turned, missing)
    said += note_computed(grid.samples, "samples")
    genes = tidy_genes(grid.genes, grid.gene_place, path.name, duplicates)
    check_any_gene(path, genes)
    values = _assemble(table.values, turned, genes.keep)
    obs, var = (table.column_info, table.row_info) if turned else (table.row_info, table.column_info)
    kept = np.flatnonzero(genes.keep)
    columns = {name: [told[i] for i in kept] for name, told in var.items() if any(told)}
    columns = {**genes.columns, **columns}  # the file knows its symbols best
    adata = AnnData(
        values,
        obs=pd.DataFrame(obs, index=pd.Index(list(grid.samples), dtype=object)),
        var=pd.DataFrame(columns, index=pd.Index(genes.names, dtype=object)),
    )
    return add_up(adata, genes.sums), word, [*table.notes, *said, *genes.notes]


def name_rows(table: TextTable) -> tuple[list[str], list[str]]:
    """Name the rows by what the table says of them, where their first field does not tell them apart.

    Returns
    -------
    Their names, and what was done. Rows that are numbered take their names from a column of names. Where names are
    missing or there twice, and Entrez ids stand beside them, as in the tables of cBioPortal, they are SYMBOL|ENTREZ.
    """
    rows, heads = table.rows, [head.lower() for head in table.layout.extra]
    column = dict(zip(heads, zip(*table.descriptions, strict=True), strict=False))
    whole = [head for head in _NAMES if head in column and "" not in column[head]]
    named = next((head for head in whole if len(set(column[head])) == len(rows)), whole[0] if whole else None)
    of_samples = table.layout.corner.lower() in SAMPLE_HEADS
    if are_row_numbers(rows) and named is not None and not of_samples:
        return list(column[named]), [f"The rows are numbered; their names are those of the column '{named}'."]
    ids = next((head for head in heads if head in ENTREZ), None)
    if (
        ids is None
        or 2 * sum(map(str.isdigit, column[ids])) <= len(rows)
        or ("" not in rows and len(set(rows)) == len(rows))
    ):
        return rows, []
    pairs = zip(rows, column[ids], strict=True)
    return [f"{name or '?'}|{number}" if number.isdigit() else name for name, number in pairs], [
        f"Rows without a name, or of one name, are told apart by their '{ids}'."
    ]


def add_up(adata: AnnData, groups: list[list[int]]) -> AnnData:
    """Add up the genes of each group into its first one, and leave out the others."""
    if not groups:
        return adata
    from scipy.sparse import csr_array, issparse

    keep, to = np.ones(adata.n_vars, dtype=bool), np.arange(adata.n_vars)
    for first, *others in groups:
        keep[others], to[others] = False, first
        for values in (adata.X, *(layer for layer in adata.layers.values() if not issparse(layer))):
            values[:, first] += values[:, others].sum(axis=1)
    for name, layer in adata.layers.items():
        if issparse(layer):
            adds = csr_array((np.ones(len(to), layer.dtype), (np.arange(len(to)), to)), shape=(len(to), len(to)))
            adata.layers[name] = layer @ adds
    return adata[:, keep].copy()


def check_any_gene(path: Path, genes: Genes) -> None:
    """Refuse a table of which no gene is left."""
    if not genes.names:
        raise InputError(
            f"{path.name} has no gene with a name of its own",
            where=f"{path}: {len(genes.keep)} genes, all named '?' or empty, or dropped as duplicates",
            expected="gene names",
            todo="Export the table with its gene names.",
        )


def _assemble(blocks: list[np.ndarray], turned: bool, keep: np.ndarray) -> np.ndarray:
    """Put blocks together, samples x genes; each block is let go when it is copied, which saves a third matrix."""
    n_rows = sum(map(len, blocks))
    shape = (blocks[0].shape[1], int(keep.sum())) if turned else (n_rows, int(keep.sum()))
    if len(blocks) == 1 and not turned and keep.all():
        return np.ascontiguousarray(blocks.pop())
    values, start, at = np.empty(shape, np.float32), 0, 0
    blocks.reverse()
    while blocks:
        block = blocks.pop()
        if turned:
            chosen = block[keep[start : start + len(block)]]
            values[:, at : at + len(chosen)] = chosen.T
            at += len(chosen)
        else:
            np.compress(keep, block, axis=1, out=values[start : start + len(block)])
        start += len(block)
    return values


def _orient(table: Table, orientation: str) -> tuple[Any, list[str]]:
    if table.orientation is not None and orientation in ("auto", table.orientation):
        return table.orientation, [f"Read as {table.orientation}, as this format is."]
    found, reason = find_orientation(table.rows, table.columns, table.corner)
    if orientation == "auto":
        turned = " The table was transposed." if found == "genes-by-samples" else ""
        return found, [reason + turned]
    notes = [f"Read as {orientation}, as asked."]
    if found != orientation and "shape alone" not in reason:
        notes.append(f"The names suggest {found}.")
    return orientation, notes
