"""Names of genes: the bundled symbols, ``SYMBOL|ENTREZ``, genes without a name, genes named twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from latentome.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_SYMBOL_ENTREZ = re.compile(r"(.+)\|(\d+)")


class Genes(NamedTuple):
    """Gene names as they will be used: which to keep, their names, their Entrez ids or None, and what was done."""

    keep: np.ndarray
    names: list[str]
    entrez: list[str] | None
    notes: list[str]


def gene_table() -> pd.DataFrame:
    """Give the bundled table of 20,507 human genes: the columns ``entrez`` and ``symbol``, both text."""
    import pandas as pd

    return pd.DataFrame(_known_genes(), columns=["entrez", "symbol"], dtype=object)


@lru_cache(maxsize=1)
def known_names() -> frozenset[str]:
    """Give every bundled gene symbol and Entrez id."""
    return frozenset(name for row in _known_genes() for name in row)


def tidy_genes(names: Sequence[str], where: Callable[[int], str], file: str) -> Genes:
    """Split ``SYMBOL|ENTREZ``, drop genes without a name, and refuse genes that a file names twice.

    Parameters
    ----------
    names
        Gene names as the file has them.
    where
        Says for a position in `names` where in the file it is, such as ``column 4``.
    file
        Name of the file, for the message.

    Raises
    ------
    InputError
        If the file itself has a gene twice. Two genes that differ in their Entrez id only keep their full names.
    """
    names = [name.strip() for name in names]
    notes = []
    matches = [_SYMBOL_ENTREZ.fullmatch(name) for name in names]
    split = sum(match is not None for match in matches) > len(names) / 2
    symbols = [match[1] if split and match else name for name, match in zip(names, matches, strict=True)]
    keep = np.array([symbol not in ("?", "") for symbol in symbols])
    if not keep.all():
        notes.append(f"Dropped {int((~keep).sum())} of {len(names)} genes that have no name ('?').")
    kept = np.flatnonzero(keep)
    _refuse_repeated([names[i] for i in kept], lambda i: where(kept[i]), file)
    if not split:
        return Genes(keep, [names[i] for i in kept], None, notes)

    count = Counter(symbols[i] for i in kept)
    shared = sorted(symbol for symbol, times in count.items() if times > 1)
    if shared:
        notes.append(
            f"Symbols that belong to several Entrez ids: {listed(shared)}. "
            "These genes keep their full names SYMBOL|ENTREZ."
        )
    tidy = [symbols[i] if count[symbols[i]] == 1 else names[i] for i in kept]
    entrez = [matches[i][2] if matches[i] else "" for i in kept]
    return Genes(keep, tidy, entrez, notes)


def listed(names: Sequence[str], most: int = 5) -> str:
    """List some names and say how many there are."""
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown}, ... ({len(names)} in all)"


def _refuse_repeated(names: list[str], where: Callable[[int], str], file: str) -> None:
    count = Counter(names)
    if len(count) == len(names):
        return
    places: dict[str, list[str]] = {}
    for position, name in enumerate(names):
        if count[name] > 1:
            places.setdefault(name, []).append(where(position))
    shown = "; ".join(f"{name} at {', '.join(at[:3])}" for name, at in list(places.items())[:5])
    more = f"; {len(places)} in all" if len(places) > 5 else ""
    noun = "gene names" if len(places) > 1 else "gene name"
    raise InputError(
        f"{file} has {len(places)} {noun} more than once: {listed(list(places))}",
        where=f"{file}: {shown}{more}",
        expected="every gene once",
        todo="Keep one of each, add them up, or give them different names (SYMBOL|ENTREZ tells them apart).",
    )


@lru_cache(maxsize=1)
def _known_genes() -> tuple[tuple[str, str], ...]:
    import gzip

    # Read as a file of the package, not through latentome.datasets: that room may import this one, not the reverse.
    packed = files("latentome").joinpath("datasets", "bundled", "genes.tsv.gz").read_bytes()
    rows = gzip.decompress(packed).decode().splitlines()[1:]
    return tuple(tuple(row.split("\t")) for row in rows)
