"""The site of the documentation: the pages of this folder, and the reference from the docstrings.

sphinx-build -W --keep-going docs docs/_build
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.util import logging

os.environ.setdefault("KERAS_BACKEND", "jax")

import latentome  # noqa: E402

LOG = logging.getLogger(__name__)
HERE = Path(__file__).resolve().parent

project = "latentome"
author = "The latentome developers"
copyright = author
version = release = latentome.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "sphinx_copybutton"]
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
html_math_renderer = "mathml"

autosummary_generate = False
# The types live in the signatures, as they are written there.
autodoc_typehints = "signature"
autodoc_member_order = "alphabetical"
autodoc_preserve_defaults = True
# `name` is a parameter, or something of the package, and then a link to it.
default_role = "py:obj"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
# What a function returns is told in sentences, not as a list of types.
napoleon_custom_sections = ["Returns", "Yields"]


def read_me(app, docname: str, source: list[str]) -> None:
    """Make the README the page on getting started, with links as seen from this folder."""
    if docname != "getting-started":
        return
    text = (HERE.parent / "README.md").read_text(encoding="utf-8")
    app.env.note_dependency(str(HERE.parent / "README.md"))
    text = re.sub(r"\A# .*", "# Getting started", text)
    source[0] = re.sub(r"\]\((?!http|#)([^)]+)\)", lambda link: f"]({seen_from_here(link[1])})", text)


def seen_from_here(target: str) -> str:
    """Give the path from this folder to what the README names."""
    return target.removeprefix("docs/") if target.startswith("docs/") else f"../{target}"


def mathml(self, node: nodes.Element) -> None:
    """Write a formula as MathML, which browsers draw by themselves: the pages need no script and no network."""
    block = isinstance(node, nodes.math_block)
    try:
        tree = latex2mathml.tex2mathml(node.astext(), as_block=block)
    except MathError as error:
        LOG.warning("formula that cannot be drawn: %s", error, location=node)
        raise nodes.SkipNode from error
    self.body.append(f'<div class="math">{tree}</div>' if block else tree)
    raise nodes.SkipNode


def setup(app) -> dict[str, bool]:
    """Add what is above to Sphinx."""
    app.connect("source-read", read_me)
    app.add_html_math_renderer("mathml", (mathml, None), (mathml, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
