"""Blocks of rows from disk are the rows of the matrix, in little memory, or a refusal that names what is wrong."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from latentome.errors import InputError
from latentome.io import MemoryMatrix, open_matrix

ROWS, COLUMNS = 57, 23
SAMPLES = [f"sample-{i}" for i in range(ROWS)]
GENES = [*(f"G{j}" for j in range(COLUMNS - 1)), "GÉNE"]
DISK = ["h5ad-dense", "h5ad-csr", "zarr-dense", "zarr-csr", "zarr3-dense", "zarr3-csr", "zarr.zip-dense"]


def counts(dtype=np.float32) -> np.ndarray:
    """Samples x genes, three quarters of them zero, the rows 10 to 19 all zero."""
    values = np.random.default_rng(5).gamma(2.0, 10.0, (ROWS, COLUMNS))
    values[np.random.default_rng(6).random(values.shape) < 0.75] = 0
    values[10:20] = 0
    return values.astype(dtype)


def write(folder, x, kind="h5ad-dense", samples=SAMPLES, genes=GENES):
    """Write AnnData with this X in the format and the layout that `kind` names, and give the path."""
    form, layout = kind.split("-")
    if form != "h5ad":
        zarr = pytest.importorskip("zarr")
    if layout != "dense":
        x = sp.csr_matrix(x) if layout == "csr" else sp.csc_matrix(x)
    adata = anndata.AnnData(x, obs=pd.DataFrame(index=samples), var=pd.DataFrame(index=genes))
    path = folder / f"data.{form.replace('zarr3', 'zarr')}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of AnnData and zarr, on formats to come; none of it is about reading
        if form == "h5ad":
            adata.write_h5ad(path)
        elif form == "zarr3":
            if int(zarr.__version__.split(".")[0]) < 3 or not hasattr(anndata.settings, "zarr_write_format"):
                pytest.skip("this zarr or this AnnData does not write the format 3")
            with anndata.settings.override(zarr_write_format=3):
                adata.write_zarr(path)
        else:
            adata.write_zarr(folder / "data.zarr")
    if form == "zarr.zip":
        shutil.make_archive(str(folder / "data.zarr"), "zip", folder / "data.zarr")
    return path


def refusal(path) -> InputError:
    with pytest.raises(InputError) as caught:
        open_matrix(path)
    assert path.name in caught.value.what
    assert str(path) in caught.value.where
    assert caught.value.expected
    assert caught.value.todo
    return caught.value


def check_blocks(matrix, expected: np.ndarray, sizes=(1, 4, 10, 13, ROWS)) -> None:
    """Every block equals the rows in memory, in blocks of many sizes, also of no row and of the whole."""
    assert matrix.shape == expected.shape
    assert len(matrix) == len(expected)
    for size in sizes:
        for start in range(0, len(expected), size):
            stop = min(start + size, len(expected))
            block = matrix.block(start, stop)
            np.testing.assert_array_equal(block, expected[start:stop].astype(np.float32))
            assert block.dtype == np.float32
            assert block.flags.c_contiguous
            assert block.flags.owndata
            block[:] = -1  # the caller's own: nothing that is read later may change
            place = np.full((stop - start + 2, expected.shape[1]), -1, np.float32)
            assert np.shares_memory(matrix.block(start, stop, place[1:-1]), place)
            np.testing.assert_array_equal(place[1:-1], expected[start:stop].astype(np.float32))
            assert (place[[0, -1]] == -1).all(), "and nothing beside it"
    assert matrix.block(7, 7).shape == (0, expected.shape[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8, ">f4", bool])
@pytest.mark.parametrize("kind", DISK)
def test_blocks_on_disk_are_the_rows_of_the_matrix(tmp_path, kind, dtype):
    if kind.endswith("csr") and dtype == ">f4":
        pytest.skip("SciPy has no sparse matrices of foreign byte order")
    x = counts(dtype)
    with open_matrix(write(tmp_path, x, kind)) as matrix:
        check_blocks(matrix, x, (1, 4, 10, 13, ROWS) if dtype is np.float32 else (13, ROWS))
        assert list(matrix.genes) == GENES
        assert list(matrix.samples) == SAMPLES


@pytest.mark.parametrize(
    "form", [np.asarray, np.asfortranarray, sp.csr_matrix, sp.csr_array, lambda x: x.astype(np.int64), lambda x: x > 0]
)
def test_blocks_in_memory_are_the_rows_of_the_matrix(form):
    x = form(counts())
    dense = x.toarray() if sp.issparse(x) else np.array(x)
    with MemoryMatrix(x, GENES, SAMPLES) as matrix:
        check_blocks(matrix, dense)
        assert list(matrix.genes) == GENES
        assert matrix.path is None
    np.testing.assert_array_equal(x.toarray() if sp.issparse(x) else x, dense)
    assert MemoryMatrix(x).samples is None


def test_a_bare_zarr_array_has_no_names(tmp_path):
    zarr = pytest.importorskip("zarr")
    x = counts()
    stored = zarr.open(str(tmp_path / "bare.zarr"), mode="w", shape=x.shape, chunks=(8, 5), dtype="f4")
    stored[:] = x
    with open_matrix(tmp_path / "bare.zarr") as matrix:
        check_blocks(matrix, x)
        assert matrix.genes is None
        assert matrix.samples is None


def test_compressed_chunks_and_names_in_other_layouts(tmp_path):
    path = write(tmp_path, counts())
    with h5py.File(path, "r+") as file:
        x = file["X"][:]
        del file["X"], file["obs/_index"]
        file.create_dataset("X", data=x, chunks=(10, 7), compression="gzip", shuffle=True)
        file.create_dataset("obs/_index/values", data=SAMPLES)  # as text that may be missing is stored
        file["var"].attrs["_index"] = np.bytes_("names")  # as other programs than AnnData store text
        file["var/names"] = np.array([name.encode() for name in GENES])
    with open_matrix(path) as matrix:
        check_blocks(matrix, x)
        assert list(matrix.genes) == GENES
        assert list(matrix.samples) == SAMPLES


@pytest.mark.parametrize("kind", ["h5ad-dense", "h5ad-csr", "zarr-dense", "zarr-csr"])
def test_blocks_are_read_from_another_thread(tmp_path, kind):
    x = counts()
    with open_matrix(write(tmp_path, x, kind)) as matrix, ThreadPoolExecutor(1) as reader:
        coming = [reader.submit(matrix.block, start, start + 5) for start in range(0, 55, 5)]
        for number, block in enumerate(coming):
            np.testing.assert_array_equal(block.result(), x[number * 5 : number * 5 + 5])


@pytest.mark.parametrize("kind", DISK)
def test_the_fingerprint_follows_the_data_and_not_the_path(tmp_path, kind):
    x = counts()
    path = write(tmp_path, x, kind)
    with open_matrix(path) as matrix:
        first = matrix.fingerprint()
        assert first == matrix.fingerprint()
    (tmp_path / "elsewhere").mkdir()
    moved = path.rename(tmp_path / "elsewhere" / f"other-{path.name}")
    with open_matrix(moved) as matrix:
        assert matrix.fingerprint() == first
    file = next(f for f in sorted(moved.rglob("*"), reverse=True) if f.is_file()) if moved.is_dir() else moved
    stat = file.stat()
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000))
    with open_matrix(moved) as matrix:
        assert matrix.fingerprint() != first


@pytest.mark.parametrize("row", [0, ROWS // 2, ROWS - 1])
def test_the_fingerprint_reads_three_rows(tmp_path, row):
    path = write(tmp_path, counts())
    stat = path.stat()
    with open_matrix(path) as matrix:
        before = matrix.fingerprint()
    with h5py.File(path, "r+") as file:
        file["X"][row, 3] += 1
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    with open_matrix(path) as matrix:
        assert matrix.fingerprint() != before


def test_the_fingerprint_of_a_matrix_in_memory_is_that_of_all_its_values():
    x = counts()
    expected = hashlib.sha256(x.tobytes()).hexdigest()
    assert MemoryMatrix(x).fingerprint() == expected
    assert MemoryMatrix(sp.csr_matrix(x), GENES).fingerprint() == expected
    wide = np.random.default_rng(1).random((5, 1_500_000), dtype=np.float32)  # more than one block
    assert MemoryMatrix(wide).fingerprint() == hashlib.sha256(wide.tobytes()).hexdigest()
    x[31, 7] += 1
    assert MemoryMatrix(x).fingerprint() != expected


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("kind", [*DISK, "memory"])
def test_a_value_that_is_not_finite_is_named_when_its_block_is_read(tmp_path, kind, value):
    x = counts(np.float64)
    x[33, 4] = value
    matrix = MemoryMatrix(x, GENES, SAMPLES) if kind == "memory" else open_matrix(write(tmp_path, x, kind))
    with matrix:
        matrix.block(0, 33)
        matrix.block(34, ROWS)
        with pytest.raises(InputError, match="missing or infinite"):
            matrix.block(20, 40, np.zeros((20, COLUMNS), np.float32))
        with pytest.raises(InputError, match="missing or infinite") as caught:
            matrix.block(20, 40)
    assert "sample 'sample-33' (row 34), gene 'G4' (column 5)" in caught.value.where


def test_a_value_that_is_not_finite_is_counted_where_there_are_no_names():
    x = counts()
    x[5:] = np.nan
    with pytest.raises(InputError, match="at least 1,000 values") as caught:
        MemoryMatrix(x).block(0, ROWS)
    assert "the matrix in memory: sample '6' (row 6), gene '1' (column 1): 'nan'" in caught.value.where


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (5, 4), (0, ROWS + 1), (ROWS + 1, ROWS + 1)])
def test_rows_that_are_not_there_are_refused(tmp_path, start, stop):
    for matrix in (MemoryMatrix(counts()), open_matrix(write(tmp_path, counts()))):
        with matrix, pytest.raises(InputError, match="has no such rows") as caught:
            matrix.block(start, stop)
        assert f"rows {start} up to {stop}" in caught.value.where


@pytest.mark.parametrize("kind", [*DISK, "memory"])
def test_a_closed_matrix_says_so_and_its_file_is_free(tmp_path, kind):
    path = None if kind == "memory" else write(tmp_path, counts(), kind)
    matrix = open_matrix(path) if path else MemoryMatrix(counts())
    matrix.close()
    matrix.close()
    with pytest.raises(InputError, match="is closed"):
        matrix.block(0, 1)
    if kind.startswith("h5ad"):
        h5py.File(path, "r+").close()  # HDF5 refuses this while the file is open for reading


def test_paths_that_cannot_be_opened(tmp_path):
    write(tmp_path, counts())
    assert "Did you mean data.h5ad" in refusal(tmp_path / "dat.h5ad").todo
    assert "Did you mean data.h5ad" in refusal(tmp_path / "data.zarr").todo
    for name, content, part in (
        ("empty.h5ad", b"", "is empty"),
        ("pointer.h5ad", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git-lfs pointer"),
        ("page.h5ad", b"<!DOCTYPE html><html>404</html>", "web page"),
        ("other.h5ad", b"PK\x03\x04 and more", "does not start as an HDF5 file does"),
        ("table.tsv", b"sample\tTP53\n", "cannot be read in blocks"),
    ):
        (tmp_path / name).write_bytes(content)
        assert part in refusal(tmp_path / name).what
    (tmp_path / "folder").mkdir()
    assert "not of zarr" in refusal(tmp_path / "folder").what
    pytest.importorskip("zarr")
    (tmp_path / "broken.zarr.zip").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "cannot be read" in refusal(tmp_path / "broken.zarr.zip").what
    (tmp_path / "folder" / ".zgroup").write_text("{not JSON")
    assert "cannot be read" in refusal(tmp_path / "folder").what


def test_a_file_cut_off_is_refused(tmp_path):
    path = write(tmp_path, counts())
    path.write_bytes(path.read_bytes()[:-2000])
    assert "truncated" in refusal(path).where


@pytest.mark.parametrize("form", ["h5ad", "zarr"])
def test_an_x_by_columns_is_refused_with_the_way_out(tmp_path, form):
    error = refusal(write(tmp_path, counts(), f"{form}-csc"))
    assert "by columns (CSC)" in error.what
    assert "write it again" in error.todo


def test_an_x_that_is_no_matrix_of_numbers_is_refused(tmp_path):
    path = write(tmp_path, counts())
    for data, part in (
        (np.array([b"a", b"b"] * 4).reshape(4, 2), "type |S1"),
        (np.array([["a", "b"]] * 4, dtype=object), "type object"),
        (np.ones((4, 2), dtype=np.complex64), "type complex64"),
        (np.zeros(4), "shape (4,)"),
        (np.zeros((4, 2, 2)), "shape (4, 2, 2)"),
        (np.float32(3), "shape ()"),
        (np.zeros((0, 2)), "shape (0, 2)"),
        (np.zeros((4, 0)), "shape (4, 0)"),
        (h5py.Empty("f4"), "shape None"),
    ):
        with h5py.File(path, "r+") as file:
            del file["X"]
            file["X"] = data
        error = refusal(path)
        assert "no matrix of numbers" in error.what
        assert part in error.what
        if not isinstance(data, h5py.Empty):
            with pytest.raises(InputError, match="no matrix of numbers"):
                MemoryMatrix(data)
    with h5py.File(path, "r+") as file:
        del file["X"]
        file.create_group("X").attrs["encoding-type"] = "dataframe"
    assert "no matrix but 'dataframe'" in refusal(path).what
    with h5py.File(path, "r+") as file:
        del file["X"]
    assert "has no X" in refusal(path).what
    with pytest.raises(InputError, match="sparse as csc"):
        MemoryMatrix(sp.csc_matrix(counts()))


@pytest.mark.parametrize(("shape", "dtype"), [((4, 2), str), ((4,), "f4"), ((4, 2, 2), "f4"), ((0, 2), "f4")])
def test_a_zarr_array_that_is_no_matrix_of_numbers_is_refused(tmp_path, shape, dtype):
    zarr = pytest.importorskip("zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zarr, on writing text
        try:
            zarr.open(str(tmp_path / "bare.zarr"), mode="w", shape=shape, chunks=shape, dtype=dtype)
        except ValueError:
            pytest.skip("this zarr writes no such array")
    assert "no matrix of numbers" in refusal(tmp_path / "bare.zarr").what


def test_names_that_do_not_fit_are_refused(tmp_path):
    path = write(tmp_path, counts())
    with h5py.File(path, "r+") as file:
        x = file["X"][:, 1:]
        del file["X"]
        file["X"] = x
    assert f"has {COLUMNS} gene names" in refusal(path).what
    with pytest.raises(InputError, match="has 3 sample names"):
        MemoryMatrix(counts(), GENES, ["a", "b", "c"])
    with h5py.File(path, "r+") as file:
        del file["var"].attrs["_index"]
    assert "_index" in refusal(path).where


@pytest.mark.parametrize(
    ("part", "spoil", "said"),
    [
        ("indptr", lambda v: v[:-1], "indptr of X"),
        ("indptr", lambda v: v[::-1], "indptr of X"),
        ("indptr", lambda v: v + 1, "indptr of X"),
        ("data", lambda v: v[:-1], "indptr of X"),
        ("indices", lambda v: v + COLUMNS, "indices of X"),
        ("indices", lambda v: v - 1 - v.min(), "indices of X"),
    ],
)
def test_a_csr_that_is_not_consistent_is_refused(tmp_path, part, spoil, said):
    path = write(tmp_path, counts(), "h5ad-csr")
    with h5py.File(path, "r+") as file:
        values = spoil(file["X"][part][:])
        del file["X"][part]
        file["X"][part] = values
    with pytest.raises(InputError, match=said):
        open_matrix(path).block(0, ROWS)


def test_damage_in_the_middle_is_refused_when_its_block_is_read(tmp_path):
    path = write(tmp_path, counts())
    with h5py.File(path, "r+") as file:
        x = file["X"][:]
        del file["X"]
        file.create_dataset("X", data=x, chunks=(10, COLUMNS), compression="gzip")
        chunk = file["X"].id.get_chunk_info(3)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)
    with open_matrix(path) as matrix:
        np.testing.assert_array_equal(matrix.block(0, 30), x[:30])
        with pytest.raises(InputError, match="cannot be read") as caught:
            matrix.block(25, 35)
    assert f"{path}, rows 25 up to 35: OSError" in caught.value.where


@pytest.mark.parametrize("content", [b"version https://git-lfs.github.com/spec/v1\n", b"", b"\0" * 64])
def test_a_damaged_chunk_of_zarr_is_refused_when_its_block_is_read(tmp_path, content):
    zarr = pytest.importorskip("zarr")
    x = counts()
    path = tmp_path / "bare.zarr"
    zarr.open(str(path), mode="w", shape=x.shape, chunks=(10, COLUMNS), dtype="f4")[:] = x
    chunk = next(file for file in (path / "3.0", path / "c" / "3" / "0") if file.exists())
    chunk.write_bytes(content)
    with open_matrix(path) as matrix:
        np.testing.assert_array_equal(matrix.block(0, 30), x[:30])
        with pytest.raises(InputError, match="cannot be read"):
            matrix.block(25, 35)


@pytest.mark.parametrize("kind", ["h5ad-dense", "zarr-dense", "zarr3-csr"])
def test_data_that_are_gone_are_refused_and_not_read_as_zeros(tmp_path, kind):
    path = write(tmp_path, counts(), kind)
    with open_matrix(path) as matrix:
        matrix.block(0, 3)
        if path.is_dir():
            shutil.rmtree(path)
            path.mkdir()  # what an unmounted disk leaves
        else:
            path.unlink()
        with pytest.raises(InputError, match="cannot be read") as caught:
            matrix.block(0, 3)
    assert "FileNotFoundError" in caught.value.where


def test_zarr_2_says_that_it_does_not_read_the_format_3(tmp_path, monkeypatch):
    zarr = pytest.importorskip("zarr")
    monkeypatch.setattr(zarr, "__version__", "2.18.7")
    (tmp_path / "new.zarr").mkdir()
    (tmp_path / "new.zarr" / "zarr.json").write_text("{}")
    assert "pip install 'zarr>=3'" in refusal(tmp_path / "new.zarr").todo


def test_without_zarr_the_refusal_says_what_to_install(tmp_path, monkeypatch):
    path = write(tmp_path, counts(), "zarr-dense")
    monkeypatch.setitem(sys.modules, "zarr", None)
    assert "pip install zarr" in refusal(path).todo


READ_IN_BLOCKS = """
import resource, sys
import h5py, numpy as np
from latentome.io import open_matrix

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)

