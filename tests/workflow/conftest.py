from __future__ import annotations

from dataclasses import replace

import pytest

from latentome import datasets, io
from latentome.workflow import Reporter, RunConfig, run_config

#: One configuration for all tests, so that its program compiles once.
PARAMETERS = {"n_components": 5, "max_epochs": 6, "hidden": []}


class Told(Reporter):
    """Keeps what was said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture(scope="session")
def simulated():
    """120 samples x 40 genes of three types, on a log scale."""
    return datasets.simulate(120, 40, n_types=3, n_factors=4, rng=0)


@pytest.fixture(scope="session")
def config(simulated, tmp_path_factory) -> RunConfig:
    folder = tmp_path_factory.mktemp("data")
    io.write_table(folder / "expression.tsv", simulated.to_df())
    io.write_table(folder / "labels.tsv", simulated.obs[["type"]])
    return RunConfig(
        data=str(folder / "expression.tsv"),
        labels=str(folder / "labels.tsv"),
        model="vae",
        parameters=dict(PARAMETERS),
        seed=1,
    )


@pytest.fixture(scope="session")
def finished(config, tmp_path_factory):
    """The folder of a whole run. Tests that change a folder make their own."""
    return run_config(config, str(tmp_path_factory.mktemp("runs") / "whole"), command="latentome run ...")


@pytest.fixture
def own_data(config, tmp_path) -> RunConfig:
    """The same request with files that a test may change."""
    files = {}
    for name in ("data", "labels"):
        path = tmp_path / f"{name}.tsv"
        with open(getattr(config, name), "rb") as stream:
            path.write_bytes(stream.read())
        files[name] = str(path)
    return replace(config, **files)
