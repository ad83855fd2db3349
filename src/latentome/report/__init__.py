"""The report of a run: one HTML file that opens anywhere, without a network; or served, with every gene."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latentome.report.page import write
    from latentome.report.server import ExplorerServer

_HOME = {"ExplorerServer": "server", "write": "page"}

__all__ = ["ExplorerServer", "write"]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # jinja2 is not needed by a program that writes no report.
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
