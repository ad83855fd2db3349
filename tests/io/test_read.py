from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import subprocess
import sys

import anndata
import numpy as np
import pandas as pd
import pytest

from latentome.errors import InputError
from latentome.io import gene_table, read
from latentome.io.converted import cache_folder
from latentome.io.genes import tidy_genes
from latentome.io.orientation import find_orientation

BARCODES = ["TCGA-OR-A5J1-01", "TCGA-OR-A5J2-01", "TCGA-OR-A5J3-11"]
TABLE = "sample\tTP53\tKRAS\nTCGA-OR-A5J1-01\t1.5\t2\nTCGA-OR-A5J2-01\t0\t4e1\nTCGA-OR-A5J3-11\t-1\t0.25\n"
VALUES = [[1.5, 2], [0, 40], [-1, 0.25]]


def transpose(table: str, mark: str = "\t") -> str:
    rows = [line.split("\t") for line in table.splitlines()]
    return "".join(mark.join(row) + "\n" for row in zip(*rows, strict=True))


def check(adata, orientation="samples-by-genes"):
    np.testing.assert_array_equal(adata.X, np.array(VALUES, np.float32))
    assert adata.X.dtype == np.float32
    assert adata.X.flags.c_contiguous
    assert list(adata.obs_names) == BARCODES
    assert list(adata.var_names) == ["TP53", "KRAS"]
    assert adata.uns["source"]["orientation"] == orientation


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("e.tsv", TABLE.encode()),
        ("e.txt", TABLE.encode()),
        ("HiSeqV2", TABLE.encode()),
        ("e.csv", TABLE.replace("\t", ",").encode()),
        ("semicolon.csv", TABLE.replace("\t", ";").encode()),
        ("tabs-inside.csv", TABLE.encode()),
        ("e.tsv.gz", gzip.compress(TABLE.encode(), mtime=0)),
        ("e.csv.bz2", bz2.compress(TABLE.replace("\t", ",").encode())),
        ("e.txt.xz", lzma.compress(TABLE.encode())),
        ("bom.tsv", b"\xef\xbb\xbf" + TABLE.encode()),
        ("windows.tsv", TABLE.replace("\n", "\r\n").encode()),
        ("blank-end.tsv", (TABLE + "\n\n").encode()),
        ("no-end.tsv", TABLE.rstrip("\n").encode()),
        ("no-corner.tsv", TABLE.removeprefix("sample\t").encode()),
        ("not-packed.tsv.gz", TABLE.encode()),
        ("packed.tsv", gzip.compress(TABLE.encode(), mtime=0)),
    ],
)
def test_every_format_gives_the_same_numbers(write, name, content):
    path = write(name, content)
    adata = read(path)
    check(adata)
    source = adata.uns["source"]
    assert source["sha256"] == hashlib.sha256(content).hexdigest()
    assert source["name"] == name
    assert source["path"] == str(path)
    assert any("samples-by-genes" in note for note in source["notes"])


def test_quotes_as_r_writes_them(write):
    table = '"","TP53","KR,AS"\n"a ""1""",1,2\n"b,2","3",4\n'
    adata = read(write("r.csv", table))
    assert list(adata.obs_names) == ['a "1"', "b,2"]
    assert list(adata.var_names) == ["TP53", "KR,AS"]
    np.testing.assert_array_equal(adata.X, [[1, 2], [3, 4]])


@pytest.mark.parametrize(("head", "first"), [("symbol", "a"), ("Entrez_Gene_Id", "7157"), ("length", "12")])
def test_a_first_description_as_r_writes_it(write, head, first):
    adata = read(write("r.tsv", f"{head}\tS1\tS2\nTP53\t{first}\t1\t2\nKRAS\t{first}\t3\t4\n"))
    assert adata.to_df().to_dict() == {"TP53": {"S1": 1, "S2": 2}, "KRAS": {"S1": 3, "S2": 4}}
    assert list(adata.var[head]) == [first, first]


def test_a_single_gene(write):
    assert read(write("one.tsv", "s\tTP53\na\t1\nb\t2\n")).X.tolist() == [[1], [2]]


