"""The figures and the report of a sweep: one page that loads and runs nothing."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentome import io
from latentome.report.wording import number
from latentome.sweep.published import PUBLISHED, SETTINGS, longest, published_curves
from latentome.sweep.table import SCORES, final_round

if TYPE_CHECKING:
    import pandas as pd

    from latentome.sweep.request import Configuration, SweepRequest

#: Configurations on the page; the table of the folder has them all.
SHOWN = 40
#: Each figure with what it says.
CAPTIONS = {
    "scores": "Held-out error of each configuration, with its 95 % interval where there is one. Grey: PCA of the same "
    "size on the same samples.",
    "sizes": "The best configuration of each model at each latent size, and PCA of the same size (dashed).",
    "published": "The published losses of the longest trainings of this sweep, the same way.",
    "repeated": "Loss by epoch of the longest trainings here.",
    "curves": "Loss by epoch, mean over folds and seeds, on training samples (solid) and validation samples (dashed).",
}
#: What is added where configurations were given up on the way.
ROUNDS = {
    "scores": "Each as it was after the epochs of the last round that it reached: compare those of equal epochs.",
    "sizes": "Of the last round.",
    "curves": "Each up to the end of the last round that it reached.",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sweep of {{ data }}</title><style>{{ style }}</style></head>
<body><main>
<h1>Sweep of {{ data }}</h1>
{% for sentence in said %}<p>{{ sentence }}</p>
{% endfor %}
<h2>What was varied</h2>
<table><tbody>{% for name, values in facts %}<tr><th scope="row">{{ name }}</th><td>{{ values }}</td></tr>
{% endfor %}</tbody></table>
{% for figure in figures %}<figure><img src="data:image/png;base64,{{ figure.image }}" alt="{{ figure.caption }}"
style="max-width:100%"><figcaption>{{ figure.caption }}</figcaption></figure>
{% endfor %}
<h2>Configurations{% if more %}, the best {{ rows | length }} of {{ more }}{% endif %}</h2>
<p>Scores are means over folds and seeds, on samples that no step was fitted on; each has PCA's of the same size beside
it. All trainings are in sweep.tsv, all configurations in summary.tsv.</p>
<div style="overflow-x:auto"><table><thead>
<tr>{% for name in columns %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
<h2>How to train the best one</h2>
<pre>{{ call }}</pre>
</main></body></html>
"""


def write_page(
    folder: Path,
    request: SweepRequest,
    configurations: Sequence[Configuration],
    trials: pd.DataFrame,
    summary: pd.DataFrame,
    curves: pd.DataFrame,
    said: Sequence[str],
) -> None:
    """Draw the figures of a sweep and write its page."""
    from jinja2 import Environment, StrictUndefined

    drawn = draw(folder, request, summary, curves)
    style = files("latentome.report").joinpath("report.css").read_text(encoding="utf-8")
    best = final_round(summary).query("failed == 0")["configuration"]
    trained = {c.number: c for c in configurations}  # of several rounds the last one
    call = _call(request, trained[int(best.iloc[0])]) if len(best) else "No configuration was trained to the end."
    found = {"verdict": list(said), "configuration": int(best.iloc[0]) if len(best) else None, "call": call}
    io.write_json(folder / "best.json", found)
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(_PAGE)
    text = page.render(
        data=Path(request.base.data).name,
        style=style,
        said=said,
        facts=_facts(request, trials),
        figures=[
            {"caption": _caption(name, summary), "image": base64.b64encode(path.read_bytes()).decode()}
            for name, path in drawn.items()
        ],
        columns=list(summary.columns),
        rows=[[number(v) for v in row] for row in summary.head(SHOWN).astype(object).itertuples(index=False)],
        more=len(summary) if len(summary) > SHOWN else 0,
        call=call,
    )
    io.write_bytes(folder / "report.html", text.encode())


