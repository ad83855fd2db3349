"""Every format gives the same numbers, names and orientation, and says what it set aside."""

from __future__ import annotations

import gzip
import re
import warnings

import anndata
import numpy as np
import pandas as pd
import pytest

from latentome.errors import InputError
from latentome.io import converted, read, read_labels, text, unpack
from latentome.io.genes import known_names

SAMPLES = ["TCGA-OR-A5J1-01", "TCGA-OR-A5J2-01", "TCGA-OR-A5J3-11"]
GENES = ["TP53", "KRAS"]
VALUES = np.array([[1.5, 2], [0, 40], [-1, 0.25]], np.float32)
FRAME = pd.DataFrame(VALUES, index=SAMPLES, columns=GENES)
GCT_2 = "#1.2\n2\t3\nName\tDescription\t{}\nTP53\ttumour protein\t1.5\t0\t-1\nKRAS\tna\t2\t40\t0.25\n"
GCT_3 = (
    "#1.3\n2\t3\t2\t1\nid\tpr_id\tpr_name\t{}\ntype\tna\tna\tACC\tACC\tUVM\n"
    "TP53\t7157\tfirst\t1.5\t0\t-1\nKRAS\t3845\tsecond\t2\t40\t0.25\n"
)
PCL = "YORF\tNAME\tGWEIGHT\t{}\nEWEIGHT\t\t\t1\t1\t1\nTP53\ttumour protein\t1\t1.5\t0\t-1\nKRAS\tx\t1\t2\t40\t0.25\n"


def check(adata, orientation):
    np.testing.assert_array_equal(adata.X, VALUES)
    assert adata.X.dtype == np.float32
    assert list(adata.obs_names) == SAMPLES
    assert list(adata.var_names) == GENES
    assert adata.uns["source"]["orientation"] == orientation
    return adata


def fill(template: str) -> str:
    return template.format("\t".join(SAMPLES))


def test_gct(write, tmp_path):
    adata = check(read(write("e.gct", fill(GCT_2))), "genes-by-samples")
    assert list(adata.var["Description"]) == ["tumour protein", "na"]
    adata = check(read(write("new.gct.gz", gzip.compress(fill(GCT_3).encode()))), "genes-by-samples")
    assert list(adata.obs["type"]) == ["ACC", "ACC", "UVM"]
    assert list(adata.var["pr_name"]) == ["first", "second"]
    check(read(write("named-otherwise.txt", fill(GCT_2))), "genes-by-samples")
    adata.write_h5ad(tmp_path / "again.h5ad")
    check(read(tmp_path / "again.h5ad"), "samples-by-genes")


def test_pcl(write):
    adata = check(read(write("e.pcl", fill(PCL))), "genes-by-samples")
    assert list(adata.var["NAME"]) == ["tumour protein", "x"]
    check(read(write("e.txt", fill(PCL))), "genes-by-samples")


def test_comments_and_descriptions(write):
    table = "# made by a program\n# on a day\nhugo_symbol\tentrez_gene_id\t{}\n"
    table += "TP53\t7157\t1.5\t0\t-1\nKRAS\t3845\t2\t40\t0.25\n"
    adata = check(read(write("e.tsv", fill(table))), "genes-by-samples")
    notes = " ".join(adata.uns["source"]["notes"])
    assert "2 lines of comments" in notes
    assert "entrez_gene_id" in notes
    assert list(adata.var["entrez_gene_id"]) == ["7157", "3845"]


