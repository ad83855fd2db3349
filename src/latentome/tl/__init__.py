"""Tools on trained models: encode, PCA beside it, t-SNE, evaluation, signatures."""

from latentome.tl.associate import Associations, associate
from latentome.tl.encode import check_pca, encode, pca
from latentome.tl.enrich import enrich, over_representation
from latentome.tl.evaluate import Representation, evaluate, verdict
from latentome.tl.genesets import read_gmt
from latentome.tl.node_types import node_types
from latentome.tl.order import cluster_order
from latentome.tl.signatures import loadings, signature_fdr, signatures
from latentome.tl.tsne import check_tsne, place_on_map, tsne

__all__ = [
    "Associations",
    "Representation",
    "associate",
    "check_pca",
    "check_tsne",
    "cluster_order",
    "encode",
    "enrich",
    "evaluate",
    "loadings",
    "node_types",
    "over_representation",
    "pca",
    "place_on_map",
    "read_gmt",
    "signature_fdr",
    "signatures",
    "tsne",
    "verdict",
]
