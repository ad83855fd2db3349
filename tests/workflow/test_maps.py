"""Maps made side by side are those made one after the other, and end together."""

import shutil
import sys
import time

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from latentome import tl
from latentome.errors import InputError
from latentome.io import RunFolder
from latentome.workflow import predict_run
from latentome.workflow.maps import map_side_by_side
from latentome.workflow.reporter import Reporter


class Listening(Reporter):
    def __init__(self, patience=np.inf):
        super().__init__()
        self.patience, self.seen = patience, []

    def progress(self, done, total, row=None):
        self.seen.append((done, total))
        if len(self.seen) > self.patience:
            raise KeyboardInterrupt("enough")


def samples(n):
    rng = np.random.default_rng(0)
    codes = {name: rng.normal(size=(n, 4)).astype("float32") for name in ("X_vae", "X_pca")}
    return AnnData(np.zeros((n, 1), "float32"), obsm=codes)


def test_side_by_side_gives_the_same_positions_and_settings_and_one_progress():
    adata, apart, reporter = samples(40), samples(40), Listening()
    map_side_by_side(adata, ("vae", "pca"), reporter, rng=3)
    for name in ("vae", "pca"):
        tl.tsne(apart, f"X_{name}", rng=3)
    assert list(adata.obsm) == list(apart.obsm) == ["X_vae", "X_pca", "X_tsne_vae", "X_tsne_pca"]
    for name in ("tsne_vae", "tsne_pca"):
        assert np.array_equal(adata.obsm[f"X_{name}"], apart.obsm[f"X_{name}"])
        assert adata.uns[name] == apart.uns[name]
    done = [at for at, _ in reporter.seen]
    assert done == sorted(done)
    assert reporter.seen[-1] == (1500, 1500), "750 iterations of each"


def test_an_interruption_ends_both_and_leaves_the_data_as_they_were():
    adata, start = samples(2500), time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        map_side_by_side(adata, ("vae", "pca"), reporter := Listening(patience=2))
    assert len(reporter.seen) <= 4, "each map is told of the end at its next ten iterations"
    assert list(adata.obsm) == ["X_vae", "X_pca"]
    assert time.perf_counter() - start < 30


def test_what_is_left_of_another_map_is_removed(config, finished, tmp_path, told):
    shutil.copytree(finished.path, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    before = run.read_metrics()
    predict_run(run, config, told)
    assert run.read_metrics() == before, "the same map, the same scores"
    assert (run.figures / "tsne.png").exists()
    predict_run(run, config, told, settings={"perplexity": 5.0})
    assert not any("third of the samples" in said for said in told.said)
    assert run.tsne.read_bytes() != finished.tsne.read_bytes()
    assert not (run.figures / "tsne.png").exists()
    assert (run.figures / "scores.png").exists()
    assert run.read_metrics() == {key: value for key, value in before.items() if key != "maps"}
    assert "The map is another one" in told.said[-1]
    predict_run(run, config, told, settings={"perplexity": [5.0, 5000.0]})
    largest = (len(pd.read_csv(run.tsne, sep="\t")) - 1) / 3
    assert f"a third of the samples: {largest:.4g} was used, not 5000." in " ".join(told.said)


def test_a_map_that_cannot_be_made_is_refused_before_anything_else(config, finished, tmp_path, monkeypatch, told):
    monkeypatch.setitem(sys.modules, "umap", None)
    shutil.copytree(finished.path, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    begun, step = [], told.step
    monkeypatch.setattr(told, "step", lambda title, unit="": begun.append(title) or step(title, unit))
    with pytest.raises(InputError, match="UMAP is not installed"):
        predict_run(run, config, told, umap=True)
    assert begun == ["read and prepare"], "nothing was encoded or mapped"
