"""Run the pages of docs/course and write into them what their blocks print and draw.

python tools/course.py [PAGE.md ...]

A block of Python that prints is followed by a block ``output``. What a block saves as PNG is a picture of the page and
goes to docs/images/course.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
PICTURES = DOCS / "images" / "course"
#: A block of Python, and the block of its output where there is one.
BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n(?:\n```output\n(?P<output>.*?)```\n)?", flags=re.DOTALL)


def run_blocks(text: str, name: str) -> Iterator[tuple[re.Match[str], str]]:
    """Run the blocks of a page one after the other; yield each with what it printed."""
    namespace: dict[str, object] = {}
    for block in BLOCK.finditer(text):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block["code"], name, "exec"), namespace)
        # A line must not end in blanks, which editors take away.
        yield block, "".join(line.rstrip() + "\n" for line in printed.getvalue().splitlines())


def renew(page: Path) -> None:
    """Run a page in a folder of its own, and write its outputs and its pictures."""
    from PIL import Image

    text, written, end = page.read_text(encoding="utf-8"), [], 0
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for block, printed in run_blocks(text, str(page)):
            output = f"\n```output\n{printed}```\n" if printed else ""
            written += [text[end : block.start()], f"```python\n{block['code']}```\n{output}"]
            end = block.end()
        for picture in sorted(Path(folder).glob("*.png")):
            # 64 colours are enough for a drawing, and a third of the size.
            Image.open(picture).convert("RGB").quantize(64).save(PICTURES / picture.name, optimize=True)
    page.write_text("".join([*written, text[end:]]), encoding="utf-8")


def main() -> None:
    """Renew the pages that are named, or all of them."""
    # As in the tests: programs that run for milliseconds need not be optimised.
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    PICTURES.mkdir(parents=True, exist_ok=True)
    for page in map(Path, sys.argv[1:] or sorted((DOCS / "course").glob("*.md"))):
        renew(page.resolve())


if __name__ == "__main__":
    main()
