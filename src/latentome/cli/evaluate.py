"""``latentome evaluate``: the model of a run beside PCA."""

from __future__ import annotations

import typer

from latentome.cli import options as o


def command(run: o.Run) -> None:
    """Compare the model of a run with PCA of equal size on the held-out samples."""
    from latentome.cli.show import Terminal, print_verdict
    from latentome.workflow import evaluate_step, open_to_write, prepare_again

    with open_to_write(str(run), "h5ad") as (folder, config):
        evaluate_step(folder, prepare_again(config, folder), Terminal())
    print_verdict(folder)
    typer.echo(f"Metrics: {folder.metrics}\nNext: latentome visualize {folder.path}")
