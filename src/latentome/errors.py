"""The errors of the package: each one says what failed, where, what was expected and what to do."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

#: Whether this command has begun to write: what it replaces is gone, and what it wrote can be gone on with.
BEGUN: ContextVar[bool] = ContextVar("begun", default=False)


class LatentomeError(Exception):
    """A refusal that the user can act on.

    Parameters
    ----------
    what
        What failed, one sentence.
    where
        On which input: a file, a row, a column, an option, a shape or a range.
    expected
        What would have been right.
    todo
        What to do next.
    """

    def __init__(self, what: str, *, where: str, expected: str, todo: str) -> None:
        self.what, self.where, self.expected, self.todo = what, where, expected, todo
        super().__init__(f"{what}\n  where:    {where}\n  expected: {expected}\n  to do:    {todo}")

    def __reduce__(self):
        return _rebuild, (type(self), self.what, self.where, self.expected, self.todo)


def _rebuild(kind: type[LatentomeError], what: str, where: str, expected: str, todo: str) -> LatentomeError:
    """Let an error cross a process boundary (keyword-only arguments do not survive the default pickling)."""
    return kind(what, where=where, expected=expected, todo=todo)


class InputError(LatentomeError, ValueError):
    """A file, a matrix, an option or an argument is wrong."""


class RunFolderError(LatentomeError, ValueError):
    """A run folder cannot be used as asked: it holds another run, is incomplete, or was altered."""


class WriteError(RunFolderError):
    """A file cannot be written: the disk is full or read-only, say. What was complete before is still there."""


class DownloadError(LatentomeError, RuntimeError):
    """A file cannot be fetched, or what came is not that file. What was fetched whole before is still there."""


class TrainingError(LatentomeError, RuntimeError):
    """Training cannot go on, or cannot start as configured.

    Attributes
    ----------
    models
        Where a loss stopped being finite, the Keras models that trained together, with their last good weights.
    """

    models: Sequence[Any] = ()


class DensifiedWarning(UserWarning):
    """A sparse matrix was made dense, which takes memory. Filter it where that is known."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """Say which of `choices` a mistyped `name` may have meant, as an end of a sentence.

    Parameters
    ----------
    name
        What the user wrote.
    choices
        What exists.

    Returns
    -------
    A text such as ``"Did you mean 'vae'? There are: adage, vae."``, or that there are none.
    """
    choices = sorted(str(choice) for choice in choices)
    if not choices:
        return "There are none."
    meant = [f"'{choice}'" for choice in _meant(str(name).lower(), choices)]
    shown = ", ".join(choices[:30]) + (f", ... ({len(choices)} in all)" if len(choices) > 30 else "")
    hint = f"Did you mean {', '.join(meant[:-1]) + ' or ' if meant[1:] else ''}{meant[-1]}? " if meant else ""
    return f"{hint}There are: {shown}."


def _meant(name: str, choices: list[str]) -> list[str]:
    """The choices that begin with `name`, up to six; else the most similar one, else those that hold `name`."""
    begin = [choice for choice in choices if name and choice.lower().startswith(name)]
    if 0 < len(begin) <= 6:
        return begin
    # More than half alike, as 'median' and 'median-deviation' are; at a half 'tied' would be 'patience'.
    close = difflib.get_close_matches(name, [choice.lower() for choice in choices], n=1, cutoff=0.52)
    if close:
        return [choice for choice in choices if choice.lower() == close[0]][:1]
    return [choice for choice in choices if len(name) > 2 and name in choice.lower()][:6]


def check_known(name: str, choices: Iterable[str], what: str, *, where: str, todo: str = "choose one of these") -> None:
    """Refuse a `name` that is not among `choices`; the nearest one is told as what is expected."""
    if name not in choices:
        raise InputError(what, where=where, expected=nearest(name, choices), todo=todo)


@contextmanager
def extra(name: str, what: str, *, where: str, expected: str = "", instead: str = "") -> Iterator[None]:
    """Refuse where what a block imports is not installed.

    Parameters
    ----------
    name
        The extra that brings it, as in ``pip install "latentome[NAME]"``.
    what, where, expected
        As in `LatentomeError`; what is expected is the extra unless more is to be said.
    instead
        What can be done without it, added to how it is installed.
    """
    try:
        yield
    except ImportError as failure:
        todo = f'pip install "latentome[{name}]"{instead}'
        told = f"{where}: {failure}"
        raise InputError(what, where=told, expected=expected or f"the extra '{name}'", todo=todo) from failure


def check_anndata(adata: Any, function: str) -> None:
    """Refuse what is no `anndata.AnnData`, a table of numbers, say, and tell how it becomes one.

    Parameters
    ----------
    adata
        What the user gave; it is known by what it has, so that AnnData need not be imported.
    function
        The function that it was given to.
    """
    if hasattr(adata, "obsm") and hasattr(adata, "varm"):
        return
    raise InputError(
        f"{function} takes an AnnData.",
        where=f"its first argument, of type {type(adata).__name__}",
        expected="an anndata.AnnData, samples x genes",
        todo="Read a file with latentome.io.read(path), or wrap a table of samples x genes: anndata.AnnData(table)",
    )


def of_anndata(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function whose first argument is an AnnData, so that anything else is refused with the way to one."""
    name = f"{function.__module__.removeprefix('latentome.').split('.')[0]}.{function.__name__}"
    first = function.__code__.co_varnames[0]

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        if args or first in kwargs:  # without it Python says what is missing
            check_anndata(args[0] if args else kwargs[first], name)
        return function(*args, **kwargs)

    return checked
