"""The clinical table, and samples joined to it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from latentome.errors import InputError, nearest
from latentome.io import parse_barcodes
from latentome.io.files import check_exists, check_text
from latentome.io.text import find_layout
from latentome.io.unpack import UNPACK_ERRORS, lines, open_unpacked

if TYPE_CHECKING:
    import pandas as pd

#: The 17 columns of Snaptron's table that are kept, and their names from then on.
CLINICAL_COLUMNS = {
    "gdc_cases.submitter_id": "sample_id",
    "gdc_platform": "platform",
    "cgc_portion_id": "portion_id",
    "cgc_case_age_at_diagnosis": "age_at_diagnosis",
    "xml_stage_event_pathologic_stage": "stage",
    "gdc_cases.diagnoses.vital_status": "vital_status",
    "gdc_cases.demographic.race": "race",
    "gdc_cases.project.project_id": "acronym",
    "gdc_cases.tissue_source_site.project": "disease",
    "gdc_cases.project.primary_site": "organ",
    "cgc_drug_therapy_drug_name": "drug",
    "gdc_cases.demographic.ethnicity": "ethnicity",
    "cgc_slide_percent_tumor_nuclei": "percent_tumor_nuclei",
    "gdc_cases.demographic.gender": "gender",
    "gdc_cases.samples.sample_type": "sample_type",
    "gdc_center.short_name": "analysis_center",
    "xml_year_of_initial_pathologic_diagnosis": "year_of_diagnosis",
}


def read_clinical(path: Path) -> pd.DataFrame:
    """Read Snaptron's clinical table, or the published table that was made of it.

    Parameters
    ----------
    path
        ``samples.tsv`` (one row for each sequenced sample, about 860 columns), or ``clinical_data.tsv``.

    Returns
    -------
    16 columns of text (None where nothing is known), one row for each row of the file, indexed by the patient's barcode
    under the published name ``sample_id``. ``acronym`` is the cancer type without ``TCGA-``.

    Raises
    ------
    InputError
        If columns are missing.
    """
    import pandas as pd

    check_exists(path)
    check_text(path)
    layout = find_layout(path)
    heads = [layout.corner, *layout.columns]
    names = CLINICAL_COLUMNS if next(iter(CLINICAL_COLUMNS)) in heads else {n: n for n in CLINICAL_COLUMNS.values()}
    lacking = [name for name in names if name not in heads]
    if lacking:
        raise InputError(
            f"{path.name} lacks {len(lacking)} of the 17 clinical columns: {', '.join(lacking[:4])}",
            where=str(path),
            expected="samples.tsv of Snaptron, or the published clinical_data.tsv",
            todo=nearest(lacking[0], heads),
        )
    try:
        # The 17 columns alone: 860 columns of text take gigabytes.
        separators = [line.count("\t") for line in lines(path) if line.strip()]
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
            with open_unpacked(path) as stream:
                table = pd.read_csv(
                    stream, sep="\t", usecols=list(names), dtype=object, keep_default_na=False, quoting=quoting
                )
            if len(table) == len(separators) - 1:  # else a quote that nothing closes has swallowed some
                break
        if quoting == csv.QUOTE_NONE and len(set(separators)) > 1:
            raise pd.errors.ParserError(f"quotes that nothing closes, and lines of {sorted(set(separators))} tabs")
    except (pd.errors.ParserError, UnicodeDecodeError, *UNPACK_ERRORS) as failure:
        raise InputError(
            f"{path.name} cannot be read as a clinical table",
            where=f"{path}: {failure}",
            expected="a complete table with tabs between its columns",
            todo="fetch it again: it may be cut off",
        ) from failure
    clinical = table[list(names)].rename(columns=names).set_index("sample_id")
    clinical["acronym"] = clinical["acronym"].str.removeprefix("TCGA-")
    return clinical.where(~clinical.isin(["", "NA"]), None)


def join_clinical(table: pd.DataFrame, clinical: pd.DataFrame, *, as_published: bool = False) -> pd.DataFrame:
    """Join samples to the clinical table; samples of patients that are not in it are left out.

    Parameters
    ----------
    table
        Anything that is known of samples, such as their latent features, indexed by barcode.
    clinical
        As :func:`read_clinical` returns it.
    as_published
        Take the patient's first record for each of the patient's samples. Its sample type is then wrong for 769 of the
        10,375 published samples. By default the record is the one of the sample itself, by its portion, or else the
        first of the patient, and the sample type is that of the barcode.

    Returns
    -------
    The columns of `table`, ``sample_base`` (the patient), and those of `clinical`. Names of drugs are cleaned: lower
    case, without tabs, quotes and backslashes.
    """
    import pandas as pd

    barcodes = parse_barcodes(table.index)
    first = clinical.reset_index().drop_duplicates("sample_id").set_index("sample_id")
    records = first.reindex(barcodes["patient"]).set_axis(table.index)
    known = barcodes["patient"].isin(first.index).to_numpy()
    if not as_published:
        own = clinical[clinical["portion_id"].notna()]
        own = own.set_axis(parse_barcodes(own["portion_id"])["sample"].to_numpy())
        own = own[own.index.notna() & ~own.index.duplicated()]
        has_own = barcodes["sample"].isin(own.index).to_numpy()
        records[has_own] = own.reindex(barcodes["sample"][has_own]).to_numpy()
        records["sample_type"] = barcodes["sample_type"].to_numpy()
    records["drug"] = records["drug"].str.lower().str.replace(r'[\t"\\]', "", regex=True)
    records.insert(0, "sample_base", barcodes["patient"].to_numpy())
    return pd.concat([table, records], axis=1)[known].rename_axis("sample_id")
