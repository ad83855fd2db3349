"""Reads the files of a run folder that the report is made of."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from latentome.errors import RunFolderError
from latentome.io import RunFolder


class Record:
    """A JSON object that is asked for values by their path; what is absent is None."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def at(self, *keys: str) -> Any:
        """Give the value under a path of keys, or None if any of them is absent."""
        found: Any = self.values
        for key in keys:
            if not isinstance(found, Mapping):
                return None
            found = found.get(key)
        return found

    def text(self, *keys: str, default: str = "") -> str:
        """Give the value under a path of keys as text; `default` if it is absent."""
        value = self.at(*keys)
        return default if value is None else str(value)

    def table(self, *keys: str) -> dict[str, Any]:
        """Give the object under a path of keys; empty if it is absent or no object."""
        value = self.at(*keys)
        return dict(value) if isinstance(value, Mapping) else {}


class Metrics(Record):
    """What metrics.json holds."""

    @property
    def methods(self) -> list[str]:
        """The compared methods, the model first."""
        named = self.at("methods")
        return [str(method) for method in named] if isinstance(named, list) else []

    def by_class(self) -> list[dict[str, Any]]:
        """Give the held-out error of each class as rows, by class name."""
        names, methods = self.table("by_class"), self.methods
        rows = [{"class": name, "values": [self.at("by_class", name, one) for one in methods]} for name in names]
        return sorted(rows, key=lambda row: (row["class"].casefold(), row["class"]))


class Sources(NamedTuple):
    """Everything that a report is made of, besides its figures."""

    run: Path
    manifest: Record
    metrics: Metrics
    config: str
    history: list[dict[str, str]]
    latent_shape: tuple[int, int]
    signatures: list[dict[str, str]]


def read_sources(run: RunFolder) -> Sources:
    """Read the files of a run; one that is missing or cannot be understood is refused."""
    metrics = Metrics(_object(run, run.require("metrics"), "evaluate"))
    if not metrics.methods or not isinstance(metrics.at("table"), Mapping):
        raise _damaged(run, run.metrics, "methods or table are missing", "evaluate")
    signatures = []
    if run.signatures.exists():
        signatures = _rows(run, run.signatures, {"feature", "gene", "loading"}, "predict")
    return Sources(
        run=run.path,
        manifest=Record(_object(run, run.require("manifest"), "train")),
        metrics=metrics,
        config=run.require("config").read_text(encoding="utf-8", errors="replace"),
        history=_rows(run, run.require("history"), {"loss"}, "train"),
        latent_shape=_shape(run.require("latent")),
        signatures=signatures,
    )


def _object(run: RunFolder, path: Path, command: str) -> dict[str, Any]:
    """Read a JSON file that must hold an object."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as failure:  # of JSON and UTF-8 alike
        raise _damaged(run, path, str(failure), command) from failure
    if not isinstance(values, dict):
        raise _damaged(run, path, "it holds no JSON object", command)
    return values


def _rows(run: RunFolder, path: Path, columns: set[str], command: str) -> list[dict[str, str]]:
    """Read a tab-separated table with a header."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
    except (ValueError, csv.Error) as failure:
        raise _damaged(run, path, str(failure), command) from failure
    lacking = columns - set(rows[0]) if rows else set()
    if lacking:
        raise _damaged(run, path, f"no column {', '.join(sorted(lacking))}", command)
    return rows


def _shape(path: Path) -> tuple[int, int]:
    """Count samples and features of a table without keeping it in memory."""
    with path.open("rb") as stream:
        width = stream.readline().count(b"\t")
        return sum(1 for line in stream if line.strip()), width


def _damaged(run: RunFolder, path: Path, why: str, command: str) -> RunFolderError:
    """Say that a file of the run cannot be used, and which command makes it anew."""
    again = (
        f"latentome {command} {run.typed}" if command != "train" else f"latentome train DATA -m MODEL -o {run.typed}"
    )
    return RunFolderError(
        f"{path.name} of the run {run.path.name} cannot be used for the report",
        where=f"{path}: {why}",
        expected=f"{path.name} as 'latentome {command}' writes it",
        todo=f"Make it again: {again}",
    )
