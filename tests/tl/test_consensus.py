from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData
from sklearn.decomposition import PCA, FastICA

from latentome import datasets, pp, tl
from latentome.errors import InputError
from latentome.estimators import LinearAutoencoder, NonlinearPCA, VariationalAutoencoder

MEMBERS, FACTORS, NOISE = 20, 4, 2


@pytest.fixture(scope="module")
def ensemble():
    """20 members; each has the 4 factors, in its own order, with its own signs and errors, and 2 features of noise."""
    rng = np.random.default_rng(0)
    factors = rng.gamma(2.0, size=(400, FACTORS))
    true = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    loadings = rng.normal(size=(50, FACTORS))
    codes, weights, which = [], [], []
    for _ in range(MEMBERS):
        order, signs = rng.permutation(FACTORS + NOISE), rng.choice([-1.0, 1.0], FACTORS + NOISE)
        member = np.hstack([true + 0.55 * rng.normal(size=true.shape), rng.normal(size=(400, NOISE))])
        gene = np.hstack([loadings, 0.1 * rng.normal(size=(50, NOISE))])
        codes.append((member * signs)[:, order])
        weights.append((gene * signs)[:, order])
        which.append(order)
    adata = AnnData(np.zeros((400, 50), np.float32), obsm={"X_vae": np.hstack(codes).astype(np.float32)})
    adata.varm["vae_loadings"] = np.hstack(weights).astype(np.float32)
    return adata, true, loadings, np.concatenate(which)


def recovered(codes: np.ndarray, true: np.ndarray) -> int:
    """How many factors some feature has with a correlation above 0.9."""
    return int((np.abs(np.corrcoef(codes.T, true.T)[: codes.shape[1], codes.shape[1] :]).max(axis=0) > 0.9).sum())


def test_the_consensus_recovers_the_factors_better_than_any_member(ensemble, tmp_path):
    adata, true, loadings, _ = ensemble
    groups = tl.consensus(adata, "X_vae", MEMBERS, loadings_key="vae_loadings", rotate=False)
    joined = adata.obsm["X_consensus"]
    assert joined.shape == (400, FACTORS), "and no noise"
    assert list(groups["support"]) == [1.0] * FACTORS
    assert list(groups["size"]) == [MEMBERS] * FACTORS
    best = max(recovered(part, true) for part in np.split(adata.obsm["X_vae"], MEMBERS, axis=1))
    assert recovered(joined, true) == FACTORS >= best
    assert best < FACTORS, "one member alone has them with a correlation of 0.88"
    between = np.corrcoef(joined.T, true.T)[:FACTORS, FACTORS:]
    genes = np.corrcoef(adata.varm["consensus_loadings"].T, loadings.T)[:FACTORS, FACTORS:]
    for i, j in enumerate(np.abs(between).argmax(axis=1)):
        assert abs(between[i, j]) > 0.98
        assert genes[i, j] * np.sign(between[i, j]) > 0.99, "codes and loadings are turned alike"
    adata.write_h5ad(tmp_path / "x.h5ad")


def test_stability_tells_real_features_from_noise(ensemble):
    adata, _, _, which = ensemble
    table = tl.stability(adata.obsm["X_vae"], MEMBERS)
    real, noise = table["stability"][which < FACTORS], table["stability"][which >= FACTORS]
    assert real.min() > 0.7, "two members correlate with 1 / (1 + 0.55^2) = 0.77"
    assert noise.max() < 0.2
    assert list(table["member"].value_counts()) == [FACTORS + NOISE] * MEMBERS
    assert (table["lowest"] <= table["stability"]).all()


@pytest.mark.parametrize("members", [1, 3, 2.0, [0, 1]])
def test_members_are_a_number_that_divides_the_features(members):
    with pytest.raises(InputError, match="Stability needs several trainings") as refusal:
        tl.stability(np.zeros((5, 4)), members)
    assert refusal.value.where == f"4 features of {members} members"