def draw(folder: Path, request: SweepRequest, summary: pd.DataFrame, curves: pd.DataFrame) -> dict[str, Path]:
    """Draw what can be drawn; the paths of the figures by name.

    Of several rounds each configuration is drawn as it was in the last one that it reached, with its epochs beside what
    was varied. Latent sizes are compared, and repeated losses drawn, where trainings are of their full length.
    """
    from latentome import pl

    varied, figures, final = list(request.grid), {}, final_round(summary)
    sound = final[final["held-out MSE"].notna()]
    if summary["held-out MSE"].notna().any():
        lengths = ["max_epochs"] if "round" in summary else []
        figures["scores"] = pl.sweep_scores(summary, list(dict.fromkeys([*varied, *lengths])))
    if sound["latent features"].nunique() > 1:
        figures["sizes"] = pl.sweep_sizes(final, [s for s in SCORES if s in summary and s != "variance explained"])
    if len(curves):
        reached = curves.merge(summary[["configuration", "round"]]) if "round" in curves else curves
        figures["curves"] = pl.sweep_curves(reached, summary, varied)
    if request.named in PUBLISHED and len(curves):
        known, ours = published_curves(request.named), longest(final_round(curves), final)
        same = [name for name in SETTINGS if name in known[1] and name != "max_epochs"]
        figures["published"] = pl.sweep_curves(*longest(*known), same)
        figures["repeated"] = pl.sweep_curves(*ours, [name for name in same if name in summary])
    with io.guard_writing(folder / "figures"):
        (folder / "figures").mkdir(exist_ok=True)
    paths = {}
    for name, figure in figures.items():
        paths[name] = folder / "figures" / f"{name}.png"
        with io.atomic_path(paths[name]) as aside:
            figure.savefig(aside, format="png")
    return paths


def _caption(name: str, summary: pd.DataFrame) -> str:
    """What a figure says; of several rounds also which trainings it shows."""
    if "round" not in summary or name not in ROUNDS:
        return CAPTIONS[name]
    return f"{CAPTIONS[name]} {ROUNDS[name]}"


def _facts(request: SweepRequest, trials: pd.DataFrame) -> list[tuple[str, str]]:
    grid = request.to_dict()["grid"]
    varied = [
        (n, f"{v['low']} to {v['high']}" if isinstance(v, dict) else ", ".join(map(str, v))) for n, v in grid.items()
    ]
    fixed = [(n, str(v)) for n, v in request.base.parameters.items()]
    failed = int((trials["error"] != "").sum())
    return [
        ("models", ", ".join(request.models)),
        *varied,
        *fixed,
        ("seeds", f"{request.seeds}, from {request.base.seed}"),
        ("folds", str(request.folds) if request.folds > 1 else f"one split, {request.base.test_size:.0%} held out"),
        ("search", _search(request)),
        ("trainings", f"{len(trials)}, {failed} of which failed"),
        ("seconds of training and scoring", number(float(trials["seconds"].sum()))),
    ]


def _search(request: SweepRequest) -> str:
    if request.bayesian is not None:
        return f"Bayesian, {request.bayesian} configurations"
    every = "the whole grid" if request.random is None else f"{request.random} configurations at random"
    halved = f"; each round keeps one of {request.halving} and trains it {request.halving} times as long"
    return every + (halved if request.halving is not None else "")


def _call(request: SweepRequest, configuration: Configuration) -> str:
    """The call of Python that trains the best configuration, with a whole report."""
    settings: dict[str, Any] = {
        name: value
        for name, value in request.base.to_dict().items()
        if name not in ("model", "parameters", "data") and value != getattr(type(request.base), name, None)
    }
    parameters = {**request.base.parameters, **configuration.varied}
    given = {"model": configuration.model, **settings, "parameters": parameters}
    return f"latentome.run({request.base.data!r}, " + ", ".join(f"{n}={v!r}" for n, v in given.items()) + ")"
