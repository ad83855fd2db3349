"""A non-linear PCA that found nothing beyond PCA says so first, instead of comparing PCA with itself."""

from __future__ import annotations

import json

import numpy as np
from anndata import AnnData

from latentome.tl.evaluate import STAYED_PCA
from latentome.workflow import RunConfig
from latentome.workflow.reporter import Reporter
from latentome.workflow.steps import evaluate_step, predict_step, train_step


def test_a_run_says_when_its_model_is_pca(tmp_path):
    # Three linear factors and hardly any noise: there is nothing beyond PCA, and a step away from it costs at once.
    rng = np.random.default_rng(0)
    linear = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 30))
    adata = AnnData((8.0 + linear + rng.normal(scale=0.02, size=(60, 30))).astype(np.float32))
    adata.obs_names, adata.var_names = ([f"{kind}{i}" for i in range(n)] for kind, n in (("S", 60), ("G", 30)))
    adata.write_h5ad(tmp_path / "linear.h5ad")
    config = RunConfig(
        data=str(tmp_path / "linear.h5ad"),
        parameters={"n_components": 3, "hidden": [8], "max_epochs": 4, "patience": 2},
    )
    reporter = Reporter()
    run, prepared = train_step(config, str(tmp_path / "run"), reporter, command="latentome train linear.h5ad")
    predict_step(run, prepared, reporter)
    evaluate_step(run, prepared, reporter)
    metrics = json.loads(run.metrics.read_text(encoding="utf-8"))
    assert json.loads((run.path / "estimator.json").read_text())["best_epoch"] == 0
    assert metrics["verdict"][0] == STAYED_PCA
    errors = metrics["table"]["held-out MSE"]
    np.testing.assert_allclose(errors["Non-linear PCA"], errors["PCA"], rtol=1e-5)
