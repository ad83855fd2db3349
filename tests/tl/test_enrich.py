from __future__ import annotations

import gzip
import sys
from fractions import Fraction
from math import comb

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import stats
from sklearn.decomposition import PCA

from latentome import datasets, tl
from latentome.errors import InputError

GENES = [f"g{i:03d}" for i in range(300)]


@pytest.fixture(scope="module")
def sets():
    """Twenty sets of 10 to 29 genes, and one that was not measured."""
    rng = np.random.default_rng(0)
    random = {f"set {i}": list(rng.choice(GENES, 10 + i, replace=False)) for i in range(20)}
    return {**random, "foreign": ["x1", "x2", "x3", "x4", "x5"]}


@pytest.fixture(scope="module")
def planted(sets):
    """Loadings of three features; the first rises with set 7 and falls with set 3."""
    weights = np.random.default_rng(1).normal(size=(300, 3))
    weights[[GENES.index(g) for g in sets["set 7"]], 0] += 4.0
    weights[[GENES.index(g) for g in sets["set 3"]], 0] -= 4.0
    adata = AnnData(np.zeros((2, 300), np.float32), var=pd.DataFrame(index=GENES))
    adata.varm["vae_loadings"] = weights.astype(np.float32)
    return adata


def test_over_representation_is_the_hypergeometric_tail(sets):
    listed = GENES[40:75]
    table = tl.over_representation(listed, GENES, sets).set_index("set")
    assert "foreign" not in table.index
    for name, row in table.iterrows():
        size, found = len(sets[name]), len(set(sets[name]) & set(listed))
        assert (row["overlap"], row["set_size"], row["list_size"]) == (found, size, 35)
        assert sorted(row["genes"].split(",")) == sorted(set(sets[name]) & set(listed))
        ways = sum(comb(size, i) * comb(300 - size, 35 - i) for i in range(found, min(size, 35) + 1))
        assert row["p"] == pytest.approx(float(Fraction(ways, comb(300, 35))), rel=1e-10)
        assert row["p"] == pytest.approx(stats.hypergeom.sf(found - 1, 300, size, 35), rel=1e-10)
    everything = [
        stats.hypergeom.sf(len(set(sets[n]) & set(listed)) - 1, 300, len(sets[n]), 35) for n in list(sets)[:20]
    ]
    expected = dict(zip(list(sets)[:20], stats.false_discovery_control(np.minimum(1, everything)), strict=True))
    for name, row in table.iterrows():
        assert row["q"] == pytest.approx(expected[name], rel=1e-10), "sets without overlap count as well"


@pytest.mark.parametrize("method", ["over-representation", "rank"])
def test_planted_sets_are_found_on_their_side(planted, sets, method, tmp_path):
    table = tl.enrich(planted, "vae_loadings", sets, method=method)
    found = table[table["q"] < 0.05]
    assert {("vae_1", "positive", "set 7"), ("vae_1", "negative", "set 3")} <= set(
        found[["feature", "side", "set"]].itertuples(index=False, name=None)
    )
    assert set(found["feature"]) == {"vae_1"}
    assert table.groupby(["feature", "side"])["p"].apply(lambda p: p.is_monotonic_increasing).all()
    planted.write_h5ad(tmp_path / "x.h5ad")


@pytest.mark.parametrize("method", ["over-representation", "rank"])
def test_shuffled_genes_give_p_values_that_hold(planted, sets, method):
    """Genes of 100 features in random order: 4,000 tests. A test that holds has p <= 0.05 in 5 % of them at most; the
    count of overlaps is coarse, which makes that less, and the ranks are fine, which makes it nearly that.
    """
    weights = np.random.default_rng(5).normal(size=(300, 100))
    shuffled = AnnData(np.zeros((2, 300), np.float32), var=pd.DataFrame(index=GENES), varm={"null_loadings": weights})
    table = tl.enrich(shuffled, "null_loadings", sets, method=method, cutoff=1.5)
    below = (table["p"] <= 0.05).sum() / (100 * 2 * 20)
    # The standard deviation of the share would be 0.0034 if the tests were independent; sets share genes.
    assert below < 0.06
    assert below > (0.04 if method == "rank" else 0.01)
    assert (table["q"] < 0.05).sum() == 0


def test_hallmark_comes_with_the_package():
    hallmark = tl.read_gmt()
    assert len(hallmark) == 50
    assert sum(len(genes) for genes in hallmark.values()) == 7322
    assert all(len(set(genes)) == len(genes) for genes in hallmark.values())
    assert "JUNB" in hallmark["HALLMARK_TNFA_SIGNALING_VIA_NFKB"]


