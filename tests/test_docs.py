"""The documentation runs: every block of Python in the pages, with what it shows, and every example in a docstring."""

import doctest
import importlib
import pkgutil
import re
import runpy
from pathlib import Path

import pytest

import latentome

ROOT = Path(__file__).resolve().parents[1]
COURSE = sorted((ROOT / "docs" / "course").glob("*.md"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = [m.name for m in pkgutil.walk_packages(latentome.__path__, "latentome.") if not m.name.endswith("__main__")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_in_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", COURSE, ids=lambda page: page.stem)
def test_a_page_of_the_course_shows_what_its_blocks_print_and_draw(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    for block, printed in runpy.run_path(str(ROOT / "tools" / "course.py"))["run_blocks"](text, str(page)):
        assert_same_but_for_rounding(printed, block["output"] or "", block["code"])
    shown = {Path(target) for target in re.findall(r"!\[[^\]]+\]\((.+?\.png)\)", text)}
    assert {path.name for path in shown} == {path.name for path in tmp_path.glob("*.png")}
    for path in shown:
        # Width and height are the bytes 16 to 24 of a PNG.
        assert (page.parent / path).read_bytes()[16:24] == (tmp_path / path.name).read_bytes()[16:24], path


def assert_same_but_for_rounding(printed, shown, code):
    """Words are equal; numbers to 5 % or two units of the last decimal, as trainings are on other processors."""
    number = r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
    advice = f"to renew the page: python tools/course.py\n{code}"
    assert re.sub(number, "#", printed).split() == re.sub(number, "#", shown).split(), advice
    for value, expected in zip(re.findall(number, printed), re.findall(number, shown), strict=True):
        unit = 10.0 ** -len(expected.partition(".")[2]) if "e" not in expected else 0.0
        assert float(value) == pytest.approx(float(expected), rel=0.05, abs=2 * unit), advice


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_hold(name):
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} does not say what it is"
    assert doctest.testmod(module).failed == 0


def test_pages_name_no_missing_file():
    for page in [*PAGES, *COURSE, *(ROOT / "docs" / "api").glob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
