from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

import latentome as lt
from latentome import tl
from latentome.errors import InputError


def test_a_mixture_takes_as_many_parts_as_there_are():
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]])
    codes = centres[rng.integers(3, size=300)] + rng.normal(size=(300, 2))
    mixture = tl.fit_mixture(codes)
    assert mixture.n_components == 3
    new = mixture.sample(600)[0]
    np.testing.assert_allclose(np.cov(new.T), np.cov(codes.T), rtol=0.25, atol=8)
    with pytest.raises(InputError, match="9 samples"):
        tl.fit_mixture(codes[:9])


def test_what_is_drawn_from_the_same_passes_and_what_is_not_does_not():
    """1,000 and 1,000 samples of the same distribution: the AUROC has a standard deviation of 0.013."""
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(3, 20))
    real, same = ((rng.normal(size=(1000, 3)) @ mixing + 0.5 * rng.normal(size=(1000, 20))) for _ in range(2))
    passes = tl.two_sample(real, same)
    assert 0.45 < passes["AUROC"] < 0.55
    assert 0.45 < passes["AUROC of squares"] < 0.55
    assert passes["variance"] > 0.95
    assert passes["variance ratio"] == pytest.approx(1.0, abs=0.1)
    assert tl.two_sample(real, same + 0.5)["AUROC"] > 0.7
    # Without the noise only the spread differs: what the model leaves out of its reconstructions.
    smooth = rng.normal(size=(1000, 3)) @ mixing
    assert tl.two_sample(real, smooth)["AUROC of squares"] > 0.6
    assert tl.two_sample(real, smooth)["variance ratio"] < 0.98
    with pytest.raises(InputError, match="4 generated"):
        tl.two_sample(real, same[:4])


def test_the_quality_of_a_map_is_highest_for_the_data_themselves():
    rng = np.random.default_rng(2)
    labels = np.repeat(["a", "b", "c"], 40).astype(object)
    x = rng.normal(size=(120, 2)) + 8.0 * np.array([[0, 0], [1, 0], [0, 1]]).repeat(40, axis=0)
    whole = tl.map_quality(x, x, labels)
    assert whole == {"trustworthiness": 1.0, "k-NN preservation": 1.0, "class k-NN accuracy": 1.0}
    shuffled = tl.map_quality(x, rng.permutation(x), labels)
    assert shuffled["trustworthiness"] < 0.6
    flat = rng.normal(size=(500, 5))
    expected = trustworthiness(flat, flat[:, :2], n_neighbors=10)
    assert tl.map_quality(flat, flat[:, :2])["trustworthiness"] == pytest.approx(expected, abs=1e-12)
    assert shuffled["k-NN preservation"] < 0.15, "10 of 119 by chance"
    assert shuffled["class k-NN accuracy"] < 0.5
    labels[:5] = None
    assert tl.map_quality(x, x, labels)["class k-NN accuracy"] == 1.0
    with pytest.raises(InputError, match="60 neighbours"):
        tl.map_quality(x, x, k=60)


def test_the_size_with_the_true_number_of_factors_is_recommended():
    adata = lt.datasets.simulate(200, 60, n_types=3, n_factors=3, noise=0.3, rng=0)
    x = adata.X / 4.0
    training = np.arange(200) % 4 != 0
    model = lt.LinearAutoencoder(2, optimizer="adam", learning_rate=0.01, batch_size=15, max_epochs=150)
    strongest = np.argsort(-adata.varm["loadings_true"], axis=0)[:12].T
    sets = {f"factor {i}": list(adata.var_names[rows]) for i, rows in enumerate(strongest)}
    known = {"gene_sets": sets, "genes": list(adata.var_names)}
    table = tl.dimensions(x, model, [1, 3], training, adata.obs["type"].to_numpy(), **known)
    assert list(table["size"]) == [1, 3]
    assert table["error"].is_monotonic_decreasing
    assert (table["error"] > 0.98 * table["pca_error"]).all(), "no linear model is better"
    np.testing.assert_allclose(table["above"], table["error"] - table["error"].min(), atol=1e-12)
    assert table["active"].between(1, 3).all()
    assert table["stability"].between(0, 1).all()
    assert table["probe"].between(0.7, 1).all()
    assert table[["sets", "pca_sets"]].to_numpy().max() <= 3
    assert tl.choose_size(table)[0] == 3
    with pytest.raises(InputError, match="Too few samples or genes for 61"):
        tl.dimensions(x, model, [61], training)


