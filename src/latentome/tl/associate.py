"""Which feature is which: every latent feature with every column that is known of the samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from latentome.errors import InputError, of_anndata
from latentome.io import html
from latentome.pp.split import check_groups, check_order, group_codes
from latentome.tl import ranks as r
from latentome.tl.covariates import MIN_SAMPLES, Covariate, read_column, read_covariates, relation
from latentome.tl.features import feature_names, representation
from latentome.tl.probe import FOLDS, probe_classes, probe_number
from latentome.tl.survival import cox

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

#: The false discovery rate up to which an association is beyond chance.
RATE = 0.05
#: Above this relation (Cramer's V) another column is named as one that may explain the association.
CONFOUNDED = 0.1
#: Above this one it is another name for the same thing, and explains nothing.
SAME = 0.95
MEASURES = {"number": "Spearman", "survival": "log hazard ratio"}


class Associations(NamedTuple):
    """What `associate` found.

    Parameters
    ----------
    features
        One row for each class of each column (or each column of numbers or times) and each feature: ``column``,
        ``kind``, ``level``, ``feature``, ``n`` (samples with a value), ``measure``, ``effect``, ``p``, ``q``.
    columns
        One row for each class or column: its best feature with effect and q, what a cross-validated probe of all
        features reaches (``combination``, of the same measure), the column that it has most in common with
        (``confounder``, ``in_common``) and the effect of the best feature within the groups of that one
        (``effect_within``, ``p_within``).
    notes
        Sentences about what was left out.
    """

    features: pd.DataFrame
    columns: pd.DataFrame
    notes: list[str]

    def _repr_html_(self) -> str:
        """Tell in a notebook what was found."""
        tables = (html.table(self.columns, "columns"), html.table(self.features, "features"))
        return html.card("Associations", html.sentences(self.notes), *tables)


@of_anndata
def associate(
    adata: AnnData,
    use_rep: str,
    columns: Sequence[str] | None = None,
    survival: Sequence[tuple[str, str]] = (),
    *,
    key_added: str = "associate",
    min_samples: int = MIN_SAMPLES,
    combine: bool = True,
    groups: np.ndarray | None = None,
    rng: int = 0,
) -> Associations:
    """Associate every latent feature with every column of ``obs``.

    Classes are compared with all other samples by ranks (AUROC, Mann-Whitney), numbers by Spearman's correlation,
    survival times by Cox's model of one feature (log hazard ratio of one standard deviation, score test). The p-values
    of the whole call are adjusted together; of a column with three classes or more, a class counts only where the
    whole column (Kruskal-Wallis) does.

    Parameters
    ----------
    adata
        Gains ``uns[key_added]`` with ``params``, ``features``, ``columns`` and ``notes``.
    use_rep
        The key in ``obsm`` of the features, such as ``X_vae``.
    columns
        Names of columns of ``obs``; by default all that can be used.
    survival
        Pairs of a column with times and a column that is 1 where the event was seen.
    key_added
        Name of the result.
    min_samples
        The fewest samples of a class. At least 5.
    combine
        Whether the combination of all features is probed as well: five-fold cross-validated logistic regression for
        classes, ridge regression for numbers. This is most of the time of a call.
    groups
        Which samples belong together, as those of a patient do, by a name for each. A column that says the same of all
        samples of a group, such as age, is tested once for each group, with the means of the features; a column that
        varies within groups, such as tumour or normal, once for each value in each group. These count as independent,
        which `notes` tell. No group is on both sides of a probe; `combination` is NaN where a class has samples of
        fewer than five. By default each sample stands alone.
    rng
        Seed of the folds.

    Raises
    ------
    InputError
        If there is no such representation; or a column is missing, constant, empty, or has no two classes of
        `min_samples`.

    References
    ----------
    Yekutieli (2008). Hierarchical false discovery rate-controlling methodology. J. Am. Stat. Assoc. 103, 309-316.
    """
    import pandas as pd

    if min_samples < MIN_SAMPLES:
        raise InputError(
            f"Groups of {min_samples} cannot be compared.",
            where=f"min_samples={min_samples}",
            expected=f"{MIN_SAMPLES} or more: five folds need as many, and so do p-values from ranks",
            todo="join small classes, or leave min_samples out",
        )
    codes, names = representation(adata, use_rep), feature_names(adata, use_rep)
    if groups is not None:
        check_groups(groups, adata.obs)
        check_order(adata.obs, groups, "groups")
        groups = pd.Series(group_codes(groups), index=adata.obs_names)
    covariates, notes = read_covariates(adata.obs, columns, survival, min_samples, groups)
    if varying := ", ".join(f"'{c.name}'" for c in covariates if c.varies):
        notes.append(
            f"Not the same within each group: {varying}. There each group counts once for each of its values, and "
            "these as if they were independent."
        )
    seen = [_averaged(codes, covariate.units) for covariate in covariates]
    parts, whole = [], []
    for covariate, of_units in zip(covariates, seen, strict=True):
        rows, p = _test(covariate, of_units[covariate.rows], names)
        parts.append(rows)
        whole.append(p)
    features = pd.concat(parts, ignore_index=True)
    # A class counts only where its whole column does: each row knows the p-value of its column and feature.
    gates = np.concatenate([np.tile(p, len(rows) // len(p)) for p, rows in zip(whole, parts, strict=True)])
    once = np.concatenate(whole)
    q_of = dict(zip(once, r.adjust(once), strict=True))
    features["q"] = np.maximum(r.adjust(features["p"].to_numpy()), [q_of[p] for p in gates])
    # What could explain a column is known of each sample, not of the first of its group alone; and what was not asked
    # for can explain all the same.
    others = [c.of_all() for c in covariates if c.kind == "survival"]
    pairs = [survival] if survival and isinstance(survival[0], str) else survival
    timed = {name for pair in pairs for name in pair}.difference(() if columns is None else columns)
    for name, values in adata.obs.items():
        if name not in timed and (other := read_column(values, str(name), min_samples)[0]) is not None:
            others.append(other)
    together = None if groups is None else groups.to_numpy()
    table = _columns(features, covariates, others, seen, names, combine, rng, together)
    params = {"use_rep": use_rep, "min_samples": min_samples, "combine": combine, "rng": rng}
    found = Associations(features, table, notes)
    adata.uns[key_added] = {"params": params, **found._asdict(), "notes": np.array(notes, dtype=str)}
    return found


def _averaged(codes: np.ndarray, units: np.ndarray | None) -> np.ndarray:
    """For each sample the mean codes of its unit; the codes themselves where each sample is one."""
    import pandas as pd

    return codes if units is None else pd.DataFrame(codes).groupby(units).transform("mean").to_numpy()


def _test(covariate: Covariate, codes: np.ndarray, names: list[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of a column, and the p-value of the whole column for each feature."""
    import pandas as pd

    levels, measure = [""], MEASURES.get(covariate.kind, "AUROC")
    if covariate.kind == "survival":
        effect, p = cox(codes, covariate.values, covariate.event)
        whole = p
    elif covariate.kind == "number":
        effect, p = r.correlate(r.rank(codes), covariate.values)
        whole = p
    else:
        ranked, member = r.rank(codes), covariate.member
        effect, p = r.compare_groups(ranked, member[:, covariate.compared])
        levels = [covariate.levels[i] for i in covariate.compared]
        whole = p[0] if len(covariate.levels) == 2 else r.kruskal_wallis(ranked, member)[1]
    k = len(names)
    frame = pd.DataFrame(
        {
            "column": covariate.name,
            "kind": covariate.kind,
            "level": np.repeat(np.array(levels, dtype=object), k),
            "feature": np.tile(np.array(names, dtype=object), len(levels)),
            "n": len(codes),
            "measure": measure,
            "effect": np.ravel(effect),
            "p": np.ravel(p),
        }
    )
    return frame, whole


