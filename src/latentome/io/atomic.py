"""Files that are either complete or absent: written under a temporary name in the same folder, then renamed."""

from __future__ import annotations

import errno
import gzip
import io
import json
import math
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from latentome.errors import LatentomeError, WriteError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

TEMPORARY_SUFFIX = ".partial"

# What keeps a file from being written, and what to do about it. The first group also speaks through the errors that
# libraries make of it.
_FULL = {
    errno.ENOSPC: ("the disk is full", "Free space there"),
    errno.EDQUOT: ("your share of the disk is used up", "Free space there"),
    errno.EFBIG: ("files may not become that large there", "Raise the limit (ulimit -f), or use another file system"),
    errno.EIO: ("the disk has failed", "Check the disk"),
}
_FORBIDDEN = {
    errno.EROFS: ("the disk is read-only", "Make it writable"),
    errno.EACCES: ("that is not allowed", "Get the right to write there, and close programs that have the file open"),
    errno.EPERM: ("that is not allowed", "Get the right to write there"),
    errno.ENOTDIR: ("a part of its path is a file", "Give another folder (-o)"),
    errno.EEXIST: ("there is something else", "Give another folder (-o)"),
    errno.ENOENT: ("its folder is gone", "Bring the folder back"),
}


@contextmanager
def guard_writing(path: str | os.PathLike[str], size: int | None = None) -> Iterator[None]:
    """Turn what keeps a file from being written, such as a full disk, into a refusal that says what to do.

    Parameters
    ----------
    path
        What is written in the block: a file, or a folder.
    size
        How many bytes are to be written, where that is known.

    Raises
    ------
    WriteError
        If the block ends because the disk is full or failed, a limit is reached, or writing is not allowed. What else
        the block raises passes.
    """
    try:
        yield
    except Exception as failure:
        refusal = _explain(Path(path), failure, size)
        if refusal is None:
            raise
        raise refusal from failure


def _explain(path: Path, failure: Exception, size: int | None) -> WriteError | None:
    cause: BaseException | None = None if isinstance(failure, LatentomeError) else failure
    known = {**_FULL, **_FORBIDDEN} if isinstance(failure, OSError) else _FULL
    # Libraries that write wrap the error of the system: HDF5 in a RuntimeError, for one.
    while cause is not None and not (isinstance(cause, OSError) and cause.errno in known):
        cause, known = cause.__cause__ or cause.__context__, _FULL
    if cause is None or (cause.errno in _FORBIDDEN and not _is_about(path, cause)):
        return None
    reason, todo = known[cause.errno]
    amounts = [] if size is None else [f"{size:,} bytes were to be written"]
    if cause.errno in _FULL:
        with suppress(OSError):
            amounts.append(f"{shutil.disk_usage(path.parent).free:,} bytes are free there")
    return WriteError(
        f"{path.name} cannot be written: {reason}",
        where="; ".join([f"{path}: {os.strerror(cause.errno)}", *amounts]),
        expected="room for the whole file, and the right to write it",
        todo=f"{todo}, then repeat the command; a training that had begun goes on with --resume.",
    )


def _is_about(path: Path, failure: OSError) -> bool:
    """Whether it was `path` that could not be written, and not another file that could not be read."""
    if failure.errno == errno.ENOENT and path.parent.is_dir():
        return False
    if failure.filename is None or not isinstance(failure.filename, str | os.PathLike):
        return failure.errno != errno.ENOENT
    path, named = path.absolute(), Path(failure.filename).absolute()
    return named == path or named.parent in (path, path.parent) or named in path.parents


def check_room(path: str | os.PathLike[str], size: int) -> None:
    """Refuse what would not fit before it is begun, for libraries that do not survive a full disk.

    HDF5 is one: it cannot close the file, and brings the process down with a signal later on. The room is taken and
    given back; where the file system does not tell, nothing is refused.

    Parameters
    ----------
    path
        What will be written: a file, or one of several that need the room together.
    size
        How many bytes.

    Raises
    ------
    WriteError
        If there is no room for so many bytes, or writing is not allowed.
    """
    path = Path(path)
    probe = path.with_name(f".{secrets.token_hex(6)}{TEMPORARY_SUFFIX}.{path.name}")
    with guard_writing(path, size):
        try:
            with probe.open("xb") as file:
                # Takes the room without writing it. Where it does not exist, as on Windows, a size is room.
                allocate = getattr(os, "posix_fallocate", lambda number, _, size: os.truncate(number, size))
                allocate(file.fileno(), 0, size)
        except OSError as failure:
            if failure.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP):
                raise
        finally:
            with suppress(OSError):
                probe.unlink(missing_ok=True)


