"""Law 9: gene order does not matter; missing genes are filled by the training mean and reported, and refused beyond a
stated share."""

from __future__ import annotations

import numpy as np
import pytest

import latentome as lt
from latentome.errors import InputError
from latentome.pp import Preprocessing, align, fit_preprocessing


@pytest.fixture(scope="module")
def tcga():
    return lt.datasets.load("tcga-33")


@pytest.fixture(scope="module")
def halves(tcga):
    return lt.pp.split(tcga, 0.3, "cancer_type", 0)


@pytest.fixture(scope="module")
def fitted(halves):
    return fit_preprocessing(halves[0], n_genes=150)


@pytest.fixture(scope="module")
def model(halves, fitted):
    x, _ = fitted.apply(halves[0])
    import pandas as pd

    table = pd.DataFrame(x, columns=fitted.genes)
    return lt.LinearAutoencoder(n_components=8, max_epochs=2, random_state=0).fit(table)


def encoded(model, aligned) -> np.ndarray:
    return model.transform(aligned.to_df())


def test_the_order_of_the_genes_does_not_matter_to_the_last_bit(halves, fitted, model):
    new = halves[1]
    straight = align(new, fitted)
    for seed in range(3):
        mixed = align(new[:, np.random.default_rng(seed).permutation(new.n_vars)], fitted)
        assert list(mixed.var_names) == fitted.genes
        assert mixed.X.tobytes() == straight.X.tobytes()
        assert encoded(model, mixed).tobytes() == encoded(model, straight).tobytes()
    # ... and it is another thing to mix the values under the names.
    wrong = new.copy()
    wrong.X = wrong.X[:, ::-1]
    assert np.abs(encoded(model, align(wrong, fitted)) - encoded(model, straight)).max() > 0.1


def test_missing_genes_get_their_training_mean_and_are_reported(halves, fitted, model):
    train, new = halves
    gone = fitted.genes[::10]  # 15 of 150
    lacking = align(new[:, [gene for gene in new.var_names if gene not in gone]], fitted)
    assert list(lacking.var_names[lacking.var["filled"]]) == gone
    assert any("15 of 150 genes (10.0%) are missing" in note for note in lacking.uns["source"]["notes"])
    filled = new.copy()
    place = new.var_names.get_indexer(gone)
    filled.X[:, place] = train[:, gone].X.mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(lacking.X, align(filled, fitted).X, atol=1e-6)
    there = ~lacking.var["filled"].to_numpy()
    assert lacking.X[:, there].tobytes() == align(new, fitted).X[:, there].tobytes()
    # Encoding is nearer to that of the whole samples than with zeros in place of the means.
    whole = encoded(model, align(new, fitted))
    zeros = new.copy()
    zeros.X[:, place] = 0
    error = [np.square(encoded(model, a) - whole).mean() for a in (lacking, align(zeros, fitted))]
    assert error[0] < 0.5 * error[1]


def test_more_missing_genes_than_a_share_are_refused(halves, fitted):
    new = halves[1]
    for n_gone, share, allowed in (
        (30, 0.2, True),
        (31, 0.2, False),
        (31, 0.25, True),
        (1, 0.0, False),
        (150, 0.9, False),
    ):
        gone = set(fitted.genes[:n_gone])
        lacking = new[:, [gene for gene in new.var_names if gene not in gone]]
        if allowed:
            assert align(lacking, fitted, max_missing=share).var["filled"].sum() == n_gone
        else:
            with pytest.raises(InputError, match=f"lack {n_gone} of the 150 genes") as caught:
                align(lacking, fitted, max_missing=share)
            assert fitted.genes[0] in caught.value.where


def test_genes_are_found_under_their_other_names(halves, fitted):
    new = halves[1]
    expected = align(new, fitted).X
    for rename in (
        lambda symbol, entrez: entrez,
        lambda symbol, entrez: f"{symbol}|{entrez}",
        lambda symbol, entrez: f"old-name|{entrez}",
    ):
        other = new.copy()
        other.var_names = [rename(s, e) for s, e in zip(new.var_names, new.var["entrez"], strict=True)]
        del other.var["entrez"]
        aligned = align(other, fitted)
        assert aligned.X.tobytes() == expected.tobytes()
        assert "150 genes were found under another name" in " ".join(aligned.uns["source"]["notes"])
    column = new.copy()  # the ids in a column of their own
    column.var_names = [f"x{i}" for i in range(new.n_vars)]
    assert align(column, fitted).X.tobytes() == expected.tobytes()
    del column.var["entrez"]
    with pytest.raises(InputError, match="lack 150 of the 150"):
        align(column, fitted)


