from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from latentome.errors import InputError
from latentome.io import add_labels, read, read_labels


def samples(*names: str) -> anndata.AnnData:
    adata = anndata.AnnData(np.zeros((len(names), 2), np.float32))
    adata.obs_names = list(names)
    return adata


def test_types_codes_and_missing_values(write):
    path = write("l.csv", 'id,age,code,type,note\nS1,61.5,01,ACC,"a, b"\nS2,NA,11,,c\n')
    labels = read_labels(path)
    assert labels.index.name == "id"
    assert labels["age"].dtype == np.float64
    assert labels["age"].isna().tolist() == [False, True]
    assert labels["code"].tolist() == ["01", "11"]
    assert labels["type"].tolist() == ["ACC", None]
    assert labels["note"].tolist() == ["a, b", "c"]


def test_labels_by_name_sample_and_patient():
    adata = samples(
        "TCGA-OR-A5J1-01A-11R-A29S-07", "TCGA-OR-A5J2-01A-11R-A29S-07", "TCGA-OR-A5J3-01A-11R-A29S-07", "other"
    )
    labels = pd.DataFrame(
        {"type": ["a", "b", "c"], "age": [1.0, 2.0, 3.0]},
        index=["TCGA-OR-A5J1-01A-11R-A29S-07", "TCGA-OR-A5J2-01", "TCGA-OR-A5J3"],
    )
    notes = add_labels(adata, labels)
    assert adata.obs["type"].iloc[:3].tolist() == ["a", "b", "c"]
    assert isinstance(adata.obs["type"].dtype, pd.CategoricalDtype)
    assert adata.obs["type"].isna().tolist() == [False, False, False, True]
    assert adata.obs["age"].iloc[1] == 2.0
    assert "3 of 4 samples have a row of labels (1 by name, 1 by TCGA sample, 1 by TCGA patient)." in notes
    assert "1 samples have no type." in notes


def test_a_normal_sample_does_not_take_the_row_of_the_tumour():
    adata = samples("TCGA-OR-A5J1-11A", "TCGA-OR-A5J1-01A")
    add_labels(adata, pd.DataFrame({"kind": ["tumour"]}, index=["TCGA-OR-A5J1-01"]))
    assert adata.obs["kind"].isna().tolist() == [True, False]


def test_one_column_of_many_and_a_replaced_column():
    adata = samples("S1", "S2")
    adata.obs["b"] = "old"
    notes = add_labels(adata, pd.DataFrame({"a": ["x", "y"], "b": ["u", "v"]}, index=["S2", "S1"]), column="b")
    assert adata.obs["b"].tolist() == ["v", "u"]
    assert "a" not in adata.obs
    assert any("replaced" in note for note in notes)


def test_a_column_that_does_not_exist_names_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'cancer_type'"):
        add_labels(samples("S1"), pd.DataFrame({"cancer_type": ["a"]}, index=["S1"]), column="cancer_typ")


def test_names_that_do_not_match_are_shown_from_both_sides():
    with pytest.raises(InputError, match=r"samples: S1, S2; labels: P1, P2, P3, \.\.\. \(4 in all\)"):
        add_labels(samples("S1", "S2"), pd.DataFrame({"a": list("abcd")}, index=["P1", "P2", "P3", "P4"]))


def test_rows_that_disagree_are_refused_and_equal_ones_are_not():
    labels = pd.DataFrame({"type": ["a", "b", "c"], "sex": ["f", "f", "m"]}, index=["S1", "S1", "S2"])
    with pytest.raises(InputError, match=r"'S1' disagree in type\n.*S1 \(row 1\), S1 \(row 2\): type is a and b"):
        add_labels(samples("S1", "S2"), labels)
    adata = samples("S1", "S2")
    add_labels(adata, labels, column="sex")
    assert adata.obs["sex"].tolist() == ["f", "m"]
    add_labels(samples("S2"), labels)  # rows of samples that are not here do not matter


def test_the_published_clinical_table_warns_of_its_sample_types(shared):
    adata = samples("TCGA-OR-A5J1-01A-11R-A29S-07", "TCGA-OR-A5J2-01A-11R-A29S-07")
    labels = read_labels(shared / "tybalt-published" / "clinical_data.tsv")
    notes = add_labels(adata, labels, column="sample_type")
    assert any("parse_barcodes" in note for note in notes)


def test_real_labels_of_a_real_table(shared, tmp_path):
    adata = read(shared / "tcga-ebpp" / "rsem_1106x198.tsv.gz")
    notes = add_labels(adata, read_labels(shared / "tcga-ebpp" / "labels.tsv"))
    assert adata.obs["cancer_type"].nunique() == 33
    assert notes == ["1106 of 1106 samples have a row of labels (1106 by name)."]
    adata.write_h5ad(tmp_path / "x.h5ad")


