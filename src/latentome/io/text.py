"""Tables as text: separator, header, names and numbers, read block by block into float32."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from latentome.errors import InputError
from latentome.io.files import SUPPORTED, check_memory, data_suffix
from latentome.io.orientation import NAME_HEADS
from latentome.io.unpack import Progress, blocks, lines

_QUOTED = re.compile(rb'"((?:[^"]|"")*)"')
DELIMITERS = {"\t": "tabs", ",": "commas", ";": "semicolons"}
_NO_FIELD = b"\x1f"  # the separator of units, which no table of text holds
#: Words for a value that is not there.
MISSING = frozenset({"", "na", "nan", "n/a", "null", "none", "#n/a", "-"})
_MISSING_SPELLINGS = sorted({form for word in MISSING for form in (word, word.upper(), word.title(), "NaN", "n/A")})
#: What programs write between the name of a gene, or the number of a row, and its values; lower case.
DESCRIPTIONS = frozenset(
    [
        *("description", "name", "accession", "gene_name", "gene_symbol", "symbol", "hugo_symbol"),
        *("geneid", "ensembl", "ensembl_id", "ensembl_gene_id", "probe", "probe_id", *NAME_HEADS),
        *("entrez", "entrez_id", "entrez_gene_id", "transcript_id", "transcript_id(s)"),
        *("gene_type", "gene_biotype", "biotype", "length", "gene_length", "effective_length", "gweight"),
        *("chr", "chrom", "chromosome", "start", "end", "strand"),
    ]
)
#: Those of DESCRIPTIONS that are Entrez ids.
ENTREZ = frozenset({"entrez", "entrez_id", "entrez_gene_id"})
#: No table of expression has more rows; their names would fill the memory before the values do.
MAX_ROWS = 5_000_000
#: So many rows tell whether all of them end in a separator.
_FIRST_ROWS = 20
#: No header is further down.
_MOST_COMMENTS = 10_000


class Layout(NamedTuple):
    """How a table is laid out: separator, heading of the first column, names of the others, line of the header.

    `extra` names the columns of descriptions between the names and the values; `metadata` are rows of descriptions
    below the header, of which there are `n_metadata`.
    """

    delimiter: str
    corner: str
    columns: list[str]
    header_line: int
    notes: list[str]
    extra: tuple[str, ...] = ()
    n_metadata: int = 0

    @property
    def width(self) -> int:
        """Number of fields of a row."""
        return 1 + len(self.extra) + len(self.columns)


class TextTable(NamedTuple):
    """A table as its file has it: names of the rows, the 1-based numbers of their lines, and blocks of values.

    The blocks are float32, rows x columns, the rows of all of them together. `descriptions` has the extra fields of
    each row.
    """

    layout: Layout
    rows: list[str]
    lines: list[int]
    values: list[np.ndarray]
    descriptions: list[list[str]]


class Irregular(Exception):
    """A row that the fast reader cannot take; the slow reader says why."""


def find_layout(path: Path) -> Layout:
    """Read the separator and the header of a table of text.

    One column only, no header, a header that lacks a name, and nothing below it are refused.
    """
    notes: list[str] = []
    with closing(_numbered(path)) as content:
        header_line, header = _skip_comments(path, content, notes)
        below = list(islice(content, _FIRST_ROWS))
    first = below[0] if below else None
    delimiter = _find_delimiter(path, header, header_line, notes)
    heads = split_line(header, delimiter)
    if first is None:
        raise nothing_below(path, header_line, len(heads))
    fields = split_line(first[1], delimiter)
    if len(heads) == len(fields) - 1:  # as R writes it
        ends = all(not split_line(line, delimiter)[-1].strip() for _, line in below)
        _check_first_head(path, heads, header_line, first[0], fields, ends)
        notes.append("The header has no name for the first column; it was taken for the column of names.")
        heads = ["", *heads]
    corner, *columns = [head.strip() for head in heads]
    extra = _count_descriptions(columns)
    if extra:
        notes.append(f"Columns that describe the rows were set aside: {', '.join(columns[:extra])}.")
    layout = Layout(delimiter, corner, columns[extra:], header_line, notes, tuple(columns[:extra]))
    check_header(path, layout)
    return layout


def nothing_below(path: Path, header_line: int, names: int) -> InputError:
    """Say that there is a header of so many names and nothing else."""
    return InputError(
        f"{path.name} has a header and nothing below it",
        where=f"{path}, line {header_line}: {names} names",
        expected="at least two samples",
        todo="Export the table again, with its values.",
    )


def split_line(line: str, delimiter: str) -> list[str]:
    """Split one line into its fields, with or without quotes."""
    if '"' not in line:
        return line.rstrip("\r\n").split(delimiter)
    try:
        return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])
    except csv.Error:  # a field of more than 131,072 characters: a quote that is never closed
        return line.rstrip("\r\n").split(delimiter)


def read_values(path: Path, layout: Layout, progress: Progress | None = None) -> TextTable:
    """Read the numbers of a table, strictly and fast.

    Returns
    -------
    The table; its values may hold NaN or infinities.

    Raises
    ------
    Irregular
        If a row has another length, or anything that is not a number. The caller then reads slowly and says where.
    """
    table = TextTable(layout, [], [], [], [])
    number = 0
    with closing(blocks(path, progress)) as source:
        for block in source:
            try:
                rests = _cut_names(block, number, table)
            except UnicodeDecodeError as failure:
                raise Irregular(str(failure)) from failure
            number += block.count(b"\n")
            if rests:
                values = to_numbers(b"\n".join(rests), layout.delimiter.encode())
                if values.size != len(rests) * len(layout.columns):
                    raise Irregular(f"lines up to {number} hold {values.size} values")
                table.values.append(values.reshape(len(rests), len(layout.columns)))
                check_memory(path, len(table.rows) * len(layout.columns))
            if len(table.rows) > MAX_ROWS:
                raise _too_long(path, table.lines[MAX_ROWS])
    return table


def numbered_fields(path: Path, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Go through the rows below the header, slowly: the number of the line and its fields."""
    for count, (number, line) in enumerate(_numbered(path)):
        if count > MAX_ROWS:
            raise _too_long(path, number)
        if number > layout.header_line:
            yield number, split_line(line, layout.delimiter)


