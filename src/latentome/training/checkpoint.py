"""The state of a training on disk: two of the last, each with a checksum, refused where they are another training's."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from latentome.errors import TrainingError
from latentome.io import guard_writing, write_atomic
from latentome.io.atomic import TEMPORARY_SUFFIX
from latentome.training.optimizers import describe_optimizer

#: The first bytes of a checkpoint, with the version of its layout; the SHA-256 of all that follows comes next.
MAGIC = b"latentome-state-3\n"
SUFFIX = ".state"
#: How many are kept: the last one may be damaged.
KEPT = 2


def describe_models(models: list[keras.Model]) -> dict[str, str]:
    """What has to be the same of the models for a training to go on, by the name under which a refusal tells it."""
    configs = [[type(model).__name__, model.get_config()] for model in models]
    return {
        "the model and its seed": json.dumps(configs, sort_keys=True, default=str),
        "the optimizer": json.dumps([describe_optimizer(m.optimizer) for m in models], sort_keys=True, default=str),
    }


def digest(*arrays: np.ndarray) -> str:
    """The SHA-256 of some arrays in their order: of the shape, the type and the bytes of each."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


class Checkpoints:
    """A folder, made at the first `save`, that holds the last states of one training, saved `every` so many seconds.

    `identity` is what makes the training this one, by the name under which a refusal tells a difference. `notes` say
    what `load` found that the user should know, such as a damaged file.
    """

    def __init__(self, folder: Path, identity: Mapping[str, str], every: float) -> None:
        self.folder, self.identity, self.every = Path(folder), dict(identity), every
        self.notes: list[str] = []
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether the last checkpoint, or the start, is long enough ago."""
        return time.monotonic() - self._last >= self.every

    def save(self, arrays: Mapping[str, np.ndarray], number: int) -> Path:
        """Keep a state.

        Parameters
        ----------
        arrays
            The state by name.
        number
            What orders the states: the number of epochs done, say.
        """
        content = io.BytesIO()
        np.savez(content, identity=np.array(json.dumps(self.identity)), **arrays)
        with guard_writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{number:012d}{SUFFIX}"
        with write_atomic(path) as file:
            file.write(MAGIC)
            file.write(hashlib.sha256(content.getbuffer()).digest())
            file.write(content.getbuffer())
        # What a writer left that was killed: half a state, under its temporary name.
        for half in self.folder.glob(f".*{TEMPORARY_SUFFIX}.*{SUFFIX}"):
            half.unlink(missing_ok=True)
        # States of a larger number are left over from another training in this folder.
        for old in self._files():
            if old.name > path.name:
                old.unlink(missing_ok=True)
        for old in self._files()[KEPT:]:
            old.unlink(missing_ok=True)
        self._last = time.monotonic()
        return path

    def load(self) -> dict[str, np.ndarray] | None:
        """Read the newest sound state back.

        Returns
        -------
        The arrays by name, or None where there is no state.

        Raises
        ------
        TrainingError
            If the states are another training's, or if all of them are damaged.
        """
        files = self._files()
        for path in files:
            arrays = self._read(path)
            if arrays is None:
                self.notes.append(
                    f"The checkpoint {path.name} is damaged or of another version; the one before it is tried."
                )
                continue
            self._check(path, json.loads(str(arrays.pop("identity"))))
            return arrays
        if files:
            raise TrainingError(
                "No checkpoint of this training can be read.",
                where=f"{self.folder}: {', '.join(path.name for path in files)}",
                expected="files as this version of latentome wrote them, with their checksums",
                todo="restore them from a copy, or start anew with --replace",
            )
        return None

    def check_length(self, done: int, asked: int) -> None:
        """Refuse a state that is further than a training shall go.

        Parameters
        ----------
        done, asked
            Epochs of the state, and of the training.
        """
        if done > asked:
            raise TrainingError(
                "This training went on for longer than is asked for now.",
                where=f"{self.folder}: the state after epoch {done}",
                expected=f"a state within the {asked} epochs of this training",
                todo="ask for as many epochs as before, or start anew with --replace",
            )

    def _files(self) -> list[Path]:
        """The states that are there, the newest first."""
        return sorted(self.folder.glob(f"[0-9]*{SUFFIX}"), reverse=True) if self.folder.is_dir() else []

    def _read(self, path: Path) -> dict[str, np.ndarray] | None:
        """The arrays of a file, or None where its checksum is wrong."""
        raw = path.read_bytes()
        start = len(MAGIC) + hashlib.sha256().digest_size
        if raw[: len(MAGIC)] != MAGIC or hashlib.sha256(raw[start:]).digest() != raw[len(MAGIC) : start]:
            return None
        with np.load(io.BytesIO(raw[start:]), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    def _check(self, path: Path, kept: Mapping[str, str]) -> None:
        different = [name for name in {**self.identity, **kept} if kept.get(name) != self.identity.get(name)]
        if different:
            raise TrainingError(
                "This training cannot go on from the checkpoint: it is another training.",
                where=f"{path}; what differs: {'; '.join(different)}",
                expected="the same data, model, optimizer, batch size and seed as when it was interrupted",
                todo="repeat the original command with --resume, or start anew with --replace",
            )


def kept_groups(folder: Path) -> int | None:
    """In how many groups the models of an interrupted training were trained; None where it left no state.

    What fits into memory may have changed since, and a state is one of a whole group.
    """
    states = [*folder.glob(f"[0-9]*{SUFFIX}"), *folder.glob(f"group-*-of-*/[0-9]*{SUFFIX}")]
    if not states:
        return None
    newest = max(states, key=lambda path: path.stat().st_mtime_ns).parent
    return 1 if newest == folder else int(newest.name.rpartition("-")[2])


def clear_checkpoints(folder: Path) -> None:
    """Remove the states of a finished training, those of its groups and programs too, and the folders left empty.

    Parameters
    ----------
    folder
        The folder that the states were kept in.
    """
    folders = [*sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True), folder]
    for inside in filter(Path.is_dir, folders):
        for path in inside.glob(f"*{SUFFIX}"):
            path.unlink(missing_ok=True)
        if not any(inside.iterdir()):
            inside.rmdir()
