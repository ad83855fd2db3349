from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from latentome import pp
from latentome.datasets import load
from latentome.errors import InputError
from latentome.pp import fit_preprocessing, read_gene_list, variability


def table(values, genes=None, **var) -> AnnData:
    values = np.asarray(values, dtype=np.float32)
    genes = genes or [f"gene-{i + 1}" for i in range(values.shape[1])]
    names = [f"sample-{i + 1}" for i in range(len(values))]
    return AnnData(values, obs=pd.DataFrame(index=names), var=pd.DataFrame(var, index=genes))


@pytest.fixture(scope="module")
def tcga():
    return load("tcga-33")


def test_the_three_measures_are_those_of_numpy(tcga):
    x = tcga.X.astype(np.float64)
    expected = {
        "mean-deviation": np.abs(x - x.mean(axis=0)).mean(axis=0),
        "median-deviation": np.median(np.abs(x - np.median(x, axis=0)), axis=0),
        "variance": x.var(axis=0),
    }
    for rule, numbers in expected.items():
        np.testing.assert_allclose(variability(tcga.X, rule), numbers, rtol=1e-5)
        best = np.sort(np.argsort(-numbers, kind="stable")[:60])
        assert fit_preprocessing(tcga, n_genes=60, selection=rule).genes == list(tcga.var_names[best])
        assert fit_preprocessing(tcga, n_genes=60, selection=rule).selection == rule


def test_the_difference_between_the_two_deviations_is_told_where_it_matters(tcga):
    """Of tcga-33's 40 most variable genes the two measures share 33."""
    notes = fit_preprocessing(tcga, n_genes=40).notes
    assert any("By the median absolute deviation only 82% of these genes" in note for note in notes)
    notes = fit_preprocessing(tcga, n_genes=40, selection="median-deviation").notes
    assert any("By the mean absolute deviation only 82% of these genes" in note for note in notes)
    assert not any("absolute deviation only" in n for n in fit_preprocessing(tcga, n_genes=196).notes)
    assert not any("absolute deviation only" in n for n in fit_preprocessing(tcga).notes)


def test_a_list_of_genes(tcga, tmp_path):
    (tmp_path / "genes.txt").write_text("# ours\nTP53\nno-such-gene\n" + "\n".join(tcga.var_names[[9, 3, 5]]) + "\n")
    wanted = read_gene_list(str(tmp_path / "genes.txt"))
    fitted = fit_preprocessing(tcga, n_genes=wanted)
    assert fitted.genes == [g for g in tcga.var_names if g in wanted]
    assert fitted.selection == "list"
    assert any("of the 5 genes of the list" in note and "no-such-gene" in note for note in fitted.notes)
    with pytest.raises(InputError, match="has 0 genes of the matrix"):
        fit_preprocessing(tcga, n_genes=["a", "b"])
    (tmp_path / "one.txt").write_text("TP53\n")
    with pytest.raises(InputError, match="names 1 genes"):
        read_gene_list(str(tmp_path / "one.txt"))


def test_scalings_are_those_of_scikit_learn(tcga):
    from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

    train, test = pp.split(tcga, 0.2, "cancer_type", 0)
    for scaling, theirs in {"zero-one": MinMaxScaler(), "z-score": StandardScaler(), "robust": RobustScaler()}.items():
        fitted = fit_preprocessing(train, scaling=scaling)
        scaler = theirs.fit(train[:, fitted.genes].X.astype(np.float64))
        # Three genes of tcga-33 are zero in most samples; what RobustScaler leaves unscaled has spread 1 here.
        usual = np.ones(len(fitted.genes), bool)
        if scaling == "robust":
            usual = np.subtract(*np.percentile(train[:, fitted.genes].X, [75, 25], axis=0)) > 0
        expected = scaler.transform(test[:, fitted.genes].X.astype(np.float64))
        # Values of 20 with spreads down to 0.2, in float32.
        np.testing.assert_allclose(fitted.apply(test)[0][:, usual], expected[:, usual], atol=3e-4)
        assert np.isfinite(fitted.apply(test)[0]).all()


@pytest.mark.parametrize("scaling", ["zero-one", "z-score", "robust", "none"])
def test_clipping_ends_at_the_training_range(tcga, scaling):
    train, test = pp.split(tcga, 0.2, "cancer_type", 0)
    free = fit_preprocessing(train, scaling=scaling)
    cut = fit_preprocessing(train, scaling=scaling, clip=True)
    trained = free.apply(train)[0]
    clipped, notes = cut.apply(test)
    expected = np.clip(free.apply(test)[0], trained.min(axis=0), trained.max(axis=0))
    np.testing.assert_allclose(clipped, expected, atol=1e-6)
    assert np.array_equal(cut.apply(train)[0], trained)
    assert any("lay beyond the training range" in note for note in notes)


def test_of_genes_of_one_name_the_training_samples_choose():
    values = np.random.default_rng(0).normal(size=(30, 4)) * [1.0, 0.1, 5.0, 1.0]
    adata = table(values, ["A|1", "A|2", "A|3", "B"], duplicate_of=["A", "A", "A", ""])
    fitted = fit_preprocessing(adata)
    assert fitted.genes == ["A|3", "B"]
    assert any("dropped: A|1, A|2" in note for note in fitted.notes)


