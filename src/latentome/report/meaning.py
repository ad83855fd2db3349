"""What is known of each feature: its genes, and the gene sets, covariates and stability that 'interpret' has found."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from latentome.io import RunFolder
from latentome.report.wording import number, parse
from latentome.tl.associate import RATE, strength
from latentome.tl.replication import CHANCE, PCA

#: How many genes of each side, gene sets and covariates are shown for a feature.
MOST_GENES, MOST_SETS, MOST_COLUMNS = 15, 6, 4


def read_meaning(run: RunFolder, features: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Gather what ``signatures.tsv`` and the tables in ``interpretation/``, where they are there, tell of each feature.

    Gives feature to ``up`` and ``down`` (pairs of gene and loading, strongest first), ``sets`` and ``columns``
    (sentences), ``stability`` (text) where an ensemble was trained, and ``replication`` (text) after 'replicate'.
    """
    found: dict[str, dict[str, Any]] = {
        name: {"up": [], "down": [], "sets": [], "columns": [], "stability": "", "replication": ""} for name in features
    }
    places = {_digits(name): name for name in features}

    def rows(path: Path) -> list[tuple[dict[str, Any], dict[str, str]]]:
        pairs = [(places.get(_digits(row.get("feature", ""))), row) for row in read_rows(path)]
        return [(found[name], row) for name, row in pairs if name is not None]

    for feature, row in rows(run.signatures):
        if math.isfinite(parse(row.get("stability"))):
            feature["stability"] = number(parse(row["stability"]))
        loading = parse(row.get("loading"))
        side = feature["up" if loading > 0 else "down"]
        if math.isfinite(loading) and loading != 0 and len(side) < MOST_GENES:
            side.append([row.get("gene", ""), loading])
    folder = run.path / "interpretation"
    for feature, row in rows(folder / "enrichment.tsv"):
        if parse(row.get("q")) <= RATE and len(feature["sets"]) < MOST_SETS:
            feature["sets"].append(
                f"{row.get('set', '')} (genes with {row.get('side', '')} loading, q = {q_text(row.get('q'))})"
            )
    for feature, row in sorted(
        rows(folder / "associations.tsv"),
        key=lambda pair: (  # the surest first, as the sentences above the table name them
            parse(pair[1].get("p")),
            -strength(parse(pair[1].get("effect")), pair[1].get("measure")),
        ),
    ):
        if parse(row.get("q")) <= RATE and len(feature["columns"]) < MOST_COLUMNS:
            level = f" = {row['level']}" if row.get("level") else ""
            effect = f"{row.get('measure', 'effect')} {number(parse(row.get('effect')))}"
            feature["columns"].append(f"{row.get('column', '')}{level} ({effect}, q = {q_text(row.get('q'))})")
    for feature, row in rows(folder / "features.tsv"):
        if math.isfinite(parse(row.get("stability"))):
            feature["stability"] = number(parse(row.get("stability")))
    for feature, row in rows(folder / "replication.tsv"):
        if row["method"] not in (PCA, CHANCE):
            feature["replication"] = f"{number(parse(row['replication']))}{'' if row['again'] == 'True' else ' (no)'}"
    return found


def meaning_rows(path: Path, n_features: int, first: int = 12) -> dict[str, list[dict[str, Any]]]:
    """Give what 'interpret' has found as rows, the first features apart from the rest; empty if it has not run."""
    if not (path / "interpretation").is_dir():
        return {"first": [], "rest": []}
    found = read_meaning(RunFolder(path), [str(i + 1) for i in range(n_features)])
    files = {"columns": "associations.tsv", "sets": "enrichment.tsv"}
    tested = {name: (path / "interpretation" / file).is_file() for name, file in files.items()}
    rows = [{"feature": name, **row, "tested": tested} for name, row in found.items()]
    return {"first": rows[:first], "rest": rows[first:]}


def _digits(name: str) -> str:
    """The number of a feature at the end of its name: tables call the first one ``1`` or ``vae_1``."""
    found = re.search(r"\d+$", name)
    return found.group() if found else name


def q_text(text: str | None) -> str:
    """Write a q-value; one that is too small for a number as that."""
    value = parse(text)
    return "below 1e-300" if value == 0 else f"{value:.2g}"


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table; none if it is not there."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="", errors="replace") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))
