"""What is done to a matrix before a model sees it: fitted on training samples, applied to any sample."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentome.errors import InputError, check_anndata
from latentome.io import BackedMatrix, MemoryMatrix, html, write_json
from latentome.io.tasks import dense, densely, is_lazy
from latentome.pp.align import MAX_MISSING, check_missing, match_genes
from latentome.pp.scaling import check_scaling
from latentome.pp.selection import check_selection, choose_by, listed_genes
from latentome.pp.transform import apply_transform, choose_transform, depth_shares, library_sizes, recognise_scale
from latentome.pp.values import InBlocks, InMemory, Values, check_values, fill, shared_names, source_name

if TYPE_CHECKING:
    from anndata import AnnData

#: Version of the file; older ones stay readable.
SCHEMA = 3
_ARRAYS = ("minimum", "span", "mean", "lowest", "highest")


@dataclass(frozen=True)
class Preprocessing:
    """Transform, gene selection and scaling, learned from training samples alone.

    Parameters
    ----------
    transform
        ``none``, ``log2p1`` or ``log2cpm``.
    scaling
        ``zero-one``: each gene's training range becomes [0, 1]; ``z-score``, ``robust`` or ``none``.
    genes
        Names of the genes that the model reads, in its order.
    minimum, span
        What scaling subtracts and divides by, one for each gene, on the transformed scale.
    mean
        Training mean of each gene on the transformed scale; what fills a gene or a value that samples lack.
    constant
        Genes that were dropped because all training samples have the same value.
    notes
        What was decided, in sentences.
    selection
        How the genes were chosen: ``all``, ``mean-deviation``, ``median-deviation``, ``variance`` or ``list``.
    scale
        What the training values were, as :func:`latentome.pp.recognise_scale` names it; empty where that is not known.
    clip
        Whether values beyond the training range of a gene are set to its border.
    lowest, highest
        The training range of each gene on the transformed scale; empty in files of older versions.
    counted, depth_share
        Of counts per million: how many genes the training samples had, and the share of the reads of the median sample
        that the genes of the model have; 0 where that is not known, or not needed.
    entrez
        Their Entrez ids as the training data told them, empty for a gene without one; no list where none was told.
    """

    transform: str
    scaling: str
    genes: list[str]
    minimum: np.ndarray
    span: np.ndarray
    mean: np.ndarray
    constant: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    selection: str = ""
    scale: str = ""
    clip: bool = False
    lowest: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    highest: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    counted: int = 0
    depth_share: float = 0.0
    entrez: list[str] = field(default_factory=list)

    def _repr_html_(self) -> str:
        """Tell in a notebook what is done to samples."""
        genes = f"{len(self.genes):,}, such as {', '.join(self.genes[:5])}"
        rows = [("transform", self.transform), ("scaling", self.scaling), ("genes", genes)]
        return html.card("Preprocessing, learned from training samples", html.facts(rows), html.sentences(self.notes))

    def apply(self, adata: AnnData, max_missing: float = MAX_MISSING) -> tuple[np.ndarray, list[str]]:
        """Align samples to the model's genes, transform and scale them.

        Parameters
        ----------
        adata
            Samples x genes, genes in any order, on the scale that the training data came in.
        max_missing
            The largest share of the model's genes that may be missing.

        Returns
        -------
        Samples x genes of the model, float32, and sentences about what was filled in. Of a Dask array another one; what
        its values lack is filled when they are computed, and not told.

        Raises
        ------
        InputError
            If too many genes are missing, or `adata` names one twice.
        """
        positions, notes = self.find(adata, max_missing)
        if is_lazy(adata.X):
            aligned, told = self._apply_lazily(adata.X, positions), []
        else:
            aligned, told = self.apply_rows(dense(adata.X), positions)
        absent = positions < 0
        if absent.any():
            told.append(
                f"{absent.sum()} of {len(self.genes)} genes ({absent.mean():.1%}) are missing and were filled with "
                "their training mean."
            )
        return aligned, notes + told

    def _apply_lazily(self, x: Any, positions: np.ndarray) -> Any:
        whole = densely(x).rechunk({1: -1})  # the depth of a library is the sum of a whole row
        size, nothing = {"chunks": (whole.chunks[0], (len(self.genes),))}, np.empty((0, 0), np.float32)
        return whole.map_blocks(lambda rows: self.apply_rows(rows, positions)[0], **size, meta=nothing)

    def find(self, adata: AnnData, max_missing: float = MAX_MISSING) -> tuple[np.ndarray, list[str]]:
        """Find the genes of the model among those of some samples, whose values are not looked at.

        Parameters
        ----------
        adata
            Samples x genes.
        max_missing
            As in `apply`.

        Returns
        -------
        For each gene of the model its column in `adata`, -1 if it is missing; and sentences.

        Raises
        ------
        InputError
            As `apply`.
        """
        check_anndata(adata, "Preprocessing.apply")
        positions, notes = match_genes(adata, self.genes, self.entrez)
        check_missing(adata, self.genes, positions < 0, max_missing)
        return positions, notes

    def apply_rows(self, x: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Transform and scale some rows.

        Parameters
        ----------
        x
            Samples x genes, on the scale that the training data came in.
        positions
            The column of each gene of the model, -1 for one that is missing: it gets its training mean.

        Returns
        -------
        Samples x genes of the model, float32, and sentences about what was filled in and cut.
        """
        absent = positions < 0
        # The depth of a library is the sum of all that the file has, of genes that the model does not read, too.
        totals = library_sizes(x) if self.transform == "log2cpm" else None
        values = apply_transform(x[:, positions[~absent]], self.transform, totals)
        aligned = np.empty((len(x), len(self.genes)), dtype=np.float32)
        aligned[:, ~absent] = values
        aligned[:, absent] = self.mean[absent]
        notes = fill(aligned, self.mean)
        if self.clip:
            notes += self._clip(aligned)
        aligned -= self.minimum
        aligned /= self.span
        return aligned, notes

    def _clip(self, aligned: np.ndarray) -> list[str]:
        """Set values beyond the training range to its border, in place."""
        beyond = int(((aligned < self.lowest) | (aligned > self.highest)).sum())
        np.clip(aligned, self.lowest, self.highest, out=aligned)
        share = beyond / max(1, aligned.size)
        return [f"{beyond:,} values ({share:.2%}) lay beyond the training range and were cut to it."] if beyond else []

    def save(self, path: Path) -> None:
        """Write to a JSON file. Numbers are written so that they read back to the same bits.

        Parameters
        ----------
        path
            Where the file shall be.
        """
        content = {"schema": SCHEMA, **asdict(self)}
        for name in _ARRAYS:
            content[name] = [float(v) for v in content[name]]
        write_json(path, content)

    @classmethod
    def load(cls, path: Path) -> Preprocessing:
        """Read what `save` wrote.

        Raises
        ------
        InputError
            If the file is damaged, or was written by a newer version.
        """
        path = Path(path)
        try:
            content = dict(json.loads(path.read_text(encoding="utf-8")))
            schema = content.pop("schema", None)
            if isinstance(schema, int) and schema <= SCHEMA:
                return cls(**content | {n: np.array(content.get(n, []), dtype=np.float32) for n in _ARRAYS})
        except (OSError, ValueError, TypeError) as failure:  # of JSON and UTF-8 alike; TypeError of what else it holds
            raise InputError(
                "The preprocessing of this model is damaged.",
                where=f"{path}: {failure}",
                expected="the file as it was written",
                todo="restore the file, or train again",
            ) from failure
        raise InputError(
            "The preprocessing of this model cannot be read.",
            where=f"{path}, schema {schema}",
            expected=f"schema {SCHEMA} or older",
            todo="install a newer latentome, or restore the file",
        )


