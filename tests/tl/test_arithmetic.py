from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import stats
from sklearn.decomposition import PCA

import latentome as lt
from latentome import tl
from latentome.errors import InputError
from latentome.tl.arithmetic import two_groups, welch

GROUPS = ("A", "B", "C", "D")


@pytest.fixture(scope="module")
def simulated():
    """Five modules of genes over two tissues. A and B have module 3, C and D, of the same tissues, have not:
    A - C is the module, and A - C + D is B.
    """
    rng = np.random.default_rng(0)
    means = {"A": (1, -1, 3, 0, -3), "B": (0, 6, 3, -3, 1), "C": (1, -1, 0, 0, -3), "D": (0, 6, 0, -3, 1)}
    groups = np.repeat(GROUPS, 60)
    eigengenes = np.array([means[g] for g in groups]) + 0.5 * rng.normal(size=(240, 5))
    module = np.repeat(np.arange(5), 20)
    loading = rng.uniform(0.4, 0.9, size=100) * rng.choice([1, 1, 1, -1], size=100)
    x = eigengenes[:, module] * loading + 0.3 * rng.normal(size=(240, 100))
    genes = [f"m{m + 1}-{i}" for i, m in enumerate(module)]
    obs = pd.DataFrame({"group": groups}, index=[f"s{i}" for i in range(240)])
    adata = AnnData(x.astype(np.float32), obs=obs, var=pd.DataFrame(index=genes))
    model = PCA(6, random_state=0).fit(adata.X)
    adata.obsm["X_pca"] = model.transform(adata.X)
    return adata, model


def test_what_a_lacks_is_exchanged(simulated):
    """Decoded A - C + D against B: as near as other samples of B are, and far nearer than A is."""
    adata, model = simulated
    codes = {g: adata.obsm["X_pca"][adata.obs["group"] == g] for g in GROUPS}
    b = adata.X[adata.obs["group"] == "B"].mean(axis=0)
    decoded = tl.analogy(model, codes["A"].mean(axis=0), codes["C"], codes["D"])
    assert decoded.shape == (1, 100)
    exchanged = np.linalg.norm(decoded[0] - b)
    between = np.linalg.norm(adata.X[adata.obs["group"] == "A"].mean(axis=0) - b)
    single = np.linalg.norm(adata.X[adata.obs["group"] == "B"] - b, axis=1).mean()
    assert exchanged < 0.05 * between
    assert exchanged < 0.5 * single
    many = tl.analogy(model, codes["A"], codes["C"], codes["D"])
    assert many.shape == (60, 100)
    np.testing.assert_allclose(many.mean(axis=0), decoded[0], atol=1e-4)
    none = tl.analogy(model, codes["A"], codes["C"], codes["D"], features=[])
    np.testing.assert_allclose(none, model.inverse_transform(codes["A"]), atol=1e-4)


def test_the_decoded_difference_is_the_module(simulated):
    adata, model = simulated
    table = tl.decoded_difference(adata, model, "X_pca", "group", "A", "C")
    assert table["difference"].abs().is_monotonic_decreasing
    assert set(np.sign(table["difference"].head(20))) == {-1, 1}
    of_module = table["gene"].str.startswith("m3-")
    assert table["difference"].abs()[of_module].min() > 3 * table["difference"].abs()[~of_module].max()


def test_features_are_ranked_by_the_difference_of_means(simulated):
    adata, _ = simulated
    table = tl.group_difference(adata, "X_pca", "group", "A", "C", key_added="a-c")
    means = tl.group_means(adata, "X_pca", "group")
    assert list(means.index) == list(GROUPS)
    expected = (means.loc["A"] - means.loc["C"]).sort_values(ascending=False)
    assert list(table["feature"]) == list(expected.index)
    np.testing.assert_allclose(table["difference"], expected)
    assert list(table["rank"]) == list(range(1, 7))
    a, c = (adata.obsm["X_pca"][adata.obs["group"] == g].astype(np.float64) for g in "AC")
    told = stats.ttest_ind(a, c, equal_var=False)
    at = [int(name.removeprefix("pca_")) - 1 for name in table["feature"]]
    np.testing.assert_allclose(table["t"], told.statistic[at], rtol=1e-9)
    np.testing.assert_allclose(table["p"], told.pvalue[at], rtol=1e-9)
    assert adata.uns["a-c"]["params"]["one"] == "A"


def test_between_two_points_the_way_is_even(simulated):
    _, model = simulated
    start, end = np.zeros(6), np.arange(6.0)
    way = tl.interpolate(model, start, end, 5)
    np.testing.assert_allclose(way[[0, -1]], model.inverse_transform(np.stack([start, end])), atol=1e-6)
    np.testing.assert_allclose(np.diff(way, axis=0), np.tile(way[1] - way[0], (4, 1)), atol=1e-5)
    with pytest.raises(InputError, match="two ends"):
        tl.interpolate(model, start, end, 1)


def test_groups_that_cannot_be_compared_are_refused(simulated):
    adata = simulated[0].copy()
    adata.obs["group"] = np.where(np.arange(240) == 7, "E", adata.obs["group"])
    with pytest.raises(InputError, match="'E' has one sample"):
        tl.group_difference(adata, "X_pca", "group", "A", "E")
    with pytest.raises(InputError, match="'F' has no sample"):
        tl.group_difference(adata, "X_pca", "group", "F", "A")
    with pytest.raises(InputError, match="no column 'groups'"):
        tl.group_means(adata, "X_pca", "groups")
    constant = adata.copy()
    constant.obsm["X_pca"] = np.ones((240, 2))
    table = tl.group_difference(constant, "X_pca", "group", "A", "B")
    assert (table[["difference", "standardised", "t"]] == 0).all(axis=None)
    assert (table[["p", "q"]] == 1).all(axis=None)


