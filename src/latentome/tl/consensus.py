"""What several trainings agree on: features matched across members, consensus features, stability."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from latentome.errors import InputError, of_anndata
from latentome.io.tasks import dense
from latentome.tl.features import feature_names, loading_names, representation
from latentome.tl.shared import shared_features

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

#: Features whose codes correlate less (on average within a group) are different ones.
SIMILAR = 0.7


@of_anndata
def consensus(
    adata: AnnData,
    use_rep: str,
    members: int,
    *,
    rotate: bool = True,
    loadings_key: str | None = None,
    similar: float = SIMILAR,
    support: float = 0.5,
    key_added: str = "consensus",
) -> pd.DataFrame:
    """Join the features of an ensemble into consensus features.

    Trainings agree on the space of the features sooner than on the axes in it, and a feature that is dead in one
    training lives in another. So the space that members share is found first, and turned to simple loadings
    (`shared_features`). With ``rotate=False`` features are taken as they are and grouped by the absolute correlation of
    their codes (average linkage); a consensus feature is then the mean of the standardised features of a group, their
    signs turned alike.

    Parameters
    ----------
    adata
        Scaled expression, samples x genes (not needed with ``rotate=False``). Gains ``obsm["X_<key_added>"]`` (samples
        x consensus features, standardised, the best supported first), ``varm["<key_added>_loadings"]`` (without
        rotation where `loadings_key` is given), and ``uns[key_added]`` with ``params``, ``groups``, ``features``
        (`stability` of every feature, and the ``group`` that it is in or correlates most with) and ``similarity``
        (`similarity`).
    use_rep
        The key in ``obsm`` of the codes of all members, side by side.
    members
        How many members there are.
    rotate
        Whether to turn what the members share, or to group their features as they are.
    loadings_key
        Without rotation the key in ``varm`` of their loadings, side by side; consensus loadings are means in the same
        way.
    similar
        Without rotation the smallest mean correlation within a group; else from which on a member has a feature.
    support
        What has less support than this is no consensus; it is left out.
    key_added
        Name of the consensus.

    Returns
    -------
    One row for each consensus feature: ``feature``; ``support`` (the mean share of its variance that the features of a
    member explain; without rotation the share of the members that have a feature in the group), ``size`` (how many
    members have it, or features are in the group), ``correlation`` (mean, with the best combination of a member's
    features, or with the features of the group), ``of`` (names of features in the group, or that correlate with it
    more than with other consensus features, and by `similar` at least).

    Raises
    ------
    InputError
        If there is one member only, or the features do not divide among the members, or nothing has enough support, or
        the expression that rotation needs is not there.

    References
    ----------
    Tan et al. (2017). Unsupervised extraction of stable expression signatures from public compendia with an ensemble of
    neural networks. Cell Systems 5, 63-71.
    """
    codes, names = representation(adata, use_rep), feature_names(adata, use_rep)
    key_added = key_added.removeprefix("X_")
    _check_members(len(names), members)
    if rotate:
        found = _shared(codes, members, _expression(adata), similar, support)
    else:
        weights = None if loadings_key is None else loading_names(adata, loadings_key)[0]
        found = _grouped(codes, members, weights, similar, support)
    labels = np.full(len(names), "", dtype=object)
    for number, features in enumerate(found.of, start=1):
        labels[features] = f"{key_added}_{number}"
    result = found.table
    result.insert(0, "feature", [f"{key_added}_{i + 1}" for i in range(len(result))])
    result["of"] = [",".join(names[i] for i in features) for features in found.of]
    adata.obsm[f"X_{key_added}"] = found.codes.astype(np.float32)
    adata.varm.pop(f"{key_added}_loadings", None)  # those of an earlier call, of other features
    if found.weights is not None:
        adata.varm[f"{key_added}_loadings"] = found.weights.astype(np.float32)
    adata.uns[key_added] = {
        "params": {"use_rep": use_rep, "members": members, "rotate": rotate, "similar": similar, "support": support},
        "groups": result,
        "features": stability(codes, members, names).assign(group=labels),
        "similarity": similarity(np.split(codes, members, axis=1)),
    }
    return result


class _Found(NamedTuple):
    """Consensus features: a table of their support, codes, loadings, and the numbers of the features behind each."""

    table: pd.DataFrame
    codes: np.ndarray
    weights: np.ndarray | None
    of: list[np.ndarray]


def _expression(adata: AnnData) -> np.ndarray:
    x = None if adata.X is None else dense(adata.X)
    if x is None or not np.ptp(x, axis=0).any():
        raise InputError(
            "Without expression the features of members cannot be turned to simple loadings.",
            where="adata.X",
            expected="the scaled expression that the model was trained on, samples x genes",
            todo="put it there, or group the features as they are with rotate=False",
        )
    return x


def _shared(codes: np.ndarray, members: int, x: np.ndarray, similar: float, support: float) -> _Found:
    import pandas as pd

    shared = shared_features(codes, members, x)
    supported = shared.explained.mean(axis=0)
    # Of features with equal support, which rounding would order, that which moves the genes most comes first.
    by_size = np.lexsort((-np.linalg.norm(shared.loadings, axis=0), -supported.round(6)))
    order = [i for i in by_size if supported[i] >= support]
    _check_supported(len(order), members, supported.max(initial=0.0), support)
    scores = shared.codes[:, order]
    correlation = np.sqrt(shared.explained[:, order])
    table = pd.DataFrame(
        {
            "support": supported[order],
            "size": (correlation >= similar).sum(axis=0),
            "correlation": correlation.mean(axis=0),
        }
    )
    each = np.abs(_standard(codes).T @ scores / len(codes))
    nearest = np.where(each.max(axis=1) >= similar, each.argmax(axis=1), -1)
    return _Found(table, scores, shared.loadings[:, order], [np.flatnonzero(nearest == i) for i in range(len(order))])


def _grouped(codes: np.ndarray, members: int, weights: np.ndarray | None, similar: float, support: float) -> _Found:
    import pandas as pd

    z, owner = _standard(codes), np.repeat(np.arange(members), codes.shape[1] // members)
    correlation = z.T @ z / len(z)
    groups = [g for g in _groups(correlation, similar) if codes[:, g].std(axis=0).all()]
    supported = [len(np.unique(owner[group])) / members for group in groups]
    order = [i for i in np.lexsort(([-len(g) for g in groups], np.negative(supported))) if supported[i] >= support]
    _check_supported(len(order), members, max(supported, default=0.0), support)
    mixing = np.zeros((codes.shape[1], len(order)))  # means with signs, of the features of each group
    for column, i in enumerate(order):
        inside = correlation[np.ix_(groups[i], groups[i])]
        mixing[groups[i], column] = np.sign(inside[:, np.abs(inside).sum(axis=0).argmax()]) / len(groups[i])
    joined = _standard(z @ mixing)
    within = [float(np.abs(z[:, groups[i]].T @ joined[:, j] / len(z)).mean()) for j, i in enumerate(order)]
    table = pd.DataFrame(
        {
            "support": [supported[i] for i in order],
            "size": [len(groups[i]) for i in order],
            "correlation": within,
        }
    )
    return _Found(table, joined, None if weights is None else weights @ mixing, [groups[i] for i in order])


def _check_supported(found: int, members: int, most: float, support: float) -> None:
    if not found:
        raise InputError(
            f"No feature is common to {support:.0%} of the members.",
            where=f"{members} members; the best supported feature has {most:.0%}",
            expected="features that several trainings find again",
            todo="train longer or with fewer latent dimensions, or ask for less support or less similarity",
        )


def _groups(correlation: np.ndarray, similar: float) -> list[np.ndarray]:
    """Numbers of the features that are alike, by average linkage."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    apart = np.clip(1.0 - np.abs(correlation), 0.0, None)
    np.fill_diagonal(apart, 0.0)
    found = fcluster(linkage(squareform(apart, checks=False), "average"), 1.0 - similar, "distance")
    return [np.flatnonzero(found == group) for group in np.unique(found)]


