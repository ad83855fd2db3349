"""Tools on trained models: encode, PCA beside it, t-SNE, evaluation, signatures."""

from latentome.tl.confusion import confusion
from latentome.tl.encode import check_pca, encode, pca
from latentome.tl.evaluate import Representation, evaluate, verdict
from latentome.tl.order import cluster_order, leading_genes
from latentome.tl.signatures import loadings, signatures
from latentome.tl.tsne import check_tsne, place_on_map, tsne

__all__ = [
    "Representation",
    "check_pca",
    "check_tsne",
    "cluster_order",
    "confusion",
    "encode",
    "evaluate",
    "leading_genes",
    "loadings",
    "pca",
    "place_on_map",
    "signatures",
    "tsne",
    "verdict",
]