def fit_preprocessing(
    adata: AnnData | BackedMatrix,
    transform: str = "auto",
    n_genes: int | Sequence[str] | None = None,
    scaling: str = "zero-one",
    *,
    selection: str = "mean-deviation",
    clip: bool = False,
    rows: np.ndarray | None = None,
) -> Preprocessing:
    """Learn the preprocessing from training samples.

    Parameters
    ----------
    adata
        Training samples x genes. Where ``var["duplicate_of"]`` tells of genes that share a name (see
        :func:`latentome.io.read`), the most variable one of each is kept. NaN is a missing value. With X as a Dask
        array what is learned of a block is a task of its scheduler, and no value may be missing. Or a matrix on disk
        (see :func:`latentome.io.open_matrix`), which is read in blocks. What is learned is the same, bit for bit, in
        two or three passes, and one more for each 512 MiB of training values where medians are asked for.
    transform
        ``auto``, ``none``, ``log2p1`` or ``log2cpm``, see `latentome.pp.choose_transform`.
    n_genes
        How many of the most variable genes to keep, on the transformed scale; or the names of those to keep; all by
        default. Genes keep the order of the matrix.
    scaling
        ``zero-one``, ``z-score``, ``robust`` or ``none``, see `latentome.pp.fit_scaling`.
    selection
        How variable a gene is: ``mean-deviation``, the mean absolute deviation around the mean (the rule of Tybalt's
        released code); ``median-deviation``, around the median (what its paper says); ``variance``.
    clip
        Whether values of other samples beyond the training range of a gene are set to its border.
    rows
        Boolean, one for each sample: whether it is a training sample; by default all are.

    Raises
    ------
    InputError
        On an unknown choice, if fewer than two genes are asked for, or if fewer than two vary.
    """
    check_scaling(scaling)
    check_selection(selection)
    if isinstance(n_genes, Integral) and n_genes < 2:
        raise InputError(
            f"A model of {n_genes} genes has nothing to compress.",
            where="the number of genes to keep",
            expected="2 or more, or none for all genes",
            todo="ask for more genes",
        )
    values = _values(adata, rows)
    seen = values.look()
    transform, said = choose_transform(seen, transform, (values.samples, values.genes))
    notes = [said, *values.transform(transform)]
    varies = values.highest > values.lowest
    if varies.sum() < 2:
        raise InputError(
            f"Only {varies.sum()} of {len(varies)} genes vary among the {values.n_samples} training samples.",
            where=values.name,
            expected="at least two genes whose values differ between samples",
            todo="check that the matrix is the right one and was read in the right orientation",
        )
    names = np.array(values.genes, dtype=object)
    constant = names[~varies].tolist()
    if constant:
        shown = ", ".join(constant[:5]) + (", ..." if len(constant) > 5 else "")
        one = len(constant) == 1
        many = "1 gene has" if one else f"{len(constant)} genes have"
        notes.append(f"{many} one value in all training samples and {'was' if one else 'were'} dropped: {shown}")
    keep = _one_of_each_name(values, np.flatnonzero(varies), selection, notes)
    how = "all"
    if n_genes is not None and not isinstance(n_genes, Integral):
        chosen, told = listed_genes(names[keep].tolist(), list(n_genes))
        keep, notes, how = keep[chosen], notes + told, "list"
    elif n_genes is not None and n_genes < len(keep):
        chosen, told = choose_by(values.variability(keep, selection), values.some(keep), n_genes, selection)
        keep, notes, how = keep[chosen], notes + told, selection
    minimum, span = values.scaling(keep, scaling)
    of_depth = {}
    if transform == "log2cpm":
        of_depth = {"counted": len(names), "depth_share": float(np.nanmedian(depth_shares(seen.some, keep)))}
    return Preprocessing(
        transform=transform,
        scaling=scaling,
        genes=names[keep].tolist(),
        minimum=minimum,
        span=span,
        mean=values.mean[keep],
        constant=constant,
        notes=notes,
        selection=how,
        scale=recognise_scale(seen).kind,
        clip=clip,
        lowest=values.lowest[keep],
        highest=values.highest[keep],
        entrez=_entrez(adata, keep),
        **of_depth,
    )


