from __future__ import annotations

import importlib

import numpy as np
import pytest

import latentome as lt
from latentome import tl

GENES = [f"gene-{i + 1}" for i in range(400)]


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)


def test_a_signature_is_what_lies_beyond_the_cutoff(weights):
    table = tl.signatures(weights, GENES)
    assert list(table) == ["feature", "side", "rank", "gene", "loading", "z"]
    z = (weights - weights.mean(axis=0)) / weights.std(axis=0)
    for feature in range(3):
        for side, beyond in (("positive", z[:, feature] > 2.5), ("negative", z[:, feature] < -2.5)):
            rows = table[(table["feature"] == feature + 1) & (table["side"] == side)]
            assert set(rows["gene"]) == {GENES[i] for i in np.flatnonzero(beyond)}
            assert list(rows["rank"]) == list(range(1, len(rows) + 1))
            assert (np.diff(rows["z"].abs()) <= 0).all(), "strongest first"
            at = [GENES.index(gene) for gene in rows["gene"]]
            np.testing.assert_array_equal(rows["loading"], weights[at, feature])
    # Of 1,200 normal numbers 1.24 % lie beyond 2.5 standard deviations: 14.9, standard deviation 3.8.
    assert 4 <= len(table) <= 30


@pytest.mark.parametrize("shift", [-3.0, 0.5, 10.0])
def test_a_shift_of_all_loadings_changes_no_signature(weights, shift):
    """The cutoff counts from the mean. Tybalt's code counts from zero (its issue 144), so that a shift of the loadings
    empties one side and fills the other.
    """
    before, after = tl.signatures(weights, GENES), tl.signatures(weights + np.float32(shift), GENES)
    assert list(before["gene"]) == list(after["gene"])
    assert list(before["side"]) == list(after["side"])
    # Adding 10 to a float32 costs it four bits: 1e-6 absolute in units of one standard deviation.
    np.testing.assert_allclose(before["z"], after["z"], atol=1e-5)
    np.testing.assert_allclose(before["loading"] + shift, after["loading"], atol=1e-5)


def test_the_scale_of_a_feature_does_not_matter_and_its_sign_swaps_the_sides(weights):
    before, after = tl.signatures(weights, GENES), tl.signatures(-7.0 * weights, GENES)
    swapped = {"positive": "negative", "negative": "positive"}
    told = {(row.feature, swapped[row.side], row.rank, row.gene) for row in before.itertuples()}
    assert {(row.feature, row.side, row.rank, row.gene) for row in after.itertuples()} == told


def test_a_dead_feature_has_no_signature(weights):
    dead = weights.copy()
    dead[:, 1] = 0.0
    table = tl.signatures(dead, GENES)
    assert set(table["feature"]) == {1, 3}
    assert np.isfinite(table["z"]).all()
    empty = tl.signatures(np.zeros((5, 2), np.float32), GENES[:5])
    assert len(empty) == 0
    assert list(empty) == list(table)


@pytest.fixture(scope="module")
def blobs():
    return lt.datasets.load("blobs").X.astype(np.float32)


def test_loadings_of_a_linear_decoder_are_its_kernel_times_the_deviation_of_the_features(blobs):
    model = lt.LinearAutoencoder(n_components=2, max_epochs=5, random_state=0).fit(blobs)
    codes = model.transform(blobs)
    kernel, bias = model.decoder_.get_weights()
    assert (kernel.shape, bias.shape) == ((2, 9), (9,))
    expected = kernel.T * codes.std(axis=0, dtype=np.float64)
    got = tl.loadings(model, codes)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-7)
    # All ways through a linear decoder are equally steep.
    np.testing.assert_allclose(tl.loadings(model, codes, "integrated-gradients"), expected, rtol=1e-5, atol=1e-6)
    encoder = model.encoder_.get_weights()[0] / codes.std(axis=0)
    np.testing.assert_allclose(tl.loadings(model, codes, "encoder", blobs), encoder, rtol=1e-5)


