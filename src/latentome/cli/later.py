"""Modules that are loaded when something of them is used, not when they are imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Any

#: Keras imports the first for a gallery of pictures that nothing here shows, scikit-learn the second for few of its
#: parts.
LATER = ("matplotlib.pyplot", "scipy.stats")


class _Finder:
    """Finds the modules of `LATER` as usual, and puts their loading off."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in LATER else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(LazyLoader):
    """Loads a module when something of it is used; that is not when it is imported a second time.

    Python's import statement then looks at ``__spec__``, and forgets what is raised there: an interruption while the
    module is loaded would be lost, and half a module stay behind.
    """

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        lazy = type(module)

        def get(self: ModuleType, name: str) -> Any:
            if name == "__spec__":
                return object.__getattribute__(self, name)
            object.__setattr__(self, "__class__", lazy)
            return getattr(self, name)

        module.__class__ = type("Later", (lazy,), {"__getattribute__": get})


def load_later() -> None:
    """Put the loading of what this process is unlikely to use off until it does."""
    sys.meta_path.insert(0, _Finder)