def test_words_for_what_is_missing(write):
    rows = "".join(f"S{i}\t{word}\t{i}\n" for i, word in enumerate(("null", "None", "'--", "[Not Available]", "none")))
    labels = read_labels(write("l.tsv", f"id\ttype\tage\n{rows}S9\tx\tnull\n"))
    assert labels["type"].tolist() == ["null", "None", None, None, "none", "x"]
    assert labels["age"].dtype == np.float64
    stages = ("Stage I", "Not Reported", "[Not Applicable]", "Not reported by whom", "[Unknown]", "not reported")
    labels = read_labels(write("s.tsv", "id\tstage\n" + "".join(f"S{i}\t{word}\n" for i, word in enumerate(stages))))
    assert labels["stage"].tolist() == ["Stage I", None, None, "Not reported by whom", None, None]


def test_a_column_that_describes_genes_elsewhere_is_a_label(write):
    labels = read_labels(write("l.tsv", "sample_id\tname\tcancer_type\nS1\tAnna\tACC\nS2\tBert\tUVM\n"))
    assert labels["name"].tolist() == ["Anna", "Bert"]
    assert labels["cancer_type"].tolist() == ["ACC", "UVM"]


def test_a_table_without_a_header_or_with_one_that_is_short(write):
    with pytest.raises(InputError, match="their first line is a sample"):
        add_labels(samples("S1", "S2"), read_labels(write("l.tsv", "S1\tA\nS2\tB\n")))
    with pytest.raises(InputError, match="header that is one name short"):
        read_labels(write("s.tsv", "sample_id\tcancer_type\nS1\tACC\t\nS2\tUVM\t\n"))
    with pytest.raises(InputError, match="'_index'"):
        read_labels(write("i.tsv", "sample_id\t_index\nS1\tACC\nS2\tUVM\n"))


def test_decimal_commas_make_numbers_and_it_is_said(write):
    rows = ["s\tage\tsize\tcode\tkind", "a\t30,5\t1,200\t01,5\tx,y", "b\tNA\t900\t02,5\tz", "c\t-61\t2,300\t03\tz"]
    labels = read_labels(write("l.tsv", "\n".join(rows)))
    assert labels["age"].tolist()[::2] == [30.5, -61.0]
    assert np.isnan(labels["age"].iloc[1])
    assert list(labels["size"]) == ["1,200", "900", "2,300"], "thousands, it may be"
    assert list(labels["code"]) == ["01,5", "02,5", "03"]
    adata = samples("a", "b", "c")
    notes = add_labels(adata, labels, ["age", "size", "kind"])
    assert adata.obs["age"].dtype == float
    assert "The commas of 'age' were read as decimal points, such as 30,5." in notes
    assert "'size' has numbers with commas, such as 1,200, and stays text: write a point, or none." in notes
    assert not any("code" in note or "kind" in note for note in notes)
    quoted = read_labels(write("l.csv", 's,age\na,"30,5"\nb,"7,25"\n'))
    assert list(quoted["age"]) == ["30,5", "7,25"]


def test_ordered_categories_keep_their_order():
    adata = samples("a", "b", "c")
    stage = pd.Categorical(["IX", "II", "V"], categories=["I", "II", "V", "IX"], ordered=True)
    add_labels(adata, pd.DataFrame({"stage": stage}, index=["a", "c", "x"]))
    assert adata.obs["stage"].dtype == pd.CategoricalDtype(["II", "IX"], ordered=True)
    assert adata.obs["stage"].isna().tolist() == [False, True, False]


def test_where_a_table_says_nothing_what_is_known_stays():
    adata = anndata.AnnData(
        np.zeros((4, 1), np.float32), obs=pd.DataFrame({"sex": list("mmff"), "age": [1.0, 2, 3, 4]}, list("abcd"))
    )
    adata.obs["sex"] = adata.obs["sex"].astype("category")
    labels = pd.DataFrame({"sex": ["f", None], "age": [30.0, np.nan], "site": ["x", "y"]}, index=["a", "b"])
    notes = add_labels(adata, labels)
    assert adata.obs["sex"].tolist() == ["f", "m", "f", "f"]
    assert adata.obs["age"].tolist() == [30.0, 2.0, 3.0, 4.0]
    assert adata.obs["site"].isna().tolist() == [False, False, True, True]
    assert any("of these samples: sex, age" in note for note in notes)
