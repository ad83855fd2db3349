"""Encoding and decoding in blocks of one size, so that a sample's result does not depend on its companions."""

from __future__ import annotations

from collections.abc import Callable

import jax
import keras
import numpy as np
from scipy.sparse import issparse

from latentome.models import Autoencoder

#: Rows of a block. Every call runs the same compiled program on full blocks, the last one filled up with zeros.
BLOCK = 256
#: How many compiled programs are kept.
MAX_PROGRAMS = 32

_programs: dict[tuple[str, str], Callable] = {}


def apply_in_blocks(model: Autoencoder, part: str, x: np.ndarray) -> np.ndarray:
    """Run the encoder or the decoder of a model, without noise and without sampling.

    Parameters
    ----------
    model
        The model.
    part
        ``"encoder"`` or ``"decoder"``.
    x
        Samples x features for the encoder, an array or CSR; samples x components for the decoder.

    Returns
    -------
    float32, samples x components or samples x features.
    """
    layer: keras.Model = getattr(model, part)
    run = _program(model, part)
    trainable = [v.value for v in layer.trainable_variables]
    fixed = [v.value for v in layer.non_trainable_variables]
    result = np.empty((x.shape[0], layer.output_shape[-1]), np.float32)
    block = np.zeros((BLOCK, x.shape[1]), np.float32)
    for start in range(0, x.shape[0], BLOCK):
        rows = x[start : start + BLOCK]
        rows = rows.toarray() if issparse(rows) else rows
        block[: len(rows)] = rows
        block[len(rows) :] = 0.0
        result[start : start + BLOCK] = np.asarray(run(trainable, fixed, block))[: len(rows)]
    return result


def _program(model: Autoencoder, part: str) -> Callable:
    """The compiled part of all models of this architecture."""
    key = (model.architecture, part)
    if key not in _programs:
        # A copy, so that the program does not hang on to the weights and the optimizer of the user's model.
        layer = getattr(type(model).from_config(model.get_config()), part)
        _programs[key] = jax.jit(lambda t, f, x: layer.stateless_call(t, f, x, training=False)[0])
        while len(_programs) > MAX_PROGRAMS:
            del _programs[next(iter(_programs))]
    return _programs[key]
