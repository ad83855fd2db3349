"""One unit of a sweep done: its models trained together, each scored on the samples that its fold holds out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentome import io
from latentome.errors import LatentomeError, RunFolderError
from latentome.sweep.plan import Trial, Unit
from latentome.sweep.request import SweepRequest
from latentome.sweep.store import Fold, Store

if TYPE_CHECKING:
    from latentome.estimators import BaseAutoencoder
    from latentome.training import Training

#: Columns of the history that a sweep keeps.
CURVES = ("loss", "val_loss")


def do_unit(
    unit: Unit, request: SweepRequest, store: Store, folder: Path, progress: Callable[..., None] | None = None
) -> dict[str, Any]:
    """Train and score a unit; the folder has states of trainings that were broken off, and models that are kept.

    Gives what JSON can keep: ``identity``, ``rows`` (one for each training, or each size of PCA) and ``curves``.
    """
    if not unit.trials:
        return {"identity": unit.identity(), "rows": _score_pca(unit, store), "curves": []}
    start = time.perf_counter()
    try:
        estimators, trainings = train_unit(unit, request, store, folder, progress)
    except LatentomeError as error:
        # That a disk is full, or a worker that was given up still at it, says nothing about the unit: it is not kept,
        # but tried again by --resume.
        identity = "" if isinstance(error, RunFolderError) else unit.identity()
        return {"identity": identity, "rows": failed_rows(unit, _in_a_line(error)), "curves": []}
    seconds = (time.perf_counter() - start) / len(unit.trials)
    rows, curves = [], []
    for trial, estimator, training in zip(unit.trials, estimators, trainings, strict=True):
        row = _about(trial) | {"epochs": len(training.history), "seconds": seconds}
        if training.error is None:
            row |= _score(estimator, store.folds[trial.fold], store.labels)
        else:
            row["error"] = _in_a_line(training.error)
        last = training.history.iloc[-1]
        rows.append(row | {name: float(last[name]) for name in CURVES if name in last})
        curves.append({n: training.history[n].to_numpy() for n in CURVES if n in training.history})
        if request.keep_models and training.error is None:
            c = trial.configuration
            estimator.save(folder / "models" / f"{c.number:04d}-{c.model}" / f"fold-{trial.fold}-seed-{trial.seed}")
    return {"identity": unit.identity(), "rows": rows, "curves": curves}


def do_unit_from_disk(unit: Unit, request: SweepRequest, folder: str) -> dict[str, Any]:
    """The same in another process, which reads the data from the folder of the sweep, once."""
    written = (Path(folder) / "store" / "store.json").stat().st_mtime_ns
    return do_unit(unit, request, _store(folder, written), Path(folder))


@lru_cache(maxsize=2)
def _store(folder: str, written: int) -> Store:
    del written  # a worker may live longer than a sweep, whose folder then has the data of another one
    return Store.load(Path(folder) / "store")


def failed_rows(unit: Unit, reason: str) -> list[dict[str, Any]]:
    """The rows of a unit that could not be done."""
    return [_about(trial) | {"error": reason} for trial in unit.trials]


def _about(trial: Trial) -> dict[str, Any]:
    c = trial.configuration
    return {"configuration": c.number, "round": c.round, "fold": trial.fold, "seed": trial.seed}


def _in_a_line(error: LatentomeError) -> str:
    return " ".join(f"{error.what} {error.where}".split())


def train_unit(
    unit: Unit, request: SweepRequest, store: Store, folder: Path, progress: Callable[..., None] | None
) -> tuple[list[BaseAutoencoder], list[Training]]:
    """Train the models of a unit on the training rows of their folds, which lie one below the other."""
    from latentome.estimators import fit_together
    from latentome.training import clear_checkpoints

    estimators = [request.estimator(trial.configuration, trial.seed)[0] for trial in unit.trials]
    folds = sorted({trial.fold for trial in unit.trials})
    training = [store.folds[fold].training for fold in folds]
    parts = [store.folds[fold].x[rows] for fold, rows in zip(folds, training, strict=True)]
    n = len(parts[0])
    places = {fold: slice(i * n, (i + 1) * n) for i, fold in enumerate(folds)}
    checkpoint = folder / "checkpoints" / f"unit-{unit.number:05d}"
    trainings = fit_together(
        estimators,
        parts[0] if len(parts) == 1 else np.concatenate(parts),
        groups=None if store.groups is None else np.concatenate([store.groups[rows] for rows in training]),
        rows=[places[trial.fold] for trial in unit.trials],
        tolerate=True,
        checkpoint=checkpoint,
        resume=True,
        progress=progress,
    )
    clear_checkpoints(checkpoint)
    return estimators, trainings


def _score(estimator: BaseAutoencoder, fold: Fold, labels: np.ndarray | None) -> dict[str, Any]:
    codes = estimator.transform(fold.x)
    scores = score(codes, estimator.inverse_transform(codes[~fold.training]), fold, labels)
    if not np.isfinite(scores["held-out MSE"]):
        return {"error": "The reconstruction of the held-out samples is not finite."}
    return scores


def _score_pca(unit: Unit, store: Store) -> list[dict[str, Any]]:
    """The scores of PCA of every size on a fold: the first components of the largest one."""
    from latentome.tl.encode import make_pca

    fold = store.folds[unit.fold]
    fitted = make_pca(max(unit.sizes)).fit(fold.x[fold.training])
    codes = fitted.transform(fold.x)
    rows = []
    for size in unit.sizes:
        decoded = codes[~fold.training, :size] @ fitted.components_[:size] + fitted.mean_
        scores = score(codes[:, :size], decoded, fold, store.labels)
        rows.append({"fold": unit.fold, "size": size, **{f"PCA {name}": value for name, value in scores.items()}})
    return rows


def score(codes: np.ndarray, decoded: np.ndarray, fold: Fold, labels: np.ndarray | None) -> dict[str, float]:
    """Scores on the held-out samples, nothing of which was fitted on.

    `codes` are those of all samples, samples x components; `decoded` is the reconstruction of the held-out ones. Gives
    ``held-out MSE``, ``variance explained``, and with labels ``probe accuracy`` (logistic regression) and ``5-NN
    accuracy``, both fitted on the codes of training samples.
    """
    x, training = fold.x, fold.training
    error = float(np.square(x[~training] - decoded, dtype=np.float64).mean())
    around = float(np.square(x[~training] - x[training].mean(axis=0), dtype=np.float64).mean())
    scores = {"held-out MSE": error, "variance explained": 1.0 - error / around}
    if labels is not None and np.isfinite(codes).all():
        scores |= _by_labels(codes.astype(np.float64), training, labels)
    return scores


def _by_labels(codes: np.ndarray, training: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    from sklearn import config_context
    from sklearn.neighbors import KNeighborsClassifier

    from latentome.tl.probe import linear_probe

    fit = training & (labels != "")
    test = ~training & np.isin(labels, np.unique(labels[fit]))
    if len(np.unique(labels[fit])) < 2 or len(np.unique(labels[test])) < 2:
        return {}
    # These products are too small for several threads, which on a busy machine wait for each other most of the time.
    with _threads().limit(limits=1, user_api="blas"), config_context(skip_parameter_validation=True):
        probe = linear_probe().fit(codes[fit], labels[fit])
        neighbours = KNeighborsClassifier(min(5, int(fit.sum()))).fit(codes[fit], labels[fit])
        return {
            "probe accuracy": float(probe.score(codes[test], labels[test])),
            "5-NN accuracy": float(neighbours.score(codes[test], labels[test])),
        }


@cache
def _threads() -> Any:
    """The libraries that have threads: to look for them takes as long as a probe of some classes."""
    from threadpoolctl import ThreadpoolController  # a dependency of scikit-learn

    return ThreadpoolController()


def keep(folder: Path, unit: Unit, result: dict[str, Any]) -> dict[str, Any]:
    """Write what became of a unit, a file that is complete or absent, and read it as a sweep that goes on would."""
    path = folder / "results" / f"{unit.number:05d}.json"
    io.write_json(path, result)
    return json.loads(path.read_text(encoding="utf-8"))
