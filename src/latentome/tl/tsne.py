"""Maps of samples in two dimensions, by t-SNE, which takes new samples, or by UMAP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from latentome.errors import InputError, check_known, extra, of_anndata
from latentome.tl.features import representation

if TYPE_CHECKING:
    from anndata import AnnData

#: Perplexity of a map (van der Maaten and Hinton 2008 recommend 5 to 50; the default of openTSNE and scikit-learn).
PERPLEXITY = 30.0
#: Perplexity with which a new sample finds its place among the neighbours on a map (default of openTSNE).
TRANSFORM_PERPLEXITY = 5.0
#: Steps of a new sample to its place, from the middle of its neighbours.
TRANSFORM_STEPS = 150
#: Up to so many samples their neighbours are found exactly: as fast as a search at random, and the same everywhere.
EXACT = 50_000
#: From so many samples on forces are interpolated on a grid (FFT), then faster than the tree of Barnes and Hut, and
#: more momentum settles the map in as many iterations. On a coarse grid these take half of the time; the last ones, on
#: the usual grid, make up for it (benchmarks/tsne.py).
LARGE_FROM = 3_000
LARGE: dict[str, Any] = {"n_iter": 500, "final_momentum": 0.9, "ints_in_interval": 2}
SETTLED: dict[str, Any] = {"n_iter": 150, "ints_in_interval": 1}
#: Settings of published maps. Tybalt (2018): perplexity 20, learning rate 300, 400 iterations in all, of which
#: scikit-learn spends 250 on early exaggeration. That is too few for a map of 10,000 samples to settle.
#: Multi-scale (Kobak and Berens 2019): the second perplexity is a hundredth of the samples.
PRESETS: dict[str, dict[str, Any]] = {
    "tybalt-2018": {"perplexity": 20.0, "learning_rate": 300.0, "early_exaggeration_iter": 250, "n_iter": 150},
    "multi-scale": {"perplexity": "multi-scale"},
}
#: Neighbours of a sample, and the least distance on the map (defaults of UMAP).
UMAP_NEIGHBOURS, UMAP_LEAST = 15, 0.1


@of_anndata
def tsne(
    adata: AnnData,
    use_rep: str,
    key_added: str | None = None,
    perplexity: float | Sequence[float] | None = None,
    rng: int = 0,
    *,
    preset: str | None = None,
    initialization: str = "pca",
    method: str = "tsne",
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Map all samples to two dimensions with t-SNE, or with UMAP.

    openTSNE with its defaults: start from PCA (with signs that are always the same), learning rate n/12 (Belkina et al.
    2019), 250 iterations of early exaggeration and 500 without; from 3,000 samples on these with momentum 0.9 and on a
    coarser grid, and then 150 more on the usual one. Neighbours are exact up to 50,000 samples.

    Parameters
    ----------
    adata
        Gains ``obsm["X_<key_added>"]`` (float32, samples x 2) and ``uns[key_added]["params"]``.
    use_rep
        The key in ``obsm`` of what to map, such as ``X_vae``.
    key_added
        Name of the map; by default ``tsne_`` (or ``umap_``) and the name of the representation.
    perplexity
        Effective number of neighbours; 30 by default, lowered to a third of the samples where there are few. Several
        make a multi-scale map: the mean of their neighbourhoods.
    rng
        Seed.
    preset
        Settings of a published map: ``tybalt-2018``; or ``multi-scale``, perplexity 30 and a hundredth of the samples.
    initialization
        Where samples start: ``pca`` or ``random``.
    method
        ``tsne``, or ``umap`` with 15 neighbours (extra ``umap``), which knows no perplexity and no preset.
    progress
        Is told how many iterations of t-SNE are done, of how many.

    Raises
    ------
    InputError
        If there is no such representation, preset, initialization or method; fewer than 4 samples; or UMAP is not
        installed, or given what it does not know.

    References
    ----------
    van der Maaten and Hinton (2008). Visualizing data using t-SNE. JMLR 9, 2579-2605.
    Policar, Strazar and Zupan (2024). openTSNE: a modular Python library for t-SNE. J. Stat. Softw. 109.
    Kobak and Berens (2019). The art of using t-SNE for single-cell transcriptomics. Nat. Commun. 10, 5416.
    McInnes, Healy and Melville (2018). UMAP: uniform manifold approximation and projection. arXiv 1802.03426.
    """
    codes = representation(adata, use_rep)
    check_tsne(len(codes))
    if codes.shape[1] == 1:  # the start from PCA takes two; distances stay what they are
        codes = np.pad(codes, ((0, 0), (0, 1)))
    if not np.ptp(codes, axis=0).any():  # all samples have one code: PCA has no start to offer
        initialization = "random"
    for name, value, known in (
        ("method", method, ("tsne", "umap")),
        ("preset", preset or "tybalt-2018", PRESETS),
        ("initialization", initialization, ("pca", "random")),
    ):
        check_known(value, known, f"A map has no {name} '{value}'.", where=f"{name}='{value}'")
    if method == "umap":
        if perplexity is not None or preset is not None:
            raise InputError(
                "UMAP knows no perplexity and no preset.",
                where=f"method='umap' with perplexity={perplexity}, preset={preset}",
                expected="method='umap' alone, or t-SNE",
                todo="leave them out, or leave method out",
            )
        positions, settings = _umap(codes, initialization, rng)
    else:
        positions, settings = _tsne(codes, perplexity, rng, preset, initialization, progress)
    key = (key_added or f"{method}_{use_rep.removeprefix('X_')}").removeprefix("X_")
    adata.obsm[f"X_{key}"] = np.asarray(positions, dtype=np.float32)
    adata.uns[key] = {"params": {"method": method, "use_rep": use_rep, **settings, "rng": rng}}