def stability(codes: np.ndarray, members: int, names: list[str] | None = None) -> pd.DataFrame:
    """Say of every feature of an ensemble how well other members find it again.

    The features of two members are matched one to one so that the sum of their absolute correlations is largest.

    Parameters
    ----------
    codes
        Codes of all members side by side, samples x (members times components).
    members
        How many members there are, 2 or more.
    names
        Names of the features.

    Returns
    -------
    One row for each feature: ``feature``, ``member`` (from 0), ``stability`` (mean absolute correlation with its
    matches in all other members, 0 to 1), ``lowest`` (with the worst match).

    Raises
    ------
    InputError
        If there is one member only, or the features do not divide among the members.

    References
    ----------
    Kuhn (1955). The Hungarian method for the assignment problem. Nav. Res. Logist. Q. 2, 83-97.
    """
    import pandas as pd
    from scipy.optimize import linear_sum_assignment

    _check_members(codes.shape[1], members)
    k = codes.shape[1] // members
    z = _standard(np.asarray(codes, dtype=np.float64))
    correlation = np.abs(z.T @ z / len(z)).reshape(members, k, members, k)
    matched = np.full((members, k, members), np.nan)
    for a in range(members):
        for b in range(a + 1, members):
            i, j = linear_sum_assignment(-correlation[a, :, b])
            matched[a, i, b] = matched[b, j, a] = correlation[a, i, b, j]
    matched = matched.reshape(members * k, members)
    return pd.DataFrame(
        {
            "feature": [str(i + 1) for i in range(members * k)] if names is None else list(names),
            "member": np.repeat(np.arange(members), k),
            "stability": np.nanmean(matched, axis=1),
            "lowest": np.nanmin(matched, axis=1),
        }
    )


