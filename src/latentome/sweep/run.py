"""A sweep from its request to its tables, figures and report; what is done is kept, and never done twice."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentome import io
from latentome.io import html
from latentome.io.lock import lock_folder
from latentome.report.wording import several
from latentome.sweep.cluster import Cluster
from latentome.sweep.folder import check_folder, open_folder, read_results
from latentome.sweep.grid import parse_grid
from latentome.sweep.named import as_published
from latentome.sweep.page import write_page
from latentome.sweep.plan import Unit, check_configurations, plan
from latentome.sweep.pool import Done, default_workers, in_processes, in_this_process
from latentome.sweep.published import beside_published
from latentome.sweep.request import Configuration, SweepRequest
from latentome.sweep.rounds import rounds
from latentome.sweep.store import Store, prepare_store
from latentome.sweep.table import curve_table, final_round, summarise, trial_table, verdict
from latentome.sweep.work import keep
from latentome.sweep.workers import Session, on_dask
from latentome.workflow.config import RunConfig
from latentome.workflow.manifest import describe_environment
from latentome.workflow.reporter import Reporter

if TYPE_CHECKING:
    import pandas as pd

#: Seconds between two sentences about how far a sweep is.
TELL_SECONDS = 10.0


@dataclass(frozen=True)
class Sweep:
    """What a sweep found.

    Parameters
    ----------
    path
        Its folder.
    trials
        One row a training: configuration, fold, seed, scores with PCA's of the same size beside them, epochs, seconds,
        error.
    summary
        One row a configuration, the best first.
    verdict
        What it means, in sentences.
    """

    path: Path
    trials: pd.DataFrame
    summary: pd.DataFrame
    verdict: list[str]

    def _repr_html_(self) -> str:
        """Tell in a notebook what was found, and the best configurations."""
        best = html.table(self.summary, "Configurations, the best first")
        return html.card(f"Sweep {self.path.name}", html.sentences(self.verdict), best)


def run(
    data: str | os.PathLike[str] = "tcga-33",
    model: str | Sequence[str] = "vae",
    grid: Mapping[str, Any] | Sequence[str] = (),
    out: str | os.PathLike[str] | None = None,
    *,
    named: str | None = None,
    seeds: int | None = None,
    folds: int = 1,
    random: int | None = None,
    limit: int | None = None,
    keep_models: bool = False,
    halving: int | None = None,
    bayesian: int | None = None,
    on: str | Cluster = "here",
    workers: int | None = None,
    replace: bool = False,
    resume: bool = False,
    reporter: Reporter | None = None,
    **options: Any,
) -> Sweep:
    """Train many configurations, and say which is best on samples that none of them has seen, beside PCA.

    Parameters
    ----------
    data
        Name of a data set, or path of an expression file.
    model
        Name of a model family or preset, or several.
    grid
        What is varied: ``{"latent_dim": [5, 25, 100]}``, or texts as on the command line.
    out
        The folder of the sweep; by default named after data and model.
    named
        A published sweep instead of `model`; `grid` replaces values in it.
    seeds
        How many seeds each configuration is trained with: 1, or as many as the published sweep.
    folds
        Number of cross-validation folds; 1 for one split.
    random
        How many configurations to take at random; all of the grid by default.
    limit
        The most configurations, evenly spaced over the grid.
    keep_models
        Whether every trained model is saved.
    halving
        Give up hopeless configurations: of so many one is kept in each round, and trained for so many times the epochs.
    bayesian
        Let Optuna choose so many configurations, each by the scores of those before it (extra ``tune``).
    on
        ``"here"`` for this process, ``"local"`` for local processes, the address of a Dask scheduler, or a `Cluster`.
    workers
        Number of local processes.
    replace, resume
        Whether a sweep that is there is removed, or goes on with what is missing.
    reporter
        Takes note of the steps; silent by default.
    **options
        The other settings of a `latentome.workflow.RunConfig`, such as ``seed=1`` or
        ``parameters={"max_epochs": 50}``.

    Raises
    ------
    LatentomeError
        If the grid is empty or contradicts itself, a value is out of range, or the folder is in use.

    Examples
    --------
    >>> import tempfile
    >>> import latentome as lt
    >>> grid = {"n_components": [1, 2], "learning_rate": [0.003, 0.01]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = lt.sweep.run("blobs", "linear", grid, folder, parameters={"max_epochs": 5})
    >>> len(found.trials), int(found.summary["n_components"][0])
    (4, 2)
    """
    models = tuple(model.split(",")) if isinstance(model, str) else tuple(model)
    base = RunConfig.from_call(data, models[0] if models else "", options, "latentome.sweep.run")
    varied = dict(grid) if isinstance(grid, Mapping) else parse_grid(grid)
    if named is not None:
        base, models, varied, seeds = as_published(named, base, varied, seeds)
    request = SweepRequest(
        base, models, varied, seeds or 1, folds, random, limit, keep_models, halving, bayesian, named
    )
    out = Path(out or f"latentome-{Path(base.data).name.split('.')[0]}-{'-'.join(models)}-sweep")
    return run_request(
        request, out, on=on, workers=workers, replace=replace, resume=resume, reporter=reporter or Reporter()
    )


def run_request(
    request: SweepRequest,
    out: Path,
    *,
    on: str | Cluster = "here",
    workers: int | None = None,
    replace: bool = False,
    resume: bool = False,
    reporter: Reporter,
) -> Sweep:
    """Do what `run` does for a request that is made already.

    Parameters
    ----------
    request
        What is asked for.
    out
        The folder of the sweep.
    on, workers, replace, resume, reporter
        As in `run`.
    """
    cluster = on if isinstance(on, Cluster) else Cluster.parse(on, workers)
    if cluster.kind == "local":  # JAX would give three quarters of a GPU to the first process, this one
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    search = rounds(request)
    configurations, checked = next(search), request.to_check()
    replace = replace and not (resume and (out / "sweep.toml").exists())  # as of a run: what is there goes on
    check_folder(out, request, replace=replace, resume=resume)
    with reporter.step("read and prepare", "bytes"):
        store = prepare_store(request, reporter)
        check_configurations(request, checked, store)
    for note in store.notes:
        reporter.say(note)
    with lock_folder(out) as alone, Session(cluster, out, reporter) as session:
        for note in open_folder(out, request, _about(store), replace=replace, alone=alone):
            reporter.say(note)
        trained, units, results = [], [], []
        try:
            with contextlib.suppress(StopIteration):
                while True:
                    planned = plan(request, configurations, store, units)
                    done = _train(request, configurations, planned, store, session)
                    trained, units, results = trained + configurations, units + planned, results + done
                    configurations = search.send(_errors(configurations, results))
        finally:
            shutil.rmtree(out / "store", ignore_errors=True)
        return _finish(request, trained, out, results, reporter)


def _train(
    request: SweepRequest,
    configurations: Sequence[Configuration],
    units: Sequence[Unit],
    store: Store,
    session: Session,
) -> list[dict[str, Any]]:
    """Do what is missing of a round; the results of its units in their order."""
    out, reporter = session.folder, session.reporter
    results = read_results(out, units)
    missing = [unit for unit in units if unit.number not in results]
    total, before = (sum(len(unit.trials) for unit in some) for some in (units, missing))
    number = configurations[0].round
    reporter.say(
        f"{f'Round {number}: ' if number > 1 else ''}"
        f"{several(len(configurations), 'configuration')} x {several(request.folds, 'fold')} x "
        f"{several(request.seeds, 'seed')} = {several(total, 'training')} in "
        f"{several(sum(1 for unit in units if unit.trials), 'program')}; "
        f"{several(total - before, 'is', 'are')} done already."
    )
    try:
        with reporter.step("train", "trainings"):
            for unit, result in _counted(_engine(missing, request, store, session), missing, reporter):
                # What a dead process leaves is not kept: it is tried again by --resume.
                results[unit.number] = keep(out, unit, result) if result["identity"] else result
    except KeyboardInterrupt:
        done = sum(len(unit.trials) for unit in units if unit.number in results)
        of_round = f" of round {number}" if number > 1 else ""
        kept = f"{done} of {total} trainings{of_round} are kept in {out}"
        raise KeyboardInterrupt(f"the sweep was interrupted; {kept}") from None
    return [results[unit.number] for unit in units]


def _errors(configurations: Sequence[Configuration], results: Sequence[dict[str, Any]]) -> dict[int, float]:
    """The mean held-out error of each configuration of a round, NaN where one of its trainings failed."""
    scores: dict[tuple[int, int], list[float]] = {}
    for row in (row for result in results for row in result["rows"] if "size" not in row):
        error = row.get("held-out MSE")
        scores.setdefault((row["configuration"], row["round"]), []).append(float("nan") if error is None else error)
    return {c.number: sum(scores[c.number, c.round]) / len(scores[c.number, c.round]) for c in configurations}


def _engine(units: list[Unit], request: SweepRequest, store: Store, session: Session) -> Iterator[Done]:
    if not units:
        return iter(())
    cluster, out = session.cluster, session.folder
    workers = cluster.workers or default_workers()
    if cluster.kind == "here" or (cluster.kind == "local" and workers == 1):
        return in_this_process(units, request, store, out, session.reporter)
    if not (out / "store" / "store.json").exists():  # written last, of an earlier round
        with io.guard_writing(out / "store"):
            store.save(out / "store")
    if cluster.kind == "local":
        return in_processes(units, request, out, workers)
    return on_dask(units, request, session)


def _counted(done: Iterator[Done], units: Sequence[Unit], reporter: Reporter) -> Iterator[Done]:
    """Pass on what is done, and say every few seconds how far it is and what is best so far."""
    start = told = time.monotonic()
    trained, best, total = 0, float("inf"), sum(len(unit.trials) for unit in units)
    for unit, result in done:
        trained += len(unit.trials)
        errors = [row.get("held-out MSE") for row in result["rows"]]
        best = min([best, *(error for error in errors if error is not None)])
        reporter.progress(trained, total)
        if time.monotonic() - told > TELL_SECONDS:
            told = time.monotonic()
            reporter.say(
                f"{several(trained, 'training')} in {told - start:.0f} s; least held-out MSE so far {best:.4g}"
            )
        yield unit, result


def _about(store: Store) -> dict[str, Any]:
    kept = {name: str(store.source.get(name) or "") for name in ("name", "sha256", "labels_sha256")}
    return {"data": kept, "n_samples": len(store.folds[0].x), "n_genes_used": [f.x.shape[1] for f in store.folds],
            "notes": store.notes, **describe_environment()}  # fmt: skip


def _finish(
    request: SweepRequest,
    configurations: list[Configuration],
    out: Path,
    results: list[dict[str, Any]],
    reporter: Reporter,
) -> Sweep:
    """Write the tables, the figures and the report."""
    widths = {}
    for c in configurations:  # the same in every round
        estimator, _ = request.estimator(c, 0)
        widths[c.number] = estimator.n_components * estimator.members
    trials = trial_table([row for result in results for row in result["rows"]], configurations, widths)
    curves = curve_table([(result["rows"], result["curves"]) for result in results if result["curves"]])
    summary = summarise(trials)
    said = verdict(summary, request.folds, request.seeds)
    io.write_table(out / "sweep.tsv", trials.set_index("configuration"))
    io.write_table(out / "summary.tsv", summary.set_index("configuration"))
    io.write_table(out / "curves.tsv.gz", curves.set_index("configuration"))
    if request.named is not None:
        sentences, both = beside_published(request.named, final_round(summary), final_round(curves))
        said += sentences
        if both is not None:
            io.write_table(out / "published.tsv", both.set_index(list(both.columns[:1])))
    with reporter.step("figures and report"):
        write_page(out, request, configurations, trials, summary, curves, said)
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return Sweep(out, trials, summary, said)