def _tsne(
    codes: np.ndarray,
    perplexity: float | Sequence[float] | None,
    rng: int,
    preset: str | None,
    initialization: str,
    progress: Callable[[int, int], None] | None,
) -> tuple[np.ndarray, dict[str, Any]]:
    from openTSNE import TSNE, affinity

    n = len(codes)
    large = LARGE if n >= LARGE_FROM and preset is None else {}
    settings: dict[str, Any] = {"initialization": initialization, **large, **PRESETS.get(preset or "", {})}
    usual = settings.pop("perplexity", PERPLEXITY)
    if usual == "multi-scale":
        usual = [PERPLEXITY, max(n / 100, 1.0)]
    scales = np.atleast_1d(usual if perplexity is None else perplexity).astype(float).tolist()
    if not all(np.isfinite(scale) and scale >= 1 for scale in scales) or not scales:
        raise InputError(
            "A perplexity is a number of neighbours.",
            where=f"perplexity={perplexity}",
            expected=f"numbers from 1 to {(n - 1) / 3:.4g}, a third of the samples; larger ones are lowered to it",
            todo="correct it, or leave it out (30)",
        )
    scales = sorted({min(scale, (n - 1) / 3) for scale in scales})
    # One thread: where cores are shared, more of them wait for one another, up to fifty times as long.
    how = {"method": "exact" if n <= EXACT else "approx", "n_jobs": 1, "random_state": rng}
    if len(scales) == 1:
        near = affinity.PerplexityBasedNN(codes, perplexity=scales[0], **how)
    else:
        near = affinity.Multiscale(codes, perplexities=scales, **how)
    forces = "fft" if n >= LARGE_FROM else "bh"
    optimizer = TSNE(**settings, negative_gradient_method=forces, random_state=rng, n_jobs=1)
    settled = SETTLED if large else {}
    if progress is not None:
        total = optimizer.early_exaggeration_iter + optimizer.n_iter + settled.get("n_iter", 0)
        optimizer.callbacks, optimizer.callbacks_every_iters = [_Iterations(progress, total)], 10
    start = _pca_start(codes, rng) if initialization == "pca" else initialization
    positions = optimizer.fit(codes, affinities=near, initialization=start)
    if settled:
        positions = positions.optimize(**settled, momentum=LARGE["final_momentum"])
        settings |= {f"settled_{name}": value for name, value in settled.items()}
    return positions, {**settings, "perplexity": scales[0] if len(scales) == 1 else np.array(scales)}


