"""One function per figure: each takes results and returns a matplotlib ``Figure``; none computes or saves anything."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latentome.pl.agreement import consensus, replication, similarity, stability
    from latentome.pl.comparison import method_ranks, reconstruction_error, scores
    from latentome.pl.confusion import confusion_matrix
    from latentome.pl.curves import loss_comparison, training_curves
    from latentome.pl.genes import signatures
    from latentome.pl.groups import group_differences, swarm
    from latentome.pl.latent import activations, latent_heatmap
    from latentome.pl.layers import architecture
    from latentome.pl.loadings import loading_distributions, reconstruction_by_gene
    from latentome.pl.maps import embedding, embeddings
    from latentome.pl.points import class3_panels, reconstruction
    from latentome.pl.scatter import feature_scatter
    from latentome.pl.sets import enrichment, signature_overlap
    from latentome.pl.sizes import dimensions
    from latentome.pl.style import house_style, label_colors, theme
    from latentome.pl.sweeps import sweep_curves, sweep_scores, sweep_sizes
    from latentome.pl.weights import loading_scatter, node_types

# matplotlib takes a large part of a second to import, so each module is loaded when its first function is asked for.
_HOME = {
    "activations": "latent",
    "architecture": "layers",
    "class3_panels": "points",
    "confusion_matrix": "confusion",
    "consensus": "agreement",
    "dimensions": "sizes",
    "embedding": "maps",
    "embeddings": "maps",
    "enrichment": "sets",
    "feature_scatter": "scatter",
    "group_differences": "groups",
    "house_style": "style",
    "label_colors": "style",
    "latent_heatmap": "latent",
    "loading_distributions": "loadings",
    "loading_scatter": "weights",
    "loss_comparison": "curves",
    "method_ranks": "comparison",
    "node_types": "weights",
    "reconstruction": "points",
    "reconstruction_by_gene": "loadings",
    "reconstruction_error": "comparison",
    "replication": "agreement",
    "scores": "comparison",
    "signature_overlap": "sets",
    "signatures": "genes",
    "similarity": "agreement",
    "stability": "agreement",
    "swarm": "groups",
    "sweep_curves": "sweeps",
    "sweep_scores": "sweeps",
    "sweep_sizes": "sweeps",
    "theme": "style",
    "training_curves": "curves",
}

__all__ = [
    "activations",
    "architecture",
    "class3_panels",
    "confusion_matrix",
    "consensus",
    "dimensions",
    "embedding",
    "embeddings",
    "enrichment",
    "feature_scatter",
    "group_differences",
    "house_style",
    "label_colors",
    "latent_heatmap",
    "loading_distributions",
    "loading_scatter",
    "loss_comparison",
    "method_ranks",
    "node_types",
    "reconstruction",
    "reconstruction_by_gene",
    "reconstruction_error",
    "replication",
    "scores",
    "signature_overlap",
    "signatures",
    "similarity",
    "stability",
    "swarm",
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
