"""One function per figure: each takes results and returns a matplotlib ``Figure``; none computes or saves anything."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latentome.pl.comparison import reconstruction_error, scores
    from latentome.pl.confusion import confusion_matrix
    from latentome.pl.curves import training_curves
    from latentome.pl.genes import signatures
    from latentome.pl.latent import activations, latent_heatmap
    from latentome.pl.loadings import loading_distributions, reconstruction_by_gene
    from latentome.pl.maps import embedding, embeddings
    from latentome.pl.points import class3_panels, reconstruction
    from latentome.pl.scatter import feature_scatter
    from latentome.pl.style import house_style, label_colors, theme
    from latentome.pl.sweeps import sweep_curves, sweep_scores, sweep_sizes

# matplotlib takes a large part of a second to import, so each module is loaded when its first function is asked for.
_HOME = {
    "activations": "latent",
    "class3_panels": "points",
    "confusion_matrix": "confusion",
    "embedding": "maps",
    "embeddings": "maps",
    "feature_scatter": "scatter",
    "house_style": "style",
    "label_colors": "style",
    "latent_heatmap": "latent",
    "loading_distributions": "loadings",
    "reconstruction": "points",
    "reconstruction_by_gene": "loadings",
    "reconstruction_error": "comparison",
    "scores": "comparison",
    "signatures": "genes",
    "sweep_curves": "sweeps",
    "sweep_scores": "sweeps",
    "sweep_sizes": "sweeps",
    "theme": "style",
    "training_curves": "curves",
}

__all__ = [
    "activations",
    "class3_panels",
    "confusion_matrix",
    "embedding",
    "embeddings",
    "feature_scatter",
    "house_style",
    "label_colors",
    "latent_heatmap",
    "loading_distributions",
    "reconstruction",
    "reconstruction_by_gene",
    "reconstruction_error",
    "scores",
    "signatures",
    "sweep_curves",
    "sweep_scores",
    "sweep_sizes",
    "theme",
    "training_curves",
]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_HOME[name]}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