@pytest.mark.parametrize("mark", ["\t", ","])
def test_genes_in_rows_are_transposed_and_it_is_said(write, mark):
    adata = read(write("e.tsv" if mark == "\t" else "e.csv", transpose(TABLE, mark)))
    check(adata, "genes-by-samples")
    assert "transposed" in adata.uns["source"]["notes"][0]


@pytest.mark.parametrize(
    ("rows", "columns", "corner", "expected"),
    [
        (["ENSG00000141510.5", "ENSG00000133703"], ["a", "b", "c"], "", "genes-by-samples"),
        (["a", "b", "c"], ["ENSMUSG00000059552", "ENSMUSG00000030265"], "", "samples-by-genes"),
        (["TP53|7157", "KRAS|3845"], ["a", "b"], "", "genes-by-samples"),
        (["a", "b"], ["7157", "3845", "1956"], "", "samples-by-genes"),
        (["1", "2", "3"], ["7157", "3845"], "", "samples-by-genes"),
        (["a", "b"], ["GSM100", "GSM101"], "", "genes-by-samples"),
        (["a", "b"], ["u", "v", "w"], "Gene_ID", "genes-by-samples"),
        (["a", "b"], ["u", "v", "w"], "sample_id", "samples-by-genes"),
        ([f"r{i}" for i in range(1000)], list("xyzuvwabc"), "", "samples-by-genes"),
        ([f"r{i}" for i in range(5000)], ["u", "v", "w"], "", "genes-by-samples"),
    ],
)
def test_the_orientation_is_found(write, rows, columns, corner, expected):
    body = "".join(row + "\t1" * len(columns) + "\n" for row in rows)
    adata = read(write("e.tsv", "\t".join([corner, *columns]) + "\n" + body))
    assert adata.uns["source"]["orientation"] == expected
    assert adata.n_obs == (len(rows) if expected == "samples-by-genes" else len(columns))


def test_an_orientation_that_is_given_wins_and_a_doubt_is_said(write):
    adata = read(write("e.tsv", TABLE), orientation="genes-by-samples")
    assert adata.shape == (2, 3)
    assert "suggest samples-by-genes" in " ".join(adata.uns["source"]["notes"])


def test_symbols_and_entrez_ids_are_split_and_nameless_genes_dropped(write):
    head = "barcode\t?|100130426\tA1BG|1\tSLC35E2|728661\tSLC35E2|9906\t?|10357\n"
    adata = read(write("e.tsv", head + "a\t1\t2\t3\t4\t5\nb\t6\t7\t8\t9\t10\n"))
    assert list(adata.var_names) == ["A1BG", "SLC35E2|728661", "SLC35E2|9906"]
    assert list(adata.var["entrez"]) == ["1", "728661", "9906"]
    np.testing.assert_array_equal(adata.X, [[2, 3, 4], [7, 8, 9]])
    notes = " ".join(adata.uns["source"]["notes"])
    assert "Dropped 2 of 5 genes that have no name" in notes
    assert "SLC35E2" in notes


@pytest.mark.parametrize(
    "others",
    [
        ("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"),
        ("__no_feature", "__ambiguous", "__too_low_aQual", "__not_aligned", "__alignment_not_unique"),
        ("no_feature", "too_low_aQual", "not_aligned", "alignment_not_unique"),
    ],
)
def test_reads_without_a_gene_are_set_aside(write, tmp_path, others):
    rows = ["TP53", *others, "ambiguous", "KRAS"]
    adata = read(write("e.tsv", "gene\tS1\tS2\n" + "".join(f"{row}\t{i}\t9\n" for i, row in enumerate(rows))))
    assert list(adata.var_names) == ["TP53", "ambiguous", "KRAS"]
    assert adata["S1"].X.tolist() == [[0, len(others) + 1, len(others) + 2]]
    note = f"{', '.join(others)} are no genes but counts of reads without one; set aside."
    assert note in adata.uns["source"]["notes"]
    whole = anndata.AnnData(pd.DataFrame(np.ones((2, len(rows)), np.float32), ["S1", "S2"], rows))
    whole.write_h5ad(tmp_path / "e.h5ad")
    again = read(tmp_path / "e.h5ad")
    assert list(again.var_names) == ["TP53", "ambiguous", "KRAS"]
    assert note in again.uns["source"]["notes"]


TWINS = "barcode\tA1BG|1\tSLC35E2|728661\tSLC35E2|9906\tTP53|7157\na\t2\t3\t4\t5\nb\t7\t8\t9\t1\n"


