"""The published pipeline: download, process, train the VAE and ADAGE, encode, t-SNE, draw; PCA beside both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from latentome import io, pl
from latentome.io import RunFolder
from latentome.pp import tcga
from latentome.workflow.config import RunConfig
from latentome.workflow.folders import claimed_folder, remove_files
from latentome.workflow.process_tcga import RAW_SETS, find_raw, process_tcga
from latentome.workflow.reporter import Reporter
from latentome.workflow.run import run_config
from latentome.workflow.steps import read_encoded

if TYPE_CHECKING:
    import pandas as pd

#: What the folder of a reproduction holds.
FILES = ("tables", "vae", "adage", "tsne.png", "metrics.tsv", "tybalt_features_with_clinical.tsv")
#: Share of the samples that the authors held out.
TEST_SIZE = 0.1


def reproduce_tybalt(
    out: str | Path,
    *,
    raw: str | Path = RAW_SETS[0],
    data: str | None = None,
    as_published: bool = False,
    epochs: int | None = None,
    seed: int = 0,
    replace: bool = False,
    reporter: Reporter | None = None,
) -> pd.DataFrame:
    """Repeat the pipeline of Tybalt from the raw files to the figures.

    Parameters
    ----------
    out
        The folder: ``tables`` (see :func:`process_tcga`), the runs ``vae`` and ``adage`` with their reports,
        ``tsne.png``, ``metrics.tsv``, and ``tybalt_features_with_clinical.tsv`` where there is a clinical table.
    raw
        A folder with the raw files, or ``tcga-pancan-2018``, which is fetched.
    data
        A data set or an expression file in place of the raw files, such as ``tcga-33``, which needs no network.
    as_published
        Keep the documented defects: of the tables, and of the VAE (whose KL term has weight 0).
    epochs
        Passes over the data of both models; by default 50 and 100, as published.
    seed
        Seed of the weights, the order of the samples, the split and the maps.
    replace
        Whether an earlier reproduction in the folder is replaced.
    reporter
        Takes note of the steps; silent by default.

    Returns
    -------
    One row a method (VAE, ADAGE, and PCA of the same size), one column a metric, on the held-out samples.

    Raises
    ------
    LatentomeError
        If the raw files are not there, cannot be fetched or used, or the folder is in use.

    References
    ----------
    Way and Greene, Pacific Symposium on Biocomputing 2018, 23:80-91.
    """
    reporter = reporter or Reporter()
    files = find_raw(raw, reporter) if data is None else {}
    with claimed_folder(out, FILES, replace, "reproduction") as folder:
        if data is None:
            done = process_tcga(raw, folder / "tables", as_published=as_published, replace=replace, reporter=reporter)
            data = str(done)
        limit = {} if epochs is None else {"max_epochs": epochs}
        kind = "as-published" if as_published else "as-described"
        remove_files(folder, FILES)
        runs = {
            family: run_config(
                RunConfig(data, model, parameters=limit, test_size=TEST_SIZE, seed=seed),
                str(folder / family),
                replace=replace,
                reporter=reporter,
                command="latentome reproduce tybalt",
            )
            for family, model in (("vae", f"tybalt-2018-{kind}"), ("adage", "adage-tybalt-2018"))
        }
        if "clinical" in files:
            features = io.read_labels(runs["vae"].latent)
            clinical = tcga.read_clinical(files["clinical"])
            joined = tcga.join_clinical(features, clinical, as_published=as_published)
            io.write_table(folder / "tybalt_features_with_clinical.tsv", joined)
        with reporter.step("maps side by side"):
            _draw(runs, folder / "tsne.png")
        metrics = _table(runs)
        io.write_table(folder / "metrics.tsv", metrics)
    return metrics


def _draw(runs: dict[str, RunFolder], path: Path) -> None:
    encoded = {family: read_encoded(run) for family, run in runs.items()}
    vae = encoded["vae"]
    vae.obsm["X_tsne_adage"] = encoded["adage"].obsm["X_tsne_adage"]
    label = vae.uns["source"].get("label_column") or "split"
    figure = pl.embeddings(vae, ("X_tsne_vae", "X_tsne_adage", "X_tsne_pca"), str(label), ("VAE", "ADAGE", "PCA"))
    with io.atomic_path(path) as aside:
        figure.savefig(aside, format="png")


def _table(runs: dict[str, RunFolder]) -> pd.DataFrame:
    import pandas as pd

    rows: dict[str, dict[str, float]] = {}
    for run in runs.values():
        table = json.loads(run.metrics.read_text(encoding="utf-8"))["table"]
        for metric, values in table.items():
            for method, value in values.items():
                rows.setdefault(method, {})[metric] = value
    return pd.DataFrame(rows).T.rename_axis("method")
