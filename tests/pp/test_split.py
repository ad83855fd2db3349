from __future__ import annotations

import numpy as np
import pytest

from latentome import pp
from latentome.datasets import load
from latentome.errors import InputError
from latentome.pp import fold_rows


@pytest.fixture(scope="module")
def tcga():
    return load("tcga-33")


@pytest.mark.parametrize("test_size", [0.05, 0.1, 0.2, 0.37, 0.5, 0.8])
@pytest.mark.parametrize("seed", range(5))
def test_the_share_is_exact_and_each_class_has_its_own(tcga, test_size, seed):
    labels = tcga.obs["cancer_type"].astype(str).to_numpy()
    held_out = pp.split_rows(tcga.n_obs, test_size, labels, seed)
    assert held_out.sum() == round(tcga.n_obs * test_size)
    share = held_out.mean()
    for label in np.unique(labels):
        here = labels == label
        assert abs(held_out[here].sum() - share * here.sum()) < 1.0, label


def test_classes_of_one_sample_are_held_out_in_their_share():
    """One sample cannot be split; many such classes together keep the share."""
    labels = np.array([f"rare-{i}" for i in range(200)])
    held_out = pp.split_rows(200, 0.25, labels, 3)
    assert held_out.sum() == 50
    mixed = np.array(["common"] * 99 + ["rare"])
    chosen = np.array([pp.split_rows(100, 0.2, mixed, seed)[-1] for seed in range(500)])
    # Five standard deviations of a share of 0.2 in 500 draws: 0.09.
    assert abs(chosen.mean() - 0.2) < 0.09


def test_a_seed_is_a_split_and_another_seed_is_another_one():
    first = pp.split_rows(500, 0.2, None, 7)
    assert np.array_equal(first, pp.split_rows(500, 0.2, None, 7))
    assert np.array_equal(first, pp.split_rows(500, 0.2, None, np.random.default_rng(7)))
    other = pp.split_rows(500, 0.2, None, 8)
    assert first.sum() == other.sum() == 100
    # By chance 20 of the 100 are the same (standard deviation 3.6).
    assert (first & other).sum() < 45


def test_every_sample_is_held_out_by_some_seed():
    count = sum(pp.split_rows(40, 0.25, None, seed).astype(int) for seed in range(400))
    # 100 times each on average, standard deviation 8.7.
    assert count.min() > 50
    assert count.max() < 150


def test_labels_do_not_need_to_be_text():
    numbers = np.repeat([1.5, 2.5, np.nan], 20)
    held_out = pp.split_rows(60, 0.5, numbers, 0)
    assert [int(held_out[i : i + 20].sum()) for i in (0, 20, 40)] == [10, 10, 10]


@pytest.mark.parametrize("test_size", [0.0, 1.0, -0.1, 1.5, 0.001, 0.999, float("nan")])
def test_a_share_that_leaves_one_side_empty_is_refused(test_size):
    with pytest.raises(InputError, match="cannot be split") as refused:
        pp.split_rows(10, test_size, None, 0)
    assert str(test_size) in refused.value.where


@pytest.mark.parametrize(("n", "todo"), [(1, "another column"), (2, "another column"), (9, "another share")])
def test_groups_that_are_too_few_are_told_as_groups(n, todo):
    groups = np.arange(36) % n
    with pytest.raises(InputError, match=f"0.05 of {n} group{'s' * (n > 1)}\n") as refused:
        pp.split_rows(36, 0.05, None, 0, groups)
    assert todo in refused.value.todo


def test_split_gives_two_copies_in_the_order_of_the_whole(tcga):
    train, test = pp.split(tcga, test_size=0.1, stratify="cancer_type", rng=0)
    assert (train.n_obs, test.n_obs) == (995, 111)
    assert not set(train.obs_names) & set(test.obs_names)
    for part in (train, test):
        positions = tcga.obs_names.get_indexer(part.obs_names)
        assert (np.diff(positions) > 0).all()
        assert np.array_equal(part.X, tcga.X[positions])
        assert not part.is_view
    before = tcga.X[tcga.obs_names.get_loc(train.obs_names[0]), 0]
    train.X[0, 0] += 1.0
    assert tcga.X[tcga.obs_names.get_loc(train.obs_names[0]), 0] == before


def test_a_column_that_is_not_there_is_refused_with_the_nearest(tcga):
    with pytest.raises(InputError, match="Did you mean 'cancer_type'"):
        pp.split(tcga, stratify="cancer_typ")


