"""The documentation runs: every block of Python in the pages, and every example in a docstring.

The blocks train for two epochs: that they run is shown, not how well they train.
"""

import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import re
from pathlib import Path

import pandas as pd
import pytest

import latentome

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = [m.name for m in pkgutil.walk_packages(latentome.__path__, "latentome.") if not m.name.endswith("__main__")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_in_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(re.sub(r"max_epochs=\d+", "max_epochs=2", block), str(page), "exec"), namespace)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_hold(name):
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} does not say what it is"
    assert doctest.testmod(module).failed == 0


def test_pages_name_no_missing_file():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_tables_of_the_models_are_those_of_the_benchmark():
    folder = ROOT / "benchmarks"
    spec = importlib.util.spec_from_file_location("quality_tables", folder / "quality_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    measured = pd.read_csv(folder / "results" / "quality.tsv", sep="\t")
    for title, lines in module.documented(measured).items():
        assert "\n".join(lines) in page, f"{title}: make it anew with benchmarks/quality_tables.py"


@pytest.mark.parametrize("name", ["io", "datasets", "pp", "training", "estimators", "tl", "pl", "report", "sweep"])
def test_every_argument_of_a_public_function_is_documented(name):
    module = importlib.import_module(f"latentome.{name}")
    functions = [f for f in (getattr(module, public) for public in module.__all__) if inspect.isfunction(f)]
    told = {}
    for function in functions:
        section = re.search(r"Parameters\n-+\n(.*?)(?=\n\n\S[^\n]*\n---|\Z)", inspect.getdoc(function), re.DOTALL)
        heads = re.findall(r"^\S.*$", section[1], re.MULTILINE) if section else []
        told[function.__name__] = {word.strip(" *") for head in heads for word in head.split(",")}
    assert told == {function.__name__: set(inspect.signature(function).parameters) for function in functions}
