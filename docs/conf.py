"""The site of the documentation: the pages of this folder, and the reference from the docstrings.

sphinx-build -W --keep-going docs docs/_build
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import ziamath
from docutils import nodes

import latentome

ROOT = Path(__file__).resolve().parents[1]
COLON = "\N{MODIFIER LETTER COLON}"
#: Size of the letters in a formula's own units, which are then written relative to the text around it.
EM = 16.0
#: Pages of the site whose text is elsewhere in the repository.
ELSEWHERE = {"getting-started": "README.md", "provenance": "src/latentome/datasets/bundled/PROVENANCE.md"}

project = "latentome"
author = "The latentome developers"
copyright = author
version = release = latentome.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"latentome {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
pygments_style, pygments_dark_style = "friendly", "github-dark"
html_math_renderer = "drawn"

# The types live in the signatures, as they are written there.
autodoc_typehints = "signature"
autodoc_member_order = "alphabetical"
autodoc_preserve_defaults = True
# `name` is a parameter, or something of the package, and then a link to it.
default_role = "py:obj"
napoleon_google_docstring = False
napoleon_use_rtype = False
# What a function returns is told in sentences, not as a list of types; attributes look like parameters.
napoleon_custom_sections = ["Returns", "Yields", ("Attributes", "params_style")]


def read_page(app, docname: str, source: list[str]) -> None:
    """Take some pages from files elsewhere in the repository, and let links to those files lead to the pages."""
    if docname in ELSEWHERE:
        file = ROOT / ELSEWHERE[docname]
        app.env.note_dependency(str(file))
        text = re.sub(r"\]\((?!http|#)([^)]+)\)", r"](../\1)", file.read_text(encoding="utf-8"))
        source[0] = text.replace("](../docs/", "](").replace("# latentome\n", "# Getting started\n", 1)
    for page, file in ELSEWHERE.items():
        source[0] = source[0].replace(f"](../{file})", f"]({page}.md)")


def draw_formula(self, node: nodes.Element) -> None:
    """Write a formula as a drawing with its source as the alternative text: no script, no font, no network."""
    block = isinstance(node, nodes.math_block)
    # An upright double bar of a pair grows without end there; the plain one does not.
    source = node.astext().replace(r"\lVert", r"\|").replace(r"\rVert", r"\|")
    drawing = ziamath.Latex(source, size=EM, inline=not block, color="currentColor").svgxml()
    left, top, width, height = map(float, drawing.get("viewBox").split())
    drawing.attrib.update(
        {
            "width": f"{width / EM:.3f}em",
            "height": f"{height / EM:.3f}em",
            "style": f"vertical-align: {-(top + height) / EM:.3f}em",
            "role": "img",
            "aria-label": node.astext(),
        }
    )
    html = ElementTree.tostring(drawing, encoding="unicode")
    self.body.append(f'<div class="math">{html}</div>' if block else f'<span class="math">{html}</span>')
    raise nodes.SkipNode


def skip_fields(app, what: str, name: str, obj: object, skip: bool, options: dict) -> bool | None:
    """Leave out the fields of named tuples, which the parameters of the class describe."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number") else None


def hide_colons(app, what: str, name: str, obj: object, options: dict, lines: list[str]) -> None:
    """Keep napoleon from taking what stands before a colon in the sentence about a property for its type."""
    if what == "property":
        lines[:] = [line.replace(":", COLON) for line in lines]


def show_colons(app, what: str, name: str, obj: object, options: dict, lines: list[str]) -> None:
    """Undo `hide_colons` after napoleon."""
    lines[:] = [line.replace(COLON, ":") for line in lines]


def setup(app) -> dict[str, bool]:
    """Add what is above to Sphinx."""
    app.connect("source-read", read_page)
    app.connect("autodoc-process-docstring", hide_colons, priority=400)
    app.connect("autodoc-process-docstring", show_colons, priority=600)
    app.connect("autodoc-skip-member", skip_fields)
    app.add_html_math_renderer("drawn", (draw_formula, None), (draw_formula, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
