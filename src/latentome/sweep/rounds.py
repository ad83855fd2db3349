"""The rounds of a sweep: which configurations are trained next, by what those before them scored."""

from __future__ import annotations

import math
import warnings
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from latentome.errors import InputError, extra
from latentome.sweep.grid import Span
from latentome.sweep.request import Configuration, SweepRequest

if TYPE_CHECKING:
    import optuna

#: Configurations that a Bayesian search chooses at once: they train together, and none knows of the others.
AT_ONCE = 8
#: How often it is asked for another one where it names what it has named before.
PATIENCE = 10

Rounds = Generator[list[Configuration], dict[int, float], None]


def rounds(request: SweepRequest) -> Rounds:
    """Give the configurations of one round after the other.

    What is sent back is the mean held-out error of each by its number, NaN where a training failed. The rounds depend
    on the request and these errors alone: a sweep that goes on repeats them.
    """
    if request.bayesian is not None:
        yield from _bayesian(request)
    elif request.halving is not None:
        yield from _halving(request)
    else:
        yield request.configurations()


def _halving(request: SweepRequest) -> Rounds:
    """Successive halving (Jamieson and Talwalkar 2016): the best share of each round is trained for longer.

    A configuration of a later round is trained from its beginning: schedules and warm-ups are laid out over the whole
    length of a training, so that a longer one is not the continuation of a shorter one.
    """
    share, left = request.halving or 0, request.configurations()
    epochs = {c.number: request.estimator(c, 0)[0].max_epochs for c in left}
    last = halvings(len(left), share, min(epochs.values()))
    if last == 0:
        raise InputError(
            "There is nothing to halve.",
            where=f"{len(left)} configurations, the shortest of {min(epochs.values())} epochs, halving={share}",
            expected=f"at least {share} configurations of at least {share} epochs",
            todo="leave halving out, or vary more",
        )
    total = len(left)
    for number in range(last + 1):
        length = {c.number: math.ceil(epochs[c.number] / share ** (last - number)) for c in left}
        errors = yield [replace(c, round=number + 1, varied={**c.varied, "max_epochs": length[c.number]}) for c in left]
        left = sorted(left, key=lambda c: (math.isnan(errors[c.number]), errors[c.number], c.number))
        left = sorted(left[: max(total // share ** (number + 1), 1)], key=lambda c: c.number)


def halvings(configurations: int, share: int, epochs: int) -> int:
    """How often a share of the configurations, and of the epochs, can be taken and at least one is left."""
    done = 0
    while min(configurations, epochs) >= share ** (done + 1):
        done += 1
    return done


def _bayesian(request: SweepRequest) -> Rounds:
    """Search with Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), some configurations at once."""
    study, number, known = _study(request.base.seed), 0, {}
    while number < request.bayesian:
        asked: list[tuple[optuna.Trial, Configuration]] = []
        refused, wanted = 0, min(AT_ONCE, request.bayesian - number)
        while len(asked) < wanted and refused < PATIENCE:
            trial = study.ask()
            model, varied = _suggest(trial, request)
            key = str((model, varied))
            if key in known:  # nothing new: its score stands, or comes with that of its double
                refused += 1
                _tell(study, trial, known[key])
                continue
            number += 1
            known[key] = math.nan
            asked.append((trial, Configuration(number, model, varied)))
        if not asked:
            return
        errors = yield [configuration for _, configuration in asked]
        for trial, configuration in asked:
            known[str((configuration.model, configuration.varied))] = errors[configuration.number]
            _tell(study, trial, errors[configuration.number])


def _study(seed: int) -> optuna.Study:
    missing = "A Bayesian search needs Optuna, which is not installed."
    with extra("tune", missing, where="bayesian", instead="; or search with random=N"):
        import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # The liar keeps the configurations of a round apart.
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    return optuna.create_study(sampler=sampler, direction="minimize")


def _suggest(trial: optuna.Trial, request: SweepRequest) -> tuple[str, dict[str, Any]]:
    models = list(request.models)
    model = trial.suggest_categorical("model", models) if len(models) > 1 else models[0]
    varied: dict[str, Any] = {}
    for name, values in request.grid.items():
        if not isinstance(values, Span):
            varied[name] = values[trial.suggest_categorical(name, list(range(len(values))))]
        elif values.whole:
            varied[name] = trial.suggest_int(name, values.low, values.high)
        else:
            varied[name] = values.shortened(trial.suggest_float(name, values.low, values.high, log=True))
    return model, varied


def _tell(study: optuna.Study, trial: optuna.Trial, error: float) -> None:
    import optuna

    if math.isnan(error):
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(trial, error)
