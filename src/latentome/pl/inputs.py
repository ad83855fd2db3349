"""What the figures take out of an AnnData, with refusals that name what was meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from numbers import Integral
from os.path import commonprefix
from typing import TYPE_CHECKING, Any

from latentome.errors import InputError, nearest
from latentome.pl.style import literal

if TYPE_CHECKING:
    import anndata as ad
    import numpy as np
    import pandas as pd


def column_of(adata: ad.AnnData, name: str) -> pd.Series:
    """Give one column of ``obs``; where there is none, the nearest name is told."""
    if name in adata.obs.columns:
        return adata.obs[name]
    raise InputError(
        f"There is no column '{name}' to colour by.",
        where="adata.obs",
        expected=nearest(name, adata.obs.columns) if len(adata.obs.columns) else "at least one column in obs",
        todo="Give the name of one of these columns, or add the labels to adata.obs first.",
    )


def check_columns(table: pd.DataFrame, needed: Sequence[str], what: str, todo: str, called: str = "table") -> None:
    """Refuse a table without a row, or without the columns that a figure draws; `what`, `todo` as in `InputError`."""
    if len(table) and set(needed) <= set(table.columns):
        return
    raise InputError(
        what,
        where=f"{called}, {len(table)} rows, columns {', '.join(map(str, table.columns)) or 'none'}",
        expected=f"the columns {', '.join(needed[:-1])} and {needed[-1]}, and one row or more",
        todo=todo,
    )


def matrix_of(adata: ad.AnnData, key: str, *, columns: int = 1) -> np.ndarray:
    """Give one matrix of ``obsm`` as finite numbers, shape (samples, k), with at least `columns` columns."""
    import numpy as np

    if key not in adata.obsm:
        made = "latentome.tl.tsne" if "tsne" in key else "latentome.tl.encode"
        raise InputError(
            f"There is no matrix '{key}' to draw.",
            where="adata.obsm",
            expected=nearest(key, adata.obsm.keys()) if len(adata.obsm.keys()) else "at least one matrix in obsm",
            todo=f"Give the name of one of these, or compute it first with {made}.",
        )
    values = np.asarray(adata.obsm[key], dtype=float)
    if values.ndim != 2 or values.shape[1] < columns or not np.isfinite(values).all():
        raise InputError(
            f"The matrix '{key}' cannot be drawn.",
            where=f"adata.obsm['{key}'], shape {values.shape}, {int((~np.isfinite(values)).sum())} values not finite",
            expected=f"samples x {columns} or more columns of finite numbers",
            todo="Compute it again, or drop the samples without values.",
        )
    return values


def feature_names(adata: ad.AnnData, key: str, names: Any = None) -> list[str]:
    """Name the columns of a matrix in ``obsm``: the caller's names, as many, those of a data frame, or 1, 2, 3, ..."""
    width = adata.obsm[key].shape[1]
    if names is None:
        names = getattr(adata.obsm[key], "columns", range(1, width + 1))
    names = [literal(name) for name in names]
    if len(names) != width:
        raise InputError(
            f"{len(names)} names were given for {width} features.",
            where=f"adata.obsm['{key}']",
            expected=f"{width} names",
            todo="Give one name for each feature, or none.",
        )
    return names


def position_of(shown: list[str], feature: str | int) -> int:
    """Find a feature by its name, or by its number from 1; where there is none, the nearest name is told."""
    wanted = literal(feature)
    if wanted in shown:
        return shown.index(wanted)
    if isinstance(feature, Integral) and 1 <= feature <= len(shown):
        return feature - 1
    raise InputError(
        f"There is no latent feature '{feature}' to draw.",
        where="the features of the representation",
        expected=f"a number from 1 to {len(shown)}, or a name; {nearest(wanted, shown)}",
        todo="Give the name or the number of one of the features.",
    )


def feature_title(shown: list[str], feature: str | int) -> str:
    """Name a feature on an axis: a bare number says what it is."""
    name = shown[position_of(shown, feature)]
    return f"latent feature {name}" if name.isdecimal() else name


def shortened(name: Any, length: int) -> str:
    """Cut the middle out of a long name and make it safe to draw: long names often differ in their ends alone."""
    return literal(_cut(str(name), length))


def _cut(text: str, length: int) -> str:
    end = length // 3
    return text if len(text) <= length else f"{text[: length - end - 1]}\N{HORIZONTAL ELLIPSIS}{text[-end:]}"


def all_shortened(names: Iterable[Any], length: int) -> list[str]:
    """Cut names as `shortened` does; those that would then be the same show where they differ, or else a number."""
    names = list(map(str, names))
    short = [shortened(name, length) for name in names]
    for text, times in Counter(short).items():
        alike = sorted({name for name, other in zip(names, short, strict=True) if other == text})
        if times == 1 or len(alike) == 1:
            continue
        head = length // 4
        at = max(len(commonprefix(alike)) - 2, head)
        differing = [f"{name[:head]}\N{HORIZONTAL ELLIPSIS}{_cut(name[at:], length - head - 1)}" for name in alike]
        if len(set(differing)) < len(alike):
            differing = [f"{_cut(name, length - 5)} ({i})" for i, name in enumerate(alike, start=1)]
        new = dict(zip(alike, map(literal, differing), strict=True))
        short = [new.get(name, other) if other == text else other for name, other in zip(names, short, strict=True)]
    return short


def is_numeric(column: pd.Series) -> bool:
    """Tell whether a column holds quantities (drawn with a colour bar) rather than classes."""
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def categories_of(column: pd.Series) -> list[Any]:
    """List the classes that occur in a column: in their own order when they have one, else by name.

    A class that does not occur is left out, and so are missing labels.
    """
    import pandas as pd

    present = set(column.dropna().unique())
    if isinstance(column.dtype, pd.CategoricalDtype) and column.dtype.ordered:
        return [c for c in column.cat.categories if c in present]
    return sorted(present, key=lambda c: (str(c).casefold(), str(c)))


def codes_of(column: pd.Series) -> np.ndarray:
    """Give the place of each sample's class in `categories_of`, -1 where the label is missing, whatever stands for it.

    Labels are not compared with ``==``: with pandas' own missing value that is neither true nor false.
    """
    import numpy as np

    place = {c: i for i, c in enumerate(categories_of(column))}
    return np.array([place.get(value, -1) for value in column.astype(object)], dtype=int)
