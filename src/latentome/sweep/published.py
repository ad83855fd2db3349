"""What the authors of Tybalt found in the sweeps that have a name here, beside the same configurations trained now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

#: The name of each sweep in the published table; the others were published without their losses.
PUBLISHED = {
    "tybalt-onehidden": "param_sweep",
    "tybalt-twohidden": "param_sweep_twohidden",
    "adage": "param_sweep_adage",
}
#: The settings of the table by the names of our parameters.
SETTINGS = {
    "batch_size": "batch_size",
    "max_epochs": "epochs",
    "learning_rate": "learning_rate",
    "sparsity": "sparsity",
    "noise": "noise",
}
#: What the published losses were computed on.
DATA = "9,413 training samples x 5,000 genes"


def published_curves(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The losses of a published sweep, and its configurations, as `latentome.pl.sweep_curves` draws them.

    Curves have ``configuration``, ``epoch`` from 1, ``loss``, ``val_loss``; configurations ``configuration``,
    ``model``, the settings. Of the shorter trainings only the last epoch is known. Both are empty where nothing was
    published.
    """
    from latentome.datasets import tybalt_sweeps

    table = tybalt_sweeps()
    table = table[table["sweep"] == PUBLISHED.get(name)]
    settings = [ours for ours, theirs in SETTINGS.items() if table[theirs].notna().any()]
    table = table.rename(columns={theirs: ours for ours, theirs in SETTINGS.items()})[
        [*settings, "epoch", "loss", "val_loss"]
    ]
    numbers = table.groupby(settings, sort=False).ngroup() + 1 if settings else []
    curves = table.assign(configuration=numbers, epoch=table["epoch"] + 1)
    summary = curves.drop_duplicates("configuration")[["configuration", *settings]].assign(model=name)
    return curves[["configuration", "epoch", "loss", "val_loss"]], summary.reset_index(drop=True)


def longest(curves: pd.DataFrame, summary: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The longest trainings alone: the others are their beginnings, but for the seed."""
    if "max_epochs" in summary:
        summary = summary[summary["max_epochs"] == summary["max_epochs"].max()]
    return curves[curves["configuration"].isin(summary["configuration"])], summary


def beside_published(name: str, summary: pd.DataFrame, curves: pd.DataFrame) -> tuple[list[str], pd.DataFrame | None]:
    """Compare the last validation losses of the configurations that a published sweep and the one trained here have.

    Gives sentences, and where there is something to compare a table: the settings, ``published`` and ``ours``.
    """
    from scipy.stats import spearmanr

    theirs, configurations = published_curves(name)
    if not len(theirs):
        return [f"No losses were published with the sweep {name}."], None
    if "val_loss" not in curves or curves["val_loss"].isna().all():
        return ["The published validation losses have nothing beside them: these models held nothing out."], None
    settings = [s for s in SETTINGS if s in configurations and s in summary]
    both = _last(theirs, configurations, settings).merge(
        _last(curves, summary, settings), on=settings, suffixes=("_published", "_ours")
    )
    both = both.rename(columns={"val_loss_published": "published", "val_loss_ours": "ours"})
    if len(both) < 3:
        return [f"{len(both)} of the {len(configurations)} published configurations were trained here."], None
    rho, p = spearmanr(both["published"], both["ours"], nan_policy="omit")
    said = [
        f"{len(both)} of the {len(configurations)} published configurations were trained here. Their last validation "
        f"losses rank as the published ones with a Spearman correlation of {rho:.2f} (p = {p:.2g}).",
        f"The published losses are those of {DATA}, summed over the genes: how high they are cannot be compared with "
        "data of another size, which of them are lower can.",
    ]
    return said, both


def _last(curves: pd.DataFrame, summary: pd.DataFrame, settings: list[str]) -> pd.DataFrame:
    """The mean validation loss of the last epoch of each combination of settings."""
    ends = curves[curves["epoch"] == curves.groupby("configuration")["epoch"].transform("max")]
    joined = ends[["configuration", "val_loss"]].merge(summary[["configuration", *settings]], on="configuration")
    return joined.groupby(settings, as_index=False)["val_loss"].mean()
