"""The published processing of the TCGA files: raw files in, every table and one ``.h5ad`` out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from latentome import datasets, io
from latentome._version import __version__
from latentome.errors import InputError
from latentome.io.files import sha256
from latentome.io.wide import write_calls, write_matrix
from latentome.pp import tcga
from latentome.workflow.folders import claimed_folder, remove_files
from latentome.workflow.reporter import Reporter

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

#: The data sets that hold the raw files of the published pipeline.
RAW_SETS = ("tcga-pancan-2018", "tcga-copy-number-2018", "tcga-clinical-2018")
#: Names of the raw files, in order of preference; each may be packed too.
RAW_FILES = {
    "expression": ("HiSeqV2", "EBPlusPlusAdjustPANCAN_*.tsv"),
    "mutations": ("PANCAN_mutation",),
    "copy number": ("*all_thresholded.by_genes",),
    "clinical": ("samples.tsv", "clinical_data.tsv"),
}
#: What the folder of a processing holds.
FILES = (
    *("pancan_scaled_zeroone_rnaseq.tsv.gz", "pancan_scaled_rnaseq.tsv.gz", "background_genes.txt"),
    *("pancan_mutation.tsv.gz", "pancan_mutation_burden.tsv", "copy_number_gain.tsv.gz", "copy_number_loss.tsv.gz"),
    *("status_matrix.tsv.gz", "oncokb_genetypes.tsv", "clinical_data.tsv", "tybalt_features_with_clinical.tsv"),
    *("data.h5ad", "process.json"),
)


class _Events(NamedTuple):
    """What is known of the genes of the tumours; None where its file was not given."""

    burden: pd.Series | None = None
    mutation: tcga.Calls | None = None
    copy_number_gain: tcga.Calls | None = None
    copy_number_loss: tcga.Calls | None = None
    status: tcga.Calls | None = None


def process_tcga(
    raw: str | Path,
    out: str | Path,
    *,
    as_published: bool = False,
    n_genes: int | None = tcga.N_GENES,
    tables: bool = True,
    features: str | Path | None = None,
    replace: bool = False,
    reporter: Reporter | None = None,
) -> Path:
    """Make the tables of the published pipeline from its raw files.

    Parameters
    ----------
    raw
        A folder with ``HiSeqV2`` (or the EB++ matrix) and, as far as they are there, ``PANCAN_mutation``, the
        thresholded copy numbers and ``samples.tsv``, packed or not; or ``tcga-pancan-2018``, which is fetched.
    out
        The folder for the tables, ``data.h5ad`` and ``process.json``, which says what was done.
    as_published
        Keep the documented defects of the published tables, see :func:`latentome.pp.tcga.read_expression` and
        :func:`latentome.pp.tcga.join_clinical`.
    n_genes
        How many genes to keep; None for all, so that a run can choose on training samples.
    tables
        Whether the tables are written as text besides ``data.h5ad``.
    features
        A table of latent features, samples in rows, to be joined to the clinical table.
    replace
        Whether an earlier processing in the folder is replaced.
    reporter
        Takes note of the steps; silent by default.

    Returns
    -------
    The path of ``data.h5ad``.

    Raises
    ------
    LatentomeError
        If a file is missing, is not what its name says, or the folder is in use; no table is then written.
    """
    reporter = reporter or Reporter()
    files = find_raw(raw, reporter)
    with claimed_folder(out, FILES, replace, "tables") as out:
        with reporter.step("expression"):
            adata = tcga.read_expression(files["expression"], n_genes, as_published=as_published)
        events = _read_events(files, reporter)
        clinical = tcga.read_clinical(files["clinical"]) if "clinical" in files else None
        encoded = None if features is None else io.read_labels(features).rename_axis("sample_id")
        remove_files(out, FILES)
        if tables:
            _write_tables(out, adata, events, clinical, reporter)
        if clinical is not None and encoded is not None:
            joined = tcga.join_clinical(encoded, clinical, as_published=as_published)
            io.write_table(out / "tybalt_features_with_clinical.tsv", joined)
        with reporter.step("data.h5ad"):
            _annotate(adata, events, clinical, as_published)
            adata.uns["source"]["sha256"] = sha256(files["expression"])
            io.write_h5ad(out / "data.h5ad", adata)
        with reporter.step("checksums"):
            about = _about(adata, files, as_published, n_genes)
        io.write_json(out / "process.json", about)
    for note in about["notes"]:
        reporter.say(note)
    return out / "data.h5ad"


def find_raw(raw: str | Path, reporter: Reporter | None = None) -> dict[str, Path]:
    """Find the raw files in a folder and the folders in it, or fetch them for the name ``tcga-pancan-2018``.

    Gives the files by what they hold: expression always; mutations, copy number and clinical if they are there.

    Raises
    ------
    InputError
        If there is no such folder, or no expression file in it.
    DownloadError
        If they cannot be fetched.
    """
    reporter = reporter or Reporter()
    folder = Path(raw).expanduser()
    if str(raw) == RAW_SETS[0] and not folder.exists():
        candidates = []
        for name in RAW_SETS:
            with reporter.step(f"fetch {name}"):
                candidates += datasets.download(name, progress=reporter.transfer).values()
    elif folder.is_dir():
        candidates = sorted(p for p in [*folder.iterdir(), *folder.glob("*/*")] if p.is_file())
    else:
        raise InputError(
            f"There is no folder {folder.name} with raw files.",
            where=str(folder),
            expected=f"a folder with {', '.join(patterns[0] for patterns in RAW_FILES.values())}",
            todo=f"name the folder, or {RAW_SETS[0]} to fetch the files",
        )
    found = {}
    for kind, patterns in RAW_FILES.items():
        matching = [p for pattern in patterns for p in candidates if p.match(pattern) or p.match(pattern + ".gz")]
        if matching:
            found[kind] = matching[0]
        else:
            reporter.say(f"There is no file of {kind} ({' or '.join(patterns)}): its tables are left out.")
    if "expression" not in found:
        inside = ", ".join(p.name for p in candidates[:5]) or "no files"
        raise InputError(
            "There is no expression file among the raw files.",
            where=f"{folder} holds {inside}",
            expected=" or ".join(RAW_FILES["expression"]),
            todo="fetch it with 'latentome download tcga-pancan-2018', or process another file by its own name",
        )
    return found


def _read_events(files: dict[str, Path], reporter: Reporter) -> _Events:
    events = _Events()
    if "mutations" in files:
        with reporter.step("mutations"):
            mutations = tcga.read_mutations(files["mutations"])
            events = events._replace(burden=tcga.mutation_burden(mutations), mutation=tcga.mutated_genes(mutations))
    if "copy number" in files:
        with reporter.step("copy number"):
            gain, loss = tcga.read_copy_number(files["copy number"])
            events = events._replace(copy_number_gain=gain, copy_number_loss=loss)
    if events.mutation is not None and events.copy_number_gain is not None and events.copy_number_loss is not None:
        status = tcga.status_matrix(events.mutation, events.copy_number_gain, events.copy_number_loss)
        events = events._replace(status=status)
    return events


def _write_tables(
    out: Path, adata: AnnData, events: _Events, clinical: pd.DataFrame | None, reporter: Reporter
) -> None:
    samples, genes = list(adata.obs_names), list(adata.var_names)
    for name, how, decimals in (
        ("pancan_scaled_zeroone_rnaseq.tsv.gz", "zero-one", 7),
        ("pancan_scaled_rnaseq.tsv.gz", "z-score", 6),
    ):
        with reporter.step(name.removesuffix(".tsv.gz")):
            write_matrix(out / name, tcga.scale_all(adata.X, how), samples, genes, decimals=decimals)
    io.write_bytes(out / "background_genes.txt", "".join(f"{gene}\n" for gene in genes).encode())
    io.write_table(out / "oncokb_genetypes.tsv", datasets.oncokb_genes())
    if clinical is not None:
        io.write_table(out / "clinical_data.tsv", clinical)
    if events.burden is not None:
        io.write_table(out / "pancan_mutation_burden.tsv", events.burden.to_frame())
    for name, calls, corner in (
        ("pancan_mutation", events.mutation, "SAMPLE_BARCODE"),
        ("copy_number_gain", events.copy_number_gain, "Sample"),
        ("copy_number_loss", events.copy_number_loss, "Sample"),
        ("status_matrix", events.status, ""),
    ):
        if calls is not None:
            with reporter.step(name):
                write_calls(out / f"{name}.tsv.gz", calls.matrix, calls.samples, calls.genes, corner=corner)


def _annotate(adata: AnnData, events: _Events, clinical: pd.DataFrame | None, as_published: bool) -> None:
    """Put what is known of the samples beside their expression, in place."""
    if clinical is not None:
        joined = tcga.join_clinical(adata.obs[[]], clinical, as_published=as_published).reindex(adata.obs_names)
        for column in joined.columns.drop("sample_base"):
            adata.obs[column] = joined[column].astype("category")
        adata.obs = adata.obs.rename(columns={"acronym": "cancer_type"})
        adata.uns["source"]["label_column"] = "cancer_type"
    if events.burden is not None:
        adata.obs["log10_mut"] = events.burden.reindex(adata.obs_names).to_numpy()
    for name, calls in events._asdict().items():
        if not isinstance(calls, tcga.Calls):
            continue
        place = {sample: i for i, sample in enumerate(calls.samples)}
        rows = np.array([place.get(sample, -1) for sample in adata.obs_names])
        # A sample without data is a row of zeros here; has_... tells it from one without events.
        known = calls.matrix[rows].multiply((rows >= 0)[:, None].astype(np.int8))
        adata.obsm[name] = known.tocsr()
        adata.obs[f"has_{name}"] = rows >= 0
        adata.uns[f"{name}_genes"] = np.array(calls.genes, dtype=object)


def _about(adata: AnnData, files: dict[str, Path], as_published: bool, n_genes: int | None) -> dict[str, Any]:
    notes = list(adata.uns["source"]["notes"])
    if n_genes is not None:
        notes.append("Genes were chosen on all samples: for a strict held-out evaluation process all of them.")
    notes.append(
        "The scaled tables are scaled over all samples, as published; 'latentome run' on data.h5ad scales on training "
        "samples."
    )
    if as_published:
        notes.append("As published: documented defects were kept.")
    return {
        "latentome": __version__,
        "as published": as_published,
        "samples": adata.n_obs,
        "genes": adata.n_vars,
        "files": {kind: {"path": str(path), "sha256": sha256(path)} for kind, path in files.items()},
        "notes": notes,
    }