def _columns(
    features: pd.DataFrame,
    covariates: list[Covariate],
    everywhere: list[Covariate],
    seen: list[np.ndarray],
    names: list[str],
    combine: bool,
    rng: int,
    groups: np.ndarray | None,
) -> pd.DataFrame:
    """The best of each column, and which of the columns `everywhere` could explain it.

    `seen` are the features as each column was tested.
    """
    import pandas as pd

    n, table = len(seen[0]), []
    best = best_of(features, ["column", "level"])
    for covariate, codes in zip(covariates, seen, strict=True):
        own = best[best["column"] == covariate.name]
        combined = _combine(covariate, codes, rng, groups) if combine else np.full(len(own), np.nan)
        others = [(relation(covariate, c, n), i) for i, c in enumerate(everywhere) if c.name != covariate.name]
        usable = [pair for pair in others if pair[0] < SAME]
        in_common, other = max(usable, key=lambda pair: pair[0], default=(0.0, -1))
        confounder = everywhere[other] if in_common > CONFOUNDED else None
        for (_, row), reached in zip(own.iterrows(), combined, strict=True):
            feature = codes[:, names.index(row["feature"])]
            within, p_within = _within(covariate, row["level"], feature, confounder)
            table.append(
                {
                    **row,
                    "combination": reached,
                    "confounder": "" if confounder is None else confounder.name,
                    "in_common": in_common,
                    "effect_within": within,
                    "p_within": p_within,
                }
            )
    return pd.DataFrame(table)