def test_a_file_may_be_packed_and_have_blank_lines(tmp_path):
    text = "a\tabout a\tG1\tG2\tG1\t\n\nb\t\tG3\n"
    (tmp_path / "x.gmt").write_text(text, encoding="utf-8")
    (tmp_path / "x.gmt.gz").write_bytes(gzip.compress(text.encode()))
    assert tl.read_gmt(tmp_path / "x.gmt") == {"a": ["G1", "G2"], "b": ["G3"]} == tl.read_gmt(tmp_path / "x.gmt.gz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\tabout\tG1\nb\tabout\n", "Line 2 .* has no genes .set 'b'"),
        (b"a\tabout\tG1\n\tabout\tG2\n", "Line 2 .* no name"),
        (b"a\tx\tG1\nb\tx\tG1\na\tx\tG2\n", "Line 3 .* 'a' a second time"),
        (b"id\tS1\tS2\nTP53\t0.5\t1.25\t-3.0e-2\n", "Line 2 .* has numbers in place of genes .'1.25'.: it is a table"),
        (b"a b c\n", "Line 1 .* has no genes"),
        (b"\n\n", "is empty"),
        (b"a\tx\t\xff\xfe\n", "is damaged, or no text"),
        (gzip.compress(b"a\tx\tG1\n", mtime=0)[:-6], "is damaged, or no text"),
    ],
)
def test_damaged_files_are_refused_with_the_line(tmp_path, content, message):
    (tmp_path / "x.gmt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        tl.read_gmt(tmp_path / "x.gmt")


def test_sets_of_other_names_and_lists_from_elsewhere_are_refused(planted, sets, tmp_path):
    with pytest.raises(InputError, match="No gene set has a gene that was measured(.|\n)*such as G1"):
        tl.enrich(planted, "vae_loadings", {"a": ["G1", "G2"]})
    with pytest.raises(InputError, match="largest overlap is 3"):
        tl.enrich(planted, "vae_loadings", {"a": GENES[:3]})
    with pytest.raises(InputError, match="no loadings 'pca_loadings'"):
        tl.enrich(planted, "pca_loadings", sets)
    with pytest.raises(InputError, match="no method 'gseas'(.|\n)*Did you mean 'gsea'"):
        tl.enrich(planted, "vae_loadings", sets, method="gseas")
    with pytest.raises(InputError, match="1 genes of the list are not in the background"):
        tl.over_representation(["g000", "x1"], GENES, sets)
    with pytest.raises(InputError, match="no file none.gmt"):
        tl.read_gmt(tmp_path / "none.gmt")


def test_genes_that_vary_much_are_no_hallmark():
    """Shuffled, real genes have no pattern but their variances, and the signatures of PCA are those that vary most."""
    adata = datasets.load("tcga-6")
    x = np.asarray(adata.X)
    x = np.random.default_rng(0).permuted((x - x.min(axis=0)) / np.ptp(x, axis=0), axis=0)
    adata.varm["pca_loadings"] = PCA(20, random_state=0).fit(x).components_.T
    table = tl.enrich(adata, "pca_loadings", tl.read_gmt())
    assert table["overlap"].sum() > 100
    assert table["q"].min() > 0.05


def test_the_methods_of_decoupler_are_an_extra_behind_the_same_call(planted, sets, monkeypatch):
    with monkeypatch.context() as absent:
        absent.setitem(sys.modules, "decoupler", None)
        with pytest.raises(InputError, match=r"not installed(.|\n)*latentome\[enrich\]"):
            tl.enrich(planted, "vae_loadings", sets, method="ulm")
    pytest.importorskip("decoupler")
    for method in ("ulm", "gsea"):
        table = tl.enrich(planted, "vae_loadings", sets, method=method)
        first = table.drop_duplicates(["feature", "side"]).set_index(["feature", "side"])
        assert first.loc[("vae_1", "positive"), "set"] == "set 7"
        assert first.loc[("vae_1", "negative"), "set"] == "set 3"
        assert (first.loc["vae_1", "q"] < 0.05).all()
        assert first.loc[["vae_2", "vae_3"], "q"].min() > 0.01, "features of noise"


def test_the_published_signatures_have_their_known_biology(shared):
    """Genes of high weight of published Tybalt features, with the 5,000 genes of its data as the background."""
    published = shared / "tybalt-published"
    background = (published / "background_genes.txt").read_text().split()
    go = tl.read_gmt(shared / "genesets" / "enrichr.GO_Biological_Process_2021.gmt")
    top = {}
    for feature in ("87", "56"):
        listed = pd.read_csv(published / "results" / f"hgsc_node{feature}genes_pos.tsv", sep="\t")["genes"]
        table = tl.over_representation([g for g in listed if g in background], background, go)
        top[feature] = table[table["q"] < 0.05].head(10)
    matrix, defence = top["87"].set_index("set"), top["56"].set_index("set")
    first = matrix.iloc[0]
    assert matrix.index[0] == "extracellular matrix organization (GO:0030198)"
    assert (first["overlap"], first["set_size"]) == (16, 165)
    assert first["q"] < 1e-7
    assert {"COL5A2", "COL10A1", "COL11A1", "COL12A1"} <= set(first["genes"].split(","))

    assert defence.loc["cellular defense response (GO:0006968)", "q"] < 1e-3
    assert defence.loc["regulation of immune response (GO:0050776)", "q"] < 1e-3


def test_genes_of_one_name_and_sets_of_all_genes_are_not_tested(planted, sets):
    twice = planted.copy()
    twice.var_names = [GENES[1], *GENES[1:]]
    with pytest.raises(InputError, match="the same name"):
        tl.enrich(twice, "vae_loadings", sets)
    found = tl.enrich(planted, "vae_loadings", {**sets, "all": GENES}, method="rank", max_genes=300)
    assert "all" not in set(found["set"])
    assert np.isfinite(found["effect"]).all()
