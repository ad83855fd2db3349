"""t-SNE maps that take new samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from latentome.errors import InputError, nearest
from latentome.tl.features import representation

if TYPE_CHECKING:
    from anndata import AnnData

#: Perplexity of a map (van der Maaten and Hinton 2008 recommend 5 to 50; the default of openTSNE and scikit-learn).
PERPLEXITY = 30.0
#: Perplexity with which a new sample finds its place among the neighbours on a map (default of openTSNE).
TRANSFORM_PERPLEXITY = 5.0
#: Settings of published maps. Tybalt (2018): perplexity 20, learning rate 300, 400 iterations in all, of which
#: scikit-learn spends 250 on early exaggeration. That is too few for a map of 10,000 samples to settle.
PRESETS = {"tybalt-2018": {"perplexity": 20.0, "learning_rate": 300.0, "early_exaggeration_iter": 250, "n_iter": 150}}


def tsne(
    adata: AnnData,
    use_rep: str,
    key_added: str | None = None,
    perplexity: float | None = None,
    rng: int = 0,
    *,
    preset: str | None = None,
    initialization: str = "pca",
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Map all samples to two dimensions with t-SNE.

    openTSNE with its defaults: start from PCA, learning rate n/12 (Belkina et al. 2019), 250 iterations of early
    exaggeration and 500 without.

    Parameters
    ----------
    adata
        Gains ``obsm["X_<key_added>"]`` (float32, samples x 2) and ``uns[key_added]["params"]``.
    use_rep
        The key in ``obsm`` of what to map, such as ``X_vae``.
    key_added
        Name of the map; by default ``tsne_`` and the name of the representation.
    perplexity
        Effective number of neighbours; 30 by default, lowered to a third of the samples where there are few.
    rng
        Seed.
    preset
        Settings of a published map: ``tybalt-2018``.
    initialization
        Where samples start: ``pca`` or ``random``.
    progress
        Is told how many iterations are done, of how many.

    Raises
    ------
    InputError
        If there is no such representation, preset or initialization, or fewer than 4 samples.

    References
    ----------
    van der Maaten and Hinton (2008). Visualizing data using t-SNE. JMLR 9, 2579-2605.
    Policar, Strazar and Zupan (2024). openTSNE: a modular Python library for t-SNE. J. Stat. Softw. 109.
    """
    from openTSNE import TSNE

    codes = representation(adata, use_rep)
    check_tsne(len(codes))
    for value, known in ((preset or "tybalt-2018", PRESETS), (initialization, ("pca", "random"))):
        if value not in known:
            raise InputError(
                f"A t-SNE map has no setting '{value}'.",
                where="preset or initialization",
                expected=nearest(value, known),
                todo="name one of these",
            )
    settings = {"initialization": initialization, "perplexity": PERPLEXITY, **PRESETS.get(preset or "", {})}
    settings["perplexity"] = min(float(perplexity or settings["perplexity"]), (len(codes) - 1) / 3)
    key = key_added or f"tsne_{use_rep.removeprefix('X_')}"
    # One thread: beyond 1,000 samples more threads make another map, and where cores are shared they wait for one
    # another, which takes up to fifty times as long.
    estimator = TSNE(**settings, random_state=rng, n_jobs=1)
    if progress is not None:
        total = estimator.early_exaggeration_iter + estimator.n_iter
        estimator.callbacks, estimator.callbacks_every_iters = [_Iterations(progress, total)], 10
    embedding = estimator.fit(codes)
    adata.obsm[f"X_{key}"] = np.asarray(embedding, dtype=np.float32)
    adata.uns[key] = {"params": {"use_rep": use_rep, **settings, "rng": rng}}


class _Iterations:
    """Counts the iterations of a map over its two phases, each of which openTSNE counts from 1."""

    def __init__(self, progress: Callable[[int, int], None], total: int) -> None:
        self.progress, self.total, self.before, self.last = progress, total, 0, 0

    def optimization_about_to_start(self) -> None:
        """Begin the next phase; openTSNE calls it."""
        self.before, self.last = self.before + self.last, 0

    def __call__(self, iteration: int, error: float, embedding: np.ndarray) -> bool:
        """Pass on the count; never ask for the end."""
        self.last = iteration
        self.progress(self.before + iteration, self.total)
        return False


def check_tsne(samples: int) -> None:
    """Refuse fewer samples than a map needs.

    Raises
    ------
    InputError
        If there are fewer than 4.
    """
    if samples < 4:
        raise InputError(
            "A t-SNE map needs at least 4 samples.",
            where=f"{samples} samples",
            expected="4 samples or more",
            todo="bring more samples",
        )


def place_on_map(reference: np.ndarray, positions: np.ndarray, new: np.ndarray, rng: int = 0) -> np.ndarray:
    """Place new samples on an existing map; where one lands does not depend on the others.

    Parameters
    ----------
    reference, positions
        Representation (samples x components) and map (samples x 2) of the samples that made the map. They stay where
        they are.
    new
        Representation of the new samples (new samples x components).
    rng
        Seed of the neighbour search, which is random for large maps only.

    Returns
    -------
    float32, new samples x 2.
    """
    from openTSNE import TSNEEmbedding, affinity

    perplexity = min(TRANSFORM_PERPLEXITY, (len(reference) - 1) / 3)
    affinities = affinity.PerplexityBasedNN(
        np.asarray(reference, np.float64), perplexity=min(PERPLEXITY, (len(reference) - 1) / 3), random_state=rng
    )
    # Barnes-Hut meets each new sample with the fixed ones alone, however many come together.
    fixed = TSNEEmbedding(
        np.asarray(positions, np.float64), affinities, negative_gradient_method="bh", random_state=rng
    )
    return np.asarray(fixed.transform(np.asarray(new, np.float64), perplexity=perplexity), dtype=np.float32)