def test_a_group_is_not_compared_with_itself():
    adata = AnnData(np.zeros((4, 2), np.float32), obs=pd.DataFrame({"kind": list("aabb")}, index=list("1234")))
    with pytest.raises(InputError, match="with itself"):
        two_groups(adata, "kind", "a", "a")


def test_groups_of_another_type_than_text_are_named_as_they_are(simulated):
    adata, _ = simulated
    flags = adata.copy()
    flags.obs["flag"] = pd.Series([True, False, None] * 80, index=flags.obs_names, dtype="boolean")
    by_name = tl.group_difference(flags, "X_pca", "flag", "True", "False")
    pd.testing.assert_frame_equal(tl.group_difference(flags, "X_pca", "flag", True, False), by_name)


def test_few_samples_of_silent_units_are_no_evidence():
    # Welch's test alone finds something in 40 of 40 draws: five silent samples have no variance, and 0.64^5 is 0.11.
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(40):
        codes = np.maximum(rng.normal(size=(350, 100)) - 0.36, 0.0)
        few = rng.choice(350, 5, replace=False)
        q = welch(codes[few], np.delete(codes, few, axis=0))[2]
        found += (q <= 0.05).any()
    assert found <= 8


def test_a_difference_is_found_with_the_larger_p_value_of_both_tests():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(12, 1)), rng.normal(0.8, 3.0, size=(60, 1))
    told = [stats.ttest_ind(a[:, 0], b[:, 0], equal_var=equal).pvalue for equal in (True, False)]
    assert welch(a, b)[1][0] == pytest.approx(max(told))


def test_genes_are_named_as_the_model_knows_them():
    adata = lt.datasets.simulate(80, 12, n_types=2, rng=0)
    adata.obs["kind"] = np.where(np.arange(80) % 2, "one", "other")
    model = lt.LinearAutoencoder(3, max_epochs=3, random_state=0).fit(adata.to_df())
    lt.tl.encode(adata, model, "m")
    asked = ("X_m", "kind", "one", "other")
    right = lt.tl.decoded_difference(adata, model, *asked)
    pd.testing.assert_frame_equal(lt.tl.decoded_difference(adata[:, ::-1].copy(), model, *asked), right)
    pd.testing.assert_frame_equal(lt.tl.decoded_difference(adata[:, :4].copy(), model, *asked), right)
    unnamed = lt.LinearAutoencoder(3, max_epochs=3, random_state=0).fit(adata.X)
    with pytest.raises(InputError, match="not known by name"):
        lt.tl.decoded_difference(adata[:, :4].copy(), unnamed, *asked)


def test_a_model_with_a_covariate_decodes_as_one_of_its_categories():
    rng = np.random.default_rng(0)
    batch = np.resize(["north", "south"], 60)
    x = rng.normal(size=(60, 6)).astype("float32") + 5.0 * (batch == "south")[:, None]
    adata = AnnData(x, obs=pd.DataFrame({"batch": batch, "half": np.repeat(["a", "b"], 30)}, index=map(str, range(60))))
    model = lt.VariationalAutoencoder(2, hidden=[], max_epochs=2, random_state=0).fit(x, covariate=batch)
    tl.encode(adata, model, "vae", covariate="batch")
    codes = adata.obsm["X_vae"]
    ends = codes[:30].mean(axis=0), codes[30:].mean(axis=0)
    north, south = (tl.interpolate(model, *ends, 3, covariate=name) for name in ("north", "south"))
    assert (south - north).mean() == pytest.approx(5.0, abs=0.5)
    table = tl.decoded_difference(adata, model, "X_vae", "half", "a", "b", covariate="north").set_index("gene")
    np.testing.assert_allclose(table["difference"][adata.var_names], north[0] - north[-1], atol=1e-5)
    moved = tl.analogy(model, ends[0], codes[:30], codes[30:], covariate="south")
    np.testing.assert_allclose(moved[0], south[-1], atol=1e-5)
    with pytest.raises(lt.InputError, match="none was given"):
        tl.interpolate(model, *ends, 3)
    plain = lt.VariationalAutoencoder(2, hidden=[], max_epochs=2, random_state=0).fit(x)
    with pytest.raises(lt.InputError, match="takes no covariate"):
        tl.interpolate(plain, *ends, 3, covariate="north")


def test_codes_of_classes_are_spelled_as_in_the_tables_whatever_is_missing():
    """Of 0, 1 and an empty field pandas makes 0.0, 1.0 and NaN."""
    rng = np.random.default_rng(0)
    adata = AnnData(np.zeros((12, 1)), obsm={"X_v": rng.normal(size=(12, 2))})
    adata.obs["whole"] = [0, 1] * 6
    adata.obs["gap"] = adata.obs["whole"].astype(float).where(np.arange(12) > 1)
    for column in ("whole", "gap"):
        assert len(tl.group_difference(adata, "X_v", column, "0", "1")) == 2
    pd.testing.assert_frame_equal(
        tl.group_difference(adata, "X_v", "gap", 0.0, 1.0), tl.group_difference(adata, "X_v", "gap", "0", "1")
    )
