"""``latentome sweep``: many trainings, and which configuration is best."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentome.cli import options as o

_OWN = {
    "grid": (
        Annotated[
            list[str],
            typer.Option(
                help="What is varied: latent_dim=5,25,100 or, with --random, learning_rate=1e-4..1e-2; repeat it."
            ),
        ],
        [],
    ),
    "seeds": (Annotated[int | None, typer.Option(min=1, help="Seeds of each configuration, from --seed on.")], None),
    "folds": (
        Annotated[int, typer.Option(min=1, help="Cross-validation folds; 1: one split, as in 'latentome run'.")],
        1,
    ),
    "random": (Annotated[int | None, typer.Option(help="Take so many configurations at random.")], None),
    "halving": (
        Annotated[
            int | None,
            typer.Option(help="Give up early: each round keeps one of so many, for as many times the epochs."),
        ],
        None,
    ),
    "bayesian": (Annotated[int | None, typer.Option(help="Let Optuna choose so many configurations.")], None),
    "named": (
        Annotated[
            str | None, typer.Option(help="A published sweep: tybalt-onehidden, tybalt-twohidden, adage, latent-dim.")
        ],
        None,
    ),
    "limit": (Annotated[int | None, typer.Option(help="At most so many configurations, evenly spaced.")], None),
    "keep_models": (Annotated[bool, typer.Option("--keep-models", help="Save every trained model.")], False),
    "on": (
        Annotated[str, typer.Option(help="here, local, slurm, lsf, sge, or a Dask scheduler: tcp://host:8786.")],
        "here",
    ),
    "workers": (Annotated[int | None, typer.Option(help="Local processes, or jobs of the batch system.")], None),
    "partition": (Annotated[str | None, typer.Option(help="Partition or queue of the jobs.")], None),
    "memory": (Annotated[str, typer.Option(help="Memory of a job.")], "8GB"),
    "walltime": (Annotated[str, typer.Option(help="Time limit of a job.")], "04:00:00"),
    "cores": (Annotated[int, typer.Option(min=1, help="Processors of a job.")], 2),
    "gpus": (Annotated[int, typer.Option(min=0, help="GPUs of a job.")], 0),
    "wait": (
        Annotated[
            float | None,
            typer.Option(min=0, help="Seconds without any worker that end it (default: 600; the first job may wait)."),
        ],
        None,
    ),
    "dry_run": (
        Annotated[bool, typer.Option("--dry-run", help="Show the plan and the job script, train nothing.")],
        False,
    ),
}


@o.asks_for_training(
    Annotated[str, typer.Argument(help="An expression file, or the name of a data set.")], default="tcga-33", more=_OWN
)
def command(asked: o.Asked, **own) -> None:
    """Train many configurations, over seeds and folds, and say which is best on held-out samples, beside PCA."""
    from latentome.cli.log import listener
    from latentome.sweep import Cluster, SweepRequest, run_request
    from latentome.sweep.grid import parse_grid
    from latentome.sweep.named import as_published

    place = {name: own[name] for name in ("partition", "memory", "walltime", "cores", "gpus", "wait")}
    cluster = Cluster.parse(own["on"], own["workers"], **place)
    base, models, grid, seeds = (
        asked.config,
        tuple(asked.config.model.split(",")),
        parse_grid(own["grid"]),
        own["seeds"],
    )
    if own["named"]:
        base, models, grid, seeds = as_published(own["named"], base, grid, seeds)
    request = SweepRequest(
        base,
        models,
        grid,
        seeds or 1,
        own["folds"],
        own["random"],
        own["limit"],
        own["keep_models"],
        own["halving"],
        own["bayesian"],
        own["named"],
    )
    if own["dry_run"]:
        number = request.bayesian or len(request.configurations())
        typer.echo(f"{number} configurations x {request.folds} folds x {request.seeds} seeds")
        typer.echo(
            cluster.job_script() if cluster.is_batch else "in local processes or on a running cluster: no job script"
        )
        return
    found = run_request(
        request, Path(asked.out), on=cluster, replace=asked.replace, resume=asked.resume, reporter=listener()
    )
    for sentence in found.verdict:
        typer.echo(sentence)
    typer.echo(f"Report: {found.path / 'report.html'}")
