"""Estimators with the weights that the authors of published models published."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd

from latentome.errors import InputError
from latentome.estimators.base import BaseAutoencoder
from latentome.estimators.denoising import DenoisingAutoencoder
from latentome.estimators.variational import VariationalAutoencoder
from latentome.io import DenseLayer, read_adage_network, read_tybalt_hdf5
from latentome.models import Autoencoder


def load_adage_network(path: str | os.PathLike[str], genes: Sequence[str] | None = None) -> DenoisingAutoencoder:
    """Load the network file of the ADAGE of 2016 as a trained estimator.

    Parameters
    ----------
    path
        See `latentome.io.read_adage_network`.
    genes
        Names of its genes in their order, which new data are then checked against.

    Returns
    -------
    The preset ``adage-2016`` with these weights: its code is the sigmoid activity of each node.
    """
    network = read_adage_network(path)
    estimator = DenoisingAutoencoder.from_preset("adage-2016", n_components=network.weights.shape[1], random_state=0)
    model = estimator._make_model(network.weights.shape[0], 0, 1)
    model.encoder.get_layer("code").set_weights([network.weights, network.hidden_bias])
    model.decoder.get_layer("output").bias.assign(network.visible_bias)
    return _trained(estimator, model, genes)


def load_tybalt_hdf5(
    encoder: str | os.PathLike[str], decoder: str | os.PathLike[str], genes: Sequence[str] | None = None
) -> VariationalAutoencoder:
    """Load the encoder and the decoder of a published Tybalt model as a trained estimator.

    The published encoder ends with the mean of the code. The head of the log-variance is not in the file, and NaN here:
    so are `score`, `log_likelihood` and `kl_per_unit`, which need it.

    Parameters
    ----------
    encoder, decoder
        See `latentome.io.read_tybalt_hdf5`.
    genes
        Names of its genes in their order, which new data are then checked against.

    Returns
    -------
    The preset ``tybalt-2018-as-published``, with the hidden layers of the files, with these weights.
    """
    network = read_tybalt_hdf5(encoder, decoder)
    widths = [layer.bias.shape[0] for layer in network.encoder[:-1]]
    mirrored = [layer.bias.shape[0] for layer in network.decoder[:-1]]
    plain = [layer.normalisation is None for layer in (*network.encoder, *network.decoder)]
    if mirrored != widths[::-1] or plain != [False] * len(network.encoder) + [True] * len(network.decoder):
        raise InputError(
            "This is not the architecture of Tybalt.",
            where=f"{encoder}: hidden layers of {widths}; {decoder}: hidden layers of {mirrored}",
            expected="the same hidden layers on both sides, each layer of the encoder with a batch normalisation, none "
            "of the decoder",
            todo="read the arrays with latentome.io.read_tybalt_hdf5 and build the model of the files yourself",
        )
    estimator = VariationalAutoencoder.from_preset(
        "tybalt-2018-as-published",
        n_components=network.encoder[-1].bias.shape[0],
        hidden=tuple(widths),
        hidden_batchnorm=bool(widths),
        activation="relu",
        random_state=0,
    )
    model = estimator._make_model(network.encoder[0].kernel.shape[0], 0, 1)
    for i, layer in enumerate(network.encoder[:-1], start=1):
        model.encoder.get_layer(f"encoder_hidden_{i}").set_weights([layer.kernel, layer.bias])
        model.encoder.get_layer(f"encoder_hidden_{i}_normalisation").set_weights(layer.normalisation)
    heads = network.encoder[-1]
    model.encoder.get_layer("heads").set_weights([_beside_nan(heads.kernel), _beside_nan(heads.bias)])
    model.encoder.get_layer("heads_normalisation").set_weights([_beside_nan(part) for part in heads.normalisation])
    for i, layer in enumerate(network.decoder[:-1], start=1):
        model.decoder.get_layer(f"decoder_hidden_{i}").set_weights([layer.kernel, layer.bias])
    last: DenseLayer = network.decoder[-1]
    model.decoder.get_layer("output").set_weights([last.kernel, last.bias])
    return _trained(estimator, model, genes)


def _beside_nan(mean: np.ndarray) -> np.ndarray:
    """The values of the mean's units, then NaN for those of the log-variance."""
    return np.concatenate([mean, np.full_like(mean, np.nan)], axis=-1)


def _trained(estimator: BaseAutoencoder, model: Autoencoder, genes: Sequence[str] | None):
    """The estimator as `fit` would leave it, without a history."""
    n_features = model.encoder.input_shape[-1]
    if genes is not None and len(genes) != n_features:
        raise InputError(
            "The names do not fit the weights.",
            where=f"{len(genes)} genes",
            expected=f"{n_features} names, in the order of the training data",
            todo="pass the genes that the published model was trained on",
        )
    estimator.models_, estimator.seed_, estimator.n_iter_, estimator.best_epoch_ = [model], 0, 0, None
    estimator.n_features_in_, estimator._n_features_out = n_features, estimator.n_components
    if genes is not None:
        estimator.feature_names_in_ = np.asarray(genes, dtype=object)
    estimator.history_ = pd.DataFrame({"epoch": np.zeros(0, np.int64)})
    estimator.training_rows_ = estimator.validation_rows_ = np.zeros(0, np.int64)
    if isinstance(estimator, VariationalAutoencoder):
        estimator.categories_ = None
    return estimator
