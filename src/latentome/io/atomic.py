"""Files that are either complete or absent: written under a temporary name in the same folder, then renamed."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

TEMPORARY_SUFFIX = ".partial"


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to a writer that wants a path, and rename it to `path` when the block ends well.

    The temporary name ends as `path` does, because Keras and AnnData choose the format by the suffix.

    Parameters
    ----------
    path
        Where the file shall be. Its folder must exist.

    Yields
    ------
    A path in the same folder that does not exist yet. If the block raises, whatever was written there is removed and an
    older file at `path` stays as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(6)}{TEMPORARY_SUFFIX}.{path.name}")
    try:
        yield temporary
        # Opened for writing: some systems refuse to flush a descriptor that can only read.
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def write_atomic(path: str | os.PathLike[str], mode: Literal["wb", "w"] = "wb") -> Iterator[IO[Any]]:
    """Open a file that appears at `path` only when the block ends well.

    Parameters
    ----------
    path
        Where the file shall be. Its folder must exist.
    mode
        ``"wb"`` for bytes, ``"w"`` for UTF-8 text with line feeds.

    Yields
    ------
    The open file. If the block raises, an older file at `path` stays as it was.
    """
    text = {} if mode == "wb" else {"encoding": "utf-8", "newline": "\n"}
    with atomic_path(path) as temporary, temporary.open(mode.replace("w", "x"), **text) as stream:
        yield stream


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write bytes atomically."""
    with write_atomic(path) as stream:
        stream.write(content)


def write_json(path: str | os.PathLike[str], obj: Any) -> None:
    """Write JSON atomically, indented, keys in the given order.

    Parameters
    ----------
    path
        Where the file shall be.
    obj
        Anything made of dicts, lists, strings, numbers, paths, NumPy scalars and arrays. NaN and infinities are written
        as ``null``, because JSON has no word for them.
    """
    write_bytes(path, (json.dumps(_plain(obj), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_toml(path: str | os.PathLike[str], obj: Mapping[str, Any]) -> None:
    """Write TOML atomically.

    Parameters
    ----------
    path
        Where the file shall be.
    obj
        A mapping of strings to values as for :func:`write_json`. Keys whose value is None are left out, because TOML
        has no word for it; an absent key reads as None.
    """
    import tomli_w

    write_bytes(path, tomli_w.dumps(_plain(obj, null=False)).encode())


def write_table(path: str | os.PathLike[str], frame: pd.DataFrame) -> None:
    """Write a data frame as tab-separated text, atomically; the same frame gives the same bytes.

    Parameters
    ----------
    path
        Where the file shall be; compressed if it ends in ``.gz``.
    frame
        Rows x columns. The index is the first column, headed by its name.
    """
    path = Path(path)
    with write_atomic(path) as raw:
        # A fixed time and no file name inside the header: equal tables are equal files.
        packed = gzip.GzipFile("", "wb", 6, raw, mtime=0) if path.suffix == ".gz" else None
        text = io.TextIOWrapper(packed or raw, encoding="utf-8", newline="\n")
        frame.to_csv(text, sep="\t", index_label=frame.index.name or "", lineterminator="\n")
        text.flush()
        text.detach()
        if packed is not None:
            packed.close()


def _plain(obj: Any, null: bool = True) -> Any:
    """Turn NumPy values, paths and tuples into what JSON and TOML know; `null` says whether None is a word."""
    if isinstance(obj, Mapping):
        return {str(key): _plain(value, null) for key, value in obj.items() if null or value is not None}
    if isinstance(obj, list | tuple | set | frozenset):
        items = sorted(obj) if isinstance(obj, set | frozenset) else obj
        return [_plain(value, null) for value in items]
    if isinstance(obj, os.PathLike):
        return os.fspath(obj)
    if hasattr(obj, "tolist"):  # a NumPy scalar or array
        return _plain(obj.tolist(), null)
    if isinstance(obj, float) and null and not math.isfinite(obj):
        return None
    return obj
