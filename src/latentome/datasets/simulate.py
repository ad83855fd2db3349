"""Simulated expression with known factors: to test what a model finds, and to time what is slow."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from latentome.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

# Log2 units. A gene's factors add at most SATURATION to its baseline; nothing is measured beyond CEILING.
SATURATION = 8.0
CEILING = 20.0
BLOCK_VALUES = 1_000_000


class _Truth(NamedTuple):
    types: np.ndarray
    factors: np.ndarray
    loadings: np.ndarray
    baseline: np.ndarray


def simulate(
    n_samples: int,
    n_genes: int,
    n_types: int = 6,
    n_factors: int = 10,
    noise: float = 0.3,
    rng: int | np.random.Generator = 0,
) -> AnnData:
    """Simulate log2 expression with known latent factors and known types of samples.

    Each type has its own mean of each factor; a sample's factors scatter around the means of its type and are not
    negative. A gene has a baseline and non-negative loadings on a few factors; their sum s saturates mildly, as
    S s / (S + s) with S = 8, before noise is added. Values are cut to [0, 20].

    Parameters
    ----------
    n_samples, n_genes
        Shape of the matrix.
    n_types
        Number of types of samples, equally frequent.
    n_factors
        Number of latent factors.
    noise
        Standard deviation of the Gaussian noise, in log2 units.
    rng
        A seed, or a generator, which is then advanced.

    Returns
    -------
    Samples x genes, float32. ``obs["type"]`` is categorical, ``obsm["X_true"]`` holds the factors (samples x factors),
    ``varm["loadings_true"]`` the loadings (genes x factors), ``var["baseline"]`` the baselines, ``uns["simulate"]`` the
    arguments.

    Raises
    ------
    InputError
        If a number is out of range.
    """
    import pandas as pd
    from anndata import AnnData

    _check(n_samples, n_genes, n_types, n_factors, noise)
    generator = np.random.default_rng(rng)
    truth = _draw_truth(generator, n_samples, n_genes, n_types, n_factors)
    values = _express(generator, truth, noise)
    width = len(str(n_types))
    adata = AnnData(
        values,
        obs=pd.DataFrame(
            {"type": pd.Categorical([f"type-{i + 1:0{width}d}" for i in truth.types])},
            index=[f"sample-{i + 1:05d}" for i in range(n_samples)],
        ),
        var=pd.DataFrame({"baseline": truth.baseline}, index=[f"gene-{i + 1:05d}" for i in range(n_genes)]),
        obsm={"X_true": truth.factors},
        varm={"loadings_true": truth.loadings},
    )
    adata.uns["simulate"] = {
        "n_types": n_types,
        "n_factors": n_factors,
        "noise": float(noise),
        "saturation": SATURATION,
    }
    if not isinstance(rng, np.random.Generator):
        adata.uns["simulate"]["seed"] = int(rng)
    adata.uns["source"] = {
        "name": "simulated",
        "path": "",
        "sha256": hashlib.sha256(values).hexdigest(),
        "orientation": "samples-by-genes",
        "label_column": "type",
        "scale": "log2",
        "notes": ["Simulated; the hash is that of the values."],
    }
    return adata


def _draw_truth(generator: np.random.Generator, n_samples: int, n_genes: int, n_types: int, n_factors: int) -> _Truth:
    types = generator.permutation(np.arange(n_samples) % n_types)
    means = generator.uniform(0.0, 2.0, size=(n_types, n_factors))
    scatter = generator.normal(0.0, 0.4, size=(n_samples, n_factors))
    factors = np.maximum(means[types] + scatter, 0.0).astype(np.float32)
    # A gene answers to two factors on average, and to one at least.
    used = generator.random((n_genes, n_factors)) < min(1.0, 2.0 / n_factors)
    used[np.arange(n_genes), generator.integers(n_factors, size=n_genes)] = True
    loadings = np.where(used, generator.gamma(1.5, 0.6, size=(n_genes, n_factors)), 0.0).astype(np.float32)
    baseline = generator.uniform(0.0, 11.0, size=n_genes).astype(np.float32)
    return _Truth(types, factors, loadings, baseline)


def _express(
    generator: np.random.Generator, truth: _Truth, noise: float, block_values: int = BLOCK_VALUES
) -> np.ndarray:
    """Compute the matrix in blocks of rows, which bounds the memory and does not change a single bit.

    The noise is one stream, drawn row by row. The factors are added one after the other instead of by a matrix product,
    whose rounding depends on the shape.
    """
    n_samples, n_genes = len(truth.factors), len(truth.baseline)
    by_factor = np.ascontiguousarray(truth.loadings.T)
    values = np.empty((n_samples, n_genes), np.float32)
    step = max(1, block_values // n_genes)
    for start in range(0, n_samples, step):
        factors = truth.factors[start : start + step]
        signal = np.zeros((len(factors), n_genes), np.float32)
        for scores, loadings in zip(factors.T, by_factor, strict=True):
            signal += scores[:, None] * loadings
        block = values[start : start + step]
        generator.standard_normal(out=block, dtype=np.float32)
        block *= np.float32(noise)
        block += truth.baseline
        block += SATURATION * signal / (SATURATION + signal)
        np.clip(block, 0.0, CEILING, out=block)
    return values


def _check(n_samples: int, n_genes: int, n_types: int, n_factors: int, noise: float) -> None:
    for name, value, least, most in (
        ("n_samples", n_samples, 2, np.inf),
        ("n_genes", n_genes, 1, np.inf),
        ("n_types", n_types, 1, n_samples),
        ("n_factors", n_factors, 1, np.inf),
        ("noise", noise, 0, np.inf),
    ):
        if not least <= value <= most:
            bound = f"{least} or more" if most == np.inf else f"from {least} to {most}, the number of samples"
            raise InputError(f"{name} is {value}", where=name, expected=bound, todo=f"Give another {name}.")
