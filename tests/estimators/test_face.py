"""Trained models and results in a notebook."""

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn

import latentome as lt
from latentome.io import html

EVIL = "<script>alert(1)</script>"
GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(GOLDEN / "v2" / "ensemble", tmp_path / "run")


def test_an_untrained_model_is_what_scikit_learn_shows():
    model = lt.LinearAutoencoder(3)
    shown = model._repr_mimebundle_()["text/html"]
    assert "LinearAutoencoder" in shown
    assert "trained" not in shown.split("</style>")[-1].rsplit("</script>", 1)[-1]


def test_a_trained_model_tells_its_sizes_its_training_and_its_run(folder):
    (folder / "metrics.json").write_text(json.dumps({"verdict": [f"It lost. {EVIL}"]}), encoding="utf-8")
    model = lt.load_model(folder)
    for shown in (model._repr_html_(), model._repr_mimebundle_()["text/html"]):
        face = shown[shown.index("<strong>LinearAutoencoder, trained" if "LinearA" in shown else "<strong>") :]
        assert f"{model.n_components:,} in each of {model.members} members" in face
        assert f">{model.n_features_in_:,}<" in face
        assert f"{len(model.training_rows_):,} trained on" in face
        assert face.count("<svg") == 1
        assert "It lost. &lt;script&gt;" in face
        assert EVIL not in face
    (folder / "metrics.json").write_text("{", encoding="utf-8")
    assert "metrics.json of the run is damaged" in model._repr_html_()


def test_texts_stay_texts_where_scikit_learn_is_told_so(folder):
    model = lt.load_model(folder)
    with sklearn.config_context(display="text"):
        assert not hasattr(model, "_repr_html_")
        assert list(model._repr_mimebundle_()) == ["text/plain"]


def test_a_run_tells_how_far_it_came(tmp_path):
    run = lt.io.RunFolder(tmp_path / EVIL.replace("/", ""))
    assert "not begun" in run._repr_html_()
    run.path.mkdir()
    data = {"name": EVIL, "n_samples": 7, "n_genes": 5}
    run.update_manifest(status="done", data=data, model={"title": "VAE", "n_components": 2})
    run.metrics.write_text(json.dumps({"verdict": ["PCA wins."]}), encoding="utf-8")
    shown = run._repr_html_()
    assert all(words in shown for words in ("7 samples, 5 genes", "VAE, 2 latent features", "PCA wins.", ">done<"))
    assert "<script" not in shown


def test_results_of_several_tables_show_them_all():
    table = pd.DataFrame({"feature": [EVIL] * 9, "q": np.linspace(0, 1, 9)})
    shown = lt.tl.Associations(table, table, [f"Left out: {EVIL}"])._repr_html_()
    assert shown.count("9 rows") == 2
    assert shown.count("&lt;script&gt;") == 11
    assert "<script" not in shown


def test_a_curve_is_drawn_over_what_is_finite():
    drawn = html.curves({"loss": [3.0, np.nan, 1.0], "val_loss": [2.0, 2.0, 2.0]}, "epoch")
    svg = ET.fromstring(drawn[: drawn.index("</svg>") + 6])
    lines = svg.findall("{http://www.w3.org/2000/svg}polyline")
    assert [len(line.get("points").split()) for line in lines] == [2, 3]
    assert svg.get("aria-label") == "loss from 3 to 1; val_loss from 2 to 2"
    assert html.curves({"loss": [np.nan, np.inf]}, "epoch") == ""
    assert html.curves({"loss": [1.0]}, "epoch") == ""


def test_a_figure_shows_itself_and_pyplot_knows_nothing_of_it():
    import matplotlib.pyplot as plt

    adata = lt.datasets.simulate(20, 8, n_types=2, rng=0)
    adata.obsm["X_two"] = adata.X[:, :2]
    figure = lt.pl.feature_scatter(adata, 1, 2, use_rep="X_two", color="type")
    picture, size = figure._repr_png_()
    assert picture.startswith(b"\x89PNG")
    assert size["width"] == int.from_bytes(picture[16:20], "big") // 2
    assert plt.get_fignums() == []
