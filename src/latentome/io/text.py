"""Tables as text: separator, header, names and numbers, read row by row into one float32 array."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from latentome.errors import InputError
from latentome.io.files import SUPPORTED, data_suffix, lines

_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
_NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons"}


class Layout(NamedTuple):
    """How a table is laid out: separator, heading of the first column, names of the others, line of the header."""

    delimiter: str
    corner: str
    columns: list[str]
    header_line: int
    notes: list[str]


class TextTable(NamedTuple):
    """A table as its file has it; `lines` are the 1-based numbers of the lines of its rows."""

    layout: Layout
    rows: list[str]
    lines: list[int]
    values: np.ndarray


class Irregular(Exception):
    """A row that the fast reader cannot take; the slow reader says why."""


def find_layout(path: Path) -> Layout:
    """Read the separator and the header of a table of text.

    Raises
    ------
    InputError
        If there is one column only, no header, or nothing below it.
    """
    with closing(_numbered(path)) as content:
        header_line, header = next(content)
        first = next(content, None)
    delimiter, notes = _find_delimiter(path, header)
    heads = split_line(header, delimiter)
    if first is None:
        raise InputError(
            f"{path.name} has a header and nothing below it",
            where=f"{path}, line {header_line}: {len(heads)} names",
            expected="at least two samples",
            todo="Export the table again, with its values.",
        )
    width = len(split_line(first[1], delimiter))
    if len(heads) == width - 1:  # as R writes it
        notes.append("The header has no name for the first column; it was taken for the column of names.")
        heads = ["", *heads]
    layout = Layout(delimiter, heads[0].strip(), [head.strip() for head in heads[1:]], header_line, notes)
    _check_header(path, layout)
    return layout


def split_line(line: str, delimiter: str) -> list[str]:
    """Split one line into its fields, with or without quotes."""
    return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])


def read_values(path: Path, layout: Layout) -> TextTable:
    """Read the numbers of a table, strictly and fast.

    Returns
    -------
    The table; its values are float32, rows x columns, and may hold NaN or infinities.

    Raises
    ------
    Irregular
        If a row has another length, or anything that is not a number. The caller then reads slowly and says where.
    """
    rows: list[str] = []
    numbers: list[int] = []
    with closing(_value_strings(path, layout, rows, numbers)) as strings, warnings.catch_warnings():
        # A value too large for float32 becomes infinite and is refused with its place, not warned about.
        warnings.filterwarnings("ignore", "overflow", RuntimeWarning)
        try:
            values = np.loadtxt(
                strings, dtype=np.float32, delimiter=layout.delimiter, comments=None, quotechar='"', ndmin=2
            )
        except InputError:
            raise
        except ValueError as failure:
            raise Irregular(str(failure)) from failure
    if values.shape != (len(rows), len(layout.columns)):
        raise Irregular(f"read {values.shape[0]} x {values.shape[1]} values")
    return TextTable(layout, rows, numbers, values)


def numbered_fields(path: Path, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Go through the rows below the header, slowly: the number of the line and its fields."""
    for number, line in _numbered(path):
        if number > layout.header_line:
            yield number, split_line(line, layout.delimiter)


def _numbered(path: Path) -> Iterator[tuple[int, str]]:
    """Go through the lines that hold something, with their numbers from 1."""
    for number, line in enumerate(lines(path), start=1):
        if line.strip(" \r\n"):
            yield number, line


def _value_strings(path: Path, layout: Layout, rows: list[str], numbers: list[int]) -> Iterator[str]:
    """Cut the name off each row and note it; hand on the rest."""
    separators = len(layout.columns) - 1
    for number, line in _numbered(path):
        if number <= layout.header_line:
            continue
        quoted = _QUOTED.match(line) if line[0] == '"' else None
        if quoted:
            name, rest = quoted[1].replace('""', '"'), line[quoted.end() + 1 :]
        else:
            name, _, rest = line.partition(layout.delimiter)
        if rest.count(layout.delimiter) != separators or not name.strip() or rest.isspace():
            raise Irregular(f"line {number}")
        rows.append(name.strip())
        numbers.append(number)
        yield rest


def _find_delimiter(path: Path, header: str) -> tuple[str, list[str]]:
    count = {mark: header.count(mark) for mark in _NAMES}
    by_name = {".csv": ",", ".tsv": "\t", ".tab": "\t"}.get(data_suffix(path), "\t")
    # A tab is in no name; a comma or a semicolon may be. So the suffix is believed if it can be, then tabs.
    if count[by_name] and (by_name == "\t" or not count[";"] > count[","]):
        found = by_name
    else:
        found = max(count, key=lambda mark: (count[mark] > 0, mark == "\t", count[mark]))
    if not count[found]:
        raise InputError(
            f"{path.name} is not a table: its first line has one column only",
            where=f"{path}, line 1: '{header.strip()[:60]}'",
            expected=f"{SUPPORTED}; fields separated by tabs, commas or semicolons, names in the first column",
            todo="Check that it is the right file, and export it with tabs between the columns.",
        )
    notes = [] if found == by_name else [f"The columns are separated by {_NAMES[found]}."]
    return found, notes


def _check_header(path: Path, layout: Layout) -> None:
    unnamed = [i + 2 for i, name in enumerate(layout.columns) if not name]
    if unnamed or not layout.columns:
        which = ", ".join(map(str, unnamed[:5])) or "all"
        raise InputError(
            f"{path.name} has columns without a name in its header: {len(unnamed)}",
            where=f"{path}, line {layout.header_line}, columns {which}",
            expected="a name for every column of values",
            todo="Name them, or delete them; a separator at the end of each line makes an empty last column.",
        )
    if all(_is_decimal(name) for name in layout.columns) and any("." in name for name in layout.columns):
        raise InputError(
            f"{path.name} has no header: its first line holds numbers",
            where=f"{path}, line {layout.header_line}: {', '.join(layout.columns[:4])}",
            expected="the names of the genes (or of the samples) in the first line",
            todo="Add a first line with the names.",
        )


def _is_decimal(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
