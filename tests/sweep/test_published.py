"""The published losses: whole, told apart by their settings, and beside those of the same settings."""

from __future__ import annotations

import numpy as np
import pytest

from latentome import datasets, sweep
from latentome.sweep.named import NAMED
from latentome.sweep.published import PUBLISHED, SETTINGS, beside_published, longest, published_curves


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_configurations_are_those_of_the_named_grid(name):
    curves, configurations = published_curves(name)
    grid = NAMED[name].grid
    assert {s for s in SETTINGS if s in configurations} == set(grid)
    assert len(configurations) == np.prod([len(values) for values in grid.values()])
    for setting, values in grid.items():
        assert sorted(configurations[setting].unique()) == sorted(values)
    long = longest(curves, configurations)
    assert long[0].groupby("configuration")["epoch"].agg(["min", "max", "count"]).eq([1, 100, 100]).all(axis=None)
    assert np.isfinite(curves[["loss", "val_loss"]]).all(axis=None)


def test_the_bundled_losses_are_the_published_ones(shared):
    import pandas as pd

    table = pd.read_csv(shared / "tybalt-published" / "param_sweeps.tsv.gz", sep="\t")
    one = table.query("sweep == 'param_sweep' and batch_size == 50 and epochs == 100 and learning_rate == 0.0005")
    curves, configurations = published_curves("tybalt-onehidden")
    number = configurations.query("batch_size == 50 and max_epochs == 100 and learning_rate == 0.0005")["configuration"]
    ours = curves[curves["configuration"] == number.item()].set_index("epoch")["val_loss"]
    theirs = one.groupby("epoch")["val_loss"].mean()
    assert len(one) == 400  # four warm-up rates
    assert np.allclose(ours.to_numpy(), theirs.to_numpy(), rtol=1e-4)


def test_losses_beside_the_published_ones_rank_as_they_do():
    curves, configurations = published_curves("tybalt-onehidden")
    said, both = beside_published("tybalt-onehidden", configurations, curves.assign(val_loss=-2 * curves["val_loss"]))
    assert "80 of the 80" in said[0]
    assert "-1.00" in said[0]
    assert np.allclose(both["ours"], -2 * both["published"])
    few = configurations[configurations["learning_rate"] == 0.002][:2]
    said, both = beside_published("tybalt-onehidden", few, curves[curves["configuration"].isin(few["configuration"])])
    assert both is None
    assert "2 of the 80" in said[0]
    assert "No losses were published" in beside_published("latent-dim", configurations, curves)[0][0]
    assert len(datasets.tybalt_sweeps()) == 15136


def test_a_named_sweep_shows_them(files, tmp_path):
    grid = {"max_epochs": [2, 3], "batch_size": [50], "learning_rate": [0.0005, 0.001]}
    found = sweep.run(
        files / "expression.tsv", grid=grid, out=tmp_path / "sweep", named="tybalt-onehidden", seeds=1,
        parameters={"n_components": 2},
    )  # fmt: skip
    assert list(found.summary["model"].unique()) == ["tybalt-2018-as-published"]
    assert "0 of the 80 published configurations" in " ".join(found.verdict)
    assert {p.name for p in (tmp_path / "sweep" / "figures").iterdir()} >= {"published.png", "repeated.png"}
    assert "published losses of the longest trainings" in (tmp_path / "sweep" / "report.html").read_text()
