"""What is done to a matrix before a model sees it: fitted on training samples, applied to any sample."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentome.errors import InputError, nearest
from latentome.io import write_json
from latentome.pp.align import MAX_MISSING, check_missing, match_genes
from latentome.pp.transform import apply_transform, choose_transform

if TYPE_CHECKING:
    from anndata import AnnData

SCALINGS = ("zero-one", "none")
#: Version of the file; older ones stay readable.
SCHEMA = 1


@dataclass(frozen=True)
class Preprocessing:
    """Transform, gene selection and scaling, learned from training samples alone.

    Parameters
    ----------
    transform
        ``none`` or ``log2p1``.
    scaling
        ``zero-one``: each gene's training range becomes [0, 1]; ``none``.
    genes
        Names of the genes that the model reads, in its order.
    minimum, span
        What scaling subtracts and divides by, one for each gene, on the transformed scale.
    mean
        Training mean of each gene on the transformed scale; what fills a gene that new samples lack.
    constant
        Genes that were dropped because all training samples have the same value.
    notes
        What was decided, in sentences.
    """

    transform: str
    scaling: str
    genes: list[str]
    minimum: np.ndarray
    span: np.ndarray
    mean: np.ndarray
    constant: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

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
        values = apply_transform(adata.X[:, positions[~absent]], self.transform)
        aligned = np.empty((adata.n_obs, len(self.genes)), dtype=np.float32)
        aligned[:, ~absent] = values
        aligned[:, absent] = self.mean[absent]
        aligned -= self.minimum
        aligned /= self.span
        if absent.any():
            notes.append(
                f"{absent.sum()} of {len(self.genes)} genes ({absent.mean():.1%}) are missing and were filled with "
                "their training mean."
            )
        return aligned, notes

    def save(self, path: Path) -> None:
        """Write to a JSON file. Numbers are written so that they read back to the same bits."""
        content = {"schema": SCHEMA, **asdict(self)}
        for name in ("minimum", "span", "mean"):
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
        for name in ("minimum", "span", "mean"):
            content[name] = np.array(content[name], dtype=np.float32)
        return cls(**content)


def fit_preprocessing(
    adata: AnnData, transform: str = "auto", n_genes: int | None = None, scaling: str = "zero-one"
) -> Preprocessing:
    """Learn the preprocessing from training samples.

    Parameters
    ----------
    adata
        Training samples x genes.
    transform
        ``auto``, ``none`` or ``log2p1``, see `latentome.pp.choose_transform`.
    n_genes
        How many of the most variable genes to keep, by mean absolute deviation around the mean on the transformed
        scale (the rule of Tybalt's released code); all of them by default. Genes keep the order of the matrix.
    scaling
        ``zero-one`` or ``none``.

    Raises
    ------
    InputError
        On an unknown scaling, if fewer than two genes are asked for, or if fewer than two vary.
    """
    if scaling not in SCALINGS:
        raise InputError(
            f"There is no scaling '{scaling}'.",
            where="the option scaling",
            expected=nearest(scaling, SCALINGS),
            todo="choose one of these",
        )
    if n_genes is not None and n_genes < 2:
        raise InputError(
            f"A model of {n_genes} genes has nothing to compress.",
            where="the number of genes to keep",
            expected="2 or more, or none for all genes",
            todo="ask for more genes",
        )
    transform, said = choose_transform(adata.X, transform)
    values = apply_transform(adata.X, transform)
    low, high = values.min(axis=0), values.max(axis=0)
    varies = high > low
    if varies.sum() < 2:
        raise InputError(
            f"Only {varies.sum()} of {adata.n_vars} genes vary among the {adata.n_obs} training samples.",
            where=adata.uns.get("source", {}).get("name", "the matrix"),
            expected="at least two genes whose values differ between samples",
            todo="check that the matrix is the right one and was read in the right orientation",
        )
    mean = values.mean(axis=0, dtype=np.float64).astype(np.float32)
    keep = np.flatnonzero(varies)
    notes = [said]
    constant = [str(gene) for gene in adata.var_names[~varies]]
    if constant:
        shown = ", ".join(constant[:5]) + (", ..." if len(constant) > 5 else "")
        many = "1 gene has" if len(constant) == 1 else f"{len(constant)} genes have"
        notes.append(f"{many} one value in all training samples and were dropped: {shown}")
    if n_genes is not None and n_genes < len(keep):
        deviation = np.abs(values[:, keep] - mean[keep]).mean(axis=0, dtype=np.float64)
        best = np.argsort(-deviation, kind="stable")[:n_genes]
        notes.append(f"The {n_genes} most variable of {len(keep)} genes were kept (mean absolute deviation).")
        keep = np.sort(keep[best])
    zero_one = scaling == "zero-one"
    return Preprocessing(
        transform=transform,
        scaling=scaling,
        genes=[str(gene) for gene in adata.var_names[keep]],
        minimum=low[keep] if zero_one else np.zeros(len(keep), np.float32),
        span=(high - low)[keep] if zero_one else np.ones(len(keep), np.float32),
        mean=mean[keep],
        constant=constant,
        notes=notes,
    )
