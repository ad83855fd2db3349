"""What a file is before anything is parsed: there, complete, text or HDF5, in an encoding that can be read."""

from __future__ import annotations

import bz2
import difflib
import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from latentome.errors import InputError

TEXT_SUFFIXES = (".tsv", ".csv", ".txt", ".tab", "")
PACKED_SUFFIXES = (".gz", ".bz2", ".xz")
SUPPORTED = "a table as text (.tsv, .csv, .txt, .tab; also packed as .gz, .bz2 or .xz) or an AnnData file (.h5ad)"
_SPREADSHEETS = (".xls", ".xlsx", ".xlsm", ".ods")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_KINDS = {
    _HDF5: "an HDF5 file",
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"%PDF": "a PDF document",
    b"PAR1": "a Parquet file",
    b"\x93NUMPY": "a NumPy array file",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet or document",
}


def data_suffix(path: Path) -> str:
    """Give the suffix that tells the format: ``.tsv`` for ``expression.tsv.gz``."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED_SUFFIXES:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def sha256(path: Path) -> str:
    """Give the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_exists(path: Path, *, or_else: str = "") -> None:
    """Refuse a path at which there is no file with something in it.

    Parameters
    ----------
    path
        What the user gave.
    or_else
        A further way out, an end of the remedy.

    Raises
    ------
    InputError
        If there is nothing, a folder, or an empty file.
    """
    if not path.exists():
        raise InputError(
            f"There is no file {path.name}",
            where=str(path),
            expected="the path of a file that exists",
            todo=f"Check the spelling. {_neighbours(path)}{or_else}",
        )
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir() if p.is_file())
        shown = ", ".join(inside[:5]) + (", ..." if len(inside) > 5 else "") if inside else "no files"
        raise InputError(
            f"{path.name} is a folder, not a file",
            where=str(path),
            expected=SUPPORTED,
            todo=f"Give one of the files inside; the folder holds {shown}.",
        )
    if path.stat().st_size == 0:
        raise _refusal(path, "is empty (0 bytes)", "Fetch or export it again; the last attempt left nothing.")


def check_suffix(path: Path) -> None:
    """Refuse a format that is not supported, by its suffix.

    Raises
    ------
    InputError
        For spreadsheets, with the reason, and for every other unknown suffix.
    """
    suffix = data_suffix(path)
    if suffix in _SPREADSHEETS:
        raise InputError(
            f"{path.name} is a spreadsheet, which is not read",
            where=str(path),
            expected=f"{SUPPORTED}; spreadsheets silently turn gene names such as SEPT2 and MARCH1 into dates",
            todo="Export the table as tab-separated text from the program that made it, and check the gene names.",
        )
    if suffix not in (*TEXT_SUFFIXES, ".h5ad"):
        raise InputError(
            f"{path.name} has a suffix that is not supported: '{suffix}'",
            where=str(path),
            expected=SUPPORTED,
            todo="Convert the file, or rename it if it is such a table under another name.",
        )


def check_hdf5(path: Path) -> None:
    """Refuse an .h5ad file that is no HDF5 file."""
    try:
        with path.open("rb") as stream:
            start = stream.read(512)
    except OSError as failure:
        raise _damaged(path, failure, 0) from failure
    if not start.startswith(_HDF5):
        _check_stand_in(path, start)
        raise _refusal(path, "does not start as an HDF5 file does", "Fetch it again, or write it again with AnnData.")


