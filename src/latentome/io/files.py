"""What a file is before anything is parsed: there, complete, text or HDF5, in an encoding that can be read."""

from __future__ import annotations

import difflib
import hashlib
import os
from pathlib import Path
from types import ModuleType

from latentome.errors import InputError, extra
from latentome.io.unpack import PACKED_SUFFIXES, UNPACK_ERRORS, damaged, open_unpacked, packing

TEXT_SUFFIXES = (".tsv", ".csv", ".txt", ".tab", ".gct", ".pcl", "")
COLUMNAR_SUFFIXES = (".parquet", ".feather")
SUPPORTED = (
    "a table as text (.tsv, .csv, .txt, .tab, .gct, .pcl; also packed as .gz, .bz2, .xz or .zst), .parquet, .feather, "
    "AnnData (.h5ad, .zarr), or a folder of 10x (matrix.mtx) or of results of RSEM or STAR"
)
_RSEM_SUFFIXES = (".results", ".normalized_results")
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
    """Refuse a path at which there is no file with something in it; `or_else` is an end of the remedy."""
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
    """Refuse a format that is not supported, by its suffix: spreadsheets, with the reason, and whatever is unknown."""
    suffix = data_suffix(path)
    if suffix in _SPREADSHEETS:
        raise InputError(
            f"{path.name} is a spreadsheet, which is not read",
            where=str(path),
            expected=f"{SUPPORTED}; spreadsheets silently turn gene names such as SEPT2 and MARCH1 into dates",
            todo="Export the table as tab-separated text from the program that made it, and check the gene names.",
        )
    if suffix in _RSEM_SUFFIXES:
        raise one_sample(path, "RSEM")
    if path.name.lower().endswith(".zarr.zip"):
        raise InputError(
            f"{path.name} is packed Zarr, which is read in blocks alone",
            where=str(path),
            expected=SUPPORTED,
            todo="Read it from disk (--on-disk, latentome.io.open_matrix), or unpack it and give the folder.",
        )
    if suffix not in (*TEXT_SUFFIXES, *COLUMNAR_SUFFIXES, ".h5ad"):
        raise InputError(
            f"{path.name} has a suffix that is not supported: '{suffix}'",
            where=str(path),
            expected=SUPPORTED,
            todo="Convert the file, or rename it if it is such a table under another name.",
        )


def one_sample(path: Path, program: str) -> InputError:
    """The refusal of a file that holds the results of one sample."""
    return InputError(
        f"{path.name} is one sample of {program}",
        where=str(path),
        expected="the folder with the files of all samples, which becomes one matrix",
        todo=f"Give the folder: {path.parent}",
    )


def check_hdf5(path: Path) -> None:
    """Refuse an .h5ad file that is no HDF5 file."""
    try:
        with path.open("rb") as stream:
            start = stream.read(512)
    except OSError as failure:
        raise damaged(path, failure) from failure
    if not start.startswith(_HDF5):
        check_stand_in(path, start)
        raise _refusal(path, "does not start as an HDF5 file does", "Fetch it again, or write it again with AnnData.")


def check_text(path: Path) -> list[str]:
    """Refuse a file that cannot be a table of text, from its first bytes; give notes on what is unusual but harmless.

    That is a git-lfs pointer, a web page, what is binary, in another encoding, damaged, or empty inside.
    """
    try:
        with open_unpacked(path) as stream:
            start = stream.read(65536)
    except UNPACK_ERRORS as failure:
        raise damaged(path, failure) from failure
    if not start.strip():
        raise _refusal(path, "is empty", "Fetch or export it again; there is nothing in it.")
    check_stand_in(path, start)
    for signature, kind in _KINDS.items():
        if start.startswith(signature):
            hint = "Rename it to .h5ad if it is one." if signature == _HDF5 else "Unpack or export the table first."
            raise _refusal(path, f"is not a table of text but {kind}", hint)
    if b"\r" in start and b"\n" not in start:
        raise _refusal(
            path,
            "has the line ends of old Macintosh computers",
            f"Convert it: tr '\\r' '\\n' < {path.name} > converted.tsv",
        )
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
    if packed_name != (packing(path) is not None):
        state = "not packed" if packed_name else "packed"
        return [f"The file is {state}, whatever its name says; it was read by its content."]
    return []


def check_memory(path: Path, n_values: int, shape: str = "") -> None:
    """Refuse a matrix that would not fit into the memory of the machine: it is held twice while it is put together.

    `n_values` is the number of its values as far as it is known, `shape` its shape in words if that is known.
    """
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # the system does not tell
        return
    if 8 * n_values > memory:
        raise InputError(
            f"{path.name} does not fit into the memory of this machine",
            where=f"{path}: {shape or f'{n_values:,} values so far'}, {8 * n_values / 2**30:,.0f} GiB while it is read",
            expected=f"at most {memory / 2**30:,.0f} GiB",
            todo="Keep fewer genes or samples, use a larger machine, or write it as .h5ad or .zarr and train from disk "
            "(latentome train --on-disk).",
        )


def check_stand_in(path: Path, start: bytes) -> None:
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


def need_zarr(path: Path) -> ModuleType:
    """The package zarr, which reads and writes `path`; refused where it is not installed."""
    with extra("zarr", f"{path.name} needs zarr", where=str(path)):
        import zarr
    return zarr
