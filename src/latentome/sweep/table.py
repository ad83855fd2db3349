"""The tables of a sweep: one row a training, one row a configuration, the best one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from latentome.report.wording import several
from latentome.sweep.request import Configuration

if TYPE_CHECKING:
    import pandas as pd

#: The scores of a training in the order of the tables, each with PCA's of the same size beside it.
SCORES = ("held-out MSE", "variance explained", "probe accuracy", "5-NN accuracy")
PAIRED = tuple(name for score in SCORES for name in (score, f"PCA {score}"))
LAST = ("epochs", "seconds", "error")


def trial_table(
    rows: Sequence[dict[str, Any]], configurations: Sequence[Configuration], widths: dict[int, int]
) -> pd.DataFrame:
    """One row a training, in the order of configuration, round, fold and seed; rounds are told where there are several.

    The rows are those of all units, PCA's (which have a ``size``) among them; `widths` are the number of latent
    features of each configuration, by its number.
    """
    import pandas as pd

    varied = list(dict.fromkeys(name for c in configurations for name in c.varied))
    pca = {(row["fold"], row["size"]): row for row in rows if "size" in row}
    known_as = {(c.number, c.round): c for c in configurations}
    rounds = ["round"] if any(c.round > 1 for c in configurations) else []
    table = []
    for row in (row for row in rows if "size" not in row):
        c = known_as[row["configuration"], row["round"]]
        beside = pca.get((row["fold"], widths[c.number]), {})
        values = {name: _plain(c.varied.get(name)) for name in varied}
        table.append({"model": c.model, **values, "latent features": widths[c.number], **beside, **row})
    known = [name for name in (*PAIRED, "loss", "val_loss") if any(row.get(name) is not None for row in table)]
    columns = ["configuration", *rounds, "model", *varied, "latent features", "fold", "seed", *known, *LAST]
    order = ["configuration", *rounds, "fold", "seed"]
    frame = pd.DataFrame(table, columns=columns).sort_values(order, ignore_index=True)
    return frame.assign(error=frame["error"].astype(object).fillna(""))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return "x".join(map(str, value)) or "none"
    return "none" if value is None else value


def summarise(trials: pd.DataFrame) -> pd.DataFrame:
    """One row a configuration: means over folds and seeds, with a 95 % interval of the held-out error.

    Of several rounds the last one counts in which the configuration was trained.

    The interval is Student's over the means of the folds, or over the seeds where there is one fold. The trainings of a
    fold share its samples: they are not counted as independent.

    Parameters
    ----------
    trials
        See `trial_table`.

    Returns
    -------
    The configurations of the last round from the best held-out error to the worst, then those that were given up in
    earlier ones; those of which a training failed come last.
    """
    import pandas as pd

    settled = list(trials.columns[: list(trials.columns).index("fold")])
    rows = []
    for _, group in trials.groupby("configuration", sort=True):
        if "round" in group:
            group = group[group["round"] == group["round"].max()]
        done = group[group["error"] == ""]
        row: dict[str, Any] = {name: group.iloc[0][name] for name in settled}
        row |= {"trainings": len(group), "failed": len(group) - len(done)}
        for name in PAIRED:
            if name not in trials:
                continue
            row[name] = done.groupby("fold")[name].mean().mean() if len(done) else np.nan
            if name == "held-out MSE":
                row["low"], row["high"] = interval(done, name)
            if name == "PCA held-out MSE":
                row["% of PCA's"] = 100.0 * row["held-out MSE"] / row[name] if row[name] else np.nan
        row |= {"epochs": group["epochs"].mean(), "seconds": group["seconds"].sum()}
        row["error"] = next((text for text in group["error"] if text), "")
        rows.append(row)
    table = pd.DataFrame(rows)
    given_up = table["round"].max() - table["round"] if "round" in table else 0
    ranked = table.assign(bad=table["failed"] > 0, given_up=given_up)
    order = ranked.sort_values(["bad", "given_up", "held-out MSE", "configuration"]).index
    return table.loc[order].reset_index(drop=True)


def final_round(table: pd.DataFrame) -> pd.DataFrame:
    """The rows whose configurations were trained to the end; all, where none is given up on the way."""
    return table[table["round"] == table["round"].max()] if "round" in table else table


def interval(done: pd.DataFrame, name: str) -> tuple[float, float]:
    """The 95 % interval of the mean of an error; NaN where there is nothing to take it over."""
    from scipy.stats import t

    folds = done.groupby("fold")[name].mean()
    values = folds if len(folds) > 1 else done[name]
    if len(values) < 2:
        return np.nan, np.nan
    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return max(float(values.mean()) - half, 0.0), float(values.mean()) + half  # no error is below zero


def verdict(summary: pd.DataFrame, folds: int, seeds: int) -> list[str]:
    """What the sweep found, in sentences."""
    sound = final_round(summary)
    sound = sound[sound["failed"] == 0]
    said = []
    if not len(sound):
        said.append("No configuration was trained to the end.")
    else:
        best = sound.iloc[0]
        over = f"{folds} folds" if folds > 1 else f"{seeds} seeds on one split" if seeds > 1 else ""
        beside = f", 95 % interval {best['low']:.4g} to {best['high']:.4g} over {over}" if over else ""
        against = f"; PCA with {best['latent features']} components: {best['PCA held-out MSE']:.4g}"
        percent = best["% of PCA's"]
        if percent < 1000:  # nearly all components reconstruct nearly everything: no share of that tells anything
            against += f" ({percent:.1f} % of PCA's)"
        said.append(
            f"The best of {several(len(summary), 'configuration')} is number {best['configuration']}: held-out mean "
            f"squared error {best['held-out MSE']:.4g}{beside}{against}."
        )
        close = sound[sound["held-out MSE"] <= best["high"]] if over else sound.iloc[:1]
        if "round" in summary:
            lost = summary[summary["round"] < summary["round"].max()].groupby("round")["max_epochs"]
            ends = [f"{len(epochs)} after {_span(epochs)}" for _, epochs in lost]
            said.append(
                f"On the way were given up: {', '.join(ends)}. They were judged by what they had learned by then."
            )
        if len(close) > 1:
            said.append(f"{several(len(close) - 1, 'other lies', 'others lie')} inside its interval.")
        if (summary["failed"] == 0).sum() > 1:  # those that were given up have been chosen from, too
            said.append(
                "It was chosen by the very samples that it is scored on, so that its error is a little optimistic: "
                "score it again on samples that no sweep has seen."
            )
    if (summary["failed"] > 0).any():
        failed = summary[summary["failed"] > 0]
        trainings = several(int(failed["failed"].sum()), "training")
        said.append(f"{trainings} of {several(len(failed), 'configuration')} failed; see the table.")
    return said


def curve_table(
    results: Sequence[tuple[Sequence[dict[str, Any]], Sequence[dict[str, Any]]]],
) -> pd.DataFrame:
    """The losses of all trainings, epoch by epoch, from rows and curves of each unit: configuration, fold, seed, ..."""
    import pandas as pd

    parts = []
    for rows, curves in results:
        for row, curve in zip(rows, curves, strict=False):
            frame = pd.DataFrame({name: np.array(values, dtype=float) for name, values in curve.items()})
            frame.insert(0, "epoch", np.arange(1, len(frame) + 1))
            for name in ("seed", "fold", "round", "configuration"):
                frame.insert(0, name, row[name])
            parts.append(frame)
    if not parts:
        return pd.DataFrame(columns=["configuration", "fold", "seed", "epoch", "loss"])
    whole = pd.concat(parts, ignore_index=True)
    if whole["round"].max() == 1:
        del whole["round"]
    order = [name for name in ("configuration", "round", "fold", "seed", "epoch") if name in whole]
    return whole.sort_values(order, ignore_index=True)


def _span(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return several(low, "epoch") if low == high else f"{low} to {several(high, 'epoch')}"
