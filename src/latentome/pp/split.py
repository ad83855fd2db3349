"""Splitting samples into training and held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from latentome.errors import InputError, nearest, of_anndata
from latentome.io import parse_barcodes

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def split_rows(
    n_samples: int,
    test_size: float,
    labels: np.ndarray | None,
    rng: int | np.random.Generator,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Choose the held-out rows.

    The samples are put in random order, sorted by label, and every ``1/test_size``-th one is taken. So each class, rare
    ones too, is held out in its share, to within one sample, and the number of held-out rows is exact. With groups the
    same is done with groups instead of samples, a group under the commonest label of its samples; the number of
    held-out rows then follows from the groups.

    Parameters
    ----------
    n_samples
        Number of samples.
    test_size
        Share to hold out, in (0, 1).
    labels
        One label for each sample, or none for a purely random choice.
    rng
        Seed or generator.
    groups
        The group of each sample, such as its patient, or none. All samples of a group are on the same side.

    Returns
    -------
    Boolean, one for each sample: whether it is held out.

    Raises
    ------
    InputError
        If the share is outside (0, 1), or so small or large that one side would be empty.
    """
    if groups is not None:
        own, codes = _own_labels(n_samples, labels, groups)
        _count_held_out(int(codes.max()) + 1, test_size, "group")
        return split_rows(codes.max() + 1, test_size, own, rng)[codes]
    wanted = _count_held_out(n_samples, test_size, "sample")
    generator = np.random.default_rng(rng)
    order = _by_label(generator.permutation(n_samples), labels)
    # Systematic sampling: `wanted` equal steps through the sorted samples, from a random start within the first step.
    picks = np.floor((np.arange(wanted) + generator.random()) * (n_samples / wanted)).astype(int)
    held_out = np.zeros(n_samples, dtype=bool)
    held_out[order[picks]] = True
    return held_out


def _count_held_out(n: int, test_size: float, noun: str) -> int:
    """How many of n samples, or of n groups of them, are held out; refused where one side would be empty."""
    wanted = round(n * test_size) if 0 < test_size < 1 else 0
    if 0 < wanted < n:
        return wanted
    if n >= 5 or not 0 < test_size < 1:
        todo = f"choose another share, such as 0.2, or bring more {noun}s"
    elif noun == "group":
        todo = "choose another column of groups, or leave --group out"
    else:
        todo = f"bring more samples: {n} are too few to train and to test a model"
    raise InputError(
        "The samples cannot be split like this.",
        where=f"a held-out share of {test_size} of {n} {noun}{'s' * (n != 1)}",
        expected=f"a share in (0, 1) that leaves at least one {noun} on each side",
        todo=todo,
    )


