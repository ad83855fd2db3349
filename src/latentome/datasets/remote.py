"""The data sets that are fetched: each file with its addresses in order of preference, its size and its hash."""

from __future__ import annotations

import csv
import io
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple


class RemoteFile(NamedTuple):
    """A file of a data set: its path in the folder, and the addresses where it is, in order of preference.

    SHA-256 and size are what its publisher says; where nothing is published the first copy that comes is trusted, and
    every later one has to be the same. `unpack` says that it is an archive whose files are wanted.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str | None = None
    size: int | None = None
    unpack: bool = False


class RemoteSet(NamedTuple):
    """A data set that is fetched."""

    what: str
    source: str
    licence: str
    files: tuple[RemoteFile, ...]


_OPEN = "TCGA open access"
_COPY_NUMBER = "Gistic2_CopyNumber_Gistic2_all_thresholded.by_genes.gz"
_EBPP = "EBPlusPlusAdjustPANCAN_IlluminaHiSeq_RNASeqV2-v2.geneExp.tsv"
# The last commit of the repository: addresses with it always mean the same files.
_TYBALT = "greenelab/tybalt"
_COMMIT = "644f34ab0d4b0835f1b7ae5e9074f5ae4b6b45c8"


@lru_cache(maxsize=1)
def remote_sets() -> dict[str, RemoteSet]:
    """Give the data sets that can be fetched, by name."""
    return {
        "tcga-pancan-2018": RemoteSet(
            "the raw files of Tybalt: HiSeqV2 (RSEM, log2(x + 1), 20,530 genes x 10,459 samples), PANCAN_mutation, "
            "PANCAN_clinicalMatrix",
            "UCSC Xena through Zenodo record 56735",
            _OPEN,
            (RemoteFile("gbm_classifier_data.tar.gz", _zenodo(56735, "gbm_classifier_data.tar.gz"), unpack=True),),
        ),
        "tcga-copy-number-2018": RemoteSet(
            "GISTIC2 thresholded copy number, 24,776 genes x 10,845 samples",
            "UCSC Xena through Zenodo record 827323",
            _OPEN,
            (RemoteFile(_COPY_NUMBER, _zenodo(827323, _COPY_NUMBER)),),
        ),
        "tcga-clinical-2018": RemoteSet(
            "clinical table, 11,284 sequenced samples x 860 columns",
            "Snaptron, Johns Hopkins University",
            _OPEN,
            (
                RemoteFile(
                    "samples.tsv",
                    tuple(f"{scheme}://snaptron.cs.jhu.edu/data/tcga/samples.tsv" for scheme in ("https", "http")),
                ),
            ),
        ),
        "tcga-ebpp": RemoteSet(
            "EB++ batch-adjusted RSEM of the PanCanAtlas, linear, 20,531 genes x 11,069 samples",
            "Genomic Data Commons",
            _OPEN,
            (
                RemoteFile(
                    _EBPP,
                    ("https://api.gdc.cancer.gov/data/9a4679c3-855d-4055-8be9-3577ce10f66e",),
                    "d455f4be62a65b282974e74dbffda94d31d35a5c238ecb32c625dc459883f5cf",
                    1_879_492_443,
                ),
            ),
        ),
        "tybalt-published": RemoteSet(
            "what the authors of Tybalt published: scaled matrices, encodings, weights, Keras models, sweeps",
            f"git-lfs objects of {_TYBALT}, commit {_COMMIT[:7]}",
            "BSD-3-Clause",
            tuple(_artefacts()),
        ),
    }


def _zenodo(record: int, name: str) -> tuple[str, ...]:
    return tuple(f"https://zenodo.org/{word}/{record}/files/{name}?download=1" for word in ("records", "record"))


def _artefacts() -> list[RemoteFile]:
    """The large files of the repository, as its git-lfs pointers describe them."""
    text = files("latentome").joinpath("datasets", "bundled", "tybalt_artefacts.tsv").read_text(encoding="utf-8")
    hosts = (
        f"https://media.githubusercontent.com/media/{_TYBALT}/{_COMMIT}/",
        f"https://github.com/{_TYBALT}/raw/{_COMMIT}/",
    )
    rows = csv.DictReader(io.StringIO(text), delimiter="\t")
    return [
        RemoteFile(row["path"], tuple(host + row["path"] for host in hosts), row["sha256"], int(row["bytes"]))
        for row in rows
    ]
