"""Which way round a table is: samples in its rows, or genes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from latentome.errors import InputError, nearest
from latentome.io.barcodes import looks_like_barcode
from latentome.io.genes import are_row_numbers, known_names

Orientation = Literal["samples-by-genes", "genes-by-samples"]
CHOICES = ("auto", "samples-by-genes", "genes-by-samples")
# A table without a single telling name is taken for genes x samples only if it is as long as a transcriptome.
TRANSCRIPTOME = 5000

_GENE = re.compile(
    r"ENS[A-Z]{0,4}[GT]\d{11}(\.\d+)?(\|.*)?|.+\|\d+|\S+ \(\d{3,}\)|\d+(_[a-z])?_at"
    r"|Y[A-P][LR]\d{3}[WC](-[A-Z])?|PA\d{4}(\.\d)?|(gene|feature|probe)[-_. ]?\d+",
    re.IGNORECASE,
)
_SAMPLE = re.compile(
    r"(GSM|SRR|ERR|DRR|SAM[NED]A?)\d+|[ACGT]{10,}([-_.]\w+)?|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(sample|patient|subject|donor|cell|tumou?r|normal|control|ctrl|case)[-_. ]?\w*\d+",
    re.IGNORECASE,
)
_GENE_HEADS = {
    "gene",
    "genes",
    "gene_id",
    "gene_name",
    "gene_symbol",
    "symbol",
    "hugo_symbol",
    "entrez",
    "entrez_gene_id",
}
SAMPLE_HEADS = {"sample", "samples", "sample_id", "sampleid", "barcode", "tcga_id", "patient", "patient_id", "cell"}
#: Headings of the column of names, of genes or of samples; lower case.
NAME_HEADS = frozenset(_GENE_HEADS | SAMPLE_HEADS)


def check_orientation(orientation: str) -> None:
    """Refuse an unknown word for the orientation."""
    if orientation not in CHOICES:
        raise InputError(
            f"Unknown orientation '{orientation}'",
            where="orientation",
            expected=" or ".join(CHOICES),
            todo=nearest(orientation, CHOICES),
        )


def find_orientation(rows: Sequence[str], columns: Sequence[str], corner: str) -> tuple[Orientation, str]:
    """Decide from the names, and only then from the shape, which way round a table is; and the reason, a sentence.

    `rows` and `columns` are names; `corner`, which may be empty, heads the names of the rows.
    """
    head = corner.strip().lower().lstrip("#")
    by_head = True if head in SAMPLE_HEADS else False if head in _GENE_HEADS else None
    upright, by_words = (_by_names(rows, columns, test) for test in (_is_gene, _is_gene_word))
    if upright is not None and upright != by_words:
        # Bare numbers alone speak for it. Of Entrez ids nearly all are known, of other numbers fewer: where these may
        # be numbers of samples, the heading knows, or the words on the other side, if most of them are genes.
        sides = (columns, rows) if upright else (rows, columns)
        if _share(sides[0], _is_gene) < 0.95 and by_head != upright:
            if by_head is not None:
                upright = None
            elif _share(sides[1], _is_gene_word) >= 0.5:
                upright = by_words
    if upright is not None:
        word: Orientation = "samples-by-genes" if upright else "genes-by-samples"
        genes, samples = (columns, rows) if upright else (rows, columns)
        axis = "columns" if upright else "rows"
        by = (
            f"{_share(genes, _is_gene):.0%} of the names of the {axis} are gene names and "
            f"{_share(samples, _is_sample):.0%} of the others are sample names"
        )
        return word, f"Read as {word}: {by}."
    if by_head is not None:
        word = "samples-by-genes" if by_head else "genes-by-samples"
        return word, f"Read as {word}: the first column is headed '{corner}'."
    long = len(rows) >= TRANSCRIPTOME and len(rows) > 2 * len(columns)
    word = "genes-by-samples" if long else "samples-by-genes"
    return word, (
        f"Read as {word} by its shape alone ({len(rows)} rows, {len(columns)} columns), since no name was recognised: "
        f"say which way round it is (--orientation, orientation=) if this is wrong."
    )


def check_upright(path: Path, samples: Sequence[str], genes: Sequence[str]) -> None:
    """Refuse AnnData whose samples are named as genes are, and whose genes as samples are, most of them."""
    of_genes, of_samples = _share(samples, _is_gene_word), _share(genes, _is_sample)
    if min(of_genes, of_samples) < 0.5 or _share(genes, _is_gene) >= 0.1:
        return
    raise InputError(
        f"{path.name} has genes where AnnData has samples",
        where=f"{path}: {of_genes:.0%} of the names in obs are gene names, such as {samples[0]}; "
        f"{of_samples:.0%} of those in var are sample names, such as {genes[0]}",
        expected="samples in obs and genes in var",
        todo="Give --orientation genes-by-samples (orientation= in Python), or write it anew as adata.T; "
        "--orientation samples-by-genes takes it as it is.",
    )


def _by_names(rows: Sequence[str], columns: Sequence[str], is_gene: Callable[[str], bool]) -> bool | None:
    """Whether the rows are the samples, as the names say; None where they do not."""
    upright = max(_share(columns, is_gene), _share(rows, _is_sample))
    turned = max(_share(rows, is_gene), _share(columns, _is_sample))
    return None if max(upright, turned) < 0.1 or upright == turned else upright > turned


def _share(names: Sequence[str], test) -> float:
    """Give the share of names that pass a test, from at most 2,000 of them spread evenly."""
    if not names or are_row_numbers(names):
        return 0.0
    some = names[:: max(1, len(names) // 2000)]
    return sum(map(test, some)) / len(some)


def _is_gene(name: str) -> bool:
    # Symbols of the mouse and other animals are those of their human relatives in other letters.
    return name in known_names() or name.upper() in known_names() or _GENE.fullmatch(name) is not None


def _is_gene_word(name: str) -> bool:
    return not name.isdigit() and _is_gene(name)


def _is_sample(name: str) -> bool:
    return looks_like_barcode(name) or _SAMPLE.fullmatch(name) is not None
