"""The state of a training on disk: written aside and renamed, and refused where it belongs to another training."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import jax.numpy as jnp
import keras
import numpy as np

from latentome.errors import TrainingError
from latentome.io import write_atomic
from latentome.training.engine import State
from latentome.training.optimizers import describe_optimizer


def fingerprint(
    model: keras.Model, x: np.ndarray, validation: np.ndarray, batch_size: int, seed: int, shuffle: bool
) -> dict[str, str]:
    """What has to be the same for a training to go on, by the name under which a refusal tells it."""
    return {
        "the model and its seed": json.dumps([type(model).__name__, model.get_config()], sort_keys=True, default=str),
        "the optimizer": json.dumps(describe_optimizer(model.optimizer), sort_keys=True, default=str),
        "the training data": hashlib.sha256(x.tobytes()).hexdigest(),
        "the validation data": hashlib.sha256(np.ascontiguousarray(validation).tobytes()).hexdigest(),
        "the batch size, the seed of the order, shuffling": json.dumps([batch_size, seed, shuffle]),
    }


class Checkpoint:
    """One file that holds the weights, the optimizer, the random streams and the history.

    Parameters
    ----------
    path
        The file, an ``.npz``.
    identity
        See `fingerprint`.
    every
        Seconds between two checkpoints.
    """

    def __init__(self, path: Path, identity: dict[str, str], every: float) -> None:
        self.path, self.identity, self.every = path, identity, every
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether the last checkpoint, or the start, is long enough ago."""
        return time.monotonic() - self._last >= self.every

    def save(self, state: State, rows: np.ndarray) -> None:
        """Keep `state` and the metrics of the epochs done (epochs x columns)."""
        arrays = {f"{group}.{i}": np.asarray(a) for group, all_ in state._asdict().items() for i, a in enumerate(all_)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomic(self.path) as file:
            np.savez(file, rows=rows, identity=np.array(json.dumps(self.identity)), **arrays)
        self._last = time.monotonic()

    def load(self, like: State) -> tuple[State, np.ndarray]:
        """Read the state back; `like` gives the number of arrays of each group."""
        with np.load(self.path, allow_pickle=False) as file:
            kept = json.loads(str(file["identity"]))
            different = [name for name, value in self.identity.items() if kept.get(name) != value]
            if different:
                raise TrainingError(
                    "This training cannot go on from the checkpoint: it is another training.",
                    where=f"{self.path}; what differs: {'; '.join(different)}",
                    expected="the same data, model, optimizer, batch size and seed as when it was interrupted",
                    todo="repeat the original command with --resume, or start anew with --replace",
                )
            groups = {
                group: [jnp.asarray(file[f"{group}.{i}"]) for i in range(len(arrays))]
                for group, arrays in like._asdict().items()
            }
            return State(**groups), file["rows"]
