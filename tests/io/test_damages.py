"""Real kinds of damage: each is refused with a message that names the place and the way out, and nothing is written.

The table of the messages in docs/input.md is made here. After a change of a message write it anew:
LATENTOME_WRITE_DOCS=1 python -m pytest tests/io/test_damages.py
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from latentome.cli.main import run
from latentome.io import unpack

PAGE = Path(__file__).resolve().parents[2] / "docs" / "input.md"
BEGIN, END = "<!-- damages: made by tests/io/test_damages.py -->", "<!-- end of damages -->"
GENES = ["TP53", "KRAS", "EGFR", "MYC", "PTEN", "RB1"]
SAMPLES = [f"S{i + 1}" for i in range(12)]
_VALUES = np.random.default_rng(0).gamma(2.0, 3.0, (12, 6)).round(3)
_TEXT = pd.DataFrame(_VALUES, SAMPLES, GENES).to_csv(sep="\t", index_label="sample")
_PACKED = gzip.compress((_TEXT * 1).encode() * 1, mtime=0)
_LONG = "".join([_TEXT, *(f"T{i}" + "\t1.25\t0.5\t7.75\t3.5\t2.25\t9.5\n" for i in range(3000))]).encode()
_LABELS = "sample\ttype\n" + "".join(f"{s}\t{'AB'[i % 2]}\n" for i, s in enumerate(SAMPLES))


def cell(word: str, row: int = 3, column: int = 2) -> bytes:
    """The good table with one field replaced: row 0 is the header, column 0 the names."""
    lines = [line.split("\t") for line in _TEXT.splitlines()]
    lines[row][column] = word
    return "".join("\t".join(line) + "\n" for line in lines).encode()


def line(number: int, text: str) -> bytes:
    lines = _TEXT.splitlines()
    lines[number - 1] = text
    return ("\n".join(lines) + "\n").encode()


def commas(text: str, lines: slice) -> bytes:
    rows = text.splitlines()
    rows[lines] = [row.replace("\t", ",") for row in rows[lines]]
    return ("\n".join(rows) + "\n").encode()


def altered(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def h5ad(change) -> bytes:
    adata = anndata.AnnData(pd.DataFrame(_VALUES, SAMPLES, GENES))
    change(adata)
    path = Path(os.environ["DAMAGES"]) / "made.h5ad"
    adata.write_h5ad(path)
    content = path.read_bytes()
    path.unlink()
    return content


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("data.tsv", _TEXT)
    return stream.getvalue()


def no_x(adata) -> None:
    adata.X = None


#: What is wrong: the name of the file, its content (or contents, for a folder), further options.
DAMAGES: dict[str, tuple] = {
    "the file is not there": ("data.tsv", None),
    "no byte in it": ("data.tsv", b""),
    "blank lines only": ("data.tsv", b"\n\n \n"),
    "a packed file with nothing in it": ("data.tsv.gz", gzip.compress(b"", mtime=0)),
    "a header and nothing else": ("data.tsv", _TEXT.splitlines(keepends=True)[0].encode()),
    "one sample": ("data.tsv", "".join(_TEXT.splitlines(keepends=True)[:2]).encode()),
    "a folder that is no data": ("folder", {"notes.txt": b"x"}),
    "a file of another kind": ("sets.gmt", b"HALLMARK\tx\tTP53\n"),
    "cut in the middle of a row": ("data.tsv", _TEXT[:-25].encode()),
    "a .gz cut off": ("data.tsv.gz", gzip.compress(_LONG, mtime=0)[:400]),
    "a .bz2 cut off": ("data.tsv.bz2", bz2.compress(_LONG)[:300]),
    "a .xz cut off": ("data.tsv.xz", lzma.compress(_LONG)[:300]),
    "a .gz with an altered byte": ("data.tsv.gz", altered(_PACKED, 60)),
    "a .gz with a wrong checksum": ("data.tsv.gz", altered(_PACKED, len(_PACKED) - 6)),
    "spaces between the columns": ("data.txt", _TEXT.replace("\t", " ").encode()),
    "commas in some rows, tabs in others": ("data.tsv", commas(_TEXT, slice(4, 6))),
    "commas in the header, tabs below": ("data.tsv", commas(_TEXT, slice(0, 1))),
    "text among the numbers": ("data.tsv", cell("high")),
    "decimal commas": ("data.tsv", _TEXT.replace(".", ",").encode()),
    "separators of thousands": ("data.tsv", cell("1,234.5")),
    "underscores in numbers": ("data.tsv", cell("1_000")),
    "hexadecimal numbers": ("data.tsv", cell("0x1F")),
    "truth values": ("data.tsv", cell("TRUE")),
    "UTF-16": ("data.tsv", _TEXT.encode("utf-16")),
    "Latin-1": ("data.tsv", cell("Tumör", 5, 0).decode().encode("latin-1")),
    "NUL bytes": ("data.tsv", cell("1\0.5")),
    "NUL bytes far inside": ("data.tsv", _LONG + b"T9\t1\t2\t3\t\0\t5\t6\n"),
    "random bytes": ("data.tsv", b"\x07" + np.random.default_rng(0).bytes(3000)),
    "old Macintosh line ends": ("data.tsv", _TEXT.replace("\n", "\r").encode()),
    "a row that is too long": ("data.tsv", line(5, "S4" + "\t1" * 8)),
    "a row without a name": ("data.tsv", cell("", 4, 0)),
    "a column without a name": ("data.tsv", cell("", 0, 3)),
    "a name missing at the end of the header": ("data.tsv", _TEXT.replace("\tRB1", "").encode()),
    "a separator at the end of each row": ("data.tsv", _TEXT.replace("\n", "\t\n").replace("\t\n", "\n", 1).encode()),
    "a separator at the end of the header": ("data.tsv", _TEXT.replace("\n", "\t\n").encode()),
    "no header": ("data.tsv", "".join(_TEXT.splitlines(keepends=True)[1:]).encode()),
    "a header behind '#'": ("data.tsv", ("#" + _TEXT).encode()),
    "a quote that is never closed": ("data.tsv", cell('"1.5')),
    "a sample twice": ("data.tsv", cell("S1", 7, 0)),
    "a gene twice": ("data.tsv", cell("TP53", 0, 4)),
    "genes that a spreadsheet made dates": ("data.tsv", cell("1-Mar", 0, 2).replace(b"MYC", b"1-Mar")),
    "all values the same": ("data.tsv", re.sub(r"\t[\d.]+", "\t0", _TEXT).encode()),
    "an infinite value": ("data.tsv", cell("inf")),
    "a value beyond float32": ("data.tsv", cell("1e60")),
    "a value missing": ("data.tsv", cell("NA")),
    "most values missing": ("data.tsv", re.sub(r"\t\d\.\d+", "\tNA", _TEXT).encode(), "--impute", "mean"),
    "negative values where a logarithm is asked for": ("data.tsv", cell("-3"), "--transform", "log2p1"),
    "a column of labels among the genes": ("data.tsv", re.sub(r"(?m)^(S\d+)\t[\d.]+", r"\1\tACC", _TEXT).encode()),
    "a git-lfs pointer": ("data.tsv.gz", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"),
    "a web page saved as .tsv.gz": ("data.tsv.gz", b"<!DOCTYPE html><html><body>404 Not Found</body></html>"),
    "a spreadsheet": ("data.xlsx", archive()),
    "a zip archive called .tsv": ("data.tsv", archive()),
    "a PDF called .csv": ("data.csv", b"%PDF-1.7\n" + b"x" * 99),
    "a line without an end": ("data.tsv", b"sample\t" + b"1\t" * 2_000_000),
    "a packed file that unpacks to far too much": (
        "data.tsv.gz",
        gzip.compress(b"s\tA\n" + b"0\t0\n" * 4_000_000, 9, mtime=0),
    ),
    "an .h5ad cut off": ("data.h5ad", lambda: h5ad(lambda adata: None)[:3000]),
    "an .h5ad without X": ("data.h5ad", lambda: h5ad(no_x)),
    "text called .h5ad": ("data.h5ad", _TEXT.encode()),
    "a .zarr folder cut off": ("data.zarr", {".zgroup": b"{", "zarr.json": b"{"}),
    "a GCT file without its sizes": ("data.gct", _TEXT.encode()),
    "a GCT file with other sizes": (
        "data.gct",
        b"#1.2\n2\t9\nName\tDescription\tS1\tS2\nTP53\tx\t1\t2\nKRAS\tx\t3\t4\n",
    ),
    "one sample of RSEM": ("a.genes.results", b"gene_id\traw_count\nTP53|7157\t1\n"),
    "RSEM results of different genes": (
        "folder",
        {
            "a.genes.normalized_results": b"gene_id\tnormalized_count\nTP53|7157\t1\n",
            "b.genes.normalized_results": b"gene_id\tnormalized_count\nKRAS|3845\t1\n",
        },
    ),
    "RSEM results of another kind": (
        "folder",
        {
            "a.isoforms.results": b"transcript_id\traw_count\nuc1\t1\n",
            "b.isoforms.results": b"transcript_id\tx\nuc1\t1\n",
        },
    ),
    "10x without its barcodes": (
        "folder",
        {"matrix.mtx": b"%%MatrixMarket matrix coordinate integer general\n1 1 0\n"},
    ),
    "10x of other sizes": (
        "folder",
        {
            "matrix.mtx": b"%%MatrixMarket matrix coordinate integer general\n2 2 1\n1 1 5\n",
            "barcodes.tsv": b"A\n",
            "genes.tsv": b"ENSG1\tTP53\nENSG2\tKRAS\n",
        },
    ),
    "10x counts cut off": (
        "folder",
        {
            "matrix.mtx": b"%%MatrixMarket matrix coordinate integer general\n2 2 3\n1 1 5\n",
            "barcodes.tsv": b"A\nB\n",
            "genes.tsv": b"ENSG1\tTP53\nENSG2\tKRAS\n",
        },
    ),
    "labels of other samples": ("data.tsv", _TEXT.encode(), "--labels", _LABELS.replace("S", "P")),
    "labels the other way round": (
        "data.tsv",
        _TEXT.encode(),
        "--labels",
        "label\t" + "\t".join(SAMPLES) + "\ntype" + "\tA" * 12 + "\n",
    ),
    "labels that disagree": ("data.tsv", _TEXT.encode(), "--labels", _LABELS + "S1\tB\n"),
    "labels with a row too short": ("data.tsv", _TEXT.encode(), "--labels", _LABELS + "S13\n"),
    "a list of genes of another matrix": ("data.tsv", _TEXT.encode(), "--genes", "ENSG00000141510\nENSG00000133703\n"),
}


#: What a library says in these messages differs from version to version.
FOREIGN = (
    *("a .gz cut off", "a .bz2 cut off", "a .xz cut off", "a .gz with an altered byte", "a .gz with a wrong checksum"),
    *("an .h5ad cut off", "a .zarr folder cut off", "10x counts cut off"),
)


def make(folder: Path, name: str, content, *options: str) -> list[str]:
    """Write what is damaged; give the arguments that name it."""
    path = folder / name
    content = content() if callable(content) else content
    if isinstance(content, dict):
        path.mkdir()
        for file, inside in content.items():
            (path / file).write_bytes(inside)
    elif content is not None:
        path.write_bytes(content)
    arguments = [str(path)]
    for option in options:
        if "\n" in option:
            beside = folder / f"{arguments[-1].strip('-')}.tsv"
            beside.write_text(option)
            option = str(beside)
        arguments.append(option)
    return arguments


@pytest.fixture(scope="module")
def messages(tmp_path_factory) -> dict[str, dict[str, str]]:
    """What is said of each damage: the four parts of the message."""
    said = {}
    top = tmp_path_factory.mktemp("damages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAMAGES", str(top))
        # The two bounds of memory, smaller by a hundred: files of gigabytes would take minutes to make.
        patch.setattr(unpack, "MAX_LINE", 2 * 2**20)
        patch.setattr(unpack, "HARMLESS", 2 * 2**20)
        patch.setattr(unpack, "BLOCK_BYTES", 2**20)
        for number, (kind, (name, content, *options)) in enumerate(DAMAGES.items()):
            folder = top / str(number)
            folder.mkdir()
            arguments = make(folder, name, content, *options)
            before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
            with redirect_stdout(io.StringIO()) as printed, redirect_stderr(io.StringIO()) as told:
                code = run(
                    ["train", *arguments, "-o", str(folder / "out"), "-z", "2", "-e", "1", "--test-size", "0.25"]
                )
            text = told.getvalue()
            assert code == 2, f"{kind}: {code}\n{text}"
            assert printed.getvalue() == ""
            assert "Traceback" not in text
            assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before, kind
            text = text[text.index("latentome: ") + 11 :].replace(f"{folder}/", "").replace(str(folder), ".").strip()
            parts = re.fullmatch(r"(.*?)\n  where:    (.*)\n  expected: (.*)\n  to do:    (.*)", text, re.DOTALL)
            assert parts, text
            said[kind] = dict(zip(("what", "where", "expected", "todo"), parts.groups(), strict=True))
    return said


def test_every_damage_is_refused_with_its_place_and_the_way_out(messages):
    assert len(messages) == len(DAMAGES) >= 60
    for kind, parts in messages.items():
        name = DAMAGES[kind][0]
        assert all(parts.values()), kind
        told = parts["what"] + parts["where"]
        beside = [*DAMAGES[kind][2:3], ""][0].strip("-")
        inside = DAMAGES[kind][1] if isinstance(DAMAGES[kind][1], dict) else {}
        assert any(word and word in told for word in (name, beside, "label", "list of genes", *inside, "row")), told


def test_the_table_in_the_documentation_is_what_is_said(messages):
    rows = [f"{BEGIN}\n\n| what is wrong | message | where | what to do |\n|---|---|---|---|"]
    for kind, parts in messages.items():
        cells = (kind, parts["what"], parts["where"], parts["todo"])
        if kind in FOREIGN:
            cells = tuple(
                re.sub(r"((?:off|damaged|data\.h5ad|data\.zarr|matrix\.mtx):) .*", r"\1 ...", cell) for cell in cells
            )
        rows.append(
            "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |"
        )
    made = "\n".join(rows) + f"\n\n{END}"
    page = PAGE.read_text(encoding="utf-8")
    start, end = page.index(BEGIN), page.index(END) + len(END)
    if os.environ.get("LATENTOME_WRITE_DOCS"):
        PAGE.write_text(page[:start] + made + page[end:], encoding="utf-8")
        return
    assert page[start:end] == made
