"""Runs on a matrix that is read from disk in blocks: read, prepared, and copied once for the training."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentome import datasets, io
from latentome.errors import InputError
from latentome.io.backed import is_on_disk
from latentome.io.checks import Grid, check_samples
from latentome.io.files import sha256
from latentome.io.folders import folder_sha256
from latentome.io.genes import tidy_genes
from latentome.io.orientation import check_upright
from latentome.io.table import check_any_gene
from latentome.pp import Preprocessing, fit_preprocessing, write_preprocessed
from latentome.pp.on_disk import without_values
from latentome.workflow.prepare import (
    Prepared,
    check_unchanged,
    find_label,
    fit_options,
    free_columns,
    hold_out,
    strata,
)

if TYPE_CHECKING:
    from anndata import AnnData

    from latentome.io import BackedMatrix, MappedMatrix, RunFolder
    from latentome.workflow.config import RunConfig
    from latentome.workflow.reporter import Reporter

#: The share of the free memory that a matrix may fill before it is read from disk; in memory it is held several times.
SHARE = 0.25


def streams(data: str, on_disk: bool | None, reporter: Reporter) -> bool:
    """Whether data are read from disk in blocks: as asked, or else if they are large and of a kind that allows it."""
    from latentome.training.memory import free_memory

    if on_disk is not None or not is_on_disk(data):
        return bool(on_disk)
    try:
        with io.open_matrix(data) as matrix:
            size = 4 * matrix.shape[0] * matrix.shape[1]
    except InputError:  # X by columns, say, which can be read whole; what cannot be read at all is told there
        return False
    if size <= SHARE * free_memory():
        return False
    reporter.say(
        f"The matrix takes {size / 2**30:.1f} GiB, more than a quarter of the free memory: it is read from disk in "
        "blocks (--in-memory reads it whole)."
    )
    return True


def read_backed(
    data: str, duplicates: str = "refuse", *, orientation: str = "auto", dask: bool = False, min_samples: int = 2
) -> tuple[MappedMatrix, AnnData]:
    """Open a matrix on disk, an ``.h5ad`` file or Zarr, as :func:`latentome.io.read` would read it, without its values.

    Genes of the same name are refused or dropped. Gives the matrix, all samples x genes as they come; and its samples
    and genes as AnnData without X, whose ``uns["source"]`` says where they are from.
    """
    if data in {str(entry["name"]) for entry in datasets.available()}:
        raise InputError(
            f"The data set '{data}' is read into memory.",
            where="--on-disk",
            expected="an .h5ad file or Zarr",
            todo="leave --on-disk out",
        )
    path = Path(data).expanduser()
    source = io.open_matrix(path, dask=dask)
    if source.genes is None or source.samples is None:
        raise InputError(
            f"{path.name} has no names of samples and genes",
            where=str(path),
            expected="AnnData, as .h5ad or Zarr, with obs and var",
            todo="write it as AnnData, with anndata.AnnData(x, obs, var).write_zarr",
        )
    samples, genes = source.samples.tolist(), source.genes.tolist()
    if orientation == "auto":
        check_upright(path, samples, genes)
    grid = Grid(path, samples, genes, lambda i: f"obs {i + 1}", lambda j: f"var {j + 1}")
    check_samples(grid, min_samples)
    tidy = tidy_genes(genes, grid.gene_place, path.name, duplicates)
    check_any_gene(path, tidy)
    told = without_values(source)[:, tidy.keep].copy()
    told.var_names = tidy.names
    for name, column in tidy.columns.items():
        told.var[name] = column
    earlier, seen = source.told(), source.fingerprint()
    told.uns["source"] = {
        **earlier,
        "name": path.name,
        "path": str(path),
        "fingerprint": seen,
        "sha256": folder_sha256(sorted(p for p in path.rglob("*") if p.is_file())) if path.is_dir() else sha256(path),
        "notes": [*map(str, earlier.get("notes", [])), "Read from disk in blocks, as samples-by-genes.", *tidy.notes],
    }
    kept = np.flatnonzero(tidy.keep)
    matrix = io.MappedMatrix(source, lambda block: block if tidy.keep.all() else block[:, kept], tidy.names, told.var)
    return matrix, told


def prepare_backed(config: RunConfig, scaling: str, out: str | os.PathLike[str], *, dask: bool = False) -> Prepared:
    """Label, split, and learn the preprocessing from the training samples alone, in blocks.

    The preprocessed copy has to find room in `out`, the folder of the run. With `dask` the client in use does it, with
    workers that see the data and that folder.
    """
    check_as_it_is(config.orientation, config.duplicates, config.impute)
    matrix, told = read_backed(config.data, config.duplicates, orientation=config.orientation, dask=dask)
    prepared = _label_and_split(config, matrix, told)
    options = fit_options(config, scaling)
    genes = options["n_genes"]
    n_genes = told.n_vars if genes is None else min(len(genes) if isinstance(genes, list) else genes, told.n_vars)
    _check_room(Path(out), 4 * int(prepared.training.sum()) * n_genes)
    return _with(prepared, fit_preprocessing(matrix, **options, rows=prepared.training))


def prepare_backed_again(config: RunConfig, run: RunFolder, *, dask: bool = False) -> Prepared:
    """As `latentome.workflow.prepare_again`, of a run that was trained from disk."""
    matrix, told = read_backed(config.data, config.duplicates, orientation=config.orientation, dask=dask)
    prepared = _label_and_split(config, matrix, told)
    check_unchanged(prepared.adata, config, run)
    return _with(prepared, Preprocessing.load(run.require("preprocessing")))


def _label_and_split(config: RunConfig, matrix: MappedMatrix, told: AnnData) -> Prepared:
    """All that is known without values; the preprocessing is one of no gene."""
    notes = [str(note) for note in told.uns["source"]["notes"]]
    column = find_label(told, config, notes)
    columns = tuple(strata(config, column))
    notes.extend(free_columns(told, [column, *columns, config.group]))
    told.obs["split"] = np.where(hold_out(told, column, config), "test", "train")
    none = Preprocessing("none", "none", [], *np.zeros((3, 0), np.float32))
    return Prepared(told, none, column, notes, told.n_vars, columns, config.group, matrix)


def _with(prepared: Prepared, preprocessing: Preprocessing) -> Prepared:
    return replace(prepared, adata=prepared.adata[:, preprocessing.genes].copy(), preprocessing=preprocessing)


def check_as_it_is(orientation: str, duplicates: str = "refuse", impute: str = "none") -> None:
    """Refuse options that would change a matrix on disk before it is read in blocks."""
    wrong = {
        f"--orientation {orientation}": orientation == "genes-by-samples",
        f"--duplicates {duplicates}": duplicates in ("most-variable", "sum"),
        f"--impute {impute}": impute != "none",
    }
    for option, given in wrong.items():
        if given:
            raise InputError(
                "A matrix that is read from disk in blocks is taken as it is.",
                where=option,
                expected="samples in rows, no value missing, each gene once (or --duplicates drop)",
                todo="leave the option out and write the matrix anew, or read it whole (--in-memory)",
            )


def _check_room(out: Path, size: int) -> None:
    """Refuse to start where the preprocessed copy of the training samples would not fit."""
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.is_dir())
    io.check_room(there / "preprocessed.zarr", size)


def training_matrix(run: RunFolder, prepared: Prepared, batch_size: int) -> BackedMatrix:
    """The training samples, transformed and scaled, as Zarr in the folder of the run; written if they are not there.

    Raises
    ------
    InputError
        If the matrix changes meanwhile.
    """
    from latentome.training.stream import rows_at_once

    path, known = run.item("matrix"), run.read_manifest().get("preprocessed_copy")
    if known is not None and path.is_dir():
        matrix = io.open_matrix(path)
        if matrix.fingerprint() == known:
            return matrix
        matrix.close()
    run.remove_matrix()
    rows = rows_at_once(batch_size)
    write_preprocessed(prepared.matrix, prepared.preprocessing, path, prepared.training, rows)
    if prepared.matrix.source.fingerprint() != prepared.adata.uns["source"]["fingerprint"]:
        run.remove_matrix()
        raise InputError(
            "The matrix changed while it was prepared.",
            where=str(prepared.matrix.path),
            expected="a file that nobody writes into",
            todo="wait until it is complete, and start again with --replace",
        )
    matrix = io.open_matrix(path)
    run.update_manifest(preprocessed_copy=matrix.fingerprint())
    return matrix


def extremes(preprocessing: Preprocessing) -> np.ndarray:
    """The scaled training range of each gene: two rows that reach as far as all training samples."""
    ends = np.stack([preprocessing.lowest, preprocessing.highest])
    return (ends - preprocessing.minimum) / preprocessing.span
