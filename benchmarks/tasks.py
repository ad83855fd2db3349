"""What is trained in the benchmarks: networks, their data, and the arithmetic of an epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

#: Samples and genes of Tybalt's matrix, and of the small one of ``--quick``.
FULL, QUICK = (9413, 5000), (1000, 800)


@dataclass(frozen=True)
class Task:
    """One network, its optimizer and how long it is trained.

    Parameters
    ----------
    title
        For people.
    family
        ``linear``, ``deep``, ``adage`` or ``vae``.
    latent, hidden
        Widths of the code and of the hidden layers between input and code; the decoder mirrors them.
    optimizer, learning_rate, batch
        Of the training.
    epochs, rounds
        Number of epochs, the first of which compiles and is not timed, and how often each engine's turn comes.
    quick_epochs
        Number of epochs with ``--quick``.
    """

    title: str
    family: str
    latent: int
    hidden: tuple[int, ...]
    optimizer: str
    learning_rate: float
    batch: int
    epochs: int
    rounds: int
    quick_epochs: int

    @property
    def is_class(self) -> bool:
        """Whether it is a model of the class: tiny, and trained for thousands of epochs."""
        return self.epochs > 100

    @property
    def data(self) -> str:
        """The name of the file of its data."""
        return "blobs.npy" if self.is_class else "expression.npy"

    def layers(self, width: int) -> list[tuple[int, int]]:
        """Inputs and outputs of every dense layer for data of `width` columns; a VAE's two heads count as one."""
        chain = [width, *self.hidden, self.latent, *self.hidden[::-1], width]
        pairs = list(zip(chain[:-1], chain[1:], strict=True))
        if self.family == "vae":
            pairs[0] = (width, 2 * self.latent)
        return pairs

    def gflop(self, rows: int, width: int) -> float:
        """Billions of operations in the matrix products of an epoch.

        A dense layer costs ``2 rows in out`` forward, as much again for the gradient of its weights and, but for the
        first layer, for the gradient of its input.
        """
        layers = self.layers(width)
        products = sum(6 * inputs * outputs for inputs, outputs in layers) - 2 * layers[0][0] * layers[0][1]
        return rows * products / 1e9


#: Share of the inputs that ADAGE drops in the Tybalt paper's comparison.
DROPOUT = 0.05

TASKS = {
    "class1": Task("model 1 of the class, 9-2-9", "linear", 2, (), "sgd", 0.01, 32, 3000, 1, 30),
    "class2": Task("model 2 of the class, 9-5-2-5-9", "deep", 2, (5,), "adam", 0.001, 32, 3000, 1, 30),
    "tybalt50": Task("Tybalt's VAE 5000-100-5000, batch 50", "vae", 100, (), "adam", 5e-4, 50, 7, 4, 4),
    "tybalt200": Task("Tybalt's VAE 5000-100-5000, batch 200", "vae", 100, (), "adam", 5e-4, 200, 7, 4, 4),
    # learning rate, batch, dropout and sigmoid output: scripts/adage_pancancer.py and config of greenelab/tybalt
    "adage": Task("Tybalt's ADAGE 5000-100-5000, batch 50", "adage", 100, (), "adadelta", 1.1, 50, 7, 4, 4),
    "deep": Task("deep 5000-300-100-300-5000, batch 50", "deep", 100, (300,), "adam", 0.001, 50, 7, 4, 4),
}


def activations(task: Task) -> tuple[str, str, str]:
    """Activations of the hidden layers, of the code and of the reconstruction."""
    if task.is_class:
        return ("linear", "linear", "linear") if task.family == "linear" else ("sigmoid", "sigmoid", "sigmoid")
    return ("relu", "relu", "sigmoid") if task.family == "adage" else ("relu", "linear", "linear")


def make_data(task: Task, folder: Path, quick: bool) -> tuple[int, int]:
    """Save the data of `task` in `folder`, unless they are there, and tell their shape.

    The blobs of the class, or simulated expression of the size of Tybalt's, each gene scaled to [0, 1].
    """
    path = folder / task.data
    if not path.exists():
        import latentome as lt

        if task.is_class:
            x = lt.datasets.load("blobs").X
        else:
            rows, genes = QUICK if quick else FULL
            x = lt.datasets.simulate(rows, genes, n_types=33, rng=0).X
            low, high = x.min(axis=0), x.max(axis=0)
            x = (x - low) / np.maximum(high - low, 1e-6)
        np.save(path, np.asarray(x, dtype=np.float32))
    return np.load(path, mmap_mode="r").shape
