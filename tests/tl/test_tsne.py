from __future__ import annotations

import sys

import numpy as np
import pytest
from anndata import AnnData
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from latentome import tl
from latentome.errors import InputError
from latentome.tl.tsne import _pca_start


@pytest.fixture(scope="module")
def mapped(small):
    """158 samples, all but the last 30 of them on a map of 10 components."""
    adata = small.copy()
    tl.pca(adata, 10, np.ones(adata.n_obs, dtype=bool))
    reference = adata[:-30].copy()
    tl.tsne(reference, "X_pca")
    return reference, adata.obsm["X_pca"][-30:]


def test_keys_and_parameters(mapped):
    reference, _ = mapped
    assert reference.obsm["X_tsne_pca"].shape == (128, 2)
    assert reference.obsm["X_tsne_pca"].dtype == np.float32
    assert np.isfinite(reference.obsm["X_tsne_pca"]).all()
    assert reference.uns["tsne_pca"]["params"] == {
        "method": "tsne",
        "use_rep": "X_pca",
        "initialization": "pca",
        "perplexity": 30.0,
        "rng": 0,
    }


def test_a_seed_is_a_map_and_a_name_can_be_given(mapped):
    again, told = mapped[0].copy(), []
    tl.tsne(again, "X_pca", key_added="map", progress=lambda *count: told.append(count))
    assert np.array_equal(again.obsm["X_map"], mapped[0].obsm["X_tsne_pca"])
    assert told == [(done, 750) for done in range(10, 751, 10)]  # of both phases
    tl.tsne(again, "X_pca", perplexity=5.0, rng=1)
    assert again.uns["tsne_pca"]["params"] == {
        "method": "tsne",
        "use_rep": "X_pca",
        "initialization": "pca",
        "perplexity": 5.0,
        "rng": 1,
    }
    assert not np.array_equal(again.obsm["X_tsne_pca"], again.obsm["X_map"])


@pytest.mark.parametrize("signs", [(-1, 1), (1, -1), (-1, -1)])
def test_codes_that_differ_in_their_signs_make_the_same_map(mapped, signs):
    """The signs of a model's features mean nothing, as those of PCA's: two maps of one report are no mirror images."""
    other = mapped[0].copy()
    codes = other.obsm["X_pca"].copy()
    codes[:, :2] *= signs
    other.obsm["X_pca"] = codes * (1 + 1e-6)  # equal up to rounding
    tl.tsne(other, "X_pca")
    for axis in range(2):
        one, two = (a.obsm["X_tsne_pca"][:, axis] for a in (other, mapped[0]))
        assert np.corrcoef(one, two)[0, 1] > 0.9


def test_neighbours_stay_neighbours(mapped):
    """Of the 5 nearest in the representation far more than chance's 4 % are among the 5 nearest on the map."""
    reference, _ = mapped

    def nearest(points):
        distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
        np.fill_diagonal(distance, np.inf)
        return np.argsort(distance, axis=1)[:, :5]

    before, after = nearest(reference.obsm["X_pca"]), nearest(reference.obsm["X_tsne_pca"])
    kept = np.mean([len(set(a) & set(b)) / 5 for a, b in zip(before, after, strict=True)])
    assert kept > 0.4


def test_a_map_does_not_depend_on_the_number_of_cores(tcga):
    """It is that of one thread, of the exact neighbours. From 1,000 samples on openTSNE would search them at random,
    each thread in its own way, and a neighbour more or less is another map.
    """
    from openTSNE import TSNE

    codes = tcga[0].X[:1000, :20].astype(np.float64)
    adata = AnnData(np.zeros((1000, 1), np.float32), obsm={"X_x": codes})
    tl.tsne(adata, "X_x", perplexity=5.0, preset="tybalt-2018")
    how = {"learning_rate": 300.0, "n_iter": 150, "random_state": 0, "n_jobs": 1}  # half of the usual iterations
    expected = (
        TSNE(perplexity=5.0, neighbors="exact", **how).fit(codes, initialization=_pca_start(codes, 0)).astype("f4")
    )
    assert np.array_equal(adata.obsm["X_tsne_x"], expected)


@pytest.mark.parametrize("n", [4, 5, 10])
def test_few_samples_get_a_map_with_a_smaller_perplexity(n):
    adata = AnnData(np.zeros((n, 1), np.float32), obsm={"X_x": np.random.default_rng(0).normal(size=(n, 3))})
    tl.tsne(adata, "X_x")
    assert np.isfinite(adata.obsm["X_tsne_x"]).all()
    assert adata.uns["tsne_x"]["params"]["perplexity"] == (n - 1) / 3


