"""Puts the parts of a report into one HTML page."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from latentome.io import RunFolder, write_bytes
from latentome.report.content import data_facts, gene_rows, limits, repeat_facts, score_rows, steps, training_facts
from latentome.report.explorer import read_explorer, read_program
from latentome.report.figures import read_figures
from latentome.report.findings import PAIRS_SHOWN, agreement, findings, label_rows, overlap_rows
from latentome.report.meaning import meaning_rows
from latentome.report.sources import Sources, read_sources
from latentome.report.summary import citations, summarise
from latentome.report.wording import number, strings

#: Sections of the page in reading order: anchor and heading.
SECTIONS = (
    ("verdict", "In short"),
    ("explorer", "Explore the samples"),
    ("done", "What was done"),
    ("data", "The data"),
    ("found", "What was found"),
    ("maps", "Still maps of the samples"),
    ("scores", "Scores beside PCA"),
    ("features", "The features and their genes"),
    ("training", "Training"),
    ("classes", "Errors by class and by gene"),
    ("further", "Further figures"),
    ("repeat", "How to repeat this"),
    ("limits", "What this report does not say"),
)


def write(path: str | os.PathLike[str], progress: Callable[[int, int], None] | None = None) -> Path:
    """Write the report of a run as one HTML file into its folder.

    The page holds its figures, its styles and the explorer's program and data, and loads nothing: it can be mailed,
    archived and opened offline. Its policy lets a browser run that one program, known by its hash, and no other.
    The same run gives the same bytes.

    Parameters
    ----------
    path
        The run folder, with ``manifest.json``, ``config.toml``, ``history.tsv``, ``latent.tsv``, ``metrics.json`` and
        ``figures/``; ``signatures.tsv``, ``latent.h5ad`` (for the explorer) and ``interpretation/`` are used if they
        are there.
    progress
        Is told how many figures are packed, of how many.

    Returns
    -------
    The path of ``report.html``. It is replaced only when the new page is complete.

    Raises
    ------
    RunFolderError
        If the folder is not a run, or one of these files is missing or damaged; the command that makes it is named. If
        another process holds the folder, or it cannot be written.
    """
    run = RunFolder.open(path)
    _require(run)
    target = Path(run.report)
    with run.lock():  # already for reading: the files of one run belong together
        write_bytes(target, render(run, progress=progress).encode())
    return target


def _require(run: RunFolder) -> None:
    """Refuse what is not there before anything is touched."""
    for part in ("metrics", "manifest", "config", "history", "latent", "figures"):
        run.require(part)


def render(
    run: RunFolder, remote: Sequence[tuple[str, str]] = (), progress: Callable[[int, int], None] | None = None
) -> str:
    """Make the page of a run; `progress` is told how many figures are packed, of how many.

    `remote` names the columns that the page may ask its server for; a file has none, and may ask nobody.
    """
    _require(run)
    return _fill(read_sources(run), read_figures(run, progress), read_explorer(run, remote), bool(remote))


def _fill(
    sources: Sources, figures: dict[str, list[dict[str, Any]]], explorer: dict[str, Any] | None, served: bool
) -> str:
    """Fill the template; every text from the run is escaped by it."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = files("latentome.report")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = number
    template = environment.from_string(folder.joinpath("report.html.jinja").read_text(encoding="utf-8"))
    manifest, metrics = sources.manifest, sources.metrics
    program = read_program(served)
    content = {
        "explorer": explorer,
        "served": served,
        "program": Markup(program),
        "script_hash": "sha256-" + base64.b64encode(hashlib.sha256(program.encode()).digest()).decode("ascii"),
        "summary": summarise(sources),
        "citations": citations(sources),
        "style": Markup(folder.joinpath("report.css").read_text(encoding="utf-8")),
        "model": manifest.text("model", "title", default=manifest.text("model", "name", default="A model")),
        "data": manifest.text("data", "name", default="the data"),
        "created": manifest.text("created"),
        "version": manifest.text("latentome"),
        "status": manifest.text("status"),
        "verdict": strings(metrics.at("verdict")) or ["No verdict is recorded in metrics.json."],
        "steps": steps(sources),
        "data_facts": data_facts(manifest),
        "notes": strings(manifest.at("data", "notes")) + strings(manifest.at("preprocessing", "notes")),
        "methods": metrics.methods,
        "scores": score_rows(metrics),
        "n_test": metrics.at("n_test"),
        "genes": gene_rows(sources.signatures, sources.latent_shape[1]),
        "meaning": meaning_rows(sources.run, sources.latent_shape[1]),
        "labels": label_rows(RunFolder(sources.run), manifest.text("data", "label_column")),
        "label_column": manifest.text("data", "label_column"),
        "found": findings(sources),
        "agreement": agreement(sources.run),
        "overlap": overlap_rows(sources.run),
        "pairs_shown": PAIRS_SHOWN,
        "training": training_facts(sources),
        "classes": metrics.by_class(),
        "repeat": repeat_facts(manifest),
        "config": sources.config,
        "limits": limits(sources),
        "figures": figures,
    }
    content["sections"] = [section for section in SECTIONS if _has_content(section[0], content)]
    return template.render(content)


def _has_content(section: str, content: dict[str, Any]) -> bool:
    """Tell whether a section has anything to show; an empty one is left out of page and navigation."""
    needs = {
        "explorer": [content["explorer"]],
        "found": [content["found"]],
        "maps": [content["figures"]["maps"]],
        "features": [
            *(content["genes"], content["meaning"]["first"], content["figures"]["features"]),
            *(content["agreement"]["groups"], content["overlap"]),
        ],
        "classes": [content["classes"], content["figures"]["classes"]],
        "further": [content["figures"]["further"]],
    }
    return section not in needs or any(needs[section])
