"""Several estimators trained on the same data, in as few compiled programs as they can share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
from sklearn.utils.validation import validate_data

from latentome.errors import InputError
from latentome.estimators.sparse import densify
from latentome.io import MemoryMatrix, lock_folder
from latentome.pp.split import check_groups, check_order, group_codes
from latentome.training import Options, Split, Training, train_together
from latentome.training.cache import keep_compiled_programs
from latentome.training.optimizers import program_key

if TYPE_CHECKING:
    from latentome.estimators.base import BaseAutoencoder


#: Models of several widths train padded to the widest where that makes the work at most so many times larger.
WASTE = 2.0
#: The folder of the second round's states, in that of the first.
ANEW = "anew"


class Fit(NamedTuple):
    """A model to train, and what on.

    Where the estimator asks for it, also its error on each held-out row before that, and the groups of these rows.
    """

    model: keras.Model
    split: Split
    at_start: np.ndarray | None = None
    groups: np.ndarray | None = None


@contextmanager
def all_or_nothing(estimators: Sequence[BaseAutoencoder]) -> Iterator[None]:
    """Leave estimators as they were where fitting them fails: half of a new fit and half of an earlier one are none."""
    before = [dict(vars(estimator)) for estimator in estimators]
    try:
        yield
    except BaseException:  # an interruption, too
        for estimator, kept in zip(estimators, before, strict=True):
            vars(estimator).clear()
            vars(estimator).update(kept)
        raise


@contextmanager
def hold_states(checkpoint: str | os.PathLike[str] | None) -> Iterator[Path | None]:
    """The folder of the states, where there is one, held for this training: of two in it each would remove the other's.

    A run holds its own folder, too, which this one lies in: it is held for those who are given the inner one.
    """
    if checkpoint is None:
        yield None
        return
    folder = Path(checkpoint).expanduser()
    with lock_folder(folder):
        yield folder


def fit_together(
    estimators: Iterable[BaseAutoencoder],
    X: Any,
    *,
    covariate: Any = None,
    groups: Any = None,
    rows: Sequence[slice] | None = None,
    tolerate: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **how: Any,
) -> list[Training]:
    """Train estimators on the same data; those that run the same computation train in one program.

    Two estimators share a program when they differ only in their seeds and in learning rate, beta, warm-up, noise and
    sparsity; linear, deep, denoising and non-linear PCA ones also when they differ in `n_components`, where padding the
    narrower ones is exact (of denoising ones where the code's activation is zero at zero) and does not double the work.

    Parameters
    ----------
    estimators
        The estimators, which are fitted in place: all of them, or none where something fails or is interrupted.
    X
        Data, samples x features: an array, a table, or a sparse matrix, which is made dense.
    covariate
        A category for each sample that all the models are conditional on; see `VariationalAutoencoder`.
    groups
        The group of each sample, such as its patient: none is divided between training and validation rows.
    rows
        Which rows of `X` each estimator is trained on, such as those of its fold where the folds lie one below the
        other; all of them by default. Estimators share a program where they have equally many.
    tolerate
        Whether a model that diverges is told in its `Training` while the others go on.
    checkpoint
        A folder for the states; one inside it for each program where there are several. Another process that trains
        with it is refused meanwhile.
    callbacks
        Keras callbacks; for one estimator with one member only.
    **how
        See `latentome.training.train_together`.

    Returns
    -------
    What became of each estimator's first model.

    Examples
    --------
    >>> import latentome as lt
    >>> X = lt.datasets.load("blobs").X
    >>> rates = [0.001, 0.003, 0.01]
    >>> models = [lt.DeepAutoencoder(2, learning_rate=r, max_epochs=5, random_state=0) for r in rates]
    >>> len(lt.estimators.fit_together(models, X))
    3
    """
    estimators = list(estimators)
    if not estimators:
        raise InputError(
            "There is nothing to train.", where="estimators=[]", expected="at least one estimator", todo="give some"
        )
    with all_or_nothing(estimators), hold_states(checkpoint) as folder:
        keep_compiled_programs()  # from the first on: initial weights are drawn by programs, too
        check_order(X, covariate)
        check_groups(groups, X)
        check_order(X, groups, "groups")
        for estimator in estimators:
            estimator._validate_params()
            x = validate_data(estimator, X, accept_sparse="csr", dtype=np.float32, ensure_min_samples=2)
            columns = estimator._learn_covariate(covariate, x.shape[0])
        x = densify(x)
        rows = [slice(0, len(x))] * len(estimators) if rows is None else rows
        prepared = [
            estimator._prepare_fit(
                x[own],
                None if columns is None else columns[own],
                None if groups is None else group_codes(np.asarray(groups, dtype=object)[own]),
            )
            for estimator, own in zip(estimators, rows, strict=True)
        ]
        if callbacks and sum(len(fits) for fits in prepared) > 1:
            raise InputError(
                "Keras callbacks see one model.",
                where=f"{sum(len(fits) for fits in prepared)} models that train together",
                expected="callbacks with one estimator and members=1",
                todo="leave the callbacks out, or train the models one by one",
            )
        if callbacks and estimators[0]._refits(len(x[rows[0]])):
            raise InputError(
                "Keras callbacks see one training, and this model is trained a second time.",
                where=f"{type(estimators[0]).__name__}(refit={estimators[0].refit!r}).fit(X, callbacks=...)",
                expected="callbacks with refit=False, whose model is the one that the callbacks have seen",
                todo="set refit=False, or leave the callbacks out",
            )
        trained_on = x if columns is None else np.concatenate([x, columns], axis=1)
        again = any(estimator._has_second_round for estimator in estimators)
        how |= {"checkpoint": folder}
        options = [e._options(tolerate, len(x[own])) for e, own in zip(estimators, rows, strict=True)]
        trainings = _train(estimators, prepared, trained_on, rows, options, keep_end=again, callbacks=callbacks, **how)
        if again:
            _train_anew(estimators, prepared, trainings, trained_on, rows, options, **how)
        for i, estimator in enumerate(estimators):
            estimator._finish_fit(prepared[i], trainings[i], MemoryMatrix(x[rows[i]]))
    return [done[0] for done in trainings]


def _train(
    estimators: Sequence[BaseAutoencoder],
    prepared: Sequence[Sequence[Fit]],
    x: np.ndarray,
    rows: Sequence[slice],
    options: Sequence[Options],
    *,
    checkpoint: Path | None,
    keep_end: bool = False,
    **how: Any,
) -> list[list[Training]]:
    """Train the fits of each estimator (those that have any), one program after the other."""
    numbers = [i for i, fits in enumerate(prepared) if fits]
    programs = _programs(estimators, prepared, options, numbers)
    trainings: list[list[Training]] = [[] for _ in estimators]
    for number, members in enumerate(programs):
        last = number + 1 == len(programs)
        done = train_together(
            [fit.model for i in members for fit in prepared[i]],
            x,
            [_shifted(fit.split, rows[i].start) for i in members for fit in prepared[i]],
            options[members[0]],
            checkpoint=checkpoint if checkpoint is None or len(programs) == 1 else checkpoint / f"program-{number + 1}",
            keep_end=keep_end or not last,
            **how,
        )
        for i in members:
            trainings[i], done = done[: len(prepared[i])], done[len(prepared[i]) :]
    return trainings


def _train_anew(
    estimators: Sequence[BaseAutoencoder],
    prepared: list[list[Fit]],
    trainings: list[list[Training]],
    x: np.ndarray,
    rows: Sequence[slice],
    options: Sequence[Options],
    *,
    checkpoint: Path | None,
    **how: Any,
) -> None:
    """Put what the second round of some estimators gives in the place of the first; see `BaseAutoencoder._anew`."""
    fresh = [
        estimator._anew(lambda own=own: [x[own]], len(x[own]), fits, done)
        for estimator, own, fits, done in zip(estimators, rows, prepared, trainings, strict=True)
    ]
    changed = [(i, m) for i, fits in enumerate(fresh) for m, fit in enumerate(fits) if fit is not prepared[i][m]]
    to_train: list[list[Fit]] = [[] for _ in estimators]
    for i, m in changed:
        if fresh[i][m].split.epochs:
            to_train[i].append(fresh[i][m])
    folder = None if checkpoint is None else checkpoint / ANEW
    lengths = sorted({fit.split.epochs for fits in to_train for fit in fits})
    if lengths and how.get("notes"):
        how["notes"](second_round(lengths))
    later = [replace(each, patience=None, keep_best=False) for each in options]
    ended = _train(estimators, to_train, x, rows, later, checkpoint=folder, **how)
    for i, m in changed:
        # The split of the first round: what the number of epochs was chosen with.
        prepared[i][m] = fresh[i][m]._replace(split=prepared[i][m].split)
        if fresh[i][m].split.epochs:
            trainings[i][m] = replace(trainings[i][m], error=trainings[i][m].error or ended[i].pop(0).error)


def second_round(lengths: Sequence[int]) -> str:
    """What is said before models are trained anew for so many epochs, sorted."""
    long = f"{lengths[0]}" if lengths[0] == lengths[-1] else f"{lengths[0]} to {lengths[-1]}"
    return f"Trained anew on all training samples, for the {long} epochs that the validation samples chose."


def describe_program(estimator: BaseAutoencoder, n_features: int) -> tuple[bool, int]:
    """What decides how many models like this one train together.

    Parameters
    ----------
    estimator
        It may be fitted or not.
    n_features
        Width of the data.

    Returns
    -------
    Whether they share a program when they differ in `n_components`, and how many values one of them has.
    """
    model = estimator._make_model(n_features, 0, 1)
    return model.family_of_widths is not None, model.count_params()


def _shifted(split: Split, start: int) -> Split:
    return replace(split, rows=split.rows + start, held_out=split.held_out + start)


def _programs(
    estimators: Sequence[BaseAutoencoder],
    prepared: Sequence[Sequence[Fit]],
    options: Sequence[Options],
    numbers: Sequence[int],
) -> list[list[int]]:
    """The numbers of the estimators that train in one program, for each program."""
    if len(numbers) == 1:
        return [list(numbers)]
    families: dict[tuple[Any, ...], list[int]] = {}
    for i in numbers:
        fit = prepared[i][0]
        # Adafactor takes means over the rows and columns of a matrix, which zeros beside it change.
        padded = None if isinstance(fit.model.optimizer, keras.optimizers.Adafactor) else fit.model.family_of_widths
        shared = _key(padded or fit.model.architecture, fit, options[i])
        families.setdefault(shared, []).append(i)
    programs = []
    for members in families.values():
        widths = [estimators[i].n_components for i in members]
        if max(widths) * len(widths) <= WASTE * sum(widths):
            programs.append(members)
            continue
        same: dict[tuple[Any, ...], list[int]] = {}
        for i in members:
            fit = prepared[i][0]
            same.setdefault(_key(fit.model.architecture, fit, options[i]), []).append(i)
        programs += same.values()
    return programs


def _key(architecture: str, fit: Fit, options: Options) -> tuple[Any, ...]:
    """Equal for two estimators that can train in one program, if their architectures can."""
    return (*program_key(fit.model, architecture), len(fit.split.rows), len(fit.split.held_out), options)
