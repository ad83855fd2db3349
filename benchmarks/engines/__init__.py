"""The engines that are compared. Each is a module with ``train(job)``, which runs in a process of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec

import numpy as np
from tasks import Task


class NotAvailable(Exception):
    """Why an engine cannot run here."""


@dataclass
class Job:
    """What an engine has to do.

    Parameters
    ----------
    task
        The network and its training.
    x
        Samples x features, float32.
    kernels
        The weights from which all engines start: one array (inputs x outputs) for each of ``task.layers``.
    epochs
        Number of epochs.
    threads
        Number of threads that it may use.
    """

    task: Task
    x: np.ndarray
    kernels: list[np.ndarray]
    epochs: int
    threads: int


@dataclass
class Clock:
    """Starts after the imports; the epochs up to the first mark, which hold the compilation, count in the whole alone.

    Attributes
    ----------
    marks : list of (float, int)
        Time and number of epochs done.
    """

    start: float = field(default_factory=time.perf_counter)
    marks: list[tuple[float, int]] = field(default_factory=list)

    def mark(self, done: int) -> None:
        """Note that `done` epochs are over."""
        self.marks.append((time.perf_counter(), done))

    def result(self, loss: float) -> dict[str, float]:
        """Seconds per epoch and in all, and the mean loss of the last epoch."""
        whole = time.perf_counter() - self.start
        (first, one), (last, all_) = self.marks[0], self.marks[-1]
        return {"epoch": (last - first) / (all_ - one), "whole": whole, "loss": float(loss)}


@dataclass(frozen=True)
class Engine:
    """An engine by its title, module, the packages that it needs and the families that it can train."""

    title: str
    module: str
    needs: tuple[str, ...] = ()
    families: tuple[str, ...] = ("linear", "deep", "adage", "vae")
    backend: str = "jax"
    slow: bool = False

    def missing(self) -> str:
        """Which of the needed packages is not installed; empty where all are."""
        absent = [name for name in self.needs if find_spec(name) is None]
        return f"not installed: {', '.join(absent)}" if absent else ""


ENGINES = {
    "latentome": Engine("latentome", "ours"),
    "ours-keras-jax": Engine("our model, Keras fit, JAX", "keras_fit", slow=True),
    "keras-jax": Engine("plain Keras, fit, JAX", "keras_fit", slow=True),
    "keras-tensorflow": Engine(
        "plain Keras, fit, TensorFlow", "keras_fit", needs=("tensorflow",), backend="tensorflow", slow=True
    ),
    "torch": Engine("PyTorch, eager", "pytorch", needs=("torch",), slow=True),
    "torch-compiled": Engine("PyTorch, torch.compile", "pytorch", needs=("torch",), slow=True),
    "pythae": Engine("Pythae", "pythae_vae", needs=("torch", "pythae"), families=("vae",), slow=True),
}


def run(name: str, job: Job) -> dict[str, float]:
    """Train `job` with the engine `name`."""
    return import_module(f"engines.{ENGINES[name].module}").train(name, job)
