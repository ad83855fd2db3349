"""Expression: names, missing values, the most variable genes, both scalings of the published tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from latentome.errors import InputError
from latentome.io import gene_table, parse_barcodes
from latentome.io.genes import listed
from latentome.pp.scaling import fit_scaling
from latentome.pp.tcga.rows import Wide, open_wide
from latentome.pp.transform import LOG_MAXIMUM, apply_transform

if TYPE_CHECKING:
    from anndata import AnnData

#: Genes that the published matrix keeps.
N_GENES = 5000
#: Room beyond the genes that are wanted, for those that turn out to be named twice. The public files have one.
_SPARE = 256


class _Gene(NamedTuple):
    entrez: str
    mean_deviation: float
    median_deviation: float
    values: np.ndarray

    def deviation(self, as_published: bool) -> float:
        return self.mean_deviation if as_published else self.median_deviation


def read_expression(
    path: Path,
    n_genes: int | None = N_GENES,
    *,
    as_published: bool = False,
    progress: Callable[[int], None] | None = None,
) -> AnnData:
    """Read a pan-cancer expression file and keep its most variable genes.

    The file is read row by row, and only the genes that can still be among the kept ones stay in memory.

    Parameters
    ----------
    path
        Genes x samples, as UCSC Xena (``HiSeqV2``) or the PanCanAtlas publish it: ``SYMBOL``, ``SYMBOL|ENTREZ`` or
        ``?|ENTREZ``; log2(x + 1), or linear, which is seen from values above 30 and made log2(x + 1).
    n_genes
        How many genes to keep; None for all.
    as_published
        As the authors of Tybalt did it: the deviation is the mean one around the mean, missing values are 0, genes
        without a symbol and both rows of a doubled symbol are dropped. By default the deviation is the median one
        around the median (as their paper says), missing values are the gene's mean, a gene ``?|ENTREZ`` is named by its
        Entrez id where that is known, and of a doubled symbol the more variable row is kept.
    progress
        Called with the number of rows that were read.

    Returns
    -------
    Samples x genes, float32 log2 values, samples in the order of their barcodes, genes in descending order of their
    deviation. ``obs`` has patient and sample_type, from the barcode; ``var`` has entrez, mean_deviation and
    median_deviation in log2 units; ``uns["source"]["notes"]`` says what was done.

    Raises
    ------
    InputError
        If the file is no such table, is damaged, or mixes scales.

    References
    ----------
    Way and Greene, Pacific Symposium on Biocomputing 2018, 23:80-91.
    """
    wide = open_wide(path)
    linear = _is_linear(path)
    chosen = _Choice(n_genes, as_published, "log2p1" if linear else "none")
    for number, (name, values) in enumerate(wide.rows, start=1):
        if not linear and np.nanmax(values, initial=0.0) > LOG_MAXIMUM:
            raise _mixed(path, name, float(np.nanmax(values)))
        chosen.take(name, values)
        if progress is not None and number % 500 == 0:
            progress(number)
    return _assemble(wide, chosen, linear)


def scale_all(values: np.ndarray, how: str) -> np.ndarray:
    """Scale a matrix over all of its samples, as the published tables are.

    A model that is evaluated on held-out samples must not be trained on it: the range of the held-out ones is in it.
    `latentome.pp.fit_preprocessing` learns the scaling on training samples instead.

    Parameters
    ----------
    values
        Samples x genes.
    how
        ``zero-one``, or ``z-score`` (with the standard deviation of the population, as scikit-learn has it).

    Returns
    -------
    Samples x genes, float32. A gene with one value everywhere becomes 0.
    """
    centre, width = fit_scaling(values, how)
    return ((values - centre) / np.where(width == 0, 1, width)).astype(np.float32, copy=False)


class _Choice:
    """The most variable genes of those that were taken so far."""

    def __init__(self, n_genes: int | None, as_published: bool, transform: str) -> None:
        self.n_genes, self.as_published, self.transform = n_genes, as_published, transform
        self.genes: dict[str, _Gene] = {}
        self.times: Counter[str] = Counter()
        self.nameless = self.named = self.missing = 0
        table = gene_table()
        self._symbols = dict(zip(table["entrez"], table["symbol"], strict=True))
        self._entrez = {symbol: entrez for entrez, symbol in self._symbols.items()}

    def take(self, name: str, values: np.ndarray) -> None:
        """Take one row of the file."""
        symbol, _, entrez = name.partition("|")
        if symbol == "?" and not self.as_published and entrez in self._symbols:
            symbol = self._symbols[entrez]
            self.named += 1
        if symbol in ("?", ""):
            self.nameless += 1
            return
        self.times[symbol] += 1
        gene = self._measure(entrez or self._entrez.get(symbol, ""), values)
        other = self.genes.get(symbol)
        if other is None or gene.deviation(self.as_published) > other.deviation(self.as_published):
            self.genes[symbol] = gene
        if self.n_genes is not None and len(self.genes) > 1.25 * (self.n_genes + _SPARE):
            self.genes = self._best(self.n_genes + _SPARE)

    def finish(self) -> tuple[dict[str, _Gene], list[str]]:
        """The genes in descending order of their deviation, and what was done as sentences."""
        twice = [symbol for symbol, times in self.times.items() if times > 1]
        if len(twice) > _SPARE:
            raise InputError(
                f"{len(twice)} gene symbols come more than once.",
                where=listed(twice),
                expected=f"at most {_SPARE}, as in files of the TCGA",
                todo="check that the file has one row for each gene",
            )
        if self.as_published:
            for symbol in twice:
                self.genes.pop(symbol, None)
        chosen = self._best(len(self.genes) if self.n_genes is None else self.n_genes)
        kind = "mean deviation around the mean" if self.as_published else "median deviation around the median"
        notes = [f"{len(chosen):,} of {len(self.times):,} genes with a name, by their {kind} over all samples."]
        if self.named:
            notes.append(f"{self.named} genes '?' were named by their Entrez ids.")
        if self.nameless:
            notes.append(f"{self.nameless} genes without a symbol ('?') were dropped.")
        if twice:
            done = "all their rows were dropped" if self.as_published else "the more variable row was kept"
            notes.append(f"{len(twice)} symbols come more than once ({listed(twice)}): {done}.")
        if self.missing:
            filled = "0" if self.as_published else "the mean of their gene"
            notes.append(f"{self.missing:,} missing values were filled with {filled}.")
        return chosen, notes

    def _measure(self, entrez: str, values: np.ndarray) -> _Gene:
        # A copy: a row that is kept would hold on to the whole block that it was parsed with.
        values = apply_transform(values, self.transform).copy()
        gone = np.isnan(values)
        if gone.any():
            self.missing += int(gone.sum())
            empty = self.as_published or gone.all()
            values = np.where(gone, np.float32(0.0 if empty else values[~gone].mean(dtype=np.float64)), values)
        mean = np.abs(values - values.mean(dtype=np.float64)).mean(dtype=np.float64)
        return _Gene(entrez, float(mean), float(np.median(np.abs(values - np.median(values)))), values)

    def _best(self, n: int) -> dict[str, _Gene]:
        # Sorting is stable: of equal genes the one that comes first in the file is kept.
        order = sorted(self.genes.items(), key=lambda item: -item[1].deviation(self.as_published))
        return dict(order[:n])


def _is_linear(path: Path) -> bool:
    """Whether the first rows reach beyond any logarithm of an abundance."""
    return any(np.nanmax(values, initial=0.0) > LOG_MAXIMUM for _, values in islice(open_wide(path).rows, 256))


def _assemble(wide: Wide, chosen: _Choice, linear: bool) -> AnnData:
    import pandas as pd
    from anndata import AnnData

    genes, notes = chosen.finish()
    if not genes:
        raise InputError(
            f"{wide.path.name} has no gene with a name",
            where=str(wide.path),
            expected="rows that are named SYMBOL, SYMBOL|ENTREZ or ?|ENTREZ",
            todo="check that it is the right file",
        )
    if linear:
        notes.insert(0, f"log2(x + 1): the values of {wide.path.name} are linear.")
    values = np.empty((len(wide.samples), len(genes)), dtype=np.float32)
    for column, gene in enumerate(genes.values()):
        values[:, column] = gene.values
    var = {field: [getattr(gene, field) for gene in genes.values()] for field in _Gene._fields[:3]}
    obs = parse_barcodes(wide.samples)[["patient", "sample_type"]]
    adata = AnnData(values, obs=obs, var=pd.DataFrame(var, index=pd.Index(list(genes), dtype=object)))
    adata.uns["source"] = {
        "name": wide.path.name,
        "path": str(wide.path),
        "orientation": "genes-by-samples",
        "scale": "log2",
        "notes": [*wide.notes, *notes],
    }
    return adata


def _mixed(path: Path, gene: str, value: float) -> InputError:
    return InputError(
        f"{path.name} mixes scales: its first genes look like logarithms, and this one does not",
        where=f"{path}, gene '{gene}': {value:.6g}",
        expected=f"log2 values, which stay below {LOG_MAXIMUM:g}, or linear values throughout",
        todo="check that it is the right file, and complete",
    )
