"""From a file or the name of a data set to the scaled matrix that models are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentome import datasets, io
from latentome.errors import InputError, RunFolderError, check_known, nearest
from latentome.io.files import sha256
from latentome.io.genes import check_duplicates
from latentome.io.labels import MISSING_LABELS, agreeing_columns
from latentome.io.orientation import check_orientation
from latentome.pp import Preprocessing, combine, find_groups, fit_preprocessing, read_gene_list, split_rows
from latentome.report.wording import several
from latentome.workflow.manifest import split_sum
from latentome.workflow.reporter import Reporter

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from latentome.io import MappedMatrix, RunFolder
    from latentome.io.unpack import Progress
    from latentome.workflow.config import RunConfig


#: Names of columns that hold what samples are, the most telling first; a table of labels often has several columns.
_USUAL_LABELS = (
    *("cancer_type", "acronym", "cell_type", "subtype", "disease", "diagnosis", "tissue", "organ"),
    *("type", "condition", "class", "label", "group", "sample_type"),
)


@dataclass(frozen=True)
class Prepared:
    """Data ready for a model.

    `adata` are scaled data, samples x genes of the model; ``obs["split"]`` is ``train`` or ``test``; ``uns["source"]``
    says where they are from. `stratified_by` are the columns whose classes are held out in their share, and the groups
    of `grouped_by` are on one side. Of data that are read from disk in blocks `matrix` are all samples x genes, as they
    come; `adata` has no X then.
    """

    adata: AnnData
    preprocessing: Preprocessing
    label_column: str | None
    notes: list[str]
    n_genes_read: int
    stratified_by: tuple[str, ...] = ()
    grouped_by: str | None = None
    matrix: MappedMatrix | None = None

    @property
    def training(self) -> np.ndarray:
        """Boolean, one for each sample: whether it is trained on."""
        return (self.adata.obs["split"] == "train").to_numpy()

    @property
    def groups(self) -> np.ndarray | None:
        """Which samples belong together, by a name for each; None where each stands alone."""
        return None if self.grouped_by is None else find_groups(self.adata, self.grouped_by)

    @property
    def labels(self) -> np.ndarray | None:
        """The label of each sample, missing ones as NaN; None where there are no labels."""
        return None if self.label_column is None else self.adata.obs[self.label_column].to_numpy(dtype=object)


#: The columns that a run adds to its samples: whether they were trained on, and the error of their reconstruction.
ADDED = ("split", "error")
#: Where single-cell tools keep a PCA: that of the run takes its place, whole.
OF_PCA = (("obsm", "X_pca"), ("varm", "PCs"), ("uns", "pca"))


def load_data(
    data: str,
    orientation: str = "auto",
    duplicates: str = "refuse",
    impute: str = "none",
    progress: Progress | None = None,
    min_samples: int = 2,
) -> AnnData:
    """Load a data set by its name or read an expression file, as :func:`latentome.io.read` does.

    With ``impute="mean"`` a few missing values are kept, for the preprocessing to fill them. What is neither is
    refused, with what its name may have meant.
    """
    names = [str(entry["name"]) for entry in datasets.available()]
    check_orientation(orientation)
    check_duplicates(duplicates)
    looks_like_a_path = any(mark in data for mark in "/\\.")
    if data not in names and not looks_like_a_path and not Path(data).exists():
        raise InputError(
            f"'{data}' is neither a data set nor a file.",
            where="the argument DATA",
            expected=nearest(data, names),
            todo="name one of these data sets, or give the path of an expression file",
        )
    what = f"There is no way '{impute}' to fill missing values."
    check_known(impute, ("none", "mean"), what, where="the option impute")
    if data in names:  # which is in order
        return datasets.load(data)
    missing = "keep" if impute == "mean" else "refuse"
    rules = {"orientation": orientation, "duplicates": duplicates, "missing": missing, "min_samples": min_samples}
    return io.read(data, **rules, progress=progress)


def prepare(config: RunConfig, scaling: str, reporter: Reporter | None = None) -> Prepared:
    """Read, label, split, and preprocess; the preprocessing is fitted on the training samples alone."""
    raw, label_column, notes = read_labelled(config, reporter)
    held_out = hold_out(raw, label_column, config)
    notes += _on_both_sides(raw, held_out, config)
    fitted = fit_preprocessing(raw[~held_out], **fit_options(config, scaling))
    return _scale(raw, fitted, held_out, label_column, notes, config)


def fit_options(config: RunConfig, scaling: str) -> dict[str, Any]:
    """What `latentome.pp.fit_preprocessing` is told of a run; a file that lists genes is read here."""
    genes = read_gene_list(config.genes) if isinstance(config.genes, str) else config.genes
    asked = {"transform": config.transform, "selection": config.select, "clip": config.clip}
    return {"n_genes": genes, "scaling": scaling, **asked}


def prepare_again(config: RunConfig, run: RunFolder, reporter: Reporter | None = None) -> Prepared:
    """Prepare the data of an existing run with the preprocessing that it keeps; `reporter` is told how far that is.

    Raises
    ------
    RunFolderError
        If the data or the labels are not the ones that the run was made with.
    """
    raw, label_column, notes = read_again(config, run, reporter)
    kept = Preprocessing.load(run.require("preprocessing"))
    held_out = hold_out(raw, label_column, config)
    then = run.read_manifest("split")["split"].get("sha256")  # none of runs of older versions
    if then is not None and then != split_sum(held_out):
        raise RunFolderError(
            "The held-out samples are not those of the training.",
            where=f"{run.config}: seed {config.seed}, test_size {config.test_size}, stratify, group",
            expected="the settings that the run was made with; others score the model on samples that it has seen",
            todo="restore config.toml, or make a new run",
        )
    return _scale(raw, kept, held_out, label_column, notes, config)


def read_again(
    config: RunConfig, run: RunFolder, reporter: Reporter | None = None
) -> tuple[AnnData, str | None, list[str]]:
    """The data of an existing run as they were read: samples x genes, the column of the labels, sentences about both.

    Raises
    ------
    RunFolderError
        If the data or the labels are not the ones that the run was made with.
    """
    if run.trained_from_disk:
        raise run.needs_memory()
    check_there(config, run)
    raw, label_column, notes = read_labelled(config, reporter)
    check_unchanged(raw, config, run)
    return raw, label_column, notes


def check_there(config: RunConfig, run: RunFolder) -> None:
    """Refuse to go on without the files that a run was made with, which whoever named the run has not named."""
    names = {str(entry["name"]) for entry in datasets.available()}
    for file, key in ((config.data, "data"), (config.labels, "labels")):
        if file is not None and file not in names and not Path(file).expanduser().exists():
            raise RunFolderError(
                f"The {key} of this run are not where they were.",
                where=f"{file}, which {run.config} names",
                expected="the very file that the run was made with",
                todo=f"put it back, or change the line '{key} =' in {run.config}: its checksum is compared",
            )


def check_unchanged(raw: AnnData, config: RunConfig, run: RunFolder) -> None:
    """Refuse data or labels that are not the ones that a run was made with."""
    now, then = raw.uns["source"], run.read_manifest("data")["data"]
    # Other labels would split the samples in another way, and score the model on samples that it was trained on.
    for file, key in ((config.data, "sha256"), (config.labels, "labels_sha256")):
        if now.get(key) != then.get(key):
            raise RunFolderError(
                "The data have changed since the run was made.",
                where=f"{file}: sha256 {str(now.get(key))[:16]}... now, {str(then.get(key))[:16]}... in {run.manifest}",
                expected="the very file that the run was made with",
                todo="restore the file, or make a new run",
            )


def read_labelled(config: RunConfig, reporter: Reporter | None = None) -> tuple[AnnData, str | None, list[str]]:
    """Samples x genes as they come, with labels; the column of the labels; sentences about both."""
    reporter = reporter or Reporter()
    if config.on_disk:
        raise InputError(
            "Only training and encoding go through a matrix on disk in blocks.",
            where="--on-disk",
            expected="'latentome train --on-disk', then 'latentome predict RUN'",
            todo="train and predict in two commands; or leave --on-disk out and keep fewer genes or samples",
        )
    raw = load_data(config.data, config.orientation, config.duplicates, config.impute, reporter.progress)
    reporter.progress(0, 0)  # how far what follows is nobody says
    notes = [str(note) for note in raw.uns["source"].get("notes", [])]
    return raw, find_label(raw, config, notes), notes


def hold_out(raw: AnnData, label_column: str | None, config: RunConfig) -> np.ndarray:
    """Choose the held-out samples: boolean, one for each."""
    cut, groups = how_to_cut(raw, label_column, config)
    return split_rows(raw.n_obs, config.test_size, cut, np.random.default_rng([config.seed, 0]), groups)


def _on_both_sides(raw: AnnData, held_out: np.ndarray, config: RunConfig) -> list[str]:
    """Tell where a patient has samples among the training and among the held-out ones, and nobody asked for groups."""
    patients = io.parse_barcodes(raw.obs_names)["patient"]
    known = patients.notna().to_numpy()
    both = set(patients[known & held_out]) & set(patients[known & ~held_out])
    if not both or config.group is not None:
        return []
    return [
        f"{several(len(both), 'patient has', 'patients have')} samples among the training and among the held-out ones; "
        "--group patient keeps the samples of a patient together."
    ]


def how_to_cut(
    raw: AnnData, label_column: str | None, config: RunConfig
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The class of each sample that is held out in its share, and the group that is kept together; None for none."""
    groups = None if config.group is None else find_groups(raw, config.group)
    return combine(raw.obs, strata(config, label_column)), groups


