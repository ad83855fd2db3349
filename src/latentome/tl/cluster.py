"""Clusters of samples: found among those of the training, and given to others."""

from __future__ import annotations

import numpy as np

from latentome.errors import check_known, extra

METHODS = ("k-means", "leiden")
#: Neighbours of a sample in the graph that is cut into communities, and of a new one that decide for it.
NEIGHBOURS, VOTES = 15, 5


def cluster(seen: np.ndarray, new: np.ndarray, n_clusters: int, method: str = "k-means", rng: int = 0) -> np.ndarray:
    """Cluster the training samples and say in which cluster each new sample is.

    Parameters
    ----------
    seen, new
        Codes of both, samples x components.
    n_clusters
        How many clusters k-means makes; as many as there are training samples at most.
    method
        ``k-means``; or ``leiden``, which finds the number of clusters itself: communities of the graph of 15 nearest
        neighbours at resolution 1 (extra ``leiden``). A new sample joins the majority of its 5 nearest neighbours.
    rng
        Seed.

    Returns
    -------
    The cluster of each new sample, from 0.

    Raises
    ------
    InputError
        If there is no such method, or scikit-network is not installed.

    References
    ----------
    Traag, Waltman and van Eck (2019). From Louvain to Leiden: guaranteeing well-connected communities. Sci. Rep. 9,
    5233.
    """
    check_clustering(method)
    if method == "k-means":
        from sklearn.cluster import KMeans

        return KMeans(min(n_clusters, len(seen)), n_init=10, random_state=rng).fit(seen).predict(new)
    from sklearn.neighbors import KNeighborsClassifier, kneighbors_graph
    from sknetwork.clustering import Leiden

    graph = kneighbors_graph(seen, min(NEIGHBOURS, len(seen) - 1))
    found = Leiden(shuffle_nodes=True, random_state=rng).fit_predict(graph.maximum(graph.T).tocsr())
    return KNeighborsClassifier(min(VOTES, len(seen))).fit(seen, found).predict(new)


def check_clustering(method: str) -> None:
    """Refuse a method that there is not, or that is not installed.

    Parameters
    ----------
    method
        Its name, as in `cluster`.
    """
    check_known(method, METHODS, f"There is no clustering by '{method}'.", where=f"clustering '{method}'")
    if method == "leiden":
        missing = "Leiden's clustering is not installed."
        with extra("leiden", missing, where="import sknetwork", instead=", or cluster by k-means"):
            import sknetwork.clustering  # noqa: F401
