"""The denoising autoencoder, ADAGE: reconstruct the clean input from a corrupted one."""

from __future__ import annotations

import keras
from keras import ops

from latentome.models.base import Autoencoder, arguments_of
from latentome.models.layers import Dense, InputNoise, Seeds, TiedDecoder, dtype_policy
from latentome.models.losses import bernoulli_nll, squared_error


@keras.saving.register_keras_serializable("latentome")
class DenoisingModel(Autoencoder):
    """One layer of codes learned from corrupted input (Vincent et al. 2008; ADAGE, Tan et al. 2016).

    Parameters
    ----------
    n_features
        Width of the input.
    n_components
        Width of the code.
    noise, noise_kind
        Corruption of the input while training, see `InputNoise`.
    noise_on
        ``"input"``; or ``"code"``, as in Tybalt's tied ADAGE, which then is no denoising autoencoder.
    activation
        Activation of the code, ``"relu"`` or ``"sigmoid"`` in the published models.
    tied
        Whether the decoder's kernel is the transpose of the encoder's: one array, with two biases.
    decoder_bias
        ``"own"``; or ``"minus-encoder"`` for tied weights without a bias of the features, where the decoder subtracts
        the encoder's bias from the code, as in Tybalt's tied ADAGE.
    loss
        ``"mse"``: mean squared error; ``"bernoulli"``: cross-entropy summed over the features, data in [0, 1].
    output_activation
        Activation of the reconstruction under ``"mse"``; ``"bernoulli"`` implies a sigmoid.
    sparsity
        Weight of the sum of the absolute code, per sample.
    init_scale
        The initial weights lie within so many times Glorot's limit: 4 is what is advised for sigmoid units.
    precision
        ``"float32"``, or ``"bfloat16"``: products in bfloat16, weights and losses in float32.
    seed
        Seed of the initial weights and of the noise.
    """

    def __init__(
        self,
        n_features: int,
        n_components: int,
        noise: float = 0.1,
        noise_kind: str = "masking",
        noise_on: str = "input",
        activation: str = "relu",
        tied: bool = True,
        decoder_bias: str = "own",
        loss: str = "mse",
        output_activation: str = "linear",
        sparsity: float = 0.0,
        init_scale: float = 1.0,
        precision: str = "float32",
        seed: int = 0,
    ) -> None:
        config = arguments_of(locals())
        terms = ("reconstruction", "sparsity") if sparsity else ("reconstruction",)
        live = {"noise": float(noise), "sparsity": float(sparsity)}
        super().__init__(config, terms, name="denoising", live=live)
        self._loss, self._sparse, self._noise_on = loss, bool(sparsity), noise_on
        dtype = dtype_policy(precision)
        seeds = Seeds(seed)
        self.corrupt = InputNoise(noise, noise_kind, seed=next(seeds), name="noise")
        x = keras.Input((n_features,), name="x")
        initial = seeds.glorot(scale=init_scale)
        code = Dense(n_components, activation=activation, kernel_initializer=initial, name="code", dtype=dtype)
        self.encoder = keras.Model(x, ops.cast(code(x), "float32"), name="encoder")
        z = keras.Input((n_components,), name="z")
        if tied:
            linear = TiedDecoder(code, decoder_bias == "own", name="output", dtype=dtype)
        else:
            linear = Dense(n_features, kernel_initializer=seeds.glorot(scale=init_scale), name="output", dtype=dtype)
        activate = keras.layers.Activation("sigmoid" if loss == "bernoulli" else output_activation, name="activation")
        y = ops.cast(linear(z), "float32")
        self._linear = keras.Model(z, y, name="linear_decoder")
        self.decoder = keras.Model(z, activate(y), name="decoder")
        self._activate = activate
        self.build((None, n_features))

    @property
    def family_of_widths(self) -> str | None:
        """See `Autoencoder`: holds where the code's activation is zero at zero, and no noise is drawn for the code."""
        if self._noise_on == "code":
            return None
        return self._architecture_but_width(self.get_config()["activation"])

    def _corrupted(self, values, training: bool):
        return self.corrupt(values, training=training, noise=self.live.noise)

    def call(self, x, training: bool = False):
        """Reconstruct `x` (samples x features); while training from a corrupted copy, always against the clean one."""
        if self._noise_on == "input":
            z = read = self.encoder(self._corrupted(x, training), training=training)
        else:
            z = self.encoder(x, training=training)
            read = self._corrupted(z, training)
        linear = self._linear(read, training=training)
        y = self._activate(linear)
        if self._loss == "bernoulli":
            self.add_loss(ops.mean(bernoulli_nll(x, linear)))
        else:
            self.add_loss(ops.mean(squared_error(x, y)) / ops.shape(x)[-1])
        if self._sparse:
            self.add_loss(self.live.sparsity * ops.mean(ops.sum(ops.abs(z), axis=-1)))
        return y
