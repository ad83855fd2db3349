"""Tools on trained models: encode, baselines, t-SNE, evaluation, and what the features mean."""

from latentome.tl.activity import activity, differential_activity, marginal_activity, signature_overlap
from latentome.tl.arithmetic import analogy, decoded_difference, group_difference, group_means, interpolate
from latentome.tl.associate import Associations, associate
from latentome.tl.cluster import check_clustering, cluster
from latentome.tl.compare import BASELINES, compare, rank_methods, summarise
from latentome.tl.confusion import confusion
from latentome.tl.consensus import consensus, similarity, stability
from latentome.tl.dimensions import choose_size, dimensions
from latentome.tl.encode import check_pca, encode, pca
from latentome.tl.enrich import enrich, over_representation
from latentome.tl.errors import errors_by_class, errors_by_gene
from latentome.tl.evaluate import Representation, evaluate, verdict
from latentome.tl.generate import fit_mixture, two_sample
from latentome.tl.genesets import read_gmt
from latentome.tl.loadings import loadings
from latentome.tl.maps import map_quality
from latentome.tl.network import gene_network, nearest_genes, nearest_samples, write_network
from latentome.tl.node_types import node_types
from latentome.tl.order import cluster_order, leading_genes
from latentome.tl.replication import replication
from latentome.tl.rotate import simple_structure
from latentome.tl.shared import shared_features
from latentome.tl.signatures import signature_fdr, signatures
from latentome.tl.tsne import check_tsne, check_umap, place_on_map, tsne

__all__ = [
    "Associations",
    "BASELINES",
    "Representation",
    "activity",
    "analogy",
    "associate",
    "check_clustering",
    "check_pca",
    "check_tsne",
    "check_umap",
    "choose_size",
    "cluster",
    "cluster_order",
    "compare",
    "confusion",
    "consensus",
    "decoded_difference",
    "differential_activity",
    "dimensions",
    "encode",
    "enrich",
    "errors_by_class",
    "errors_by_gene",
    "evaluate",
    "fit_mixture",
    "gene_network",
    "group_difference",
    "group_means",
    "interpolate",
    "leading_genes",
    "loadings",
    "map_quality",
    "marginal_activity",
    "nearest_genes",
    "nearest_samples",
    "node_types",
    "over_representation",
    "pca",
    "place_on_map",
    "rank_methods",
    "read_gmt",
    "replication",
    "shared_features",
    "signature_fdr",
    "signature_overlap",
    "signatures",
    "similarity",
    "simple_structure",
    "stability",
    "summarise",
    "tsne",
    "two_sample",
    "verdict",
    "write_network",
]
