"""What fits into memory: a model, models together, the data."""

from __future__ import annotations

import math
import os

import jax
import keras
import numpy as np

from latentome.errors import TrainingError
from latentome.models import in_float32

#: The share of the free memory that a group of models may fill.
SHARE = 0.5
#: The share of the free memory, an accelerator's or the machine's, that the data may take.
RESIDENT = 0.7
#: The most models in one program: more of them gain nothing, and the program's tables grow.
MAX_GROUP = 512


def free_bytes(device: jax.Device | None = None) -> int:
    """The free memory of a device, in bytes; that of the machine where the device is the processor."""
    device = device or jax.devices()[0]
    told = device.memory_stats() if device.platform != "cpu" else None
    if told and "bytes_limit" in told:
        return int(told["bytes_limit"] - told.get("bytes_in_use", 0))
    return free_memory()


def free_memory() -> int:
    """The free memory of the machine, in bytes; not asked of JAX, which may be told to know no processor."""
    if os.path.exists("/proc/meminfo"):
        with open("/proc/meminfo", encoding="ascii") as file:
            table = dict(line.split(":", 1) for line in file)
        return int(table["MemAvailable"].split()[0]) * 1024
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) // 2


def fits_on_device(*shape: int) -> bool:
    """Whether an array of float32 can stay on an accelerator while models train on it; always on the processor."""
    device = jax.devices()[0]
    return device.platform == "cpu" or 4 * math.prod(shape) < RESIDENT * free_bytes(device)


def fits_in_memory(*shape: int) -> bool:
    """Whether an array of float32 fits into what memory of the machine is free."""
    return 4 * math.prod(shape) < RESIDENT * free_memory()


def check_room(model: keras.Model, keep_best: bool) -> None:
    """Refuse a model whose state alone is too large, before its training asks for the memory.

    The machine would end the process without a word, or write to its disk instead; the library that gives memory of a
    GPU waits for 10 seconds before each of its refusals, of which there is one for each array.

    Parameters
    ----------
    model
        A model, compiled; its optimizer has asked for nothing yet.
    keep_best
        Whether the weights after the best epoch are kept beside the last ones.

    Raises
    ------
    TrainingError
        If the state, which training holds twice beside the variables of the model, is more than what is free.
    """
    weights = sum(math.prod(v.shape) for v in model.trainable_variables)
    others = sum(math.prod(v.shape) for v in model.non_trainable_variables)
    moments = weights * moments_of_each(model.optimizer)
    device = jax.devices()[0]
    place = "this machine" if device.platform == "cpu" else device.device_kind
    needed, free = 4 * (2 * (moments + (1 + keep_best) * (weights + others)) + moments), free_bytes(device)
    if needed > free:
        raise TrainingError(
            "There is too little memory to train this model.",
            where=f"beside its {weights:,} weights it takes {needed / 2**30:.3g} GiB, for copies and the state of its "
            f"optimizer; {free / 2**30:.3g} GiB are free on {place}",
            expected="a model that fits into the free memory, of the GPU where there is one, or else of the machine",
            todo="take fewer genes or smaller hidden layers, or an optimizer with less state (sgd); "
            "where others use the GPU, compute on the processor (JAX_PLATFORMS=cpu in the environment)",
        )


@in_float32
def moments_of_each(optimizer: keras.optimizers.Optimizer) -> int:
    """How many values an optimizer holds for each weight, such as the two moments of Adam."""
    twin = type(optimizer).from_config(optimizer.get_config())
    weights = keras.Variable(jax.device_put(np.zeros((2, 3), np.float32)))
    twin.build([weights])
    return sum(v.shape == weights.shape for v in twin.variables)


def member_bytes(weights: int, variables: int, batch_rows: int, width: int) -> int:
    """An estimate of the memory that one model takes while it trains, in bytes.

    Parameters
    ----------
    weights
        Number of trainable values: each has a gradient beside it.
    variables
        Number of all values of the state, the optimizer's and the best epoch's included: they are held twice, the copy
        being what a training goes back to when it diverges.
    batch_rows
        Rows of the largest batch or validation block.
    width
        Sum of the widths of all layers: each keeps its values and their gradient.
    """
    return 4 * (2 * variables + weights + 2 * batch_rows * width)


def group_sizes(members: int, bytes_each: int, free: int) -> list[int]:
    """Cut models of `member_bytes` each into as few groups of nearly equal size as fit into the free memory."""
    most = min(max(int(SHARE * free / bytes_each), 1), MAX_GROUP)
    return shares(members, math.ceil(members / most))


def shares(members: int, groups: int) -> list[int]:
    """Cut `members` models into `groups` of nearly equal size, the larger ones first."""
    small, larger = divmod(members, groups)
    return [small + 1] * larger + [small] * (groups - larger)