def strata(config: RunConfig, label_column: str | None) -> list[str]:
    """The columns whose classes are held out in their share."""
    return list(config.stratify) or ([] if label_column is None else [label_column])


def _scale(
    raw: AnnData,
    preprocessing: Preprocessing,
    held_out: np.ndarray,
    label_column: str | None,
    notes: list[str],
    config: RunConfig,
) -> Prepared:
    scaled, filled = preprocessing.apply(raw)
    del raw.X  # which the copy would have, too; nobody asks for it any more
    adata = raw[:, preprocessing.genes].copy()
    adata.X = scaled
    columns = tuple(strata(config, label_column))
    notes.extend(free_columns(adata, [label_column, *columns, config.group]))
    adata.obs["split"] = np.where(held_out, "test", "train")
    return Prepared(adata, preprocessing, label_column, notes + filled, raw.n_vars, columns, config.group)


def free_columns(adata: AnnData, used: Sequence[str | None]) -> list[str]:
    """Make way for the columns that a run adds to its samples; give sentences about those that were there.

    Raises
    ------
    InputError
        If one of them is among the columns that the run uses.
    """
    taken = [name for name in ADDED if name in adata.obs]
    if wanted := [name for name in taken if name in used]:
        raise InputError(
            "A run adds a column of this name to its samples.",
            where=f"the column '{wanted[0]}' of labels, strata or groups",
            expected=f"a name other than {' and '.join(ADDED)}",
            todo="rename the column",
        )
    notes = [f"The samples' own column '{name}' gives way to that of the run." for name in taken]
    own = [(place, name) for place, name in OF_PCA if name in getattr(adata, place)]
    for place, name in own:
        del getattr(adata, place)[name]
    places = ", ".join(f"{place}['{name}']" for place, name in own)
    return [*notes, f"The samples' own PCA gives way to that of the run: {places}."] if own else notes


