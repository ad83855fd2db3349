"""Whether models of other samples find the features of a run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latentome import io
from latentome.io import RunFolder
from latentome.workflow.config import RunConfig
from latentome.workflow.prepare import Prepared
from latentome.workflow.reporter import Reporter
from latentome.workflow.steps import holding, load_trained

if TYPE_CHECKING:
    import pandas as pd


@holding
def replicate_step(
    run: RunFolder, config: RunConfig, prepared: Prepared, reporter: Reporter, *, repeats: int = 5
) -> pd.DataFrame:
    """Train the model of a run on halves of its training samples, and see which of its features come again.

    Parameters
    ----------
    run, config, prepared
        The folder, what was asked for, and its data. Gains ``interpretation/replication.tsv``.
    reporter
        Takes note of each pair of halves.
    repeats
        How often the samples are cut in halves; the groups of the run (``--group``) stay together.

    Returns
    -------
    The table of `latentome.tl.replication`.

    Raises
    ------
    LatentomeError
        If half of the samples are too few; nothing is then written.
    """
    from latentome import tl

    model, _ = load_trained(run)
    training, groups = prepared.training, prepared.groups
    with reporter.step("halves", "pairs"):
        table = tl.replication(
            prepared.adata.X[training],
            model,
            repeats,
            config.seed,
            groups=None if groups is None else groups[training],
            progress=reporter.progress,
        )
    with io.guard_writing(run.interpretation):
        run.interpretation.mkdir(exist_ok=True)
    io.write_table(run.interpretation / "replication.tsv", table.set_index("method"))
    return table
