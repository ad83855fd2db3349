"""``latentome dimensions``: how many latent dimensions the data of a run ask for."""

from __future__ import annotations

from typing import Annotated

import typer

from latentome.cli import options as o


def command(
    run: o.Run,
    sizes: Annotated[
        str | None, typer.Option("-k", "--sizes", help="Latent sizes, such as 5,20 (default: 2,5,10,20,50,100).")
    ] = None,
    members: Annotated[int, typer.Option(help="Trainings of each size, which differ in their seed.")] = 2,
    gene_sets: Annotated[
        str | None, typer.Option(help="A GMT file, or hallmark: count the gene sets that the features stand for.")
    ] = None,
) -> None:
    """Train the model of a run with several latent sizes; recommend one by held-out error, beside PCA."""
    from latentome.cli.log import listener
    from latentome.workflow import dimensions_step, draw_interpretation, open_to_write, prepare_again

    with open_to_write(str(run), "model") as (folder, config):
        how = {"sizes": o.sizes(sizes), "members": members, "gene_sets": gene_sets}
        reporter = listener()
        with reporter.step("read and prepare", "bytes"):
            prepared = prepare_again(config, folder, reporter)
        table, _, reason = dimensions_step(folder, config, prepared, reporter, **how)
        drawn = draw_interpretation(folder, reporter, ["dimensions"])
    typer.echo(table.to_string(index=False, na_rep="", float_format="{:.4g}".format))
    if "probe" in table and table["probe"].notna().any():
        typer.echo("probe: mean AUROC over the classes, cross-validated on the held-out samples; no accuracy.")
    typer.echo(f"{reason}\nTable: {folder.interpretation / 'dimensions.tsv'}\nFigure: {drawn[0]}")
