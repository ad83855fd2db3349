"""latentome: latent features of gene expression that people can trust.

The public names are loaded on first use, so that ``import latentome`` costs next to nothing. Importing the package
selects the JAX backend of Keras; where Keras was imported before with another backend, the import says so.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from latentome._later import loaded_later
from latentome._version import __version__
from latentome.errors import DownloadError, InputError, LatentomeError, RunFolderError, TrainingError

if TYPE_CHECKING:
    from latentome import datasets, errors, estimators, io, models, pl, pp, report, sweep, tl, training, workflow
    from latentome.estimators import (
        DeepAutoencoder,
        DenoisingAutoencoder,
        LinearAutoencoder,
        NonlinearPCA,
        VariationalAutoencoder,
        load_model,
    )
    from latentome.workflow import run

_FOLDERS = (
    *("datasets", "errors", "estimators", "io", "models", "pl", "pp", "report", "sweep", "tl", "training", "workflow"),
)
_FROM = {
    "DeepAutoencoder": "estimators",
    "DenoisingAutoencoder": "estimators",
    "LinearAutoencoder": "estimators",
    "NonlinearPCA": "estimators",
    "VariationalAutoencoder": "estimators",
    "load_model": "estimators",
    "run": "workflow",
}

__all__ = [
    "DeepAutoencoder",
    "DenoisingAutoencoder",
    "DownloadError",
    "InputError",
    "LatentomeError",
    "LinearAutoencoder",
    "NonlinearPCA",
    "RunFolderError",
    "TrainingError",
    "VariationalAutoencoder",
    "__version__",
    "datasets",
    "errors",
    "estimators",
    "io",
    "load_model",
    "models",
    "pl",
    "pp",
    "report",
    "run",
    "sweep",
    "tl",
    "training",
    "workflow",
]


def _select_backend() -> None:
    """Make Keras start on JAX, or refuse where it already runs on something else."""
    keras = sys.modules.get("keras")
    if keras is None:
        os.environ["KERAS_BACKEND"] = "jax"
        return
    backend = keras.config.backend()
    if backend != "jax":
        raise ImportError(
            f"latentome needs Keras on the JAX backend, but Keras was imported before with '{backend}'.\n"
            "  expected: import latentome before keras, or KERAS_BACKEND=jax in the environment\n"
            "  to do:    restart Python and import latentome first"
        )


_select_backend()


#: A process with fewer objects has read nothing much yet: Python with NumPy and pandas has some 60,000.
_FEW = 100_000
_first = True


def _load(folder: str) -> ModuleType:
    """Import a folder, and with it very many objects that stay: no time is spent on garbage among them.

    Nor is it later, and at the end of the process, where this is the first that is loaded and nothing much is there yet
    (`gc.freeze`): to look through hundreds of thousands of objects again and again takes a quarter of a short script.
    """
    global _first
    collects, begins = gc.isenabled(), _first and len(gc.get_objects()) < _FEW
    _first = False
    gc.disable()
    try:
        with loaded_later():
            module = importlib.import_module(f"latentome.{folder}")
        if begins and collects:
            gc.freeze()
        return module
    finally:
        if collects:
            gc.enable()


def __getattr__(name: str):
    if name in _FOLDERS:
        return _load(name)
    if name in _FROM:
        return getattr(_load(_FROM[name]), name)
    raise AttributeError(f"module 'latentome' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*__all__, *_FOLDERS})
