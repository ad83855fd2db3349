"""The data sets that can be asked for by name."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from latentome.datasets.blobs import blobs
from latentome.errors import InputError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from anndata import AnnData


class _Entry(NamedTuple):
    label_column: str
    what: str
    source: str
    licence: str
    make: Callable[[], AnnData] | None  # None: bundled


_CLASS = "the class example, computed"
_ENTRIES = {
    "tcga-33": _Entry(
        "cancer_type",
        "all 33 TCGA cancer types, normals and metastases included: batch-adjusted RSEM of 198 genes, log2(x + 1)",
        "TCGA through greenelab/mpmp",
        "TCGA open access; BSD-3-Clause",
        None,
    ),
    "tcga-6": _Entry(
        "cancer_type",
        "six TCGA cancer types with some normals: RNASeqV2 RSEM, log2(x + 1), the 5,000 most variable genes",
        "TCGA through RTCGA.rnaseq 20160128",
        "TCGA open access",
        None,
    ),
    "blobs": _Entry("blob", "four blobs in the plane and their monomials, to train on", _CLASS, "none needed", blobs),
    "blobs-test": _Entry(
        "blob", "the same with another seed, to predict on", _CLASS, "none needed", partial(blobs, seed=2)
    ),
    "blobs-independent": _Entry(
        "blob",
        "the same with independent coordinates: twelve blobs",
        _CLASS,
        "none needed",
        partial(blobs, independent=True),
    ),
}


def load(name: str) -> AnnData:
    """Load a data set by its name.

    Parameters
    ----------
    name
        ``tcga-33``, ``tcga-6``, ``blobs``, ``blobs-test`` or ``blobs-independent``.

    Returns
    -------
    Samples x genes; float32 log2 values for the TCGA sets, float64 for the blobs. The TCGA sets have ``obs`` with
    cancer_type, sample_type (from the barcode) and patient, and ``var["entrez"]``. ``uns["source"]`` is as
    :func:`latentome.io.read` gives it, and has ``label_column`` and ``scale`` (``log2`` or ``none``) besides.

    Raises
    ------
    InputError
        If there is no such data set.
    """
    if name not in _ENTRIES:
        raise InputError(
            f"There is no data set '{name}'",
            where="the name of the data set",
            expected="the name of a data set, as 'latentome datasets' lists them",
            todo=nearest(name, _ENTRIES),
        )
    make = _ENTRIES[name].make
    return make() if make is not None else _load_bundled(name)


def available() -> list[dict[str, Any]]:
    """List the data sets.

    Returns
    -------
    One dict each, with ``name``, ``samples``, ``genes`` (numbers), ``label_column``, ``what``, ``source``, ``licence``.
    """
    index = _index()
    found = []
    for name, entry in _ENTRIES.items():
        samples, genes = (index[name]["samples"], index[name]["genes"]) if entry.make is None else (1000, 9)
        found.append(
            {
                "name": name,
                "samples": samples,
                "genes": genes,
                "label_column": entry.label_column,
                "what": entry.what,
                "source": entry.source,
                "licence": entry.licence,
            }
        )
    return found


def tcga_colors() -> dict[str, str]:
    """Give the official colours of the TCGA studies: abbreviation to ``#RRGGBB``, 33 studies and ``NA``."""
    text = _bundled("tcga_colors.tsv").decode("utf-8")
    # Not through pandas, which would take the study "NA" for a missing value.
    return {row["Study Abbreviation"]: row["Hex Colors"] for row in csv.DictReader(io.StringIO(text), delimiter="\t")}


def oncokb_genes() -> pd.DataFrame:
    """Give the gene types of OncoKB as the authors of Tybalt published them.

    Returns
    -------
    476 genes, indexed by symbol: ``entrez`` (text), ``oncogene`` and ``tsg`` (tumour suppressor gene), booleans.

    References
    ----------
    Chakravarty et al., JCO Precision Oncology 2017, 1:1-16.
    """
    import pandas as pd

    rows = csv.DictReader(io.StringIO(_bundled("oncokb_genetypes.tsv").decode("utf-8")), delimiter="\t")
    table = [(row["hugoSymbol"], row["entrezGeneId"], row["oncogene"] == "True", row["tsg"] == "True") for row in rows]
    return pd.DataFrame(table, columns=["gene", "entrez", "oncogene", "tsg"]).set_index("gene")


def tybalt_sweeps() -> pd.DataFrame:
    """Give the losses of the parameter sweeps that the authors of Tybalt published.

    Returns
    -------
    ``sweep``, ``batch_size``, ``epochs``, ``learning_rate``, ``noise``, ``sparsity`` (NaN where a sweep has none),
    ``epoch`` from 0, ``loss`` and ``val_loss``, summed over 5,000 genes. The trainings of 100 epochs have all their
    epochs, the shorter ones their last.

    References
    ----------
    Way and Greene, Pacific Symposium on Biocomputing 2018, 23:80-91.
    """
    import pandas as pd

    return pd.read_csv(io.BytesIO(_bundled("tybalt_sweeps.tsv.gz")), sep="\t", compression="gzip")


def _load_bundled(name: str) -> AnnData:
    import pandas as pd
    from anndata import AnnData

    about = _index()[name]
    packed = _bundled(about["file"])
    digest = hashlib.sha256(packed).hexdigest()
    if digest != about["sha256"]:
        raise InputError(
            f"The bundled data set {name} is damaged",
            where=f"{about['file']}: SHA-256 {digest}",
            expected=about["sha256"],
            todo="Install latentome again.",
        )
    with np.load(io.BytesIO(packed), allow_pickle=False) as stored:
        values = stored["values"]
        if "step" in stored:  # codes: whole multiples of a power of two, so that this product is exact
            values = values.astype(np.float32) * np.float32(stored["step"])
        obs = {
            "cancer_type": pd.Categorical(stored["cancer_type"].astype(object)),
            "sample_type": pd.Categorical(stored["sample_type"].astype(object)),
            "patient": stored["patient"].astype(object),
        }
        adata = AnnData(
            values,
            obs=pd.DataFrame(obs, index=pd.Index(stored["samples"].astype(object))),
            var=pd.DataFrame(
                {"entrez": stored["entrez"].astype(object)}, index=pd.Index(stored["genes"].astype(object))
            ),
        )
    adata.uns["source"] = {
        "name": name,
        "path": "",
        "sha256": digest,
        "orientation": "samples-by-genes",
        "label_column": _ENTRIES[name].label_column,
        "scale": "log2",
        "notes": list(about["notes"]),
    }
    return adata


def _index() -> dict[str, Any]:
    return json.loads(_bundled("index.json"))


def _bundled(file: str) -> bytes:
    return files("latentome").joinpath("datasets", "bundled", file).read_bytes()