def test_genes_of_one_name_by_the_rule_that_is_asked_for(write):
    path = write("e.tsv", TWINS)
    dropped = read(path, duplicates="drop")
    assert list(dropped.var_names) == ["A1BG", "TP53"]
    assert "Dropped 2 genes that share 1 name: SLC35E2." in dropped.uns["source"]["notes"]
    summed = read(path, duplicates="sum")
    assert list(summed.var_names) == ["A1BG", "SLC35E2", "TP53"]
    assert summed.X.tolist() == [[2, 7, 5], [7, 17, 1]]
    kept = read(path, duplicates="most-variable")
    assert list(kept.var_names) == ["A1BG", "SLC35E2|728661", "SLC35E2|9906", "TP53"]
    assert list(kept.var["duplicate_of"]) == ["", "SLC35E2", "SLC35E2", ""]
    with pytest.raises(InputError, match="Did you mean 'most-variable'"):
        read(path, duplicates="most_variable")


@pytest.mark.parametrize(
    ("rule", "names"), [("drop", ["B"]), ("sum", ["A", "B"]), ("most-variable", ["A", "A.1", "B"])]
)
def test_genes_named_twice_by_the_file_itself(write, tmp_path, rule, names):
    adata = read(write("e.tsv", "s\tA\tA\tB\nx\t1\t2\t3\ny\t4\t5\t6\n"), duplicates=rule)
    assert list(adata.var_names) == names
    adata.write_h5ad(tmp_path / "e.h5ad")
    assert list(read(tmp_path / "e.h5ad", duplicates=rule).var_names) == names


def test_ensembl_versions_and_entrez_ids(write):
    head = "s\tENSG00000141510.18\tENSG00000182378.14_PAR_Y\n"
    adata = read(write("e.tsv", head + "x\t1\t2\ny\t4\t5\n"))
    assert list(adata.var_names) == ["ENSG00000141510", "ENSG00000182378_PAR_Y"]
    assert any("Versions were cut off 2 Ensembl ids" in note for note in adata.uns["source"]["notes"])
    adata = read(write("e.tsv", "s\t7157\t3845\t999999999\nx\t1\t2\t3\ny\t4\t5\t6\n"))
    assert list(adata.var["symbol"]) == ["TP53", "KRAS", "999999999"]


@pytest.mark.parametrize(
    ("date", "gene"),
    [("1-Mar", "MARCH1"), ("Sep-02", "SEPT2"), ("2024-09-11", "SEPT11"), ("01.12.2019", "DEC1"), ("2-Sep-24", "SEPT2")],
)
def test_names_that_a_spreadsheet_turned_into_dates_are_noticed(write, date, gene):
    adata = read(write("e.tsv", f"s\tTP53\t{date}\tNKX2-1\nx\t1\t2\t3\ny\t4\t5\t6\n"))
    notes = " ".join(adata.uns["source"]["notes"])
    assert f"1 gene name is a date, which a spreadsheet made of them: '{date}' (column 3), perhaps {gene}" in notes


def test_the_real_table_of_20531_genes(shared):
    adata = read(shared / "tcga-rnaseqv2" / "rsem_samples_x_genes.tsv.gz")
    assert adata.shape == (350, 20502)
    assert adata.uns["source"]["sha256"] == "cebe9e971247b8d99730f9bf2f5ada1fbe45bbccd2adb6066e2a9b42b0c3e4e6"
    assert "Dropped 29 of 20531 genes" in " ".join(adata.uns["source"]["notes"])
    raw = pd.read_csv(shared / "tcga-rnaseqv2" / "rsem_samples_x_genes.tsv.gz", sep="\t", index_col=0, nrows=3)
    np.testing.assert_array_equal(adata[:3, "TP53"].X[:, 0], raw["TP53|7157"].to_numpy(np.float32))


@pytest.mark.parametrize(
    ("file", "shape"),
    [
        ("tcga-ebpp/rsem_1106x198.tsv.gz", (1106, 198)),
        ("tcga-cognoma/expression_148x16261_log2.tsv.gz", (148, 16261)),
        ("tcga-cognoma/hiseqv2_7306x60_log2.tsv.gz", (7306, 60)),
        ("tcga-cognoma/ebpp_8388x30_log2.tsv.gz", (8388, 30)),
    ],
)
def test_the_other_real_tables(shared, file, shape):
    adata = read(shared / file)
    assert adata.shape == shape
    assert adata.uns["source"]["orientation"] == "samples-by-genes"