def test_integrated_gradients_add_up_to_what_the_decoder_does(blobs):
    """Of a single feature the attributions of a gene are its decoded differences from the mean, wherever it is bent."""
    model = lt.DeepAutoencoder(n_components=1, hidden=(5,), max_epochs=5, random_state=0).fit(blobs)
    codes = model.transform(blobs)
    way = codes - codes.mean(axis=0)
    decoded = model.inverse_transform(codes) - model.inverse_transform(codes.mean(axis=0, keepdims=True))
    expected = (decoded * way).sum(axis=0) / np.square(way).sum() * codes.std()
    got = tl.loadings(model, codes, "integrated-gradients")[:, 0]
    np.testing.assert_allclose(got, expected, atol=2e-3 * np.abs(expected).max())
    bent = tl.loadings(model, codes)[:, 0]
    assert np.abs(bent - expected).max() > 5 * np.abs(got - expected).max(), (
        "which the slope at one point does not know"
    )


def test_loadings_that_there_are_not_are_refused(blobs):
    model = lt.LinearAutoencoder(n_components=2, max_epochs=1, random_state=0).fit(blobs)
    codes = model.transform(blobs)
    for method, x, message in (
        ("encode", None, "Did you mean 'encoder'"),
        ("encoder", None, "no x"),
        ("encoder", blobs[:, :3], "x of 3 genes"),
    ):
        with pytest.raises(lt.InputError, match=message):
            tl.loadings(model, codes, method, x)


def test_loadings_of_a_curved_decoder_are_its_derivative_at_the_mean_code(blobs):
    model = lt.DeepAutoencoder(n_components=2, hidden=(5,), max_epochs=5, random_state=0).fit(blobs)
    codes = model.transform(blobs)
    step, mean = 0.05, codes.mean(axis=0)
    around = np.concatenate([mean + step * np.eye(2), mean - step * np.eye(2)])
    decoded = model.inverse_transform(around).astype(np.float64)
    expected = ((decoded[:2] - decoded[2:]) / (2 * step)).T * codes.std(axis=0)
    # A central difference errs by step^2 times the third derivative, and by rounding, 1e-7 / step.
    np.testing.assert_allclose(tl.loadings(model, codes), expected, atol=2e-3 * np.abs(expected).max())


def test_each_side_may_have_its_own_cutoff(weights):
    cutoffs = np.array([[2.0, 2.5, 3.0], [3.0, 2.0, 2.5]])
    table, z = tl.signatures(weights, GENES, cutoffs), (weights - weights.mean(axis=0)) / weights.std(axis=0)
    for feature in range(3):
        rows = table[table["feature"] == feature + 1]
        assert (rows["side"] == "positive").sum() == (z[:, feature] > cutoffs[0, feature]).sum()
        assert (rows["side"] == "negative").sum() == (z[:, feature] < -cutoffs[1, feature]).sum()


def test_the_shape_of_the_loadings_makes_the_type():
    """Normal; heavy on both sides; long to the right, light enough elsewhere; long to the left and heavy; dead."""
    rng = np.random.default_rng(0)
    normal = rng.normal(size=2000)
    # Seven parts N(0, 1) and three parts N(2, 1): skewed (0.4), with tails no heavier than normal ones (-0.1).
    skewed = normal + 2.0 * (rng.random(2000) < 0.3)
    half = rng.standard_t(4, 1000)
    heavy = np.concatenate([half, -half])
    weights = np.stack([normal, heavy, skewed, -rng.exponential(size=2000), np.zeros(2000)], axis=1)
    table = tl.node_types(weights)
    assert "".join(table["type"]) == "ABCDA"
    assert list(table.loc[0, ["cutoff_positive", "cutoff_negative"]]) == [3.0, 3.0]
    assert list(table.loc[1, ["cutoff_positive", "cutoff_negative"]]) == [2.5, 2.5]
    assert list(table.loc[3, ["cutoff_positive", "cutoff_negative"]]) == [2.5, 2.0], "the long tail is the negative one"
    assert (table.loc[4, "p_skew"], table.loc[4, "skew"]) == (1.0, 0.0)
    mirrored = tl.node_types(-weights)
    assert list(mirrored["type"]) == list(table["type"])
    assert list(mirrored["cutoff_positive"])[:4] == list(table["cutoff_negative"])[:4]
    with pytest.raises(lt.InputError, match="shape of 19 loadings"):
        tl.node_types(weights[:19])


