"""The folder of a run: its parts, and when it may be written."""

from __future__ import annotations

import difflib
import json
import os
import shlex
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from latentome.errors import BEGUN, RunFolderError, nearest
from latentome.io.atomic import TEMPORARY_SUFFIX, guard_writing, write_json, write_toml
from latentome.io.contents import FOLDERS, ITEMS, PROBE, is_litter
from latentome.io.html import run_face
from latentome.io.lock import lock_folder, refuse_held


def _part(name: str, doc: str) -> property:
    """The path of a part of a run as an attribute."""

    def path(run: RunFolder) -> Path:
        return run.item(name)

    return property(path, doc=doc)


class RunFolder:
    """A folder that holds one run.

    Parameters
    ----------
    path
        The folder. Nothing is checked here: use :meth:`create` for a new run and :meth:`open` for one that exists.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser()
        try:
            str(self.path).encode()
        except UnicodeEncodeError as failure:  # its manifest and its report could not name it
            raise RunFolderError(
                "The name of the folder is no text in UTF-8",
                where=ascii(str(self.path)),
                expected="a name in UTF-8, and a locale that has it",
                todo="Rename the folder; or, where its name has letters as it should, set a locale such as C.UTF-8.",
            ) from failure

    def __repr__(self) -> str:
        return f"RunFolder('{self.path}')"

    def _repr_html_(self) -> str:
        return run_face(self)

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """Name of the folder for messages; that of ``.`` is empty, so its own is looked up."""
        return self.path.name or self.path.absolute().name or str(self.path)

    @property
    def typed(self) -> str:
        """The path as one types it in a command: quoted where its name has a space, say."""
        return shlex.quote(str(self.path))

    @classmethod
    def create(cls, path: str | os.PathLike[str], replace: bool = False) -> RunFolder:
        """Make the folder for a new run, with its parents.

        It is locked while it is made; hold :meth:`lock` around this and what is written then.

        Parameters
        ----------
        path
            A folder that does not exist, or is empty, or holds a run.
        replace
            Whether a run that is there may be removed. Only files that a run writes are removed, by their known names.

        Raises
        ------
        RunFolderError
            If the path is a file, cannot be written, is held by another process, holds something else, or holds a run
            and `replace` is False.
        """
        run = cls.check_free(path, replace)
        with run.lock():
            # Anew, now that it stays as it is: of two that found it free, the second one finds a run.
            cls.check_free(path, replace)
            BEGUN.set(True)
            run._remove_run()
            run._prepare()
        return run

    @classmethod
    def check_free(cls, path: str | os.PathLike[str], replace: bool = False) -> RunFolder:
        """Refuse what :meth:`create` refuses, without touching anything; worth knowing before an hour of reading."""
        run = cls(path)
        if run.path.exists() and not run.path.is_dir():
            raise RunFolderError(
                f"{run.name} is a file, not a folder",
                where=str(run.path),
                expected="a folder for the run, or a path at which nothing exists",
                todo="Give another path (-o).",
            )
        refuse_held(run.path)
        inside = sorted(entry.name for entry in run.path.iterdir()) if run.path.exists() else []
        # What a process leaves that was killed before it wrote anything makes no folder a used one.
        inside = [name for name in inside if not is_litter(name)]
        if inside and not run._holds_run():
            raise RunFolderError(
                f"{run.name} is not empty and is not a run",
                where=f"{run.path} holds {', '.join(inside[:5])}{', ...' if len(inside) > 5 else ''}",
                expected="a folder that is new, empty, or holds a run",
                todo="Give another folder (-o); --replace does not touch files that no run has written.",
            )
        if inside and not replace:
            raise RunFolderError(
                f"{run.name} already holds a run",
                where=str(run.path),
                expected="a folder without a run",
                todo="Give another folder (-o), or --replace to remove that run, or --resume to go on with it.",
            )
        return run

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFolder:
        """Open the folder of an existing run.

        Raises
        ------
        RunFolderError
            If there is no such folder, or it holds no run.
        """
        run = cls(path)
        if not run.path.is_dir():
            raise RunFolderError(
                f"There is no run folder {run.name}",
                where=str(run.path),
                expected="a folder that 'latentome train' or 'latentome run' has made",
                todo=f"Check the spelling. {_neighbours(run.path)}",
            )
        if not run._holds_run():
            raise RunFolderError(
                f"{run.name} is not a run folder",
                where=f"{run.path} holds a sweep"
                if (run.path / "sweep.toml").is_file()
                else f"{run.path} has neither manifest.json nor config.toml",
                expected="a folder that 'latentome train' or 'latentome run' has made",
                todo=f"Give the folder of the run itself. {_neighbours(run.path / 'x')}",
            )
        return run

    def lock(self) -> AbstractContextManager[None]:
        """Hold the folder for writing: until the block ends, no other process can; its end, in any way, sets it free.

        The thread that holds the folder may ask again. Who only reads needs no lock, and gets files that are complete.

        Raises
        ------
        RunFolderError
            If another process holds the folder, with its number; or if the folder cannot be written.
        """
        return self._locked()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with lock_folder(self.path) as alone:
            # Halves of files that killed processes have left.
            for folder in (
                () if not alone else (self.path, self.figures, self.path / "figures-dark", self.interpretation)
            ):
                for path in folder.glob(f".*{TEMPORARY_SUFFIX}.*"):
                    if path.is_file():
                        path.unlink(missing_ok=True)
            yield

    def is_broken_off(self) -> bool:
        """Whether a run was stopped here so early that nothing is lost when it starts afresh.

        Raises
        ------
        RunFolderError
            If there is no manifest.json, but something that is made after it.
        """
        if self.manifest.exists() or not self.config.exists():
            return False
        early = (self.config, self.manifest, self.preprocessing)
        later = [item.path for item in ITEMS.values() if self.path / item.path not in early]
        found = [path for path in later if (self.path / path).exists()]
        if found:
            raise RunFolderError(
                f"The run {self.name} has lost its manifest.json",
                where=f"{self.path} holds {', '.join(found[:5])}{', ...' if len(found) > 5 else ''}",
                expected="manifest.json, which says what these files were made from",
                todo="Restore manifest.json, or give --replace to remove the run and start anew.",
            )
        return True

    def item(self, name: str) -> Path:
        """Give the path of a part of the run by its name, such as ``"latent"``, whether it exists or not.

        Parameters
        ----------
        name
            Name of the part, a key of `ITEMS`.
        """
        if name not in ITEMS:
            raise RunFolderError(
                f"A run has no part named '{name}'",
                where=str(self.path),
                expected="the name of a part of a run",
                todo=nearest(name, ITEMS),
            )
        return self.path / ITEMS[name].path

    def require(self, name: str) -> Path:
        """Give the path of a part of the run that must exist.

        Parameters
        ----------
        name
            As in `item`.

        Raises
        ------
        RunFolderError
            If it is not there, with the command that makes it.
        """
        path = self.item(name)
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            return path
        command = ITEMS[name].command
        if command not in ("train", "predict") and self.manifest.is_file() and self.trained_from_disk:
            raise self.needs_memory()
        what = self.typed
        if command == "train":
            begun = self.manifest.exists() and self.read_manifest().get("status") == "training"
            there = self.manifest.exists() or self.config.exists()
            what = f"DATA -m MODEL -o {self.typed}{' --resume' if begun else ' --replace' if there else ''}"
        raise RunFolderError(
            f"The run {self.name} has no {ITEMS[name].path} yet",
            where=str(path),
            expected=f"{ITEMS[name].path}, which 'latentome {command}' makes",
            todo=f"Make it: latentome {command} {what}",
        )

    config = _part("config", "config.toml: what repeats the run.")
    manifest = _part("manifest", "manifest.json: hash of the data, versions, seeds, timings.")
    model = _part("model", "model.keras: the whole model.")
    encoder = _part("encoder", "encoder.weights.h5.")
    decoder = _part("decoder", "decoder.weights.h5.")
    preprocessing = _part("preprocessing", "preprocessing.json: genes, scaling and what new samples need.")
    history = _part("history", "history.tsv: one row an epoch.")
    checkpoints = _part("checkpoints", "checkpoints/: from which a run resumes.")
    latent = _part("latent", "latent.tsv: samples x latent features.")
    tsne = _part("tsne", "tsne.tsv: samples x 2.")
    h5ad = _part("h5ad", "latent.h5ad: everything about the samples.")
    metrics = _part("metrics", "metrics.json: the comparison with PCA.")
    signatures = _part("signatures", "signatures.tsv: the genes of each latent feature.")
    interpretation = _part("interpretation", "interpretation/: the tables that say what the features mean.")
    figures = _part("figures", "figures/: the images.")
    report = _part("report", "report.html: one file.")

    def read_manifest(self, *needed: str) -> dict[str, Any]:
        """Read manifest.json; refuse one that is missing, damaged, or lacks one of the parts that are `needed`."""

        def parse(text: str) -> Any:
            content = json.loads(text)
            for name in needed:
                if isinstance(content, dict) and not isinstance(content.get(name), dict):
                    raise ValueError(f"it has no '{name}'")
            return content

        return self._parse("manifest", parse)

    @property
    def trained_from_disk(self) -> bool:
        """Whether the matrix of the run was read from disk in blocks."""
        return bool(self.read_manifest().get("data", {}).get("on_disk"))

    def needs_memory(self) -> RunFolderError:
        """The refusal of what needs all samples in memory, where they were not when the run was trained."""
        return RunFolderError(
            "This run was trained from disk: what needs all samples in memory cannot follow it.",
            where=str(self.path),
            expected="'latentome predict', which goes through the samples in blocks",
            todo=f"use latentome predict {self.typed}; or train on fewer samples or genes, with --in-memory",
        )

    def update_manifest(self, **fields: Any) -> dict[str, Any]:
        """Set top-level fields of manifest.json, keep the others, and give the whole.

        Parameters
        ----------
        **fields
            What JSON can hold.
        """
        merged = (self.read_manifest() if self.manifest.exists() else {}) | fields
        write_json(self.manifest, merged)
        return merged

    def read_config(self) -> dict[str, Any]:
        """Read config.toml; refuse one that is missing or damaged."""
        return self._parse("config", tomllib.loads)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write config.toml.

        Parameters
        ----------
        config
            Keys and values that TOML can hold.
        """
        write_toml(self.config, config)

    def read_metrics(self) -> dict[str, Any]:
        """Read metrics.json; refuse one that is missing or damaged."""
        return self._parse("metrics", json.loads)

    def _parse(self, name: str, parser) -> dict[str, Any]:
        path = self.require(name)
        try:
            content = parser(path.read_text(encoding="utf-8"))
            if not isinstance(content, dict) or not content:
                raise ValueError("it holds nothing that a run writes there")
            return content
        except ValueError as failure:  # of JSON, TOML and UTF-8 alike
            raise RunFolderError(
                f"{path.name} of the run {self.name} is damaged",
                where=f"{path}: {failure}",
                expected=f"{path.name} as the run wrote it",
                todo="Restore the file, or run again into another folder.",
            ) from failure

    def _holds_run(self) -> bool:
        # A sweep's folder has a manifest, too.
        return (self.manifest.is_file() or self.config.is_file()) and not (self.path / "sweep.toml").is_file()

    def _remove_run(self) -> None:
        """Remove what a run has written here, by its known names, and no more.

        The files of the lock stay: they are ours, and whoever else might look at them does so now. `lock` removes them
        at its end, in the order that makes it safe.
        """
        doomed = [self.path / item.path for item in ITEMS.values()]
        doomed += self.path.glob("model.member-*.keras")
        doomed += self.path.glob(f".*{TEMPORARY_SUFFIX}.*")
        folders = list(self._folders())
        for folder, suffixes in folders:
            doomed += [entry for entry in folder.iterdir() if {entry.suffix, entry.name} & set(suffixes)]
        # A removal that is broken off has to look like what it is: without its manifest the run is no run to go on
        # with, and as long as its last file is there, the removal can be repeated.
        last = self.config if self.config.exists() else self.manifest
        for path in sorted(doomed, key=lambda path: (path == last, path != self.manifest)):
            if path.is_symlink() or path.is_file():
                path.unlink()
        for folder, _ in folders:
            if not any(folder.iterdir()):
                folder.rmdir()
        self.remove_matrix()

    def remove_matrix(self) -> None:
        """Remove the preprocessed copy of a matrix on disk, finished or not."""
        path = self.item("matrix")
        for folder in filter(Path.is_dir, (path, *self.path.glob(f".*{TEMPORARY_SUFFIX}.{path.name}"))):
            shutil.rmtree(folder)

    def _folders(self) -> Iterator[tuple[Path, tuple[str, ...]]]:
        """The folders of the run, inner ones first, each with the suffixes of what runs write there."""
        for pattern, suffixes in FOLDERS.items():
            for folder in self.path.glob(pattern):
                if folder.is_symlink() or not folder.is_dir():
                    continue
                if pattern == "checkpoints":  # states of several trainings lie in a folder each, of two rounds in two
                    inner = [path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink()]
                    yield from ((path, suffixes) for path in sorted(inner, key=lambda path: -len(path.parts)))
                yield folder, suffixes

    def _prepare(self) -> None:
        with guard_writing(self.path):
            (self.path / PROBE).touch()
            (self.path / PROBE).unlink()


def _neighbours(path: Path) -> str:
    """Name runs next to where one was looked for."""
    if not path.parent.is_dir():
        return f"The folder {path.parent} does not exist either."
    runs = [entry.name for entry in path.parent.iterdir() if entry.is_dir() and RunFolder(entry)._holds_run()]
    close = difflib.get_close_matches(path.name, runs, n=1, cutoff=0.5)
    hint = f"Did you mean '{close[0]}'? " if close else ""
    return f"{hint}Runs in {path.parent}: {', '.join(sorted(runs)[:10]) or 'none'}."