def test_two_genes_of_one_id_are_no_choice_of_ours(halves, fitted):
    new = halves[1].copy()
    entrez = new.var["entrez"].to_numpy().copy()
    names = new.var_names.to_numpy().astype(object)
    first, other = new.var_names.get_indexer([fitted.genes[0], fitted.genes[1]])
    names[first], names[other] = f"a|{entrez[first]}", f"b|{entrez[first]}"
    new.var_names = names
    del new.var["entrez"]
    assert list(align(new, fitted).var_names[align(new, fitted).var["filled"]]) == fitted.genes[:2]
    new.var_names = ["same", *names[1:-1], "same"]
    with pytest.raises(InputError, match="1 gene names more than once: same"):
        align(new, fitted)


@pytest.mark.parametrize(
    ("trained", "given", "said"),
    [
        (lambda x: x, lambda x: 2**x - 1, "look linear, and the model was trained on logarithms"),
        (lambda x: 2**x - 1, lambda x: x, "look like logarithms, and the model takes the logarithm itself"),
        (lambda x: x, lambda x: (x - x.mean(0)) / (x.std(0) + 0.1), "they have negative values"),
        (lambda x: (x - x.mean(0)) / (x.std(0) + 0.1), lambda x: x, "the training data had negative values"),
        (lambda x: x, lambda x: (x - x.min(0)) / (np.ptp(x, axis=0) + 0.1), "they lie in [0, 1]"),
    ],
)
@pytest.mark.parametrize("scaling", ["zero-one", "none"])
def test_another_scale_is_noticed_from_the_range(halves, trained, given, said, scaling):
    train, new = (half.copy() for half in halves)
    train.X, new.X = trained(train.X), given(new.X)
    fitted = fit_preprocessing(train, n_genes=150, scaling=scaling)
    if scaling == "none" and fitted.mean.min() < 0 and not hasattr(fitted, "lowest"):
        pytest.skip("the training range of z-scores is not kept without a scaling")
    for some in (new, new[:1]):
        with pytest.raises(InputError) as caught:
            align(some, fitted)
        assert said in str(caught.value)
    assert align(new, fitted, check_range=False).shape == (new.n_obs, 150)


@pytest.mark.parametrize("make", [lambda x: x, lambda x: 2**x - 1])
def test_single_samples_on_the_scale_of_training_are_never_refused(halves, make):
    train, new = (half.copy() for half in halves)
    train.X, new.X = make(train.X), make(new.X)
    fitted = fit_preprocessing(train, n_genes=150)
    together = align(new, fitted).X
    for i in range(0, new.n_obs, 7):
        assert align(new[i : i + 1], fitted).X.tobytes() == together[i].tobytes()


def test_models_and_what_is_no_model(halves, fitted, model, tmp_path):
    new = halves[1]
    scaled = align(new, fitted)
    assert align(scaled[:, ::-1], model).X.tobytes() == scaled.X.tobytes()
    with pytest.raises(InputError, match="lack 1 of the 150(.|\n)*run's folder"):
        align(scaled[:, 1:], model)
    with pytest.raises(InputError, match="does not know the names of its genes"):
        align(new, object())
    fitted.save(tmp_path / "preprocessing.json")
    assert align(new, Preprocessing.load(tmp_path / "preprocessing.json")).X.tobytes() == scaled.X.tobytes()


def test_a_sample_without_a_negative_value_is_none_of_another_scale(halves):
    """Of batch-corrected logarithms, which dip below zero, some samples have no negative value; of z-scores none."""
    old, _ = halves
    shifted = old.copy()
    shifted.X = old.X - 1.5  # the zeros are negative now
    fitted = fit_preprocessing(shifted, scaling="zero-one")
    whole = shifted[:1].copy()
    whole.X = np.abs(whole.X)
    assert align(whole, fitted).n_obs == 1
    scores = old.copy()
    scores.X = (old.X - old.X.mean(axis=0)) / old.X.std(axis=0)
    with pytest.raises(InputError, match="had negative values, and they have none"):
        align(old[:3].copy(), fit_preprocessing(scores, scaling="zero-one"))
