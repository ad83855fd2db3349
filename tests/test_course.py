"""The pages of docs/course run, and show what their blocks print and draw."""

import re
import runpy
import struct
from pathlib import Path

import pytest

from latentome.pl import style

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs" / "course").glob("*.md"))
#: Read before any test begins: elsewhere figures are saved in fewer dots.
SHIPPED = style._RC["savefig.dpi"]
NUMBER = r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?"


@pytest.fixture(scope="module")
def run_blocks():
    return runpy.run_path(str(ROOT / "tools" / "course.py"))["run_blocks"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_what_its_blocks_print_and_draw(page, run_blocks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(style._RC, "savefig.dpi", SHIPPED)
    text = page.read_text(encoding="utf-8")
    for block, printed in run_blocks(text, str(page)):
        assert_same_but_for_rounding(printed, block["output"] or "", block["code"])
    pictures = [page.parent / target for target in re.findall(r"!\[[^\]]+\]\((.+?\.png)\)", text)]
    assert {picture.name for picture in pictures} == {drawn.name for drawn in tmp_path.glob("*.png")}
    for picture in pictures:
        # Other versions of Matplotlib may crop a figure a little otherwise.
        assert size_of(tmp_path / picture.name) == pytest.approx(size_of(picture), rel=0.03), picture


def size_of(picture):
    """Width and height of a PNG, its bytes 16 to 24."""
    return struct.unpack(">II", picture.read_bytes()[16:24])


def assert_same_but_for_rounding(printed, shown, code):
    """Words are equal; numbers to 5 % or two units of the last decimal, as trainings are on other processors."""
    advice = f"to renew the page: python tools/course.py\n{code}"
    assert re.sub(NUMBER, "#", printed).split() == re.sub(NUMBER, "#", shown).split(), advice
    for value, expected in zip(re.findall(NUMBER, printed), re.findall(NUMBER, shown), strict=True):
        decimals = "" if "e" in expected else expected.partition(".")[2]
        unit = 10.0 ** -len(decimals) if decimals else 0.0
        assert float(value) == pytest.approx(float(expected), rel=0.05, abs=2 * unit), advice


def test_a_number_that_is_not_the_one_shown_is_found():
    assert_same_but_for_rounding("loss 1.02e-03 after 60", "loss 1.00e-03 after 60", "")
    for printed in ("loss 1.10e-03 after 60", "loss 1.00e-03 after 70", "error 1.00e-03 after 60"):
        with pytest.raises(AssertionError):
            assert_same_but_for_rounding(printed, "loss 1.00e-03 after 60", "")
