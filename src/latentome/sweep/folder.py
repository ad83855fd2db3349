"""The folder of a sweep: what is in it, and when it may be written."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from latentome import io
from latentome.errors import BEGUN, RunFolderError
from latentome.io.atomic import TEMPORARY_SUFFIX
from latentome.io.contents import is_litter
from latentome.sweep.plan import Unit
from latentome.sweep.request import SweepRequest
from latentome.workflow.config import check_same

#: What a sweep writes; nothing else is ever removed.
FILES = (
    "sweep.toml",
    "manifest.json",
    "sweep.tsv",
    "summary.tsv",
    "curves.tsv.gz",
    "published.tsv",
    "best.json",
    "report.html",
)
FOLDERS = ("results", "figures", "store", "checkpoints", "models", "jobs")


def check_folder(folder: Path, request: SweepRequest, *, replace: bool, resume: bool) -> None:
    """Refuse a folder that cannot take this sweep, and touch nothing.

    That is a file, holds something else, or a sweep that is neither to be replaced nor the one to go on with.
    """
    inside = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    inside = [name for name in inside if not is_litter(name)]
    is_sweep = "sweep.toml" in inside
    foreign = [name for name in inside if name not in FILES + FOLDERS]
    if folder.is_file() or (inside and (not is_sweep or foreign)):
        raise RunFolderError(
            f"{folder.name} is a file, not a folder" if folder.is_file() else f"{folder.name} is not a sweep's alone",
            where=f"{folder}" + (f" holds {', '.join((foreign or inside)[:5])}" if inside else ""),
            expected="a folder that is new, empty, or holds a sweep",
            todo="Give another folder (-o); --replace does not touch files that no sweep has written.",
        )
    if not is_sweep or replace:
        return
    if not resume:
        raise RunFolderError(
            f"{folder.name} already holds a sweep",
            where=str(folder),
            expected="a folder without a sweep",
            todo="Give another folder (-o), or --resume to do what is missing, or --replace to remove that sweep.",
        )
    path = folder / "sweep.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunFolderError(
            "The request of this sweep cannot be read.",
            where=f"{path}: {error}",
            expected="the TOML that a sweep writes",
            todo="restore the file, or start anew with --replace",
        ) from error
    check_same(SweepRequest.from_dict(table, str(path)), request, str(folder))


def open_folder(
    folder: Path, request: SweepRequest, about: dict[str, Any], *, replace: bool, alone: bool = True
) -> list[str]:
    """Make the folder, or go on in it where it holds the same sweep of the same data; with `replace` that is removed.

    `about` is the manifest, whose ``data`` names the data by their checksums. `alone` says that nobody else can be
    writing there. Gives sentences on what differs from when the sweep was begun and is no reason to refuse it.

    Raises
    ------
    RunFolderError
        If the data have changed since the sweep was begun.
    """
    BEGUN.set(True)
    for path in folder.glob(f".*{TEMPORARY_SUFFIX}.*") if alone else ():  # halves of files
        path.unlink(missing_ok=True)
    if replace:  # what makes it a sweep goes last, so that a removal that is broken off can be repeated
        for name in FOLDERS:
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in reversed(FILES):
            (folder / name).unlink(missing_ok=True)
    manifest, notes = folder / "manifest.json", []
    if manifest.exists():
        earlier = _read_manifest(manifest)
        then, now = earlier["data"], about["data"]
        before, today = _versions(earlier), _versions(about)
        others = [f"{k} {before[k]} then, {today[k]} now" for k in today if before.get(k, today[k]) != today[k]]
        if others:
            notes.append(f"What was done already was done with other versions: {'; '.join(others)}.")
        if then != now:
            raise RunFolderError(
                "The data have changed since the sweep was begun.",
                where=f"{request.base.data}: {now} now, {then} in {manifest}",
                expected="the very files that the sweep was begun with",
                todo="restore them, or start anew with --replace",
            )
    elif any((folder / "results").glob("*.json")):
        raise RunFolderError(
            "The sweep has results, but nothing says of which data.",
            where=f"{manifest} is missing",
            expected="the manifest.json that was written with them",
            todo="restore it, or start anew with --replace",
        )
    with io.guard_writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    io.write_toml(folder / "sweep.toml", request.to_dict())
    with io.guard_writing(folder):
        (folder / "results").mkdir(exist_ok=True)
    io.write_json(manifest, about)
    return notes


def _versions(about: dict[str, Any]) -> dict[str, str]:
    """What the numbers depend on."""
    return {"latentome": str(about.get("latentome")), **about.get("versions", {})}


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or "data" not in content:
            raise ValueError("it does not name the data")
    except ValueError as failure:  # of JSON and UTF-8 alike
        raise RunFolderError(
            "The manifest of this sweep is damaged.",
            where=f"{path}: {failure}",
            expected="the file as the sweep wrote it",
            todo="restore the file, or start anew with --replace",
        ) from failure
    return content


def read_results(folder: Path, units: Sequence[Unit]) -> dict[int, dict[str, Any]]:
    """What is done already, by the number of the unit; damaged files and other units' count as missing."""
    done = {}
    for unit in units:
        path = folder / "results" / f"{unit.number:05d}.json"
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            continue
        if isinstance(result, dict) and result.get("identity") == unit.identity():
            done[unit.number] = result
    return done
