"""Folders that a workflow fills: taken if they are free, or hold what the same workflow left there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from latentome import io
from latentome.errors import RunFolderError
from latentome.io.contents import is_litter


def claim_folder(out: str | Path, own: Iterable[str], replace: bool, what: str) -> Path:
    """Give a folder that may be written into; it is made if it is not there.

    Parameters
    ----------
    out
        The folder.
    own
        Names of what the workflow writes, so that an earlier result can be recognised and replaced.
    replace
        Whether an earlier result may be replaced.
    what
        What the folder is for, in a word, for the message.

    Raises
    ------
    RunFolderError
        If the folder holds something else, or a result that may not be replaced.
    WriteError
        If it cannot be made.
    """
    out, own = Path(out), set(own)
    inside = sorted(p.name for p in out.iterdir() if not is_litter(p.name)) if out.is_dir() else []
    foreign = [name for name in inside if name not in own]
    if foreign or (inside and not replace) or out.is_file():
        raise RunFolderError(
            f"The folder for the {what} is in use.",
            where=f"{out}" + (f" holds {', '.join((foreign or inside)[:5])}" if inside else " is a file"),
            expected="a folder that is new or empty" + ("" if foreign else ", or --replace"),
            todo="give another folder with -o" + ("" if foreign else ", or add --replace"),
        )
    with io.guard_writing(out):
        out.mkdir(parents=True, exist_ok=True)
    return out
