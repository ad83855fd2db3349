"""Refusals of tables that cannot be used: each names the samples, the genes, how many, and the way out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from latentome.errors import InputError
from latentome.io.genes import listed
from latentome.io.orientation import find_orientation
from latentome.io.text import DELIMITERS, MISSING, Layout, numbered_fields

#: The largest shares of missing values, of all and of one sample or gene, that are filled on request.
MOST_MISSING, MOST_MISSING_OF_ONE = 0.1, 0.5
_MOST_CELLS = 100_000
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_COMMA_DECIMAL = re.compile(r"[-+]?\d+(\.\d{3})*,\d+")


class Grid(NamedTuple):
    """Where values are, in words: names of samples and genes, and the place of each in the file."""

    file: Path
    samples: Sequence[str]
    genes: Sequence[str]
    sample_place: Callable[[int], str]
    gene_place: Callable[[int], str]


class Cells(NamedTuple):
    """Values that are wrong: positions of sample and gene, the value as the file has it, and whether there are more."""

    samples: list[int]
    genes: list[int]
    values: list[str]
    capped: bool = False


def text_grid(path: Path, layout: Layout, rows: list[str], lines: list[int], orientation: str) -> Grid:
    """Describe a table of text of a known orientation."""

    def line(i: int) -> str:
        return f"line {lines[i]}"

    def column(i: int) -> str:
        return f"column {i + 2 + len(layout.extra)}"

    if orientation == "samples-by-genes":
        return Grid(path, rows, layout.columns, line, column)
    return Grid(path, layout.columns, rows, column, line)


def check_samples(grid: Grid, least: int = 2) -> None:
    """Refuse samples named twice, and fewer than `least` of them: two, to learn from."""
    count = Counter(grid.samples)
    repeated = {name: [] for name, times in count.items() if times > 1}
    for position, name in enumerate(grid.samples):
        if name in repeated:
            repeated[name].append(grid.sample_place(position))
    if repeated:
        places = "; ".join(f"{name} at {', '.join(at[:3])}" for name, at in list(repeated.items())[:5])
        many = f"{len(repeated)} sample name{'s' if len(repeated) > 1 else ''}"
        raise InputError(
            f"{grid.file.name} has {many} more than once: {listed(list(repeated))}",
            where=f"{grid.file}: {places}",
            expected="every sample once",
            todo="Give each sample its own name, or keep one of each.",
        )
    if len(grid.samples) < least:
        raise InputError(
            f"{grid.file.name} has {_count(grid.samples, 'sample')}: too few" + (" to learn from" if least > 1 else ""),
            where=f"{grid.file}: {len(grid.samples)} samples x {len(grid.genes)} genes",
            expected=f"at least {least} sample{'' if least == 1 else 's'}",
            todo="Join the tables of all samples into one; if the table is the other way round, give orientation=.",
        )


def check_finite(grid: Grid, blocks: Sequence[np.ndarray], transposed: bool, missing: str = "refuse") -> list[str]:
    """Refuse missing and infinite values, or with ``missing="keep"`` keep a few missing ones and say so in sentences.

    The blocks are rows x columns as in the file, whose rows are genes if it is `transposed`.
    """
    found: list[np.ndarray] = []
    words: list[str] = []
    start = infinite = 0
    for whole in blocks:
        step = max(1, 4_000_000 // max(1, whole.shape[1]))
        for first in range(0, len(whole), step):  # in steps: a mask of everything would cost a quarter of the matrix
            block = whole[first : first + step]
            wrong = ~np.isfinite(block)
            if wrong.any():
                at = np.argwhere(wrong)
                infinite += int(np.isinf(block[wrong]).sum())
                words += [str(block[i, j]) for i, j in at[: max(0, 10 - len(words))]]
                found.append(at + (start + first, 0))
        start += len(whole)
    if not found:
        return []
    at = np.concatenate(found)
    samples, genes = at[:, 1 if transposed else 0], at[:, 0 if transposed else 1]
    if missing == "keep" and not infinite:
        return [_accept_missing(grid, samples, genes)]
    raise missing_refusal(grid, Cells(samples.tolist(), genes.tolist(), words))


def _accept_missing(grid: Grid, samples: np.ndarray, genes: np.ndarray) -> str:
    """Say how many values are missing, or refuse if they are too many to be filled."""
    n_samples, n_genes = len(grid.samples), len(grid.genes)
    share = len(samples) / (n_samples * n_genes)
    by_sample = np.bincount(samples, minlength=n_samples) / n_genes
    # Of a single sample a gene lacks all or nothing: no share of it could be too large.
    by_gene = np.bincount(genes, minlength=n_genes) / n_samples if n_samples > 1 else np.zeros(n_genes)
    empty = [f"sample '{grid.samples[i]}' ({grid.sample_place(i)})" for i in _over(by_sample)]
    empty += [f"gene '{grid.genes[i]}' ({grid.gene_place(i)})" for i in _over(by_gene)]
    if share > MOST_MISSING or empty:
        raise InputError(
            f"{grid.file.name} lacks too many values to fill them: {share:.1%} of all",
            where=f"{grid.file}: {len(samples):,} values"
            + (f"; more than half of {listed(empty, 3)}" if empty else ""),
            expected=f"at most {MOST_MISSING:.0%} of all values missing, and half of one sample or gene",
            todo="Delete these samples and genes, or measure again: what is filled in is invented.",
        )
    return f"{len(samples):,} of {n_samples * n_genes:,} values ({share:.2%}) are missing."


def _over(shares: np.ndarray) -> list[int]:
    return np.flatnonzero(shares > MOST_MISSING_OF_ONE).tolist()


def missing_refusal(grid: Grid, cells: Cells) -> InputError:
    """Say which values are missing or infinite."""
    bound = "at least " if cells.capped else ""
    return InputError(
        f"{grid.file.name} has {bound}{_count(cells.samples, 'value')} missing or infinite "
        "(empty, NA, NaN, inf, or beyond float32)",
        where=_places(grid, cells),
        expected="a finite number for every sample and gene",
        todo="Delete these samples or genes; or fill the gaps by a rule that fits the measurement: a few missing "
        "values with the training mean of their gene (--impute mean, or missing='keep').",
    )


def text_refusal(grid: Grid, cells: Cells, missing: int, first_column: str) -> InputError:
    """Say which values are text, and what the text may be."""
    todo = "Correct these values, or delete these columns."
    commas = [word.strip() for word in cells.values[:100] if "," in word]
    if commas and all(map(_THOUSANDS.fullmatch, commas)):
        todo = (
            "The commas seem to separate thousands: export the table without them (with sed, for a file with tabs or "
            "semicolons: sed 's/,//g'). If they are decimal ones, export it with decimal points."
        )
    elif any(map(_COMMA_DECIMAL.fullmatch, commas)):
        todo = (
            "The numbers seem to have a decimal comma: export the table with decimal points "
            "(with sed, for a file with tabs or semicolons: sed 's/,/./g')."
        )
    elif first_column:
        todo = (
            f"The column '{first_column}' looks like labels or a description. Put labels of samples into a separate "
            "file (first column: sample names) and give it with --labels, or latentome.io.read_labels and add_labels; "
            "delete descriptions of genes."
        )
    also = f"; missing besides: {missing:,}" if missing else ""
    bound = "at least " if cells.capped else ""
    return InputError(
        f"{grid.file.name} has text among its numbers: {bound}{_count(cells.samples, 'value')}{also}",
        where=_places(grid, cells),
        expected="numbers only, apart from the names in the first row and the first column",
        todo=todo,
    )


def diagnose(path: Path, layout: Layout, reason: str, orientation: str) -> InputError:
    """Read a table again, slowly, to say what is wrong with it; `reason` is what the fast reader said.

    The orientation is the user's; ``auto`` is decided from the names here.
    """
    rows: list[str] = []
    numbers: list[int] = []
    ragged: list[str] = []
    others: set[str] = set()
    text, missing = Cells([], [], []), Cells([], [], [])
    for number, (name, *fields) in numbered_fields(path, layout):
        if number <= layout.header_line + layout.n_metadata:
            continue
        if not name.strip():
            return _nameless(path, number)
        if len(fields) + 1 != layout.width:
            ragged.append(f"line {number} ('{name[:40]}') has {len(fields) + 1}")
            others |= {mark for mark in "\t,;" if mark != layout.delimiter and name.count(mark) >= layout.width - 1}
            continue
        fields = fields[len(layout.extra) :]
        rows.append(name.strip())
        numbers.append(number)
        if len(text.values) + len(missing.values) < _MOST_CELLS:
            _sort_out(fields, len(rows) - 1, text, missing)
    if ragged:
        return _ragged(path, layout, ragged, others)
    word = find_orientation(rows, layout.columns, layout.corner)[0] if orientation == "auto" else orientation
    grid = text_grid(path, layout, rows, numbers, word)
    capped = len(text.values) + len(missing.values) >= _MOST_CELLS
    if text.values:
        return text_refusal(grid, _named(text, word, capped), len(missing.values), _text_column(layout, rows, text))
    if missing.values:
        return missing_refusal(grid, _named(missing, word, capped))
    return InputError(
        f"{path.name} cannot be read as a table of numbers",
        where=f"{path}: {reason}",
        expected="plain decimal numbers",
        todo="Write the numbers plainly, such as 12.5 or 1.25e1.",
    )


def _sort_out(fields: list[str], row: int, text: Cells, missing: Cells) -> None:
    """Note the fields of one row that are no finite numbers: text, or missing."""
    try:
        plain = "".join(fields).isascii() and "_" not in "".join(fields)
        if plain and np.isfinite(np.array(fields, dtype=np.float32)).all():
            return
    except ValueError:
        pass  # the usual case here: the fields are looked at one by one below
    for column, field in enumerate(fields):
        word = field.strip() if field.isascii() else field
        if not word.isascii():  # digits of another script, a space that does not break: Python takes them, no reader
            kind = text
        elif word.lower() in MISSING:
            kind = missing
        else:
            try:
                finite = np.isfinite(np.float32(word))
                kind = text if "_" in word else None if finite else missing
            except ValueError:
                kind = text
        if kind is not None:
            kind.samples.append(row)
            kind.genes.append(column)
            kind.values.append(word)


def _named(cells: Cells, orientation: str, capped: bool) -> Cells:
    """Rows and columns become samples and genes."""
    if orientation == "samples-by-genes":
        return cells._replace(capped=capped)
    return Cells(cells.genes, cells.samples, cells.values, capped)


def _text_column(layout: Layout, rows: list[str], text: Cells) -> str:
    """Name the first column that is text in all rows, if there is one."""
    full = [column for column, times in Counter(text.genes).items() if times == len(rows)]
    return layout.columns[min(full)] if full else ""


def _places(grid: Grid, cells: Cells) -> str:
    shown = [
        f"sample '{grid.samples[i]}' ({grid.sample_place(i)}), "
        f"gene '{grid.genes[j]}' ({grid.gene_place(j)}): {word[:30]!r}"
        for i, j, word in zip(cells.samples[:3], cells.genes[:3], cells.values[:3], strict=True)
    ]
    samples = [grid.samples[i] for i in dict.fromkeys(cells.samples)]
    genes = [grid.genes[j] for j in dict.fromkeys(cells.genes)]
    more = "; ..." if len(cells.samples) > 3 else ""
    indent = "\n" + " " * 12  # under the text that LatentomeError puts after "where:"
    return (
        f"{grid.file}: {'; '.join(shown)}{more}"
        f"{indent}samples ({len(samples)} of {len(grid.samples)}): {listed(samples)}"
        f"{indent}genes ({len(genes)} of {len(grid.genes)}): {listed(genes)}"
    )


def _count(things: Sequence, noun: str) -> str:
    return f"{len(things):,} {noun}{'' if len(things) == 1 else 's'}"


def _nameless(path: Path, line: int) -> InputError:
    return InputError(
        f"{path.name} has a row without a name",
        where=f"{path}, line {line}",
        expected="a name in the first column of every row",
        todo="Name the row, or delete it if it is empty.",
    )


def _ragged(path: Path, layout: Layout, ragged: list[str], others: set[str]) -> InputError:
    todo = "Correct these lines; if the last one is short, the file may be cut off: fetch it again."
    if others:
        words = " and ".join(DELIMITERS[mark] for mark in sorted(others))
        todo = f"These lines hold {words}, the header {DELIMITERS[layout.delimiter]}: use one separator throughout."
    return InputError(
        f"{path.name} has {len(ragged)} {'row' if len(ragged) == 1 else 'rows'} of another length than its header",
        where=f"{path}: {'; '.join(ragged[:3])}{'; ...' if len(ragged) > 3 else ''} fields",
        expected=f"{layout.width} fields in every line, as in line {layout.header_line}",
        todo=todo,
    )
