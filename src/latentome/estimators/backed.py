"""Estimators on matrices on disk."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import validate_data

from latentome.errors import InputError
from latentome.estimators.checks import ROUNDING, outside_zero_one
from latentome.estimators.covariate import no_covariate
from latentome.io import BackedMatrix, MemoryMatrix
from latentome.models.summary import summarise
from latentome.training import Split
from latentome.training.cache import keep_compiled_programs
from latentome.training.run import Progress
from latentome.training.stream import CHUNK_ROWS, fitted, lay_out, train_stream
from latentome.training.train import shifted

if TYPE_CHECKING:
    from latentome.estimators.base import BaseAutoencoder

#: Rows of a matrix on disk that are looked at, or encoded, at once.
ROWS = 4096


def fit_in_buffers(estimator: BaseAutoencoder, X: Any, **how: Any) -> None:
    """Train an estimator in place on data in memory that do not fit on the device; see `fit_backed`."""
    if how.get("notes"):
        how["notes"]("The data do not fit on the device: they are trained on in buffers, block-shuffled.")
    names = getattr(X, "columns", None)
    X = validate_data(estimator, X, accept_sparse="csr", dtype=np.float32, ensure_min_samples=2)
    fit_backed(estimator, MemoryMatrix(X, genes=names), **how)


def fit_backed(
    estimator: BaseAutoencoder,
    matrix: BackedMatrix,
    covariate: Any = None,
    *,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    **how: Any,
) -> BaseAutoencoder:
    """Train an estimator in place on a matrix (samples x features) of which only some buffers are in memory.

    Its members are trained one after the other, each on its own chunks in its own order: the single model of its seed,
    bit for bit; each of several has a folder of its own in `checkpoint`. A covariate is taken with data in memory only.
    See `latentome.training.stream.train_stream` for the rest.
    """
    from latentome.estimators.together import ANEW, Fit, second_round

    if covariate is not None:
        raise no_covariate("training from a matrix that is not in memory")
    for name in ("callbacks", "devices"):
        if how.pop(name, None):
            raise InputError(
                f"Training from a matrix that is not in memory takes no {name}.",
                where=f"fit(matrix, {name}=...), shape {matrix.shape}",
                expected=f"no {name}, or an array that fits into memory",
                todo=f"leave {name} out, or read the data whole",
            )
    estimator._learn_covariate(None, len(matrix))
    keep_compiled_programs()
    estimator._validate_params()
    estimator._check_early_stopping()
    estimator._check_shape(*matrix.shape)
    if words := estimator._needs_zero_one():
        _check_zero_one(matrix, *words)
    estimator.n_features_in_ = matrix.shape[1]
    if matrix.genes is not None:
        estimator.feature_names_in_ = np.asarray(matrix.genes, dtype=object)
    else:
        vars(estimator).pop("feature_names_in_", None)  # of an earlier training
    estimator.seed_ = estimator._seed()
    members, fits, trainings = estimator.members, [], []
    for member in range(members):
        seed = estimator.seed_ + member
        batch = estimator.rows_of_batch(len(matrix))
        layout = lay_out(matrix, batch, estimator.validation_fraction, seed)
        split = Split(layout.rows(held_out=False), layout.rows(held_out=True), seed)
        steps = math.ceil(len(split.rows) / min(batch, len(matrix)))
        model = estimator._make_model(matrix.shape[1], seed, steps)
        if model.starts_from_data:
            model.start_at(summarise(lambda layout=layout: fitted(matrix, layout), model.n_axes))
        model.compile(optimizer=estimator._optimizer(steps * estimator.max_epochs))
        at_start = estimator._at_start(model, lambda: blocks_of(matrix), split.held_out)
        fits.append(Fit(model, split, at_start))
        folder = checkpoint if checkpoint is None or members == 1 else checkpoint / f"member-{member + 1}-of-{members}"
        shown = shifted(progress, member, members, estimator.max_epochs)
        options = estimator._options(False, len(matrix))
        more = member + 1 < members or estimator._has_second_round
        trainings.append(
            train_stream(model, matrix, layout, options, progress=shown, checkpoint=folder, keep_end=more, **how)
        )
        done = trainings[-1:]
        fresh = estimator._anew(lambda: blocks_of(matrix), len(matrix), fits[-1:], done)[0]
        trainings[-1:] = done
        if fresh is fits[-1]:
            continue
        if fresh.split.epochs:
            if how.get("notes"):
                how["notes"](second_round([fresh.split.epochs]))
            options = replace(options, epochs=fresh.split.epochs, patience=None, keep_best=False)
            whole = lay_out(matrix, batch, 0.0, seed)
            folder = None if folder is None else folder / ANEW
            train_stream(fresh.model, matrix, whole, options, progress=shown, checkpoint=folder, keep_end=True, **how)
        fits[-1] = fresh._replace(split=split)
    estimator._finish_fit(fits, trainings, matrix)
    return estimator


def refuse_backed(x: Any, what: str) -> None:
    """Refuse a matrix on disk where data are needed in memory."""
    if isinstance(x, BackedMatrix):
        raise InputError(
            "This needs the data in memory.",
            where=f"{what} of a matrix on disk, {len(x):,} samples",
            expected="an array, a table or a sparse matrix; fit, transform and active_units take matrices on disk",
            todo="give some of its samples, such as matrix.rows(numpy.arange(1000))",
        )


def blocks_of(matrix: BackedMatrix) -> Iterator[np.ndarray]:
    """The matrix, some thousand rows at a time."""
    for start in range(0, len(matrix), ROWS):
        yield matrix.block(start, min(start + ROWS, len(matrix)))


def check_backed(estimator: BaseAutoencoder, matrix: BackedMatrix) -> None:
    """Refuse a matrix on disk with other features than the estimator was trained on."""
    names = getattr(estimator, "feature_names_in_", None)
    same = names is None or matrix.genes is None or np.array_equal(names, matrix.genes)
    if matrix.shape[1] != estimator.n_features_in_ or not same:
        raise InputError(
            "This matrix has other features than the one that the model was trained on.",
            where=f"{matrix.path or 'a matrix in memory'}, of shape {matrix.shape}",
            expected=f"the same {estimator.n_features_in_} features in the same order",
            todo="align the matrix with the training data first",
        )


def _check_zero_one(matrix: BackedMatrix, needs: str, instead: str) -> None:
    """Refuse a matrix with a value outside [0, 1], and name the first one."""
    place = np.empty((min(CHUNK_ROWS, len(matrix)), matrix.shape[1]), np.float32)  # new memory would cost more time
    for start in range(0, len(matrix), CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, len(matrix))
        block = matrix.block(start, stop, place[: stop - start])
        if block.min() < -ROUNDING or block.max() > 1.0 + ROUNDING:
            wrong = (block < -ROUNDING) | (block > 1.0 + ROUNDING)
            row, column = (int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
            value, row = float(block[row, column]), row + start
            sample = "" if matrix.samples is None else f" (sample '{matrix.samples[row]}')"
            gene = "" if matrix.genes is None else f" (gene '{matrix.genes[column]}')"
            raise outside_zero_one(
                f"{matrix.path or 'a matrix in memory'}: {value:.4g} at row {row}{sample}, column {column}{gene}, "
                "counted from 0",
                needs,
                instead,
            )
