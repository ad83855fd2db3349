"""The published sweeps by name: what was varied, and over which values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from latentome.errors import check_known
from latentome.workflow.config import RunConfig


@dataclass(frozen=True)
class NamedSweep:
    """A published sweep of model families or presets: what is varied and what is not, and where that is from.

    `note` says what differs from the original, and why.
    """

    models: tuple[str, ...]
    grid: dict[str, Any]
    seeds: int
    source: str
    parameters: dict[str, Any] = field(default_factory=dict)
    note: str = ""


_TYBALT = "Way and Greene, Pacific Symposium on Biocomputing 2018; released sweeps of greenelab/tybalt"
_TYBALT_GRID = {
    "max_epochs": [10, 25, 50, 100],
    "batch_size": [50, 100, 128, 200],
    "learning_rate": [0.0005, 0.001, 0.0015, 0.002, 0.0025],
}
_KAPPA = (
    "The released code never applies its KL weight, so that the four warm-up rates (kappa) of the original are four "
    "repetitions of 80 configurations: here they are four seeds, 320 trainings in all."
)
#: The 28 latent sizes of BioBombe.
SIZES = [*range(2, 11), 12, 14, 16, 18, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 90, 100, 125, 150, 200]

NAMED = {
    "tybalt-onehidden": NamedSweep(("tybalt-2018-as-published",), _TYBALT_GRID, 4, _TYBALT, note=_KAPPA),
    "tybalt-twohidden": NamedSweep(
        ("tybalt-2018-as-published",), _TYBALT_GRID, 4, _TYBALT, {"hidden": [100]}, f"A hidden layer of 100. {_KAPPA}"
    ),
    "adage": NamedSweep(
        ("adage",),
        {
            "max_epochs": [40, 80, 100],
            "batch_size": [50, 100, 200],
            "learning_rate": [0.9, 1.0, 1.1],
            "sparsity": [0.0, 1e-6, 1e-3],
            "noise": [0.0, 0.05, 0.1, 0.5],
        },
        1,
        _TYBALT,
        {
            "n_components": 100,
            "optimizer": "adadelta",
            "noise_kind": "dropout",
            "tied": False,
            "output_activation": "sigmoid",
        },
        "324 trainings. The Keras of that time summed the sparsity penalty over the batch, here it is a mean: the same "
        "value weighs 50 to 200 times less.",
    ),
    "latent-dim": NamedSweep(
        ("vae", "adage"),
        {"n_components": SIZES},
        5,
        "Way et al., Genome Biology 2020 (BioBombe): 28 latent sizes, 5 seeds",
        {"max_epochs": 50},
    ),
}


def named(name: str) -> NamedSweep:
    """The published sweep of that name.

    Parameters
    ----------
    name
        Such as those of `NAMED`.

    Raises
    ------
    InputError
        If there is none.
    """
    check_known(name, NAMED, f"There is no sweep '{name}'.", where=f"--named {name}")
    return NAMED[name]


def as_published(
    name: str, base: RunConfig, grid: dict[str, Any], seeds: int | None
) -> tuple[RunConfig, tuple[str, ...], dict[str, Any], int]:
    """What all trainings share, the models, the grid and the seeds of a published sweep; what is given goes before."""
    published = named(name)
    base = replace(base, parameters={**published.parameters, **base.parameters})
    return base, published.models, {**published.grid, **grid}, seeds or published.seeds