def _pca_start(codes: np.ndarray, rng: int) -> np.ndarray:
    """Start a map from PCA as openTSNE does, but with the longer tail to the right and to the top.

    The signs of PCA's axes mean nothing.
    Scikit-learn takes them from single weights, so that codes that say the same make maps that are mirror images.
    """
    from openTSNE import initialization
    from sklearn import config_context

    with config_context(transform_output="default"):
        start = initialization.pca(codes, random_state=rng, add_jitter=False)
    start *= np.where((start**3).sum(axis=0) < 0, -1.0, 1.0)
    return initialization.jitter(start, random_state=rng)


def _needs_umap() -> AbstractContextManager[None]:
    return extra("umap", "UMAP is not installed.", where="import umap", instead=", or map with t-SNE")


def check_umap() -> None:
    """Refuse where UMAP is not installed, without the seconds that its import takes.

    Raises
    ------
    InputError
        If it is not.
    """
    with _needs_umap():
        if find_spec("umap") is None:
            raise ImportError("there is no module 'umap'")


def _umap(codes: np.ndarray, initialization: str, rng: int) -> tuple[np.ndarray, dict[str, Any]]:
    with _needs_umap():
        from umap import UMAP
    settings: dict[str, Any] = {"n_neighbors": min(UMAP_NEIGHBOURS, len(codes) - 1), "min_dist": UMAP_LEAST}
    # With a seed UMAP runs in one thread whatever it is told, and warns where it is told nothing.
    positions = UMAP(**settings, init=initialization, random_state=rng, n_jobs=1).fit_transform(codes)
    return positions, {"initialization": initialization, **settings}


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

    Parameters
    ----------
    samples
        How many there are.

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


def place_on_map(reference: np.ndarray, positions: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Place new samples on an existing map; where one lands does not depend on the others.

    Parameters
    ----------
    reference, positions
        Representation (samples x components) and map (samples x 2) of the samples that made the map. They stay where
        they are.
    new
        Representation of the new samples (new samples x components).

    Returns
    -------
    float32, new samples x 2.
    """
    from openTSNE import TSNEEmbedding, affinity
    from scipy.sparse import csr_array
    from sklearn.neighbors import NearestNeighbors

    n = len(reference)
    perplexity = min(TRANSFORM_PERPLEXITY, (n - 1) / 3)
    search = NearestNeighbors(n_neighbors=min(n, int(3 * perplexity))).fit(np.asarray(reference, np.float64))

    class ToReference(affinity.Affinities):
        """Of the map's own neighbourhoods, which openTSNE would search anew, nothing but their number is needed."""

        def __init__(self) -> None:
            super().__init__()
            self.P = csr_array((n, n))

        def to_new(self, data: np.ndarray, perplexity: float, return_distances: bool = False) -> Any:
            distances, near = search.kneighbors(data)
            how = {"symmetrize": False, "normalization": "point-wise", "n_reference_samples": n}
            p = affinity.joint_probabilities_nn(near, distances, [perplexity], **how)
            return (p, near, distances) if return_distances else p

    # Barnes-Hut meets each new sample with the fixed ones alone, however many come together.
    fixed = TSNEEmbedding(np.asarray(positions, np.float64), ToReference(), negative_gradient_method="bh")
    placed = fixed.transform(np.asarray(new, np.float64), perplexity=perplexity, n_iter=TRANSFORM_STEPS)
    return np.asarray(placed, dtype=np.float32)