def _too_long(path: Path, line: int) -> InputError:
    return InputError(
        f"{path.name} has more than {MAX_ROWS:,} rows",
        where=f"{path}, line {line}",
        expected="a row for each gene or each sample",
        todo="Check that it is the right file; write so many samples as .h5ad or .zarr.",
    )


def _numbered(path: Path) -> Iterator[tuple[int, str]]:
    """Go through the lines that hold something, with their numbers from 1."""
    for number, line in enumerate(lines(path), start=1):
        if line.strip(" \r\n"):
            yield number, line


def _skip_comments(path: Path, content: Iterator[tuple[int, str]], notes: list[str]) -> tuple[int, str]:
    """Give the header and its line: the first line without '#', or a line with '#' that is as wide as the next one."""
    skipped, before = 0, None
    for number, line in content:
        if not line.startswith("#") or skipped >= _MOST_COMMENTS:
            break
        skipped, before = skipped + 1, (number, line)
    else:
        number, line = before if before else (1, "")
        return number, line.lstrip("#")
    if before is not None:
        mark = max("\t,;", key=line.count)
        if line.count(mark) and before[1].count(mark) == line.count(mark) and _is_row_below(before[1], line, mark):
            raise InputError(
                f"{path.name} has its header in a line that begins with '#', as comments do",
                where=f"{path}, line {before[0]}: '{before[1].strip()[:60]}'",
                expected="a header without '#'",
                todo="Delete the '#' at the beginning of that line.",
            )
        notes.append(f"{skipped} lines of comments ('#') above the header were passed over.")
    return number, line


def _is_row_below(head: str, line: str, mark: str) -> bool:
    """Whether a line is a row of numbers, some of them missing, below the names of `head`."""
    described = _count_descriptions([field.strip() for field in split_line(head, mark)[1:]])
    fields = [field.strip() for field in split_line(line, mark)[1 + described :]]
    present = [field for field in fields if field.lower() not in MISSING]
    return bool(present) and all(_is_decimal(field) for field in present)


def _count_descriptions(columns: list[str]) -> int:
    """How many of the first columns describe the rows; all of them would leave no values."""
    count = 0
    while count < len(columns) and columns[count].lower() in DESCRIPTIONS:
        count += 1
    return count if count < len(columns) else 0


def _cut_names(block: bytes, number: int, table: TextTable) -> list[bytes]:
    """Cut the name and the description off each row and note them; give the rest of each row."""
    layout = table.layout
    mark, extra = layout.delimiter.encode(), len(layout.extra)
    separators, last_head = len(layout.columns) - 1, layout.header_line + layout.n_metadata
    has_ids = any(head.lower() in ENTREZ for head in layout.extra)
    rests = []
    for row, line in enumerate(block[:-1].split(b"\n"), start=number + 1):
        if row <= last_head or not line.strip(b" \r"):
            continue
        if b'"' in line:
            name, described, rest = _unquote(line, layout)
        else:
            name, *described = line.split(mark, 1 + extra)
            rest = described.pop() if described else b""
        short = rest.count(mark) != separators or len(described) != extra
        nameless = not name.strip() and not has_ids
        if short or nameless or (separators and not rest.strip(b" ")):
            raise Irregular(f"line {row}")
        table.rows.append(name.decode().strip())
        table.lines.append(row)
        if extra:
            table.descriptions.append([field.decode().strip() for field in described])
        rests.append(rest)
    return rests