def test_a_signature_of_a_real_factor_has_few_false_discoveries_and_one_of_noise_has_only_such():
    """Feature 1 reads 40 of 400 genes that one factor drives, feature 2 reads genes that have nothing in common."""
    rng = np.random.default_rng(0)
    factor, effect = rng.normal(size=(200, 1)), np.zeros(400)
    effect[:40] = 1.0
    x = factor * effect + rng.normal(size=(200, 400))
    weights = np.stack([effect, rng.normal(size=400)], axis=1)
    table = tl.signature_fdr(x, lambda some: some @ weights, weights, 2.0).set_index(["feature", "side"])
    assert table.loc[(1, "positive"), ["genes", "against", "fdr"]].tolist() == [40, 0, 2 / 40]
    assert table.loc[(1, "negative"), ["genes", "fdr"]].tolist() == [0, 1]
    # Half of them on the wrong side: of both sides together, with a standard deviation of the square root of n / 4.
    genes, against = table.loc[2, ["genes", "against"]].sum()
    assert abs(against - genes / 2) <= 3 * np.sqrt(genes / 4)


def test_signatures_of_pca_on_noise_are_false():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1000, 200))
    axes = np.linalg.svd(x[:800] - x[:800].mean(axis=0), full_matrices=False)[2][:10].T
    table = tl.signature_fdr(x[800:], lambda some: some @ axes, axes, 2.0)
    assert table["fdr"].min() >= 0.3
    assert table["fdr"].mean() > 0.9
    assert 2 * table["against"].sum() / table["genes"].sum() == pytest.approx(1.0, abs=0.35)


@pytest.mark.parametrize("members", [1, 2])
def test_genes_of_two_features_that_correlate_are_not_called_false(members):
    """The first genes follow both; by the covariance alone they move against the second, which goes the other way."""
    rng = np.random.default_rng(0)
    first, noise = rng.normal(size=(2, 200))
    second = -0.8 * first + 0.6 * noise
    weights = np.zeros((300, 2))
    weights[:20, 0], weights[20:40, 1], weights[:5, 1] = 1.2, 1.2, 0.8
    x = np.stack([first, second], axis=1) @ weights.T + 0.5 * rng.normal(size=(200, 300))
    decode = np.linalg.pinv(weights).T
    several = np.tile(weights, members)
    table = tl.signature_fdr(x, lambda some: np.tile(some @ decode, members), several, 1.5, members)
    positive = table[table["side"] == "positive"]
    assert (positive["against"] == 0).all()
    assert (positive["genes"] >= 20).all()
    marginal = (x[:, :5] - x[:, :5].mean(axis=0)).T @ (second - second.mean())
    assert (marginal < 0).any(), "a covariance would have called some of them false"


def test_two_samples_have_no_false_discovery_rate():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(50, 2))
    rates = tl.signature_fdr(rng.normal(size=(2, 50)), lambda some: some @ weights, weights, 2.0)
    assert rates[["against", "fdr"]].isna().to_numpy().all()


def test_how_many_genes_are_done_at_a_time_changes_nothing(monkeypatch):
    module = importlib.import_module("latentome.tl.signatures")
    rng = np.random.default_rng(2)
    x, weights = rng.normal(size=(30, 60)), rng.normal(size=(60, 3))
    whole = tl.signature_fdr(x, lambda some: some @ weights, weights, 1.0)
    monkeypatch.setattr(module, "AT_ONCE", 4000)
    assert tl.signature_fdr(x, lambda some: some @ weights, weights, 1.0).equals(whole)
    # Of very many genes fewer samples are encoded.
    seen = []
    monkeypatch.setattr(module, "SAMPLES", (10, 500))
    monkeypatch.setattr(module, "MOST_WORK", 1)
    tl.signature_fdr(x, lambda some: seen.append(len(some)) or some @ weights, weights, 1.0)
    assert sum(seen) <= 60 * 10
