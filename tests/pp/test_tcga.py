"""The published processing, against the published tables and on small files with the oddities of the real ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latentome.datasets import oncokb_genes
from latentome.errors import InputError
from latentome.io import parse_barcodes
from latentome.io.wide import write_matrix
from latentome.pp import tcga


def barcode(i: int, code: str = "01") -> str:
    return f"TCGA-{i // 100:02d}-{i % 100:04d}-{code}"


@pytest.fixture(scope="module")
def shared():
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared data are not here")
    return folder


@pytest.fixture(scope="module")
def published(shared):
    return shared / "tybalt-published"


# --- expression


@pytest.fixture
def hiseq(tmp_path):
    """Write a small HiSeqV2: doubled SLC35E2, genes '?', missing values, samples out of order, whole barcodes."""
    rng = np.random.default_rng(0)
    samples = [barcode(i) + "A-11R-A29S-07" for i in rng.permutation(40)]
    values = {f"G{i}": rng.normal(8, 1 + i / 10, 40).round(4) for i in range(20)}
    values |= {"SLC35E2|9906": rng.normal(8, 9, 40), "SLC35E2|728661": rng.normal(8, 10, 40)}
    values |= {"?|100130426": rng.normal(8, 11, 40), "?|8225": rng.normal(8, 12, 40), "TP53|7157": np.full(40, 5.0)}
    # Mostly 0 and far out sometimes: a large mean deviation and a median deviation of 0.
    values["RARE"] = np.where(np.arange(40) % 4 == 0, 29.0, 0.0)
    table = pd.DataFrame(values, index=samples).T.clip(0, 29)
    table.loc["G7", samples[3]] = np.nan
    path = tmp_path / "HiSeqV2"
    table.to_csv(path, sep="\t", index_label="sample", na_rep="NA", float_format="%.4f")
    return path, table.astype(float)


@pytest.mark.parametrize("as_published", [True, False])
def test_the_most_variable_genes_as_numpy_finds_them(hiseq, as_published):
    path, table = hiseq
    adata = tcga.read_expression(path, 12, as_published=as_published)
    assert list(adata.obs_names) == sorted(name[:15] for name in table.columns)
    ordered = table.round(4)[[name for _, name in sorted((n[:15], n) for n in table.columns)]]
    if as_published:
        rest = ordered[~ordered.index.str.match(r"\?|SLC35E2")].fillna(0)
        spread = (rest.sub(rest.mean(axis=1), axis=0)).abs().mean(axis=1)
    else:
        rest = ordered.drop(index=["SLC35E2|9906", "?|100130426"]).rename({"?|8225": "GTPBP6|8225"})
        rest = rest.apply(lambda row: row.fillna(row.mean()), axis=1)
        spread = rest.sub(rest.median(axis=1), axis=0).abs().median(axis=1)
    expected = spread.sort_values(ascending=False, kind="stable").index[:12]
    assert list(adata.var_names) == [name.partition("|")[0] for name in expected]
    np.testing.assert_allclose(adata.X, rest.loc[expected].T, atol=1e-5)
    deviation = adata.var["mean_deviation" if as_published else "median_deviation"]
    np.testing.assert_allclose(deviation, spread[expected], rtol=1e-5)
    assert ("RARE" in adata.var_names) == as_published
    assert ("GTPBP6" in adata.var_names) != as_published
    notes = " ".join(adata.uns["source"]["notes"])
    assert "1 symbols come more than once (SLC35E2)" in notes
    assert f"1 missing values were filled with {'0' if as_published else 'the mean'}" in notes


def test_all_genes_and_their_entrez_ids(hiseq):
    adata = tcga.read_expression(hiseq[0], None)
    assert adata.n_vars == 24
    assert adata.var.loc["SLC35E2", "entrez"] == "728661"
    assert adata.var.loc["TP53", "entrez"] == "7157"
    assert adata.obs["sample_type"].unique().tolist() == ["Primary Solid Tumor"]


def test_few_genes_are_held_at_a_time_and_the_choice_is_the_same(hiseq, monkeypatch):
    monkeypatch.setattr("latentome.pp.tcga.expression._SPARE", 1)
    few = tcga.read_expression(hiseq[0], 5)
    assert list(few.var_names) == list(tcga.read_expression(hiseq[0], None).var_names[:5])


def test_linear_values_are_seen_and_other_columns_are_left_out(hiseq, tmp_path):
    path, table = hiseq
    linear = (2 ** table.fillna(table.loc["G7"].mean()) - 1).round(2)
    linear.insert(0, "Cytoband", "1p36.33")
    file = tmp_path / "EBPlusPlusAdjustPANCAN.tsv.gz"
    linear.to_csv(file, sep="\t", index_label="gene_id")
    adata = tcga.read_expression(file, None)
    expected = tcga.read_expression(path, None)
    # Two digits after the point of x are 0.007 log2 units near 0.
    np.testing.assert_allclose(adata[:, "G3"].X, expected[:, "G3"].X, atol=0.01)
    assert adata.uns["source"]["notes"][0].startswith("log2(x + 1)")


def test_expression_refusals(hiseq, tmp_path):
    text = hiseq[0].read_text()
    bad = tmp_path / "bad.tsv"
    bad.write_text(text[: len(text) // 2])
    with pytest.raises(InputError, match="another length than its header"):
        tcga.read_expression(bad)
    bad.write_text(text.replace("5.0000", "five", 1))
    with pytest.raises(InputError, match="text among its numbers(.|\n)*lines"):
        tcga.read_expression(bad)
    head, row = text.splitlines()[:2]
    many = [f"M{i}\t" + row.partition("\t")[2] for i in range(300)]
    bad.write_text("\n".join([head, *many, "LATE" + "\t500" * 40]))
    with pytest.raises(InputError, match="mixes scales(.|\n)*gene 'LATE': 500"):
        tcga.read_expression(bad)
    bad.write_text("gene\ta\tb\nx\t1\t2\ny\t1\t2\n")
    with pytest.raises(InputError, match="is no table of TCGA samples"):
        tcga.read_expression(bad)


def test_the_scalings_are_those_of_scikit_learn():
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    x = np.random.default_rng(0).gamma(2, 3, (200, 30)).astype(np.float32)
    x[:, 4] = 7.0
    np.testing.assert_allclose(tcga.scale_all(x, "zero-one"), MinMaxScaler().fit_transform(x), atol=1e-6)
    np.testing.assert_allclose(tcga.scale_all(x, "z-score"), StandardScaler().fit_transform(x), atol=1e-5)


def test_the_selection_on_real_expression_finds_the_published_genes(shared, published, tmp_path):
    """The rule of the released code, on 148 real samples of 30 types, finds 93 % of the published genes among them."""
    file = shared / "tcga-cognoma" / "expression_148x16261_log2.tsv.gz"
    with gzip.open(file, "rt") as text:
        entrez = text.readline().split()[1:]
        rows = [line.split("\t", 1) for line in text]
    values = np.loadtxt([rest for _, rest in rows], delimiter="\t", dtype=np.float32)
    old = pd.read_csv(shared / "tcga-cognoma" / "HiSeqV2-gene-map.tsv", sep="\t", dtype=str)
    old = dict(zip(old["entrez_gene_id"], old["symbol"], strict=True))
    genes = [old.get(name, name) for name in entrez]
    values, genes = values[:, ::2], genes[::2]  # every second gene, for time
    write_matrix(tmp_path / "HiSeqV2", values.T, genes, [name for name, _ in rows], corner="sample", decimals=2)
    published_genes = (published / "background_genes.txt").read_text().split()
    known = set(genes)
    shared_genes = [gene for gene in published_genes if gene in known]
    n = len(shared_genes)
    assert n == 1945
    spread = tcga.read_expression(tmp_path / "HiSeqV2", None, as_published=True).var
    shares, ranks = [], []
    for kind in ("mean_deviation", "median_deviation"):
        ours = spread[kind].sort_values(ascending=False, kind="stable").index[:n]
        place = ours.get_indexer(shared_genes)
        shares.append((place >= 0).mean())
        ranks.append(pd.Series(place[place >= 0]).corr(pd.Series(range((place >= 0).sum())), method="spearman"))
    # The median deviation of the paper's text chooses other genes, and in another order.
    assert shares == pytest.approx([0.929, 0.869], abs=0.005)
    assert ranks[0] > 0.85 > ranks[1]


# --- mutations, copy numbers


@pytest.fixture
def mutations(tmp_path):
    rows = [
        ("S1", "1", "A", "Missense_Mutation"),
        ("S1", "1", "A", "Nonsense_Mutation"),
        ("S1", "X", "A", "RNA"),
        ("S1", "1", "NA", "RNA"),
        ("S1", "2", "B", "Silent"),
        ("S2", "2", "B", "Splice_Site"),
        ("S2", "", "C", "Splice_Site"),
        ("S3", "2", "C", "Intron"),
        ("S4", "2", "NOTCH1", "RNA"),
    ]
    names = {f"S{i}": barcode(i) for i in range(1, 5)}
    lines = [f'{names[s]}\t{c}\t5\t5\tA\t"\t{g}\t{e}\t0.5\tp.X1Y' for s, c, g, e in rows]
    path = tmp_path / "PANCAN_mutation"
    path.write_text(
        "#sample\tchr\tstart\tend\treference\talt\tgene\teffect\tDNA_VAF\tAmino_Acid_Change\n" + "\n".join(lines)
    )
    return path


def test_mutations(mutations):
    kept = tcga.read_mutations(mutations)
    burden = tcga.mutation_burden(kept)
    assert burden.index.name == "SAMPLE_BARCODE"
    assert (10**burden).round(9).to_dict() == {barcode(1): 4, barcode(2): 2, barcode(4): 1}
    calls = tcga.mutated_genes(kept)
    assert calls.samples == [barcode(1), barcode(2), barcode(4)]
    assert calls.genes == ["A", "B", "NA", "NOTCH1"]  # C has no chromosome, as in the published table
    assert calls.matrix.toarray().tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    assert calls.matrix.dtype == np.int8


def test_300_mutations_of_one_gene_are_one(mutations):
    mutations.write_text(mutations.read_text() + "\n" + f"{barcode(9)}\t1\t5\t5\tA\tT\tTTN\tRNA\t0\t\n" * 300)
    calls = tcga.mutated_genes(tcga.read_mutations(mutations))
    assert calls.matrix.max() == 1
    assert calls.matrix[calls.samples.index(barcode(9)), calls.genes.index("TTN")] == 1


def test_mutation_refusals(mutations):
    text = mutations.read_text()
    mutations.write_text(text.replace("\teffect\t", "\tEffect_\t"))
    with pytest.raises(InputError, match="no column 'effect'"):
        tcga.read_mutations(mutations)
    mutations.write_text(text.replace("Mutation", "x").replace("RNA", "x").replace("Splice_Site", "x"))
    with pytest.raises(InputError, match="no mutation of a known effect"):
        tcga.read_mutations(mutations)


@pytest.fixture
def copies(tmp_path):
    """Oncogenes EGFR and MYC, tumour suppressors TP53 and PTEN, NOTCH1 which is both, A which is neither."""
    table = pd.DataFrame(
        [[2, -2, 0, 1], [2, 0, 0, -1], [-2, 2, 1, 0], [-2, 0, -2, 0], [2, -2, 2, 0], [2, 2, 2, -2]],
        index=["EGFR", "MYC", "TP53", "PTEN", "NOTCH1", "A"],
        columns=[barcode(i) for i in (4, 1, 2, 7)],
    )
    path = tmp_path / "Gistic2_all_thresholded.by_genes.gz"
    with gzip.open(path, "wt") as file:
        table.to_csv(file, sep="\t", index_label="Gene Symbol")
    return path, table


def test_copy_numbers(copies):
    path, table = copies
    gains, losses = tcga.read_copy_number(path)
    ordered = table.T.sort_index()
    assert gains.samples == list(ordered.index)
    assert gains.genes == list(table.index)
    assert (gains.matrix.toarray() == (ordered == 2).to_numpy()).all()
    assert (losses.matrix.toarray() == (ordered == -2).to_numpy()).all()
    with gzip.open(path, "wt") as file:
        (table / 2).to_csv(file, sep="\t")
    with pytest.raises(InputError, match="other numbers than thresholded"):
        tcga.read_copy_number(path)


def test_the_status_matrix_is_that_of_the_published_steps(copies):
    path, _ = copies
    gains, losses = tcga.read_copy_number(path)
    types = oncokb_genes()
    genes = ["A", "EGFR", "MYC", "NOTCH1", "PTEN", "TP53", "ZZ"]
    rng = np.random.default_rng(0)
    samples = [barcode(i) for i in (1, 2, 3, 4)]
    mutated = pd.DataFrame(rng.integers(0, 2, (4, 7)), index=samples, columns=genes)
    from scipy.sparse import csr_matrix

    status = tcga.status_matrix(tcga.Calls(samples, genes, csr_matrix(mutated.to_numpy(np.int8))), gains, losses)
    frames = {
        kind: pd.DataFrame(calls.matrix.toarray(), calls.samples, calls.genes).reindex(columns=types.index[types[kind]])
        for kind, calls in (("oncogene", gains), ("tsg", losses))
    }
    both = pd.concat(frames.values(), axis=1).drop(columns=["NOTCH1", "NOTCH2"])
    common = [s for s in samples if s in both.index]
    expected = (mutated.loc[common] + both.loc[common].reindex(columns=genes).fillna(0)).clip(upper=1).astype(int)
    assert status.samples == common == [barcode(i) for i in (1, 2, 4)]
    assert status.genes == genes
    assert status.matrix.toarray().tolist() == expected.to_numpy().tolist()
    assert status.matrix.toarray()[2, [1, 2, 4, 5]].tolist() == [1, 1, 1, 1]  # gained oncogenes, lost suppressors


def test_oncokb_types():
    types = oncokb_genes()
    assert (len(types), types["oncogene"].sum(), types["tsg"].sum()) == (476, 116, 112)
    assert list(types.index[types["oncogene"] & types["tsg"]]) == ["NOTCH1", "NOTCH2"]


def test_the_published_burden_is_a_count_of_mutations(published):
    """log10 of whole numbers, 1 to 33,678, sorted by barcode: what `mutation_burden` gives."""
    burden = pd.read_csv(published / "pancan_mutation_burden.tsv", sep="\t", index_col=0)["log10_mut"]
    counts = (10**burden).round()
    rows = np.repeat(burden.index.to_numpy(), counts.astype(int))
    listed = pd.DataFrame({"sample": np.random.default_rng(0).permutation(rows), "chr": "1", "gene": "A"})
    ours = tcga.mutation_burden(listed)
    pd.testing.assert_series_equal(ours, burden, rtol=1e-12, check_index_type=False)


# --- clinical


@pytest.fixture(scope="module")
def clinical(published):
    return tcga.read_clinical(published / "clinical_data.tsv")


@pytest.fixture(scope="module")
def features(published):
    return pd.read_csv(published / "adage_tsne_features.tsv", sep="\t", index_col=0)


def test_the_published_join_and_its_wrong_sample_types(clinical, features):
    joined = tcga.join_clinical(features, clinical, as_published=True)
    assert joined.shape == (10_375, 2 + 1 + 16)
    truth = parse_barcodes(joined.index)["sample_type"]
    same = {"Primary Tumor": "Primary Solid Tumor", "Recurrent Tumor": "Recurrent Solid Tumor"}
    wrong = joined["sample_type"].replace(same) != truth
    assert wrong.sum() == 769
    normal = "Solid Tissue Normal"
    assert ((joined["sample_type"] == normal) & (truth != normal)).sum() == 347
    assert ((joined["sample_type"] != normal) & (truth == normal)).sum() == 348
    skin = joined[joined["acronym"] == "SKCM"]["sample_type"] == "Metastatic"
    assert (skin.sum(), (~skin).sum()) == (368, 105)  # as in the published figure


def test_the_right_join_takes_the_record_of_the_sample(clinical, features):
    joined = tcga.join_clinical(features, clinical)
    assert list(joined.index) == list(tcga.join_clinical(features, clinical, as_published=True).index)
    assert (joined["sample_type"] == parse_barcodes(joined.index)["sample_type"]).all()
    own = joined["portion_id"].str[:15] == joined.index
    assert own.sum() == 10_373
    assert joined["acronym"].nunique() == 33
    assert not joined["drug"].dropna().str.contains(r'[A-Z\t"\\]').any()


def test_snaptron_columns_become_the_published_ones(clinical, tmp_path):
    back = {new: old for old, new in tcga.CLINICAL_COLUMNS.items()}
    raw = clinical.reset_index().rename(columns=back).fillna("NA")
    raw["gdc_cases.project.project_id"] = "TCGA-" + raw["gdc_cases.project.project_id"]
    raw["xml_other"] = "x"
    raw.to_csv(tmp_path / "samples.tsv", sep="\t", index_label="rail_id")
    again = tcga.read_clinical(tmp_path / "samples.tsv")
    pd.testing.assert_frame_equal(again, clinical)
    raw.drop(columns="gdc_platform").to_csv(tmp_path / "samples.tsv", sep="\t")
    with pytest.raises(InputError, match="lacks 1 of the 17 clinical columns: gdc_platform"):
        tcga.read_clinical(tmp_path / "samples.tsv")


def test_a_stray_quote_swallows_no_rows_and_a_packed_table_needs_no_suffix(published, tmp_path):
    text = (published / "clinical_data.tsv").read_text()
    head, *rows = text.splitlines()
    drug = head.split("\t").index("drug")
    for number, word in ((100, '"Taxol'), (600, '5FU"')):
        fields = rows[number].split("\t")
        rows[number] = "\t".join([*fields[:drug], word, *fields[drug + 1 :]])
    (tmp_path / "clinical_data.tsv").write_bytes(gzip.compress("\n".join([head, *rows, ""]).encode()))
    assert len(tcga.read_clinical(tmp_path / "clinical_data.tsv")) == len(rows)


def test_mutations_packed_under_any_name_and_damaged(tmp_path):
    rows = "#sample\tchr\tgene\teffect\n" + "TCGA-OR-A5J1-01\t1\tTP53\tMissense_Mutation\n" * 50
    packed = gzip.compress(rows.encode())
    (tmp_path / "PANCAN_mutation").write_bytes(packed)
    assert len(tcga.read_mutations(tmp_path / "PANCAN_mutation")) == 50
    (tmp_path / "PANCAN_mutation.gz").write_bytes(packed[:-8] + bytes(8))
    with pytest.raises(InputError):
        tcga.read_mutations(tmp_path / "PANCAN_mutation.gz")


def test_a_field_over_two_lines_is_refused_and_not_cut(published, tmp_path):
    head, first, *rows = (published / "clinical_data.tsv").read_text().splitlines()
    fields = first.split("\t")
    fields[head.split("\t").index("drug")] = '"Taxol\nand more"'
    (tmp_path / "clinical_data.tsv").write_text("\n".join([head, "\t".join(fields), *rows, ""]))
    with pytest.raises(InputError, match="cannot be read as a clinical table"):
        tcga.read_clinical(tmp_path / "clinical_data.tsv")
