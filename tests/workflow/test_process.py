"""From raw files to tables and one ``.h5ad``, in Python and from the command line."""

from __future__ import annotations

import gzip
import json

import anndata
import numpy as np
import pandas as pd
import pytest

from latentome import datasets, io
from latentome.cli.main import run
from latentome.errors import InputError, RunFolderError
from latentome.pp import tcga
from latentome.workflow import process_table, process_tcga
from latentome.workflow.process_tcga import FILES, find_raw

SAMPLES = [f"TCGA-02-{i:04d}-{'11' if i % 5 == 0 else '01'}" for i in range(30)]
GENES = ["TP53", "PTEN", "EGFR", "NOTCH1", "XIST", "RPS4Y1", "KRT5"]


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Write the raw files of the published pipeline, small: three folders deep names, packed and not, orders mixed."""
    folder = tmp_path_factory.mktemp("raw")
    rng = np.random.default_rng(0)
    (folder / "gbm_download").mkdir()
    shuffled = list(rng.permutation(SAMPLES))
    expression = pd.DataFrame(rng.gamma(4, 2, (9, 30)), index=[*GENES, "SLC35E2", "SLC35E2"], columns=shuffled)
    expression.loc["?|8225"] = 3.0
    expression.to_csv(folder / "gbm_download" / "HiSeqV2", sep="\t", index_label="sample", float_format="%.4f")
    genes, samples = rng.choice(GENES, 80), rng.choice(SAMPLES[:20], 80)
    mutations = pd.DataFrame({"#sample": samples, "chr": "1", "start": 5, "gene": genes, "effect": "Missense_Mutation"})
    mutations.to_csv(folder / "gbm_download" / "PANCAN_mutation", sep="\t", index=False)
    copies = pd.DataFrame(rng.integers(-2, 3, (5, 25)), index=GENES[:5], columns=shuffled[:25])
    with gzip.open(folder / "Gistic2_CopyNumber_Gistic2_all_thresholded.by_genes.gz", "wt") as file:
        copies.to_csv(file, sep="\t", index_label="Gene Symbol")
    clinical = pd.DataFrame("x", index=range(60), columns=list(tcga.CLINICAL_COLUMNS))
    clinical["gdc_cases.submitter_id"] = [s[:12] for s in SAMPLES[:28]] * 2 + ["TCGA-99-9999"] * 4
    clinical["cgc_portion_id"] = [f"{s}A-11" for s in SAMPLES[:28]] + ["NA"] * 32
    clinical["gdc_cases.project.project_id"] = np.where(np.arange(60) % 2, "TCGA-SKCM", "TCGA-BRCA")
    clinical["gdc_cases.samples.sample_type"] = "Primary Tumor"
    clinical["cgc_drug_therapy_drug_name"] = '"Tem\\ozolomide"'
    clinical.to_csv(folder / "samples.tsv", sep="\t", index_label="rail_id", quoting=3, escapechar="\\")
    return folder


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    file = tmp_path_factory.mktemp("features") / "latent.tsv"
    codes = np.random.default_rng(1).normal(size=(30, 3))
    io.write_table(
        file, pd.DataFrame(codes, index=pd.Index(SAMPLES, name="sample"), columns=["vae_1", "vae_2", "vae_3"])
    )
    return file


@pytest.fixture(scope="module")
def made(raw, features, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "tcga"
    assert run(["process", str(raw), "-o", str(out), "--features", str(features), "--genes", "5"]) == 0
    return out


def table(path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", index_col=0)


def test_every_table_is_there_and_says_what_the_h5ad_says(made):
    assert sorted(p.name for p in made.iterdir()) == sorted(FILES)
    adata = anndata.read_h5ad(made / "data.h5ad")
    assert adata.shape == (30, 5)
    zero_one, z = table(made / "pancan_scaled_zeroone_rnaseq.tsv.gz"), table(made / "pancan_scaled_rnaseq.tsv.gz")
    for frame in (zero_one, z):
        assert list(frame.index) == list(adata.obs_names) == sorted(SAMPLES)
        assert list(frame) == list(adata.var_names)
    x = adata.X.astype(float)
    np.testing.assert_allclose(zero_one, (x - x.min(0)) / np.ptp(x, axis=0), atol=2e-7)
    np.testing.assert_allclose(z, (x - x.mean(0)) / x.std(0), atol=2e-6)
    assert (made / "background_genes.txt").read_text().split() == list(adata.var_names)
    for name, key in (
        ("pancan_mutation", "mutation"),
        ("copy_number_gain", "copy_number_gain"),
        ("copy_number_loss", "copy_number_loss"),
        ("status_matrix", "status"),
    ):
        frame = table(made / f"{name}.tsv.gz")
        stored = pd.DataFrame(adata.obsm[key].toarray(), adata.obs_names, adata.uns[f"{key}_genes"])
        assert stored.loc[frame.index].astype(int).equals(frame.astype(int).rename_axis(None))
        there = adata.obs[f"has_{key}"]
        assert set(adata.obs_names[there]) == set(frame.index)
        assert not stored[~there.to_numpy()].to_numpy().any()
    burden = table(made / "pancan_mutation_burden.tsv")["log10_mut"]
    assert (10**burden).sum().round(6) == 80
    np.testing.assert_allclose(adata.obs["log10_mut"].dropna(), burden[burden.index.isin(adata.obs_names)], rtol=1e-12)
    assert len(table(made / "oncokb_genetypes.tsv")) == 476


def test_the_samples_are_described(made):
    adata = anndata.read_h5ad(made / "data.h5ad")
    assert (
        adata.obs["sample_type"]
        == np.where(adata.obs_names.str.endswith("11"), "Solid Tissue Normal", "Primary Solid Tumor")
    ).sum() == 28
    assert adata.obs["cancer_type"].isna().sum() == 2
    assert adata.uns["source"]["label_column"] == "cancer_type"
    joined = table(made / "tybalt_features_with_clinical.tsv")
    assert list(joined)[:4] == ["vae_1", "vae_2", "vae_3", "sample_base"]
    assert joined.shape == (28, 3 + 1 + 16)
    assert joined["drug"].unique().tolist() == ["temozolomide"]
    about = json.loads((made / "process.json").read_text())
    assert set(about["files"]) == {"expression", "mutations", "copy number", "clinical"}
    assert len(about["files"]["clinical"]["sha256"]) == 64
    assert any("scaled over all samples" in note for note in about["notes"])


def test_as_published_keeps_the_defects(raw, tmp_path):
    process_tcga(raw, tmp_path / "out", as_published=True, n_genes=None, tables=False)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["data.h5ad", "process.json"]
    adata = anndata.read_h5ad(tmp_path / "out" / "data.h5ad")
    assert sorted(adata.var_names) == sorted(GENES)
    assert adata.obs["sample_type"].dropna().unique().tolist() == ["Primary Tumor"]
    assert "SLC35E2" not in adata.var_names


def test_the_same_files_give_the_same_bytes(raw, made, features, tmp_path):
    process_tcga(raw, tmp_path / "again", n_genes=5, features=features)
    for name in FILES:
        if name != "data.h5ad":  # HDF5 writes times into it
            assert (tmp_path / "again" / name).read_bytes() == (made / name).read_bytes(), name


def test_a_run_starts_from_the_processed_file(made, tmp_path):
    data = io.read(made / "data.h5ad")
    assert data.uns["source"]["label_column"] == "cancer_type"
    assert data.shape == (30, 5)


def test_what_is_missing_is_said_and_expression_has_to_be_there(raw, tmp_path, told):
    (tmp_path / "HiSeqV2").write_bytes((raw / "gbm_download" / "HiSeqV2").read_bytes())
    assert set(find_raw(tmp_path, told)) == {"expression"}
    assert sum("is no file of" in said for said in told.said) == 3
    (tmp_path / "HiSeqV2").unlink()
    with pytest.raises(InputError, match="no expression file(.|\n)*latentome download tcga-pancan-2018"):
        find_raw(tmp_path)
    with pytest.raises(InputError, match="There is no folder nowhere"):
        find_raw(tmp_path / "nowhere")


def test_tables_are_not_replaced_unless_asked_and_foreign_files_never(raw, tmp_path):
    process_tcga(raw, tmp_path / "out", tables=False)
    with pytest.raises(RunFolderError, match="is in use(.|\n)*--replace"):
        process_tcga(raw, tmp_path / "out", tables=False)
    process_tcga(raw, tmp_path / "out", tables=False, replace=True)
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(RunFolderError, match=r"mine\.txt"):
        process_tcga(raw, tmp_path / "out", tables=False, replace=True)


# --- any table


@pytest.fixture(scope="module")
def simulated():
    return datasets.simulate(40, 12, n_types=2, n_factors=2, rng=0)


@pytest.fixture
def linear(simulated, tmp_path):
    """Two files on a linear scale: the second lacks a gene, has another order and a foreign one."""
    values = 2.0 ** simulated.to_df().clip(0, 20) * 40
    first, second = values.iloc[:25], values.iloc[25:].iloc[:, ::-1].drop(columns=list(values)[3]).assign(FOREIGN=2.0)
    io.write_table(tmp_path / "one.tsv", first)
    io.write_table(tmp_path / "two.tsv.gz", second.T.rename_axis("gene"))
    io.write_table(tmp_path / "labels.tsv", simulated.obs[["type"]])
    return values


def test_files_are_joined_logged_and_labelled(linear, tmp_path, capsys):
    files = [str(tmp_path / "one.tsv"), str(tmp_path / "two.tsv.gz")]
    options = ["--labels", str(tmp_path / "labels.tsv"), "--label-column", "type", "-o", str(tmp_path / "data.h5ad")]
    assert run(["process", *files, *options, "--genes", "8"]) == 0
    captured = capsys.readouterr()
    assert "40 samples x 8 genes" in captured.out
    assert "2 files were joined: 40 samples, 11 genes" in captured.err
    assert "2 genes that not all of the files have were left out" in captured.err
    adata = io.read(tmp_path / "data.h5ad")
    assert adata.uns["source"]["label_column"] == "type"
    expected = np.log2(linear[list(adata.var_names)] + 1)
    np.testing.assert_allclose(adata.to_df(), expected, rtol=1e-5)
    zero_one = (adata.X - adata.var["minimum"].to_numpy()) / adata.var["span"].to_numpy()
    assert (zero_one.min(axis=0).tolist(), zero_one.max(axis=0).tolist()) == ([0.0] * 8, [1.0] * 8)
    np.testing.assert_allclose(adata.X.mean(axis=0), adata.var["mean"], rtol=1e-5)


def test_the_measure_of_variability_is_an_option(linear, tmp_path, capsys):
    log = np.log2(linear.iloc[:25] + 1)
    for rule, measured in [("variance", log.var()), ("median-deviation", (log - log.median()).abs().median())]:
        options = ["--genes", "5", "--select", rule, "-o", str(tmp_path / f"{rule}.h5ad")]
        assert run(["process", str(tmp_path / "one.tsv"), *options]) == 0
        chosen = io.read(tmp_path / f"{rule}.h5ad").var_names
        assert set(chosen) == set(measured.nlargest(5).index)
    capsys.readouterr()
    assert run(["process", str(tmp_path), "--select", "variance"]) == 2
    assert "--transform or --select is for expression files" in capsys.readouterr().err
    assert run(["process", "-h"]) == 0
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "ends in .h5ad" in told
    assert "The folder to write." not in told


def test_table_refusals(linear, simulated, tmp_path, capsys):
    one = str(tmp_path / "one.tsv")
    io.write_table(tmp_path / "other.tsv", simulated.to_df().add_prefix("other-"))
    with pytest.raises(InputError, match="share 0 of their genes"):
        process_table([one, str(tmp_path / "other.tsv")], tmp_path / "x.h5ad")
    with pytest.raises(InputError, match="25 samples are in more than one file"):
        process_table([one, one], tmp_path / "x.h5ad")
    with pytest.raises(InputError, match="no label column 'typo'"):
        process_table([one], tmp_path / "x.h5ad", label_column="typo")
    with pytest.raises(RunFolderError, match=r"ends in \.h5ad"):
        process_table([one], tmp_path / "x.tsv")
    (tmp_path / "there.h5ad").write_bytes(b"precious")
    with pytest.raises(RunFolderError, match="there already"):
        process_table([one], tmp_path / "there.h5ad")
    assert run(["process", one, "--as-published"]) == 2
    assert "--as-published is for the published processing" in capsys.readouterr().err
    assert not (tmp_path / "x.h5ad").exists()


def test_files_on_different_scales_are_not_joined(linear, tmp_path):
    files = [str(tmp_path / "one.tsv"), str(tmp_path / "log.tsv")]
    io.write_table(tmp_path / "log.tsv", np.log2(linear.iloc[25:] + 1))
    with pytest.raises(InputError, match="on different scales") as refused:
        process_table(files, tmp_path / "x.h5ad")
    assert "one.tsv: " in refused.value.where
    process_table(files[:1], tmp_path / "one.h5ad")
    joined = process_table([str(tmp_path / "one.h5ad"), files[1]], tmp_path / "x.h5ad")
    np.testing.assert_allclose(joined.to_df(), np.log2(linear.loc[joined.obs_names, joined.var_names] + 1), rtol=1e-5)


def test_duplicates_missing_values_and_labels_are_settled(linear, tmp_path, capsys):
    gaps = linear.iloc[:25].copy()
    gaps.iloc[0, 0] = np.nan
    gaps.columns = [*gaps.columns[:-1], gaps.columns[1]]
    io.write_table(tmp_path / "gaps.tsv", gaps)
    out = tmp_path / "gaps.h5ad"
    settle = ["--duplicates", "drop", "--impute", "mean", "--labels", str(tmp_path / "labels.tsv")]
    assert run(["process", str(tmp_path / "gaps.tsv"), *settle, "-o", str(out)]) == 0
    adata = io.read(out)
    assert adata.uns["source"]["label_column"] == "type"
    assert gaps.columns[1] not in adata.var_names
    assert np.isfinite(adata.X).all()
    capsys.readouterr()
    assert run(["process", str(tmp_path), *settle]) == 2
    assert "--labels is for expression files" in capsys.readouterr().err


def test_labels_that_the_file_names_and_lacks_are_told(linear, tmp_path, capsys):
    adata = process_table([str(tmp_path / "one.tsv")], tmp_path / "one.h5ad", labels=tmp_path / "labels.tsv")
    adata.obs = adata.obs.rename(columns={"type": "kind"})
    adata.write_h5ad(tmp_path / "renamed.h5ad")
    options = ["-m", "linear", "-z", "2", "-e", "1", "-o", str(tmp_path / "r")]
    assert run(["train", str(tmp_path / "renamed.h5ad"), *options]) == 0
    told = capsys.readouterr().err
    assert "names 'type' as its labels, and has no such column" in " ".join(told.split())
    assert "--label-column could name one of kind" in " ".join(told.split())
