"""The plain autoencoder of any depth; without hidden layers and with linear units it is the linear one."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from latentome.models.base import Autoencoder
from latentome.models.layers import Seeds, dense_stack, dtype_policy
from latentome.models.losses import squared_error
from latentome.models.products import Dense


@keras.saving.register_keras_serializable("latentome")
class DeepModel(Autoencoder):
    """An autoencoder of dense layers, trained on the mean squared error.

    Parameters
    ----------
    n_features
        Width of the input.
    n_components
        Width of the code.
    hidden
        Widths of the hidden layers between input and code; the decoder mirrors them.
    activation
        Activation of the hidden layers.
    code_activation, output_activation
        Activation of the code and of the reconstruction.
    precision
        ``"float32"``, or ``"bfloat16"``: products in bfloat16, weights and losses in float32.
    seed
        Seed of the initial weights.
    """

    def __init__(
        self,
        n_features: int,
        n_components: int,
        hidden: Sequence[int] = (),
        activation: str = "linear",
        code_activation: str = "linear",
        output_activation: str = "linear",
        precision: str = "float32",
        seed: int = 0,
    ) -> None:
        config = {
            "n_features": n_features,
            "n_components": n_components,
            "hidden": list(hidden),
            "activation": activation,
            "code_activation": code_activation,
            "output_activation": output_activation,
            "precision": precision,
            "seed": seed,
        }
        super().__init__(config, ("reconstruction",), name="deep")
        seeds, dtype = Seeds(seed), dtype_policy(precision)
        x = keras.Input((n_features,), name="x")
        h = dense_stack(x, hidden, activation, seeds, "encoder_hidden", dtype)
        z = Dense(
            n_components, activation=code_activation, kernel_initializer=seeds.glorot(), name="code", dtype=dtype
        )(h)
        self.encoder = keras.Model(x, ops.cast(z, "float32"), name="encoder")
        code = keras.Input((n_components,), name="z")
        h = dense_stack(code, list(hidden)[::-1], activation, seeds, "decoder_hidden", dtype)
        y = Dense(
            n_features, activation=output_activation, kernel_initializer=seeds.glorot(), name="output", dtype=dtype
        )(h)
        self.decoder = keras.Model(code, ops.cast(y, "float32"), name="decoder")
        self.build((None, n_features))

    @property
    def family_of_widths(self) -> str | None:
        """See `Autoencoder`: holds where the code's activation is zero at zero."""
        return self._architecture_but_width(self.get_config()["code_activation"])

    def call(self, x, training: bool = False):
        """Reconstruct `x` (samples x features)."""
        y = self.decoder(self.encoder(x, training=training), training=training)
        self.add_loss(ops.mean(squared_error(x, y)) / ops.shape(x)[-1])
        return y
