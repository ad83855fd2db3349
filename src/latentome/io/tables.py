"""Expression tables: any supported file in, samples x genes out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from latentome.errors import InputError
from latentome.io import checks
from latentome.io.files import check_exists, check_hdf5, check_suffix, check_text, data_suffix, sha256
from latentome.io.genes import Genes, tidy_genes
from latentome.io.orientation import check_orientation, find_orientation
from latentome.io.text import Irregular, find_layout, read_values

if TYPE_CHECKING:
    from anndata import AnnData

_OR_A_DATA_SET = "The name of a data set can be given instead of a file: 'latentome datasets' lists them."


def read(
    path: str | os.PathLike[str],
    *,
    orientation: Literal["auto", "samples-by-genes", "genes-by-samples"] = "auto",
) -> AnnData:
    """Read a table of gene expression.

    Parameters
    ----------
    path
        A table as text (``.tsv``, ``.csv``, ``.txt``, plain or packed as ``.gz``, ``.bz2``, ``.xz``), names in its
        first row and first column, or an AnnData file (``.h5ad``). Any unit: values are not changed.
    orientation
        Which way round the table is. ``auto`` decides from the names (TCGA barcodes, gene symbols, ``SYMBOL|ENTREZ``,
        Ensembl and Entrez ids), then from the heading of the first column, then from the shape. An ``.h5ad`` file is
        samples x genes unless said otherwise.

    Returns
    -------
    Samples x genes, float32. ``var["entrez"]`` where the file names genes ``SYMBOL|ENTREZ``. ``uns["source"]`` holds
    ``name``, ``path``, ``sha256`` (of the file's bytes), ``orientation`` (of the file) and ``notes`` (what was noticed
    and done, as sentences); other keys of an ``uns["source"]`` in an ``.h5ad`` file are kept.

    Raises
    ------
    InputError
        If the file is missing, is not a table, is damaged, holds anything but finite numbers, names a sample or a gene
        twice, or has fewer than 2 samples.
    """
    path = Path(path).expanduser()
    check_orientation(orientation)
    check_exists(path, or_else=_OR_A_DATA_SET)
    check_suffix(path)
    reader = _read_h5ad if data_suffix(path) == ".h5ad" else _read_text
    adata, word, notes = reader(path, orientation)
    earlier = dict(adata.uns.get("source", {}))
    adata.uns["source"] = {
        **earlier,
        "name": path.name,
        "path": str(path),
        "sha256": sha256(path),
        "orientation": word,
        "notes": [*map(str, earlier.get("notes", [])), *notes],
    }
    return adata


def _read_text(path: Path, orientation: str) -> tuple[AnnData, str, list[str]]:
    import pandas as pd
    from anndata import AnnData

    notes = check_text(path)
    layout = find_layout(path)
    try:
        table = read_values(path, layout)
    except Irregular as failure:
        raise checks.diagnose(path, layout, str(failure), orientation) from failure
    word, said = _orient(table.rows, layout.columns, layout.corner, orientation)
    grid = checks.text_grid(path, layout, table.rows, table.lines, word)
    turned = word == "genes-by-samples"
    values = table.values
    checks.check_samples(grid)
    checks.check_finite(grid, values, turned)
    genes = tidy_genes(grid.genes, grid.gene_place, path.name)
    _check_any_gene(path, genes)
    if not genes.keep.all():
        values = values[genes.keep] if turned else values[:, genes.keep]
    del table
    values = np.ascontiguousarray(values.T) if turned else np.ascontiguousarray(values)
    columns = {} if genes.entrez is None else {"entrez": genes.entrez}
    adata = AnnData(
        values,
        obs=pd.DataFrame(index=pd.Index(list(grid.samples), dtype=object)),
        var=pd.DataFrame(columns, index=pd.Index(genes.names, dtype=object)),
    )
    return adata, word, [*notes, *layout.notes, *said, *genes.notes]


def _orient(rows: list[str], columns: list[str], corner: str, orientation: str) -> tuple[str, list[str]]:
    found, reason = find_orientation(rows, columns, corner)
    if orientation == "auto":
        turned = " The table was transposed." if found == "genes-by-samples" else ""
        return found, [reason + turned]
    notes = [f"Read as {orientation}, as asked."]
    if found != orientation and "shape alone" not in reason:
        notes.append(f"The names suggest {found}.")
    return orientation, notes


def _read_h5ad(path: Path, orientation: str) -> tuple[AnnData, str, list[str]]:
    check_hdf5(path)
    adata = _open_h5ad(path)
    word = "genes-by-samples" if orientation == "genes-by-samples" else "samples-by-genes"
    notes = [f"Read as {word}, as {'asked' if orientation == word else 'AnnData files are'}."]
    if word == "genes-by-samples":
        adata = adata.T.copy()
    notes += _densify(adata, path)
    grid = checks.Grid(path, list(adata.obs_names), list(adata.var_names), _position("obs"), _position("var"))
    checks.check_samples(grid)
    checks.check_finite(grid, adata.X, transposed=False)
    genes = tidy_genes(grid.genes, grid.gene_place, path.name)
    _check_any_gene(path, genes)
    if not genes.keep.all():
        adata = adata[:, genes.keep].copy()
    adata.var_names = genes.names
    if genes.entrez is not None:
        adata.var["entrez"] = genes.entrez
    return adata, word, [*notes, *genes.notes]


def _open_h5ad(path: Path) -> AnnData:
    import warnings

    import anndata

    try:
        with warnings.catch_warnings():
            # Refused below with the names, which the warning does not give.
            warnings.filterwarnings("ignore", ".*names are not unique", UserWarning)
            return anndata.read_h5ad(path)
    except MemoryError:
        raise
    except Exception as failure:  # whatever a reader meets in a file that is no AnnData: its classes are not public
        problem = str(failure).strip().splitlines()[0] if str(failure).strip() else type(failure).__name__
        raise InputError(
            f"{path.name} is an HDF5 file but not a readable AnnData file",
            where=f"{path}: {problem}",
            expected="a file written by AnnData's write_h5ad, complete",
            todo="Write or fetch it again; if it is a 10x or loom file, convert it with scanpy first.",
        ) from failure


def _densify(adata: AnnData, path: Path) -> list[str]:
    """Make X a dense float32 array, in place, and say what was done."""
    from scipy.sparse import issparse

    kind: Any = None if adata.X is None else adata.X.dtype
    if kind is None or kind.kind not in "fiub":
        raise InputError(
            f"{path.name} has {'no X' if kind is None else f'an X of type {kind}, not numbers'}",
            where=f"{path}: X of {adata.n_obs} samples x {adata.n_vars} genes",
            expected="X: numbers, samples x genes",
            todo="Put the expression values into X, such as adata.X = adata.layers['counts'], and write it again.",
        )
    notes = []
    if issparse(adata.X):
        notes.append(f"X was sparse ({adata.X.nnz:,} stored values) and was made dense.")
        adata.X = adata.X.astype(np.float32).toarray()
    if kind != np.float32:
        notes.append(f"X was {kind} and is now float32.")
    adata.X = np.ascontiguousarray(adata.X, dtype=np.float32)
    return notes


def _position(axis: str):
    return lambda i: f"{axis} {i + 1}"


def _check_any_gene(path: Path, genes: Genes) -> None:
    if not genes.names:
        raise InputError(
            f"{path.name} has no gene with a name",
            where=f"{path}: {len(genes.keep)} genes, all named '?' or empty",
            expected="gene names",
            todo="Export the table with its gene names.",
        )
