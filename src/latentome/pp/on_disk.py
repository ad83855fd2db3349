"""A matrix on disk, transformed and scaled: block by block on reading, or once and for all as Zarr."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import numpy as np

from latentome.errors import InputError
from latentome.io import BackedMatrix, MappedMatrix, check_room, guard_writing
from latentome.io.atomic import TEMPORARY_SUFFIX
from latentome.io.backed import ZARR_MARKS
from latentome.io.files import need_zarr
from latentome.pp.align import MAX_MISSING
from latentome.pp.values import BLOCK_VALUES

if TYPE_CHECKING:
    from anndata import AnnData

    from latentome.pp.preprocessing import Preprocessing

#: Rows of a chunk: about as many as a training reads at once.
CHUNK_ROWS = 1024


def preprocess(
    matrix: BackedMatrix, preprocessing: Preprocessing, *, max_missing: float = MAX_MISSING
) -> tuple[MappedMatrix, list[str]]:
    """Transform and scale a matrix on disk whenever a block of it is read.

    Parameters
    ----------
    matrix
        Samples x genes, genes in any order, on the scale that the training data came in.
    preprocessing
        What was learned from training samples.
    max_missing
        The largest share of the model's genes that may be missing; they get their training mean.

    Returns
    -------
    Samples x genes of the model, and sentences.

    Raises
    ------
    InputError
        If too many genes are missing, or the matrix names one twice.
    """
    positions, notes = preprocessing.find(without_values(matrix), max_missing)
    return (
        MappedMatrix(matrix, lambda block: preprocessing.apply_rows(block, positions)[0], preprocessing.genes),
        notes,
    )


def without_values(matrix: BackedMatrix) -> AnnData:
    """What a matrix on disk tells about its samples and genes, as AnnData without X."""
    from anndata import AnnData

    obs, var = matrix.annotation("obs"), matrix.annotation("var")
    if matrix.genes is not None:
        var.index = matrix.genes
    name = "the matrix in memory" if matrix.path is None else matrix.path.name
    return AnnData(obs=obs, var=var, uns={"source": {"name": name, "path": str(matrix.path or ""), "notes": []}})


def write_preprocessed(
    matrix: BackedMatrix,
    preprocessing: Preprocessing,
    path: str | os.PathLike[str],
    rows: np.ndarray | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> Path:
    """Write a matrix on disk once more, transformed and scaled: AnnData as Zarr, in chunks of rows.

    Parameters
    ----------
    matrix
        Samples x genes, as for :func:`preprocess`. Blocks of rows are in memory; where it is a Dask array or was opened
        so, they are written by the tasks that read them, whose workers have to see the path.
    preprocessing
        What was learned from training samples.
    path
        A folder that ends in ``.zarr``. Zarr that is there is replaced, once all is written.
    rows
        Boolean, one for each sample: whether it is written; all by default.
    chunk_rows
        Rows of a chunk; best as many as a training reads at once, which is a whole number of batches.

    Returns
    -------
    The path, which :func:`latentome.io.open_matrix` opens. Its files have the time of the matrix, so that a copy that
    is made again of the same data has the same fingerprint.

    Raises
    ------
    InputError
        If the genes do not fit, a value is missing, zarr is not installed, or the path is something else.
    WriteError
        If there is not enough room, which is known before anything is written, or writing is not allowed.
    """
    path = Path(path).expanduser()
    zarr = _zarr(path)
    scaled, _ = preprocess(matrix, preprocessing)
    told = without_values(scaled)
    wanted = np.ones(len(matrix), bool) if rows is None else np.asarray(rows, bool)
    shape = (int(wanted.sum()), len(preprocessing.genes))
    check_room(path, 4 * shape[0] * shape[1])
    with _aside(path) as aside:
        root = zarr.open_group(str(aside), mode="w")
        root.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        _write_names(root, told.obs[wanted], told.var)
        x = create_plain(zarr, aside / "X", shape, chunk_rows)
        x.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        # Whole chunks, so that workers can write side by side.
        step = max(BLOCK_VALUES // matrix.shape[1] // chunk_rows, 1) * chunk_rows
        numbers, starts = np.flatnonzero(wanted), range(0, shape[0], step)
        put = partial(_put, str((aside / "X").absolute()))
        for _ in scaled.map(put, [numbers[start : start + step] for start in starts], starts):
            pass
        if matrix.path is not None:
            times = matrix.path.stat()
            for file in aside.rglob("*"):
                os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    return path


def _put(path: str, rows: np.ndarray, start: int) -> None:
    """Write rows into an array that is there, from a certain row on."""
    import zarr

    if not Path(path).exists():
        raise InputError(
            "A worker does not see the place that is written to.",
            where=path,
            expected="a folder on a file system that all workers share",
            todo="write to such a folder",
        )
    zarr.open_array(path, mode="r+")[start : start + len(rows)] = rows


def create_plain(zarr: Any, path: Path, shape: tuple[int, int], chunk_rows: int) -> Any:
    """A new float32 array in chunks of rows, not packed: to unpack it in each pass would slow a training down."""
    how = {"shape": shape, "chunks": (min(chunk_rows, shape[0]), shape[1]), "dtype": "f4"}
    if hasattr(zarr, "create_array"):
        return zarr.create_array(str(path), compressors=None, **how)
    return zarr.open_array(str(path), mode="w", compressor=None, **how)  # before zarr 3


def _write_names(root: Any, obs: Any, var: Any) -> None:
    import warnings

    try:
        from anndata.io import write_elem
    except ImportError:  # before AnnData 0.11
        from anndata.experimental import write_elem
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of AnnData and zarr, on formats to come
        write_elem(root, "obs", obs[[]])
        write_elem(root, "var", var)


def _zarr(path: Path) -> Any:
    """The package, once the path is known to be one for Zarr."""
    if path.suffix.lower() != ".zarr" or (path.exists() and not any((path / mark).exists() for mark in ZARR_MARKS)):
        raise InputError(
            f"{path.name} is no place for Zarr.",
            where=str(path),
            expected="a path that ends in .zarr, at which there is nothing, or Zarr that may be replaced",
            todo="give such a path",
        )
    return need_zarr(path)


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """A path for a folder beside `path`, which takes its place when the block ends well, and else is removed."""
    aside, old = (path.with_name(f".{token_hex(6)}{TEMPORARY_SUFFIX}.{path.name}") for _ in range(2))
    with guard_writing(path):
        try:
            yield aside
            if path.exists():
                os.replace(path, old)
            os.replace(aside, path)
        finally:
            for folder in (aside, old):
                shutil.rmtree(folder, ignore_errors=True)
