"""What every autoencoder is: an encoder, a decoder, and loss terms with live weights, as one `keras.Model`."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import jax
import keras
import numpy as np
from keras import ops

from latentome.models.exact import in_float32
from latentome.models.summary import Summary, summarise


class Autoencoder(keras.Model):
    """Base of the model families; a leaf builds `encoder` and `decoder` and says what its loss terms are.

    The loss lives in the model: ``call`` adds its terms and ``compute_loss`` weighs them. So
    ``model.compile(optimizer)`` and ``model.fit(x)`` train it with no further argument, and the compiled trainer runs
    the very same step.

    Parameters
    ----------
    config
        What `arguments_of` makes of the leaf's constructor: all that is needed to build the model again. Saved with it.
    terms
        Names of the loss terms, in the order in which ``call`` adds them; the first is ``"reconstruction"``.
    live
        Arguments that are read at each step and may take other values without another computation, by name.

    Attributes
    ----------
    encoder : keras.Model
        Samples x features to samples x components. For a variational model the posterior mean.
    decoder : keras.Model
        Samples x components to samples x features, in the space of the data.
    step : keras.Variable
        Number of training steps done; what schedules read.
    live : types.SimpleNamespace
        The values of the live arguments.
    """

    encoder: keras.Model
    decoder: keras.Model
    #: How many principal axes of the rows that are trained on the model starts from; see `start_at`.
    n_axes: int = 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let a leaf build its layers whatever the user has set as the precision of other models."""
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = in_float32(cls.__init__)

    def __init__(
        self, config: Mapping[str, Any], terms: tuple[str, ...], name: str, live: Mapping[str, float] | None = None
    ) -> None:
        super().__init__(name=name)
        self.live = SimpleNamespace(**(live or {}))
        # Text, so that Keras does not track it. Numbers of NumPy, as a grid search has them, become plain ones.
        self._config = json.dumps(dict(config), default=lambda v: v.tolist() if hasattr(v, "tolist") else list(v))
        self._term_names = terms
        self.step = self.add_weight(name="step", shape=(), dtype="int32", initializer="zeros", trainable=False)
        self._trackers = {term: keras.metrics.Mean(name=term) for term in (*terms, *self.weights_of_terms(0))}

    def build(self, input_shape=None) -> None:
        """Nothing is left to build: the layers are made, and get their weights, in the constructor."""
        self.built = True

    @in_float32
    def compile(self, *args: Any, **how: Any) -> None:
        """As of every `keras.Model`."""
        super().compile(*args, **how)

    def weights_of_terms(self, step) -> dict[str, Any]:
        """The weights at a training step of the terms after the first, by the name under which history keeps them."""
        del step
        return {}

    def total(self, terms: Mapping[str, Any], weights: Mapping[str, Any]):
        """The loss from its terms and their weights; the sum of the terms unless a leaf weighs them."""
        del weights
        return sum(terms.values())

    @property
    def starts_from_data(self) -> bool:
        """Whether the model takes something from the training data before its first step."""
        return type(self).start_at is not Autoencoder.start_at

    def adapt(self, x: np.ndarray) -> None:
        """Start from the training data, samples x features; see `start_at`."""
        if self.starts_from_data:
            self.start_at(summarise(lambda: [x], self.n_axes))

    def start_at(self, summary: Summary) -> None:
        """Set what a model takes from the moments and the principal axes of the data; nothing here."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Weigh the terms that ``call`` added; regularisation losses of layers are added as they are."""
        losses = list(self.losses)
        terms = dict(zip(self._term_names, losses, strict=False))
        weights = self.weights_of_terms(self.step)
        rows = ops.shape(x)[0]
        for name, value in {**terms, **weights}.items():
            self._trackers[name].update_state(value, sample_weight=rows)
        if training:
            self.step.assign_add(1)
        return self.total(terms, weights) + sum(losses[len(self._term_names) :])

    @property
    def family_of_widths(self) -> str | None:
        """A text that models share which differ in the width of the code alone and may train padded to the widest.

        None unless a code unit whose weights are all zero stays so and changes nothing: its value has to be zero, and
        no noise may be drawn for it.
        """
        return None

    def _architecture_but_width(self, code_activation: str) -> str | None:
        """That text for a model whose code has this activation; one with a live `width` needs no zero there."""
        if not unit_by_unit(code_activation) or ("width" not in vars(self.live) and not zero_at_zero(code_activation)):
            return None
        width = f'"n_components": {json.loads(self._config)["n_components"]}'
        return self.architecture.replace(width, '"n_components": any')

    @property
    def architecture(self) -> str:
        """A text that two models share when they run the same computation.

        Their arguments are the same, apart from the seed and from the values of the live ones. That a live value is
        zero can change the computation (without noise nothing is drawn), so that it counts.
        """
        config = {k: v for k, v in json.loads(self._config).items() if k != "seed"}
        config |= {name: bool(config[name]) for name in vars(self.live) if name in config}
        return f"{type(self).__name__} {json.dumps(config, sort_keys=True)}"

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return json.loads(self._config)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects=None) -> Autoencoder:
        """Build the model again from `get_config`."""
        del custom_objects
        return cls(**config)


def arguments_of(constructor: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a constructor by name, from its ``locals()`` before there are others."""
    return {name: value for name, value in constructor.items() if name not in ("self", "__class__")}


def unit_by_unit(activation: str) -> bool:
    """Whether the activation of a unit does not depend on the other units of its layer, as that of softmax does."""
    one, other, _ = _units(activation)
    return bool(np.array_equal(one[:3], other[:3]))


def zero_at_zero(activation: str) -> bool:
    """Whether a unit with this activation, by its Keras name, is zero where its input is."""
    return float(_units(activation)[2, 0]) == 0.0


@functools.cache
def _units(activation: str) -> np.ndarray:
    """What an activation makes of two layers of units that differ in the last one, and of one that is zero."""
    layers = np.array([[-2.0, 0.0, 0.5, 3.0], [-2.0, 0.0, 0.5, -7.0], [0.0] * 4], np.float32)
    return np.asarray(jax.jit(keras.activations.get(activation))(layers))  # one program, not one for each operation
