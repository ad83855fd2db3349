from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import stats
from sklearn.decomposition import PCA

from latentome import datasets, tl
from latentome.errors import InputError
from latentome.tl.ranks import adjust
from latentome.tl.signatures import sides


@pytest.fixture
def planted():
    """60 samples x 100 genes; genes 0-9 make feature 1, genes 5-14 feature 2, gene 20 lowers feature 3. Genes 0-4 are
    higher in the sick.
    """
    rng = np.random.default_rng(0)
    weights = 0.01 * rng.normal(size=(100, 3))
    weights[0:10, 0] += 1.0
    weights[5:15, 1] += 1.0
    weights[20, 2] = -1.0
    x = rng.normal(size=(60, 100))
    x[:30, :5] += 2.0
    adata = AnnData(
        x.astype(np.float32),
        obs=pd.DataFrame({"state": np.repeat(["sick", "well"], 30)}, index=[f"s{i}" for i in range(60)]),
    )
    adata.var_names = [f"g{i}" for i in range(100)]
    adata.varm["vae_loadings"] = weights
    return adata


def test_activity_is_the_mean_weighted_expression_of_the_signature(planted, tmp_path):
    tl.activity(planted, "vae_loadings")
    assert list(planted.uns["activity"]["names"]) == ["vae_1pos", "vae_2pos", "vae_3neg"]
    assert list(planted.uns["activity"]["genes"]) == [10, 10, 1]
    x, w = planted.X, planted.varm["vae_loadings"]
    expected = np.stack([x[:, :10] @ w[:10, 0] / 10, x[:, 5:15] @ w[5:15, 1] / 10, x[:, 20] * w[20, 2]], axis=1)
    np.testing.assert_allclose(planted.obsm["X_activity"], expected, atol=1e-5)
    planted.write_h5ad(tmp_path / "x.h5ad")
    table = tl.differential_activity(planted, "state", "sick", "well")
    assert table.loc[0, "signature"] == "vae_1pos"
    assert table.loc[0, "q"] < 1e-4
    told = stats.ttest_ind(planted.obsm["X_activity"][:30], planted.obsm["X_activity"][30:], equal_var=False)
    np.testing.assert_allclose(np.sort(table["p"]), np.sort(told.pvalue), rtol=1e-5)


def test_shared_genes_are_found_and_taken_away(planted):
    overlap = tl.signature_overlap(planted, "vae_loadings")
    assert overlap[["one", "other", "shared"]].to_numpy().tolist() == [["vae_1pos", "vae_2pos", 5]]
    assert overlap.loc[0, "jaccard"] == pytest.approx(5 / 15)
    assert overlap.loc[0, "expected"] == pytest.approx(10 * 10 / 100, rel=0.15), "of equally likely genes"
    assert overlap.loc[0, "p"] == pytest.approx(stats.poisson.sf(4, overlap.loc[0, "expected"]), rel=1e-10)
    table = tl.marginal_activity(planted, "vae_loadings", "state", "sick", "well").set_index("signature")
    assert list(table["genes"]) == [5, 5]
    assert table.loc["vae_1pos", "q"] < 1e-8, "what differs are its own genes"
    assert table.loc["vae_2pos", "q"] > 0.01


