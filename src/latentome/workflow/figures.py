"""The steps that draw: every figure that the files of a run allow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentome import io
from latentome.io import RunFolder
from latentome.tl.associate import RATE
from latentome.workflow.choose import TITLES
from latentome.workflow.prepare import Prepared
from latentome.workflow.reporter import Reporter
from latentome.workflow.steps import holding, load_trained, maps_of, read_encoded

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.figure import Figure

    from latentome.estimators import BaseAutoencoder

#: Loadings of fewer genes have no distribution.
LEAST_GENES = 20


@holding
def visualize_step(
    run: RunFolder, prepared: Prepared, reporter: Reporter, formats: Sequence[str] = ("png",), *, dark: bool = False
) -> list[Path]:
    """Draw every figure of the run, also those of a comparison on folds and of an interpretation where there is one.

    Parameters
    ----------
    run
        The folder; after ``evaluate``. Gains ``figures/``, or ``figures-dark/``.
    prepared
        The data of the run.
    reporter
        Takes note of the step.
    formats
        ``png``, ``pdf`` and ``svg``, or some of them.
    dark
        Whether to draw on dark paper. The report shows those on light paper.

    Returns
    -------
    The paths of the files.
    """
    from latentome import pl

    encoded = read_encoded(run)
    model, family = load_trained(run)
    metrics = run.read_metrics()
    with reporter.step("figures", "files"), pl.theme("dark" if dark else "light"):
        figures = _of_samples(encoded, prepared, model, family)
        figures |= _of_tables(run, model, metrics)
        figures |= _of_genes(encoded, prepared, model, family)
        figures |= _of_interpretation(run)
        return _write(run.path / "figures-dark" if dark else run.figures, figures, formats, reporter)


@holding
def draw_interpretation(run: RunFolder, reporter: Reporter, names: Sequence[str] = ()) -> list[Path]:
    """Draw the tables that `interpret_step`, `replicate_step` and `dimensions_step` have left, into ``figures/``.

    Parameters
    ----------
    run
        The folder.
    reporter
        Takes note of the step.
    names
        Of the figures; by default all that there are tables for.

    Returns
    -------
    The paths of the files.
    """
    with reporter.step("figures", "files"):
        figures = _of_interpretation(run)
        for name in INTERPRETED:  # what the tables no longer show
            if name not in figures:
                for path in (*run.figures.glob(f"{name}.*"), *(run.path / "figures-dark").glob(f"{name}.*")):
                    path.unlink()
        return _write(run.figures, {n: f for n, f in figures.items() if not names or n in names}, ("png",), reporter)


def _write(folder: Path, figures: Mapping[str, Figure], formats: Sequence[str], reporter: Reporter) -> list[Path]:
    with io.guard_writing(folder):
        folder.mkdir(exist_ok=True)
    wanted = [(figure, folder / f"{name}.{ending}") for name, figure in figures.items() for ending in formats]
    for figure, path in reporter.each(wanted):
        with io.atomic_path(path) as aside:
            figure.savefig(aside, format=path.suffix[1:])
    return sorted(path for _, path in wanted)


def _of_samples(encoded: AnnData, prepared: Prepared, model: BaseAutoencoder, family: str) -> dict[str, Figure]:
    """Maps, features and classes."""
    from latentome import pl, tl

    color, title, codes = prepared.label_column or "split", TITLES[family], encoded.obsm[f"X_{family}"]
    k = codes.shape[1]
    many = k > 1
    names = [
        f"t-SNE of the {title}'s {f'{k} features' if many else 'feature'}",
        f"t-SNE of {f'{k} principal components' if many else 'one principal component'}",
    ]
    shown = encoded[_at_most(encoded.n_obs, 2000)]
    some = shown.obsm[f"X_{family}"]
    standard = (some - some.mean(axis=0)) / np.maximum(some.std(axis=0), 1e-12)
    figures = {
        "tsne": pl.embeddings(encoded, [f"X_{name}" for name in maps_of(family)], color, names),
        "latent_heatmap": pl.latent_heatmap(
            shown, f"X_{family}", color, tl.cluster_order(standard), tl.cluster_order(standard.T)
        ),
        "activations": pl.activations(encoded, f"X_{family}"),
    }
    if f"X_umap_{family}" in encoded.obsm:
        heads = [name.replace("t-SNE", "UMAP", 1) for name in names]
        figures["umap"] = pl.embeddings(encoded, [f"X_{name}" for name in maps_of(family, "umap")], color, heads)
    if k >= 2:
        figures["feature_scatter"] = pl.feature_scatter(encoded, *_most_varied(codes), f"X_{family}", color)
    if prepared.labels is not None:
        figures["swarm"] = pl.swarm(encoded, _telling(codes, encoded.obs[color]), color, f"X_{family}")
        counts = tl.confusion(codes, prepared.labels, prepared.training)
        if len(counts):
            figures["confusion_matrix"] = pl.confusion_matrix(counts, f"Linear classifier on the {title}'s features")
    if prepared.adata.n_vars <= 12:  # few enough that two of them show something
        held_out = prepared.adata.X[~prepared.training]
        genes = tuple(str(g) for g in prepared.adata.var_names[:2])
        decoded = model.inverse_transform(model.transform(prepared.adata.to_df()[~prepared.training]))
        figures["reconstruction"] = pl.reconstruction(held_out, {title: decoded}, genes)
    return figures


def _of_tables(run: RunFolder, model: BaseAutoencoder, metrics: dict) -> dict[str, Figure]:
    """Training, model, scores and signatures."""
    import pandas as pd

    from latentome import pl, tl

    name = TITLES[model.family]
    size = f"{model.model_.count_params() - 1:,} parameters"  # all but the number of steps done
    size += f" in each of {model.members} members" if model.members > 1 else ""
    figures = {
        "training_curves": pl.training_curves(model.history_),
        "architecture": pl.architecture(model, f"{name}, {size}"),
        "scores": pl.scores(pd.DataFrame(metrics["table"]).T, metrics["better"]),
    }
    table = pd.read_csv(run.require("signatures"), sep="\t", keep_default_na=False)
    if len(table):
        figures["signatures"] = pl.signatures(table)
    if len(metrics["by_class"]) > 1:
        errors = pd.DataFrame(metrics["by_class"]).T
        figures["error_by_class"] = pl.reconstruction_error(errors, metrics.get("n_by_class"))
    if run.item("evaluation").exists():
        rows = _read(run.item("evaluation"))
        if rows["method"].nunique() > 1:
            figures["method_ranks"] = pl.method_ranks(tl.rank_methods(rows))
    return figures


def _of_genes(encoded: AnnData, prepared: Prepared, model: BaseAutoencoder, family: str) -> dict[str, Figure]:
    """Loadings, and how well each gene is given back; none where there are too few genes for that."""
    import pandas as pd

    from latentome import pl

    codes = encoded.obsm[f"X_{family}"]
    weights = pd.DataFrame(encoded.varm[f"{family}_loadings"], index=encoded.var_names)
    weights.columns = [str(i + 1) for i in range(weights.shape[1])]
    if len(weights) < LEAST_GENES:
        return {}
    held_out = ~prepared.training
    residual = prepared.adata.X[held_out] - model.inverse_transform(codes[held_out])
    table = {"mean": residual.mean(axis=0), "mean_absolute": np.abs(residual).mean(axis=0)}
    figures = {
        "loading_distributions": pl.loading_distributions(weights),
        "reconstruction_by_gene": pl.reconstruction_by_gene(pd.DataFrame(table, index=encoded.var_names)),
    }
    if codes.shape[1] >= 2:
        figures["loading_scatter"] = pl.loading_scatter(weights, *_most_varied(codes))
    return figures


#: Figures of the tables of ``interpretation/``.
INTERPRETED = (
    "enrichment",
    "signature_overlap",
    "node_types",
    "stability",
    "consensus",
    "similarity",
    "replication",
    "dimensions",
)


def _of_interpretation(run: RunFolder) -> dict[str, Figure]:
    """Gene sets, shared genes, shapes of the loadings, and what an ensemble agrees on, where these were looked for."""
    from latentome import pl

    paths = {path.stem: path for path in run.interpretation.glob("[!.]*.tsv")}
    tables = {name: table for name, table in ((name, _read(path)) for name, path in paths.items()) if len(table)}
    figures = {}
    if "enrichment" in tables and (tables["enrichment"]["q"] <= RATE).any():
        figures["enrichment"] = pl.enrichment(tables["enrichment"])
    if "overlap" in tables:
        figures["signature_overlap"] = pl.signature_overlap(tables["overlap"])
    if "type" in tables.get("features", ()):
        figures["node_types"] = pl.node_types(tables["features"])
    if "stability" in tables.get("features", ()):
        figures["stability"] = pl.stability(tables["features"])
    if "consensus" in tables and "consensus_features" in tables:
        figures["consensus"] = pl.consensus(tables["consensus"], tables["consensus_features"])
    if "similarity" in tables:
        figures["similarity"] = pl.similarity(tables["similarity"])
    if "replication" in tables:
        figures["replication"] = pl.replication(tables["replication"])
    if "dimensions" in tables:
        chosen = json.loads((run.interpretation / "dimensions.json").read_text(encoding="utf-8"))["size"]
        figures["dimensions"] = pl.dimensions(tables["dimensions"], chosen)
    return figures


def _read(path: Path) -> pd.DataFrame:
    """Read a table of ours; a gene or a class may be named NA, so that only an empty field is a missing value."""
    import pandas as pd

    return pd.read_csv(path, sep="\t", keep_default_na=False, na_values=[""])


def _most_varied(codes: np.ndarray) -> tuple[int, int]:
    """The two features that vary most: those of an autoencoder have no order, and a dead one shows nothing."""
    first, second = np.argsort(-codes.std(axis=0), kind="stable")[:2]
    return int(first) + 1, int(second) + 1


def _telling(codes: np.ndarray, labels: pd.Series) -> int:
    """The feature of whose variance the classes explain the largest share."""
    known = labels.notna().to_numpy()
    values = codes[known].astype(np.float64)
    at = labels[known].astype(str).factorize()[0]
    means = np.array([values[at == i].mean(axis=0) for i in range(at.max() + 1)])
    between, total = means[at].var(axis=0), values.var(axis=0)
    return int(np.argmax(np.where(total > 0, between / np.where(total > 0, total, 1.0), 0.0))) + 1


def _at_most(n: int, limit: int) -> np.ndarray:
    """Evenly spaced row numbers, `limit` at most."""
    return np.arange(n) if n <= limit else np.linspace(0, n - 1, limit).astype(int)
