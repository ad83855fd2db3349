"""Large tables of numbers, genes in rows, a few rows at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from latentome.errors import InputError
from latentome.io.barcodes import looks_like_barcode, parse_barcodes
from latentome.io.files import check_exists, check_text
from latentome.io.text import find_layout
from latentome.io.unpack import lines

#: Values that are parsed together: enough to make the calls cheap, few enough to stay small.
_BLOCK = 2**18


class Wide(NamedTuple):
    """A table of genes x TCGA samples: the samples (15 characters), in order, and the rows as they come."""

    path: Path
    samples: list[str]
    rows: Iterator[tuple[str, np.ndarray]]
    notes: list[str]


def open_wide(path: Path) -> Wide:
    """Open a table with genes in its rows and TCGA barcodes above its columns; a cytoband, say, is left out.

    Each row is the name of a gene and its values, float32, samples in the order of their barcodes; missing values are
    NaN. Of samples that are the same in 15 characters the first in the file counts.

    Raises
    ------
    InputError
        If it is no such table; while iterating, if a row is ragged or holds text.
    """
    check_exists(path)
    check_text(path)
    layout = find_layout(path)
    barcodes = [i for i, name in enumerate(layout.columns) if looks_like_barcode(name)]
    if len(barcodes) < 2:
        raise InputError(
            f"{path.name} is no table of TCGA samples",
            where=f"{path}, line {layout.header_line}: {', '.join(layout.columns[:4])}, ...",
            expected="TCGA barcodes, such as TCGA-OR-A5J1-01, above the columns; genes in the rows",
            todo="For other data use 'latentome process FILE -o data.h5ad'.",
        )
    parsed = parse_barcodes(layout.columns[i] for i in barcodes)
    names = [s if s is not None else p for s, p in zip(parsed["sample"], parsed["patient"], strict=True)]
    first: dict[str, int] = {}
    for name, column in zip(names, barcodes, strict=True):
        first.setdefault(name, column)
    samples = sorted(first)
    notes = []
    if len(samples) < len(names):
        notes.append(f"{len(names) - len(samples)} further aliquots of a sample were left out of {path.name}.")
    order = np.array([first[name] for name in samples])
    return Wide(path, samples, _rows(path, layout, order, barcodes), notes)


def _rows(path: Path, layout, order: np.ndarray, barcodes: list[int]) -> Iterator[tuple[str, np.ndarray]]:
    only_numbers = len(barcodes) == len(layout.columns)
    columns = np.array(barcodes)
    position = order if only_numbers else np.searchsorted(columns, order)
    with closing(lines(path)) as content:
        numbered = enumerate(content, start=1)
        body = ((number, line) for number, line in numbered if number > layout.header_line and not line.isspace())
        step = max(1, _BLOCK // len(layout.columns))
        while block := list(islice(body, step)):
            names, texts = [], []
            for number, line in block:
                name, _, rest = line.rstrip("\r\n").partition(layout.delimiter)
                if rest.count(layout.delimiter) != len(layout.columns) - 1:
                    raise InputError(
                        f"{path.name} has a row of another length than its header",
                        where=f"{path}, line {number} ('{name}'): {rest.count(layout.delimiter) + 2} fields",
                        expected=f"{len(layout.columns) + 1} fields, as in line {layout.header_line}",
                        todo="If it is the last line, the file may be cut off: fetch it again.",
                    )
                names.append(name.strip().strip('"'))
                if not only_numbers:
                    fields = rest.split(layout.delimiter)
                    rest = layout.delimiter.join(fields[i] for i in barcodes)
                texts.append(rest)
            yield from zip(names, _parse(path, block, texts, layout.delimiter)[:, position], strict=True)


def _few_levels(texts: list[str], delimiter: str) -> np.ndarray | None:
    """Rows of -2, -1, 0, 1 and 2, many times as fast as any numbers; None if there is anything else in them."""
    if any("3" in text or "4" in text for text in texts):
        return None
    # Two other digits stand in for the negative levels: then each value is one byte, and each second byte a separator.
    codes = [np.frombuffer(t.replace("-2", "3").replace("-1", "4").encode(), dtype=np.uint8) for t in texts]
    if len({len(code) for code in codes}) > 1 or any((code[1::2] != ord(delimiter)).any() for code in codes):
        return None
    levels = np.array([code[::2] for code in codes]) - ord("0")  # other characters wrap around to large numbers
    return np.array([0, 1, 2, -2, -1], dtype=np.float32)[levels] if levels.max() < 5 else None


def _parse(path: Path, block: list[tuple[int, str]], texts: list[str], delimiter: str) -> np.ndarray:
    """Rows x columns of numbers. As one long column, which pandas reads several times as fast as a wide table."""
    import pandas as pd

    few = _few_levels(texts, delimiter)
    if few is not None:
        return few
    column = "\n".join(text.replace(delimiter, "\n") for text in texts)
    try:
        values = pd.read_csv(
            io.StringIO(column + "\n"), header=None, dtype=np.float32, skip_blank_lines=False, quotechar='"'
        )
    except ValueError as failure:
        raise InputError(
            f"{path.name} has text among its numbers",
            where=f"{path}, lines {block[0][0]} to {block[-1][0]}: {failure}",
            expected="numbers, or NA where nothing was measured",
            todo="Check that it is the right file, and complete; fetch it again.",
        ) from failure
    return values.to_numpy().reshape(len(texts), -1)