def check_text(path: Path) -> list[str]:
    """Refuse a file that cannot be a table of text, from its first bytes.

    Returns
    -------
    Notes on what is unusual but harmless.

    Raises
    ------
    InputError
        If it is a git-lfs pointer, a web page, binary, in another encoding, damaged, or empty inside.
    """
    try:
        with _open_unpacked(path) as stream:
            start = stream.read(65536)
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as failure:
        raise _damaged(path, failure, 0) from failure
    if not start.strip():
        raise _refusal(path, "is empty", "Fetch or export it again; there is nothing in it.")
    _check_stand_in(path, start)
    for signature, kind in _KINDS.items():
        if start.startswith(signature):
            hint = "Rename it to .h5ad if it is one." if signature == _HDF5 else "Unpack or export the table first."
            raise _refusal(path, f"is not a table of text but {kind}", hint)
    nul_shares = [
        every_other.count(0) / len(every_other) for every_other in (start[:200:2], start[1:200:2]) if every_other
    ]
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or (max(nul_shares) > 0.8 and min(nul_shares) < 0.2):
        raise _refusal(
            path,
            "is text in the encoding UTF-16, not UTF-8",
            f"Convert it: iconv -f UTF-16 -t UTF-8 {path.name} > converted.tsv",
        )
    if b"\0" in start:
        raise _refusal(path, "is binary (it holds NUL bytes), not a table of text", "Export the table as text.")
    packed_name = path.suffix.lower() in PACKED_SUFFIXES
    if packed_name != (_packing(path) is not None):
        state = "not packed" if packed_name else "packed"
        return [f"The file is {state}, whatever its name says; it was read by its content."]
    return []


def lines(path: Path) -> Iterator[str]:
    """Go through the lines of a text file, packed or not; a UTF-8 byte order mark is left out.

    Raises
    ------
    InputError
        While iterating: if the file is cut off or damaged, or is not UTF-8.
    """
    number = 0
    try:
        with _open_unpacked(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig") as text:
            for number, line in enumerate(text, start=1):  # noqa: B007 (told if the next line cannot be read)
                yield line
    except UnicodeDecodeError as failure:
        byte = failure.object[failure.start]
        raise InputError(
            f"{path.name} is not UTF-8 text: byte 0x{byte:02x} cannot be decoded",
            where=f"{path}, after line {number}",
            expected="text in the encoding UTF-8",
            todo=f"Convert it, for instance from Latin-1: iconv -f LATIN1 -t UTF-8 {path.name} > converted.tsv",
        ) from failure
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as failure:
        raise _damaged(path, failure, number) from failure


def _packing(path: Path) -> str | None:
    """Tell how a file is packed from its first bytes; names lie more often than content does."""
    with path.open("rb") as stream:
        start = stream.read(6)
    for signature, packing in ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz")):
        if start.startswith(signature):
            return packing
    return None


def _open_unpacked(path: Path) -> IO[bytes]:
    openers = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open, None: open}
    return openers[_packing(path)](path, "rb")


def _check_stand_in(path: Path, start: bytes) -> None:
    """Refuse what servers send instead of the file."""
    if start.startswith(b"version https://git-lfs.github.com/spec"):
        raise _refusal(
            path,
            "is not the data but a git-lfs pointer to them",
            "Fetch the data with 'git lfs pull' in that repository, or download the file from its source.",
        )
    opening = start.lstrip(b"\xef\xbb\xbf \t\r\n")[:20].lower()
    if opening.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise _refusal(
            path,
            "is not a table but a web page (HTML or XML)",
            "The server sent a page, probably an error or a login form, instead of the file: download it again.",
        )


def _refusal(path: Path, problem: str, todo: str) -> InputError:
    return InputError(f"{path.name} {problem}", where=str(path), expected=SUPPORTED, todo=todo)


def _damaged(path: Path, failure: Exception, line: int) -> InputError:
    if isinstance(failure, PermissionError):
        return InputError(
            f"{path.name} may not be read",
            where=str(path),
            expected="a file that you have the right to read",
            todo=f"Give yourself the right (chmod u+r {path.name}) or ask its owner.",
        )
    cut = isinstance(failure, EOFError)
    return InputError(
        f"{path.name} is {'cut off' if cut else 'damaged'}: {failure}",
        where=f"{path}, after line {line}" if line else str(path),
        expected="a complete file",
        todo="Fetch it again and compare its size or checksum with its source; the transfer probably broke off.",
    )


def _neighbours(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"Its folder {folder} does not exist either. "
    names = [entry.name for entry in folder.iterdir()]
    close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(close)}? "
    shown = ", ".join(sorted(names)[:5]) + (", ..." if len(names) > 5 else "") if names else "nothing"
    return f"The folder {folder} holds {shown}. "