def _unquote(line: bytes, layout: Layout) -> tuple[bytes, list[bytes], bytes]:
    """The parts of a row with quotes; numbers are usually not quoted, so that only its beginning is looked at."""
    mark, cut, at = layout.delimiter.encode(), [], 0
    for _ in range(1 + len(layout.extra)):
        quoted = _QUOTED.match(line, at) if line[at : at + 1] == b'"' else None
        if quoted:
            cut.append(quoted[1].replace(b'""', b'"'))
            at = quoted.end() + 1
        else:
            field, _, _ = line[at:].partition(mark)
            cut.append(field)
            at += len(field) + 1
    rest = line[at:]
    if b'"' in rest:
        fields = split_line(rest.decode(), layout.delimiter)
        if any(layout.delimiter in field for field in fields):
            raise Irregular("a separator inside quotes")
        rest = layout.delimiter.join(fields).encode()
    return cut[0], cut[1:], rest


def to_numbers(data: bytes, mark: bytes, kind: type[np.floating] = np.float32) -> np.ndarray:
    """Parse fields to numbers, however many rows they come from.

    All fields are put below each other: one column is what the parser of pandas is fastest at, and its values lie in
    the order of the table.
    """
    import pandas as pd

    # Values that pandas would take and nobody meant: texts cut at a NUL, fields within fields, a table of truth values.
    if b"\0" in data or _NO_FIELD in data or re.search(rb"true|false", data[:65536], re.IGNORECASE):
        raise Irregular("a value that is no number")
    with warnings.catch_warnings():
        # A value too large for float32 becomes infinite and is refused with its place, not warned about.
        warnings.filterwarnings("ignore", "overflow", RuntimeWarning)
        try:
            column = pd.read_csv(
                io.BytesIO(data.replace(mark, b"\n") + b"\n"),  # without it an empty last field would be no row
                sep=_NO_FIELD.decode(),
                names=["values"],
                dtype=kind,
                engine="c",
                na_values=_MISSING_SPELLINGS,
                keep_default_na=False,
                skip_blank_lines=False,
                quoting=csv.QUOTE_NONE,
                low_memory=False,
            )["values"]
        except (ValueError, OverflowError) as failure:  # the errors of its parser are ValueErrors
            raise Irregular(str(failure)) from failure
    values = column.to_numpy()
    values.flags.writeable = True  # pandas 3 lends its values; nobody else has these
    return values


def _find_delimiter(path: Path, header: str, line: int, notes: list[str]) -> str:
    count = {mark: header.count(mark) for mark in DELIMITERS}
    by_name = {".csv": ",", ".tsv": "\t", ".tab": "\t"}.get(data_suffix(path), "\t")
    # A tab is in no name; a comma or a semicolon may be. So the suffix is believed if it can be, then tabs.
    if count[by_name] and (by_name == "\t" or not count[";"] > count[","]):
        found = by_name
    else:
        found = max(count, key=lambda mark: (count[mark] > 0, mark == "\t", count[mark]))
    if not count[found]:
        raise InputError(
            f"{path.name} is not a table: its first line has one column only",
            where=f"{path}, line {line}: '{header.strip()[:60]}'",
            expected=f"{SUPPORTED}; fields separated by tabs, commas or semicolons, names in the first column",
            todo="Check that it is the right file, and export it with tabs between the columns.",
        )
    if found != by_name:
        notes.append(f"The columns are separated by {DELIMITERS[found]}.")
    return found


def _check_first_head(path: Path, heads: list[str], line: int, first: int, fields: list[str], ends: bool) -> None:
    """Refuse to take a header that is one name short for that of R where its first name heads a column of names.

    There the last name is missing, or each row ends in a separator; as R's table every value would get the name of its
    neighbour. Beside a text, or a number as Entrez ids are, such a word may well head the first column of R's table;
    but no table of R's has rows that all end in nothing (`ends`).
    """
    word = heads[0].strip().lower()
    first_of_r = word not in NAME_HEADS or word.startswith("entrez") or not _is_decimal(fields[1])
    if first_of_r and not ends:
        return
    last = ", the last of them empty" if not fields[-1].strip() else ""
    raise InputError(
        f"{path.name} has a header that is one name short",
        where=f"{path}, line {line}: {len(heads)} names, the first of them '{heads[0].strip()}'; "
        f"line {first} has one field more: {len(fields)}{last}",
        expected="a name for every field of a row",
        todo="Add the missing name to the header, or delete the separators at the ends of the rows.",
    )


def check_header(path: Path, layout: Layout) -> None:
    """Refuse a header with names missing, and numbers in its place."""
    unnamed = [i + 2 + len(layout.extra) for i, name in enumerate(layout.columns) if not name]
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
