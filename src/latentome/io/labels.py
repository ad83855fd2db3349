"""Labels of samples: read from a table, matched to the samples by name, TCGA sample or TCGA patient."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentome.errors import InputError, nearest, of_anndata
from latentome.io.barcodes import parse_barcodes
from latentome.io.files import check_exists, check_suffix, check_text, data_suffix
from latentome.io.genes import listed
from latentome.io.text import find_layout, numbered_fields

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

#: As programs write what is not there; the last ones are those of the GDC and of TCGA's clinical tables.
MISSING_LABELS = (
    *("", "NA", "NaN", "nan", "N/A", "#N/A", "<NA>", "'--", "Not Reported", "not reported"),
    *("[Not Available]", "[Not Applicable]", "[Not Evaluated]", "[Unknown]"),
)
#: Beside numbers; beside words they may be classes, as in a treatment 'None' or a genotype 'null'.
_MISSING_NUMBERS = ("null", "NULL", "None", "none")
#: Numbers of which some have a comma, and such as may have it for a thousand.
_DECIMAL_COMMA, _THOUSANDS = r"-?\d+(,\d+)?", r"-?\d+|-?[1-9]\d{0,2},\d{3}"


def read_labels(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table of labels.

    Parameters
    ----------
    path
        A table as text, packed or not; the first column names samples, the others hold labels of any kind.

    Returns
    -------
    A frame indexed by the first column. Columns of numbers are float64, others are text; codes such as ``01`` stay
    text. Empty fields, ``NA`` and alike are missing (None, or NaN in columns of numbers, where ``null`` is, too). Where
    commas do not separate the fields they may be decimal points; ``attrs["notes"]`` has a sentence for such columns.

    Raises
    ------
    InputError
        If the file is missing, empty, damaged or not a table, or a line has another number of fields than the header.
    """
    import pandas as pd

    path = Path(path).expanduser()
    check_exists(path)
    check_suffix(path)
    if data_suffix(path) == ".h5ad":
        raise InputError(
            f"{path.name} is an AnnData file, not a table of labels",
            where=str(path),
            expected="a table as text: sample names in the first column, labels in the others",
            todo="Write its obs as text first: adata.obs.to_csv('labels.tsv', sep='\\t').",
        )
    check_text(path)
    layout = find_layout(path)
    # What describes a gene in a table of expression is a label like others here.
    told = [note for note in layout.notes if "set aside" not in note]
    layout = layout._replace(columns=[*layout.extra, *layout.columns], extra=(), notes=told)
    names, rows, ragged = [], [], []
    for number, (name, *fields) in numbered_fields(path, layout):
        if len(fields) != len(layout.columns):
            ragged.append(f"line {number} ('{name}') has {len(fields) + 1}")
        names.append(name.strip())
        rows.append([field.strip() for field in fields])
    if ragged:
        raise InputError(
            f"{path.name} has {len(ragged)} lines of another length than its header",
            where=f"{path}: {'; '.join(ragged[:3])}{'; ...' if len(ragged) > 3 else ''} fields",
            expected=f"{len(layout.columns) + 1} fields in every line, as in its header",
            todo="Correct these lines; a separator inside a field needs quotes around the field.",
        )
    if "_index" in layout.columns:
        raise InputError(
            f"{path.name} has a column '_index', a name that AnnData keeps for itself",
            where=f"{path}, line {layout.header_line}",
            expected="another name",
            todo="Rename or delete the column.",
        )
    repeated = sorted({column for column in layout.columns if layout.columns.count(column) > 1})
    if repeated:
        raise InputError(
            f"{path.name} has columns of the same name: {listed(repeated)}",
            where=f"{path}, line {layout.header_line}",
            expected="every column of labels named once",
            todo="Rename or delete the repeated columns.",
        )
    frame = pd.DataFrame(rows, index=pd.Index(names, name=layout.corner or None), columns=layout.columns, dtype=object)
    typed = frame.apply(_typed, commas=layout.delimiter != ",")
    typed.attrs["notes"] = {name: note for name in frame if (note := _note_commas(frame[name], typed[name]))}
    return typed