def find_label(adata: AnnData, config: RunConfig, notes: list[str]) -> str | None:
    """Join the labels and decide which column of them counts; whole numbers in it become names of classes."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    column = _label_column(adata, config, notes)
    for name in dict.fromkeys(n for n in (column, config.group, *config.stratify) if n in adata.obs):
        # As a file of labels is read: programs write words for what is not there.
        absent = adata.obs[name].notna() & adata.obs[name].astype(str).str.strip().isin(MISSING_LABELS)
        if absent.any():
            adata.obs[name] = adata.obs[name].astype(object).where(~absent, None)
            notes.append(f"'{name}' is empty, or a word for a missing value, for {int(absent.sum())} samples.")
    if column is not None and adata.obs[column].isna().all():
        raise InputError(
            f"No sample has a label: '{column}' is empty.",
            where=f"{adata.n_obs} samples of {config.data}",
            expected="a class for some samples at least",
            todo="name another column with --label-column, or check that the labels name the samples as the data do",
        )
    if column is not None and is_numeric_dtype(adata.obs[column]) and not is_bool_dtype(adata.obs[column]):
        adata.obs[column] = _as_classes(adata.obs[column], column)
    return column


def _as_classes(column: pd.Series, name: str) -> pd.Series:
    """Numbers as text, refused where they are no numbers of classes."""
    present = column.dropna().astype(float)
    if not (present == present.round()).all() or present.nunique() > max(2, len(column) // 3):
        raise InputError(
            f"The labels '{name}' are quantities, and a run needs classes.",
            where=f"{present.nunique()} different numbers in {len(column)} samples, such as {present.iloc[0]:g}",
            expected="a column of classes; whole numbers are taken for such where at least three samples share one",
            todo="name another column with --label-column; 'latentome interpret' relates features to quantities",
        )
    return column.astype(float).map(lambda number: f"{number:.0f}", na_action="ignore").astype(object)


def _label_column(adata: AnnData, config: RunConfig, notes: list[str]) -> str | None:
    joined: list[str] = []
    if config.labels is not None:
        labels = io.read_labels(config.labels)
        adata.uns["source"]["labels_sha256"] = sha256(Path(config.labels).expanduser())
        wanted = agreeing_columns(adata, labels)
        asked = (config.label_column, *config.stratify, config.group)  # refused below where their rows disagree
        wanted += [name for name in dict.fromkeys(asked) if name in labels.columns and name not in wanted]
        if config.label_column is not None and config.label_column not in [*labels.columns, *adata.obs.columns]:
            wanted.append(config.label_column)
        if wanted and (gone := [str(name) for name in labels.columns if name not in wanted]):
            notes.append(f"Labels in which the rows of one sample disagree were left out: {', '.join(gone)}.")
            labels = labels[[name for name in labels.columns if name in wanted]]
        notes.extend(io.add_labels(adata, labels, wanted or None))
        joined = [str(column) for column in labels.columns]
    if config.label_column is not None:
        check_label_column(adata, config.label_column, f"the labels of {config.data}")
        return config.label_column
    own = adata.uns["source"].get("label_column")
    if own in adata.obs:
        return str(own)
    if own:
        notes.append(f"The file names '{own}' as its labels, and has no such column.")
    chosen, classes = usual_labels(adata, joined, notes)
    if joined and chosen is None and not classes:
        told = [f"{name} ({adata.obs[name].nunique()} different values)" for name in joined[:8]]
        raise InputError(
            "No column of the labels has classes that some samples share.",
            where=f"{config.labels}; columns: {', '.join(told)}; {adata.n_obs} samples",
            expected=f"a column of 2 to {max(2, adata.n_obs // 3)} different values",
            todo="give labels of classes, or leave --labels out; --label-column takes a column nevertheless",
        )
    if joined and chosen is None:
        raise InputError(
            "It is not clear which column of the labels to use.",
            where=f"{config.labels}; columns: {', '.join(joined)}",
            expected="--label-column with one of these",
            todo=f"add --label-column {classes[0]}, say",
        )
    if not joined:
        told = f", though --label-column could name one of {', '.join(map(str, adata.obs.columns[:8]))}"
        notes.append(
            f"There are no labels{told if len(adata.obs.columns) else ''}: maps show training and held-out samples, "
            "metrics that need classes are left out."
        )
    return chosen


def check_label_column(adata: AnnData, name: str, where: str) -> None:
    """Refuse a column of labels that there is not."""
    todo = ("name one of these columns, or " if len(adata.obs.columns) else "") + "give a table with --labels"
    check_known(name, adata.obs.columns, f"There is no label column '{name}'.", where=where, todo=todo)


def usual_labels(adata: AnnData, joined: Sequence[str], notes: list[str]) -> tuple[str | None, list[str]]:
    """The column of classes among those that were joined, if there is one or one has a usual name; and all of them."""
    # A table with one column of classes leaves no choice; of several the user has to name one.
    classes = [c for c in joined if 2 <= adata.obs[c].nunique() <= max(2, adata.n_obs // 3)]
    usual = [c for name in _USUAL_LABELS for c in classes if c.lower() == name]
    if len(classes) > 1 and usual:
        others = ", ".join(c for c in classes if c != usual[0])
        notes.append(f"Of the labels '{usual[0]}' was taken; --label-column names another one ({others}).")
        return usual[0], classes
    return (classes[0] if len(classes) == 1 else None), classes


def groups_of_training(prepared: Prepared, reporter: Reporter) -> np.ndarray | None:
    """The groups that validation rows are drawn by; None, and a note, where blocks of the data are."""
    from latentome.training.memory import fits_on_device

    if prepared.groups is None:
        return None
    if prepared.matrix is None and fits_on_device(int(prepared.training.sum()), prepared.adata.n_vars):
        return prepared.groups[prepared.training]
    reporter.say("The validation samples of the training are blocks of the data, whatever their groups.")
    return None