def pairs_of(loadings):
    """How many pairs of signatures share more genes than chance gives: as we test, and if all genes were as likely."""
    adata = AnnData(np.zeros((1, len(loadings)), np.float32), varm={"x_loadings": loadings})
    table = tl.signature_overlap(adata, "x_loadings")
    chosen = dict(zip(("pos", "neg"), sides(loadings, 2.5), strict=True))
    size = {f"x_{i + 1}{side}": n for side, genes in chosen.items() for i, n in enumerate(genes.sum(axis=0)) if n}
    p = np.ones(len(size) * (len(size) - 1) // 2)
    drawn = [table[name].map(size) for name in ("one", "other")]
    p[: len(table)] = stats.hypergeom.sf(table["shared"] - 1, len(loadings), *drawn)
    return (table["q"] < 0.05).sum(), (adjust(p) < 0.05).sum()


def test_two_lists_alone_share_as_many_genes_as_equally_likely_ones():
    loadings = np.zeros((50, 2))
    loadings[:6, 0], loadings[4:12, 1] = 1.0, 1.0
    adata = AnnData(np.zeros((1, 50), np.float32), varm={"x_loadings": loadings})
    (row,) = tl.signature_overlap(adata, "x_loadings", cutoff=1.5).to_dict("records")
    assert (row["shared"], row["expected"]) == (2, pytest.approx(6 * 8 / 50))


def test_genes_that_vary_much_make_no_pairs():
    """Shuffled, real genes have no pattern but their variances: PCA of them has the same few genes again and again."""
    x = np.asarray(datasets.load("tcga-6").X)
    x = (x - x.min(axis=0)) / np.ptp(x, axis=0)
    shuffled = np.random.default_rng(0).permuted(x, axis=0)
    (real, real_if), (none, none_if) = (pairs_of(PCA(20, random_state=0).fit(a).components_.T) for a in (x, shuffled))
    assert none_if > real_if > real > none == 0
    assert none_if > 20


def test_a_feature_that_is_there_twice_is_found():
    rng = np.random.default_rng(0)
    loadings = rng.standard_t(4, size=(2000, 6))
    found, _ = pairs_of(np.hstack([loadings, loadings + 0.05 * rng.normal(size=loadings.shape)]))
    assert found == 12, "both sides of six features"


def test_what_is_not_there_is_refused(planted):
    with pytest.raises(InputError, match="no activities 'activity'"):
        tl.differential_activity(planted, "state", "sick", "well")
    with pytest.raises(InputError, match="No signature has a gene"):
        tl.activity(planted, "vae_loadings", cutoff=50.0)
    with pytest.raises(InputError, match="no loadings"):
        tl.signature_overlap(planted, "pca_loadings")
    planted.obs["state"] = ["sick", *["well"] * 59]
    tl.activity(planted, "vae_loadings")
    with pytest.raises(InputError, match="'sick' has one sample"):
        tl.differential_activity(planted, "state", "sick", "well")


@pytest.fixture(scope="module")
def profiles():
    """Three groups of genes with alike loadings over 12 features, and for each one that mirrors it."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(3, 12))
    weights = np.repeat(np.vstack([centres, -centres]), 5, axis=0) + 0.1 * rng.normal(size=(30, 12))
    adata = AnnData(np.zeros((4, 30), np.float32), var=pd.DataFrame(index=[f"<g&{i}>" for i in range(30)]))
    adata.obs_names = list("abcd")
    adata.varm["vae_loadings"] = weights
    adata.obsm["X_vae"] = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 5.0], [9.0, 9.0]])
    return adata


def test_a_network_joins_genes_that_go_together(profiles, tmp_path):
    edges = tl.gene_network(profiles, "vae_loadings", key_added="network")
    group = {f"<g&{i}>": i // 5 % 3 for i in range(30)}  # a mirror belongs to what it mirrors
    assert all(group[a] == group[b] for a, b in zip(edges["one"], edges["other"], strict=True))
    assert len(edges) == 3 * 45
    assert (edges["correlation"] < 0).sum() == 3 * 25
    assert edges["correlation"].abs().is_monotonic_decreasing
    matrix = profiles.varp["network"]
    assert (abs(matrix - matrix.T) > 0).nnz == 0
    assert matrix.nnz == 2 * 135
    tl.write_network(tmp_path / "x.graphml", edges)
    root = ET.parse(tmp_path / "x.graphml").getroot()
    name = "{http://graphml.graphdrawing.org/xmlns}"
    assert len(root.findall(f".//{name}node")) == 30
    told = {(e.get("source"), e.get("target")): float(e[0].text) for e in root.findall(f".//{name}edge")}
    assert told == {(a, b): r for a, b, r in edges.itertuples(index=False)}
    tl.write_network(tmp_path / "x.json", edges)
    kept = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert len(kept["nodes"]) == 30
    assert kept["links"][0]["correlation"] == pytest.approx(edges["correlation"][0])
    with pytest.raises(InputError, match="not clear how to write"):
        tl.write_network(tmp_path / "x.txt", edges)


def test_neighbours_of_genes_and_samples(profiles):
    near = tl.nearest_genes(profiles, "vae_loadings", "<g&7>", 4)
    assert set(near["gene"]) == {f"<g&{i}>" for i in (5, 6, 8, 9)}
    assert near["correlation"].is_monotonic_decreasing
    with pytest.raises(InputError, match="no gene 'g7'"):
        tl.nearest_genes(profiles, "vae_loadings", "g7")
    table = tl.nearest_samples(profiles, "X_vae", np.array([[0.9, 0.0], [8.0, 9.0]]), 2)
    assert list(table["sample"]) == ["b", "a", "d", "c"]
    assert list(table["rank"]) == [1, 2, 1, 2]
    np.testing.assert_allclose(table["distance"][:3], [0.1, 0.9, 1.0])
    assert len(tl.nearest_samples(profiles, "X_vae", np.zeros((1, 2)), 50)) == 4