@of_anndata
def add_labels(adata: AnnData, labels: pd.DataFrame, column: str | Sequence[str] | None = None) -> list[str]:
    """Add labels to ``adata.obs``, in place.

    A sample takes the row of its very name; else that of its TCGA sample (15 characters); else that of its
    TCGA patient. The last counts only for rows that name a patient and no sample: a row of a patient's tumour says
    nothing about the same patient's normal tissue.

    Parameters
    ----------
    adata
        Samples x genes.
    labels
        As :func:`read_labels` returns it.
    column
        The one column to add, or several; all if None.

    Returns
    -------
    Sentences that say how many samples were matched, how, and how many have no label. Text becomes categorical; samples
    without a label keep that which they have, or get NA.

    Raises
    ------
    InputError
        If `column` does not exist, no sample matches, or two rows for the same sample disagree.
    """
    wanted = [column] if isinstance(column, str) else column
    for name in wanted or ():
        if name not in labels.columns:
            raise InputError(
                f"The labels have no column '{name}'",
                where=f"labels of {len(labels)} rows",
                expected="the name of one of their columns",
                todo=nearest(name, labels.columns),
            )
    chosen = labels if wanted is None else labels[list(dict.fromkeys(wanted))]
    corner = str(labels.index.name or "")
    if corner and any(_match(list(adata.obs_names), [corner])[1].values()):
        raise InputError(
            "The labels have no header: their first line is a sample",
            where=f"first line: {listed([corner, *map(str, labels.columns)], 3)}",
            expected="a first line with the names of the columns",
            todo="Add one, such as: sample and the name of the label.",
        )
    keys, counts = _match(list(adata.obs_names), list(labels.index))
    if not sum(counts.values()):
        if any(_match(list(adata.obs_names), list(map(str, labels.columns)))[1].values()):
            raise InputError(
                "The labels are transposed: the samples are in their columns",
                where=f"columns: {listed(list(map(str, labels.columns)), 3)}; rows: {listed(list(labels.index), 3)}",
                expected="a row for each sample",
                todo="Transpose the table of labels.",
            )
        raise InputError(
            "No sample has a label: the names do not match",
            where=f"samples: {listed(list(adata.obs_names), 3)}; labels: {listed(list(labels.index), 3)}",
            expected="in the first column of the labels: names of the samples, or of their TCGA samples or patients",
            todo="Check that it is the right table, and that its first column holds the sample names.",
        )
    import pandas as pd

    positions = [_one_row(chosen, rows, sample) for sample, rows in zip(adata.obs_names, keys, strict=True)]
    replaced = [name for name in chosen.columns if name in adata.obs.columns]
    for name in chosen.columns:
        new = _column(chosen[name], positions, adata.obs_names)
        if name in replaced and new.isna().any():  # where the table says nothing stays what is known
            merged = new.astype(object).where(new.notna(), adata.obs[name].astype(object)).infer_objects()
            number = pd.api.types.is_numeric_dtype(merged.dtype)
            new = merged if number else merged.map(str, na_action="ignore").astype("category")
        adata.obs[name] = new
    return _report(adata, chosen, counts, replaced)


def agreeing_columns(adata: AnnData, labels: pd.DataFrame) -> list[str]:
    """Give the columns that say the same in all rows of a sample; several rows are common in clinical tables."""
    several = [rows for rows in _match(list(adata.obs_names), list(labels.index))[0] if len(rows) > 1]
    if not several:
        return [str(name) for name in labels.columns]
    group = np.repeat(np.arange(len(several)), [len(rows) for rows in several])
    chosen = labels.iloc[[row for rows in several for row in rows]].astype(str)
    differs = (chosen.groupby(group).nunique() > 1).any()
    return [str(name) for name in labels.columns if not differs[name]]


def _match(samples: Sequence[str], rows: Sequence[str]) -> tuple[list[list[int]], dict[str, int]]:
    """Find for each sample the positions of its rows, by the closest kind of name, and count the kinds."""
    row_codes, sample_codes = parse_barcodes(rows), parse_barcodes(samples)
    whole, by_sample, by_patient = {}, {}, {}
    for position, (name, sample, patient) in enumerate(
        zip(rows, row_codes["sample"], row_codes["patient"], strict=True)
    ):
        whole.setdefault(name, []).append(position)
        if sample is not None:
            by_sample.setdefault(sample, []).append(position)
        elif patient is not None:
            by_patient.setdefault(patient, []).append(position)
    counts = {"name": 0, "TCGA sample": 0, "TCGA patient": 0}
    found = []
    for name, sample, patient in zip(samples, sample_codes["sample"], sample_codes["patient"], strict=True):
        for kind, index, key in zip(counts, (whole, by_sample, by_patient), (name, sample, patient), strict=True):
            if key in index:
                counts[kind] += 1
                found.append(index[key])
                break
        else:
            found.append([])
    return found, counts


