"""Mutated files: whatever a file holds, reading gives a matrix or a refusal, soon, and within the memory of its size.

LATENTOME_FUZZ=5000 python -m pytest tests/io/test_fuzz.py tries that many mutations of each kind of file.
"""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import lzma
import os
import time
import tracemalloc

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentome.datasets import load
from latentome.errors import InputError
from latentome.io import add_labels, read, read_labels

EXAMPLES = int(os.environ.get("LATENTOME_FUZZ", "12"))
#: A file of some kilobytes is read within this, whatever it holds: pandas alone takes a part of it.
MEMORY = 200 * 2**20
#: Of the processor, not of a clock on the wall, which others keep waiting.
SECONDS = 10
SOMETHING = (
    b"",
    b"\0",
    b"\t",
    b"\n",
    b"\r",
    b'"',
    b",",
    b";",
    b"#",
    b"NA",
    b"inf",
    b"1e999",
    b"-",
    b"\xff\xfe",
    b"?",
    b"|",
    b"{",
)


def real(n_samples: int = 12, n_genes: int = 8) -> pd.DataFrame:
    """A corner of real tumours."""
    return load("tcga-33")[:n_samples, :n_genes].to_df()


def _gct() -> bytes:
    frame = real().T
    head = f"#1.2\n{frame.shape[0]}\t{frame.shape[1]}\n"
    frame.insert(0, "Description", "na")
    return (head + frame.to_csv(sep="\t", index_label="Name")).encode()


def _pcl() -> bytes:
    frame = real().T
    frame.insert(0, "GWEIGHT", 1)
    frame.insert(0, "NAME", "x")
    return frame.to_csv(sep="\t", index_label="UID").encode()


def _rsem(seed: int) -> bytes:
    values = np.random.default_rng(seed).gamma(1, 100, 8).round(4)
    return ("gene_id\tnormalized_count\n" + "".join(f"G{i}|{i}\t{v}\n" for i, v in enumerate(values))).encode()


_TSV = real().to_csv(sep="\t").encode()
FILES: dict[str, dict[str, bytes]] = {
    "e.tsv": {"e.tsv": _TSV},
    "e.csv": {"e.csv": real().T.to_csv().encode()},
    "e.tsv.gz": {"e.tsv.gz": gzip.compress(_TSV, mtime=0)},
    "e.tsv.bz2": {"e.tsv.bz2": bz2.compress(_TSV)},
    "e.tsv.xz": {"e.tsv.xz": lzma.compress(_TSV)},
    "e.gct": {"e.gct": _gct()},
    "e.pcl": {"e.pcl": _pcl()},
    "rsem": {f"rsem/{i}.genes.normalized_results": _rsem(i) for i in range(3)},
    "tenx": {
        "tenx/matrix.mtx": b"%%MatrixMarket matrix coordinate integer general\n%\n3 2 4\n1 1 5\n2 1 1\n2 2 7\n3 2 9\n",
        "tenx/barcodes.tsv": b"AAAC-1\nAAAG-1\n",
        "tenx/features.tsv": b"ENSG1\tTP53\tGene Expression\nENSG2\tKRAS\tGene Expression\nENSG3\tMYC\n",
    },
    "labels.tsv": {"labels.tsv": load("tcga-33")[:12].obs.to_csv(sep="\t").encode()},
}
if importlib.util.find_spec("pyarrow"):
    FILES["e.parquet"] = {"e.parquet": real().to_parquet()}


@st.composite
def mutations(draw, content: bytes) -> bytes:
    """Cut, alter, repeat, insert: one to four times."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        upto = min(len(content), at + draw(st.integers(0, 40)))
        kind = draw(st.sampled_from(["cut", "drop", "alter", "insert", "repeat", "swap"]))
        if kind == "cut":
            content = content[:at]
        elif kind == "drop":
            content = content[:at] + content[upto:]
        elif kind == "alter":
            content = content[:at] + draw(st.binary(max_size=6)) + content[min(len(content), at + 1) :]
        elif kind == "insert":
            content = content[:at] + draw(st.sampled_from(SOMETHING)) * draw(st.integers(1, 5)) + content[at:]
        elif kind == "repeat":
            content = content[:at] + content[at:upto] * draw(st.integers(2, 9)) + content[upto:]
        else:
            lines = content.split(b"\n")
            i, j = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
            lines[i], lines[j] = lines[j], lines[i]
            content = b"\n".join(lines)
    return content


@pytest.mark.parametrize("kind", FILES)
def test_a_mutated_file_is_read_or_refused(kind, tmp_path):
    files = FILES[kind]
    labelled = load("tcga-33")[:12].copy()

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES < 100, database=None)
    @given(data=st.data())
    def attempt(data):
        chosen = data.draw(st.sampled_from(sorted(files)))
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data.draw(mutations(content)) if name == chosen else content)
        missing = data.draw(st.sampled_from(["refuse", "keep"]))
        duplicates = data.draw(st.sampled_from(["refuse", "drop", "sum", "most-variable"]))
        refusal, start = None, time.process_time()
        tracemalloc.start()
        try:
            if kind == "labels.tsv":
                add_labels(labelled.copy(), read_labels(tmp_path / kind))
                return
            adata = read(tmp_path / kind, missing=missing, duplicates=duplicates)
            assert adata.n_obs >= 2
            assert adata.n_vars >= 1
            assert adata.X.dtype == np.float32
            assert not np.isinf(adata.X).any()
            assert missing == "keep" or np.isfinite(adata.X).all()
            assert adata.obs_names.is_unique
            assert adata.var_names.is_unique
        except InputError as failure:
            refusal = failure
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < MEMORY
        assert time.process_time() - start < SECONDS
        assert refusal is None or all((refusal.what, refusal.where, refusal.expected, refusal.todo))

    attempt()


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES < 100,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_a_mutated_h5ad_is_read_or_refused(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "mutated.h5ad"
    whole = tmp_path_factory.getbasetemp() / "whole.h5ad"
    if not whole.exists():
        anndata.AnnData(real()).write_h5ad(whole)
    content = whole.read_bytes()
    # HDF5 brings the process down on some altered addresses; what it is given here is cut, or altered in its data.
    at = data.draw(st.integers(1, len(content) - 1))
    path.write_bytes(content[:at])
    try:
        shape, where = read(path).shape, "somewhere"
    except InputError as refusal:
        shape, where = (12, 8), refusal.where
    assert shape == (12, 8)
    assert where
