"""``latentome evaluate``: the model of a run beside PCA, or anew on folds beside any method."""

from __future__ import annotations

from typing import Annotated

import typer

from latentome.cli import options as o
from latentome.errors import InputError

Folds = Annotated[int | None, typer.Option(min=2, help="Train anew on so many folds of the data.")]
Seeds = Annotated[int | None, typer.Option(min=1, help="How often the folds are drawn (default: 3).")]
Methods = Annotated[
    str | None, typer.Option(help="With commas: models, presets, pca, nmf, ica, genes (default: the run's and these).")
]
Sizes = Annotated[str | None, typer.Option("-k", "--sizes", help="Latent sizes, such as 5,20 (default: the run's).")]


Clustering = Annotated[
    str | None, typer.Option(help="k-means (default), or leiden: communities of neighbours (extra 'leiden').")
]


def command(
    run: o.Run,
    folds: Folds = None,
    seeds: Seeds = None,
    methods: Methods = None,
    sizes: Sizes = None,
    clustering: Clustering = None,
) -> None:
    """Compare the model of a run with PCA of equal size on the held-out samples; with --folds, methods on folds."""
    from latentome.cli.log import listener
    from latentome.cli.show import print_comparison, print_verdict
    from latentome.workflow import compare_step, evaluate_step, open_to_write, prepare_again

    if folds is not None and clustering is not None:
        raise InputError(
            "A comparison on folds makes clusters by k-means alone.",
            where=f"--clustering {clustering} beside --folds",
            expected="one of them",
            todo="leave one out",
        )
    if folds is not None:
        with open_to_write(str(run)) as (folder, config):
            how = {"methods": methods.split(",") if methods else None, "sizes": o.sizes(sizes)}
            table = compare_step(folder, config, listener(), folds=folds, seeds=seeds or 3, **how)
        print_comparison(table)
        typer.echo(f"All rows: {folder.item('evaluation')}")
        return
    given = [name for name, value in (("--seeds", seeds), ("--methods", methods), ("-k", sizes)) if value is not None]
    if given:
        raise InputError(
            "These options belong to a comparison on folds.",
            where=", ".join(given),
            expected="--folds beside them",
            todo="add --folds 5, or leave them out",
        )
    with open_to_write(str(run), "h5ad") as (folder, config):
        reporter = listener()
        with reporter.step("read and prepare", "bytes"):
            prepared = prepare_again(config, folder, reporter)
        evaluate_step(folder, prepared, reporter, clustering=clustering or "k-means")
    print_verdict(folder)
    typer.echo(f"Metrics: {folder.metrics}\nNext: latentome visualize {folder.typed}")
