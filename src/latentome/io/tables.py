"""Expression tables: any supported file in, samples x genes out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from latentome.errors import InputError, check_known
from latentome.io import checks, folders
from latentome.io.columnar import read_columnar
from latentome.io.converted import find_converted, keep_converted
from latentome.io.files import (
    COLUMNAR_SUFFIXES,
    check_exists,
    check_hdf5,
    check_memory,
    check_suffix,
    check_text,
    data_suffix,
    need_zarr,
    one_sample,
    sha256,
)
from latentome.io.genes import check_duplicates, tidy_genes
from latentome.io.layouts import check_gct_rows, find_format
from latentome.io.orientation import check_orientation, check_upright
from latentome.io.table import Table, add_up, check_any_gene, name_rows, to_anndata
from latentome.io.text import Irregular, nothing_below, read_values
from latentome.io.unpack import Progress

if TYPE_CHECKING:
    from anndata import AnnData

#: What to do with missing values.
MISSING_CHOICES = ("refuse", "keep")
_OR_A_DATA_SET = "The name of a data set can be given instead of a file: 'latentome datasets' lists them."
_ZARR_MARKS = ("zarr.json", ".zgroup", ".zattrs")


def read(
    path: str | os.PathLike[str],
    *,
    orientation: Literal["auto", "samples-by-genes", "genes-by-samples"] = "auto",
    duplicates: Literal["refuse", "drop", "most-variable", "sum"] = "refuse",
    missing: Literal["refuse", "keep"] = "refuse",
    min_samples: int = 2,
    progress: Progress | None = None,
) -> AnnData:
    """Read a table of gene expression.

    Parameters
    ----------
    path
        A table as text (``.tsv``, ``.csv``, ``.txt``, ``.gct``, ``.pcl``, or without a suffix as ``HiSeqV2`` of Xena;
        plain or packed as ``.gz``, ``.bz2``, ``.xz``, ``.zst``), names in its first row and first column; ``.parquet``
        or ``.feather``; AnnData (``.h5ad``, a ``.zarr`` folder); a folder of 10x (``matrix.mtx``); or a folder of
        results of RSEM, or of STAR as the GDC has them, one sample a file. Any unit: values are not changed.
    orientation
        Which way round the table is. ``auto`` decides from the format, from the names (TCGA barcodes, gene symbols,
        ``SYMBOL|ENTREZ``, Ensembl and Entrez ids), then from the heading of the first column, then from the shape.
        AnnData is samples x genes unless said otherwise, and refused where its names clearly say otherwise.
    duplicates
        What becomes of several genes of one name, see :func:`latentome.io.genes.tidy_genes`. With ``most-variable``
        they stay, and :func:`latentome.pp.fit_preprocessing` chooses on training samples.
    missing
        ``refuse``, or ``keep`` a few missing values as NaN; infinite ones are refused in any case.
    min_samples
        With fewer samples the table is refused: 2 to learn from; 1 is enough for a model that is trained already.
    progress
        Is told how many bytes of a table of text are read, and how many there are.

    Returns
    -------
    Samples x genes, float32. ``var["entrez"]`` where the file names genes ``SYMBOL|ENTREZ``, ``var["symbol"]`` where it
    names them by Entrez ids. ``uns["source"]`` holds ``name``, ``path``, ``sha256`` (of the file's bytes),
    ``orientation`` (of the file) and ``notes`` (what was noticed and done, as sentences); other keys of an
    ``uns["source"]`` in AnnData are kept.

    Raises
    ------
    InputError
        If the file is missing, is not a table, is damaged, holds anything but finite numbers, names a sample or a gene
        twice, or has fewer than `min_samples` samples.

    Notes
    -----
    A large table of text is parsed once: the numbers are kept in the user's cache by the hash of the file's bytes
    (``LATENTOME_CACHE`` names another folder, or is ``off``).
    """
    path = Path(path).expanduser()
    check_orientation(orientation)
    check_duplicates(duplicates)
    check_known(missing, MISSING_CHOICES, f"There is no way '{missing}' to treat missing values", where="missing")
    rules = (orientation, duplicates, missing, min_samples)
    if path.is_dir() and any((path / mark).exists() for mark in _ZARR_MARKS):
        adata, word, notes = _from_anndata(path, _open_zarr(path), *rules)
        digest = folders.folder_sha256(sorted(p for p in path.rglob("*") if p.is_file()))
    elif path.is_dir() and (folders.is_tenx(path) or folders.sample_files(path)[1]):
        table, digest = folders.read_tenx(path) if folders.is_tenx(path) else folders.read_samples(path)
        adata, word, notes = to_anndata(path, table, *rules)
    else:
        check_exists(path, or_else=_OR_A_DATA_SET)
        check_suffix(path)
        digest = sha256(path) if os.access(path, os.R_OK) else ""
        if data_suffix(path) == ".h5ad":
            check_hdf5(path)
            adata, word, notes = _from_anndata(path, _open_h5ad(path), *rules)
        elif data_suffix(path) in COLUMNAR_SUFFIXES:
            adata, word, notes = to_anndata(path, read_columnar(path), *rules)
        else:
            adata, word, notes = to_anndata(path, _read_text(path, digest, orientation, progress), *rules)
    told = adata.uns.get("source")
    earlier = dict(told) if isinstance(told, Mapping) else {}
    before = earlier.get("notes", [])
    adata.uns["source"] = {
        **earlier,
        "name": path.name,
        "path": str(path),
        "sha256": digest,
        "orientation": word,
        "notes": [*map(str, [before] if isinstance(before, str) else before), *notes],
    }
    return adata


def _read_text(path: Path, digest: str, orientation: str, progress: Progress | None) -> Table:
    notes = check_text(path)
    kept = find_converted(f"{digest}{data_suffix(path)}")
    if kept is not None:
        about, blocks = kept
        lines, offset = about.pop("lines"), about.pop("offset")
    else:
        kind, layout, samples = find_format(path)
        if {"unstranded", "stranded_first"} <= set(layout.columns):
            raise one_sample(path, "STAR")
        try:
            read = read_values(path, layout, progress)
        except Irregular as failure:
            raise checks.diagnose(path, layout, str(failure), orientation) from failure
        if not read.rows:
            raise nothing_below(path, layout.header_line, layout.width)
        rows, named = name_rows(read)
        if kind == "gct":
            check_gct_rows(path, len(rows))
        blocks, lines, offset = read.values, read.lines, 1 + len(layout.extra)
        about = {
            "rows": rows,
            "columns": layout.columns,
            "corner": layout.corner,
            "orientation": "genes-by-samples" if kind in ("gct", "pcl") else None,
            "row_info": dict(zip(layout.extra, map(list, zip(*read.descriptions, strict=True)), strict=False)),
            "column_info": samples,
            "notes": [*layout.notes, *named],
        }
        problem = keep_converted(f"{digest}{data_suffix(path)}", {**about, "lines": lines, "offset": offset}, blocks)
        notes += [problem] if problem else []
    table = Table(
        **about,
        values=blocks,
        row_place=lambda i: f"line {lines[i]}",
        column_place=lambda j: f"column {j + 1 + offset}",
    )
    table.notes = [*notes, *table.notes]
    return table


def _from_anndata(
    path: Path, adata: AnnData, orientation: str, duplicates: str, missing: str, min_samples: int
) -> tuple[AnnData, str, list[str]]:
    word = "genes-by-samples" if orientation == "genes-by-samples" else "samples-by-genes"
    notes = [f"Read as {word}, as {'asked' if orientation == word else 'AnnData files are'}."]
    if orientation == "auto":
        check_upright(path, list(adata.obs_names), list(adata.var_names))
    if word == "genes-by-samples":
        adata = adata.T.copy()
    notes += _densify(adata, path)
    grid = checks.Grid(path, list(adata.obs_names), list(adata.var_names), _position("obs"), _position("var"))
    checks.check_samples(grid, min_samples)
    notes += checks.check_finite(grid, [adata.X], False, missing)
    genes = tidy_genes(grid.genes, grid.gene_place, path.name, duplicates)
    check_any_gene(path, genes)
    if not genes.keep.all():
        adata = adata[:, genes.keep].copy()
    adata.var_names = genes.names
    for name, column in genes.columns.items():
        if name == "duplicate_of" or name not in adata.var:  # the file knows its symbols best
            adata.var[name] = column
    return add_up(adata, genes.sums), word, [*notes, *genes.notes]


def _open_h5ad(path: Path) -> AnnData:
    import warnings

    import anndata

    what = "is an HDF5 file but not a readable AnnData file"
    expected = "a file written by AnnData's write_h5ad, complete"
    todo = "Write or fetch it again; if it is a 10x or loom file, convert it with scanpy first."
    with _is_anndata(path, what, expected, todo), warnings.catch_warnings():
        # Refused below with the names, which the warning does not give.
        warnings.filterwarnings("ignore", ".*names are not unique", UserWarning)
        check_memory(path, _stored_bytes(path) // 8, "what it holds")
        return anndata.read_h5ad(path)


@contextmanager
def _is_anndata(path: Path, what: str, expected: str, todo: str) -> Iterator[None]:
    """Refuse what cannot be read: HDF5, zarr, its codecs and AnnData raise what they like, of classes of their own."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as failure:
        problem = str(failure).strip().splitlines()[0] if str(failure).strip() else type(failure).__name__
        raise InputError(f"{path.name} {what}", where=f"{path}: {problem}", expected=expected, todo=todo) from failure


def _stored_bytes(path: Path) -> int:
    """How many bytes an HDF5 file says its arrays have: a small file can hold chunks that were never written."""
    import h5py

    sizes: list[int] = []
    with h5py.File(path, "r") as file:
        file.visititems(lambda _, item: sizes.append(item.nbytes) if isinstance(item, h5py.Dataset) else None)
    return sum(sizes)


def _open_zarr(path: Path) -> AnnData:
    need_zarr(path)
    import anndata

    what, expected = "is a zarr folder but not a readable AnnData", "a folder written by AnnData's write_zarr, complete"
    with _is_anndata(path, what, expected, "Write or copy it again."):
        return anndata.read_zarr(path)


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
        check_memory(path, adata.n_obs * adata.n_vars, f"{adata.n_obs:,} samples x {adata.n_vars:,} genes")
        notes.append(f"X was sparse ({adata.X.nnz:,} stored values) and was made dense.")
        adata.X = adata.X.astype(np.float32).toarray()
    if kind != np.float32:
        notes.append(f"X was {kind} and is now float32.")
    adata.X = np.ascontiguousarray(adata.X, dtype=np.float32)
    return notes


def _position(axis: str):
    return lambda i: f"{axis} {i + 1}"
