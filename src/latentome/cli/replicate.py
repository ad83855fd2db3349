"""``latentome replicate``: which features of a run come again in models of other samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from latentome.cli import options as o

if TYPE_CHECKING:
    import pandas as pd


def command(
    run: o.Run,
    repeats: Annotated[int, typer.Option(min=1, help="How often the samples are cut in two halves.")] = 5,
) -> None:
    """Train the model of a run on halves of its samples: which features come again, beside PCA and chance."""
    from latentome.cli.log import listener
    from latentome.workflow import draw_interpretation, open_to_write, prepare_again, replicate_step

    with open_to_write(str(run), "model") as (folder, config):
        reporter = listener()
        with reporter.step("read and prepare", "bytes"):
            prepared = prepare_again(config, folder, reporter)
        table = replicate_step(folder, config, prepared, reporter, repeats=repeats)
        drawn = draw_interpretation(folder, reporter, ["replication"])
    typer.echo(_summary(table))
    typer.echo(f"Table: {folder.interpretation / 'replication.tsv'}\nFigure: {drawn[0]}")


def _summary(table: pd.DataFrame) -> str:
    """How many features of each method come again, the model's first."""
    from latentome.tl.replication import CHANCE, least_to_be_found

    each = table.groupby("method", sort=False)
    told = each.agg(
        features=("again", "size"),
        again=("again", "sum"),
        replication=("replication", "mean"),
        explained=("explained", "mean"),
    )
    least = least_to_be_found(table.loc[table["method"] == CHANCE, "replication"])
    return (
        f"{told.to_string(float_format='{:.2f}'.format)}\n"
        f"What correlates by {least:.2f} or more on average with its match in a model of half of the samples, on the "
        "others, comes again. Explained is the share of a feature that all features of such a model give together."
    )
