"""From configurations, folds and seeds to units of work: what trains in one compiled program.

The plan depends on the request and the data alone. So neither the number of workers, nor their order, nor what was done
before an interruption changes with whom a model shares its program, and with that no bit of a result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from latentome.errors import LatentomeError
from latentome.sweep.request import Configuration, SweepRequest

if TYPE_CHECKING:
    from latentome.sweep.store import Store

#: The most models of a unit. More gain little, and less is lost with a unit that is broken off.
MAX_MODELS = 128
#: The most values (weights) of a unit's models together: large models gain nothing from company.
MAX_VALUES = 4_000_000
#: Folds share a program where their training rows, one below the other, take at most so many bytes.
MAX_STACK = 2**30
#: Models of several widths train padded to the widest where that makes the work at most so many times larger.
WASTE = 2.0
#: What models of one program may differ in, beside their seed; that it is zero can change the computation.
LIVE = ("learning_rate", "beta", "warmup", "noise", "sparsity")


@dataclass(frozen=True)
class Trial:
    """One training: a configuration on a fold with a seed."""

    configuration: Configuration
    fold: int
    seed: int


@dataclass(frozen=True)
class Unit:
    """What is done at once and kept at once: the trainings of some models, or PCA of some sizes scored on one fold.

    The number, from 1, names its file.
    """

    number: int
    trials: tuple[Trial, ...] = ()
    sizes: tuple[int, ...] = ()
    fold: int = 0

    def identity(self) -> str:
        """Equal for units that do the same."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, default=str).encode()).hexdigest()[:16]


def check_configurations(request: SweepRequest, configurations: Sequence[Configuration], store: Store) -> None:
    """Refuse what no training of the sweep could do, before anything is written.

    Each pair of values is tried once: what is wrong with a value, or between two of them, shows in one of them.

    Raises
    ------
    LatentomeError
        If a value is out of range or does not fit the data or another value; which one, and why.
    """
    from latentome import tl

    fold = store.folds[0]
    x = fold.x[fold.training]
    seen: set[tuple[str, ...]] = set()
    for configuration in configurations:
        pairs = _pairs(configuration)
        if pairs <= seen:
            continue
        seen |= pairs
        estimator, _ = request.estimator(configuration, request.base.seed)
        try:
            estimator.check(x)
            tl.check_pca(*x.shape, estimator.n_components, estimator.members)
        except LatentomeError as error:
            where = f"configuration {configuration.number} ({describe(configuration)}); {error.where}"
            raise type(error)(error.what, where=where, expected=error.expected, todo=error.todo) from error


def _pairs(configuration: Configuration) -> set[tuple[str, ...]]:
    said = [f"{name}={value}" for name, value in configuration.varied.items()]
    return {(configuration.model, a, b) for a in said for b in said} | {(configuration.model,)}


def describe(configuration: Configuration) -> str:
    """A configuration in a line."""
    return ", ".join([configuration.model, *(f"{name}={value}" for name, value in configuration.varied.items())])


def plan(
    request: SweepRequest, configurations: Sequence[Configuration], store: Store, before: Sequence[Unit] = ()
) -> list[Unit]:
    """Cut a round of a sweep into units; PCA of every new size comes first, the widest models next.

    The numbers of the units of earlier rounds, `before`, are taken, and the sizes of PCA in them are scored.
    """
    from latentome.estimators import describe_program

    programs: dict[str, list[tuple[int, Trial]]] = {}
    shared: dict[str, bool] = {}
    values: dict[str, int] = {}
    sizes: set[int] = set()
    for configuration in configurations:
        estimator, _ = request.estimator(configuration, 0)
        parameters = {n: v for n, v in estimator.get_params(deep=False).items() if n != "random_state"}
        width = parameters.pop("n_components")
        sizes.add(width * estimator.members)
        kept = {name: bool(value) if name in LIVE else str(value) for name, value in parameters.items()}
        for fold, genes, rows, stacked in _shapes(request, store):
            key = json.dumps([type(estimator).__name__, kept, genes, rows, stacked], sort_keys=True)
            if key not in shared:
                shared[key] = describe_program(estimator, genes)[0]
            whole = key if shared[key] else f"{key} {width}"
            if whole not in values:
                values[whole] = describe_program(estimator, genes)[1]
            seeds = range(request.base.seed, request.base.seed + request.seeds)
            programs.setdefault(whole, []).extend((width, Trial(configuration, fold, seed)) for seed in seeds)
    sizes -= {size for unit in before for size in unit.sizes}
    units = [Unit(0, sizes=tuple(sorted(sizes)), fold=fold) for fold in range(len(store.folds)) if sizes]
    for key, members in programs.items():
        units += _cut(members, values[key])
    first = len(before) + 1
    return [Unit(first + i, unit.trials, unit.sizes, unit.fold) for i, unit in enumerate(units)]


def _shapes(request: SweepRequest, store: Store) -> list[tuple[int, int, int, Any]]:
    """For each fold its number, genes and training rows, and what keeps it apart from folds of the same shape."""
    shapes = []
    for number, fold in enumerate(store.folds):
        rows, genes = int(fold.training.sum()), fold.x.shape[1]
        shapes.append((number, genes, rows, number if 4 * rows * genes * request.folds > MAX_STACK else "together"))
    return shapes


def _cut(members: list[tuple[int, Trial]], values: int) -> list[Unit]:
    """Units of trials that can share a program, each no larger and no more padded than allowed."""
    members = sorted(members, key=lambda m: (-m[0], m[1].configuration.number, m[1].fold, m[1].seed))
    most = min(MAX_MODELS, max(MAX_VALUES // values, 1))
    units: list[list[tuple[int, Trial]]] = []
    for width, trial in members:
        now = units[-1] if units else []
        padded = now[0][0] * (len(now) + 1) if now else 0
        if now and len(now) < most and padded <= WASTE * (sum(w for w, _ in now) + width):
            now.append((width, trial))
        else:
            units.append([(width, trial)])
    return [Unit(0, tuple(trial for _, trial in unit)) for unit in units]
