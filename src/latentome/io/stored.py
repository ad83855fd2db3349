"""Rows of an X as it is stored: an array, HDF5, zarr, or CSR, whose rows are made dense on reading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def read_rows(x: Any, start: int, stop: int, into: np.ndarray | None = None) -> np.ndarray:
    """Read the rows of X (samples x genes) from `start` up to and without `stop`: float32, in C order.

    They are read into the array `into`, without another one in between where X has its type and can; without it into a
    new one, which the caller may change.
    """
    rows = slice(start, stop)
    if into is None:
        return np.require(x[rows], np.float32, ["C", "O", "W"])
    same = x.dtype == into.dtype
    if same and hasattr(x, "read_direct"):  # of HDF5
        x.read_direct(into, rows)
    elif same and hasattr(x, "get_basic_selection"):  # of zarr, which from 3.0 on wants a buffer of its own kind
        try:
            from zarr.core.buffer import default_buffer_prototype
        except ImportError:
            x.get_basic_selection(rows, out=into)
        else:
            x.get_basic_selection(rows, out=default_buffer_prototype().nd_buffer.from_ndarray_like(into))
    else:
        into[...] = x[rows]
    return into


class Csr:
    """A CSR matrix whose rows are made dense on reading; of one on disk only the starts of rows are in memory."""

    def __init__(self, data: Any, indices: Any, indptr: Any, shape: Sequence[int]) -> None:
        self.data, self.indices, self.starts = data, indices, np.asarray(indptr[...], dtype=np.int64)
        self.shape, self.dtype = tuple(int(n) for n in shape), data.dtype
        rising = self.starts.shape == (self.shape[0] + 1,) and self.starts[0] == 0 and (np.diff(self.starts) >= 0).all()
        if not rising or self.starts[-1] > min(data.shape[0], indices.shape[0]):
            raise ValueError("the indptr of X does not fit its shape, data and indices")

    def __getitem__(self, rows: slice) -> np.ndarray:
        from scipy.sparse import csr_array

        starts = self.starts[rows.start : rows.stop + 1]
        first, last = int(starts[0]), int(starts[-1])
        data, columns = self.data[first:last].astype(np.float32), self.indices[first:last]
        if len(columns) and not 0 <= columns.min() <= columns.max() < self.shape[1]:
            raise ValueError(f"the indices of X are not all from 0 to {self.shape[1] - 1}")
        return csr_array((data, columns, starts - first), shape=(len(starts) - 1, self.shape[1])).toarray()
