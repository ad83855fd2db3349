"""Gene sets from local GMT files, and the Hallmark sets that come with the package."""

from __future__ import annotations

import os
import re
from importlib.resources import files
from pathlib import Path

from latentome.errors import InputError

#: The name of the bundled Hallmark sets.
HALLMARK = "hallmark"
_BUNDLED = "h.all.v7.0.symbols.gmt.gz"
_DECIMAL = re.compile(r"-?\d+\.\d+(e[-+]?\d+)?", re.IGNORECASE)


def read_gmt(path: str | os.PathLike[str] = HALLMARK) -> dict[str, list[str]]:
    """Read gene sets.

    Parameters
    ----------
    path
        A GMT file, plain or packed as ``.gz``: in each line the name of a set, a description, and its genes, with tabs
        between. Or ``hallmark``: the 50 Hallmark sets of MSigDB 7.0, which come with the package (symbols).

    Returns
    -------
    The genes of each set, without repetition, in the order of the file.

    Raises
    ------
    InputError
        If the file is missing, empty, not text, or a line is damaged; with the number of the line.

    References
    ----------
    Liberzon et al. (2015). The Molecular Signatures Database hallmark gene set collection. Cell Systems 1, 417-425.
    """
    if str(path) == HALLMARK:
        return _parse(
            _unpack(files("latentome").joinpath("datasets", "bundled", _BUNDLED).read_bytes(), HALLMARK), HALLMARK
        )
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(
            f"There is no file {path.name} of gene sets.",
            where=str(path),
            expected=f"a GMT file, or '{HALLMARK}' for the sets that come with latentome",
            todo="check the path, or use the Hallmark sets",
        )
    content = path.read_bytes()
    return _parse(_unpack(content, str(path)), str(path))


def _unpack(content: bytes, where: str) -> str:
    import gzip
    import zlib

    try:
        return (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as failure:
        raise InputError(
            "The file of gene sets is damaged, or no text.",
            where=f"{where}: {failure}",
            expected="a GMT file: text in UTF-8, plain or packed with gzip",
            todo="fetch it again",
        ) from failure


def _parse(text: str, where: str) -> dict[str, list[str]]:
    sets: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, *rest = (field.strip() for field in line.split("\t"))
        genes = list(dict.fromkeys(gene for gene in rest[1:] if gene))
        if not name:
            raise _damaged(where, number, "has no name of a set")
        if not genes:
            raise _damaged(where, number, f"has no genes (set '{name[:60]}')")
        if all(_DECIMAL.fullmatch(gene) for gene in genes):  # whole numbers may be Entrez ids
            raise _damaged(where, number, f"has numbers in place of genes ('{genes[0]}'): it is a table of values")
        if name in sets:
            raise _damaged(where, number, f"names the set '{name[:60]}' a second time")
        sets[name] = genes
    if not sets:
        raise InputError(
            "The file of gene sets is empty.",
            where=where,
            expected="lines with the name of a set, a description, and genes, with tabs between",
            todo="fetch it again, or give another file",
        )
    return sets


def _damaged(where: str, number: int, what: str) -> InputError:
    return InputError(
        f"Line {number} of the file of gene sets {what}.",
        where=f"{where}, line {number}",
        expected="the name of a set, a description (which may be empty), and genes, with tabs between",
        todo="correct or delete that line, or fetch the file again",
    )
