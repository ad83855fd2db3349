"""The published models as they were, by name: parameters with their source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from latentome.errors import InputError, nearest


@dataclass(frozen=True)
class Preset:
    """A published model.

    Parameters
    ----------
    family
        Name of the model family: ``linear``, ``deep``, ``adage`` or ``vae``.
    parameters
        Arguments of the family's estimator.
    scaling
        The scaling that the model expects of its data: ``none`` or ``zero-one``.
    source
        Where the parameters come from.
    note
        What differs from a reader's expectation, the defects of the original among it.
    """

    family: str
    parameters: dict[str, Any]
    scaling: str
    source: str
    note: str = field(default="")


_CLASS3 = "class Dimensionality reduction with Autoencoders (Deep Learning by Example on Biowulf, class 3)"
_TYBALT = "Way and Greene, Pacific Symposium on Biocomputing 2018; released code of greenelab/tybalt"
_TYBALT_PARAMETERS = {
    "n_components": 100,
    "hidden": (),
    "likelihood": "bernoulli",
    "heads": "batchnorm-relu",
    "optimizer": "adam",
    "learning_rate": 5e-4,
    "batch_size": 50,
    "max_epochs": 50,
    "warmup": 1,
}

PRESETS = {
    "class3-model1": Preset(
        family="linear",
        parameters={
            "n_components": 2,
            "optimizer": "sgd",
            "learning_rate": 0.01,
            "batch_size": 32,
            "max_epochs": 3000,
            "validation_fraction": 0.0,
        },
        scaling="none",
        source=_CLASS3,
        note="The slide's code says 500 epochs, its log and figures 3,000; at 500 the model is still far from PCA.",
    ),
    "class3-model2": Preset(
        family="deep",
        parameters={
            "n_components": 2,
            "hidden": (5,),
            "activation": "sigmoid",
            "code_activation": "sigmoid",
            "output_activation": "sigmoid",
            "optimizer": "adam",
            "learning_rate": 0.001,
            "batch_size": 32,
            "max_epochs": 3000,
            "validation_fraction": 0.0,
        },
        scaling="none",
        source=_CLASS3,
    ),
    "tybalt-2018-as-published": Preset(
        family="vae",
        parameters={**_TYBALT_PARAMETERS, "beta": 0.0},
        scaling="zero-one",
        source=_TYBALT,
        note="The weight of the KL term is 0: the released code reads it once, before the warm-up raises it. "
        "Mean and log-variance pass a ReLU, so that no posterior is narrower than the prior.",
    ),
    "tybalt-2018-as-described": Preset(
        family="vae",
        parameters={**_TYBALT_PARAMETERS, "beta": 1.0},
        scaling="zero-one",
        source=_TYBALT,
        note="As the paper describes it: the KL weight rises to 1, here step by step over the first epoch (kappa = 1).",
    ),
}


def find_preset(name: str) -> Preset:
    """The preset of that name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in PRESETS:
        raise InputError(
            f"There is no preset '{name}'.",
            where="the name of the model",
            expected=nearest(name, PRESETS),
            todo="choose one of these",
        )
    return PRESETS[name]
