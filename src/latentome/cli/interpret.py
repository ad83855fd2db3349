"""``latentome interpret``: what the features of a run mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentome.cli import options as o
from latentome.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def command(
    run: o.Run,
    labels: Annotated[
        Path | None, typer.Option(help="A table with more columns for the samples: sex, age, survival, ...")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            help="Columns to associate, with commas between, in double quotes where a name has one (default: all that "
            "can be used)."
        ),
    ] = None,
    survival: Annotated[
        str | None, typer.Option(help="Columns of survival times and events (1 or 0): TIME,EVENT.")
    ] = None,
    gene_sets: Annotated[
        Path | None, typer.Option(help="A GMT file of gene sets (default: the 50 Hallmark sets, symbols).")
    ] = None,
    cutoff: Annotated[
        float | None,
        typer.Option(min=0.0, help="Standard deviations that make a gene one of a signature (default 2.5)."),
    ] = None,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Turn the features to simple loadings, and say what these mean, too.")
    ] = False,
    loadings: Annotated[
        str, typer.Option(help="How genes belong to features: decoder, integrated-gradients or encoder.")
    ] = "decoder",
    enrichment: Annotated[
        str, typer.Option(help="over-representation, rank, or a method of decoupler such as ulm (extra 'enrich').")
    ] = "over-representation",
    compare: Annotated[str | None, typer.Option(help="Two groups of samples to compare: COLUMN,ONE,OTHER.")] = None,
    network: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Write a network of genes: the least correlation of their loadings."),
    ] = None,
) -> None:
    """Say what the features of a run mean: which covariates they follow, which gene sets, how stable they are."""
    from latentome.cli.log import listener
    from latentome.workflow import draw_interpretation, interpret_step, open_to_write, prepare_again

    pairs = [] if survival is None else [tuple(o.names(survival))]
    if any(len(pair) != 2 for pair in pairs):
        raise InputError(
            f"'{survival}' names no survival times.",
            where=f"--survival {survival}",
            expected="two columns with a comma between: times, and events",
            todo="correct the option, such as --survival days_survived,dead",
        )
    groups = None if compare is None else tuple(o.names(compare))
    if groups is not None and len(groups) != 3:
        raise InputError(
            f"'{compare}' names no two groups.",
            where=f"--compare {compare}",
            expected="a column and two of its groups with commas between",
            todo="correct the option, such as --compare cancer_type,LGG,GBM",
        )
    with open_to_write(str(run), "h5ad") as (folder, config):
        reporter = listener()
        with reporter.step("read and prepare", "bytes"):
            prepared = prepare_again(config, folder, reporter)
        table = interpret_step(
            folder,
            prepared,
            reporter,
            labels=None if labels is None else str(labels),
            columns=None if columns is None else o.names(columns),
            survival=pairs,
            gene_sets=None if gene_sets is None else str(gene_sets),
            cutoff=cutoff,
            rotate=rotate,
            loadings=loadings,
            enrichment=enrichment,
            groups=groups,
            network=network,
        )
        drawn = draw_interpretation(folder, reporter)
    _show(table)
    typer.echo("\n".join(map(str, drawn)))
    typer.echo(f"Tables: {folder.interpretation}\nNext: latentome report {folder.typed}")


def _show(table: pd.DataFrame) -> None:
    """Print the first features with what is beyond chance of what they follow."""
    from latentome.tl.associate import RATE

    table = table.copy()
    for q, named in (
        ("q_column", ("column", "level", "measure", "effect", "q_column")),
        *((f"q_set_{side}", (f"set_{side}",)) for side in ("positive", "negative")),
    ):
        if q in table:
            known = [name for name in named if name in table]
            table[known] = table[known].where(table[q] <= RATE)
    wanted = (
        "feature",
        "stability",
        "column",
        "level",
        "measure",
        "effect",
        "q_column",
        "set_positive",
        "set_negative",
    )
    columns = [column for column in wanted if column in table and table[column].notna().any()]
    shown = table.head(20)
    if columns != ["feature"]:
        typer.echo(shown[columns].to_string(index=False, na_rep="", float_format="{:.3g}".format))
        if len(table) > len(shown):
            typer.echo(f"... and {len(table) - len(shown)} more in features.tsv")
    if not any(name.startswith("q_") for name in table):
        typer.echo("Nothing was tested: there is no column of the samples and no gene set to test with.")
    elif set(columns) <= {"feature", "stability"}:
        typer.echo("Nothing beyond chance.")
    else:
        typer.echo(
            f"Shown is what is beyond chance (q of {RATE} or less); an AUROC of 0.5 is no difference, 0 or 1 the "
            "largest."
        )
