"""Figures of results: what each draws of its table, and which tables it refuses."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import latentome.pl as pl
from latentome import tl
from latentome.errors import InputError
from latentome.pl.placing import swarm_offsets


def texts(axes):
    return [text.get_text() for text in axes.texts]


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def enriched(**columns):
    rows = {
        "feature": ["vae_1", "vae_1", "vae_2"],
        "side": ["positive", "negative", "positive"],
        "set": ["HALLMARK_A", "HALLMARK_B_C", "HALLMARK_A"],
        "overlap": [3, 4, 5],
        "set_size": [10, 20, 10],
        "q": [1e-2, 1e-8, 0.0],
    }
    return pd.DataFrame(rows | columns)


def test_bars_of_enrichment_are_as_long_as_minus_log_q():
    axes = pl.enrichment(enriched(), features=["vae_1"]).axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([8, 2])
    assert ticks(axes.yaxis) == ["vae_1", "B C", "A"]
    assert texts(axes) == ["4 of 20", "3 of 10"]
    axes = pl.enrichment(enriched()).axes[0]
    assert ticks(axes.yaxis)[0] == "vae_2"  # the smallest q comes first
    assert np.isfinite([bar.get_width() for bar in axes.patches]).all()  # also where q is 0
    ranked = enriched(effect=[0.7, 0.2, 0.9]).drop(columns=["overlap", "set_size"])
    assert texts(pl.enrichment(ranked).axes[0])[0] == "AUROC 0.90"
    with pytest.raises(InputError, match="no enrichment"):
        pl.enrichment(enriched(), features=["vae_9"])
    with pytest.raises(InputError, match="no enrichment"):
        pl.enrichment(enriched().drop(columns="q"))


@pytest.mark.parametrize("n", [20, 3000])
def test_points_of_a_swarm_stay_in_their_row_and_apart(n):
    rng = np.random.default_rng(0)
    groups = [rng.normal(2, 0.5, n), rng.normal(2, 0.5, max(2, n // 10)), np.array([])]
    offsets, diameter = swarm_offsets(groups, 0.5, (0.01, 0.06))
    assert [len(offset) for offset in offsets] == [len(group) for group in groups]
    assert max(np.abs(offset).max() for offset in offsets[:2]) + diameter / 2 <= 0.25 + 1e-9
    if n == 20:  # there is room: no two points of a piece of the line are nearer than a point is wide
        piece = np.floor(groups[0] / diameter)
        same = np.triu(piece[:, None] == piece, 1)
        assert np.abs(offsets[0][:, None] - offsets[0])[same].min() >= diameter - 1e-9


def test_a_swarm_has_a_row_for_each_group_and_marks_the_medians():
    import anndata

    values = np.arange(12.0)
    obs = pd.DataFrame({"kind": ["b"] * 7 + ["a"] * 4 + [None], "age": values}, index=list("abcdefghijkl"))
    adata = anndata.AnnData(obs=obs, var=pd.DataFrame(index=["g"]))
    adata.obsm["X_activity"] = np.column_stack([values, -values])
    axes = pl.swarm(adata, "vae_1neg", "kind", "X_activity", names=["vae_1pos", "vae_1neg"]).axes[0]
    assert ticks(axes.yaxis) == ["a (4)", "b (7)"]
    assert axes.get_xlabel() == "vae_1neg"
    assert sorted(np.concatenate([dots.get_offsets()[:, 0] for dots in axes.collections])) == sorted(-values[:11])
    assert [line.get_xdata()[0] for line in axes.lines[1::2]] == [-8.5, -3.0]
    with pytest.raises(InputError, match="has no groups"):
        pl.swarm(adata, 1, "age", "X_activity")
    with pytest.raises(InputError, match="no latent feature '3'"):
        pl.swarm(adata, 3, "kind", "X_activity")


def test_ranks_count_among_equals_on_the_same_fold():
    rows = [("pca", 5, 0, 0, 0.2, 0.8), ("vae", 5, 0, 0, 0.1, 0.9), ("genes", 0, 0, 0, np.nan, 0.9)]
    rows += [("pca", 5, 0, 1, 0.2, 0.8), ("vae", 5, 0, 1, 0.3, np.nan)]
    table = pd.DataFrame(rows, columns=["method", "k", "seed", "fold", "held-out MSE", "probe accuracy"])
    ranked = tl.rank_methods(table)
    assert list(ranked.columns) == ["measure", "k", "seed", "fold", "method", "rank"]
    of = ranked.set_index(["measure", "fold", "method"])["rank"].to_dict()
    assert of == {
        ("held-out MSE", 0, "vae"): 1,
        ("held-out MSE", 0, "pca"): 2,
        ("held-out MSE", 1, "pca"): 1,
        ("held-out MSE", 1, "vae"): 2,
        ("probe accuracy", 0, "vae"): 1.5,
        ("probe accuracy", 0, "genes"): 1.5,
        ("probe accuracy", 0, "pca"): 3,
        ("probe accuracy", 1, "pca"): 1,
    }
    figure = pl.method_ranks(ranked)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["held-out MSE", "probe accuracy"]
    assert ticks(figure.axes[0].yaxis) == ["genes", "vae", "pca"]  # by the mean of all their ranks
    assert texts(figure.axes[0]) == ["no value"]  # genes reconstruct nothing
    with pytest.raises(InputError, match="no ranks"):
        pl.method_ranks(table)


def test_differences_go_by_rank_and_name_both_ends():
    table = pd.DataFrame({"feature": list("abcdefgh"), "rank": range(1, 9), "standardised": np.linspace(3, -4, 8)})
    axes = pl.group_differences({"VAE": table.sample(frac=1, random_state=0)}, n_names=2).axes[0]
    assert axes.lines[0].get_ydata().tolist() == table["standardised"].tolist()
    assert set(texts(axes)) == {"a", "b", "g", "h"}
    figure = pl.group_differences({"VAE": table, "PCA": table})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["VAE", "PCA"]
    for wrong in ({}, {"VAE": table.drop(columns="rank")}):
        with pytest.raises(InputError, match="cannot be drawn"):
            pl.group_differences(wrong)


def test_cells_of_the_consensus_are_empty_where_a_member_has_no_such_feature():
    groups = pd.DataFrame({"feature": ["consensus_1", "consensus_2"], "support": [1.0, 0.5]})
    features = pd.DataFrame({"member": [0, 0, 1, 1], "stability": [0.9, 0.4, 0.8, 0.7]})
    features["group"] = ["consensus_1", "consensus_1", "consensus_1", "consensus_2"]
    axes = pl.consensus(groups, features).axes[0]
    np.testing.assert_array_equal(np.ma.filled(axes.images[0].get_array(), np.nan), [[0.9, 0.8], [np.nan, 0.7]])
    assert texts(axes) == ["100%", "50%"]
    with pytest.raises(InputError, match="no consensus"):
        pl.consensus(groups.iloc[:0], features)


def test_stability_falls_and_similarity_has_two_sides():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 6))
    table = tl.stability(codes, 2)
    axes = pl.stability(table).axes[0]
    drawn = axes.collections[1].get_offsets()[:, 1]
    assert drawn.tolist() == sorted(table["stability"], reverse=True)
    pair = tl.similarity(np.split(codes, 2, axis=1)).iloc[0]
    picture = np.ma.filled(pl.similarity(pd.DataFrame([pair])).axes[0].images[0].get_array(), np.nan)
    np.testing.assert_array_equal(picture, [[np.nan, pair["svcca"]], [pair["cka"], np.nan]])
    for draw in (pl.stability, pl.similarity):
        with pytest.raises(InputError, match="There is no"):
            draw(pd.DataFrame({"other": []}))


def test_features_that_come_again_are_filled_and_the_model_is_not_drawn_twice():
    table = pd.DataFrame({"method": ["vae"] * 3 + ["PCA"] * 2, "feature": ["a", "b", "c", "pca_1", "pca_2"]})
    table["replication"], table["lowest"] = [0.5, 0.9, 0.8, 0.7, 0.95], 0.4
    table["again"] = table["replication"] > 0.7
    axes = pl.replication(table).axes[0]
    filled, empty = axes.collections[1:]
    assert filled.get_offsets().tolist() == [[1, 0.9], [2, 0.8]]
    assert empty.get_offsets().tolist() == [[3, 0.5]]
    assert [line.get_ydata().tolist() for line in axes.lines] == [[0.95, 0.7]]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["b", "c", "a"]
    with pytest.raises(InputError, match="There is no replication"):
        pl.replication(table.drop(columns="again"))


def test_shared_genes_stand_below_the_diagonal_in_the_order_of_the_features():
    rows = [("vae_10pos", "vae_2pos", 7, 0.5, 0.01), ("vae_2pos", "vae_3neg", 1, 0.1, 0.5)]
    table = pd.DataFrame(rows, columns=["one", "other", "shared", "jaccard", "q"])
    axes = pl.signature_overlap(table).axes[0]
    assert (ticks(axes.xaxis), ticks(axes.yaxis)) == (["vae_2pos", "vae_3neg"], ["vae_3neg", "vae_10pos"])
    picture = np.ma.filled(axes.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(picture, [[0.1, np.nan], [0.5, 0.0]])
    said = {text.get_text(): (text.get_position(), text.get_weight()) for text in axes.texts}
    assert said == {"7": ((0, 2), "bold"), "1": ((0, 1), "normal")}
    few = pl.signature_overlap(table.head(1))  # as low as the figure gets
    few.draw_without_rendering()
    label = few.axes[1].yaxis.label.get_window_extent()
    assert few.bbox.y0 <= label.y0 < label.y1 <= few.bbox.y1
    with pytest.raises(InputError, match="no overlap"):
        pl.signature_overlap(table.iloc[:0])


def test_loadings_beyond_the_cutoff_have_the_colour_of_their_feature():
    weights = pd.DataFrame(np.random.default_rng(0).normal(0, 1, (200, 3)), columns=["1", "2", "3"])
    weights.index = [f"G{i}" for i in range(200)]
    weights.iloc[0, 0], weights.iloc[1, 2], weights.iloc[2, [0, 2]] = 20.0, -20.0, 15.0
    axes = pl.loading_scatter(weights, 1, "3").axes[0]
    sizes = [len(dots.get_offsets()) for dots in axes.collections]
    assert sizes == [197, 1, 1, 1]  # neither, both, the one, the other
    assert axes.collections[1].get_offsets().tolist() == [[15.0, 15.0]]
    assert set(texts(axes)) == {"G0", "G1", "G2"}
    with pytest.raises(InputError, match="no latent feature '4'"):
        pl.loading_scatter(weights, 1, 4)


def test_types_of_features_are_counted():
    weights = np.random.default_rng(0).normal(0, 1, (100, 6))
    weights[:3, 0] = 15.0
    table = tl.node_types(weights)
    figure = pl.node_types(table)
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said == [
        f"{kind}, {word} ({(table['type'] == kind).sum()})"
        for kind, word in (("A", "neither"), ("B", "heavy tails"), ("C", "one long tail"), ("D", "both"))
    ]
    assert len(pl.node_types(table.assign(genes_positive=1, genes_negative=2)).axes) == 2
    with pytest.raises(InputError, match="no types"):
        pl.node_types(table.drop(columns="type"))


def test_dimensions_have_a_panel_for_the_probe_only_with_labels():
    rows = {"size": [10, 2], "error": [0.1, 0.2], "standard_error": [0.01, 0.01], "pca_error": [0.15, 0.3]}
    table = pd.DataFrame(rows | {"active": [9, 2], "stability": [0.8, 0.9]})
    figure = pl.dimensions(table, chosen=10)
    assert len(figure.axes) == 3
    assert figure.axes[0].lines[1].get_xydata().tolist() == [[2, 0.2], [10, 0.1]]
    for axes in figure.axes[:2]:  # where PCA or all features lie exactly on the model's line, both are seen
        model, other = axes.lines[-2:]
        assert other.get_zorder() > model.get_zorder()
        assert other.is_dashed()
    assert len(pl.dimensions(table.assign(probe=0.8, pca_probe=0.7)).axes) == 4
    with pytest.raises(InputError, match="no dimensions"):
        pl.dimensions(table.drop(columns="error"))


def test_losses_of_several_trainings_share_a_panel():
    history = pd.DataFrame({"epoch": [1, 2], "loss": [2.0, 1.0], "val_loss": [2.5, 1.5]})
    axes = pl.loss_comparison({"VAE": history, "PCA": history.drop(columns="val_loss")}).axes[0]
    assert [line.get_linestyle() for line in axes.lines] == ["-", "--", "-"]
    assert axes.lines[1].get_ydata().tolist() == [2.5, 1.5]
    with pytest.raises(InputError, match="cannot be drawn together"):
        pl.loss_comparison({"VAE": history.drop(columns="loss")})


def test_the_layers_of_every_family_are_boxes_in_the_order_of_the_data():
    import keras

    from latentome.models import DeepModel, DenoisingModel, NonlinearPCAModel, VariationalModel
    from latentome.pl.layers import _layers

    def chain(model):
        layers = _layers(model)
        return [(layer.width, layer.part, layer.parents) for layer in layers]

    assert chain(DeepModel(30, 3, hidden=[8])) == [
        (30, "input", ()),
        (8, "encoder", (0,)),
        (3, "code", (1,)),
        (8, "decoder", (2,)),
        (30, "decoder", (3,)),
    ]
    assert chain(DenoisingModel(30, 3))[-2:] == [(3, "code", (0,)), (30, "decoder", (1,))]
    for model in (VariationalModel(30, 3, n_covariates=2, linear_path=True), NonlinearPCAModel(30, 3)):
        layers = chain(model)
        assert (layers[0], layers[-1][0]) == ((model.encoder.inputs[0].shape[-1], "input", ()), 30)
        code = next(i for i, layer in enumerate(layers) if layer[1] == "code")
        assert layers[code][0] == 3
        assert all(max(parents) < i for i, (_, _, parents) in enumerate(layers) if parents)
        assert all(parents for _, part, parents in layers if part != "input")
        fed = {parent for _, _, parents in layers for parent in parents}
        assert fed == set(range(len(layers) - 1)), "all ways end in one box"
    plain = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(2), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )
    assert chain(plain) == [(4, "input", ()), (2, "encoder", (0,)), (1, "encoder", (1,))]
    assert "13 parameters" in pl.architecture(plain).texts[0].get_text()
    for nothing in (keras.Sequential(), SimpleNamespace(name="x")):
        with pytest.raises(InputError, match="no layers to draw"):
            pl.architecture(nothing)


def test_a_heat_map_has_a_side_bar_for_each_column():
    import anndata

    obs = pd.DataFrame({"kind": ["a", "b"] * 5, "sex": ["f"] * 5 + ["m"] * 5}, index=list("abcdefghij"))
    adata = anndata.AnnData(obs=obs, var=pd.DataFrame(index=["g"]))
    adata.obsm["X_vae"] = np.random.default_rng(0).normal(size=(10, 3))
    figure = pl.latent_heatmap(adata, color=["kind", "sex"])
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said == ["kind", "a", "b", "sex", "f", "m"]
    strips = [axes.images[0].get_array()[:, 0] for axes in figure.axes[:2]]
    assert [len(np.unique(strip, axis=0)) for strip in strips] == [2, 2]
    assert (strips[0][:5] == strips[0][0]).all()  # the rows go by the first column
    with pytest.raises(InputError, match="no column of classes"):
        pl.latent_heatmap(adata, color=[])
