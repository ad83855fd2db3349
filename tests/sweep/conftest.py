from __future__ import annotations

from pathlib import Path

import pytest

from latentome import datasets, io, sweep
from latentome.workflow import Reporter


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data beside the project; tests that need them are skipped where they are not."""
    path = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the shared data are not here")
    return path


class Told(Reporter):
    """Keeps what was said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


#: One sweep for all tests: two widths that share a program, and a learning rate that diverges.
GRID = {"latent_dim": [2, 3], "learning_rate": [0.05, 1e30]}


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """60 samples x 12 genes of three types: ``expression.tsv`` and ``labels.tsv``."""
    folder = tmp_path_factory.mktemp("data")
    simulated = datasets.simulate(61, 12, n_types=3, n_factors=3, rng=0)
    io.write_table(folder / "expression.tsv", simulated.to_df())
    io.write_table(folder / "labels.tsv", simulated.obs[["type"]])
    return folder


@pytest.fixture(scope="session")
def make(files):
    """Run the sweep of the tests."""

    def _make(out, model="linear,deep", **how):
        fixed = {"max_epochs": 4, "optimizer": "sgd"}
        options = {"seeds": 2, "folds": 2, "labels": str(files / "labels.tsv"), "parameters": fixed}
        return sweep.run(files / "expression.tsv", model, GRID, out, **{**options, **how})

    return _make


@pytest.fixture(scope="session")
def done(make, tmp_path_factory):
    """A finished sweep; tests leave its folder as it is."""
    return make(tmp_path_factory.mktemp("sweeps") / "whole")


@pytest.fixture
def told() -> Told:
    return Told()
