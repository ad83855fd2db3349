"""Tables by columns: Parquet and Feather."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from latentome.errors import InputError, extra
from latentome.io.files import check_memory, check_stand_in, data_suffix
from latentome.io.genes import listed
from latentome.io.table import Table


def read_columnar(path: Path) -> Table:
    """Read a Parquet or Feather file: names in its index, or else in its first column of text.

    One that is damaged, or has anything but numbers beside the names, is refused.
    """
    import pandas as pd

    with path.open("rb") as stream:
        check_stand_in(path, stream.read(512))
    frame = _load(path)
    check_memory(path, frame.shape[0] * frame.shape[1], f"{frame.shape[0]:,} x {frame.shape[1]:,}")
    corner = str(frame.index.name or "")
    if isinstance(frame.index, pd.RangeIndex):
        if frame.shape[1] and not pd.api.types.is_numeric_dtype(frame.dtypes.iloc[0]):
            corner = str(frame.columns[0])
            frame = frame.set_index(frame.columns[0])
        else:
            raise InputError(
                f"{path.name} has no names for its rows",
                where=f"{path}: {frame.shape[0]:,} rows; columns {listed(list(map(str, frame.columns)), 3)}",
                expected="an index of names, or a first column of text",
                todo="Write it with the names: frame.to_parquet(path) of a frame whose index holds them.",
            )
    words = [str(name) for name, kind in frame.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    if words:
        raise InputError(
            f"{path.name} has text among its numbers: {len(words)} columns",
            where=f"{path}: {listed(words)}",
            expected="numbers only, apart from the names",
            todo="Put labels of samples into a separate file and give it with --labels; delete descriptions of genes.",
        )
    values = frame.to_numpy(dtype=np.float32, na_value=np.nan)
    return Table([str(name).strip() for name in frame.index], [str(c).strip() for c in frame.columns], [values], corner)


def _load(path: Path):
    import pandas as pd

    with extra("arrow", f"{path.name} needs pyarrow", where=str(path)):
        import pyarrow
        from pyarrow import parquet
    try:
        if data_suffix(path) == ".feather":
            return pd.read_feather(path, use_threads=False)
        about = parquet.read_metadata(path)
        check_memory(path, about.num_rows * about.num_columns, f"{about.num_rows:,} x {about.num_columns:,}")
        # In this thread alone: pyarrow's own threads go on with a damaged file after it was refused, and can crash.
        return parquet.read_table(path, use_threads=False, pre_buffer=False).to_pandas(use_threads=False)
    except InputError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, KeyError) as failure:
        raise InputError(
            f"{path.name} cannot be read as {data_suffix(path)[1:].title()}",
            where=f"{path}: {str(failure).splitlines()[0] if str(failure) else type(failure).__name__}",
            expected="a complete file of that format",
            todo="Fetch it again, or write it again.",
        ) from failure
