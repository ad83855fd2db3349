"""``latentome run``: a matrix in, a report out."""

from __future__ import annotations

from typing import Annotated

import typer

from latentome.cli import options as o


def command(
    data: Annotated[str, typer.Argument(help="An expression file, or the name of a data set.")] = "tcga-33",
    model: o.Model = "vae",
    out: o.Out = None,
    preset: o.Preset = None,
    labels: o.Labels = None,
    label_column: o.LabelColumn = None,
    latent_dim: o.LatentDim = None,
    epochs: o.Epochs = None,
    batch_size: o.BatchSize = None,
    learning_rate: o.LearningRate = None,
    optimizer: o.Optimizer = None,
    momentum: o.Momentum = None,
    nesterov: o.Nesterov = False,
    hidden: o.Hidden = None,
    beta: o.Beta = None,
    warmup: o.Warmup = None,
    likelihood: o.Likelihood = None,
    noise: o.Noise = None,
    sparsity: o.Sparsity = None,
    transform: o.Transform = "auto",
    genes: o.Genes = None,
    scaling: o.Scaling = None,
    orientation: o.Orientation = "auto",
    test_size: o.TestSize = 0.2,
    seed: o.Seed = 0,
    replace: o.Replace = False,
    resume: o.Resume = False,
) -> None:
    """From a matrix to a report: read, train, encode, map, compare with PCA, draw, report."""
    from latentome.cli.show import Terminal, command_line, print_verdict
    from latentome.workflow import default_folder, run_config

    config = o.request(locals())
    reporter = Terminal()
    folder = run_config(
        config,
        str(out or default_folder(config)),
        replace=replace,
        resume=resume,
        reporter=reporter,
        command=command_line(),
    )
    print_verdict(folder)
    typer.echo(f"Report: {folder.report}")