def _one_row(labels: pd.DataFrame, rows: list[int], sample: str) -> int:
    """Give the one row of a sample, -1 if there is none; refuse rows that disagree."""
    if not rows:
        return -1
    if len(rows) > 1:
        several = labels.iloc[rows]
        differing = [name for name in several.columns if several[name].nunique(dropna=False) > 1]
        if differing:
            values = " and ".join(map(str, several[differing[0]].unique()[:3]))
            places = ", ".join(f"{labels.index[i]} (row {i + 1})" for i in rows[:3])
            raise InputError(
                f"The labels of sample '{sample}' disagree in {listed(differing)}",
                where=f"rows {places}: {differing[0]} is {values}",
                expected="one row for each sample, or rows that say the same",
                todo="Keep the right row, or choose another column (--label-column).",
            )
    return rows[0]


def _typed(values: pd.Series, commas: bool) -> pd.Series:
    """Make a column of text a column of numbers where nothing is lost by it; `commas` may be those of decimals."""
    import pandas as pd

    values = values.where(~values.isin(MISSING_LABELS), None)
    numbers = values.where(~values.isin(_MISSING_NUMBERS), None)
    present = numbers.dropna()
    if commas and _all_match(present, _DECIMAL_COMMA) and not _all_match(present, _THOUSANDS):
        numbers = numbers.str.replace(",", ".")
        present = numbers.dropna()
    codes = present.str.match(r"[-+]?0\d").any()
    if len(present) and not codes and pd.to_numeric(present, errors="coerce").notna().all():
        return pd.to_numeric(numbers)
    return values


def _all_match(present: pd.Series, pattern: str) -> bool:
    return len(present) > 0 and bool(present.str.fullmatch(pattern).all())


def _note_commas(read: pd.Series, typed: pd.Series) -> str | None:
    """Say of a column of numbers with commas what they were taken for."""
    import pandas as pd

    present = read[typed.notna() & ~read.isin(_MISSING_NUMBERS)]
    some = present[present.str.contains(",", regex=False)]
    if not len(some) or not _all_match(present, _DECIMAL_COMMA):
        return None
    if pd.api.types.is_numeric_dtype(typed.dtype):
        return f"The commas of '{read.name}' were read as decimal points, such as {some.iloc[0]}."
    return f"'{read.name}' has numbers with commas, such as {some.iloc[0]}, and stays text: write a point, or none."


def _column(values: pd.Series, positions: list[int], names: pd.Index) -> pd.Series:
    import pandas as pd

    at = np.array(positions)
    if isinstance(values.dtype, pd.CategoricalDtype):  # keeps its order
        codes = np.where(at >= 0, values.cat.codes.to_numpy()[at], -1)
        found = pd.Categorical.from_codes(codes, dtype=values.dtype)
        return pd.Series(found.remove_unused_categories(), index=names)
    taken = pd.Series(values.to_numpy()[at], index=names)  # position -1 is masked in the next line
    taken = taken.where(at >= 0)
    # Text is of the type object before pandas 3 and of the type str since.
    return taken if pd.api.types.is_numeric_dtype(taken.dtype) else taken.astype("category")


def _report(adata: AnnData, chosen: pd.DataFrame, counts: dict[str, int], replaced: list[str]) -> list[str]:
    how = ", ".join(f"{count} by {kind}" for kind, count in counts.items() if count)
    notes = [f"{sum(counts.values())} of {adata.n_obs} samples have a row of labels ({how})."]
    notes += [note for name, note in chosen.attrs.get("notes", {}).items() if name in chosen.columns]
    for name in chosen.columns:
        lacking = int(adata.obs[name].isna().sum())
        if lacking:
            notes.append(f"{lacking} samples have no {name}.")
    if replaced:
        notes.append(f"The labels replaced what was there before of these samples: {listed(replaced)}.")
    if counts["TCGA patient"] and any(str(name).startswith("sample_type") for name in chosen.columns):
        notes.append(
            "sample_type came from rows of patients, who have several samples: the barcodes tell it rightly "
            "(latentome.io.parse_barcodes)."
        )
    return notes