def test_the_matching_is_one_to_one():
    """Two features of one member that are both like one of another: only one of them is found again."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(300, 2)).T
    table = tl.stability(np.stack([a, a + 0.1 * b, a, b], axis=1), 2)
    assert sorted(table["stability"][:2] > 0.9) == [False, True]


def test_similarity_does_not_see_rotations_but_sees_other_data():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(500, 5)) * [3, 2, 1, 1, 1]
    q, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    table = tl.similarity([x, 7.0 * x @ q + 3.0, rng.normal(size=(500, 5)), x[:, :2]]).set_index(["one", "other"])
    assert table.loc[(0, 1), "cka"] == pytest.approx(1.0, abs=1e-10)
    assert table.loc[(0, 1), "svcca"] == pytest.approx(1.0, abs=1e-10)
    assert table.loc[(0, 2), "cka"] < 0.05
    assert table.loc[(0, 2), "svcca"] < 0.2
    assert 0.8 < table.loc[(0, 3), "cka"] < 1.0
    assert table.loc[(0, 3), "svcca"] == pytest.approx(1.0, abs=1e-10), "a smaller space inside the larger one"


def test_what_has_no_consensus_is_refused(ensemble):
    adata = ensemble[0]
    with pytest.raises(InputError, match="several trainings"):
        tl.consensus(adata, "X_vae", 1)
    with pytest.raises(InputError, match="120 features of 7 members"):
        tl.stability(adata.obsm["X_vae"], 7)
    noise = AnnData(np.zeros((400, 1)), obsm={"X_n": np.random.default_rng(0).normal(size=(400, 6))})
    with pytest.raises(InputError, match="No feature is common to 100% of the members"):
        tl.consensus(noise, "X_n", 3, support=1.0, rotate=False)
    with pytest.raises(InputError, match="Without expression"):
        tl.consensus(noise, "X_n", 3)
    noise = AnnData(np.random.default_rng(1).normal(size=(400, 9)), obsm=dict(noise.obsm))
    with pytest.raises(InputError, match="No feature is common to 50% of the members"):
        tl.consensus(noise, "X_n", 3)
    dead = adata.copy()
    dead.obsm["X_vae"][:, 0] = 0.0
    assert len(tl.consensus(dead, "X_vae", MEMBERS, rotate=False)) == FACTORS
    assert tl.stability(dead.obsm["X_vae"], MEMBERS)["stability"][0] == 0.0


@pytest.fixture(scope="module")
def rotated():
    """Ten members that span the space of 6 known factors: principal components of halves of the samples, each turned
    by a rotation of its own, as linear decoders leave them.
    """
    adata = datasets.simulate(500, 200, n_types=12, n_factors=6, noise=0.3, rng=0)
    rng, codes, weights = np.random.default_rng(0), [], []
    for _ in range(10):
        half = PCA(6, random_state=0).fit(adata.X[rng.permutation(500)[:250]])
        z = half.transform(adata.X)
        turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
        scores = z @ turn
        codes.append(scores)
        weights.append(half.components_.T @ turn * scores.std(axis=0))
    adata.obsm["X_m"], adata.varm["m_loadings"] = np.hstack(codes), np.hstack(weights)
    return adata


def test_members_that_agree_on_the_space_but_not_on_axes_have_a_consensus(rotated):
    true = rotated.obsm["X_true"]
    best = max(recovered(part, true) for part in np.split(rotated.obsm["X_m"], 10, axis=1))
    ica = recovered(FastICA(6, random_state=0, max_iter=2000).fit_transform(rotated.X), true)
    with pytest.raises(InputError, match="No feature is common"):
        tl.consensus(rotated, "X_m", 10, support=1.0, rotate=False)
    groups = tl.consensus(rotated, "X_m", 10)
    assert groups["support"].min() > 0.9
    assert list(groups["size"]) == [10] * 6
    assert recovered(rotated.obsm["X_consensus"], true) == 6
    assert max(best, ica) < 6
    assert rotated.uns["consensus"]["similarity"]["svcca"].min() > 0.95, "the space was the same all the time"
    loaded = np.corrcoef(rotated.varm["consensus_loadings"].T, rotated.varm["loadings_true"].T)[:6, 6:]
    assert np.abs(loaded).max(axis=0).min() > 0.8


def test_features_dead_in_some_members_are_found_and_noise_is_left_out(rotated):
    """Each member loses two of its six directions, and gains two features of noise of its own."""
    rng, parts = np.random.default_rng(3), []
    for part in np.split(rotated.obsm["X_m"], 10, axis=1):
        alive = part @ np.linalg.qr(rng.normal(size=(6, 4)))[0]
        parts.append(np.hstack([alive, np.zeros((500, 2)), rng.normal(size=(500, 2))]))
    rotated.obsm["X_dead"] = np.hstack(parts)
    groups = tl.consensus(rotated, "X_dead", 10)
    assert len(groups) == 6, "of eight"
    assert recovered(rotated.obsm["X_consensus"], rotated.obsm["X_true"]) == 6
    assert groups["support"].between(0.6, 0.9).all(), "four of six directions in each member"


def test_a_rotation_changes_no_reconstruction(rotated):
    codes, weights = rotated.obsm["X_m"][:, :6], rotated.varm["m_loadings"][:, :6]
    turned, loaded = tl.simple_structure(codes, weights)
    standard = (codes - codes.mean(axis=0)) / codes.std(axis=0)
    np.testing.assert_allclose(turned @ loaded.T, standard @ weights.T, atol=1e-8)
    np.testing.assert_allclose(turned.std(axis=0), 1.0)
    dead = tl.simple_structure(np.hstack([codes, np.zeros((500, 1))]), np.hstack([weights, np.ones((200, 1))]))
    np.testing.assert_allclose(dead[0][:, :6], turned, atol=1e-8)
    assert not dead[0][:, 6].any()
    assert not tl.simple_structure(np.zeros((5, 2)), np.ones((4, 2)))[0].any()


def test_features_of_noise_are_found_again_from_the_same_start():
    """What docs/interpretation.md warns of: stability over seeds is no sign of a pattern."""
    x = np.random.default_rng(0).normal(size=(96, 300)).astype(np.float32)
    model = NonlinearPCA(8, hidden=(32,), members=3, max_epochs=30, random_state=0).fit(x)
    assert tl.stability(model.transform(x), 3)["stability"].min() > 0.995


def test_a_second_call_leaves_no_loadings_of_the_first(ensemble):
    adata = ensemble[0].copy()
    tl.consensus(adata, "X_vae", MEMBERS, loadings_key="vae_loadings", rotate=False)
    assert "consensus_loadings" in adata.varm
    tl.consensus(adata, "X_vae", MEMBERS, rotate=False)
    assert "consensus_loadings" not in adata.varm


@pytest.mark.parametrize("family", [VariationalAutoencoder, LinearAutoencoder, NonlinearPCA])
def test_the_order_of_the_samples_does_not_turn_a_consensus_feature(family):
    """Which genes are its positive ones must not change with the order of the rows: rounding alone differs."""
    adata = datasets.load("tcga-33")[:200].copy()
    learned = pp.fit_preprocessing(adata)
    adata.X = learned.apply(adata)[0]
    model = family(4, max_epochs=5, random_state=0, members=3).fit(adata.X)
    adata.obsm["X_e"] = model.transform(adata.X)
    order = np.random.default_rng(0).permutation(200)
    other = adata[order].copy()
    for data in (adata, other):
        tl.consensus(data, "X_e", 3, support=0.2)
    np.testing.assert_allclose(other.obsm["X_consensus"], adata.obsm["X_consensus"][order], atol=1e-3)
    strongest = np.abs(adata.varm["consensus_loadings"]).argmax(axis=0)
    assert (np.take_along_axis(adata.varm["consensus_loadings"], strongest[None], axis=0) > 0).all()
