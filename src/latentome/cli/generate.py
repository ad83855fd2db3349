"""``latentome generate``: samples that do not exist, and whether they pass for real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentome.cli import options as o


def command(
    run: o.Run,
    out: Annotated[Path, typer.Option("-o", "--out", help="The table to write: generated samples x genes.")],
    number: Annotated[int, typer.Option("-n", "--number", help="How many samples.")] = 100,
    source: Annotated[
        str, typer.Option("--from", help="mixture (fitted on the features of the training samples), or a VAE's prior.")
    ] = "mixture",
    seed: o.Seed = 0,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the file that is there.")] = False,
) -> None:
    """Generate samples with the model of a run, and tell by classifiers whether they pass for held-out ones."""
    from latentome.cli.log import listener
    from latentome.workflow import generate_samples, open_run, prepare_again

    folder, config = open_run(str(run))
    folder.require("h5ad")
    how = {"n": number, "source": source, "seed": seed, "replace": replace}
    reporter = listener()
    with reporter.step("read and prepare", "bytes"):
        prepared = prepare_again(config, folder, reporter)
    judged = generate_samples(folder, prepared, out, reporter, **how)
    typer.echo(
        f"Classifiers tell generated from held-out samples with AUROC {judged['AUROC']:.3f} by their genes, and "
        f"{judged['AUROC of squares']:.3f} by the squared deviations of these (0.5: they cannot). The means of genes "
        f"correlate by {judged['mean']:.3f}; the variance of the median gene is {judged['variance ratio']:.2f} of the "
        "real one."
    )
    typer.echo(f"Samples: {out}\nComparison: {out}.json")
