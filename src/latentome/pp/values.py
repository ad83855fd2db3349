"""Training values as the preprocessing measures them, gene by gene: in memory, on disk, or as tasks of Dask.

What is measured is put together from blocks of training rows, in their order. Which rows are a block depends on the
number of genes alone, so that the same numbers come out bit for bit, wherever the values are and whoever measures them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse

from latentome.errors import InputError
from latentome.io import BackedMatrix
from latentome.io.tasks import dense, is_lazy
from latentome.pp.scaling import fit_scaling
from latentome.pp.selection import compared_rows, variability
from latentome.pp.transform import Seen, apply_transform, every, first_below, library_sizes, look_at

if TYPE_CHECKING:
    from anndata import AnnData

#: Values of a block of rows.
BLOCK_VALUES = 8_000_000
#: Bytes of a block of genes with all their training values: what medians and quartiles are found in. Each block is
#: one pass over the matrix.
GENES_BYTES = 512 * 2**20


class Values:
    """What is measured of training samples, wherever their values are.

    `name` says where. `shared_names` is the name that each gene shares with others, empty for one that does not; None
    if there are none. `mean`, `lowest` and `highest` of each gene on the transformed scale, float32, are there after
    `transform`.
    """

    n_samples: int
    samples: Sequence[str]
    genes: list[str]
    name: str
    shared_names: np.ndarray | None = None

    def __init__(self, n_samples: int, genes: Sequence[str]) -> None:
        self.n_samples, self.genes = n_samples, [str(gene) for gene in genes]
        step = max(1, BLOCK_VALUES // len(self.genes))
        #: The places of each block among the training samples.
        self._blocks = [slice(i, min(i + step, n_samples)) for i in range(0, n_samples, step)]

    def _measure(
        self, function: Callable[..., Any], *more: Sequence[Any], genes: np.ndarray | None = None
    ) -> Iterator[Any]:
        """Give what a function makes of each block, on the transformed scale, and of a value of each of `more`."""
        raise NotImplementedError

    def _learn(self) -> None:
        """Learn mean and range of each gene on the transformed scale."""
        wanted = compared_rows(self.n_samples)
        kept = [wanted[(wanted >= b.start) & (wanted < b.stop)] - b.start for b in self._blocks]
        total, some = np.zeros(len(self.genes)), []
        self.lowest, self.highest = np.full((2, len(self.genes)), [[np.inf], [-np.inf]], np.float32)
        for sums, low, high, rows in self._measure(_sums_and_range, kept):
            total += sums
            np.minimum(self.lowest, low, out=self.lowest)
            np.maximum(self.highest, high, out=self.highest)
            some.append(rows)
        self._mean = total / self.n_samples
        self.mean, self._some = self._mean.astype(np.float32), np.concatenate(some)

    def some(self, genes: np.ndarray) -> np.ndarray:
        """The rows `compared_rows` of some genes, given by their positions."""
        return self._some[:, genes]

    def variability(self, genes: np.ndarray, rule: str) -> np.ndarray:
        """How much each of some genes varies, see `latentome.pp.variability`."""
        if rule == "median-deviation":
            return np.concatenate([variability(part, rule) for part in self._by_genes(genes)])
        mean = self._mean[genes]
        function = partial(_squares, mean) if rule == "variance" else partial(_deviations, mean.astype(np.float32))
        total = np.zeros(len(genes))
        for sums in self._measure(function, genes=genes):
            total += sums
        return total / self.n_samples

    def scaling(self, genes: np.ndarray, scaling: str) -> tuple[np.ndarray, np.ndarray]:
        """What to subtract from some genes and what to divide them by, see `latentome.pp.fit_scaling`."""
        if scaling == "z-score":
            mean = self._mean[genes].astype(np.float32)
            return mean, np.sqrt(self.variability(genes, "variance")).astype(np.float32)
        if scaling == "robust":
            parts = [fit_scaling(part, scaling) for part in self._by_genes(genes)]
            return np.concatenate([low for low, _ in parts]), np.concatenate([span for _, span in parts])
        return fit_scaling(np.stack([self.lowest[genes], self.highest[genes]]), scaling)  # asks for the range at most

    def _by_genes(self, genes: np.ndarray) -> Iterator[np.ndarray]:
        """All transformed training values of some genes, of a few at a time: rows x genes."""
        parts = -(-len(genes) * self.n_samples * 4 // GENES_BYTES)
        for part in np.array_split(genes, min(parts, len(genes))):
            values = np.empty((self.n_samples, len(part)), np.float32)
            for block, measured in zip(self._blocks, self._measure(_as_they_are, genes=part), strict=True):
                values[block] = measured
            yield values


class InMemory(Values):
    """Training samples in memory: samples x genes, where NaN is a missing value."""

    def __init__(self, adata: AnnData) -> None:
        super().__init__(adata.n_obs, adata.var_names)
        self._x, self.samples = dense(adata.X), adata.obs_names
        self.name, self.shared_names = source_name(adata), shared_names(adata)

    def look(self) -> Seen:
        """See what tells the scale of the values as they come."""
        return look_at(self._x)

    def transform(self, transform: str) -> list[str]:
        """Transform the values; what is missing becomes the mean of its gene, which the sentences tell."""
        values = self._values = apply_transform(self._x, transform)
        gaps = np.isnan(values)
        if not gaps.any():
            self._learn()
            return []
        total = np.nansum(values, axis=0, dtype=np.float64)
        mean = (total / np.maximum((~gaps).sum(axis=0), 1)).astype(np.float32)
        if np.shares_memory(values, self._x):  # without a transform: what is missing stays so for the caller
            values = self._values = values.copy()
        notes = fill(values, mean)
        self._learn()
        self.mean = mean  # that of what was measured
        return notes

    def _measure(
        self, function: Callable[..., Any], *more: Sequence[Any], genes: np.ndarray | None = None
    ) -> Iterator[Any]:
        for block, *own in zip(self._blocks, *more, strict=True):
            yield function(_in_rows(self._values[block], genes), *own)


class InBlocks(Values):
    """Training samples of a matrix of which only blocks are in memory, here or at the workers of Dask.

    `rows` says of each sample whether it is trained on; all are by default.
    """

    def __init__(self, matrix: BackedMatrix, rows: np.ndarray | None = None) -> None:
        wanted = np.ones(len(matrix), bool) if rows is None else np.asarray(rows, bool)
        if wanted.shape != (len(matrix),) or not wanted.any():
            raise InputError(
                "These rows are not the training samples of this matrix.",
                where=f"{int(wanted.sum())} of {wanted.size} rows, a matrix of {len(matrix)}",
                expected="one truth value for each sample, and at least one sample",
                todo="give the mask that split_rows returns, inverted",
            )
        named = matrix.genes is not None
        super().__init__(int(wanted.sum()), matrix.genes if named else matrix.annotation("var").index)
        self._matrix, numbers = matrix, np.flatnonzero(wanted)
        #: The numbers in the matrix of the rows of each block.
        self._rows = [numbers[block] for block in self._blocks]
        self.samples = range(len(matrix)) if matrix.samples is None else matrix.samples
        if len(set(self.genes)) < len(self.genes):
            raise InputError(
                "This matrix names a gene more than once.",
                where=f"{matrix.path or 'the matrix in memory'}, of shape {matrix.shape}",
                expected="every gene once",
                todo="keep one of each; 'latentome train --duplicates drop' leaves out all of them",
            )
        self.name = str(matrix.path or "the matrix in memory")
        self._transform, self._totals = "none", [None] * len(self._rows)

    def look(self) -> Seen:
        """See what tells the scale of the values as they come."""
        low, high, below, some = np.inf, -np.inf, None, []
        step = every(self.n_samples * len(self.genes))
        firsts = [-block.start % step for block in self._blocks]
        for rows, seen in zip(self._rows, self._matrix.map(partial(_look, step), self._rows, firsts), strict=True):
            low, high = min(low, seen.low), max(high, seen.high)
            some.append(seen.some)
            if below is None and seen.below is not None:
                below = (int(rows[seen.below[0]]), seen.below[1])
        return Seen(low, high, np.concatenate(some), below)

    def transform(self, transform: str) -> list[str]:
        """Learn mean and range of each gene on the transformed scale; no value is missing."""
        self._transform = transform
        if transform == "log2cpm":
            self._totals = list(self._matrix.map(library_sizes, self._rows))
        self._learn()
        return []

    def _measure(
        self, function: Callable[..., Any], *more: Sequence[Any], genes: np.ndarray | None = None
    ) -> Iterator[Any]:
        on_scale = partial(_on_scale, function, self._transform, genes)
        return self._matrix.map(on_scale, self._rows, self._totals, *more)


def check_values(adata: AnnData) -> None:
    """Refuse data without a sample or without values, and infinite values, but those of a Dask array."""
    if adata.X is None or not adata.n_obs or not adata.n_vars:
        raise InputError(
            "There are no values to work with.",
            where=f"{source_name(adata)}: {adata.n_obs} samples x {adata.n_vars} genes, X is "
            f"{'None' if adata.X is None else 'there'}",
            expected="one sample and one gene or more, with their values in X",
            todo="put them there (adata.X), or choose other samples",
        )
    if is_lazy(adata.X):
        return
    step = max(1, 4_000_000 // adata.n_vars)
    for start in range(0, adata.n_obs, step):
        rows = adata.X[start : start + step]
        if np.isinf(rows.data if issparse(rows) else dense(rows)).any():
            at, gene = np.argwhere(np.isinf(dense(rows)))[0]
            raise InputError(
                "There are infinite values.",
                where=f"{source_name(adata)}: sample '{adata.obs_names[start + at]}', gene '{adata.var_names[gene]}'",
                expected="finite numbers, or NaN where a value is missing",
                todo="look where they come from (a division by zero, the logarithm of zero); correct or remove them",
            )


def source_name(adata: AnnData) -> str:
    """Where samples are from, as far as they tell."""
    return str(adata.uns.get("source", {}).get("name", "the matrix"))


def shared_names(adata: AnnData) -> np.ndarray | None:
    """See `Values`."""
    return adata.var["duplicate_of"].astype(str).to_numpy() if "duplicate_of" in adata.var else None


def _in_rows(block: np.ndarray, genes: np.ndarray | None) -> np.ndarray:
    """Some genes of a block, all by default, row after row in memory: sums go by the order of the memory."""
    return np.ascontiguousarray(block) if genes is None else np.take(block, genes, axis=1)


def _on_scale(
    function: Callable[..., Any],
    transform: str,
    genes: np.ndarray | None,
    block: np.ndarray,
    totals: np.ndarray | None,
    *own: Any,
) -> Any:
    return function(apply_transform(_in_rows(block, genes), transform, totals), *own)


def _look(step: int, block: np.ndarray, first: int) -> Seen:
    low = float(block.min())
    some = block[first::step].copy()  # a view would keep the whole block
    return Seen(low, float(block.max()), some, first_below(block) if low <= -1.0 else None)


def _sums_and_range(values: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, ...]:
    return values.sum(axis=0, dtype=np.float64), values.min(axis=0), values.max(axis=0), values[kept]


def _squares(mean: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.square(values - mean).sum(axis=0)


def _deviations(mean: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.abs(values - mean).sum(axis=0, dtype=np.float64)


def _as_they_are(values: np.ndarray) -> np.ndarray:
    return values


def fill(values: np.ndarray, mean: np.ndarray) -> list[str]:
    """Fill missing values with the mean of their gene, in place."""
    gaps = np.isnan(values)
    if not gaps.any():
        return []
    values[gaps] = np.broadcast_to(mean, values.shape)[gaps]
    return [f"{int(gaps.sum()):,} missing values were filled with the training mean of their gene."]