def best_of(features: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """The strongest row of `Associations` that is beyond chance for each value of some columns; without one the surest.

    By p-values alone a feature would be named after the largest class that it has something to do with.
    """
    chance = features["q"].gt(RATE)
    ranked = features.assign(
        _chance=chance, _p=features["p"].where(chance, 0.0), _weak=-strength(features["effect"], features["measure"])
    )
    order = ranked.sort_values(["_chance", "_p", "_weak"], kind="stable").index
    first = features.loc[order].drop_duplicates(list(by)).index
    return features.loc[sorted(first)]


def strength(effect: np.ndarray, measure: np.ndarray) -> np.ndarray:
    """How strong associations are, from 0 to 1, whatever their measures.

    Spearman's correlation as it is; AUROC as the correlation that it is of ranks, 2 AUROC - 1. A log hazard ratio b of
    one standard deviation orders two samples rightly with a probability of about 1/2 + b / (2 pi^(1/2)), which makes it
    b / pi^(1/2).
    """
    effect, measure = np.asarray(effect, dtype=np.float64), np.asarray(measure, dtype=object)
    size = np.abs(np.where(measure == "AUROC", 2.0 * effect - 1.0, effect))
    return np.minimum(np.where(measure == MEASURES["survival"], size / np.sqrt(np.pi), size), 1.0)


def _combine(covariate: Covariate, codes: np.ndarray, rng: int, groups: np.ndarray | None) -> np.ndarray:
    """What all features reach together on samples, and groups, that the probe was not fitted on.

    NaN for survival times, and where a class has samples of fewer groups than there are folds.
    """
    x, own = codes[covariate.rows], None if groups is None else groups[covariate.rows]
    if covariate.kind == "survival":
        return np.array([np.nan])
    of_number = covariate.kind == "number"
    if own is not None and min(len(np.unique(own[m])) for m in ([...] if of_number else covariate.member.T)) < FOLDS:
        return np.full(1 if of_number else len(covariate.compared), np.nan)
    if covariate.kind == "number":
        predicted, fold = probe_number(x, covariate.values, rng, own)
        # Within folds: a fold's prediction starts from the mean of the others, which runs against its own.
        return np.array([r.correlate_within(predicted, covariate.values, fold)[0]])
    probability = probe_classes(x, covariate.values, rng, own)
    member = covariate.member
    return np.array(
        [r.compare_groups(r.rank(probability[:, [i]]), member[:, [i]])[0].item() for i in covariate.compared]
    )


def _within(covariate: Covariate, level: str, feature: np.ndarray, confounder: Covariate | None) -> tuple[float, float]:
    """Effect and p-value of a feature inside the groups of another column."""
    if confounder is None or covariate.kind == "survival":
        return float("nan"), float("nan")
    strata = confounder.strata(len(feature))[covariate.rows]
    known = strata >= 0
    values, strata = feature[covariate.rows][known], strata[known]
    if covariate.kind == "number":
        effect, p, used = r.correlate_within(values, covariate.values[known], strata)
    else:
        member = covariate.values[known] == covariate.levels.index(level)
        effect, p, used = r.compare_within(values, member, strata)
    return (effect, p) if used else (float("nan"), float("nan"))
