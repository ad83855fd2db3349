"""Modules that are loaded when something of them is used, not when they are imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

#: Keras imports the first for a gallery of pictures that nothing here shows, scikit-learn the second for few of its
#: parts.
LATER = ("matplotlib.pyplot", "scipy.stats")


class _Finder:
    """Finds the modules of `LATER` as usual, and puts their loading off."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in LATER else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def load_later() -> None:
    """Put the loading of what this process is unlikely to use off until it does."""
    sys.meta_path.insert(0, _Finder)