def fold_rows(
    n_samples: int,
    folds: int,
    labels: np.ndarray | None,
    rng: int | np.random.Generator,
    *,
    equal: bool = False,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Assign each sample to a fold.

    The samples are put in random order, sorted by label, and dealt out like cards. So folds differ in size by one
    sample at most, and each has its share of each class.

    Parameters
    ----------
    n_samples
        Number of samples.
    folds
        Number of folds.
    labels
        One label for each sample, or none.
    rng
        Seed or generator.
    equal
        Whether all folds have exactly one size, because models of equally many rows share a compiled program: what does
        not divide, fewer than `folds` samples chosen at random, is then in no fold. Not with groups.
    groups
        The group of each sample, or none: all samples of one are then in one fold, and groups are dealt out.

    Returns
    -------
    The number of its fold for each sample, from 0; -1 for what is in none.

    Raises
    ------
    InputError
        If there are fewer than two folds, or more than samples.
    """
    if groups is not None:
        own, codes = _own_labels(n_samples, labels, groups)
        return fold_rows(codes.max() + 1, folds, own, rng)[codes]
    if not 2 <= folds <= n_samples:
        raise InputError(
            "The samples cannot be cut into so many folds.",
            where=f"{folds} folds of {n_samples} samples or groups of them",
            expected="2 or more, and at most as many as samples",
            todo=f"ask for {min(5, n_samples)} folds, say"
            if n_samples > 1
            else "bring more samples, or choose another column of groups",
        )
    order = np.random.default_rng(rng).permutation(n_samples)
    order = _by_label(order[n_samples % folds :] if equal else order, labels)
    assigned = np.full(n_samples, -1)
    assigned[order] = np.arange(len(order)) % folds
    return assigned


def check_order(X: Any, covariate: Any, what: str = "covariate") -> None:
    """Refuse a covariate, or groups, naming the samples of `X` in another order: they are taken row by row."""
    import pandas as pd

    samples, named = getattr(X, "index", None), getattr(covariate, "index", None)
    if not (isinstance(samples, pd.Index) and isinstance(named, pd.Index)) or samples.equals(named):
        return
    if len(samples) != len(named) or set(samples) != set(named):  # numbers of rows, say, which name nothing
        return
    first = int(np.argmax(samples.to_numpy(dtype=object) != named.to_numpy(dtype=object)))
    raise InputError(
        f"The {what} has the samples in another order than the data.",
        where=f"row {first}: '{samples[first]}' in the data, '{named[first]}' in the {what}",
        expected="one category for each sample, in the order of the samples",
        todo=f"pass {what}.loc[X.index]",
    )


def check_groups(groups: Any, X: Any) -> None:
    """Refuse groups of other samples."""
    if groups is None or np.shape(groups) == (np.shape(X)[0],):
        return
    raise InputError(
        "The groups are not those of these samples.",
        where=f"groups, shape {np.shape(groups)}; {np.shape(X)[0]} samples",
        expected="one group for each sample, in the same order",
        todo="give the group of each sample, or leave groups out",
    )


def group_codes(groups: Any) -> np.ndarray:
    """Number the groups of samples, in the order of their names; a sample without one is a group of its own."""
    import pandas as pd

    codes, names = pd.factorize(np.asarray(groups, dtype=object), sort=True)
    missing = codes < 0
    return np.where(missing, len(names) - 1 + np.cumsum(missing), codes)


def _own_labels(n_samples: int, labels: np.ndarray | None, groups: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """The most common label of each group, and the number of its group for each sample."""
    check_groups(groups, np.empty((n_samples, 0)))
    codes = group_codes(groups)
    if labels is None:
        return None, codes
    words, label_codes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    count = np.zeros((codes.max() + 1, len(words)), dtype=int)
    np.add.at(count, (codes, label_codes), 1)
    return words[count.argmax(axis=1)], codes


def combine(obs: pd.DataFrame, columns: Sequence[str]) -> np.ndarray | None:
    """Give one label for each row of several columns together, such as ``BRCA / female``; None for no columns.

    Parameters
    ----------
    obs
        A row for each sample.
    columns
        Names of columns of `obs`.

    Raises
    ------
    InputError
        If there is no such column.
    """
    for column in columns:
        if column not in obs:
            raise InputError(
                f"There is no column '{column}' to stratify by.",
                where="adata.obs",
                expected=nearest(column, obs.columns)
                if len(obs.columns)
                else "a table of labels that has it (--labels)",
                todo="name one of these columns, or none" if len(obs.columns) else "give one, or leave the option out",
            )
    if not columns:
        return None
    texts = [list(map(str, obs[column])) for column in columns]  # a missing one, too, which pandas 3 leaves missing
    return np.array([" / ".join(row) for row in zip(*texts, strict=True)], dtype=object)


@of_anndata
def find_groups(adata: AnnData, column: str) -> np.ndarray:
    """Give the group of each sample: a column of ``adata.obs``, or the patient in the TCGA barcodes.

    Parameters
    ----------
    adata
        Samples x genes.
    column
        A column of ``obs``. ``patient``, where there is no such column, is read from the barcodes. A sample without a
        value is a group of its own.

    Raises
    ------
    InputError
        If there is no such column and the names of the samples are no barcodes.
    """
    if column in adata.obs:
        found = adata.obs[column]
    elif column == "patient":
        found = parse_barcodes(adata.obs_names)["patient"]
    else:
        found = None
    if column == "patient" and found is not None and found.isna().all():
        raise InputError(
            "No patient can be read from the names of the samples, and no column tells them.",
            where=f"adata.obs; samples: {', '.join(map(str, adata.obs_names[:3]))}",
            expected="TCGA barcodes, or a column 'patient'",
            todo="give a table that has it with --labels, or name another column",
        )
    if found is None or found.isna().all():
        raise InputError(
            f"There is no column '{column}' to group by.",
            where=f"adata.obs; samples: {', '.join(map(str, adata.obs_names[:3]))}",
            expected=nearest(column, [*adata.obs.columns, "patient"]) + " A patient is read from TCGA barcodes.",
            todo="name one of these columns, or give a table that has it with --labels",
        )
    named = found.astype(object).to_numpy()
    missing = found.isna().to_numpy()
    pairs = enumerate(zip(named, missing, strict=True))
    return np.array([f"sample {i}" if gone else f"group {name}" for i, (name, gone) in pairs])


@of_anndata
def split(
    adata: AnnData,
    test_size: float = 0.1,
    stratify: str | Sequence[str] | None = None,
    rng: int | np.random.Generator = 0,
    group: str | None = None,
) -> tuple[AnnData, AnnData]:
    """Split samples into training and held-out ones.

    Parameters
    ----------
    adata
        Samples x genes.
    test_size
        Share to hold out, in (0, 1).
    stratify
        A column of ``adata.obs``, or several: each of their classes, or combinations of them, is held out in its share.
    rng
        Seed or generator.
    group
        A column of ``adata.obs``: no two samples of the same group end on different sides. ``patient`` is read from
        TCGA barcodes where there is no such column.

    Returns
    -------
    The training samples and the held-out samples, as copies, each in the order of `adata`.

    Raises
    ------
    InputError
        If there is no such column, or one side would be empty.
    """
    if hasattr(stratify, "index") and hasattr(stratify, "values"):  # a Series: as scikit-learn takes it
        raise InputError(
            "What to stratify by is named, not given.",
            where=f"stratify is a {type(stratify).__name__} of {len(stratify)} values",
            expected="the name of a column of obs, or several",
            todo="put the values into obs, and name their column (stratify='cancer_type')",
        )
    columns = [stratify] if isinstance(stratify, str) else list(stratify or ())
    groups = None if group is None else find_groups(adata, group)
    held_out = split_rows(adata.n_obs, test_size, combine(adata.obs, columns), rng, groups)
    parts = adata[~held_out], adata[held_out]
    return tuple(part.to_memory() if adata.isbacked else part.copy() for part in parts)


def _by_label(order: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """Samples in an order, sorted by label where there are labels; those of one label stay in that order."""
    if labels is None:
        return order
    codes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1]
    return order[np.argsort(codes[order], kind="stable")]
