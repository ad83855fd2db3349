"""Modules that libraries import and hardly use: a stand-in takes their place until something of one is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType
from typing import Any

#: Keras imports the first for a gallery of pictures that nothing here shows, scikit-learn the second for few of its
#: parts. They take a third of the time of all imports.
LATER = ("matplotlib.pyplot", "scipy.stats")
#: What the import system looks for in a module before it sets it.
_OF_IMPORTS = ("__path__", "__file__", "__cached__")
_lock = RLock()


class Later(ModuleType):
    """Stands for a module: what is asked of it is that module's, which is imported then, and then only."""

    def __getattr__(self, name: str) -> Any:
        if name in _OF_IMPORTS:
            raise AttributeError(name)
        put_back(self.__name__)
        return getattr(importlib.import_module(self.__name__), name)


class _Finder:
    """Finds stand-ins for the modules of `LATER` that were not asked for yet."""

    def __init__(self) -> None:
        self.due = set(LATER)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in self.due else None
        if spec is not None:
            spec.loader = _Loader()
            self.due.discard(name)  # whoever asks again wants the module itself
        return spec


class _Loader:
    """Makes stand-ins."""

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        return Later(spec.name)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Nothing is loaded."""


def load_later() -> None:
    """Put the loading of what this process is unlikely to use off until it does."""
    sys.meta_path.insert(0, _Finder())


@contextmanager
def loaded_later() -> Iterator[None]:
    """Put it off for what is imported in this block alone: whoever imports such a module after it gets the module."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in LATER:
            put_back(name)


def put_back(name: str) -> None:
    """Take a stand-in out of the modules, so that the next import is that of the module."""
    with _lock:
        module = sys.modules.get(name)
        if isinstance(module, Later):
            del sys.modules[name]
            package, _, child = name.rpartition(".")
            if vars(sys.modules[package]).get(child) is module:
                delattr(sys.modules[package], child)
