"""How many latent dimensions the data of a run ask for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from latentome import io
from latentome.errors import InputError
from latentome.io import RunFolder
from latentome.workflow.choose import choose_model
from latentome.workflow.config import RunConfig
from latentome.workflow.prepare import Prepared
from latentome.workflow.reporter import Reporter
from latentome.workflow.steps import holding

if TYPE_CHECKING:
    import pandas as pd

#: Sizes that are tried where none are asked for, as far as the data allow.
SIZES = (2, 5, 10, 20, 50, 100)


@holding
def dimensions_step(
    run: RunFolder,
    config: RunConfig,
    prepared: Prepared,
    reporter: Reporter,
    *,
    sizes: Sequence[int] | None = None,
    members: int = 2,
    gene_sets: str | None = None,
) -> tuple[pd.DataFrame, int, str]:
    """Train the model of a run with other numbers of latent dimensions, on the samples that the run trained on.

    Parameters
    ----------
    run, config, prepared
        The folder, what was asked for, and its data. Gains ``interpretation/dimensions.tsv`` and ``dimensions.json``.
    reporter
        Takes note of each size.
    sizes
        Numbers of latent dimensions; by default 2, 5, 10, 20, 50, 100, as far as half of the training samples and of
        the genes go.
    members
        Trainings of each size, 2 or more.
    gene_sets
        A GMT file, or ``hallmark``: then the sets that the features stand for are counted.

    Returns
    -------
    The table of `latentome.tl.dimensions`, the size that is recommended, and why.

    Raises
    ------
    LatentomeError
        If a size or a file cannot be used; nothing is then written.
    """
    from latentome import tl
    from latentome.tl.probe import FOLDS

    estimator, _ = choose_model(config)
    x, training = prepared.adata.X, prepared.training
    most = min(int(training.sum()), x.shape[1]) // 2
    sizes = list(dict.fromkeys(sizes or [size for size in SIZES if size <= max(most, 2)]))
    for name, values, least in (("-k", sizes, 1), ("--members", [members], 2)):
        if min(values) < least:
            raise InputError(
                "This cannot be tried.",
                where=f"{name} {min(values)}",
                expected=f"whole numbers from {least}",
                todo="correct the option",
            )
    for size in sizes:
        tl.check_pca(int(training.sum()), x.shape[1], size)
    options = {"groups": prepared.groups}
    if gene_sets is not None:
        genes = [str(gene) for gene in prepared.adata.var_names]
        options |= {"gene_sets": tl.read_gmt(Path(gene_sets) if gene_sets != "hallmark" else gene_sets), "genes": genes}
    with reporter.step("sizes", "sizes"):
        table = tl.dimensions(
            x, estimator, sizes, training, prepared.labels, members, config.seed, **options, progress=reporter.progress
        )
    if "probe" in table and table["probe"].isna().all():
        reporter.say(f"There is no probe of the classes: fewer than two classes have {FOLDS} held-out samples or more.")
    size, reason = tl.choose_size(table)
    with io.guard_writing(run.interpretation):
        run.interpretation.mkdir(exist_ok=True)
    io.write_json(run.interpretation / "dimensions.json", {"size": size, "reason": reason})  # the figure needs both
    io.write_table(run.interpretation / "dimensions.tsv", table.set_index("size"))
    return table, size, reason