def test_one_component():
    """A line stays one: the nearest on it is near on the map. New samples find their place there."""
    codes = np.sort(np.random.default_rng(0).normal(size=(60, 1)), axis=0).astype(np.float32)
    adata = AnnData(np.zeros((60, 1), np.float32), obsm={"X_x": codes})
    tl.tsne(adata, "X_x", "map")
    positions = adata.obsm["X_map"]
    assert adata.obsm["X_x"].shape == (60, 1)
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    assert np.median(np.diag(apart, 1)) < 0.2 * np.median(apart)
    placed = tl.place_on_map(codes, positions, codes[:5])
    assert np.median(np.linalg.norm(placed - positions[:5], axis=1)) < 0.2 * np.median(apart)


def test_fewer_than_four_samples_and_unknown_names_are_refused(mapped):
    with pytest.raises(InputError, match="at least 4 samples") as refused:
        tl.tsne(mapped[0][:3].copy(), "X_pca")
    assert refused.value.where == "3 samples"
    with pytest.raises(InputError, match="Did you mean 'X_pca'"):
        tl.tsne(mapped[0], "X_pac")


def test_one_by_one_is_all_at_once(mapped):
    """Law 4 for the map: where a sample lands does not depend on those placed with it."""
    reference, new = mapped
    known = reference.obsm["X_pca"], reference.obsm["X_tsne_pca"]
    together = tl.place_on_map(*known, new)
    alone = np.concatenate([tl.place_on_map(*known, new[i : i + 1]) for i in range(8)])
    backwards = tl.place_on_map(*known, new[::-1])[::-1]
    assert together.shape == (30, 2)
    assert together.dtype == np.float32
    # Each sample has its own forces from the fixed map, summed in the same order: the numbers are the same to the bit.
    # What is allowed is one unit in the last place of a float32 in a map of width 20.
    np.testing.assert_allclose(alone, together[:8], rtol=0, atol=2e-6)
    np.testing.assert_allclose(backwards, together, rtol=0, atol=2e-6)


def test_samples_of_the_map_land_near_themselves(mapped):
    reference, _ = mapped
    positions = reference.obsm["X_tsne_pca"]
    placed = tl.place_on_map(reference.obsm["X_pca"], positions, reference.obsm["X_pca"])
    moved = np.linalg.norm(placed - positions, axis=1)
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    # A sample is drawn to its 5 nearest neighbours, not to itself alone: it lands much closer to its own place than
    # samples are to one another.
    assert np.median(moved) < 0.2 * np.median(apart)
    own = np.argsort(np.linalg.norm(placed[:, None] - positions[None], axis=-1), axis=1)[:, :10]
    assert np.mean([i in near for i, near in enumerate(own)]) > 0.9


def test_placing_leaves_the_map_as_it_was(mapped):
    reference, new = mapped
    before = reference.obsm["X_tsne_pca"].copy(), reference.obsm["X_pca"].copy(), new.copy()
    tl.place_on_map(reference.obsm["X_pca"], reference.obsm["X_tsne_pca"], new)
    for kept, now in zip(before, (reference.obsm["X_tsne_pca"], reference.obsm["X_pca"], new), strict=True):
        assert np.array_equal(kept, now)


def test_one_by_one_is_all_at_once_on_a_large_map(tcga):
    """Beyond 1,000 samples openTSNE would search neighbours at random."""
    codes = tcga[0].X[:, :5].astype(np.float64)
    known, new = (codes[:1050], 10.0 * codes[:1050, :2]), codes[1050:1060]
    together = tl.place_on_map(*known, new)
    alone = np.concatenate([tl.place_on_map(*known, new[i : i + 1]) for i in (0, 9)])
    # A map ten times as wide: one unit in the last place of float32 is 1e-5.
    np.testing.assert_allclose(alone, together[[0, 9]], rtol=0, atol=2e-5)


