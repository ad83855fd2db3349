"""From the name of a model on the command line to its estimator."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from latentome.errors import InputError, check_known
from latentome.models.presets import PRESETS

if TYPE_CHECKING:
    from latentome.estimators import BaseAutoencoder
    from latentome.workflow.config import RunConfig

#: Data sets that models take as they are, as the class does. A file of the user's may be called blobs.tsv.
UNSCALED = ("blobs", "blobs-test", "blobs-independent")
TITLES = {"nonlinear-pca": "Non-linear PCA", "linear": "Linear AE", "deep": "Deep AE", "adage": "ADAGE", "vae": "VAE"}


def choose_model(config: RunConfig) -> tuple[BaseAutoencoder, str]:
    """Make the estimator of a run and say which scaling it wants.

    Raises
    ------
    InputError
        If there is no such model or preset, or the model has no such parameter.
    """
    from latentome.estimators import FAMILIES

    what = f"There is no model '{config.model}'."
    check_known(config.model, [*FAMILIES, *PRESETS], what, where="the option --model")
    preset = PRESETS.get(config.model)
    kind = FAMILIES[preset.family if preset else config.model]
    known = [name for name in inspect.signature(kind).parameters if name != "random_state"]
    for name in config.parameters:
        what, where = f"The model '{config.model}' has no parameter '{name}'.", f"the option --{name.replace('_', '-')}"
        check_known(name, known, what, where=where, todo="leave the option out, or choose a model that has it")
        _check_plain(name, config.parameters[name])
    parameters = {**(preset.parameters if preset else {}), **config.parameters}
    scaling = config.scaling or (preset.scaling if preset else "none" if config.data in UNSCALED else "zero-one")
    return kind(**parameters, random_state=config.seed), scaling


def _check_plain(name: str, value: object) -> None:
    """Refuse what ``config.toml`` cannot hold, such as an optimizer object: the run could not be repeated from it."""
    items = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(item, bool | int | float | str) for item in items):
        raise InputError(
            f"A run cannot keep this value of '{name}'.",
            where=f"parameters={{'{name}': {type(value).__name__}}}",
            expected="a number, a text, a truth value, or a list of them",
            todo="name the optimizer and its settings, or call the estimator directly",
        )