def _entrez(adata: AnnData | BackedMatrix, keep: np.ndarray) -> list[str]:
    """The Entrez ids of some genes, where the data tell them."""
    var = adata.annotation("var") if isinstance(adata, BackedMatrix) else adata.var
    if "entrez" not in var:
        return []
    told = var["entrez"].astype(str).to_numpy()[keep]
    return [name if name.isdigit() else "" for name in told]


def _values(adata: AnnData | BackedMatrix, rows: np.ndarray | None) -> Values:
    """The training samples, as they can be measured."""
    if isinstance(adata, BackedMatrix):
        return InBlocks(adata, rows)
    check_anndata(adata, "pp.fit_preprocessing")
    check_values(adata)
    if rows is not None and np.shape(rows) != (adata.n_obs,):
        raise InputError(
            "Which samples are for training is told of other samples.",
            where=f"rows, shape {np.shape(rows)}; {adata.n_obs} samples",
            expected="True or False for each sample",
            todo="pass one value for each sample, or leave rows out",
        )
    if not is_lazy(adata.X):
        return InMemory(adata if rows is None else adata[rows])
    values = InBlocks(MemoryMatrix(adata.X, adata.var_names, adata.obs_names), rows)
    values.name, values.shared_names = source_name(adata), shared_names(adata)
    return values


def _one_of_each_name(values: Values, keep: np.ndarray, selection: str, notes: list[str]) -> np.ndarray:
    """Of genes that share a name keep the one that varies most."""
    names = values.shared_names
    if names is None:
        return keep
    shared: dict[str, list[int]] = {}
    for i in keep:
        if names[i]:
            shared.setdefault(names[i], []).append(i)
    dropped: list[int] = []
    for rivals in shared.values():
        best = int(np.argmax(values.variability(np.array(rivals), selection)))
        dropped += [i for position, i in enumerate(rivals) if position != best]
    if dropped:
        gone = ", ".join(values.genes[i] for i in dropped[:5]) + (", ..." if len(dropped) > 5 else "")
        notes.append(
            f"Of {len(shared)} names that several genes share the most variable gene was kept; dropped: {gone}"
        )
    return np.setdiff1d(keep, dropped)
