from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

from latentome import pp
from latentome.datasets import load
from latentome.errors import InputError
from latentome.pp import Preprocessing, fit_preprocessing

ARRAYS = ("minimum", "span", "mean")


@pytest.fixture(scope="module")
def tcga():
    return load("tcga-33")


def table(values, genes=None) -> AnnData:
    values = np.asarray(values, dtype=np.float32)
    genes = genes or [f"gene-{i + 1}" for i in range(values.shape[1])]
    names = [f"sample-{i + 1}" for i in range(len(values))]
    return AnnData(values, obs=pd.DataFrame(index=names), var=pd.DataFrame(index=genes))


def assert_same(one: Preprocessing, other: Preprocessing) -> None:
    for name in ARRAYS:
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name
    for name in ("transform", "scaling", "genes", "constant", "notes"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("scaling", ["zero-one", "none"])
def test_the_numbers_are_those_of_numpy_on_the_training_rows(tcga, scaling):
    train, test = pp.split(tcga, 0.2, "cancer_type", 0)
    fitted = fit_preprocessing(train, n_genes=50, scaling=scaling)
    values = train.X.astype(np.float64)
    deviation = np.abs(values - values.mean(axis=0)).mean(axis=0)
    best = np.sort(np.argsort(-deviation)[:50])
    assert fitted.genes == list(tcga.var_names[best])
    np.testing.assert_allclose(fitted.mean, values[:, best].mean(axis=0), rtol=1e-6)
    scaled, notes = fitted.apply(test)
    assert notes == []
    low, high = values[:, best].min(axis=0), values[:, best].max(axis=0)
    expected = test.X[:, best].astype(np.float64)
    if scaling == "zero-one":
        expected = (expected - low) / (high - low)
    # Float32 subtracts two values of up to 20 (rounded at 1e-6) and divides by spans of 1 or more.
    np.testing.assert_allclose(scaled, expected, atol=3e-6)


def test_training_rows_become_exactly_zero_to_one(tcga):
    train, test = pp.split(tcga, 0.2, "cancer_type", 0)
    fitted = fit_preprocessing(train)
    scaled = fitted.apply(train)[0]
    assert (scaled.min(axis=0) == 0.0).all()
    assert (scaled.max(axis=0) == 1.0).all()
    beyond = fitted.apply(test)[0]
    assert beyond.min() < 0.0 or beyond.max() > 1.0, "held-out values are not cut to the training range"


def test_constant_genes_are_dropped_and_told():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 6))
    values[:, 1] = 3.0
    values[:, 4] = 0.0
    fitted = fit_preprocessing(table(values))
    assert fitted.constant == ["gene-2", "gene-5"]
    assert fitted.genes == ["gene-1", "gene-3", "gene-4", "gene-6"]
    assert any("2 genes have one value" in note and "gene-2, gene-5" in note for note in fitted.notes)
    assert np.isfinite(fitted.apply(table(values))[0]).all()


def test_a_gene_that_varies_in_held_out_rows_only_is_dropped_all_the_same():
    values = np.random.default_rng(0).normal(size=(20, 4))
    values[:15, 2] = 1.0
    assert fit_preprocessing(table(values[:15])).constant == ["gene-3"]


def test_more_genes_than_there_are_keeps_all(tcga):
    fitted = fit_preprocessing(tcga, n_genes=10_000)
    assert len(fitted.genes) + len(fitted.constant) == tcga.n_vars


def test_genes_are_selected_on_the_transformed_scale():
    """On the linear scale abundant genes vary most, on the log scale the rare ones here."""
    rng = np.random.default_rng(0)
    counts = table(np.column_stack([rng.uniform(9e4, 1.1e5, (60, 2)), rng.uniform(0, 500, (60, 2))]))
    assert fit_preprocessing(counts, n_genes=2, transform="none").genes == ["gene-1", "gene-2"]
    assert fit_preprocessing(counts, n_genes=2, transform="log2p1").genes == ["gene-3", "gene-4"]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_the_genes_does_not_matter(tcga, seed):
    train, test = pp.split(tcga, 0.2, "cancer_type", 0)
    fitted = fit_preprocessing(train, n_genes=100)
    order = np.random.default_rng(seed).permutation(test.n_vars)
    assert np.array_equal(fitted.apply(test)[0], fitted.apply(test[:, order])[0])
    # Nor does it for what is learned: the same numbers for the same genes, in the order of the matrix.
    again = fit_preprocessing(train[:, order], n_genes=100)
    assert sorted(again.genes) == sorted(fitted.genes)
    for name in ARRAYS:
        kept = pd.Series(getattr(fitted, name), index=fitted.genes)
        np.testing.assert_array_equal(getattr(again, name), kept[again.genes])


