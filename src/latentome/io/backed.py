"""A matrix on disk of which blocks of rows are read: training on data larger than memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from latentome.errors import InputError
from latentome.io.checks import Cells, Grid, missing_refusal
from latentome.io.files import check_exists, check_hdf5
from latentome.io.stored import Csr, read_rows
from latentome.io.tasks import Lazy, Wrong, map_array, map_path, not_finite, windows

if TYPE_CHECKING:
    import pandas as pd

_SUPPORTED = "AnnData with X dense or CSR (.h5ad, a .zarr folder, .zarr.zip), or a 2-D zarr array"
ZARR_MARKS = ("zarr.json", ".zgroup", ".zarray")
_REWRITE = "Read it whole with anndata, put numbers into X (dense or CSR), and write it again."


class BackedMatrix(AbstractContextManager):
    """A matrix of which blocks of rows are read; :func:`open_matrix` opens one on disk.

    Attributes
    ----------
    shape
        Number of samples and of genes; ``len`` gives the samples.
    genes, samples
        Their names as the file has them, text of shape (genes,) and (samples,), or None where it has none.
    path
        The file or folder.
    """

    def __init__(self, x: Any, path: Path, genes: Sequence[str] | None, samples: Sequence[str] | None) -> None:
        if x.shape is None or len(x.shape) != 2 or 0 in x.shape or np.dtype(x.dtype).kind not in "fiub":
            problem = f"has an X of shape {x.shape} and type {x.dtype}, which is no matrix of numbers"
            raise _refusal(path, problem, str(path), f"{_SUPPORTED}: at least one row and one column", _REWRITE)
        self.shape: tuple[int, int] = (int(x.shape[0]), int(x.shape[1]))
        self.samples, self.genes = (None if names is None else np.array(names, dtype=str) for names in (samples, genes))
        for names, count, axis in ((self.samples, self.shape[0], "sample"), (self.genes, self.shape[1], "gene")):
            if names is not None and names.shape != (count,):
                expected = f"{count} {axis} names for an X of shape {self.shape}"
                raise _refusal(path, f"has {names.size} {axis} names", str(path), expected, "Name them again.")
        self.path: Path | None = path
        self._x, self._dtype, self._name = x, str(x.dtype), path
        self._mark: Path | None = None  # of a matrix on disk, a file that is there as long as its data are
        self._root: Any = None  # of AnnData on disk
        self._opened = ExitStack()
        self._tasks = False

    def __len__(self) -> int:
        return self.shape[0]

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; no block can be read any more."""
        self._x = self._root = None
        self._opened.close()

    def annotation(self, of: Literal["obs", "var"]) -> pd.DataFrame:
        """What the file tells about the samples (``obs``) or the genes (``var``): a row for each, perhaps no column.

        Parameters
        ----------
        of
            Whose table.
        """
        import pandas as pd

        names = self.samples if of == "obs" else self.genes
        if self._root is None or names is None:
            return pd.DataFrame(index=pd.RangeIndex(self.shape[of == "var"]).astype(str) if names is None else names)
        return self._element(of)

    def told(self) -> dict[str, Any]:
        """What ``uns["source"]`` of the file tells about the data, such as where they are from."""
        found = self._root is not None and "uns" in self._root and "source" in self._root["uns"]
        return dict(self._element("uns/source")) if found else {}

    def _element(self, name: str) -> Any:
        try:
            from anndata.io import read_elem
        except ImportError:  # before AnnData 0.11
            from anndata.experimental import read_elem
        with _readable(self._name, f"{self._name}, {name}"):
            return read_elem(self._root[name])

    def block(self, start: int, stop: int, into: np.ndarray | None = None) -> np.ndarray:
        """Read the rows from `start`, counted from 0, up to and without `stop`; from any thread, but one at a time.

        Parameters
        ----------
        start, stop
            Numbers of rows.
        into
            An array of the shape and kind of the result to read into; without one it is a new one.

        Returns
        -------
        (stop - start) x genes, float32, in C order: an array that the caller may change.

        Raises
        ------
        InputError
            If there are no such rows, if they cannot be read, or if a value is missing, infinite or beyond float32.
        """
        where = f"{self._name}, rows {start} up to {stop}"
        if self._x is None or not 0 <= start <= stop <= len(self):
            expected = f"rows within 0 to {len(self)} of an open matrix"
            raise _refusal(self._name, "is closed or has no such rows", where, expected, "Open it, correct the rows.")
        with _readable(self._name, where), np.errstate(over="ignore"):  # beyond float32 is infinite: refused below
            if self._mark is not None:
                self._mark.stat()  # zarr reads zeros from a folder that was removed or unmounted
            values = read_rows(self._x, start, stop, into)
        wrong = not_finite(values, np.arange(start, stop))
        if wrong is not None:
            raise self._refusal_of(wrong)
        return values

    def _refusal_of(self, wrong: Wrong) -> InputError:
        """Say which values are missing or infinite, by the names of sample and gene."""
        samples = range(1, len(self) + 1) if self.samples is None else self.samples
        genes = range(1, self.shape[1] + 1) if self.genes is None else self.genes
        grid = Grid(self._name, samples, genes, lambda i: f"row {i + 1}", lambda j: f"column {j + 1}")
        return missing_refusal(grid, Cells(wrong.rows, wrong.columns, wrong.values, True))

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """Read some rows by their numbers, counted from 0 and ascending; otherwise as `block`.

        Parameters
        ----------
        numbers
            Row numbers, int, of shape (rows,).
        """
        parts = []
        for start, stop, taken in windows(numbers):
            block = self.block(start, stop)
            parts.append(block if len(taken) == len(block) else block[taken])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def map(self, function: Callable[..., Any], numbers: Sequence[np.ndarray], *more: Sequence[Any]) -> Iterator[Any]:
        """Give what a function makes of some rows, then of some others, in this order.

        Here one after the other; by the scheduler of Dask that is in use, and side by side, where the matrix is a Dask
        array or was opened so.

        Parameters
        ----------
        function
            Is given the rows (rows x genes, float32), which it must not change, and a value of each of `more`.
        numbers
            For each call the numbers of its rows, counted from 0 and ascending, at least one.
        *more
            For each call one more argument.
        """
        if self._tasks:
            return map_path(self._name, function, numbers, more)
        return (function(self.rows(mine), *own) for mine, *own in zip(numbers, *more, strict=True))

    def fingerprint(self) -> str:
        """Identify the data without reading all of them.

        Returns
        -------
        SHA-256, in hexadecimal, of: shape and dtype of X; size and time of modification (ns) of the file, or of each
        file in the folder with its name inside; the first, middle and last row as float32. The path is no part of it:
        data that were moved, or copied with their times (``cp -p``), keep it. A change that leaves sizes, times and
        these three rows as they were is not noticed.
        """
        top = self._name
        inside = sorted(file for file in top.rglob("*") if file.is_file()) if top.is_dir() else [top]
        files = [(file.relative_to(top).as_posix(), file.stat().st_size, file.stat().st_mtime_ns) for file in inside]
        digest = hashlib.sha256(repr((self.shape, self._dtype, files)).encode())
        for row in (0, len(self) // 2, len(self) - 1):
            digest.update(self.block(row, row + 1))
        return digest.hexdigest()


def is_on_disk(path: str | os.PathLike[str]) -> bool:
    """Whether :func:`open_matrix` is for what lies at that path: by its name, and of a folder by what it holds."""
    path = Path(path).expanduser()
    marked = path.is_dir() and any((path / mark).exists() for mark in ZARR_MARKS)
    return marked or (path.is_file() and path.name.lower().endswith((".h5ad", ".zarr.zip")))


class MemoryMatrix(BackedMatrix):
    """A matrix in memory with the face of one on disk; its `path` is None.

    Parameters
    ----------
    x
        Samples x genes, numbers: an array, or a CSR matrix of SciPy, of which only blocks are made dense. Not copied.
        Or a Dask array, with dense or sparse chunks, of which only blocks are computed; best in chunks of whole rows.
    genes, samples
        Their names, if they are known.
    """

    def __init__(self, x: Any, genes: Sequence[str] | None = None, samples: Sequence[str] | None = None) -> None:
        x = x.to_memory() if hasattr(x, "to_memory") else x
        name, kind = Path("the matrix in memory"), getattr(x, "format", None)
        if kind not in (None, "csr"):
            raise _refusal(name, f"is sparse as {kind}", f"shape {x.shape}", "an array or CSR", "Give x.tocsr().")
        if kind:
            x = Csr(x.data, x.indices, x.indptr, x.shape)
        elif hasattr(x, "__dask_graph__"):
            x = Lazy(x)
        else:
            x = np.asarray(x)
        super().__init__(x, name, genes, samples)
        self.path = None

    def map(self, function: Callable[..., Any], numbers: Sequence[np.ndarray], *more: Sequence[Any]) -> Iterator[Any]:
        """As `BackedMatrix.map`."""
        if not isinstance(self._x, Lazy):
            return super().map(function, numbers, *more)
        return map_array(self._x.array, function, numbers, more, self._refusal_of)

    def fingerprint(self) -> str:
        """Identify the data: SHA-256, in hexadecimal, of all values as float32, row by row."""
        digest, step = hashlib.sha256(), max(1, 4_000_000 // self.shape[1])
        for start in range(0, len(self), step):
            digest.update(self.block(start, min(start + step, len(self))))
        return digest.hexdigest()


class MappedMatrix(BackedMatrix):
    """A matrix that is made of another one, block by block, whenever it is read.

    Parameters
    ----------
    source
        Samples x genes; stays open, and is closed with this one.
    change
        Makes of a block of its rows (rows x genes, float32) a new one with as many rows, float32.
    genes, var
        Names of the genes that come out, and what is known about them.
    """

    def __init__(self, source: BackedMatrix, change: Callable, genes: Sequence[str], var: Any = None) -> None:
        self.source, self._change, self._var = source, change, var
        self.shape, self.path = (len(source), len(genes)), source.path
        self.samples, self.genes = source.samples, np.array(genes, dtype=str)

    def close(self) -> None:
        """Close the matrix that it is made of."""
        self.source.close()

    def annotation(self, of: Literal["obs", "var"]) -> pd.DataFrame:
        """What is known about the samples or the genes; of the genes only their names where nothing more was given."""
        import pandas as pd

        if of == "obs":
            return self.source.annotation(of)
        return pd.DataFrame(index=self.genes) if self._var is None else self._var

    def block(self, start: int, stop: int, into: np.ndarray | None = None) -> np.ndarray:
        """As `BackedMatrix.block`."""
        values = self._change(self.source.block(start, stop))
        if into is None:
            return values
        into[...] = values
        return into

    def map(self, function: Callable[..., Any], numbers: Sequence[np.ndarray], *more: Sequence[Any]) -> Iterator[Any]:
        """As `BackedMatrix.map`; where the rows are read they are changed, too."""
        return self.source.map(partial(_changed, self._change, function), numbers, *more)

    def fingerprint(self) -> str:
        """Identify the data: those that it is made of, and three rows of what is made of them."""
        digest = hashlib.sha256(self.source.fingerprint().encode())
        for row in (0, len(self) // 2, len(self) - 1):
            digest.update(self.block(row, row + 1))
        return digest.hexdigest()


def _changed(
    change: Callable[[np.ndarray], np.ndarray], function: Callable[..., Any], rows: np.ndarray, *own: Any
) -> Any:
    return function(change(rows), *own)


def open_matrix(path: str | os.PathLike[str], *, dask: bool = False) -> BackedMatrix:
    """Open a matrix on disk of which blocks of rows are read.

    Parameters
    ----------
    path
        An ``.h5ad`` file, or AnnData as zarr (a folder, or packed as ``.zarr.zip``), with X dense or CSR; or a bare
        2-D zarr array, which has no names. Samples x genes, any numbers.
    dask
        Whether what is learned from it block by block is learned by the scheduler of Dask that is in use, such as the
        client of a cluster: each worker opens the path itself, which it has to see.

    Returns
    -------
    The open matrix, to be closed or used in a ``with`` statement. Names are not tidied and may repeat. In zarr a chunk
    that is not there means zeros: a lost chunk cannot be told from an empty one, only a lost folder can.

    Raises
    ------
    InputError
        If the path is missing, of another kind or damaged, or X is missing, CSC, empty, or no matrix of numbers.
    """
    path = Path(path).expanduser()
    if not path.exists():
        check_exists(path)
    with ExitStack() as opened:
        root = _open(path, opened)
        with _readable(path, str(path)):
            bare = hasattr(root, "shape")
            x = root if bare else _find_x(root, path)
            genes, samples = (None if bare or axis not in root else _names(root[axis]) for axis in ("var", "obs"))
        matrix = BackedMatrix(x, path.absolute() if dask else path, genes, samples)
        matrix._tasks = dask
        matrix._opened = opened.pop_all()
        matrix._root = None if bare else root
        matrix._mark = next((path / mark for mark in ZARR_MARKS if (path / mark).exists()), path)
    return matrix


def _open(path: Path, opened: ExitStack) -> Any:
    """Open the file or folder; `opened` learns what has to be closed."""
    packed = path.name.lower().endswith(".zarr.zip")
    if path.is_dir() and not any((path / mark).exists() for mark in ZARR_MARKS):
        raise _refusal(path, "is a folder, but not of zarr", str(path), _SUPPORTED, "Give the .zarr folder itself.")
    if path.is_dir() or packed:
        try:
            import zarr

            if (path / "zarr.json").exists() and zarr.__version__.startswith("2."):
                raise ImportError("zarr 2 does not read the zarr format 3")
        except ImportError as failure:
            todo = "pip install zarr (for the zarr format 3: pip install 'zarr>=3')"
            raise _refusal(path, "needs zarr", f"{path}: {failure}", "the package zarr", todo) from failure
        with _readable(path, str(path)):
            store = zarr.storage.ZipStore(str(path), mode="r") if packed else str(path)
            root = zarr.open(store, mode="r")
            if packed:
                opened.callback(store.close)
            return root
    if path.suffix.lower() != ".h5ad":
        raise _refusal(path, "cannot be read in blocks", str(path), _SUPPORTED, "Read it with latentome.io.read.")
    import h5py

    check_exists(path)
    check_hdf5(path)
    with _readable(path, str(path)):
        return opened.enter_context(h5py.File(path, "r"))


def _find_x(root: Any, path: Path) -> Any:
    x = root.get("X")
    kind = "none" if x is None else _text(x.attrs.get("encoding-type", "unknown"))
    if hasattr(x, "shape") and kind != "null":
        return x
    if kind == "csr_matrix":
        return Csr(x["data"], x["indices"], x["indptr"], x.attrs["shape"])
    problem = "has no X" if kind in ("none", "null") else f"has an X that is no matrix but '{kind}'"
    if kind == "csc_matrix":
        problem = "has X by columns (CSC): every block of rows would read all of it"
    raise _refusal(path, problem, str(path), _SUPPORTED, _REWRITE)


def _names(table: Any) -> list[str]:
    index = table[_text(table.attrs["_index"])]
    values = (index if hasattr(index, "shape") else index["values"])[...]  # a group where names may be missing
    return [_text(value) for value in values]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@contextmanager
def _readable(path: Path, where: str) -> Iterator[None]:
    """Turn whatever HDF5, zarr and their codecs raise, which is of many kinds, into a refusal."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as failure:
        problem = f"{type(failure).__name__}: {failure}".splitlines()[0]
        todo = f"Fetch it again if it was cut off or damaged. {_REWRITE}"
        raise _refusal(
            path, "cannot be read", f"{where}: {problem}", f"a complete file: {_SUPPORTED}", todo
        ) from failure


def _refusal(path: Path, problem: str, where: str, expected: str, todo: str) -> InputError:
    return InputError(f"{path.name} {problem}", where=where, expected=expected, todo=todo)