def test_missing_values_are_filled_with_the_training_mean(tcga):
    train, test = (part[:, :50].copy() for part in pp.split(tcga, 0.2, "cancer_type", 0))
    whole = fit_preprocessing(train)
    holes = train.copy()
    holes.X[3, 2] = np.nan
    fitted = fit_preprocessing(holes)
    gene = whole.genes.index(train.var_names[2])
    mean = np.delete(train.X[:, 2].astype(np.float64), 3).mean()
    assert fitted.mean[gene] == pytest.approx(mean, rel=1e-6)
    scaled = fitted.apply(holes)[0]
    assert np.isfinite(scaled).all()
    assert scaled[3, gene] == pytest.approx((mean - fitted.minimum[gene]) / fitted.span[gene], rel=1e-5)
    test.X[0, 2] = np.nan
    scaled, notes = whole.apply(test)
    assert scaled[0, gene] == pytest.approx((whole.mean[gene] - whole.minimum[gene]) / whole.span[gene], rel=1e-5)
    assert any("1 missing values were filled" in note for note in notes)


def test_counts_are_put_to_a_common_depth():
    rng = np.random.default_rng(0)
    rates = rng.gamma(0.5, 1.0, size=1500)
    depth = np.array([1.0, 10.0] * 10)[:, None]
    adata = table(rng.poisson(rates * 20 * depth))
    scale = pp.recognise_scale(adata.X)
    assert (scale.kind, scale.transform) == ("counts", "log2cpm")
    fitted = fit_preprocessing(adata, n_genes=300, scaling="none")
    assert (fitted.transform, fitted.scale) == ("log2cpm", "counts")
    got = fitted.apply(adata)[0]
    counts = adata.X.astype(np.float64)
    expected = np.log2(1 + 1e6 * counts / counts.sum(axis=1, keepdims=True))
    positions = adata.var_names.get_indexer(fitted.genes)
    # The depth of all genes of the file counts, not of those that were chosen.
    np.testing.assert_allclose(got, expected[:, positions], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "kind", "transform"),
    [
        (lambda x: x, "log2", "none"),
        (lambda x: np.exp2(x) - 1, "linear", "log2p1"),
        (lambda x: (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-6), "z-scores", "none"),
        (lambda x: (x - x.min()) / (x.max() - x.min()), "zero-one", "none"),
        (lambda x: (x > 5).astype(np.float32), "binary", "none"),
        (lambda x: np.rint(np.exp2(x) - 1), "counts", "log2p1"),
        (lambda x: np.rint(x) * (x > 10), "counts", "log2p1"),
        (lambda x: -1e5 * x, "unknown", "none"),
    ],
)
def test_what_values_are_is_told_with_the_evidence(tcga, values, kind, transform):
    scale = pp.recognise_scale(values(tcga.X.astype(np.float64)))
    assert (scale.kind, scale.transform) == (kind, transform)
    assert "the values range over [" in scale.evidence


def test_tpm_sums_to_a_million():
    values = np.random.default_rng(0).gamma(0.3, 50.0, size=(10, 2000))
    values *= 1e6 / values.sum(axis=1, keepdims=True)
    scale = pp.recognise_scale(values)
    assert (scale.kind, scale.transform) == ("TPM", "log2p1")


def test_a_transform_that_does_not_fit_is_told(tcga):
    _, said = pp.choose_transform(np.exp2(tcga.X), "none")
    assert "What would fit such values (linear): log2(x + 1)" in said
    with pytest.raises(InputError, match=r"sample 'sample-2', gene 'gene-1'|does not exist") as refused:
        fit_preprocessing(table([[1.0, 2.0], [-5.0, 3.0]]), transform="log2p1")
    assert "sample 'sample-2', gene 'gene-1'" in refused.value.where


def test_unknown_choices_name_the_nearest(tcga):
    with pytest.raises(InputError, match="Did you mean 'z-score'"):
        fit_preprocessing(tcga, scaling="zscore")
    with pytest.raises(InputError, match="Did you mean 'median-deviation'"):
        fit_preprocessing(tcga, selection="median")


def test_a_list_may_name_genes_in_the_other_usual_ways():
    genes = ["TP53", "EGFR", "MYC", "SLC35E2|9906", "SLC35E2|728661", "ours"]
    adata = table(np.random.default_rng(0).normal(size=(9, 6)), genes)
    gone = [f"gone-{i}" for i in range(7)]
    fitted = fit_preprocessing(adata, n_genes=["TP53|7157", "1956", "SLC35E2|728661", "ours|99999999", *gone])
    assert fitted.genes == ["TP53", "EGFR", "SLC35E2|728661", "ours"]
    kept = (
        "4 of the 11 genes of the list were kept; not there, or constant: gone-0, gone-1, gone-2, gone-3, gone-4, ..."
    )
    assert any(kept in note for note in fitted.notes)
    found = "3 genes of the list were found under another name: TP53|7157 as TP53, 1956 as EGFR, ours|99999999 as ours."
    assert found in fitted.notes
