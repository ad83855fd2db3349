"""Which features come again in models of other samples: true ones do, those of noise do not."""

import sys

import numpy as np
import pytest

from latentome import tl
from latentome.errors import InputError
from latentome.estimators import LinearAutoencoder, NonlinearPCA, VariationalAutoencoder
from latentome.tl.replication import CHANCE, FOUND, PCA, _found, _halves, least_to_be_found

FACTORS, GENES = 3, 30
SMALL = {"hidden": (8,), "max_epochs": 3, "random_state": 0}


@pytest.fixture(scope="module")
def patterned():
    """160 samples x 30 genes of three factors of different strength, on noise."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(160, FACTORS)) * [4.0, 2.5, 1.5]
    return (factors @ rng.normal(size=(FACTORS, GENES)) + rng.normal(size=(160, GENES))).astype(np.float32)


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(1).normal(size=(160, GENES)).astype(np.float32)


@pytest.fixture(scope="module")
def tables(patterned, noise):
    return {
        name: tl.replication(x, NonlinearPCA(FACTORS, **SMALL).fit(x), 2)
        for name, x in (("patterned", patterned), ("noise", noise))
    }


def of(table, method):
    return table[table["method"] == method]


def test_true_features_come_again_and_those_of_noise_do_not(tables):
    for method in ("nonlinear-pca", PCA):
        found = of(tables["patterned"], method)
        assert len(found) == FACTORS
        assert found["again"].all()
        assert found["explained"].min() > 0.8
        assert not of(tables["noise"], method)["again"].any()
        assert of(tables["noise"], method)["replication"].max() < FOUND
    chance = of(tables["patterned"], CHANCE)
    assert chance["replication"].max() < of(tables["patterned"], PCA)["replication"].min()
    assert chance["again"].sum() <= 1, "one in twenty, rounded up"


def test_a_row_says_what_it_is_of(tables):
    table = tables["patterned"]
    assert list(table["feature"][::FACTORS]) == ["nonlinear-pca_1", "pca_1", "shuffled_1"]
    assert (table["models"] == 4).all()
    assert (table["lowest"] <= table["replication"]).all()
    assert table["explained"].between(0, 1).all()


def test_the_same_seed_gives_the_same_table(tables, noise):
    again = tl.replication(noise, NonlinearPCA(FACTORS, **SMALL).fit(noise), 2)
    assert again.equals(tables["noise"])


def test_each_half_has_a_seed_of_its_own(patterned, monkeypatch):
    trained, model = [], LinearAutoencoder(2, members=2, max_epochs=1, random_state=0).fit(patterned)
    home = sys.modules["latentome.tl.replication"]
    fit = home.fit_together
    monkeypatch.setattr(home, "fit_together", lambda models, *a, **k: trained.extend(models) or fit(models, *a, **k))
    tl.replication(patterned, model, 2)
    assert len({0, *(half.random_state for half in trained)}) == 5
    assert model.random_state == 0
    assert all(half.members == 1 and half.max_epochs == 1 for half in trained)


def test_only_samples_that_the_other_model_has_not_seen_count():
    rng = np.random.default_rng(2)
    own, other = np.arange(50), np.arange(50, 100)
    features = rng.normal(size=(100, 2))
    codes = features[:, ::-1] * [-2.0, 3.0]
    np.testing.assert_allclose(_found(features, codes, own, other), 1.0)
    codes[other] = rng.normal(size=(50, 2))  # what was learned by heart
    assert _found(features, codes, own, other).max() < 0.5


def test_what_explains_a_feature_is_learned_on_other_samples_than_it_is_judged_on():
    rng, rows = np.random.default_rng(4), np.arange(100)
    features, codes = rng.normal(size=(100, 2)), rng.normal(size=(100, 30))
    within = np.linalg.lstsq(codes[50:], features[50:], rcond=None)[1] / np.square(features[50:]).sum(axis=0)
    assert within.max() < 0.6, "30 codes of 50 samples explain anything"
    assert _found(features, codes, rows[:50], rows[50:])[:, 1].max() < 0.1


def test_two_features_cannot_have_the_same_match():
    rng = np.random.default_rng(3)
    factor, rows = rng.normal(size=100), np.arange(100)
    features = np.column_stack([factor, factor + 0.1 * rng.normal(size=100)])
    codes = np.column_stack([factor, rng.normal(size=100)])
    matched, explained = _found(features, codes, rows[:50], rows[50:]).T
    assert matched[0] == pytest.approx(1.0)
    assert matched[1] < 0.5
    assert explained.min() > 0.9


def test_genes_that_vary_more_than_others_come_again_without_a_pattern(noise):
    x = noise * np.where(np.arange(GENES) < FACTORS, [10.0] * FACTORS + [1.0] * (GENES - FACTORS), 1.0)
    x[:, :FACTORS] *= [4.0, 2.0, 1.0]
    table = tl.replication(x.astype(np.float32), LinearAutoencoder(FACTORS, max_epochs=1, random_state=0).fit(x), 1)
    chance = of(table, CHANCE)["replication"]
    assert chance.min() > 0.95
    assert of(table, PCA)["again"].sum() <= 1, "no more than chance gives"
    assert least_to_be_found(chance) > 0.95
    assert least_to_be_found([0.1, 0.2]) == FOUND


def test_halves_are_other_samples_and_keep_groups_together():
    groups = np.repeat(np.arange(20), 3)
    for of_groups in (None, groups):
        pairs = [_halves(60, [0, repeat], of_groups) for repeat in range(3)]
        for one, other in pairs:
            assert len(one) == len(other) >= 27
            assert not set(one) & set(other)
            if of_groups is not None:
                assert not set(groups[one]) & set(groups[other])
        assert len({tuple(one) for one, _ in pairs}) == 3
    one, other = _halves(7, [0, 0], None)
    assert len(one) == len(other) == 3


def test_every_member_of_an_ensemble_has_its_features(patterned):
    model = LinearAutoencoder(2, members=3, max_epochs=2, random_state=0).fit(patterned)
    table = tl.replication(patterned, model, 1)
    assert table["method"].value_counts().to_dict() == {"linear": 6, PCA: 2, CHANCE: 2}


def test_a_conditional_model_is_trained_with_its_covariate(patterned):
    site = np.repeat(["a", "b", "c"], [100, 56, 4])
    shifted = patterned + 10 * np.eye(3, GENES, dtype=np.float32)[np.unique(site, return_inverse=True)[1]]
    model = VariationalAutoencoder(2, hidden=(), max_epochs=2, random_state=0).fit(shifted, covariate=site)
    table = tl.replication(shifted, model, 2, covariate=site)
    assert of(table, "vae")["replication"].min() > 0.9, "what does not depend on the site"
    for one, other in (_halves(160, [0, i], labels=site) for i in range(3)):
        assert sorted(np.bincount(np.unique(site[half], return_inverse=True)[1])[0] for half in (one, other)) == [
            50,
            50,
        ]
    with pytest.raises(InputError, match="conditional on a covariate"):
        tl.replication(shifted, model, 1)


def test_what_cannot_be_cut_is_refused(patterned):
    model = NonlinearPCA(FACTORS, **SMALL).fit(patterned)
    with pytest.raises(InputError, match="how often the samples are cut in halves"):
        tl.replication(patterned, model, 0)
    with pytest.raises(InputError, match="cannot be cut"):
        tl.replication(patterned, model, 1, groups=np.zeros(len(patterned)))
    with pytest.raises(InputError, match="Too few samples or genes"):
        tl.replication(patterned[:4], model, 1)