def similarity(representations: Sequence[np.ndarray]) -> pd.DataFrame:
    """Compare representations of the same samples, of any sizes, in pairs.

    Parameters
    ----------
    representations
        Each samples x its components.

    Returns
    -------
    One row for each pair: ``one``, ``other`` (numbers from 0), ``cka`` and ``svcca`` (0 to 1; both do not change when
    the features are rotated, and CKA neither when they are scaled together).

    References
    ----------
    Kornblith et al. (2019). Similarity of neural network representations revisited. ICML. (linear CKA)
    Raghu et al. (2017). SVCCA: singular vector canonical correlation analysis. NeurIPS. (99 % of the variance)
    """
    import pandas as pd

    arrays = [np.asarray(x, np.float64) for x in representations]
    centred = [x - x.mean(axis=0) for x in arrays]
    grams = [np.linalg.norm(x.T @ x) for x in centred]
    bases = [_main_directions(x) for x in centred]
    rows = []
    for a in range(len(centred)):
        for b in range(a + 1, len(centred)):
            scale = grams[a] * grams[b]
            cka = np.square(np.linalg.norm(centred[a].T @ centred[b])) / scale if scale else 0.0
            canonical = np.linalg.svd(bases[a].T @ bases[b], compute_uv=False)
            rows.append((a, b, float(cka), float(np.clip(canonical, 0, 1).mean()) if canonical.size else 0.0))
    return pd.DataFrame(rows, columns=["one", "other", "cka", "svcca"])


def _main_directions(x: np.ndarray, share: float = 0.99) -> np.ndarray:
    """Orthonormal directions over the samples that hold a share of the variance."""
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    total = np.square(s).sum()
    kept = 0 if total == 0 else int(np.searchsorted(np.cumsum(np.square(s)) / total, share)) + 1
    return u[:, :kept]


def _standard(codes: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1; zeros for a feature that is the same everywhere."""
    deviation = codes.std(axis=0)
    return (codes - codes.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)


def _check_members(features: int, members: int) -> None:
    if not isinstance(members, Integral) or members < 2 or features % members:
        raise InputError(
            "Stability needs several trainings of the same size.",
            where=f"{features} features of {members} members",
            expected="the number of members, 2 or more, whose features are side by side",
            todo="train with members=5 (--members 5), say",
        )
