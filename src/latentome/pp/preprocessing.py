"""What is done to a matrix before a model sees it: fitted on training samples, applied to any sample."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentome.errors import InputError
from latentome.io import html, write_json
from latentome.pp.align import MAX_MISSING, check_missing, match_genes
from latentome.pp.scaling import check_scaling, fit_scaling
from latentome.pp.selection import check_selection, listed_genes, most_variable, variability
from latentome.pp.transform import apply_transform, choose_transform, library_sizes, recognise_scale

if TYPE_CHECKING:
    from anndata import AnnData

#: Version of the file; older ones stay readable.
SCHEMA = 2
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
        Samples x genes of the model, float32, and sentences about what was filled in.

        Raises
        ------
        InputError
            If too many genes are missing, or `adata` names one twice.
        """
        positions, notes = match_genes(adata, self.genes)
        absent = positions < 0
        check_missing(adata, self.genes, absent, max_missing)
        # The depth of a library is the sum of all that the file has, of genes that the model does not read, too.
        totals = library_sizes(adata.X) if self.transform == "log2cpm" else None
        values = apply_transform(adata.X[:, positions[~absent]], self.transform, totals)
        aligned = np.empty((adata.n_obs, len(self.genes)), dtype=np.float32)
        aligned[:, ~absent] = values
        aligned[:, absent] = self.mean[absent]
        notes += _fill(aligned, self.mean)
        if self.clip:
            notes += self._clip(aligned)
        aligned -= self.minimum
        aligned /= self.span
        if absent.any():
            notes.append(
                f"{absent.sum()} of {len(self.genes)} genes ({absent.mean():.1%}) are missing and were filled with "
                "their training mean."
            )
        return aligned, notes

    def _clip(self, aligned: np.ndarray) -> list[str]:
        """Set values beyond the training range to its border, in place."""
        beyond = int(((aligned < self.lowest) | (aligned > self.highest)).sum())
        np.clip(aligned, self.lowest, self.highest, out=aligned)
        share = beyond / max(1, aligned.size)
        return [f"{beyond:,} values ({share:.2%}) lay beyond the training range and were cut to it."] if beyond else []

    def save(self, path: Path) -> None:
        """Write to a JSON file. Numbers are written so that they read back to the same bits."""
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
            If the file was written by a newer version.
        """
        content = json.loads(path.read_text(encoding="utf-8"))
        schema = content.pop("schema", None)
        if schema is None or schema > SCHEMA:
            raise InputError(
                "The preprocessing of this model cannot be read.",
                where=f"{path}, schema {schema}",
                expected=f"schema {SCHEMA} or older",
                todo="install a newer latentome, or restore the file",
            )
        for name in _ARRAYS:
            content[name] = np.array(content.get(name, []), dtype=np.float32)
        return cls(**content)


def _fill(values: np.ndarray, mean: np.ndarray) -> list[str]:
    """Fill missing values with the mean of their gene, in place."""
    gaps = np.isnan(values)
    if not gaps.any():
        return []
    values[gaps] = np.broadcast_to(mean, values.shape)[gaps]
    return [f"{int(gaps.sum()):,} missing values were filled with the training mean of their gene."]


def fit_preprocessing(
    adata: AnnData,
    transform: str = "auto",
    n_genes: int | Sequence[str] | None = None,
    scaling: str = "zero-one",
    *,
    selection: str = "mean-deviation",
    clip: bool = False,
) -> Preprocessing:
    """Learn the preprocessing from training samples.

    Parameters
    ----------
    adata
        Training samples x genes. Where ``var["duplicate_of"]`` tells of genes that share a name (see
        :func:`latentome.io.read`), the most variable one of each is kept. NaN is a missing value.
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
    transform, said = choose_transform(adata.X, transform, (adata.obs_names, adata.var_names))
    values = apply_transform(adata.X, transform)
    notes = [said]
    mean, varies = _mean_and_variation(values, notes)
    if varies.sum() < 2:
        raise InputError(
            f"Only {varies.sum()} of {adata.n_vars} genes vary among the {adata.n_obs} training samples.",
            where=adata.uns.get("source", {}).get("name", "the matrix"),
            expected="at least two genes whose values differ between samples",
            todo="check that the matrix is the right one and was read in the right orientation",
        )
    constant = [str(gene) for gene in adata.var_names[~varies]]
    if constant:
        shown = ", ".join(constant[:5]) + (", ..." if len(constant) > 5 else "")
        many = "1 gene has" if len(constant) == 1 else f"{len(constant)} genes have"
        notes.append(f"{many} one value in all training samples and were dropped: {shown}")
    keep = _one_of_each_name(adata, values, np.flatnonzero(varies), selection, notes)
    how = "all"
    if n_genes is not None and not isinstance(n_genes, Integral):
        chosen, told = listed_genes([str(gene) for gene in adata.var_names[keep]], list(n_genes))
        keep, notes, how = keep[chosen], notes + told, "list"
    elif n_genes is not None and n_genes < len(keep):
        chosen, told = most_variable(values[:, keep], n_genes, selection)
        keep, notes, how = keep[chosen], notes + told, selection
    kept = values[:, keep]
    minimum, span = fit_scaling(kept, scaling)
    return Preprocessing(
        transform=transform,
        scaling=scaling,
        genes=[str(gene) for gene in adata.var_names[keep]],
        minimum=minimum,
        span=span,
        mean=mean[keep],
        constant=constant,
        notes=notes,
        selection=how,
        scale=recognise_scale(adata.X).kind,
        clip=clip,
        lowest=kept.min(axis=0),
        highest=kept.max(axis=0),
    )


def _mean_and_variation(values: np.ndarray, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Give the mean of each gene and whether it varies; gaps are filled with the mean, in place."""
    gaps = np.isnan(values)
    if gaps.any():
        present = (~gaps).sum(axis=0)
        total = np.nansum(values, axis=0, dtype=np.float64)
        mean = (total / np.maximum(present, 1)).astype(np.float32)
        notes += _fill(values, mean)
    else:
        mean = values.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean, values.max(axis=0) > values.min(axis=0)


def _one_of_each_name(
    adata: AnnData, values: np.ndarray, keep: np.ndarray, selection: str, notes: list[str]
) -> np.ndarray:
    """Of genes that share a name keep the one that varies most."""
    if "duplicate_of" not in adata.var:
        return keep
    shared: dict[str, list[int]] = {}
    names: Any = adata.var["duplicate_of"].astype(str).to_numpy()
    for i in keep:
        if names[i]:
            shared.setdefault(names[i], []).append(i)
    dropped: list[int] = []
    for rivals in shared.values():
        best = int(np.argmax(variability(values[:, rivals], selection)))
        dropped += [i for position, i in enumerate(rivals) if position != best]
    if dropped:
        gone = ", ".join(map(str, adata.var_names[dropped[:5]])) + (", ..." if len(dropped) > 5 else "")
        notes.append(
            f"Of {len(shared)} names that several genes share the most variable gene was kept; dropped: {gone}"
        )
    return np.setdiff1d(keep, dropped)
