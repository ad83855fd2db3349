from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from latentome import datasets
from latentome.cli.main import run
from latentome.io import write_table

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
    write_table(folder / "expression.tsv", simulated.to_df())
    write_table(folder / "labels.tsv", simulated.obs[["type"]])
    return folder


class Finished(NamedTuple):
    """A folder and what was printed while it was made."""

    path: Path
    printed: str
    told: str


@pytest.fixture(scope="session")
def whole(files, tmp_path_factory) -> Finished:
    """What ``latentome run`` made and said."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    arguments = [f"{files}/expression.tsv", "--labels", f"{files}/labels.tsv", "-o", str(out), *OPTIONS]
    with redirect_stdout(io.StringIO()) as printed, redirect_stderr(io.StringIO()) as told:
        assert run(["run", *arguments]) == 0
    return Finished(out, printed.getvalue(), told.getvalue())


@pytest.fixture(scope="session")
def finished(whole) -> Path:
    """The folder of ``latentome run``; tests leave it as it is."""
    return whole.path


@pytest.fixture
def latentome(capsys):
    """Run a command; give its exit code and what it printed."""

    def _run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return _run
