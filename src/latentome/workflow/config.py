"""What a run was asked to do: enough to repeat it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from latentome import datasets
from latentome.errors import InputError, RunFolderError, check_known

#: How the kinds of a setting are called.
WORDS = {
    str: "a text in quotes",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}

#: Settings that say where a file is. Of a list of genes a run has the genes themselves.
PATHS = ("data", "labels", "genes")


@dataclass(frozen=True)
class RunConfig:
    """The request behind a run; kept in its folder as ``config.toml``.

    Parameters
    ----------
    data
        Name of a data set, or path of an expression file.
    model
        ``nonlinear-pca``, ``vae``, ``adage``, ``deep``, ``linear``, or the name of a preset.
    labels
        A table of labels, samples in rows.
    label_column
        The column of labels that maps are coloured by and metrics compare with.
    orientation
        ``auto``, ``samples-by-genes`` or ``genes-by-samples``.
    duplicates
        What becomes of genes of the same name: ``refuse``, ``drop``, ``most-variable`` or ``sum``.
    on_disk
        Whether the matrix, an ``.h5ad`` file or Zarr, is read from disk in blocks; by default where it would fill more
        than a quarter of the free memory. `run` refuses it: only training and encoding go through a matrix in blocks.
    impute
        ``none``: missing values are refused; ``mean``: a few are filled with the training mean of their gene.
    transform
        ``auto``, ``log2p1``, ``log2cpm`` or ``none``.
    genes
        How many of the most variable genes to keep, or a file that lists them; all by default.
    select
        What variable means: ``mean-deviation``, ``median-deviation`` or ``variance``.
    scaling
        ``zero-one``, ``z-score``, ``robust`` or ``none``; by default what the preset or the model asks for.
    clip
        Whether values beyond the training range of a gene are cut to it, in held-out and in new samples.
    test_size
        Share of the samples that is held out for the evaluation.
    stratify
        Columns of labels whose classes are held out in their share; by default the column of labels.
    group
        A column: no two samples of the same group, such as a ``patient``, are on both sides.
    seed
        The seed that all randomness of the run comes from.
    parameters
        Arguments of the estimator that replace its defaults or the preset's.
    """

    data: str = "tcga-33"
    model: str = "nonlinear-pca"
    labels: str | None = None
    label_column: str | None = None
    orientation: str = "auto"
    duplicates: str = "refuse"
    impute: str = "none"
    on_disk: bool | None = None
    transform: str = "auto"
    genes: int | str | None = None
    select: str = "mean-deviation"
    scaling: str | None = None
    clip: bool = False
    test_size: float = 0.2
    stratify: list[str] = field(default_factory=list)
    group: str | None = None
    seed: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A run is repeated from any folder: paths are kept whole. Names of data sets stay names.
        names = {str(entry["name"]) for entry in datasets.available()}
        for name in ("data", "labels", "genes"):
            value = getattr(self, name)
            if isinstance(value, str) and value not in names and Path(value).exists():
                object.__setattr__(self, name, str(Path(value).resolve()))

    def to_dict(self) -> dict[str, Any]:
        """As a table for TOML, which has no word for nothing: what is not set is left out."""
        return _plain(asdict(self))

    @classmethod
    def from_dict(cls, table: dict[str, Any], where: str) -> RunConfig:
        """From a table read from `where`.

        Raises
        ------
        InputError
            If it holds a key that no run has, or a value of another kind than the key's.
        """
        return cls(**checked(cls, table, where, "a run"))

    @classmethod
    def from_call(cls, data: Any, model: str, options: dict[str, Any], function: str) -> RunConfig:
        """From the arguments of a function of ours.

        Raises
        ------
        InputError
            If an argument is none of a run, or of another kind.
        """
        if not isinstance(data, str | os.PathLike):
            raise InputError(
                f"{function} takes the path of a file: its run is repeated from that.",
                where=f"data, of type {type(data).__name__}",
                expected="the path of an expression file, or the name of a data set",
                todo='write it first: latentome.io.write_h5ad("expression.h5ad", adata)',
            )
        given = {"data": data, "model": model, **options}
        plain = {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in given.items()}
        if isinstance(plain.get("stratify"), str):  # one column, as `pp.split` takes it
            plain["stratify"] = [plain["stratify"]]
        todo = "correct that argument; those of the model belong into parameters={...}"
        return cls(**checked(cls, _plain(plain), f"the arguments of {function}", "a run", todo))


def checked(
    request: type, table: dict[str, Any], where: str, of: str, todo: str = "correct or remove that line"
) -> dict[str, Any]:
    """What TOML holds for a request (of a run, say), refused where a key is unknown or a value of the wrong kind."""
    kinds = get_type_hints(request)
    for key, value in table.items():
        known = f"There is no setting '{key}' of {of}."
        check_known(key, [f.name for f in fields(request)], known, where=where, todo=todo)
        if not _is_a(value, kinds[key]):
            raise InputError(
                f"This is no value of the setting '{key}' of {of}.",
                where=f"{where}: {key} = {value!r}",
                expected=" or ".join(WORDS[kind] for kind in _kinds(kinds[key])),
                todo=todo,
            )
    return table


def _kinds(hint: Any) -> list[type]:
    """The types of an annotation as TOML can hold them, which has lists for tuples and no word for nothing."""
    options = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    plain = [get_origin(option) or option for option in options if option is not type(None)]
    return [list if kind is tuple else kind for kind in plain]


def _is_a(value: Any, hint: Any) -> bool:
    kinds = _kinds(hint)
    return type(value) in kinds or (type(value) is int and float in kinds)


def _plain(table: dict[str, Any]) -> dict[str, Any]:
    """As TOML would give it back: lists for tuples, and what is None left out."""
    plain: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            plain[name] = _plain(value)
        elif isinstance(value, tuple):
            plain[name] = list(value)
        elif value is not None:
            plain[name] = value
    return plain


def check_same(old: RunConfig, new: RunConfig, where: str) -> None:
    """Refuse to go on with a run that was asked for something else, and name the difference.

    A file that is no longer where it was, and of the same name where it is said to be now, was moved: whether it is the
    same is for its checksum to say.
    """
    before, now = old.to_dict(), new.to_dict()
    for key in PATHS:
        then, here = before.get(key), now.get(key)
        if isinstance(then, str) and isinstance(here, str) and _was_moved(Path(then), Path(here)):
            before[key] = here
    if differing := _differing(before, now):
        raise RunFolderError(
            "This run cannot go on: it was asked for something else.",
            where=f"{where}; {'; '.join(f'{key}: {then} in the folder, {here} now' for key, then, here in differing)}",
            expected="the same data, model and options as when it was started",
            todo="repeat the original command with --resume, or start anew with --replace",
        )


def settings_of(table: dict[str, Any]) -> dict[str, Any]:
    """What a ``config.toml`` asks for, wherever its files are: their checksums are kept beside it."""
    return {key: value for key, value in table.items() if key not in PATHS or isinstance(value, int)}


def check_unedited(table: dict[str, Any], settings: dict[str, Any], where: str) -> None:
    """Refuse a ``config.toml`` with other settings than the manifest has: the model is that of the manifest.

    Both are compared as they were written: a later version may know more settings, and other defaults.
    """
    if differing := _differing(settings, settings_of(table)):
        raise RunFolderError(
            "config.toml was changed since the run was made.",
            where=f"{where}; {'; '.join(f'{key}: {then} when made, {here} now' for key, then, here in differing)}",
            expected="the settings that the run was made with, as manifest.json has them",
            todo="restore those lines, or make a new run; where its files are may be changed",
        )


def _differing(before: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The settings that are not the same, each with what it was and what it is."""
    keys = sorted(before.keys() | now.keys())
    return [(key, repr(before.get(key)), repr(now.get(key))) for key in keys if before.get(key) != now.get(key)]


def _was_moved(then: Path, now: Path) -> bool:
    return then.name == now.name and not then.exists() and now.exists()