@contextmanager
def atomic_path(path: str | os.PathLike[str], size: int | None = None) -> Iterator[Path]:
    """Give a temporary path to a writer that wants a path, and rename it to `path` when the block ends well.

    The temporary name ends as `path` does, because Keras and AnnData choose the format by the suffix.

    Parameters
    ----------
    path
        Where the file shall be. Its folder must exist.
    size
        How many bytes are to be written, where that is known; for the message if they cannot be.

    Yields
    ------
    A path in the same folder that does not exist yet. If the block raises, whatever was written there is removed and an
    older file at `path` stays as it was.

    Raises
    ------
    WriteError
        If the disk is full or failed, a limit is reached, or writing is not allowed.
    """
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():  # renaming would take /dev/null from everyone
        raise WriteError(
            f"{path.name} is no file",
            where=f"{path}: a device, a pipe or a socket",
            expected="the path of a file",
            todo="Give the path of a file.",
        )
    temporary = path.with_name(f".{secrets.token_hex(6)}{TEMPORARY_SUFFIX}.{path.name}")
    with guard_writing(path, size):
        try:
            yield temporary
            # Opened for writing: some systems refuse to flush a descriptor that can only read.
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())
            os.replace(temporary, path)
        finally:
            with suppress(OSError):  # where nothing can be removed the reason is told already
                temporary.unlink(missing_ok=True)


@contextmanager
def write_atomic(
    path: str | os.PathLike[str], mode: Literal["wb", "w"] = "wb", size: int | None = None
) -> Iterator[IO[Any]]:
    """Open a file that appears at `path` only when the block ends well.

    Parameters
    ----------
    path
        Where the file shall be. Its folder must exist.
    mode
        ``"wb"`` for bytes, ``"w"`` for UTF-8 text with line feeds.
    size
        How many bytes are to be written, where that is known; for the message if they cannot be.

    Yields
    ------
    The open file. If the block raises, an older file at `path` stays as it was.

    Raises
    ------
    WriteError
        If the disk is full or failed, a limit is reached, or writing is not allowed.
    """
    text = {} if mode == "wb" else {"encoding": "utf-8", "newline": "\n"}
    with atomic_path(path, size) as temporary, temporary.open(mode.replace("w", "x"), **text) as stream:
        yield stream


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write bytes atomically.

    Parameters
    ----------
    path
        Where the file shall be.
    content
        All of it.
    """
    with write_atomic(path, size=len(content)) as stream:
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
    """Write a data frame as text, atomically; the same frame gives the same bytes.

    Parameters
    ----------
    path
        Where the file shall be; compressed if it ends in ``.gz``. Commas separate the fields where it is named as
        ``.csv``, tabs otherwise.
    frame
        Rows x columns. The index is the first column, headed by its name.
    """
    path = Path(path)
    with write_atomic(path) as raw:
        # A fixed time and no file name inside the header: equal tables are equal files.
        packed = gzip.GzipFile("", "wb", 6, raw, mtime=0) if path.suffix == ".gz" else None
        text = io.TextIOWrapper(packed or raw, encoding="utf-8", newline="\n")
        mark = "," if ".csv" in (suffix.lower() for suffix in path.suffixes[-2:]) else "\t"
        frame.to_csv(text, sep=mark, index_label=frame.index.name or "", lineterminator="\n")
        text.flush()
        text.detach()
        if packed is not None:
            packed.close()


def write_h5ad(path: str | os.PathLike[str], adata: AnnData) -> None:
    """Write AnnData atomically, compressed.

    The file is made in memory and then written, because HDF5 does not survive a full disk: it cannot close the file,
    and brings the process down with a signal later on.

    Parameters
    ----------
    path
        Where the file shall be.
    adata
        What is written. Its columns of texts become categories, as AnnData makes them on writing.
    """
    import h5py

    try:
        from anndata.io import write_elem
    except ImportError:  # before AnnData 0.11
        from anndata.experimental import write_elem

    adata.strings_to_categoricals()
    with h5py.File("in memory", "w", driver="core", backing_store=False) as file:
        write_elem(file, "/", adata, dataset_kwargs={"compression": "gzip"})
        if adata.raw is None and "raw" in file:  # as adata.write_h5ad does it: AnnData before 0.12 reads no such null
            del file["raw"]
        file.flush()
        content = file.id.get_file_image()
    write_bytes(path, content)


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
