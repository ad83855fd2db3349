"""Folders that are one matrix: results of RSEM or STAR, a file for each sample; the 10x format of sparse counts."""

from __future__ import annotations

import hashlib
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentome.errors import InputError
from latentome.io.files import check_memory, check_text, sha256
from latentome.io.genes import NOT_ASSIGNED, listed
from latentome.io.table import Table
from latentome.io.text import Irregular, Layout, numbered_fields, to_numbers
from latentome.io.unpack import blocks, lines

if TYPE_CHECKING:
    from scipy.sparse import coo_matrix

#: Endings of the files of one sample, and the columns of which the first that is there is read. The normalised values
#: come first: where a folder holds both kinds, they are what models are trained on.
ONE_SAMPLE = {
    ".normalized_results": ("normalized_count",),
    ".results": ("TPM", "raw_count", "expected_count"),
    "star_gene_counts.tsv": ("tpm_unstranded", "unstranded"),
}
_ENDINGS = re.compile(
    r"(\.rsem)?(\.genes)?\.(normalized_)?results(\.gz)?$|(\.rna_seq)?(\.augmented)?[._]star_gene_counts\.tsv(\.gz)?$"
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MATRIX = ("matrix.mtx.gz", "matrix.mtx")
_KINDS = [[b"%%matrixmarket", b"matrix", b"coordinate", kind, b"general"] for kind in (b"integer", b"real")]


def is_tenx(path: Path) -> bool:
    """Say whether a folder holds sparse counts in the format of 10x."""
    return any((path / name).is_file() for name in _MATRIX)


def sample_files(path: Path) -> tuple[str, list[Path], list[str]]:
    """Find files of single samples in a folder: the ending that is read, the files, other endings that are there."""
    found = {end: sorted(p for p in path.iterdir() if p.name.removesuffix(".gz").endswith(end)) for end in ONE_SAMPLE}
    there = [end for end, files in found.items() if files and not files[0].name.startswith(".")]
    return (there[0], found[there[0]], there[1:]) if there else ("", [], [])


def folder_sha256(files: list[Path]) -> str:
    """Hash of the names and the contents of several files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{sha256(file)}\n".encode())
    return digest.hexdigest()


def read_samples(path: Path) -> tuple[Table, str]:
    """Read a folder of RSEM or STAR, one sample a file, as one matrix, samples x genes; and the hash of its files.

    A file that lacks the column of values, has another one or other genes than the others, or is damaged, is refused.
    """
    end, files, others = sample_files(path)
    genes: list[str] | None = None
    symbols: list[str] = []
    rows, columns = [], []
    for file in files:
        names, values, column, told = _read_sample(file, end)
        symbols = symbols or told
        columns.append(column)
        if column != columns[0]:
            raise InputError(
                f"{file.name} has other values than {files[0].name}",
                where=f"{file}: {column}; there {columns[0]}",
                expected="the same column of values in all files of the folder",
                todo="Take files of one pipeline; move the others out of the folder.",
            )
        if genes is not None and names != genes:
            differing = next((i for i, (a, b) in enumerate(zip(names, genes, strict=False)) if a != b), len(genes))
            raise InputError(
                f"{file.name} has other genes than {files[0].name}",
                where=f"{file}: {len(names)} genes, there {len(genes)}; first difference at gene {differing + 1}",
                expected="the same genes in the same order in all files of the folder",
                todo="Take files of one pipeline and one annotation.",
            )
        genes = names
        rows.append(values)
    samples = _sample_names(files)
    program = "STAR" if "star" in end else "RSEM"
    notes = [f"{len(files)} files of {program}, one sample each, were read: column {columns[0]}."]
    if others:
        notes.append(f"Files that end in {' or '.join(others)} were left out; move them to a folder of their own.")
    table = Table(
        samples,
        genes or [],
        [np.array(rows, dtype=np.float32)],
        row_place=lambda i: files[i].name,
        column_place=lambda j: f"line {j + 2}",
        orientation="samples-by-genes",
        column_info={"symbol": symbols} if symbols else {},
        notes=notes,
    )
    return table, folder_sha256(files)


def _read_sample(file: Path, end: str) -> tuple[list[str], np.ndarray, str, list[str]]:
    """Names, values, which ones, and the symbols of the genes where the file has them."""
    check_text(file)
    content = numbered_fields(file, Layout("\t", "", [], 0, []))
    line, heads = next((row for row in content if not row[1][0].startswith("#")), (1, [""]))
    column = next((name for name in ONE_SAMPLE[end] if name in heads), None)
    if column is None or heads[0] != "gene_id":
        raise InputError(
            f"{file.name} has not the columns of {'STAR' if 'star' in end else 'RSEM'}",
            where=f"{file}, line {line}: {', '.join(heads[:5])}",
            expected=f"gene_id, and one of {', '.join(ONE_SAMPLE[end])}",
            todo="Check that it is a table of genes, not of isoforms, or move it out of the folder.",
        )
    at, names, values, symbols = heads.index(column), [], [], []
    symbol = heads.index("gene_name") if "gene_name" in heads else None
    for number, fields in content:
        if fields[0] in NOT_ASSIGNED:
            continue
        try:
            names.append(fields[0])
            values.append(float(fields[at]))
            if symbol is not None:
                symbols.append(fields[symbol])
        except (IndexError, ValueError) as failure:
            raise InputError(
                f"{file.name} has a row that cannot be read",
                where=f"{file}, line {number}: {' '.join(fields)[:60]!r}",
                expected=f"{len(heads)} fields, the value of {column} a number",
                todo="Fetch the file again; it may be cut off.",
            ) from failure
    return names, np.array(values, dtype=np.float32), column, symbols


def _sample_names(files: list[Path]) -> list[str]:
    """What tells the files apart: the UUID in each name, or else the name without its endings."""
    found = [_UUID.search(file.name) for file in files]
    uuids = [match[0] for match in found if match]
    if len(set(uuids)) == len(files):
        return uuids
    return [_ENDINGS.sub("", file.name) for file in files]


def read_tenx(path: Path) -> tuple[Table, str]:
    """Read a folder of 10x: ``matrix.mtx``, ``barcodes.tsv`` and ``features.tsv`` or ``genes.tsv``, plain or packed.

    Gives the table, genes x cells, and the hash of its files. One that is missing, damaged, or does not fit the others
    is refused.
    """
    matrix, barcodes, features = (
        _one(path, names) for names in (_MATRIX, ("barcodes.tsv",), ("features.tsv", "genes.tsv"))
    )
    counts = _read_matrix(matrix)
    check_memory(path, counts.shape[0] * counts.shape[1], f"{counts.shape[0]:,} genes x {counts.shape[1]:,} cells")
    cells = _read_lines(barcodes)
    genes = [line.split("\t") for line in _read_lines(features)]
    if counts.shape != (len(genes), len(cells)):
        raise InputError(
            f"The files in {path.name} do not fit each other",
            where=f"{matrix}: {counts.shape[0]} x {counts.shape[1]}; {features.name}: {len(genes)}; "
            f"{barcodes.name}: {len(cells)}",
            expected="a row of the matrix for each feature and a column for each barcode",
            todo="Take the three files of one folder of the pipeline.",
        )
    expressed = [len(gene) < 3 or gene[2].strip() == "Gene Expression" for gene in genes]
    keep = np.flatnonzero(expressed)
    notes = [f"10x counts were sparse ({counts.nnz:,} stored values) and were made dense."]
    if len(keep) < len(genes):
        notes.append(f"{len(genes) - len(keep)} features that are no genes (antibodies, say) were left out.")
    table = Table(
        [(genes[i][1] if len(genes[i]) > 1 else genes[i][0]).strip() for i in keep],
        [cell.strip() for cell in cells],
        [counts.tocsr()[keep].astype(np.float32).toarray()],
        row_place=lambda i: f"line {keep[i] + 1} of {features.name}",
        column_place=lambda j: f"line {j + 1} of {barcodes.name}",
        orientation="genes-by-samples",
        row_info={"gene_id": [genes[i][0].strip() for i in keep]},
        notes=notes,
    )
    return table, folder_sha256([matrix, barcodes, features])


def _one(path: Path, names: tuple[str, ...]) -> Path:
    wanted = [path / form for name in names for form in (name, f"{name}.gz")]
    file = next((p for p in wanted if p.is_file()), None)
    if file is None:
        inside = sorted(p.name for p in path.iterdir())
        raise InputError(
            f"{path.name} lacks {' or '.join(names)}",
            where=f"{path}: {listed(inside)}",
            expected="matrix.mtx, barcodes.tsv and features.tsv (or genes.tsv), plain or packed as .gz",
            todo="Copy the file that is missing into the folder.",
        )
    return file


def _read_lines(file: Path) -> list[str]:
    check_text(file)
    return [line.rstrip("\n") for line in lines(file) if line.strip()]


def _read_matrix(file: Path) -> coo_matrix:
    """Read sparse counts. Not with SciPy, whose reader brings the process down on some damaged files."""
    from scipy.sparse import coo_matrix

    check_text(file)
    shape: tuple[int, ...] = ()
    parts: list[np.ndarray] = []
    number = 0
    with closing(blocks(file)) as source:
        for block in source:
            if not shape:
                head = re.match(rb"(%%[^\n]*)\n(?:[ \t]*\n|%[^\n]*\n)*([^\n]*)\n", block)
                sizes = head[2].split() if head else []
                known = head is not None and head[1].lower().split() in _KINDS
                if not known or len(sizes) != 3 or not all(map(_is_size, sizes)):
                    raise _no_matrix(file, f"its first lines: {block[:80]!r}")
                shape = tuple(map(int, sizes))
                number, block = head[0].count(b"\n"), block[head.end() :]
            try:
                rows = b"\n".join(line for line in block.split(b"\n") if line.strip())
                if rows:
                    parts.append(to_numbers(b"\n".join(rows.split()), b" ", np.float64).reshape(-1, 3))
            except (Irregular, ValueError) as failure:
                raise _no_matrix(file, f"after line {number}: {failure}") from failure
            number += block.count(b"\n")
    entries = np.concatenate(parts) if parts else np.empty((0, 3))
    if not shape or len(entries) != shape[2]:
        raise _no_matrix(file, f"{len(entries):,} values, not {shape[2] if shape else 'any number of them'}")
    places = entries[:, :2]
    if not (np.isfinite(places).all() and (places >= 1).all() and (places <= shape[:2]).all()):
        raise _no_matrix(file, f"a value outside the {shape[0]} x {shape[1]} matrix")
    at = (places - 1).astype(np.int64)
    with np.errstate(over="ignore"):  # beyond float32 is infinite: refused with its place
        values = entries[:, 2].astype(np.float32)
    return coo_matrix((values, (at[:, 0], at[:, 1])), shape=shape[:2])


def _is_size(word: bytes) -> bool:
    return word.isdigit() and len(word) < 15


def _no_matrix(file: Path, where: str) -> InputError:
    return InputError(
        f"{file.name} is not a whole matrix of counts in the MatrixMarket format",
        where=f"{file}, {where}",
        expected="the header '%%MatrixMarket matrix coordinate integer general', the sizes, and one value in each line",
        todo="Fetch the file again; it may be cut off.",
    )
