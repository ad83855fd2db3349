"""Formats of text with a shape of their own: GCT of GenePattern and CLUE, PCL of the Stanford tools."""

from __future__ import annotations

import re
from contextlib import closing
from itertools import islice
from pathlib import Path

from latentome.errors import InputError
from latentome.io.files import data_suffix
from latentome.io.text import Layout, check_header, find_layout, split_line
from latentome.io.unpack import lines

_PCL_COLUMNS = {"name", "gweight", "gorder"}
_PCL_ROWS = {"eweight", "aid", "eorder"}
#: Columns, in lower case, that tell the result of one sample, by the program that writes it.
_OF_ONE_SAMPLE = {
    "kallisto": {"est_counts", "tpm"},
    "Salmon": {"effectivelength", "numreads"},
    "STAR": {"n_unmapped"},
}
_JOINED_BY = {
    "kallisto": "tximport, in R, does",
    "Salmon": "salmon quantmerge does",
    "STAR": "each has the counts in its second to fourth column",
}
#: Columns that tell the results of a test: of DESeq2, limma and edgeR.
_OF_A_TEST = ({"log2foldchange", "padj"}, {"logfc", "adj.p.val"}, {"logfc", "fdr"})


def find_format(path: Path) -> tuple[str, Layout, dict[str, list[str]]]:
    """Tell the kind of a table of text, ``table``, ``gct`` or ``pcl``; its layout; what GCT 1.3 says of samples."""
    with closing(lines(path)) as content:
        first = [line.rstrip("\n") for line in islice(content, 3)]
    version = first[0].strip()
    if version.startswith(("!Series_", "!Sample_")):
        raise InputError(
            f"{path.name} is a series matrix of GEO, with lines about the samples around the table",
            where=f"{path}, line 1: '{version[:60]}'",
            expected="the table alone",
            todo=f"Take these lines away: gzip -cdf {path.name} | grep -v '^!' > table.tsv. What they tell of the "
            "samples can be given as --labels, samples in rows.",
        )
    if re.fullmatch(r"#1\.[23]\t*", version) or data_suffix(path) == ".gct":
        layout, samples = _gct(path, version.rstrip("\t"), first)
        return "gct", layout, samples
    heads = [head.strip().lower() for head in first[0].split("\t")]
    second = first[1].split("\t")[0].strip().lower() if len(first) > 1 else ""
    if data_suffix(path) == ".pcl" or (len(heads) > 2 and heads[2] == "gweight") or second == "eweight":
        return "pcl", _pcl(path), {}
    layout = find_layout(path)
    _check_no_results(path, {head.lower() for head in (layout.corner, *layout.extra, *layout.columns)})
    return "table", layout, {}


def _check_no_results(path: Path, heads: set[str]) -> None:
    """Refuse what programs write of one sample, or of a test, whose columns would be taken for samples."""
    program = next((name for name, telling in _OF_ONE_SAMPLE.items() if telling <= heads), None)
    if program is not None:
        raise InputError(
            f"{path.name} is one sample of {program}",
            where=f"{path}: columns such as {' and '.join(sorted(_OF_ONE_SAMPLE[program]))}",
            expected="a value for each gene in each sample",
            todo=f"Join all samples into one table; {_JOINED_BY[program]}.",
        )
    found = next((telling for telling in _OF_A_TEST if telling <= heads), None)
    if found is not None:
        raise InputError(
            f"{path.name} has results of a test of differential expression, and no expression",
            where=f"{path}: columns such as {' and '.join(sorted(found))}",
            expected="a value for each gene in each sample",
            todo="Give the table that the test was made of: counts, or normalised values.",
        )


def _gct(path: Path, version: str, first: list[str]) -> tuple[Layout, dict[str, list[str]]]:
    sizes = first[1].split() if len(first) > 1 else []
    heads = split_line(first[2], "\t") if len(first) > 2 else []
    wanted = {"#1.2": 2, "#1.3": 4}.get(version)
    if wanted is None or len(sizes) < wanted or not all(size.isdigit() for size in sizes):
        raise _no_gct(path, f"lines 1 and 2: '{version[:30]}', '{' '.join(sizes)[:30]}'")
    n_extra, n_metadata = (int(sizes[2]), int(sizes[3])) if version == "#1.3" else (1, 0)
    if len(heads) != 1 + n_extra + int(sizes[1]):
        raise _no_gct(path, f"line 3: {len(heads)} names, but line 2 tells of {sizes[1]} samples")
    corner, *columns = [head.strip() for head in heads]
    notes = [f"Read as GCT {version[1:]}: {sizes[0]} genes, {sizes[1]} samples."]
    layout = Layout("\t", corner, columns[n_extra:], 3, notes, tuple(columns[:n_extra]), n_metadata)
    check_header(path, layout)
    with closing(lines(path)) as content:
        rows = [split_line(line, "\t") for line in islice(content, 3, 3 + n_metadata)]
    return layout, {row[0]: [value.strip() for value in row[1 + n_extra :]] for row in rows}


def check_gct_rows(path: Path, n_rows: int) -> None:
    """Refuse a GCT file that has not as many rows of genes as its second line says."""
    with closing(lines(path)) as content:
        said = int(list(islice(content, 2))[1].split()[0])
    if said != n_rows:
        raise InputError(
            f"{path.name} has {n_rows} genes, and says that it has {said}",
            where=f"{path}, line 2",
            expected=f"{said} rows of genes",
            todo="Fetch it again, it may be cut off; or correct the number in line 2.",
        )


def _no_gct(path: Path, where: str) -> InputError:
    return InputError(
        f"{path.name} has not the header of a GCT file",
        where=f"{path}, {where}",
        expected="#1.2 and 'genes samples', or #1.3 and 'genes samples row-fields sample-fields', then the names",
        todo="Write it again, or take the first two lines away and call it .tsv.",
    )


def _pcl(path: Path) -> Layout:
    layout = find_layout(path)
    names = list(layout.columns)
    extra = list(layout.extra)
    while names and names[0].lower() in _PCL_COLUMNS:
        extra.append(names.pop(0))
    with closing(lines(path)) as content:
        following = islice(content, layout.header_line, layout.header_line + 3)
        below = [split_line(line, layout.delimiter)[0] for line in following]
    weights = 0
    while weights < len(below) and below[weights].strip().lower() in _PCL_ROWS:
        weights += 1
    notes = ["Read as PCL: weights of genes and experiments were set aside."]
    return layout._replace(columns=names, extra=tuple(extra), n_metadata=weights, notes=notes)