def test_h5ad_goes_round_and_keeps_what_it_knows(tmp_path, write):
    adata = read(write("e.tsv", TABLE))
    adata.obs["cancer_type"] = pd.Categorical(["ACC", "ACC", "UVM"])
    adata.uns["source"]["label_column"] = "cancer_type"
    adata.write_h5ad(tmp_path / "e.h5ad")
    back = read(tmp_path / "e.h5ad")
    check(back)
    assert list(back.obs["cancer_type"]) == ["ACC", "ACC", "UVM"]
    assert back.uns["source"]["label_column"] == "cancer_type"
    assert back.uns["source"]["name"] == "e.h5ad"
    assert back.uns["source"]["notes"][0] == adata.uns["source"]["notes"][0]
    back.write_h5ad(tmp_path / "again.h5ad")
    turned = read(tmp_path / "e.h5ad", orientation="genes-by-samples")
    assert turned.shape == (2, 3)


def test_h5ad_with_genes_for_samples_is_refused(tmp_path):
    genes, tumours = ["TP53", "EGFR", "MYC"], [f"TCGA-OR-A5J{i}-01" for i in range(4)]

    def read_one(rows, columns, **how):
        adata = anndata.AnnData(np.ones((len(rows), len(columns)), np.float32) + np.arange(len(columns)))
        adata.obs_names, adata.var_names = rows, columns
        adata.write_h5ad(tmp_path / "e.h5ad")
        return read(tmp_path / "e.h5ad", **how)

    with pytest.raises(InputError, match=r"obs are gene names, such as TP53[^*]*--orientation genes-by-samples"):
        read_one(genes, tumours)
    assert list(read_one(genes, tumours, orientation="genes-by-samples").var_names) == genes
    assert read_one(genes, tumours, orientation="samples-by-genes").n_vars == 4
    # Samples may be named by what was knocked out in them, or by numbers, and genes in any way.
    for rows, columns in [
        (genes, ["ENSG00000141510", "ENSG00000146648"]),
        (genes, ["x1", "x2"]),
        (list("123"), tumours),
    ]:
        assert list(read_one(rows, columns).obs_names) == rows


def test_clinical_columns_among_the_genes_are_named(write):
    names = ["TP53", "age_diagnosed", "days_survived", "dead", "OS.time", "GRB2", "Stage", "OSM", "TIMELESS"]
    rows = [["sample", *names], ["s1", *"123456789"], ["s2", *"987654321"]]
    found = read(write("e.tsv", "\n".join(map("\t".join, rows))))
    assert list(found.var_names) == names, "a note, no more"
    told = [note for note in found.uns["source"]["notes"] if "clinical" in note]
    assert len(told) == 1
    assert "age_diagnosed, days_survived, dead, OS.time, Stage. If" in told[0]


def test_sparse_h5ad_is_made_dense_with_a_note(tmp_path):
    from scipy.sparse import csr_matrix

    adata = anndata.AnnData(csr_matrix(np.array(VALUES, np.float64)))
    adata.obs_names, adata.var_names = BARCODES, ["TP53", "KRAS"]
    adata.write_h5ad(tmp_path / "sparse.h5ad")
    back = read(tmp_path / "sparse.h5ad")
    check(back)
    assert "sparse (5 stored values)" in " ".join(back.uns["source"]["notes"])
    assert "float64" in " ".join(back.uns["source"]["notes"])


def test_the_gene_table():
    genes = gene_table()
    assert genes.shape == (20507, 2)
    assert dict(zip(genes["symbol"], genes["entrez"], strict=True))["TP53"] == "7157"
    assert genes["entrez"].is_unique
    assert genes["symbol"].is_unique


