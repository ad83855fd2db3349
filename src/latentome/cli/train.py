"""``latentome train``: prepare a matrix and train a model on it."""

from __future__ import annotations

import typer

from latentome.cli import options as o


def command(
    data: o.Data,
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
    """Prepare a matrix and train a model; predict, evaluate, visualize and report go on from its folder."""
    from latentome.cli.show import Terminal, command_line
    from latentome.workflow import default_folder, train_step

    config = o.request(locals())
    folder, _ = train_step(
        config,
        str(out or default_folder(config)),
        Terminal(),
        command=command_line(),
        replace=replace,
        resume=resume,
    )
    typer.echo(f"Model: {folder.path}\nNext: latentome predict {folder.path}")
