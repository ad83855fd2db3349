"""What a run's model is compared with on folds."""

from __future__ import annotations

import numpy as np

from latentome.workflow import Reporter, RunConfig, compare_step, train_step
from latentome.workflow.compare import ONE_MEMBER


def test_beside_an_ensemble_there_is_pca_of_one_members_size(tmp_path):
    small = {"n_components": 2, "members": 3, "max_epochs": 2, "batch_size": 200}
    config = RunConfig("blobs", model="linear", parameters=small)
    run, _ = train_step(config, str(tmp_path / "run"), Reporter(), command="latentome train blobs")
    told = compare_step(run, config, Reporter(), folds=2, seeds=1).set_index("method")
    assert list(told.index[: len(told) // 2]) == ["linear", "pca", "nmf", "ica", "genes", ONE_MEMBER]
    alone = compare_step(run, config, Reporter(), folds=2, seeds=1, methods=["pca"], sizes=[2])
    errors = {name: told.loc[name, "held-out MSE"].to_numpy() for name in ("pca", ONE_MEMBER)}
    np.testing.assert_array_equal(errors[ONE_MEMBER], alone["held-out MSE"])
    assert (errors[ONE_MEMBER] > errors["pca"]).all()