with open_matrix(sys.argv[1]) as matrix:
    matrix.block(0, 1)
    before = peak()
    total = sum(float(matrix.block(start, start + 500).sum()) for start in range(0, len(matrix), 500))
    blocks = peak() - before
    matrix.block(0, len(matrix))
    print(total, blocks, peak() - before)
"""
# The peak that Linux reports begins with that of the process that started it, here pytest with all it has loaded: a
# growth of zero whatever is read. A small process in between gives a small beginning.
IN_BETWEEN = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', *sys.argv[1:]]))"


@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_blocks_of_a_large_file_need_little_memory(tmp_path, layout):
    pytest.importorskip("resource")
    rows, columns = 10_000, 5_000  # 200 MB
    path = tmp_path / "large.h5ad"
    with h5py.File(path, "w") as file:
        if layout == "dense":
            x = file.create_dataset("X", (rows, columns), "f4")
            for start in range(0, rows, 1000):
                x[start : start + 1000] = 1
        else:
            x = file.create_group("X")
            x.attrs.update({"encoding-type": "csr_matrix", "shape": (rows, columns)})
            x["indptr"] = np.arange(rows + 1, dtype=np.int64) * (columns // 2)
            x["indices"] = np.tile(np.arange(0, columns, 2, dtype=np.int32), rows)
            x["data"] = np.ones(rows * (columns // 2), np.float32)
    assert path.stat().st_size > 199_000_000
    done = subprocess.run(
        [sys.executable, "-c", IN_BETWEEN, READ_IN_BLOCKS, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    total, blocks, whole = map(float, done.stdout.split())
    assert total == rows * columns // (1 if layout == "dense" else 2)
    assert blocks < 60, f"reading in blocks grew the process by {blocks:.0f} MB"
    assert whole > 180, "the measure does not see a matrix of 200 MB"