def test_genes_that_the_model_does_not_know_are_passed_over(tcga):
    fitted = fit_preprocessing(tcga, n_genes=20)
    assert np.array_equal(fitted.apply(tcga)[0], fitted.apply(tcga[:, fitted.genes])[0])


def test_missing_genes_get_the_training_mean_and_are_told(tcga):
    train, test = pp.split(tcga, 0.2, "cancer_type", 0)
    fitted = fit_preprocessing(train)
    whole = fitted.apply(test)[0]
    gone = np.zeros(len(fitted.genes), dtype=bool)
    gone[::10] = True
    kept = [gene for gene, missing in zip(fitted.genes, gone, strict=True) if not missing]
    filled, notes = fitted.apply(test[:, kept])
    assert np.array_equal(filled[:, ~gone], whole[:, ~gone])
    mean = fitted.apply(train)[0].mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(filled[:, gone], np.broadcast_to(mean[gone], (test.n_obs, gone.sum())), atol=1e-6)
    assert len(notes) == 1
    assert f"{gone.sum()} of {len(gone)} genes" in notes[0]


def test_a_filled_gene_is_the_mean_on_the_transformed_scale():
    """The mean of the logarithms, which is not the logarithm of the mean."""
    counts = np.random.default_rng(0).gamma(0.5, 2000.0, size=(40, 10))
    adata = table(counts)
    fitted = fit_preprocessing(adata)
    assert fitted.transform == "log2p1"
    filled = fitted.apply(adata[:, fitted.genes[1:]])[0]
    logs = np.log2(counts[:, 0] + 1.0)
    expected = (logs.mean() - logs.min()) / (logs.max() - logs.min())
    np.testing.assert_allclose(filled[:, 0], expected, rtol=1e-5)


def test_a_fifth_of_the_genes_may_be_missing_and_no_more():
    adata = table(np.random.default_rng(0).normal(size=(20, 10)))
    fitted = fit_preprocessing(adata)
    assert "2 of 10 genes (20.0%)" in fitted.apply(adata[:, fitted.genes[2:]])[1][0]
    with pytest.raises(InputError, match="lack 3 of the 10 genes") as refused:
        fitted.apply(adata[:, fitted.genes[3:]])
    assert "gene-1, gene-2, gene-3" in refused.value.where
    assert "20%" in refused.value.expected
    assert fitted.apply(adata[:, fitted.genes[3:]], max_missing=0.3)[0].shape == (20, 10)


def test_one_sample_is_prepared_as_among_others(tcga):
    fitted = fit_preprocessing(tcga)
    whole = fitted.apply(tcga)[0]
    for row in (0, 500, 1105):
        assert np.array_equal(fitted.apply(tcga[row : row + 1])[0][0], whole[row])


def test_what_is_applied_does_not_change_the_data(tcga):
    kept = tcga.X.copy()
    fit_preprocessing(tcga).apply(tcga)
    assert np.array_equal(tcga.X, kept)


@pytest.mark.parametrize("options", [{}, {"n_genes": 7}, {"scaling": "none"}, {"transform": "log2p1"}])
def test_saved_and_loaded_it_is_the_same_to_the_bit(tcga, tmp_path, options):
    fitted = fit_preprocessing(tcga, **options)
    fitted.save(tmp_path / "preprocessing.json")
    loaded = Preprocessing.load(tmp_path / "preprocessing.json")
    assert_same(fitted, loaded)
    assert all(getattr(loaded, name).dtype == np.float32 for name in ARRAYS)
    assert fitted.apply(tcga)[0].tobytes() == loaded.apply(tcga)[0].tobytes()
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "preprocessing.json").read_bytes()


@pytest.mark.parametrize("schema", [None, 99])
def test_a_file_of_a_newer_version_is_refused(tcga, tmp_path, schema):
    path = tmp_path / "preprocessing.json"
    fit_preprocessing(tcga).save(path)
    content = json.loads(path.read_text())
    content["schema"] = schema
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="cannot be read") as refused:
        Preprocessing.load(path)
    assert str(path) in refused.value.where


