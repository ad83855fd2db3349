from __future__ import annotations

import pandas as pd
import pytest

from latentome.io import looks_like_barcode, parse_barcodes
from latentome.io.barcodes import SAMPLE_TYPES


@pytest.mark.parametrize(
    "name",
    [
        "TCGA-OR-A5J1-01A-11R-A29S-07",
        "TCGA-OR-A5J1-01A-11R-A29S",
        "TCGA-OR-A5J1-01A-11R",
        "TCGA-OR-A5J1-01A",
        "TCGA-OR-A5J1-01",
        "tcga.or.a5j1.01a.11r.a29s.07",
        "TCGA.OR.A5J1.01",
    ],
)
def test_every_length_and_spelling_of_a_barcode(name):
    row = parse_barcodes([name]).loc[name]
    assert row.to_list() == ["TCGA-OR-A5J1", "TCGA-OR-A5J1-01", "01", "Primary Solid Tumor"]
    assert looks_like_barcode(name)


def test_a_patient_has_no_sample_type():
    assert parse_barcodes(["TCGA-OR-A5J1"]).iloc[0].to_list() == ["TCGA-OR-A5J1", None, None, None]


@pytest.mark.parametrize("name", ["GSM123", "TP53", "", "TCGA-OR", "TCGA-OR-A5J1-0", "TCGA-OR-A5J1-01A-11R-A29S-07-x"])
def test_other_names_give_none_and_keep_their_place(name):
    frame = parse_barcodes(["TCGA-02-0047-11", name])
    assert list(frame.index) == ["TCGA-02-0047-11", name]
    assert frame["sample_type"].iloc[0] == "Solid Tissue Normal"
    assert frame.iloc[1].isna().all()
    assert not looks_like_barcode(name)


def test_the_codes_are_those_of_the_tcga(shared):
    table = pd.read_csv(shared / "tcga-cognoma" / "tcga_sampletype_codes.csv", dtype=str)
    assert dict(zip(table["Code"], table["Definition"], strict=True)) == SAMPLE_TYPES


def test_the_sample_types_of_the_10459_published_samples(shared):
    names = pd.read_csv(shared / "tybalt-published" / "adage_tsne_features.tsv", sep="\t", index_col=0).index
    codes = parse_barcodes(names)
    assert codes["sample_type_code"].value_counts().to_dict() == {
        "01": 9112,
        "11": 727,
        "06": 394,
        "03": 173,
        "02": 41,
        "05": 11,
        "07": 1,
    }
    assert codes["patient"].nunique() == 9706


def test_a_patients_first_record_gives_the_wrong_sample_type_to_769_of_10375_samples(shared):
    """Why the sample type is read from the barcode: the clinical table has one row for each patient."""
    folder = shared / "tybalt-published"
    names = pd.read_csv(folder / "adage_tsne_features.tsv", sep="\t", index_col=0).index
    clinical = pd.read_csv(folder / "clinical_data.tsv", sep="\t", index_col=0, dtype=str)["sample_type"]
    first = clinical[~clinical.index.duplicated()]
    codes = parse_barcodes(names)
    recorded = codes["patient"].map(first).dropna()
    assert len(recorded) == 10375
    same = {"Primary Tumor": "Primary Solid Tumor", "Recurrent Tumor": "Recurrent Solid Tumor"}
    told = codes.loc[recorded.index, "sample_type"]
    wrong = told[told != recorded.replace(same)]
    assert len(wrong) == 769
    normal = recorded.loc[wrong.index] == "Solid Tissue Normal"
    assert (wrong[normal].str.contains("Normal").sum(), int(normal.sum())) == (0, 347), "tumours called normal"
    assert (wrong == "Solid Tissue Normal").sum() == 348, "normal samples called tumours"
