"""Samples that a trained model has never seen: aligned gene by gene, encoded, reconstructed, placed on the map."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentome import io
from latentome.errors import InputError, RunFolderError
from latentome.io import RunFolder
from latentome.io.contents import is_litter
from latentome.io.genes import check_duplicates
from latentome.pp import Preprocessing, align
from latentome.pp.align import check_max_missing
from latentome.workflow.config import RunConfig
from latentome.workflow.encode_backed import clear_predictions, predict_others
from latentome.workflow.judge_new import class_probabilities, judge_errors, nearest_training
from latentome.workflow.on_disk import check_as_it_is, read_backed, streams
from latentome.workflow.prepare import load_data
from latentome.workflow.reporter import Reporter
from latentome.workflow.steps import read_encoded

if TYPE_CHECKING:
    from anndata import AnnData

    from latentome.estimators import BaseAutoencoder


def predict_new(
    run: RunFolder,
    data: str,
    out: str | Path | None = None,
    *,
    orientation: str = "auto",
    duplicates: str | None = None,
    impute: str | None = None,
    max_missing: float = 0.2,
    check_range: bool = True,
    on_disk: bool | None = None,
    replace: bool = False,
    reporter: Reporter | None = None,
) -> Path:
    """Encode and reconstruct new samples with the model of a run, and place them on its t-SNE map.

    Parameters
    ----------
    run
        The folder of a run.
    data
        Name of a data set, or path of an expression file on the scale of the training data.
    out
        The folder for ``latent.tsv``, ``reconstruction.tsv.gz`` (scaled as in training), ``tsne.tsv``, ``error.tsv``
        (mean squared error per sample, and whether it is unlike those of the run's held-out samples), ``nearest.tsv``
        (the nearest training samples) and, where the run has labels, ``classes.tsv`` (calibrated probabilities); by
        default ``predictions/<name>`` in the run.
    orientation
        ``auto``, ``samples-by-genes`` or ``genes-by-samples``.
    duplicates
        What becomes of genes of the same name: ``refuse``, ``drop`` or ``sum``; by default what the run was asked.
    impute
        ``none``, or ``mean``: a few missing values are filled with the training mean of their gene; by default what the
        run was asked.
    max_missing
        The largest share of the model's genes that the samples may lack.
    check_range
        Whether samples are refused whose range tells that they are on another scale than the training data.
    on_disk
        Whether the samples, an ``.h5ad`` file or Zarr, are read from disk in blocks; by default where they would fill
        more than a quarter of the free memory. ``latent.tsv``, ``latent.h5ad`` and ``error.tsv`` are then written, and
        so they are with the model of a run that was trained from disk.
    replace
        Whether files that are there are replaced.
    reporter
        Takes note of the steps; silent by default.

    Returns
    -------
    The folder.

    Raises
    ------
    LatentomeError
        If the samples cannot be read, lack too many genes or are on another scale, the run has no ``latent.h5ad`` to
        compare them with, or the folder is in use, or cannot be written.
    """
    from latentome.estimators import load_model

    reporter = reporter or Reporter()
    run.require("model")
    check_max_missing(max_missing)
    asked = RunConfig.from_dict(run.read_config(), str(run.config))
    _check_rules(run, duplicates, asked.duplicates, impute)
    folder = Path(out) if out else run.path / "predictions" / Path(data).name.split(".")[0]
    how = {"max_missing": max_missing, "check_range": check_range}
    with contextlib.ExitStack() as opened:
        adata, matrix = None, None
        with reporter.step("read and align", "bytes"):
            model = load_model(run.path)
            kept = Preprocessing.load(run.require("preprocessing"))
            from_disk = run.trained_from_disk
            if streams(data, on_disk, reporter):
                check_as_it_is(orientation, duplicates or "refuse", impute or "none")
                rule = "drop" if (duplicates or asked.duplicates) == "drop" else "refuse"
                matrix, told = read_backed(data, rule, min_samples=1)
                opened.enter_context(matrix)
            else:
                if not from_disk:
                    run.require("h5ad")  # to compare with; known before anything is read or a folder is made
                rules = (orientation, duplicates or asked.duplicates, impute or asked.impute)
                told = load_data(data, *rules, reporter.progress, min_samples=1)
                reporter.progress(0, 0)
                if from_disk:
                    matrix = io.MemoryMatrix(told.X, list(told.var_names), list(told.obs_names))
                else:
                    adata = align(told, kept, **how)
        _check_folder(folder, replace)
        # A run is written into by one process, wherever in it. What is written elsewhere only reads the run, which may
        # lie where nothing can be written.
        inside = folder.resolve().is_relative_to(run.path.resolve())
        opened.enter_context(RunFolder(run.path if inside else folder).lock())
        _check_folder(folder, replace)
        if matrix is not None:
            predict_others(model, kept, matrix, told, folder, reporter, **how)
        else:
            _predict_whole(run, model, adata, folder, reporter)
    return folder


def _predict_whole(run: RunFolder, model: BaseAutoencoder, adata: AnnData, folder: Path, reporter: Reporter) -> None:
    """Encode samples in memory, aligned and scaled, and compare them with those of the run."""
    import pandas as pd

    from latentome import tl

    key, x = f"X_{model.family}", adata.X
    for note in adata.uns["source"]["notes"]:
        reporter.say(str(note))
    encoded: AnnData = read_encoded(run)
    names = pd.Index(adata.obs_names, name="sample")
    with reporter.step("encode and reconstruct"):
        table = pd.DataFrame(x, index=names, columns=model.feature_names_in_)
        codes = model.transform(table)
        decoded = model.inverse_transform(codes)
    with reporter.step("place on the map"):
        positions = tl.place_on_map(encoded.obsm[key], encoded.obsm[f"X_tsne_{model.family}"], codes)
    columns = [f"{model.family}_{i + 1}" for i in range(codes.shape[1])]
    error = np.square(x - decoded, dtype=np.float64).mean(axis=1)
    with reporter.step("compare with the run"):
        errors = judge_errors(encoded, error, names, reporter)
        neighbours = nearest_training(encoded, key, codes, names)
        classes = class_probabilities(encoded, key, codes, names, reporter)
    tables = {
        "latent.tsv": pd.DataFrame(codes, index=names, columns=columns),
        "tsne.tsv": pd.DataFrame(positions, index=names, columns=["tsne_1", "tsne_2"]),
        "error.tsv": errors,
        "nearest.tsv": neighbours,
        "reconstruction.tsv.gz": pd.DataFrame(decoded, index=names, columns=table.columns),
    }
    if classes is not None:
        tables["classes.tsv"] = classes
    with io.guard_writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        clear_predictions(folder)
    with reporter.step("write", "tables"):
        for name in reporter.each(list(tables)):
            io.write_table(folder / name, tables[name])


def _check_rules(run: RunFolder, duplicates: str | None, trained: str, impute: str | None) -> None:
    """Refuse what new samples cannot be asked: to choose among genes of one name, say, where no training sample did."""
    check_duplicates(duplicates or trained)
    if impute == "mean" and run.trained_from_disk:
        raise InputError(
            "Missing values are not filled for a run that was trained from disk.",
            where="impute='mean' (--impute)",
            expected="samples without a missing value",
            todo="delete these genes: a gene that is not there gets its training mean",
        )
    if duplicates == "most-variable" and trained != duplicates:
        raise InputError(
            "Which gene of a name varies most is for training samples to say, and this run did not ask them.",
            where="duplicates='most-variable' (--duplicates)",
            expected="drop or sum",
            todo="choose one of these",
        )


def _check_folder(folder: Path, replace: bool) -> None:
    if (folder / "manifest.json").exists() or (folder / "config.toml").exists():
        raise RunFolderError(
            "The folder for the predictions holds a run, whose own latent.tsv and tsne.tsv they would replace.",
            where=str(folder),
            expected="a folder that is new or empty, or holds predictions",
            todo="give another folder with -o",
        )
    used = folder.is_dir() and any(not is_litter(entry.name) for entry in folder.iterdir())
    if folder.is_file() or (used and not replace):
        raise RunFolderError(
            "The folder for the predictions is in use.",
            where=str(folder),
            expected="a folder that is new or empty",
            todo="give another folder with -o, or add --replace",
        )