def test_refusals():
    varied = table(np.random.default_rng(0).normal(size=(10, 4)))
    with pytest.raises(InputError, match="Did you mean 'zero-one'"):
        fit_preprocessing(varied, scaling="zero_one")
    with pytest.raises(InputError, match="Did you mean 'log2p1'"):
        fit_preprocessing(varied, transform="log2(p1)")
    flat = np.ones((10, 4))
    flat[0, 0] = 2.0
    with pytest.raises(InputError, match="Only 1 of 4 genes vary among the 10 training samples"):
        fit_preprocessing(table(flat))
    for n_genes in (1, 0, -3):
        with pytest.raises(InputError, match=str(n_genes)):
            fit_preprocessing(varied, n_genes=n_genes)


def test_sparse_values_give_what_dense_ones_give(tcga):
    sparse = tcga.copy()
    sparse.X = csr_matrix(tcga.X)
    one, other = fit_preprocessing(sparse), fit_preprocessing(tcga)
    assert_same(one, other)
    np.testing.assert_array_equal(one.apply(sparse)[0], other.apply(tcga)[0])
    np.testing.assert_array_equal(pp.align(sparse[:5].copy(), other).X, pp.align(tcga[:5].copy(), other).X)


def test_counts_of_the_genes_of_the_model_alone_do_not_tell_their_depth(tmp_path):
    """Counts per million need all genes that were counted: of 100 genes of 2,000 they would be far too large."""
    rng = np.random.default_rng(0)
    mean = rng.lognormal(3.0, 1.5, 2000)
    counts = rng.poisson(mean * rng.lognormal(0, 0.4, (60, 1)) * rng.lognormal(0, 0.3, (60, 2000)))
    samples = table(counts)
    fitted = fit_preprocessing(samples[:40], "log2cpm", n_genes=100)
    keep = samples.var_names.get_indexer(fitted.genes)
    assert fitted.counted == 2000
    of_all = counts[:40, keep].sum(axis=1) / counts[:40].sum(axis=1)
    assert fitted.depth_share == pytest.approx(np.median(of_all), rel=1e-6)
    fitted.save(tmp_path / "p.json")
    kept = Preprocessing.load(tmp_path / "p.json")
    assert (kept.counted, kept.depth_share) == (2000, fitted.depth_share)
    whole = pp.align(samples[40:], kept)
    with pytest.raises(InputError, match="depth of these libraries(.|\n)*100 genes, 100%(.|\n)*2,000 genes"):
        pp.align(samples[40:, fitted.genes], kept)
    shifted = pp.align(samples[40:, fitted.genes], kept, check_range=False)
    assert (shifted.X - whole.X).mean() > 0.2, "what is refused is wrong by more than a fifth of the training range"
    np.testing.assert_array_equal(pp.align(samples[40:, 20:], kept, max_missing=0.5).n_obs, 20)  # lacks a few
    assert fit_preprocessing(samples[:40], "log2p1", n_genes=100).counted == 0


def test_the_ids_that_the_training_data_told_find_genes_whose_names_no_table_knows(tmp_path):
    rng = np.random.default_rng(0)
    data = table(rng.normal(5, 1, (30, 6)), [*"ABCDE", "F"])
    data.var["entrez"] = ["900001", "900002", "?", "900004", "", "900006"]
    fitted = fit_preprocessing(data, "none")
    fitted.save(tmp_path / "p.json")
    kept = Preprocessing.load(tmp_path / "p.json")
    assert kept.entrez == ["900001", "900002", "", "900004", "", "900006"]
    new = data[:, [3, 1, 0, 2, 4, 5]].copy()
    new.var_names = ["900004", "X|900002", "A", "C", "E", "F"]
    del new.var["entrez"]
    new.var["entrez"] = ["900004", "900002", "", "", "", ""]
    np.testing.assert_array_equal(pp.align(new, kept).X, pp.align(data, kept).X)
    del new.var["entrez"]  # a bare number that no table knows could be anything; after a symbol it is an id
    assert list(pp.align(new, kept).var["filled"]) == [False, False, False, True, False, False]


def test_what_is_missing_stays_missing_in_the_data_of_the_caller():
    values = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    values[3, 2] = values[7, 5] = np.nan
    adata = table(values)
    before = adata.X.copy()
    fit_preprocessing(adata)
    np.testing.assert_array_equal(adata.X, before)
