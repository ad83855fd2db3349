"""Folders that a workflow fills: taken if they are free, or hold what the same workflow left there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from latentome import io
from latentome.errors import RunFolderError
from latentome.io.contents import is_litter


@contextmanager
def claimed_folder(out: str | Path, own: Iterable[str], replace: bool, what: str) -> Iterator[Path]:
    """Hold a folder that may be written into, by no other process until the block ends; it is made if it is not there.

    What the workflow writes are the names `own`, so that an earlier result can be recognised and replaced; it is left
    as it is until :func:`remove_files`. `what` says in a word what the folder is for.

    Raises
    ------
    RunFolderError
        If the folder holds something else, or a result that may not be replaced, or another process writes there.
    """
    out, own = Path(out), set(own)
    _check(out, own, replace, what)
    with io.lock_folder(out):
        _check(out, own, replace, what)  # anew: of two that found it free, the second one finds a result
        yield out


def remove_files(out: Path, own: Iterable[str]) -> None:
    """Remove the files of an earlier result by their names, so that one which is broken off does not mix both."""
    with io.guard_writing(out):
        for path in (out / name for name in own):
            if path.is_file():
                path.unlink()


def _check(out: Path, own: set[str], replace: bool, what: str) -> None:
    inside = sorted(p.name for p in out.iterdir() if not is_litter(p.name)) if out.is_dir() else []
    foreign = [name for name in inside if name not in own]
    if foreign or (inside and not replace) or out.is_file():
        raise RunFolderError(
            f"The folder for the {what} is in use.",
            where=f"{out}" + (f" holds {', '.join((foreign or inside)[:5])}" if inside else " is a file"),
            expected="a folder that is new or empty" + ("" if foreign else ", or --replace"),
            todo="give another folder with -o" + ("" if foreign else ", or add --replace"),
        )