def test_the_rule_of_one_standard_error():
    table = pd.DataFrame({"size": [2, 5, 10, 20], "error": [0.5, 0.205, 0.2, 0.21]})
    table = table.assign(above=table["error"] - 0.2, standard_error=[0.01, 0.01, 0.0, 0.01])
    table = table.assign(pca_error=0.3, active=2.0, stability=0.5)
    size, reason = tl.choose_size(table)
    assert size == 5
    assert "with 10" in reason
    assert "largest size" not in reason
    assert "within one standard error (0.01) of the lowest" in reason
    assert "more dimensions may do better" in tl.choose_size(table[:3])[1]
    size, reason = tl.choose_size(table.drop(index=1))
    assert size == 10
    assert "lowest (0.2), and no smaller size" in reason
    assert "(0)" not in reason


def test_generated_samples_of_pca_are_smoother_than_real_ones():
    x = lt.datasets.load("tcga-33").X
    training = np.arange(len(x)) % 4 != 0
    pca = PCA(20, random_state=0).fit(x[training])
    mixture = tl.fit_mixture(pca.transform(x[training]), most=3)
    told = tl.two_sample(x[~training], pca.inverse_transform(mixture.sample(277)[0]))
    assert told["AUROC of squares"] > 0.7, "samples without noise are told from real ones"
    assert told["mean"] > 0.99
    assert 0.3 < told["variance ratio"] < 1.0


def test_a_gene_that_never_varies_says_nothing_of_the_means():
    rng = np.random.default_rng(0)
    real, generated = (rng.normal(size=(40, 10)) for _ in range(2))
    constant = np.full((40, 1), 100.0)
    told = tl.two_sample(np.hstack([real, constant]), np.hstack([generated, constant]))["mean"]
    assert told == pytest.approx(tl.two_sample(real, generated)["mean"])
    assert told < 0.9


def test_sizes_are_not_compared_on_one_sample():
    x = np.zeros((30, 6), np.float32)
    with pytest.raises(InputError, match="differences need some"):
        tl.dimensions(x, lt.LinearAutoencoder(max_epochs=2), [1, 2], np.arange(30) != 0)


def test_sizes_of_grouped_samples_validate_and_count_by_groups():
    """Five equal samples of each of 24 donors: the error has the standard error of 6 held-out donors, not of 30."""
    rng, groups = np.random.default_rng(0), np.repeat(np.arange(24), 5)
    x = np.repeat(rng.normal(size=(24, 10)), 5, axis=0).astype("float32")
    model, training = lt.NonlinearPCA(2, hidden=(), max_epochs=2, batch_size=20, refit=False), groups >= 6
    one, together = (tl.dimensions(x, model, [1, 2], training, groups=g) for g in (np.arange(120), groups))
    own = lt.NonlinearPCA(2, hidden=(), max_epochs=2, batch_size=20, refit=False, members=2, random_state=0)
    own.fit(x[training], groups=groups[training])
    assert not set(groups[training][own.training_rows_]) & set(groups[training][own.validation_rows_])
    parts = np.split(own.transform(x[~training]), 2, axis=1)
    errors = [np.square(x[~training] - m.decoder(p)).mean() for m, p in zip(own.models_, parts, strict=True)]
    assert together["error"][1] == pytest.approx(np.mean(errors), rel=1e-5)
    assert together["standard_error"][0] > 1.8 * one["standard_error"][0]


def test_a_probe_of_grouped_samples_has_not_seen_their_groups():
    """Five samples of each patient are nearly one, and classes mean nothing: what it learns is who they are."""
    found = []
    for seed in range(4):
        rng, patient = np.random.default_rng(seed), np.repeat(np.arange(60), 5)
        classes = np.array(["a", "b"])[rng.permutation(60) % 2][patient]
        x = (rng.normal(size=(60, 30))[patient] + 0.2 * rng.normal(size=(300, 30))).astype("float32")
        model = lt.LinearAutoencoder(max_epochs=1, random_state=0)
        table = tl.dimensions(x, model, [10], patient % 3 != 0, classes, members=2, groups=patient)
        found.append(table[["probe", "pca_probe"]].to_numpy())
    assert np.mean(found) < 0.65, "it is far above a half where patients are on both sides"


def test_what_features_reach_together_has_not_seen_the_groups():
    rng, patient = np.random.default_rng(0), np.repeat(np.arange(40), 5)
    adata = ad.AnnData(np.zeros((200, 1), np.float32))
    adata.obs["age"] = rng.normal(50, 10, 40)[patient] + rng.uniform(0, 0.5, 200)
    adata.obsm["X_f"] = rng.normal(size=(40, 12))[patient] + 0.1 * rng.normal(size=(200, 12))
    found = tl.associate(adata, "X_f", ["age"], groups=patient).columns["combination"].item()
    assert abs(found) < 0.35, "it is large where patients are on both sides"
