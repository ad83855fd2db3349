"""``latentome sweep``: many trainings, and which configuration is best."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentome.cli import options as o

_OWN = {
    "grid": o.option(
        list[str],
        "What is varied: latent_dim=5,25,100 or, with --random, learning_rate=1e-4..1e-2; repeat it.",
        default=[],
    ),
    "seeds": o.option(int | None, "Seeds of each configuration, from --seed on.", min=1),
    "folds": o.option(int, "Cross-validation folds; 1: one split, as in 'latentome run'.", default=1, min=1),
    "random": o.option(int | None, "Take so many configurations at random."),
    "halving": o.option(int | None, "Give up early: each round keeps one of so many, for as many times the epochs."),
    "bayesian": o.option(int | None, "Let Optuna choose so many configurations."),
    "named": o.option(str | None, "A published sweep: tybalt-onehidden, tybalt-twohidden, adage, latent-dim."),
    "limit": o.option(int | None, "At most so many configurations, evenly spaced."),
    "keep_models": o.option(bool, "Save every trained model.", "--keep-models", default=False),
    "on": o.option(str, "here, local, slurm, lsf, sge, or a Dask scheduler: tcp://host:8786.", default="here"),
    "workers": o.option(int | None, "Local processes, or jobs of the batch system."),
    "partition": o.option(str | None, "Partition or queue of the jobs."),
    "memory": o.option(str, "Memory of a job.", default="8GB"),
    "walltime": o.option(str, "Time limit of a job.", default="04:00:00"),
    "cores": o.option(int, "Processors of a job.", default=2, min=1),
    "gpus": o.option(int, "GPUs of a job.", default=0, min=0),
    "wait": o.option(
        float | None, "Seconds without any worker that end it (default: 600; the first job may wait).", min=0
    ),
    "dry_run": o.option(bool, "Show the plan and the job script, train nothing.", "--dry-run", default=False),
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
    base, seeds, models = asked.config, own["seeds"], tuple(asked.config.model.split(","))
    grid = parse_grid(own["grid"])
    if own["named"]:
        base, models, grid, seeds = as_published(own["named"], base, grid, seeds)
    kept = {name: own[name] for name in ("folds", "random", "limit", "keep_models", "halving", "bayesian", "named")}
    request = SweepRequest(base, models, grid, seeds or 1, **kept)
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
