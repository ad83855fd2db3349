"""Tables that were parsed once, kept in the user's cache by the hash of their file: a second reading takes seconds."""

from __future__ import annotations

import json
import os
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from latentome.errors import WriteError
from latentome.io.atomic import atomic_path

#: Set this variable to a folder to keep things there, or to "off" to keep nothing.
VARIABLE = "LATENTOME_CACHE"
#: The most that is kept, in bytes; what was used longest ago goes first.
MAX_BYTES = 4 * 2**30
#: Smaller tables are read in a second or two anyway.
MIN_VALUES = 2_000_000
#: Part of the name: a table parsed by another rule is another table.
FORMAT = 3


def cache_folder(kind: str) -> Path | None:
    """The folder of one kind of thing in the user's cache, or None where the cache is off."""
    import platformdirs

    wanted = os.environ.get(VARIABLE, "")
    if wanted.lower() == "off":
        return None
    base = Path(wanted).expanduser() if wanted else Path(platformdirs.user_cache_dir("latentome", appauthor=False))
    return base / kind


def find_converted(key: str) -> tuple[dict[str, Any], list[np.ndarray]] | None:
    """Give what `keep_converted` kept under a key: its description and its blocks; a damaged file is removed."""
    folder = cache_folder("tables")
    path = None if folder is None else folder / _name(key)
    if path is None or not path.is_file():
        return None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            about = json.loads(bytes(stored["about"]))
            blocks = [stored[f"block_{i}"] for i in range(about.pop("n_blocks"))]
        os.utime(path)  # used now: what was used longest ago goes first
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        with suppress(OSError):
            path.unlink()
        return None
    return about, blocks


def keep_converted(key: str, about: dict[str, Any], blocks: list[np.ndarray]) -> str:
    """Keep a table, if it is large enough to be worth it and there is room.

    The key names its content: the hash of the file, and whatever else its parsing depends on. `about` is what JSON can
    hold; the blocks are float32, rows x columns. Gives the reason why it could not be kept; empty if it was, or was not
    meant to be.
    """
    folder, size = cache_folder("tables"), sum(block.nbytes for block in blocks)
    if folder is None or not 4 * MIN_VALUES <= size <= MAX_BYTES:
        return ""
    arrays = {f"block_{i}": block for i, block in enumerate(blocks)}
    words = np.frombuffer(json.dumps({**about, "n_blocks": len(blocks)}).encode(), np.uint8)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _make_room(folder, size)
        with atomic_path(folder / _name(key), size) as aside, aside.open("xb") as stream:
            np.savez(stream, about=words, **arrays)
    except (OSError, WriteError) as failure:  # a full or read-only disk is no reason not to go on
        return f"The parsed table could not be kept in {folder} ({str(failure).splitlines()[0]})."
    return ""


def _name(key: str) -> str:
    return f"{key}-{FORMAT}.npz"


def _make_room(folder: Path, size: int) -> None:
    kept = sorted(((file.stat().st_mtime_ns, file) for file in folder.glob("*.npz")), reverse=True)
    total = size
    for _, file in kept:
        total += file.stat().st_size
        if total > MAX_BYTES:
            file.unlink(missing_ok=True)
