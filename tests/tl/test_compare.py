"""Methods side by side on folds."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import latentome as lt
from latentome import pp, tl
from latentome.errors import InputError


@pytest.fixture(scope="module")
def simulated():
    return lt.datasets.simulate(90, 30, n_types=3, n_factors=4, rng=0)


@pytest.fixture(scope="module")
def table(simulated):
    labels = simulated.obs["type"].to_numpy(dtype=object)
    return pd.DataFrame(tl.compare(simulated, tl.BASELINES, [2, 5], labels, folds=3, seeds=2))


def test_every_method_meets_every_fold_once(table):
    assert len(table) == 2 * 3 * (3 * 2 + 1)
    assert not table.duplicated(["method", "k", "seed", "fold"]).any()
    each = table[(table["method"] == "pca") & (table["k"] == 2)].groupby("seed")["n_test"].sum()
    assert list(each) == [90, 90]


def test_the_numbers_are_those_of_a_pca_fitted_by_hand(simulated, table):
    from sklearn.decomposition import PCA

    labels = simulated.obs["type"].astype(str).to_numpy()
    held_out = pp.fold_rows(90, 3, labels, np.random.default_rng([1, 0])) == 2
    x, _ = pp.fit_preprocessing(simulated[~held_out]).apply(simulated)
    fitted = PCA(5).fit(x[~held_out])
    decoded = fitted.inverse_transform(fitted.transform(x[held_out]))
    row = table.set_index(["method", "k", "seed", "fold"]).loc[("pca", 5, 1, 2)]
    assert row["held-out MSE"] == pytest.approx(np.square(x[held_out] - decoded).mean(), rel=1e-4)


def test_ica_spans_what_pca_spans_and_nmf_less(table):
    error = table.groupby(["method", "k"])["held-out MSE"].mean()
    assert error["ica", 5] == pytest.approx(error["pca", 5], rel=1e-3)  # a rotation of the same subspace
    assert error["nmf", 5] > error["pca", 5]
    assert error["pca", 5] < error["pca", 2]
    assert np.isnan(error["genes", 0])  # no model, nothing to reconstruct
    assert table["probe accuracy"].between(0.3, 1.0).all()


def test_rows_that_are_there_are_left_out(simulated, table):
    done = {tuple(key) for key in table[["method", "k", "seed", "fold"]].to_numpy()}
    done -= {("pca", 5, 0, 1)}
    labels = simulated.obs["type"].to_numpy(dtype=object)
    (row,) = tl.compare(simulated, tl.BASELINES, [2, 5], labels, folds=3, seeds=2, done=done)
    before = table[(table["method"] == "pca") & (table["k"] == 5) & (table["seed"] == 0) & (table["fold"] == 1)]
    assert row["held-out MSE"] == before["held-out MSE"].item()


def test_more_components_than_genes_is_a_note(simulated):
    rows = list(tl.compare(simulated, {"pca": tl.BASELINES["pca"]}, [31], folds=2, seeds=1))
    assert all("30 genes" in row["note"] and "held-out MSE" not in row for row in rows)


def test_nmf_of_negative_values_is_refused(simulated):
    shifted = simulated.copy()
    shifted.X = simulated.X - 5.0
    with pytest.raises(InputError, match="not negative"):
        list(tl.compare(shifted, {"nmf": tl.BASELINES["nmf"]}, [2], folds=2, seeds=1, scaling="none", transform="none"))


def test_the_summary_is_mean_sd_and_paired_difference(table):
    summary = tl.summarise(table)
    pca = table[(table["method"] == "pca") & (table["k"] == 2)]["held-out MSE"].to_numpy()
    nmf = table[(table["method"] == "nmf") & (table["k"] == 2)]["held-out MSE"].to_numpy()
    row = summary.loc[("nmf", 2)]
    assert row["held-out MSE", "mean"] == pytest.approx(nmf.mean())
    assert row["held-out MSE", "sd"] == pytest.approx(nmf.std(ddof=1))
    assert row["MSE v pca, %", "mean"] == pytest.approx(100 * (nmf / pca - 1).mean())
    assert len(summary) == 7


@pytest.mark.parametrize("folds", [2, 4, 7])
def test_folds_have_each_class_in_its_share(folds):
    labels = np.repeat(["a", "b", "c"], [40, 17, 3])
    assigned = pp.fold_rows(60, folds, labels, 0)
    sizes = np.bincount(assigned, minlength=folds)
    assert sizes.max() - sizes.min() <= 1
    for label in "abc":
        counts = np.bincount(assigned[labels == label], minlength=folds)
        assert counts.max() - counts.min() <= 1
    for wrong in (1, 61):
        with pytest.raises(InputError, match="folds"):
            pp.fold_rows(60, wrong, labels, 0)


def test_copies_of_a_sample_are_in_one_fold_and_noise_is_told_from_nothing(simulated):
    """Random labels: with copies of a sample on both sides neighbours tell its class; kept together nothing does."""
    rng = np.random.default_rng(0)
    copies = AnnData(np.repeat(simulated.X[:16], 6, axis=0) * rng.normal(1.0, 1e-3, (96, 30)).astype(np.float32))
    labels = np.repeat(rng.permutation(["a", "b"] * 8), 6).astype(object)
    how = {"folds": 3, "seeds": 2}
    apart, together = (
        pd.DataFrame(tl.compare(copies, {"genes": None}, [2], labels, groups=groups, **how))["5-NN accuracy"].mean()
        for groups in (None, np.repeat(np.arange(16), 6))
    )
    assert apart > 0.9
    assert together < 0.7


def test_methods_that_differ_by_rounding_share_a_rank(table):
    same = table[table["method"].isin(["pca", "ica"])]
    ranked = tl.rank_methods(same)
    errors = ranked[ranked["measure"] == "held-out MSE"]
    assert set(errors["rank"]) == {1.5}
