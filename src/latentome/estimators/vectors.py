"""What trained models make of some rows that are the same everywhere: to compare a model with itself elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np

from latentome.models import Autoencoder
from latentome.training import apply_in_blocks

#: Number of rows.
ROWS = 3


def make_vectors(models: Sequence[Autoencoder], n_features: int, x: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Encode and decode rows with all members of an ensemble.

    The rows are by default drawn from [0, 1), so that no one's sample travels with a model; columns of a covariate come
    after their `n_features` features. Gives ``x``; ``codes``, side by side; ``decoder_input``, the same with the
    columns of a covariate after each member's; ``reconstruction``, the mean of the members'. All float32.
    """
    import jax

    if x is None:
        x = np.random.default_rng(0).random((ROWS, models[0].encoder.input_shape[-1]), dtype=np.float32)
    # An accelerator may round the factors of its products to 11 bits unless it is told not to.
    exact = contextlib.nullcontext() if jax.default_backend() == "cpu" else jax.default_matmul_precision("highest")
    with exact:
        codes = [apply_in_blocks(model, "encoder", x) for model in models]
        inputs = [np.concatenate([z, x[:, n_features:]], axis=1) for z in codes]
        decoded = [apply_in_blocks(model, "decoder", z) for model, z in zip(models, inputs, strict=True)]
    return {
        "x": x,
        "codes": np.concatenate(codes, axis=1),
        "decoder_input": np.concatenate(inputs, axis=1),
        "reconstruction": np.mean(decoded, axis=0, dtype=np.float32),
    }