def test_settings_are_recorded_and_unknown_ones_refused():
    adata = AnnData(np.zeros((40, 1), np.float32), obsm={"X_z": np.random.default_rng(0).normal(size=(40, 3))})
    tl.tsne(adata, "X_z", "published", preset="tybalt-2018")
    tl.tsne(adata, "X_z", "random", 5.0, initialization="random")
    known = adata.uns["published"]["params"]
    assert (known["learning_rate"], known["n_iter"], known["early_exaggeration_iter"]) == (300.0, 150, 250)
    assert known["perplexity"] == 13.0, "a third of the other samples, where 20 are too many"
    assert adata.uns["random"]["params"] == {
        "method": "tsne",
        "use_rep": "X_z",
        "initialization": "random",
        "perplexity": 5.0,
        "rng": 0,
    }
    for wrong, message in (
        ({"preset": "tybalt"}, "no preset 'tybalt'.(.|\n)*Did you mean 'tybalt-2018'"),
        ({"initialization": "spectral"}, "no initialization"),
        ({"method": "phate"}, "no method"),
        ({"perplexity": 0.0}, "is a number of neighbours"),
        ({"perplexity": (30.0, np.nan)}, "is a number of neighbours"),
        ({"perplexity": 30.0, "method": "umap"}, "UMAP knows no perplexity"),
    ):
        with pytest.raises(InputError, match=message):
            tl.tsne(adata, "X_z", **wrong)


def test_a_large_map_settles_on_the_usual_grid(mapped, monkeypatch):
    home = sys.modules[tl.tsne.__module__]
    assert (home.LARGE["n_iter"], home.SETTLED["n_iter"]) == (500, 150)
    monkeypatch.setattr(home, "LARGE_FROM", 100)
    # A fifth of the iterations after the early exaggeration is enough to see whether the forces are right.
    monkeypatch.setattr(home, "LARGE", {**home.LARGE, "n_iter": 100})
    monkeypatch.setattr(home, "SETTLED", {**home.SETTLED, "n_iter": 50})
    reference, told = mapped[0].copy(), []
    tl.tsne(reference, "X_pca", key_added="large", progress=lambda done, total: told.append((done, total)))
    params = reference.uns["large"]["params"]
    assert (params["n_iter"], params["ints_in_interval"]) == (100, 2)
    assert (params["settled_n_iter"], params["settled_ints_in_interval"]) == (50, 1)
    assert told[-1] == (400, 400)  # 250 of early exaggeration, 100 and 50
    # Coarser forces and more momentum keep the neighbours that the map of a smaller set keeps.
    usual, large = (
        tl.map_quality(reference.obsm["X_pca"], reference.obsm[key])["trustworthiness"]
        for key in ("X_tsne_pca", "X_large")
    )
    assert large > usual - 0.01


def test_a_multi_scale_map_keeps_what_is_near_and_what_is_far(tcga):
    """Classes far apart on the map are those far apart in truth, more so than with 30 neighbours alone."""
    adata = AnnData(np.zeros((300, 1), np.float32), obsm={"X_x": tcga[0].X[:300, :20].astype(np.float64)})
    tl.tsne(adata, "X_x", "near", 5.0, initialization="random")
    tl.tsne(adata, "X_x", "both", (5.0, 90.0), initialization="random")
    assert list(adata.uns["both"]["params"]["perplexity"]) == [5.0, 90.0]
    far = {name: spearmanr(pdist(adata.obsm["X_x"]), pdist(adata.obsm[f"X_{name}"]))[0] for name in ("near", "both")}
    assert far["both"] > far["near"] + 0.1
    for given, expected in ((None, [3.0, 30.0]), (7.0, [7.0])):
        tl.tsne(adata, "X_x", "preset", given, preset="multi-scale")
        assert np.atleast_1d(adata.uns["preset"]["params"]["perplexity"]).tolist() == expected


def test_umap_is_an_extra_behind_the_same_function(mapped, monkeypatch):
    adata = mapped[0].copy()
    with monkeypatch.context() as absent:
        absent.setitem(sys.modules, "umap", None)
        with pytest.raises(InputError, match=r"UMAP is not installed(.|\n)*latentome\[umap\]"):
            tl.tsne(adata, "X_pca", method="umap")
    pytest.importorskip("umap")
    tl.tsne(adata, "X_pca", method="umap")
    assert adata.uns["umap_pca"]["params"]["n_neighbors"] == 15
    assert tl.map_quality(adata.obsm["X_pca"], adata.obsm["X_umap_pca"])["trustworthiness"] > 0.8
    adata.obsm["X_one"] = adata.obsm["X_pca"][:, :1]
    tl.tsne(adata, "X_one", method="umap")
    assert tl.map_quality(adata.obsm["X_one"], adata.obsm["X_umap_one"])["trustworthiness"] > 0.8


def test_samples_of_one_code_get_a_finite_map():
    adata = AnnData(np.zeros((50, 2), np.float32), obsm={"X_v": np.zeros((50, 3), np.float32)})
    tl.tsne(adata, "X_v")
    assert np.isfinite(adata.obsm["X_tsne_v"]).all()
    assert adata.uns["tsne_v"]["params"]["initialization"] == "random"
