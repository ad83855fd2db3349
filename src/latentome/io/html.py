"""What results look like in a notebook: pieces of HTML in which every text is escaped."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from latentome.io.runfolder import RunFolder

#: Read on white and on the dark pages of notebooks: at least 3 to 1 against both.
_INKS = ("#2f7fb5", "#cf6218")
_WIDE, _HIGH = 320, 110


def card(title: str, *parts: str) -> str:
    """Put below a heading what `facts`, `sentences`, `table` and `curves` return; empty pieces are left out."""
    return f'<div style="margin:0.4em 0"><strong>{escape(title)}</strong>{"".join(parts)}</div>'


def facts(rows: Iterable[tuple[str, Any]]) -> str:
    """Make a table of names and values."""
    cell = '<{0} style="text-align:left;padding:1px 12px 1px 0;font-weight:normal;color:inherit">{1}</{0}>'
    lines = [f"<tr>{cell.format('th', escape(str(name)))}{cell.format('td', escape(str(v)))}</tr>" for name, v in rows]
    return f'<table style="color:inherit">{"".join(lines)}</table>' if lines else ""


def sentences(texts: Iterable[str]) -> str:
    """Make a paragraph of each text."""
    return "".join(f'<p style="margin:0.3em 0">{escape(str(text))}</p>' for text in texts)


def table(frame: pd.DataFrame, caption: str, rows: int = 5) -> str:
    """Show the first rows of a table, and how many there are."""
    count = f"{caption}: {len(frame):,} row{'' if len(frame) == 1 else 's'}"
    return sentences([count]) + frame.head(rows).to_html(border=0, index=False, float_format="{:.4g}".format)


def curves(lines: Mapping[str, Sequence[float]], across: str) -> str:
    """Draw up to two curves (name to values, of which what is not finite is left out), the second one dashed.

    `across` is what the steps are, such as ``epoch``.
    """
    known = {name: [(i, v) for i, v in enumerate(values) if math.isfinite(v)] for name, values in lines.items()}
    known = {name: points for name, points in known.items() if len(points) > 1}
    if not known:
        return ""
    last = max(points[-1][0] for points in known.values())
    low, high = (end(v for points in known.values() for _, v in points) for end in (min, max))
    span, left, top = (high - low) or 1.0, 58, 6
    wide, high_ = _WIDE - left - 8, _HIGH - top - 20
    drawn, names = [], []
    for (name, points), ink, dash in zip(known.items(), _INKS, ("", ' stroke-dasharray="5 3"'), strict=False):
        spots = " ".join(f"{left + wide * i / last:.1f},{top + high_ * (high - v) / span:.1f}" for i, v in points)
        drawn.append(f'<polyline points="{spots}" fill="none" stroke="{ink}" stroke-width="1.6"{dash}/>')
        names.append(f"{name} from {points[0][1]:.4g} to {points[-1][1]:.4g}")
    text = '<text x="{}" y="{}" text-anchor="{}">{}</text>'
    words = [
        text.format(left - 6, top + 8, "end", f"{high:.4g}"),
        text.format(left - 6, top + high_, "end", f"{low:.4g}"),
        text.format(left, _HIGH - 6, "start", escape(f"{across} 1")),
        text.format(_WIDE - 8, _HIGH - 6, "end", last + 1),
    ]
    told = escape("; ".join(names))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{told}" width="{_WIDE}" height="{_HIGH}" '
        f'viewBox="0 0 {_WIDE} {_HIGH}" font-family="sans-serif" font-size="10" fill="currentColor" '
        f'style="display:block"><title>{told}</title>{"".join(drawn)}{"".join(words)}</svg>'
        f'<p style="margin:0;font-size:0.9em">{told}</p>'
    )


def run_face(run: RunFolder) -> str:
    """Tell what a run is, how far it came, and how it did beside PCA."""
    manifest = run.read_manifest() if run.manifest.is_file() else {}
    verdict = run._parse("metrics", json.loads).get("verdict", []) if run.metrics.is_file() else []
    rows: list[tuple[str, Any]] = [("folder", run.path), ("status", manifest.get("status", "not begun"))]
    model, data = manifest.get("model", {}), manifest.get("data", {})
    if data:
        rows.append(("data", f"{data.get('name')}: {data.get('n_samples')} samples, {data.get('n_genes')} genes"))
    if model:
        rows.append(("model", f"{model.get('title')}, {model.get('n_components')} latent features"))
    if run.report.is_file():
        rows.append(("report", run.report))
    return card(f"Run {run.path.name}", facts(rows), sentences(verdict))
