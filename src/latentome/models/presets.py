"""The published models as they were, by name: parameters with their source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from latentome.errors import check_known


@dataclass(frozen=True)
class Preset:
    """A published model: arguments of its family's estimator, where they come from, the scaling that it expects.

    `note` says what differs from a reader's expectation, the defects of the original among it.
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
    "linear_path": False,
    "likelihood": "bernoulli",
    "heads": "batchnorm-relu",
    "optimizer": "adam",
    "learning_rate": 5e-4,
    "schedule": "constant",
    "batch_size": 50,
    "max_epochs": 50,
    "warmup": 1,
}
_TWO_HIDDEN = {
    **_TYBALT_PARAMETERS,
    "activation": "relu",
    "hidden_batchnorm": True,
    "max_epochs": 100,
    "warmup": 0,
}
_ADAGE = (
    "Tan, Hammond, Hogan and Greene, mSystems 1, e00025-15 (2016); released code of greenelab/adage, after Vincent et "
    "al., ICML 2008"
)
_ADAGE_TYBALT = {
    "n_components": 100,
    "noise": 0.05,
    "noise_kind": "dropout",
    "activation": "relu",
    "loss": "mse",
    "output_activation": "sigmoid",
    "batch_size": 50,
    "max_epochs": 100,
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
    "tybalt-2018-two-hidden-100": Preset(
        family="vae",
        parameters={**_TWO_HIDDEN, "hidden": (100,), "learning_rate": 1e-3, "batch_size": 100, "beta": 0.0},
        scaling="zero-one",
        source=f"{_TYBALT}, model A of its notebook on two hidden layers",
        note="The weight of the KL term is 0, as in the model with one hidden layer. The name counts the code as a "
        "layer; there is one hidden layer of 100 on each side.",
    ),
    "tybalt-2018-two-hidden-300": Preset(
        family="vae",
        parameters={**_TWO_HIDDEN, "hidden": (300,), "beta": 2.0},
        scaling="zero-one",
        source=f"{_TYBALT}, model B of its notebook on two hidden layers",
        note="The weight of the KL term is 2 from the first step to the last: the model is built with what the warm-up "
        "of model A left in the variable that both share. Most of its encodings are zero.",
    ),
    "adage-2016": Preset(
        family="adage",
        parameters={
            "n_components": 50,
            "noise": 0.1,
            "noise_kind": "masking",
            "activation": "sigmoid",
            "tied": True,
            "loss": "bernoulli",
            "init_scale": 4.0,
            "optimizer": "sgd",
            "learning_rate": 0.01,
            "batch_size": 10,
            "max_epochs": 500,
            "shuffle": "once",
            "drop_last": True,
            "validation_fraction": 0.0,
        },
        scaling="zero-one",
        source=_ADAGE,
        note="The samples are put in one random order, which all epochs follow; a last batch of fewer than ten is left "
        "out.",
    ),
    "adage-tybalt-2018": Preset(
        family="adage",
        parameters={**_ADAGE_TYBALT, "tied": False, "optimizer": "adadelta", "learning_rate": 1.1},
        scaling="zero-one",
        source=f"{_TYBALT}, its ADAGE notebook",
        note="Decoder weights of its own. The notebook saved the encodings before their ReLU and decoded those; here "
        "the code is what the decoder was trained on.",
    ),
    "adage-tybalt-2018-tied": Preset(
        family="adage",
        parameters={
            **_ADAGE_TYBALT,
            "noise_on": "code",
            "tied": True,
            "decoder_bias": "minus-encoder",
            "optimizer": "adam",
            "learning_rate": 5e-4,
        },
        scaling="zero-one",
        source=f"{_TYBALT}, the default of its package",
        note="The dropout is on the code, so that it is no denoising autoencoder; the decoder has no bias of the genes "
        "and subtracts the encoder's bias from the code.",
    ),
}


def find_preset(name: str) -> Preset:
    """The preset of that name, refused where there is none."""
    check_known(name, PRESETS, f"There is no preset '{name}'.", where="the name of the model")
    return PRESETS[name]