def test_no_patient_is_on_both_sides():
    rng = np.random.default_rng(0)
    patients = np.repeat([f"P{i}" for i in range(200)], rng.integers(1, 4, 200))
    kinds = np.array(["a", "b"])[rng.integers(0, 2, 200)][np.unique(patients, return_inverse=True)[1]]
    shares = []
    for seed in range(20):
        held_out = pp.split_rows(len(patients), 0.2, kinds, seed, patients)
        assert not set(patients[held_out]) & set(patients[~held_out])
        assert len(set(patients[held_out])) == 40
        for kind in "ab":
            n = len(set(patients[kinds == kind]))
            assert abs(len(set(patients[held_out & (kinds == kind)])) - 0.2 * n) < 1.0
        shares.append(held_out.mean())
    # 40 of 200 patients with 1 to 3 samples (standard deviation 0.8): the share scatters by 0.011.
    assert abs(np.mean(shares) - 0.2) < 0.01


def test_patients_are_read_from_barcodes(tcga):
    """tcga-33 holds 1,106 samples of 1,096 patients."""
    adata = tcga.copy()
    del adata.obs["patient"]
    for given in (tcga, adata):
        train, test = pp.split(given, 0.2, "cancer_type", 3, group="patient")
        codes = [{name[:12] for name in part.obs_names} for part in (train, test)]
        assert not codes[0] & codes[1]
        assert train.n_obs + test.n_obs == 1106
        assert abs(test.n_obs - 221) <= 4
    with pytest.raises(InputError, match="no column 'person' to group by"):
        pp.split(tcga, group="person")


def test_several_columns_are_held_out_in_their_share_together(tcga):
    train, test = pp.split(tcga, 0.25, ["cancer_type", "sample_type"], 1)
    assert test.n_obs == round(0.25 * 1106)
    both = tcga.obs["cancer_type"].astype(str) + tcga.obs["sample_type"].astype(str)
    whole, held = both.value_counts(), both[test.obs_names].value_counts()
    assert ((held.reindex(whole.index, fill_value=0) - 0.25 * whole).abs() < 1.0).all()
    with pytest.raises(InputError, match="Did you mean 'sample_type'"):
        pp.split(tcga, stratify=["cancer_type", "sample_typ"])


def test_folds_are_equal_and_deal_every_class_evenly():
    labels = np.repeat(["a", "b", "c"], [50, 31, 20])
    dealt = pp.fold_rows(101, 4, labels, rng=0, equal=True)
    assert np.bincount(dealt + 1).tolist() == [1, 25, 25, 25, 25]
    for label, count in (("a", 50), ("b", 31), ("c", 20)):
        held_out = np.bincount(dealt[(labels == label) & (dealt >= 0)], minlength=4)
        # One sample is in no fold; each class is dealt to within one.
        assert held_out.max() - held_out.min() <= 1
        assert count - 1 <= held_out.sum() <= count
    np.testing.assert_array_equal(dealt, pp.fold_rows(101, 4, labels, rng=0, equal=True))


@pytest.mark.parametrize("folds", [1, 7])
def test_folds_that_would_be_empty_are_refused(folds):
    with pytest.raises(InputError, match="so many folds"):
        pp.fold_rows(6, folds, None, rng=0, equal=True)


def test_folds_keep_groups_together_and_deal_their_classes_evenly():
    groups = np.repeat([f"P{i}" for i in range(40)], 3)
    labels = np.repeat(np.where(np.arange(40) < 10, "rare", "common"), 3)
    folds = fold_rows(120, 5, labels, 0, groups=groups)
    assert all(len(set(folds[groups == group])) == 1 for group in set(groups))
    for fold in range(5):
        assert (folds == fold).sum() == 24
        assert ((labels == "rare") & (folds == fold)).sum() == 6
    with pytest.raises(InputError, match="so many folds"):
        fold_rows(120, 41, labels, 0, groups=groups)
    with pytest.raises(InputError, match="another column of groups"):
        fold_rows(120, 5, labels, 0, groups=np.zeros(120))


def test_values_in_place_of_the_name_of_a_column_are_refused():
    adata = load("tcga-33")
    with pytest.raises(InputError, match="named, not given"):
        pp.split(adata, test_size=0.2, stratify=adata.obs["cancer_type"], rng=0)
