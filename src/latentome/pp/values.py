"""Training values as the preprocessing measures them, gene by gene: in memory, or on disk in blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from latentome.errors import InputError
from latentome.io import BackedMatrix
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


class InMemory:
    """Training samples in memory.

    Parameters
    ----------
    adata
        Samples x genes; NaN is a missing value.

    Attributes
    ----------
    mean, lowest, highest
        Of each gene on the transformed scale, float32; there after `transform`.
    """

    def __init__(self, adata: AnnData) -> None:
        self._x = adata.X
        self.n_samples = adata.n_obs
        self.samples, self.genes = adata.obs_names, [str(gene) for gene in adata.var_names]
        self.name = str(adata.uns.get("source", {}).get("name", "the matrix"))
        self.shared_names: np.ndarray | None = None
        if "duplicate_of" in adata.var:
            self.shared_names = adata.var["duplicate_of"].astype(str).to_numpy()

    def look(self) -> Seen:
        """See what tells the scale of the values as they come."""
        return look_at(self._x)

    def transform(self, transform: str) -> list[str]:
        """Transform the values; what is missing becomes the mean of its gene, which the sentences tell."""
        values = self._values = apply_transform(self._x, transform)
        gaps, notes = np.isnan(values), []
        if gaps.any():
            total = np.nansum(values, axis=0, dtype=np.float64)
            self.mean = (total / np.maximum((~gaps).sum(axis=0), 1)).astype(np.float32)
            notes = fill(values, self.mean)
        else:
            self.mean = values.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.lowest, self.highest = values.min(axis=0), values.max(axis=0)
        return notes

    def some(self, genes: np.ndarray) -> np.ndarray:
        """The rows `compared_rows` of some genes, given by their positions."""
        return self._values[:, genes][compared_rows(self.n_samples)]

    def variability(self, genes: np.ndarray, rule: str) -> np.ndarray:
        """How much each of some genes varies, see `latentome.pp.variability`."""
        return variability(self._values[:, genes], rule)

    def scaling(self, genes: np.ndarray, scaling: str) -> tuple[np.ndarray, np.ndarray]:
        """What to subtract from some genes and what to divide them by, see `latentome.pp.fit_scaling`."""
        return fit_scaling(self._values[:, genes], scaling)


class InBlocks:
    """Training samples of a matrix of which only blocks are in memory; the same answers as from `InMemory`.

    Range, medians and quartiles are the same numbers. Sums are taken block by block, in float64: what is made of them
    (means, deviations) differs by 1e-12 of its size at most before it is rounded to float32.

    Parameters
    ----------
    matrix
        Samples x genes, on the scale that they come in.
    rows
        Boolean, one for each sample: whether it is trained on; all by default.
    """

    def __init__(self, matrix: BackedMatrix, rows: np.ndarray | None = None) -> None:
        self._matrix = matrix
        self._rows = np.ones(len(matrix), bool) if rows is None else np.asarray(rows, bool)
        if self._rows.shape != (len(matrix),) or not self._rows.any():
            raise InputError(
                "These rows are not the training samples of this matrix.",
                where=f"{int(self._rows.sum())} of {self._rows.size} rows, a matrix of {len(matrix)}",
                expected="one truth value for each sample, and at least one sample",
                todo="give the mask that split_rows returns, inverted",
            )
        self.n_samples = int(self._rows.sum())
        self.samples = range(len(matrix)) if matrix.samples is None else matrix.samples
        named = matrix.genes is not None
        self.genes = [str(gene) for gene in (matrix.genes if named else matrix.annotation("var").index)]
        if len(set(self.genes)) < len(self.genes):
            raise InputError(
                "This matrix names a gene more than once.",
                where=f"{matrix.path or 'the matrix in memory'}, of shape {matrix.shape}",
                expected="every gene once",
                todo="keep one of each; 'latentome train --duplicates drop' leaves out all of them",
            )
        self.name, self.shared_names = str(matrix.path or "the matrix in memory"), None
        self._transform, self._totals = "none", np.zeros(0)

    def _raw(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Blocks of training rows as they come: how many came before, their numbers in the matrix, their values."""
        done, step = 0, max(1, BLOCK_VALUES // self._matrix.shape[1])
        for start in range(0, len(self._matrix), step):
            stop = min(start + step, len(self._matrix))
            mine = np.flatnonzero(self._rows[start:stop])
            if len(mine):
                block = self._matrix.block(start, stop)
                yield done, mine + start, block if len(mine) == len(block) else block[mine]
                done += len(mine)

    def _blocks(self, genes: np.ndarray | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """Blocks of training rows on the transformed scale, of some genes."""
        for done, _, block in self._raw():
            totals = self._totals[done : done + len(block)] if len(self._totals) else None
            yield done, apply_transform(block if genes is None else block[:, genes], self._transform, totals)

    def look(self) -> Seen:
        """See what tells the scale of the values as they come."""
        low, high, below, some = np.inf, -np.inf, None, []
        step = every(self.n_samples * len(self.genes))
        for done, rows, block in self._raw():
            low, high = min(low, float(block.min())), max(high, float(block.max()))
            some.append(block[-done % step :: step])
            found = first_below(block) if below is None else None
            if found is not None:
                below = (int(rows[found[0]]), found[1])
        return Seen(low, high, np.concatenate(some), below)

    def transform(self, transform: str) -> list[str]:
        """Learn mean and range of each gene on the transformed scale."""
        self._transform = transform
        if transform == "log2cpm":
            self._totals = np.concatenate([library_sizes(block) for _, _, block in self._raw()])
        total = np.zeros(len(self.genes))
        self.lowest, self.highest = np.full((2, len(self.genes)), [[np.inf], [-np.inf]], np.float32)
        wanted, kept = compared_rows(self.n_samples), []
        for done, block in self._blocks():
            total += block.sum(axis=0, dtype=np.float64)
            np.minimum(self.lowest, block.min(axis=0), out=self.lowest)
            np.maximum(self.highest, block.max(axis=0), out=self.highest)
            kept.append(block[wanted[(wanted >= done) & (wanted < done + len(block))] - done])
        self._mean = total / self.n_samples
        self.mean, self._some = self._mean.astype(np.float32), np.concatenate(kept)
        return []

    def some(self, genes: np.ndarray) -> np.ndarray:
        """As `InMemory.some`."""
        return self._some[:, genes]

    def variability(self, genes: np.ndarray, rule: str) -> np.ndarray:
        """As `InMemory.variability`."""
        if rule == "median-deviation":
            return np.concatenate([variability(part, rule) for part in self._by_genes(genes)])
        total = np.zeros(len(genes))
        for _, block in self._blocks(genes):
            if rule == "variance":
                total += np.square(block - self._mean[genes]).sum(axis=0)
            else:
                total += np.abs(block - self.mean[genes]).sum(axis=0, dtype=np.float64)
        return total / self.n_samples

    def scaling(self, genes: np.ndarray, scaling: str) -> tuple[np.ndarray, np.ndarray]:
        """As `InMemory.scaling`."""
        if scaling == "z-score":
            return self.mean[genes], np.sqrt(self.variability(genes, "variance")).astype(np.float32)
        if scaling == "robust":
            parts = [fit_scaling(part, scaling) for part in self._by_genes(genes)]
            return np.concatenate([low for low, _ in parts]), np.concatenate([span for _, span in parts])
        return fit_scaling(np.stack([self.lowest[genes], self.highest[genes]]), scaling)  # asks for the range at most

    def _by_genes(self, genes: np.ndarray) -> Iterator[np.ndarray]:
        """All transformed training values of some genes, of a few at a time: rows x genes."""
        parts = -(-len(genes) * self.n_samples * 4 // GENES_BYTES)
        for part in np.array_split(genes, min(parts, len(genes))):
            values = np.empty((self.n_samples, len(part)), np.float32)
            for done, block in self._blocks(part):
                values[done : done + len(block)] = block
            yield values


def fill(values: np.ndarray, mean: np.ndarray) -> list[str]:
    """Fill missing values with the mean of their gene, in place."""
    gaps = np.isnan(values)
    if not gaps.any():
        return []
    values[gaps] = np.broadcast_to(mean, values.shape)[gaps]
    return [f"{int(gaps.sum()):,} missing values were filled with the training mean of their gene."]
