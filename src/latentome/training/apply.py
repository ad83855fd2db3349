"""Encoding and decoding in blocks of one size, so that a sample's result does not depend on its companions."""

from __future__ import annotations

from collections.abc import Callable

import jax
import keras
import numpy as np
from scipy.sparse import issparse

from latentome.models import Autoencoder, VariationalModel, compiled
from latentome.models.bounds import bounds
from latentome.training.cache import keep_compiled_programs
from latentome.training.order import seed_word

#: Rows of a block. Every call runs the same compiled program on full blocks, the last one filled up with zeros.
BLOCK = 256
#: Of how many architectures the compiled programs are kept.
MAX_ARCHITECTURES = 16

#: A model of each architecture, which serves as the template of its computations, and the programs of its parts.
_programs: dict[tuple[type, str], tuple[Autoencoder, dict[str, Callable]]] = {}


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
    values = [v.value for v in layer.variables]
    return _in_blocks(x, layer.output_shape[-1], lambda block, start: run(values, block))


def bounds_in_blocks(model: VariationalModel, x: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """The evidence lower bound and the importance-weighted one of each sample; see `latentome.models.bounds`.

    Parameters
    ----------
    model
        The model.
    x
        Samples x features, and the columns of a covariate.
    draws
        Draws of the posterior for each sample.
    seed
        Their seed.

    Returns
    -------
    float32, samples x 2, in nats.
    """
    run = _bounds_program(model)
    values = [v.value for v in model.variables]
    numbers = np.arange(BLOCK, dtype=np.int32)
    return _in_blocks(x, 2, lambda block, start: run(values, block, numbers + np.int32(start), seed_word(seed), draws))


def _in_blocks(x: np.ndarray, width: int, run: Callable[[np.ndarray, int], jax.Array]) -> np.ndarray:
    """What `run` gives for block after block of `x`, the last one filled up with zeros."""
    result = np.empty((x.shape[0], width), np.float32)
    block = np.zeros((BLOCK, x.shape[1]), np.float32)
    for start in range(0, x.shape[0], BLOCK):
        rows = x[start : start + BLOCK]
        rows = rows.toarray() if issparse(rows) else rows
        block[: len(rows)] = rows
        block[len(rows) :] = 0.0
        result[start : start + BLOCK] = np.asarray(run(block, start))[: len(rows)]
    return result


def _program(model: Autoencoder, part: str) -> Callable:
    """The compiled part of all models of this architecture."""

    def build(template: Autoencoder) -> Callable:
        layer = getattr(template, part)

        def run(values, x):
            # By all variables in their order: which of them train, the user may have changed.
            with keras.StatelessScope(state_mapping=list(zip(layer.variables, values, strict=True))):
                return layer(x, training=False)

        return run

    return _kept(model, part, build)


def _bounds_program(model: VariationalModel) -> Callable:
    """The compiled bounds of all models of this architecture, as a function of the values of their variables."""

    def build(template: VariationalModel) -> Callable:
        def run(values, x, rows, seed, draws):
            with keras.StatelessScope(state_mapping=list(zip(template.variables, values, strict=True))):
                return bounds(template, x, rows, seed, draws)

        return run

    return _kept(model, "bounds", build)


def _kept(model: Autoencoder, what: str, build: Callable[[Autoencoder], Callable]) -> Callable:
    key = (type(model), model.architecture)  # another class can have the same name
    if key not in _programs:
        keep_compiled_programs()
        # A copy, so that the programs do not hang on to the weights and the optimizer of the user's model.
        _programs[key] = type(model).from_config(model.get_config()), {}
        while len(_programs) > MAX_ARCHITECTURES:
            del _programs[next(iter(_programs))]
    template, programs = _programs[key]
    if what not in programs:
        programs[what] = compiled(build(template))
    return programs[what]
