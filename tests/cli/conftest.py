from __future__ import annotations

from pathlib import Path

import pytest

from latentome import datasets, io
from latentome.cli.main import run

#: One configuration for all tests, so that its program compiles once.
OPTIONS = ["-m", "vae", "--hidden", "none", "-z", "5", "-e", "6", "--seed", "1"]


@pytest.fixture(scope="session")
def simulated():
    """120 samples x 40 genes of three types, on a log scale."""
    return datasets.simulate(120, 40, n_types=3, n_factors=4, rng=0)


@pytest.fixture(scope="session")
def files(simulated, tmp_path_factory) -> Path:
    """A folder with ``expression.tsv`` and ``labels.tsv``; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("data")
    io.write_table(folder / "expression.tsv", simulated.to_df())
    io.write_table(folder / "labels.tsv", simulated.obs[["type"]])
    return folder


@pytest.fixture(scope="session")
def finished(files, tmp_path_factory) -> Path:
    """The folder of ``latentome run``; tests leave it as it is."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert run(["run", f"{files}/expression.tsv", "--labels", f"{files}/labels.tsv", "-o", str(out), *OPTIONS]) == 0
    return out


@pytest.fixture
def latentome(capsys):
    """Run a command; give its exit code and what it printed."""

    def _run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return _run
