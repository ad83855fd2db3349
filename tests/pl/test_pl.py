"""Every figure, on tables of the size and shape of the pan-cancer data."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

import latentome.pl as pl
from latentome.datasets import tcga_colors
from latentome.errors import InputError
from latentome.pl.inputs import all_shortened

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import anndata

STUDIES = sorted(study for study in tcga_colors() if study != "NA")


@pytest.fixture(scope="module")
def adata():
    """1,106 samples of 33 studies as blobs on a map; every study occurs, forty labels are missing."""
    rng = np.random.default_rng(0)
    label = np.concatenate([np.arange(33), rng.integers(0, 33, 1106 - 33)])
    centres = rng.normal(0, 20, (33, 2))
    latent = rng.normal(0, 1, (33, 12))[label] + rng.normal(0, 0.5, (1106, 12))
    names = np.array(STUDIES, dtype=object)[label]
    names[-40:] = None
    obs = pd.DataFrame(
        {
            "cancer_type": pd.Categorical(names),
            "split": np.where(rng.random(1106) < 0.9, "train", "test"),
            "purity": rng.random(1106),
        },
        index=[f"sample{i}" for i in range(1106)],
    )
    made = anndata.AnnData(np.zeros((1106, 3), dtype=np.float32), obs=obs)
    made.obsm["X_vae"], made.obsm["X_pca"] = latent, latent[:, ::-1].copy()
    made.obsm["X_tsne_vae"] = centres[label] + rng.normal(0, 2, (1106, 2))
    made.obsm["X_tsne_pca"] = centres[label][:, ::-1] + rng.normal(0, 2, (1106, 2))
    return made


@pytest.fixture
def history():
    """A variational training with warm-up and one huge first epoch."""
    epoch = np.arange(1, 51)
    rows = {"epoch": epoch, "loss": 2677 + 320 * np.exp(-epoch / 6)}
    rows["beta"] = np.minimum(1.0, epoch / 20)
    rows["kl"] = 40 * (1 - np.exp(-epoch / 10))
    rows["reconstruction"] = rows["loss"] - rows["beta"] * rows["kl"]
    table = pd.DataFrame(rows | {"learning_rate": 1e-3})
    for name in ("loss", "kl", "reconstruction"):
        table[f"val_{name}"] = table[name] * 1.01
    table.loc[0, "loss"] = 9000.0
    return table


@pytest.fixture
def scores():
    index = ["held-out MSE", "variance explained", "probe accuracy", "silhouette"]
    return pd.DataFrame(
        {"NonlinearPCA": [0.00834, 0.871, 0.815, -0.1], "PCA": [0.00928, 0.853, 0.807, 0.2]}, index=index
    )


@pytest.fixture
def signatures():
    rng = np.random.default_rng(1)
    rows = [
        {"feature": f"vae{k}", "side": "positive" if sign > 0 else "negative", "rank": i + 1, "gene": f"GENE{k}_{i}"}
        | {"loading": sign * (2 - 0.1 * i) * rng.uniform(0.9, 1.0)}
        for k in range(1, 9)
        for sign in (1, -1)
        for i in range(12)
    ]
    return pd.DataFrame(rows)


def blobs():
    rng = np.random.default_rng(2)
    x, y = rng.random((2, 500))
    return np.column_stack([x, y, x * x, x * y])


def all_figures(adata, history, scores, signatures):
    data = blobs()
    errors = pd.DataFrame(
        {"NonlinearPCA": np.linspace(0.01, 0.02, 33), "PCA": np.linspace(0.012, 0.021, 33)}, index=STUDIES
    )
    return {
        "embedding": pl.embedding(adata, title="Map"),
        "embeddings": pl.embeddings(adata, ["X_tsne_vae", "X_tsne_pca"], "cancer_type", ["model", "PCA"]),
        "training_curves": pl.training_curves(history),
        "latent_heatmap": pl.latent_heatmap(adata),
        "activations": pl.activations(adata),
        "reconstruction": pl.reconstruction(data, {"model": data * 0.98}, title="Both"),
        "class3_panels": pl.class3_panels(data, {"PCA": data, "model 1": data * 0.98, "model 2": data}),
        "scores": pl.scores(scores, {"held-out MSE": "lower", "probe accuracy": "higher"}),
        "reconstruction_error": pl.reconstruction_error(errors),
        "signatures": pl.signatures(signatures),
    }


def texts(figure):
    import matplotlib.text

    found = [item.get_text() for item in figure.findobj(matplotlib.text.Text)]
    return [text for text in found if text]


def face_colors(figure):
    from matplotlib.colors import to_hex

    scatter = figure.axes[0].collections[0]
    return {to_hex(color).upper() for color in scatter.get_facecolors()}


def test_figures_touch_neither_pyplot_nor_its_settings_nor_their_input(adata, history, scores, signatures):
    import matplotlib
    from matplotlib import pyplot
    from matplotlib.figure import Figure

    before, backend = dict(matplotlib.rcParams), matplotlib.get_backend()
    obs, matrices = adata.obs.copy(), {key: value.copy() for key, value in adata.obsm.items()}
    tables = [table.copy() for table in (history, scores, signatures)]
    figures = all_figures(adata, history, scores, signatures)
    assert all(isinstance(figure, Figure) for figure in figures.values())
    assert pyplot.get_fignums() == []
    assert dict(matplotlib.rcParams) == before
    assert matplotlib.get_backend() == backend
    pd.testing.assert_frame_equal(adata.obs, obs)
    assert all(np.array_equal(adata.obsm[key], matrices[key]) for key in matrices)
    for table, copy in zip((history, scores, signatures), tables, strict=True):
        pd.testing.assert_frame_equal(table, copy)


def test_every_study_has_its_official_colour_on_the_map_and_an_entry_in_the_legend(adata):
    figure = pl.embedding(adata)
    assert face_colors(figure) == {tcga_colors()[study].upper() for study in STUDIES} | {"#D3D3D3"}
    entries = [text.get_text() for text in figure.legends[0].get_texts()]
    assert entries == [*STUDIES, "not known"]
    assert {text.get_text() for text in figure.axes[0].texts} == set(STUDIES)
    assert figure.axes[0].get_aspect() == 1.0
    assert list(figure.axes[0].get_xticks()) == []
    assert figure.axes[0].get_xlabel() == "t-SNE 1"


def test_names_on_the_map_do_not_overlap(adata):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = pl.embedding(adata)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
    frame = figure.axes[0].get_window_extent(renderer)
    assert len(pairs) <= 2
    assert all(frame.contains((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) for box in boxes)


def test_each_point_has_the_colour_of_its_own_label(adata):
    from matplotlib.colors import to_hex

    scatter = pl.embedding(adata).axes[0].collections[0]
    colors = {
        tuple(place): to_hex(face).upper()
        for place, face in zip(scatter.get_offsets().data, scatter.get_facecolors(), strict=True)
    }
    for place, study in zip(adata.obsm["X_tsne_vae"], adata.obs["cancer_type"].astype(object), strict=True):
        assert colors[tuple(place)] == (tcga_colors()[study].upper() if isinstance(study, str) else "#D3D3D3")


def test_maps_side_by_side_share_one_legend(adata):
    figure = pl.embeddings(adata, ["X_tsne_vae", "X_tsne_pca"], "cancer_type")
    assert len(figure.axes) == 2
    assert len(figure.legends) == 1
    with pytest.raises(InputError, match="titles"):
        pl.embeddings(adata, ["X_tsne_vae", "X_tsne_pca"], "cancer_type", ["only one"])


def test_quantities_get_a_colour_bar_and_no_legend(adata):
    figure = pl.embedding(adata, color="purity")
    assert figure.legends == []
    assert len(figure.axes) == 2
    assert "purity" in texts(figure)


def test_many_points_are_stored_as_pixels(adata):
    many = anndata.AnnData(np.zeros((6000, 1), dtype=np.float32))
    many.obs["kind"] = pd.Categorical(["a", "b"] * 3000)
    many.obsm["X_tsne_vae"] = np.random.default_rng(0).normal(size=(6000, 2))
    assert pl.embedding(many, color="kind").axes[0].collections[0].get_rasterized()
    assert not pl.embedding(adata).axes[0].collections[0].get_rasterized()


def test_a_wrong_name_is_refused_with_the_nearest(adata):
    with pytest.raises(InputError, match="Did you mean 'cancer_type'"):
        pl.embedding(adata, color="cancer_typ")
    with pytest.raises(InputError, match="Did you mean 'X_tsne_vae'"):
        pl.embedding(adata, "X_tsne_vea")
    with pytest.raises(InputError, match="Did you mean 'X_pca'"):
        pl.latent_heatmap(adata, "X_pcaa")
    with pytest.raises(InputError, match="holds quantities"):
        pl.latent_heatmap(adata, color="purity")


def test_a_map_that_is_not_finite_is_refused(adata):
    broken = adata.copy()
    broken.obsm["X_tsne_vae"] = adata.obsm["X_tsne_vae"].copy()
    broken.obsm["X_tsne_vae"][3, 1] = np.nan
    with pytest.raises(InputError, match="1 values not finite"):
        pl.embedding(broken)


def test_label_colors():
    assert pl.label_colors(["BRCA", "OV", np.nan]) == {"BRCA": "#ED2891", "OV": "#D97D25", np.nan: "#D3D3D3"}
    mixed = pl.label_colors(["BRCA", "OV", "LUAD", "cell line"])
    assert mixed["BRCA"] == "#ED2891"
    assert mixed["cell line"] == "#0072B2"
    plain = pl.label_colors(["BRCA", "normal", "other"])
    assert list(plain.values()) == ["#0072B2", "#E69F00", "#009E73"]
    assert len(set(pl.label_colors(range(60)).values())) == 60
    assert len(pl.label_colors(range(200))) == 200


def test_training_and_held_out_samples_are_named_in_the_legend_alone(adata):
    figure = pl.embedding(adata, color="split")
    assert not figure.axes[0].texts
    assert {"train", "test"} <= set(texts(figure))


def test_training_curves_have_the_panels_of_the_history(history):
    figure = pl.training_curves(history)
    headings = [axes.get_title(loc="left") for axes in figure.axes]
    assert headings[:3] == ["Total loss", "Reconstruction", "KL divergence"]
    assert any("\N{GREEK SMALL LETTER BETA}" in axes.get_ylabel() for axes in figure.axes)
    styles = [line.get_linestyle() for line in figure.axes[0].lines]
    assert styles == ["-", "--"]
    assert figure.axes[0].get_ylim()[1] < 3100
    assert any("9000 at epoch 1" in text for text in texts(figure))
    later = history.assign(loss=np.where(history["epoch"] == 3, 12000.0, history["loss"]))
    assert any("1.2e+04 at epoch 3" in text for text in texts(pl.training_curves(later)))
    alone = pl.training_curves(history[["epoch", "loss"]])
    assert len(alone.axes) == 1


def test_training_curves_choose_their_scale():
    epoch = np.arange(1, 101)
    falling = pd.DataFrame({"epoch": epoch, "loss": 0.13 * np.exp(-epoch / 15) + 1e-4})
    assert pl.training_curves(falling).axes[0].get_yscale() == "log"
    negative = pd.DataFrame({"epoch": epoch, "loss": -100 + 200 * np.exp(-epoch / 15)})
    assert pl.training_curves(negative).axes[0].get_yscale() == "linear"
    same = falling.assign(reconstruction=falling["loss"], penalty=0.0)
    assert len(pl.training_curves(same).axes) == 1
    share = pl.training_curves(falling.assign(reconstruction=falling["loss"] / 40))  # in another unit, the same curve
    assert [axes.get_title(loc="left") for axes in share.axes] == ["Loss"]
    assert len(pl.training_curves(falling.assign(reconstruction=falling["loss"] / 40 + 1e-4)).axes) == 2
    assert len(pl.training_curves(falling.head(1)).axes) == 1
    with pytest.raises(InputError, match="epoch"):
        pl.training_curves(pd.DataFrame({"loss": [1.0]}))


def test_heat_map_shows_the_given_orders(adata):
    rows, columns = np.arange(1106)[::-1], np.arange(12)[::-1]
    figure = pl.latent_heatmap(adata, "X_vae", "cancer_type", rows, columns)
    picture = figure.axes[1].images[0].get_array()
    latent = adata.obsm["X_vae"]
    expected = np.clip((latent - latent.mean(0)) / latent.std(0), -3, 3)[np.ix_(rows, columns)]
    assert np.allclose(picture, expected)
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == [str(i) for i in range(12, 0, -1)]
    with pytest.raises(InputError, match="every position once"):
        pl.latent_heatmap(adata, "X_vae", "cancer_type", row_order=[0, 0, 1])
    with pytest.raises(InputError, match="2 names"):
        pl.latent_heatmap(adata, "X_vae", names=["a", "b"])


def test_activations_draw_collapsed_features_too(adata):
    flat = adata.copy()
    flat.obsm["X_vae"] = np.maximum(adata.obsm["X_vae"], 0)
    flat.obsm["X_vae"][:, 2] = 0.0
    figure = pl.activations(flat, n_features=4)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["1", "2", "3", "4"]
    assert len(figure.axes[0].collections) == 4
    with pytest.raises(InputError, match="No feature"):
        pl.activations(adata, n_features=0)


def test_reconstructions_share_their_limits():
    data = blobs()
    figure = pl.class3_panels(data, {"model 1": data * 1.5, "model 2": data, "PCA": data}, ["a", "b", "c"])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "b", "c"]
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert all(axes.get_aspect() == 1.0 for axes in figure.axes)
    open_ = figure.axes[1].collections[1]
    assert len(open_.get_facecolors()) == 0
    with pytest.raises(InputError, match="model 2"):
        pl.class3_panels(data, {"model 1": data})
    with pytest.raises(InputError, match=r"\(500, 3\)"):
        pl.reconstruction(data, {"model": data[:, :3]})


def test_scores_say_which_way_is_better_and_mark_the_best(scores):
    figure = pl.scores(scores, {"held-out MSE": "lower", "probe accuracy": "higher", "silhouette": "higher"})
    bold = {text.get_text() for axes in figure.axes for text in axes.texts if text.get_weight() == "bold"}
    assert bold == {"0.00834", "0.815", "0.200"}
    assert sum("lower is better" in text for text in texts(figure)) == 1
    missing = scores.astype(float)
    missing.iloc[0, 0] = np.nan
    assert "no value" in texts(pl.scores(missing, {}))
    with pytest.raises(InputError, match="lower"):
        pl.scores(scores, {"silhouette": "up"})


def test_errors_by_class_are_sorted():
    table = pd.DataFrame({"VAE": [0.2, 0.3, 0.1], "PCA": [0.1, 0.2, np.nan]}, index=["a", "b", "c"])
    figure = pl.reconstruction_error(table)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["c", "a", "b"]
    with pytest.raises(InputError, match="nothing to draw"):
        pl.reconstruction_error(table.iloc[:0])


def test_signatures_show_the_strongest_genes(signatures):
    figure = pl.signatures(signatures)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [f"vae{k}" for k in range(1, 7)]
    assert len(figure.axes[0].patches) == 16
    with pytest.raises(InputError, match="loading"):
        pl.signatures(signatures.drop(columns="loading"))


def test_a_name_with_signs_of_a_formula_is_drawn_as_it_is_written(adata, scores, signatures, tmp_path):
    odd = adata.copy()
    odd.obs["a $_ b$"] = pd.Categorical(["c $5 & _x_$"] * 553 + ["_b\\frac"] * 553)
    figures = [pl.embedding(odd, color="a $_ b$"), pl.latent_heatmap(odd, color="a $_ b$")]
    figures.append(pl.scores(scores.rename(index={"silhouette": "$a&$"}, columns={"PCA": "$b&$"})))
    figures.append(pl.reconstruction_error(scores.rename(index={"silhouette": "$a&$"}, columns={"PCA": "_b$&$"})))
    figures.append(pl.signatures(signatures.replace({"GENE1_0": "$g&$", "vae1": "$f&$"})))
    figures.append(pl.activations(odd, names=[f"${i}&$" for i in range(12)]))
    for figure in figures:
        figure.savefig(tmp_path / "odd.svg")
    figures[0].savefig(tmp_path / "map.svg")
    assert "c $5 &amp; _x_$" in (tmp_path / "map.svg").read_text(encoding="utf-8")


def test_saved_files_keep_their_text(adata, tmp_path):
    figure = pl.activations(adata)
    figure.savefig(tmp_path / "a.svg")
    assert ">activation</text>" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    figure.savefig(tmp_path / "a.png")
    assert int.from_bytes((tmp_path / "a.png").read_bytes()[16:20], "big") == 1050


def test_importing_is_instant():
    code = (
        "import sys, latentome.pl, latentome.report; sys.exit('matplotlib' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert set(pl.__all__) <= set(dir(pl))
    assert all(callable(getattr(pl, name)) for name in pl.__all__)
    with pytest.raises(AttributeError, match="heatmap"):
        _ = pl.heatmap


def test_names_that_would_be_cut_to_the_same_text_stay_apart():
    tissues = [f"Brain - tissue number {i} (GTEx v8, RNA)" for i in (10, 11)]
    assert all_shortened(tissues, 28) == [f"Brain -\N{HORIZONTAL ELLIPSIS} {i} (GTEx v8, RNA)" for i in (10, 11)]
    far = [f"{'x' * 50}{letter}{'y' * 60}{end}" for letter, end in (("a", 1), ("a", 2), ("$", 1))]
    short = all_shortened([*far, "short", far[0]], 20)
    assert len(set(short)) == 4
    assert short[0] == short[4]
    assert max(map(len, short)) <= 21  # a sign of a formula is escaped


@pytest.mark.parametrize("kind", ["boolean", "string"])
def test_labels_of_a_type_with_missing_values_are_drawn(adata, kind):
    some = adata[:60].copy()
    values = np.array(["low", "high"] if kind == "string" else [False, True], dtype=object)[np.arange(60) % 2]
    values[::7] = pd.NA
    some.obs["known"] = pd.Series(values, index=some.obs_names, dtype=kind)
    figures = [
        pl.embedding(some, color="known"),
        pl.embeddings(some, color="known"),
        pl.latent_heatmap(some, color="known"),
        pl.feature_scatter(some, 1, 2, color="known"),
    ]
    names = ["high", "low"] if kind == "string" else ["False", "True"]
    assert all({*names, "not known"} <= set(texts(figure)) for figure in figures)
    counts = [int((some.obs["known"] == value).sum()) for value in sorted(set(values) - {pd.NA})]
    rows = pl.swarm(some, 1, "known").axes[0].get_yticklabels()
    assert [row.get_text() for row in rows] == [f"{n} ({count})" for n, count in zip(names, counts, strict=True)]


def test_characters_that_no_font_has_are_told_once(adata, monkeypatch):
    import io

    monkeypatch.setattr("latentome.pl.figure._TOLD", set())
    some = adata[:60].copy()
    names = ["\N{CJK UNIFIED IDEOGRAPH-65E5}\N{CJK UNIFIED IDEOGRAPH-672C}", "plain"]
    some.obs["known"] = pd.Categorical(np.array(names)[np.arange(60) % 2])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for figure in (pl.embedding(some, color="known"), pl.swarm(some, 1, "known")):
            figure.savefig(io.BytesIO(), format="png")
            figure.savefig(io.BytesIO(), format="pdf", bbox_inches="tight")
    told = [str(warning.message) for warning in told if "characters" in str(warning.message) or "Glyph" in str(warning)]
    assert told in ([], ["No font here has these characters, figures show boxes for them: \u65e5 \u672c"])