@pytest.mark.parametrize(("suffix", "writer"), [("parquet", "to_parquet"), ("feather", "to_feather")])
def test_tables_by_columns(tmp_path, suffix, writer):
    pytest.importorskip("pyarrow")
    path = tmp_path / f"e.{suffix}"
    getattr(FRAME, writer)(path)
    check(read(path), "samples-by-genes")
    getattr(FRAME.T.reset_index(names="gene"), writer)(path)
    check(read(path), "genes-by-samples")
    getattr(FRAME.reset_index(drop=True), writer)(path)
    with pytest.raises(InputError, match="no names for its rows"):
        read(path)
    getattr(FRAME.assign(cancer_type="ACC"), writer)(path)
    with pytest.raises(InputError, match="text among its numbers: 1 columns"):
        read(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read as"):
        read(path)


def test_zstd(write):
    pyarrow = pytest.importorskip("pyarrow")
    table = FRAME.to_csv(sep="\t").encode() * 1
    packed = pyarrow.compress(table, codec="zstd", asbytes=True)
    check(read(write("e.tsv.zst", packed)), "samples-by-genes")
    with pytest.raises(InputError, match=r"cut off|damaged|empty"):
        read(write("cut.tsv.zst", packed[: len(packed) // 2]))


def test_zarr(tmp_path):
    pytest.importorskip("zarr")
    path = tmp_path / "e.zarr"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of AnnData and zarr, on formats to come; none of it is about reading
        anndata.AnnData(FRAME).write_zarr(path)
    check(read(path), "samples-by-genes")
    for file in path.rglob("*"):
        if file.is_file() and "X" in file.relative_to(path).parts:
            file.write_bytes(b"{")
    with pytest.raises(InputError, match="not a readable AnnData"):
        read(path)


@pytest.fixture
def tenx(tmp_path):
    folder = tmp_path / "filtered"
    folder.mkdir()
    (folder / "matrix.mtx.gz").write_bytes(
        gzip.compress(
            b"%%MatrixMarket matrix coordinate integer general\n%\n3 2 4\n1 1 5\n2 1 1\n2 2 7\n3 2 9\n", mtime=0
        )
    )
    (folder / "barcodes.tsv").write_text("AAACCTGAGAAACCAT-1\nAAACCTGAGAAACCGC-1\n")
    rows = ["ENSG1\tTP53\tGene Expression", "ENSG2\tKRAS\tGene Expression", "ab\tCD3\tAntibody Capture"]
    (folder / "features.tsv").write_text("\n".join(rows) + "\n")
    return folder


def test_a_folder_of_10x(tenx):
    adata = read(tenx)
    assert list(adata.obs_names) == ["AAACCTGAGAAACCAT-1", "AAACCTGAGAAACCGC-1"]
    assert list(adata.var_names) == GENES
    assert list(adata.var["gene_id"]) == ["ENSG1", "ENSG2"]
    np.testing.assert_array_equal(adata.X, [[5, 1], [0, 7]])
    assert any("1 features that are no genes" in note for note in adata.uns["source"]["notes"])


def test_a_folder_of_10x_that_is_not_whole(tenx):
    (tenx / "barcodes.tsv").write_text("AAACCTGAGAAACCAT-1\n")
    with pytest.raises(InputError, match="do not fit each other") as refused:
        read(tenx)
    assert "3 x 2" in refused.value.where
    (tenx / "barcodes.tsv").unlink()
    with pytest.raises(InputError, match=re.escape("lacks barcodes.tsv")):
        read(tenx)


def rsem(folder, name, values, genes=("TP53|7157", "KRAS|3845"), head="gene_id\tnormalized_count"):
    rows = "".join(f"{gene}\t{value}\n" for gene, value in zip(genes, values, strict=True))
    (folder / name).write_text(f"{head}\n{rows}")


def test_a_folder_of_rsem_results(tmp_path):
    for sample, values in zip("abc", VALUES, strict=True):
        rsem(tmp_path, f"{sample}.rsem.genes.normalized_results", values)
    adata = read(tmp_path)
    np.testing.assert_array_equal(adata.X, VALUES)
    assert list(adata.obs_names) == ["a", "b", "c"]
    assert list(adata.var["entrez"]) == ["7157", "3845"]
    with pytest.raises(InputError, match="one sample of RSEM") as refused:
        read(tmp_path / "a.rsem.genes.normalized_results")
    assert str(tmp_path) in refused.value.todo
    rsem(tmp_path, "d.rsem.genes.normalized_results", [1, 2], genes=("TP53|7157", "EGFR|1956"))
    with pytest.raises(InputError, match="other genes than a") as refused:
        read(tmp_path)
    assert "first difference at gene 2" in refused.value.where


def test_the_real_files_of_rsem(shared):
    adata = read(shared / "tcga-raw-rsem")
    assert adata.shape == (2, 20502)
    assert list(adata.obs_names) == ["0b0bbc77-a9f3-4298-ba21-587d10209b0b", "0cc201f9-d974-4441-b052-1fc4279131c8"]
    told = " ".join(adata.uns["source"]["notes"])
    assert "2 files of RSEM" in told
    assert "'.results'" in told or ".results were left out" in told
    assert "Dropped 29 of 20531" in told


def test_blocks_end_where_lines_end(write, monkeypatch):
    """Whatever the size of a block, the numbers are the same."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((40, 7)), [f"S{i}" for i in range(40)], [f"gene-{i}" for i in range(7)])
    path = write("e.tsv", frame.to_csv(sep="\t").replace("\n", "\r\n"))
    whole = read(path)
    np.testing.assert_array_equal(whole.X, frame.to_numpy(np.float32))
    for size in (1, 7, 100, 1000):
        monkeypatch.setattr(unpack, "BLOCK_BYTES", size)
        np.testing.assert_array_equal(read(path).X, whole.X)


def test_the_parser_reads_every_spelling_of_a_number_as_python_does():
    rng = np.random.default_rng(0)
    numbers = np.concatenate([rng.gamma(0.3, 3000, 4000), 10.0 ** rng.uniform(-30, 30, 4000), -rng.random(500)])
    for spelling in ("{!r}", "{:.4f}", "{:.3e}", "{:+.9g}"):
        words = [spelling.format(float(number)) for number in numbers]
        got = text.to_numbers("\t".join(words).encode(), b"\t")
        np.testing.assert_array_equal(got, np.array(words, np.float64).astype(np.float32))


def test_a_parsed_table_is_kept_and_used_again(write, monkeypatch, tmp_path):
    monkeypatch.setattr(converted, "MIN_VALUES", 1)
    monkeypatch.setenv("LATENTOME_CACHE", str(tmp_path / "cache"))
    path = write("e.gct", fill(GCT_3))
    first = read(path)
    kept = list((tmp_path / "cache" / "tables").iterdir())
    assert len(kept) == 1
    with monkeypatch.context() as parsing:
        parsing.setattr("latentome.io.tables.read_values", None)  # not parsed again
        again = read(path)
        check(again, "genes-by-samples")
        assert again.uns["source"] == first.uns["source"]
        pd.testing.assert_frame_equal(again.obs, first.obs)
        pd.testing.assert_frame_equal(again.var, first.var)
    kept[0].write_bytes(kept[0].read_bytes()[:-30])  # damaged: parsed again, and kept again
    check(read(path), "genes-by-samples")
    size = kept[0].stat().st_size
    monkeypatch.setattr(converted, "MAX_BYTES", size + 10)
    read(write("other.gct", fill(GCT_3).replace("40", "41")))
    assert len(list((tmp_path / "cache" / "tables").iterdir())) == 1, "the older one made room"
    monkeypatch.setenv("LATENTOME_CACHE", "off")
    check(read(path), "genes-by-samples")
    assert not (tmp_path / "off").exists()


def test_a_cache_that_cannot_be_written_is_told(write, monkeypatch, tmp_path):
    monkeypatch.setattr(converted, "MIN_VALUES", 1)
    (tmp_path / "cache").write_text("a file in the way")
    monkeypatch.setenv("LATENTOME_CACHE", str(tmp_path / "cache"))
    adata = check(read(write("e.gct", fill(GCT_2))), "genes-by-samples")
    assert any("could not be kept" in note for note in adata.uns["source"]["notes"])


def test_a_small_file_that_says_it_is_huge_is_refused(tmp_path):
    """HDF5 stores no chunk that was never written: 4 TB in some kilobytes."""
    import h5py

    path = tmp_path / "huge.h5ad"
    anndata.AnnData(FRAME).write_h5ad(path)
    with h5py.File(path, "r+") as file:
        attributes = dict(file["X"].attrs)
        del file["X"]
        file.create_dataset("X", (10**6, 10**6), "f4", chunks=(1000, 1000)).attrs.update(attributes)
    with pytest.raises(InputError, match="does not fit into the memory"):
        read(path)
    folder = tmp_path / "tenx"
    folder.mkdir()
    n = 2_000_000
    (folder / "matrix.mtx").write_text(f"%%MatrixMarket matrix coordinate integer general\n{n} {n} 0\n")
    for name in ("barcodes.tsv", "genes.tsv"):
        (folder / name).write_text("a\n")
    with pytest.raises(InputError, match="does not fit into the memory"):
        read(folder)


def test_rows_without_end_are_refused(write, monkeypatch):
    monkeypatch.setattr(text, "MAX_ROWS", 1000)
    path = write("e.tsv", "s\tTP53\n" + "a\t0\n" * 2000)
    with pytest.raises(InputError, match="more than 1,000 rows"):
        read(path)
    with pytest.raises(InputError, match="more than 1,000 rows"):
        read_labels(path)
    with pytest.raises(InputError, match="more than 1,000 rows"):
        read(write("e.tsv", "s\tTP53\nb\tx\n" + "a\t0\n" * 2000))


def test_missing_values_are_kept_on_request(write):
    samples, genes = [f"S{i}" for i in range(20)], [f"gene-{i}" for i in range(10)]
    frame = pd.DataFrame(np.arange(200.0).reshape(20, 10), samples, genes)
    frame.iloc[3, 4] = np.nan
    path = write("e.tsv", frame.to_csv(sep="\t", na_rep="NA"))
    adata = read(path, missing="keep")
    assert np.argwhere(np.isnan(adata.X)).tolist() == [[3, 4]]
    assert any("1 of 200 values (0.50%) are missing" in note for note in adata.uns["source"]["notes"])
    frame.iloc[:11, 2] = np.nan
    with pytest.raises(InputError, match="lacks too many values") as refused:
        read(write("e.tsv", frame.to_csv(sep="\t", na_rep="NA")), missing="keep")
    assert "gene 'gene-2' (column 4)" in refused.value.where
    frame.iloc[:11, 2] = 0.0
    with pytest.raises(InputError, match="missing or infinite"):
        read(write("e.tsv", frame.replace(7.0, np.inf).to_csv(sep="\t", na_rep="NA")), missing="keep")
    with pytest.raises(InputError, match="Did you mean 'keep'"):
        read(path, missing="kep")


def test_a_value_missing_at_the_very_end_is_one_value_missing(write):
    values = np.arange(1, 21, dtype=np.float32).reshape(4, 5)
    frame = pd.DataFrame(values, [f"S{i}" for i in range(4)], [f"gene-{j}" for j in range(5)])
    frame.iloc[-1, -1] = np.nan
    np.testing.assert_array_equal(read(write("e.tsv", frame.to_csv(sep="\t")), missing="keep").X, frame)
    column = pd.Series(frame.to_numpy().ravel(), [f"gene-{j}" for j in range(20)], name="S1")
    one = read(write("c.tsv", column.to_frame().rename_axis("gene").to_csv(sep="\t")), missing="keep", min_samples=1)
    np.testing.assert_array_equal(one.X[0], column)


def test_a_header_behind_a_hash_is_found_beside_missing_values_and_descriptions(write):
    for header, row in (("#gene\tS1\tS2", "TP53\t1.5\tNA"), ("#gene_id\tgene_name\tS1\tS2", "ENSG1\tTP53\t1\t2")):
        path = write("h.tsv", f"{header}\n{row}\n{row.replace('TP53', 'KRAS')}\n")
        with pytest.raises(InputError, match="header in a line that begins with '#'"):
            read(path)


def test_numbers_of_samples_are_no_entrez_ids_where_the_heading_or_words_say_so(write):
    rng = np.random.default_rng(0)
    genes = [*["TP53", "KRAS", "EGFR", "MYC", "PTEN", "RB1", "BRCA1", "BRCA2"], "AC000001.1", "AC000002.1"]
    frame = pd.DataFrame(rng.random((40, 10)), [str(i) for i in range(101, 141)], genes)
    for head in ("sample_id", "name"):
        path = write(f"{head}.tsv", frame.rename_axis(head).to_csv(sep="\t"))
        assert read(path).uns["source"]["orientation"] == "samples-by-genes"
    unknown = frame.set_axis([f"x{i}" for i in range(10)], axis=1)
    path = write("turned.tsv", unknown.T.rename_axis("gene").to_csv(sep="\t"))
    assert read(path).uns["source"]["orientation"] == "genes-by-samples"
    entrez = frame.set_axis(["7157", "3845", "1956", "4609", "5728", "5925", "672", "675", "2", "9"], axis=1)
    path = write("entrez.tsv", entrez.set_axis([f"C{i}" for i in range(2, 42)]).rename_axis("x").to_csv(sep="\t"))
    assert read(path).uns["source"]["orientation"] == "samples-by-genes"


def test_numbered_rows_are_named_by_their_column_of_names(write):
    numbered = FRAME.T.rename_axis("symbol").reset_index().set_index(pd.Index(["1", "2"]))
    adata = check(read(write("r.csv", numbered.to_csv())), "genes-by-samples")
    assert "The rows are numbered; their names are those of the column 'symbol'." in adata.uns["source"]["notes"]
    for head, frame, way in (("gene", FRAME.T, "genes-by-samples"), ("sample_id", FRAME, "samples-by-genes")):
        adata = check(read(write("n.csv", frame.rename_axis(head).reset_index().to_csv())), way)
        assert list((adata.var if head == "gene" else adata.obs)[head]) == list(frame.index)
    both = FRAME.T.rename_axis("symbol").reset_index().assign(gene=["x", "y"])[["gene", "symbol", *FRAME.index]]
    check(read(write("b.csv", both.to_csv())), "genes-by-samples")
    twice = FRAME.T.set_axis(["TP53", "TP53"]).rename_axis("gene").reset_index()
    with pytest.raises(InputError, match="1 gene name more than once: TP53"):
        read(write("t.csv", twice.to_csv()))
    plain = anndata.AnnData(VALUES)  # its genes are 0 and 1, which are no Entrez ids
    plain.write_h5ad(path := write("x.h5ad", "").with_name("plain.h5ad"))
    assert "symbol" not in read(path).var


def test_what_is_computed_of_the_others_is_noticed_among_samples_and_genes(write):
    total = pd.concat([FRAME, FRAME.sum().rename("Total").to_frame().T]).assign(batch=1, total_counts=9, MAX=2)
    notes = " ".join(read(write("t.csv", total.to_csv())).uns["source"]["notes"])
    assert "labels or clinical data are: batch. If" in notes
    assert "Taken for samples, though named as what is computed of the others: Total." in notes
    assert "Taken for genes, though named as what is computed of the others: total_counts." in notes  # MAX is a gene
    notes = " ".join(read(write("f.csv", FRAME.to_csv())).uns["source"]["notes"])
    assert "Taken for" not in notes


def test_symbols_of_the_file_are_kept(write):
    adata = anndata.AnnData(FRAME.set_axis(["7157", "3845"], axis=1))
    adata.var["symbol"] = ["mine", "other"]
    adata.write_h5ad(path := write("x.h5ad", "").with_name("own.h5ad"))
    assert list(read(path).var["symbol"]) == ["mine", "other"]


def test_what_is_told_of_the_source_may_be_anything(write):
    adata = anndata.AnnData(FRAME)
    adata.uns["source"] = "GEO"
    adata.write_h5ad(path := write("x.h5ad", "").with_name("geo.h5ad"))
    check(read(path), "samples-by-genes")


def test_rows_of_cbioportal_are_told_apart_by_their_entrez_ids(write):
    rows = "TP53\t7157\t1\t2\nSLC35E2\t9906\t3\t4\nSLC35E2\t728661\t5\t6\n\t100\t7\t8\nKRAS\t3845\t9\t0\n"
    adata = read(write("rsem.txt", f"Hugo_Symbol\tEntrez_Gene_Id\tTCGA-OR-A5J1-01\tTCGA-OR-A5J2-01\n{rows}"))
    assert list(adata.var_names) == ["TP53", "SLC35E2|9906", "SLC35E2|728661", "KRAS"]
    np.testing.assert_array_equal(adata.X, [[1, 3, 5, 9], [2, 4, 6, 0]])


def test_a_folder_of_star_results_as_the_gdc_has_them(tmp_path):
    head = "gene_id\tgene_name\tgene_type\tunstranded\tstranded_first\ttpm_unstranded\tfpkm_unstranded"
    for sample, values in zip("ab", ([1.5, 2], [0, 40]), strict=True):
        rows = [f"N_{kind}\t\t\t100\t5\t\t" for kind in ("unmapped", "multimapping", "noFeature", "ambiguous")]
        genes = (("ENSG00000141510.18", "TP53"), ("ENSG00000133703.14", "KRAS"))
        rows += [f"{g}\t{s}\tcoding\t7\t3\t{v}\t9" for (g, s), v in zip(genes, values, strict=True)]
        text = "\n".join(["# gene-model: GENCODE v36", head, *rows, ""])
        (tmp_path / f"{sample}.rna_seq.augmented_star_gene_counts.tsv").write_text(text)
    adata = read(tmp_path)
    np.testing.assert_array_equal(adata.X, [[1.5, 2], [0, 40]])
    assert list(adata.obs_names) == ["a", "b"]
    assert list(adata.var_names) == ["ENSG00000141510", "ENSG00000133703"]
    assert list(adata.var["symbol"]) == ["TP53", "KRAS"]
    assert "2 files of STAR, one sample each, were read: column tpm_unstranded." in adata.uns["source"]["notes"]
    with pytest.raises(InputError, match="one sample of STAR"):
        read(tmp_path / "a.rna_seq.augmented_star_gene_counts.tsv")


def test_files_of_single_samples_hold_one_kind_of_values(tmp_path):
    rsem(tmp_path, "a.genes.results", [1.5, 2], head="gene_id\tTPM")
    rsem(tmp_path, "b.genes.results", [100, 7], head="gene_id\traw_count")
    with pytest.raises(InputError, match="other values than a") as refused:
        read(tmp_path)
    assert "raw_count; there TPM" in refused.value.where


def test_a_gct_file_that_lost_rows_is_refused(write):
    with pytest.raises(InputError, match="has 1 genes, and says that it has 2"):
        read(write("cut.gct", fill(GCT_2).rpartition("KRAS")[0]))


def plates(rows: int, columns: int, known: float, corner: str) -> str:
    """A table of Entrez ids, of which a share is known, by the wells of a plate, some of which are names of genes."""
    numbers = [name for name in known_names() if name.isdigit()][: int(known * rows)]
    numbers += [str(900_000_000 + i) for i in range(rows - len(numbers))]
    wells = [f"{letter}{number}" for letter in "ABCDEFGH" for number in range(1, 13)][:columns]
    values = np.random.default_rng(0).random((rows, columns))
    return pd.DataFrame(values, numbers, wells).rename_axis(corner).to_csv(sep="\t")


@pytest.mark.parametrize(
    ("known", "corner"), [(0.9, "entrez_gene_id"), (0.9, "ID"), (0.9, "gene_id"), (1.0, "sample"), (1.0, "x")]
)
def test_entrez_ids_are_genes_whatever_the_samples_are_called(known, corner, write):
    path = write("e.tsv", plates(300, 96, known, corner))
    assert read(path).shape == (96, 300)


def test_what_a_cautious_reader_may_not_take_for_something_else(write, tmp_path):
    """Each was read rightly before a rule was made for tables that look like it."""
    merged = FRAME.T.rename_axis("gene")
    check(read(write("merged_star_gene_counts.tsv", merged.to_csv(sep="\t"))), "genes-by-samples")
    of_r = "TP53\tKRAS\nS1\t1\t2\nS2\t3\t4\n"  # written with an empty word for what is missing
    assert read(write("r.tsv", of_r)).shape == (2, 2)
    labels = read_labels(write("l.tsv", "kind\tnote\ns0\tx0\t\ns1\tx1\tn\n"))
    assert labels["note"].tolist() == [None, "n"]
    numbered = "patient_id\tsymbol\tTP53\tKRAS\n1\ta\t1\t2\n2\tb\t3\t4\n3\tc\t5\t6\n"
    assert list(read(write("n.tsv", numbered)).obs_names) == ["1", "2", "3"]
    few_ids = "Hugo_Symbol\tEntrez_Gene_Id\tS1\tS2\nTP53\t7157\t1\t2\nTP53\t1\t3\t4\n"
    few_ids += "".join(f"{gene}\t\t5\t6\n" for gene in ("KRAS", "EGFR", "MYC", "PTEN", "RB1"))
    assert "TP53" not in read(write("f.tsv", few_ids), duplicates="drop").var_names


def test_none_is_a_class_among_words_and_missing_among_numbers(write):
    labels = read_labels(write("l.tsv", "id\ttreatment\tage\nS1\tDrug\t1\nS2\tNone\tNone\nS3\tDrug\t3\n"))
    assert labels["treatment"].tolist() == ["Drug", "None", "Drug"]
    assert labels["age"].isna().tolist() == [False, True, False]
