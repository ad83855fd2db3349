"""The model of a run beside other methods, each trained anew on the folds of its data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from latentome import io
from latentome.errors import InputError, check_known
from latentome.io import RunFolder
from latentome.models.presets import PRESETS
from latentome.workflow.choose import choose_model
from latentome.workflow.config import RunConfig
from latentome.workflow.prepare import fit_options, how_to_cut, read_again
from latentome.workflow.reporter import Reporter

if TYPE_CHECKING:
    import pandas as pd

    from latentome.tl.compare import Maker


#: The method that is PCA of as many components as one member of an ensemble has.
ONE_MEMBER = "pca of one member"


def compare_step(
    run: RunFolder,
    config: RunConfig,
    reporter: Reporter,
    *,
    folds: int = 5,
    seeds: int = 3,
    methods: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Cross-validate the model of a run beside other methods, into its ``evaluation.tsv``, row after row.

    Parameters
    ----------
    run, config
        The folder, and what was asked for.
    reporter
        Takes note of each fit.
    folds, seeds
        How many folds, and how often the samples are cut into them anew.
    methods
        Names of model families, presets and `latentome.tl.BASELINES`. The run's own model has the run's parameters,
        others their defaults. By default the run's model, PCA, NMF, ICA, the genes where there are labels, and beside
        an ensemble `ONE_MEMBER`.
    sizes
        Numbers of components; by default the run's. Those of an ensemble are counted over its members.

    Returns
    -------
    The rows, see `latentome.tl.compare`.

    Raises
    ------
    LatentomeError
        If the data are no longer those of the run, or an argument is wrong.
    """
    import pandas as pd

    from latentome import tl

    with reporter.step("read", "bytes"):
        raw, label_column, _ = read_again(config, run, reporter)
    labels = None if label_column is None else raw.obs[label_column].to_numpy(dtype=object)
    estimator, scaling = choose_model(config)
    sizes = sizes or [estimator.n_components * estimator.members]
    with_one_member = not methods and estimator.members > 1
    methods = list(
        dict.fromkeys(methods or [config.model, "pca", "nmf", "ica", *(["genes"] if labels is not None else [])])
    )
    if labels is None and "genes" in methods:
        raise InputError(
            "The genes themselves can only be compared by how well they tell classes apart.",
            where="the method 'genes', a run without labels",
            expected="methods that reconstruct",
            todo="leave genes out, or make the run with --labels",
        )
    makers = {name: _maker(name, config) for name in methods}
    if with_one_member:  # what all members have together makes PCA beside them better with each member
        makers[ONE_MEMBER] = lambda k, seed: tl.BASELINES["pca"](k // estimator.members, seed)
    _check_sizes(sizes, estimator.members if config.model in methods else 1)
    smallest = raw.n_obs - -(-raw.n_obs // max(folds, 1))
    options = fit_options(config, scaling)
    genes = options["n_genes"]
    most = raw.n_vars if genes is None else genes if isinstance(genes, int) else len(genes)
    tl.check_pca(smallest, min(raw.n_vars, most), max(sizes))
    rows: list[dict] = []
    options["strata"], options["groups"] = how_to_cut(raw, label_column, config)
    fits = folds * seeds * sum(1 if maker is None else len(sizes) for maker in makers.values())
    planned, complete = fits, run.item("evaluation").exists()
    with run.lock(), reporter.step("compare on folds", "fits"):
        for row in tl.compare(raw, makers, sizes, labels, folds=folds, seeds=seeds, rng=config.seed, **options):
            rows.append(row)
            error = f", MSE {row['held-out MSE']:.4g}" if "held-out MSE" in row else ""
            reporter.say(f"seed {row['seed']}, fold {row['fold'] + 1} of {folds}: {row['method']}, k {row['k']}{error}")
            reporter.progress(len(rows), fits)
            table = pd.DataFrame(rows)
            if len(rows) == planned or not complete:  # a comparison that is broken off replaces no complete one
                io.write_table(run.item("evaluation"), table.set_index("method"))
    return table


def _maker(name: str, config: RunConfig) -> Maker | None:
    """What makes a method from the number of components and a seed."""
    from latentome import tl
    from latentome.estimators import FAMILIES

    if name in tl.BASELINES:
        return tl.BASELINES[name]
    known = [*tl.BASELINES, *FAMILIES, *PRESETS]
    check_known(name, known, f"There is no method '{name}'.", where="the methods to compare")
    parameters = config.parameters if name == config.model else {}
    members = parameters.get("members", 1)

    def make(k: int, seed: int):
        asked = replace(config, model=name, seed=seed, parameters={**parameters, "n_components": k // members})
        return choose_model(asked)[0]

    return make


def _check_sizes(sizes: Sequence[int], members: int) -> None:
    wrong = [k for k in sizes if k < 1 or k % members]
    if wrong:
        raise InputError(
            "A model cannot have this number of components.",
            where=f"-k {','.join(map(str, sizes))}",
            expected="whole numbers from 1" + (f", multiples of the run's {members} members" if members > 1 else ""),
            todo="correct the sizes",
        )
