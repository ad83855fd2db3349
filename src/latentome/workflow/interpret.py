"""The step that says what the features of a run mean, as tables in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentome import io
from latentome.errors import InputError
from latentome.io import RunFolder
from latentome.workflow.contrast import contrast
from latentome.workflow.prepare import Prepared
from latentome.workflow.reporter import Reporter
from latentome.workflow.steps import holding, load_trained, read_encoded

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from latentome.estimators import BaseAutoencoder

#: What is written only where it is asked for, or where there is something to write.
OPTIONAL = (
    *("associations.tsv", "columns.tsv", "enrichment.tsv", "overlap.tsv", "network.graphml"),
    *("consensus.tsv", "consensus_features.tsv", "consensus_signatures.tsv", "similarity.tsv"),
    *("turned_latent.tsv", "turned_associations.tsv", "turned_columns.tsv", "turned_enrichment.tsv"),
    *("turned_signatures.tsv", "consensus_associations.tsv", "consensus_columns.tsv", "consensus_enrichment.tsv"),
    *("difference.tsv", "difference_genes.tsv", "differential_activity.tsv", "marginal_activity.tsv"),
)


@holding
def interpret_step(
    run: RunFolder,
    prepared: Prepared,
    reporter: Reporter,
    *,
    labels: str | None = None,
    columns: Sequence[str] | None = None,
    survival: Sequence[tuple[str, str]] = (),
    gene_sets: str | None = None,
    cutoff: float | None = None,
    rotate: bool = False,
    loadings: str = "decoder",
    enrichment: str = "over-representation",
    groups: tuple[str, str, str] | None = None,
    network: float | None = None,
) -> pd.DataFrame:
    """Associate the features with what is known of the samples, and their signatures with gene sets.

    Parameters
    ----------
    run
        The folder; after ``predict``. Gains ``interpretation/`` with ``features.tsv`` (one row for each feature),
        ``signatures.tsv``, ``associations.tsv``, ``columns.tsv``, ``enrichment.tsv``, ``overlap.tsv``; of an ensemble
        ``consensus.tsv``, ``consensus_features.tsv``, ``consensus_signatures.tsv`` and ``similarity.tsv``, and the
        stability of a feature wherever one is named; with `groups` the tables of `contrast`; with `network`
        ``network.graphml``.
    prepared
        The data of the run.
    reporter
        Takes note of the steps.
    labels
        A table with more columns for the samples, such as sex, age or survival.
    columns
        Names of the columns to associate; by default all that can be used.
    survival
        Pairs of a column with times and a column that is 1 where the event was seen.
    gene_sets
        A GMT file; by default the Hallmark sets, where the data name genes by symbols.
    cutoff
        Of the signatures, in standard deviations; 2.5 by default.
    rotate
        Whether to turn the features to simple loadings, too (`latentome.tl.simple_structure`), and say what these mean:
        ``turned_latent.tsv`` and the tables above with ``turned_`` before their names. Of an ensemble the consensus,
        which is turned, has these tables: ``consensus_associations.tsv`` and so on.
    loadings
        How genes belong to features: ``decoder``, ``integrated-gradients`` or ``encoder``, see `latentome.tl.loadings`.
    enrichment
        The method of `latentome.tl.enrich`.
    groups
        A column and two of its groups, which are compared.
    network
        The smallest correlation of the loadings of two genes that is an edge between them; no network by default.

    Returns
    -------
    ``features.tsv``.

    Raises
    ------
    LatentomeError
        If a file or a column cannot be used; nothing is then written.
    """
    from latentome import tl
    from latentome.tl.signatures import CUTOFF

    cutoff, training = CUTOFF if cutoff is None else cutoff, prepared.training
    tables: dict[str, pd.DataFrame] = {}
    with reporter.step("associate"):
        model, family = load_trained(run)
        adata, key = _with_features(run, prepared, family), f"{family}_loadings"
        if loadings != "decoder":
            adata.varm[key] = tl.loadings(model, adata.obsm[f"X_{family}"][training], loadings, adata.X[training])
        if labels is not None:
            for note in io.add_labels(adata, io.read_labels(labels)):
                reporter.say(note)
        asked = (columns, survival, prepared.groups)
        tables |= _associations(adata, family, *asked, required=labels is not None, reporter=reporter)
    with reporter.step("gene sets"):
        tables |= _enrichment(adata, family, gene_sets, cutoff, enrichment, reporter)
    with reporter.step("signatures", "genes"):
        tables["signatures"] = _signatures(adata, family, cutoff)
        rates = _rates(adata, key, model, ~training, cutoff, reporter)
        reporter.progress(0, 0)
        tables["features"] = _features(adata, family, rates, tables)
        if tables["features"][["genes_positive", "genes_negative"]].to_numpy().any():
            tables["overlap"] = tl.signature_overlap(adata, key, cutoff=cutoff)
        if model.members > 1:
            tables |= _ensemble(adata, family, model.members, cutoff, tables, reporter)
        if rotate and model.members == 1:
            tables["turned_latent"] = _turn(adata, family)
        if groups is not None:
            tables |= contrast(adata, model, family, groups, cutoff, prepared.groups)
        edges = None if network is None else tl.gene_network(adata, key, least=network)
    name = "turned" if model.members == 1 else "consensus"
    if rotate and f"X_{name}" in adata.obsm:
        with reporter.step(f"{name} features"):
            told = Reporter()  # what there is to say of the columns was said above
            found = _associations(adata, name, *asked, required=labels is not None, reporter=told)
            found |= _enrichment(adata, name, gene_sets, cutoff, enrichment, told)
            found["signatures"] = _signatures(adata, name, cutoff)
            tables |= {f"{name}_{key}": table for key, table in found.items()}
    if model.members > 1:
        _add_stability(tables)
    with reporter.step("write", "tables"), io.guard_writing(run.interpretation):
        run.interpretation.mkdir(exist_ok=True)
        for name in OPTIONAL:  # of an earlier call, which this one does not repeat
            (run.interpretation / name).unlink(missing_ok=True)
        for name in reporter.each(list(tables)):
            io.write_table(run.interpretation / f"{name}.tsv", tables[name].set_index(tables[name].columns[0]))
        if edges is not None:
            tl.write_network(run.interpretation / "network.graphml", edges)
    return tables["features"]


def _with_features(run: RunFolder, prepared: Prepared, family: str) -> AnnData:
    """The data of a run with the features and the loadings that its model gave them."""
    encoded, adata = read_encoded(run), prepared.adata.copy()
    adata.obsm[f"X_{family}"] = encoded.obsm[f"X_{family}"]
    adata.varm[f"{family}_loadings"] = encoded.varm[f"{family}_loadings"]
    adata.obs = adata.obs.drop(columns="split")  # ours, and random
    return adata


def _turn(adata: AnnData, family: str) -> pd.DataFrame:
    """Turn the features to simple loadings; give them as a table."""
    import pandas as pd

    from latentome import tl

    codes, weights = tl.simple_structure(adata.obsm[f"X_{family}"], adata.varm[f"{family}_loadings"])
    adata.obsm["X_turned"], adata.varm["turned_loadings"] = codes.astype(np.float32), weights.astype(np.float32)
    table = pd.DataFrame(adata.obsm["X_turned"], columns=[f"turned_{i + 1}" for i in range(codes.shape[1])])
    table.insert(0, "sample", adata.obs_names)
    return table


def _signatures(adata: AnnData, family: str, cutoff: float) -> pd.DataFrame:
    from latentome import tl

    table = tl.signatures(np.asarray(adata.varm[f"{family}_loadings"]), [str(gene) for gene in adata.var_names], cutoff)
    table["feature"] = [f"{family}_{number}" for number in table["feature"]]
    return table


def _add_stability(tables: dict[str, pd.DataFrame]) -> None:
    """Say how stable a feature is in every table that names one."""
    known = tables["features"].set_index("feature")["stability"]
    for name, table in tables.items():
        if "feature" in table and "stability" not in table and not name.startswith("consensus"):
            tables[name] = table.assign(stability=known.reindex(table["feature"]).to_numpy())


def _associations(
    adata: AnnData,
    family: str,
    columns: Sequence[str] | None,
    survival: Sequence[tuple[str, str]],
    together: np.ndarray | None,
    *,
    required: bool,
    reporter: Reporter,
) -> dict[str, pd.DataFrame]:
    """Tables of associations; none where the run has nothing to associate with and the user has brought nothing."""
    from latentome import tl

    try:
        found = tl.associate(adata, f"X_{family}", columns, survival, groups=together)
    except InputError as refused:
        if required or survival or columns:
            raise
        reporter.say(f"{refused.what} Associations are left out. {refused.where}")
        return {}
    for note in found.notes:
        reporter.say(note)
    return {"associations": found.features, "columns": found.columns}


def _enrichment(
    adata: AnnData, family: str, gene_sets: str | None, cutoff: float, method: str, reporter: Reporter
) -> dict[str, pd.DataFrame]:
    """The table of enrichment; none where no sets are given and the names of the genes do not fit the bundled ones."""
    from latentome import tl

    sets = tl.read_gmt() if gene_sets is None else tl.read_gmt(Path(gene_sets))
    try:
        table = tl.enrich(adata, f"{family}_loadings", sets, method=method, cutoff=cutoff)
    except InputError as refused:
        if gene_sets is not None or method != "over-representation":
            raise
        reporter.say(
            f"{refused.what} The Hallmark sets name genes by symbols; there are {refused.where}. "
            "Give others with --gene-sets."
        )
        return {}
    return {"enrichment": table}


def _rates(
    adata: AnnData, key: str, model: BaseAutoencoder, held_out: np.ndarray, cutoff: float, reporter: Reporter
) -> pd.DataFrame:
    import pandas as pd

    from latentome import tl

    def encode(x: np.ndarray) -> np.ndarray:
        return model.transform(pd.DataFrame(x, columns=model.feature_names_in_))

    weights = np.asarray(adata.varm[key])
    return tl.signature_fdr(adata.X[held_out], encode, weights, cutoff, model.members, reporter.progress)


def _features(adata: AnnData, family: str, rates: pd.DataFrame | None, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row for each feature: its signature, the shape of its loadings, and the best of the other tables."""
    import pandas as pd

    from latentome import tl
    from latentome.tl.associate import best_of
    from latentome.tl.ranks import q_of_each

    weights = np.asarray(adata.varm[f"{family}_loadings"])
    names = [f"{family}_{i + 1}" for i in range(weights.shape[1])]
    table = pd.DataFrame({"feature": names})
    listed = tables["signatures"]
    for side in ("positive", "negative"):
        found = listed.loc[listed["side"] == side, "feature"].value_counts()
        table[f"genes_{side}"] = found.reindex(names, fill_value=0).to_numpy()
        table[f"fdr_{side}"] = np.nan if rates is None else rates.loc[rates["side"] == side, "fdr"].to_numpy()
    if len(weights) >= 20:
        shape = tl.node_types(weights, names)
        table = table.merge(shape[["feature", "skew", "kurtosis", "type"]], on="feature")
    if "associations" in tables:
        first = best_of(tables["associations"], ["feature"])
        first = first[["feature", "column", "level", "measure", "effect", "q"]].rename(columns={"q": "q_column"})
        table = table.merge(first, on="feature", how="left")
        # The best of many tests: a feature is told to go with something only where it does as a whole.
        table["q_column"] = np.maximum(table["q_column"], q_of_each(tables["associations"], names))
    if "enrichment" in tables:
        rows, asked = tables["enrichment"], adata.uns["enrich"]["params"]
        # The methods of decoupler give q-values alone.
        whole = q_of_each(rows, names, 2 * asked["n_sets"]) if "p" in rows else 0.0
        for side in ("positive", "negative"):
            first = rows[rows["side"] == side].drop_duplicates("feature")[["feature", "set", "q"]]
            first = first.rename(columns={"set": f"set_{side}", "q": f"q_set_{side}"})
            table = table.merge(first, on="feature", how="left")
            table[f"q_set_{side}"] = np.maximum(table[f"q_set_{side}"], whole)
    return table


def _ensemble(
    adata: AnnData, family: str, members: int, cutoff: float, tables: dict[str, pd.DataFrame], reporter: Reporter
) -> dict[str, pd.DataFrame]:
    """What the members agree on; the stability of each feature joins its row."""
    from latentome import tl

    found = tl.stability(adata.obsm[f"X_{family}"], members)
    tables["features"].insert(1, "stability", found["stability"])
    tables["features"].insert(1, "member", found["member"])
    try:
        groups = tl.consensus(adata, f"X_{family}", members)
    except InputError as refused:  # members that agree on nothing are a result, and no reason to lose the others
        reporter.say(refused.what)
        return {"similarity": tl.similarity(np.split(adata.obsm[f"X_{family}"], members, axis=1))}
    genes = [str(gene) for gene in adata.var_names]
    genes = tl.signatures(np.asarray(adata.varm["consensus_loadings"]), genes, cutoff)
    return {
        "consensus": groups,
        "consensus_features": adata.uns["consensus"]["features"],
        "consensus_signatures": genes,
        "similarity": adata.uns["consensus"]["similarity"],
    }
