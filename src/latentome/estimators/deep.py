"""The deep autoencoder."""

from __future__ import annotations

from typing import Any, ClassVar

from latentome.estimators.base import BaseAutoencoder
from latentome.estimators.checks import check_widths
from latentome.models import DeepModel


class DeepAutoencoder(BaseAutoencoder):
    """An autoencoder with hidden layers on both sides of the code, trained on the mean squared error.

    Parameters
    ----------
    n_components
        Width of the code.
    hidden
        Widths of the hidden layers between input and code, from the input inwards; the decoder mirrors them.
    activation
        Activation of the hidden layers, by its Keras name.
    code_activation, output_activation
        Activation of the code and of the reconstruction.
    optimizer, learning_rate, momentum, nesterov, schedule, schedule_warmup, clip_norm, batch_size, max_epochs
        As in `LinearAutoencoder`.
    validation_fraction, patience, shuffle, precision, members, random_state
        As in `LinearAutoencoder`.

    Examples
    --------
    >>> import latentome as lt
    >>> X = lt.datasets.load("blobs").X
    >>> model = lt.DeepAutoencoder.from_preset("class3-model2", max_epochs=20, random_state=0)
    >>> model.fit_transform(X).shape
    (1000, 2)
    """

    family: ClassVar[str] = "deep"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAutoencoder._parameter_constraints,
        "hidden": ["array-like"],
        "activation": [str],
        "code_activation": [str],
        "output_activation": [str],
    }

    def __init__(
        self,
        n_components=20,
        *,
        hidden=(128,),
        activation="gelu",
        code_activation="linear",
        output_activation="linear",
        optimizer="adam",
        learning_rate=0.001,
        momentum=0.0,
        nesterov=False,
        schedule="constant",
        schedule_warmup=0.0,
        clip_norm=None,
        batch_size=50,
        max_epochs=200,
        validation_fraction=0.1,
        patience=None,
        shuffle=True,
        precision="float32",
        members=1,
        random_state=None,
    ):
        self._store(locals())

    def _make_model(self, n_features: int, seed: int, steps_per_epoch: int) -> DeepModel:
        return DeepModel(
            n_features,
            int(self.n_components),
            hidden=check_widths(self.hidden),
            activation=self.activation,
            code_activation=self.code_activation,
            output_activation=self.output_activation,
            precision=self.precision,
            seed=seed,
        )
