"""The plain autoencoder of any depth; without hidden layers and with linear units it is the linear one."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops
from keras.layers import Dense

from latentome.models.base import Autoencoder, arguments_of, zero_at_zero
from latentome.models.layers import Seeds, dense_stack, dtype_policy
from latentome.models.losses import squared_error


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
        config = arguments_of(locals())
        # Units beyond the width of a model that trains padded to a wider one are kept at zero, where they would not be.
        live = {} if zero_at_zero(code_activation) else {"width": n_components}
        super().__init__(config, ("reconstruction",), name="deep", live=live)
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
        """See `Autoencoder`: holds for all, because a code that is not zero at zero is masked."""
        return self._architecture_but_width(self.get_config()["code_activation"])

    def call(self, x, training: bool = False):
        """Reconstruct `x` (samples x features)."""
        z = self.encoder(x, training=training)
        if vars(self.live):
            z *= ops.cast(np.arange(z.shape[-1], dtype="float32") < self.live.width, "float32")
        y = self.decoder(z, training=training)
        self.add_loss(ops.mean(squared_error(x, y)) / ops.shape(x)[-1])
        return y