def test_importing_the_rooms_is_cheap():
    code = (
        "import sys, latentome.io, latentome.datasets;"
        "print([m for m in ('pandas', 'anndata', 'scipy', 'h5py', 'keras', 'jax') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_reading_tells_how_far_it_is(write, monkeypatch, pack):
    monkeypatch.setattr("latentome.io.unpack.BLOCK_BYTES", 4000)
    rng = np.random.default_rng(0)
    rows = [f"s{i}\t" + "\t".join(f"{value:.6f}" for value in rng.random(20)) for i in range(300)]
    names = "\t".join(f"gene-{j}" for j in range(20))
    path = write(
        "e.tsv" + (".gz" if pack is gzip.compress else ""), pack("\n".join([f"sample\t{names}", *rows, ""]).encode())
    )
    told = []
    read(path, progress=lambda done, total: told.append((done, total)))
    size = path.stat().st_size
    assert {total for _, total in told} == {size}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == size
    assert told[0][0] <= (size if pack is gzip.compress else 5000)


def test_what_goes_wrong_while_unpacking_reaches_the_reader(tmp_path, monkeypatch):
    """It happens in another thread, whose end would otherwise be waited for without end."""
    path = tmp_path / "t.tsv.gz"
    path.write_bytes(gzip.compress(TABLE.encode()))

    def fail(*_):
        raise MemoryError("no memory for the block")

    monkeypatch.setattr(gzip.GzipFile, "read1", fail)
    with pytest.raises(MemoryError, match="no memory for the block"):
        read(path)


def test_names_of_other_animals_and_of_other_programs_tell_genes():
    human = gene_table()["symbol"][200:240].tolist()
    mouse = [name.capitalize() for name in human]
    depmap = [f"{name} ({number})" for name, number in zip(human, gene_table()["entrez"][200:240], strict=True)]
    gencode = [f"ENST00000456{i:03d}.2|ENSG00000223{i:03d}.5|-|{name}|" for i, name in enumerate(human)]
    replicates = [f"WT_{i}" for i in range(60)]
    for names in (mouse, depmap, gencode):
        assert find_orientation(names, replicates, "")[0] == "genes-by-samples"
        assert find_orientation(replicates, names, "")[0] == "samples-by-genes"
    assert find_orientation([f"WT ({i})" for i in range(9)], human, "")[0] == "samples-by-genes"
    tidy = tidy_genes(depmap, str, "depmap.csv")
    assert tidy.names == human
    assert tidy.columns["entrez"] == gene_table()["entrez"][200:240].tolist()


def test_commas_of_thousands_are_not_told_to_become_points(tmp_path):
    """10,374 would be 10.374, and 135 would stay 135."""
    path = tmp_path / "t.tsv"
    for values, todo in ((("10,374", "135", "1,234,567"), "s/,//g"), (("10,374", "1,5", "2"), "s/,/./g")):
        path.write_text("sample\tTP53\tKRAS\tEGFR\na\t1\t2\t3\nb\t" + "\t".join(values) + "\n")
        with pytest.raises(InputError) as refused:
            read(path)
        assert todo in refused.value.todo


def test_a_series_matrix_of_geo_is_named_as_one(tmp_path):
    path = tmp_path / "GSE1_series_matrix.txt"
    path.write_text('!Series_title\t"x"\n\n!series_matrix_table_begin\n"ID_REF"\t"GSM1"\n')
    with pytest.raises(InputError, match="a series matrix of GEO") as refused:
        read(path)
    assert "grep -v '^!'" in refused.value.todo


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("target_id\tlength\teff_length\test_counts\ttpm\nENST00000456328\t9\t8\t1\t2\n", "one sample of kallisto"),
        ("Name\tLength\tEffectiveLength\tTPM\tNumReads\nENST00000456328\t9\t8\t1\t2\n", "one sample of Salmon"),
        ("N_unmapped\t5\t5\t5\nN_multimapping\t1\t2\t3\nENSG00000223972\t0\t0\t0\n", "one sample of STAR"),
        (",baseMean,log2FoldChange,lfcSE,stat,pvalue,padj\nTP53,1,2,3,4,5,6\n", "results of a test"),
        (",logFC,AveExpr,t,P.Value,adj.P.Val,B\nTP53,1,2,3,4,5,6\n", "results of a test"),
    ],
)
def test_results_that_are_no_matrix_are_named_as_what_they_are(text, what, tmp_path):
    path = tmp_path / "table.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=what):
        read(path)


def test_the_cache_may_be_named_from_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LATENTOME_CACHE", "~/kept")
    assert cache_folder("tables") == tmp_path / "kept" / "tables"
