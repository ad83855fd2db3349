"""Any expression files: cleaned, joined, on a log scale, with labels and scale parameters, in one ``.h5ad``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentome import io
from latentome.errors import InputError, RunFolderError
from latentome.io.genes import listed
from latentome.pp import fit_preprocessing
from latentome.pp.transform import recognise_scale
from latentome.workflow.prepare import check_label_column, load_data, usual_labels
from latentome.workflow.reporter import Reporter

if TYPE_CHECKING:
    from anndata import AnnData


def process_table(
    files: Sequence[str],
    out: str | Path,
    *,
    labels: str | Path | None = None,
    label_column: str | None = None,
    orientation: str = "auto",
    duplicates: str = "refuse",
    impute: str = "none",
    transform: str = "auto",
    n_genes: int | None = None,
    selection: str = "mean-deviation",
    replace: bool = False,
    reporter: Reporter | None = None,
) -> AnnData:
    """Clean expression files and write them as one AnnData file.

    Parameters
    ----------
    files
        Paths of expression files, or names of data sets. Of several, the samples are joined and the genes are those
        that all of them have.
    out
        The file to write, ``.h5ad``.
    labels, label_column
        A table of labels, and the column of it that a run shall use; by default its only column of classes, or one of
        a usual name.
    orientation, duplicates, impute
        As for :func:`latentome.workflow.load_data`; missing values are filled with the mean of their gene over all
        samples.
    transform
        ``auto``, ``log2p1``, ``log2cpm`` or ``none``; with ``auto`` all files have to be on the same scale.
    n_genes
        How many of the most variable genes to keep; all that vary by default.
    selection
        By which measure, see :func:`latentome.pp.fit_preprocessing`.
    replace
        Whether the file is replaced if it is there.
    reporter
        Takes note of the steps; silent by default.

    Returns
    -------
    What was written: samples x genes on the log scale, not scaled; ``var`` has minimum, span and mean of each gene over
    all samples: ``(x - minimum) / span`` is in [0, 1]. A run chooses and scales anew on its training samples.

    Raises
    ------
    LatentomeError
        If a file cannot be used, they share no genes, or the file may not be written; nothing is then written.
    """
    reporter = reporter or Reporter()
    out = Path(out)
    _check_out(out, replace)
    with reporter.step("read", "bytes"):
        tables = [load_data(str(file), orientation, duplicates, impute, reporter.progress) for file in files]
    adata = _join(tables)
    if transform == "auto":
        _check_same_scale(tables)
    notes = [str(note) for note in adata.uns["source"]["notes"]]
    if labels is not None:
        table = io.read_labels(labels)
        notes += io.add_labels(adata, table)
        if label_column is None:
            label_column, classes = usual_labels(adata, [str(name) for name in table.columns], notes)
            if label_column is None:
                some = f"; it may be one of {', '.join(classes[:5])}" if classes else ""
                notes.append(f"No label was chosen for runs: they need --label-column{some}.")
    if label_column is not None:
        check_label_column(adata, label_column, ", ".join(files))
        adata.uns["source"]["label_column"] = label_column
    with reporter.step("transform and choose genes"):
        fitted = fit_preprocessing(adata, transform=transform, n_genes=n_genes, scaling="none", selection=selection)
        chosen = adata[:, fitted.genes].copy()
        chosen.X = fitted.apply(adata)[0]
    low, high = chosen.X.min(axis=0), chosen.X.max(axis=0)
    for name, numbers in (("minimum", low), ("span", high - low), ("mean", fitted.mean)):
        chosen.var[name] = numbers
    notes += fitted.notes
    if n_genes is not None:
        notes.append(
            "Genes were chosen on all samples: for a strict held-out evaluation keep all and give run --genes."
        )
    chosen.uns["source"] |= {"notes": notes}
    for note in notes:
        reporter.say(note)
    with reporter.step("write"):
        io.write_h5ad(out, chosen)
    return chosen


def _check_out(out: Path, replace: bool) -> None:
    if out.suffix != ".h5ad" or (out.exists() and not out.is_file()) or (out.exists() and not replace):
        raise RunFolderError(
            "The processed data cannot be written there.",
            where=f"--out {out}" + (", which is there already" if out.is_file() else ""),
            expected="the path of a new file that ends in .h5ad",
            todo="give another path with -o" + (", or add --replace" if out.is_file() else ""),
        )
    with io.guard_writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)


def _check_same_scale(tables: list[AnnData]) -> None:
    """Refuse files of which some need a logarithm and some have it."""
    scales = [recognise_scale(table.X) for table in tables]
    if len({scale.transform == "none" for scale in scales}) < 2:
        return
    told = [f"{table.uns['source']['name']}: {s.kind}, {s.evidence}" for table, s in zip(tables, scales, strict=True)]
    raise InputError(
        "The files are on different scales.",
        where="\n            ".join(told),
        expected="files of one unit: all linear, or all on a log scale",
        todo="process each of them alone, and then the files that this makes; or give --transform",
    )


def _join(tables: list[AnnData]) -> AnnData:
    """The samples of all tables x the genes that all of them have, in the order of the first."""
    first = tables[0]
    if len(tables) == 1:
        return first
    import anndata

    names = [str(table.uns["source"]["name"]) for table in tables]
    genes = [gene for gene in first.var_names if all(gene in table.var_names for table in tables[1:])]
    if len(genes) < 2:
        shown = "; ".join(
            f"{name}: {', '.join(table.var_names[:3])}" for name, table in zip(names, tables, strict=True)
        )
        raise InputError(
            f"The files share {len(genes)} of their genes.",
            where=f"{shown}, ...",
            expected="files that name their genes in the same way",
            todo="name the genes in the same way, or process the files one by one",
        )
    samples = np.concatenate([table.obs_names for table in tables])
    twice = (
        sorted({str(name) for name in samples if (samples == name).sum() > 1})
        if len(set(samples)) < len(samples)
        else []
    )
    if twice:
        raise InputError(
            f"{len(twice)} samples are in more than one file: {listed(twice)}",
            where=", ".join(names),
            expected="every sample once",
            todo="keep each sample in one of the files",
        )
    sources = [dict(table.uns["source"]) for table in tables]
    joined = anndata.concat([table[:, genes] for table in tables], join="outer", merge="same")
    notes = [f"{name}: {note}" for name, source in zip(names, sources, strict=True) for note in source.get("notes", [])]
    left_out = sum(table.n_vars - len(genes) for table in tables)
    notes.append(f"{len(tables)} files were joined: {joined.n_obs} samples, {len(genes)} genes that all of them have.")
    if left_out:
        notes.append(f"{left_out} genes that not all of the files have were left out.")
    joined.uns["source"] = {**sources[0], "name": " + ".join(names), "path": "", "notes": notes}
    return joined
