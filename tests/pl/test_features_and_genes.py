"""Figures of single features, of genes and of confused classes, with few and with many of each."""

import anndata
import numpy as np
import pandas as pd
import pytest

import latentome.pl as pl
from latentome import tl
from latentome.errors import InputError


def samples(n, k, rng):
    obs = pd.DataFrame(
        {"type": [f"class {i}" for i in rng.integers(0, k, n)], "age": rng.uniform(20, 80, n)},
        index=[f"s{i}" for i in range(n)],
    )
    adata = anndata.AnnData(obs=obs, var=pd.DataFrame(index=["g"]))
    adata.obsm["X_vae"] = rng.gamma(1, 1, (n, 5))
    return adata


def confused(k, rng):
    names = [f"class {i}" for i in range(k)]
    return pd.DataFrame(rng.poisson(1, (k, k)) + 20 * np.eye(k, dtype=int), index=names, columns=names)


def clipped(figure):
    """How far, in inches, anything that is drawn reaches beyond the edge of the figure, which would clip it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure).draw()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    return max(0.0, round(max(-box.x0, -box.y0, box.x1 - width, box.y1 - height), 2))


@pytest.mark.parametrize(("n", "k"), [(50, 3), (6000, 34)])
def test_two_features_are_drawn_as_they_are(n, k):
    adata = samples(n, k, np.random.default_rng(0))
    figure = pl.feature_scatter(adata, 2, "4", color="type")
    drawn = figure.axes[0].collections[0]
    points = {tuple(p) for p in np.asarray(drawn.get_offsets()).round(9)}
    assert points == {tuple(p) for p in adata.obsm["X_vae"][:, [1, 3]].round(9)}
    assert figure.axes[0].get_xlabel() == "latent feature 2"
    assert len(figure.legends[0].get_texts()) == k
    assert drawn.get_rasterized() == (n > 5000)  # small files where there are many points
    assert figure.get_figwidth() <= 7.2 + 1e-9
    assert clipped(figure) == 0
    assert len(pl.feature_scatter(adata, 1, 2, color="age").axes) == 2  # the second one is the colour bar


def test_a_feature_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="no latent feature '6'"):
        pl.feature_scatter(samples(50, 3, np.random.default_rng(0)), 1, 6, color="type")


@pytest.mark.parametrize("k", [2, 34])
def test_rows_of_the_confusion_matrix_are_shares(k):
    table = confused(k, np.random.default_rng(1))
    pl.confusion_matrix(table)  # without a heading there is no text to measure
    figure = pl.confusion_matrix(table, "Heading")
    shares = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares * table.sum(axis=1).to_numpy()[:, None], table)
    assert figure.get_figwidth() <= 7.2 + 1e-9
    assert clipped(figure) == 0
    totals = [text.get_text() for text in figure.axes[0].texts][-k:]
    assert totals == [str(total) for total in table.sum(axis=1)]


def test_a_confusion_matrix_of_other_classes_is_refused():
    with pytest.raises(InputError, match="do not match"):
        pl.confusion_matrix(confused(3, np.random.default_rng(1)).rename(columns={"class 0": "other"}))


def test_confusion_counts_the_held_out_samples():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.array(["a", "b", "never taught", None], dtype=object), [60, 40, 5, 5])
    codes = rng.normal(0, 0.1, (110, 3))
    codes[:60, 0] += 3  # a lies apart
    training = rng.random(110) < 0.7
    training[100:] = False
    table = tl.confusion(codes, truth, training)
    assert list(table.index) == list(table.columns) == ["a", "b"]
    assert table.loc["a", "a"] == (~training[:60]).sum()
    assert table.loc["b", "b"] == (~training[60:100]).sum()
    assert table.to_numpy().sum() == (~training[:100]).sum()
    assert tl.confusion(codes, np.array(["a"] * 110, dtype=object), training).empty


@pytest.mark.parametrize("n", [30, 5000])
def test_high_weight_genes_are_named_in_the_histograms(n):
    rng = np.random.default_rng(0)
    weights = pd.DataFrame(rng.normal(0, 1, (n, 4)), index=[f"G{i}" for i in range(n)], columns=list("1234"))
    weights.iloc[3, 0], weights.iloc[7, 0] = 20.0, -20.0
    figure = pl.loading_distributions(weights, cutoff=2.5)
    axes = figure.axes[0]
    up, down = (text.get_text().split("\n") for text in axes.texts)
    assert up[0] == "G3"
    assert down[0] == "G7"
    table = tl.signatures(weights.to_numpy(), list(weights.index), 2.5)
    listed = table[(table["feature"] == 1) & (table["side"] == "positive")]["gene"].tolist()
    assert up[:4] == listed[:4]
    assert sum(bar.get_height() for bar in axes.patches) == n
    assert axes.get_title(loc="left") == "feature 1"
    assert clipped(figure) == 0


def test_a_feature_without_spread_has_a_histogram_too():
    weights = pd.DataFrame(np.zeros((30, 1)), index=[f"G{i}" for i in range(30)], columns=["1"])
    assert clipped(pl.loading_distributions(weights)) == 0
    with pytest.raises(InputError, match="loadings cannot be drawn"):
        pl.loading_distributions(weights, ["2"])


def test_the_worst_genes_are_named_beside_their_points():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"mean": rng.normal(0, 0.01, 5000), "mean_absolute": rng.gamma(3, 0.02, 5000)},
        index=[f"GENE{i}" for i in range(5000)],
    )
    figure = pl.reconstruction_by_gene(table)
    named = [text.get_text() for text in figure.axes[0].texts]
    worst = table["mean_absolute"].nlargest(12).index.tolist()
    assert set(named) <= set(worst)
    assert named[0] == worst[0]
    assert len(named) >= 9
    assert clipped(figure) == 0
    with pytest.raises(InputError, match="no residuals"):
        pl.reconstruction_by_gene(table.drop(columns="mean"))


def test_leading_genes_take_turns():
    weights = np.random.default_rng(0).normal(0, 1, (50, 3)) * [1, 100, 0.01]
    order = tl.leading_genes(weights, limit=9)
    strength = np.abs((weights - weights.mean(axis=0)) / weights.std(axis=0))
    firsts = strength.argmax(axis=0)
    assert set(order[: len(set(firsts))]) == set(firsts)  # whatever the unit of a feature
    assert len(set(order)) == 9
