"""Archives unpacked into one folder: nothing outside it, no links, and no more than an honest archive holds."""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from latentome.errors import InputError, LatentomeError
from latentome.io import guard_writing

#: Text packs to a tenth, tables of few values to a hundredth; bombs to less than a thousandth.
LARGEST_RATIO = 200
_SPARE = 2**26
_MOST_FILES = 100_000
_BLOCK = 2**20
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError)


def unpack(archive: Path, folder: Path, *, reserved: Iterable[str] = ()) -> list[Path]:
    """Unpack a tar (packed or not) or zip archive, all or nothing, into a folder; give its files.

    The one folder that holds all files of the archive is left out of their paths. None of them may take a `reserved`
    name.

    Raises
    ------
    InputError
        If it is no archive, is damaged, holds a path outside the folder, a link or a device, a reserved name, or
        unpacks to more than 200 times its size and 64 MiB; nothing of it is then left.
    """
    with guard_writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder))
    try:
        names = _copy_all(archive, aside)
        prefix = _common_folder(names)
        files = []
        targets = {name: folder / name.relative_to(prefix) for name in names}
        for name, target in targets.items():
            if target in {folder / taken for taken in (archive.name, *reserved)}:
                raise _refusal(archive, f"it holds '{name}'", "files of other names")
        with guard_writing(folder):
            for name, target in targets.items():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(aside / name, target)
                files.append(target)
        return files
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _copy_all(archive: Path, aside: Path) -> list[PurePosixPath]:
    left = LARGEST_RATIO * archive.stat().st_size + _SPARE
    names: dict[PurePosixPath, None] = {}  # ordered, and quick to look up
    try:
        for name, stream in _members(archive):
            path = _safe(archive, name, aside)
            if path in names or len(names) == _MOST_FILES:
                raise _refusal(archive, f"it holds '{name}' twice, or too many files", "each file once")
            target = aside / path
            with guard_writing(target):
                target.parent.mkdir(parents=True, exist_ok=True)
            with stream, _create(target) as out:
                while block := stream.read(_BLOCK):
                    left -= len(block)
                    if left < 0:
                        raise _refusal(
                            archive,
                            f"it unpacks to more than {LARGEST_RATIO} times its size, which is a bomb rather than data",
                            "an archive of data",
                        )
                    with guard_writing(target):
                        out.write(block)
            names[path] = None
    except LatentomeError:
        raise
    except (*_DAMAGE, OSError, RuntimeError, ValueError) as failure:
        raise _refusal(archive, f"it is damaged: {failure}", "a complete tar or zip archive") from failure
    if not names:
        raise _refusal(archive, "it holds no file", "an archive with files")
    return list(names)


def _create(target: Path) -> IO[bytes]:
    with guard_writing(target):
        return target.open("xb")


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of each file, one after the other."""
    with archive.open("rb") as stream:  # is_zipfile() finds a zip archive inside a tar, too
        is_zip = stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    if is_zip:
        with zipfile.ZipFile(archive) as packed:
            for entry in packed.infolist():
                kind = stat.S_IFMT(entry.external_attr >> 16)
                if entry.is_dir():
                    continue
                if kind not in (0, stat.S_IFREG):
                    raise _refusal(archive, f"'{entry.filename}' is a link or a device", "plain files")
                yield entry.filename, packed.open(entry)
        return
    with tarfile.open(archive, "r:*") as packed:
        for member in packed:
            if member.isdir():
                continue
            if not member.isreg():
                raise _refusal(archive, f"'{member.name}' is a link or a device", "plain files")
            stream = packed.extractfile(member)
            if stream is not None:
                yield member.name, stream


def _safe(archive: Path, name: str, aside: Path) -> PurePosixPath:
    """The path inside the folder that a name means, if it means one."""
    path = PurePosixPath(name.replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0]) or "\0" in name
    if outside or not path.parts or not (aside / path).resolve().is_relative_to(aside.resolve()):
        raise _refusal(archive, f"it holds the path '{name}', which leads out of the folder", "paths inside it")
    return path


def _common_folder(names: list[PurePosixPath]) -> PurePosixPath:
    tops = {name.parts[0] for name in names}
    return PurePosixPath(tops.pop()) if len(tops) == 1 and all(len(n.parts) > 1 for n in names) else PurePosixPath()


def _refusal(archive: Path, problem: str, expected: str) -> InputError:
    return InputError(
        f"{archive.name} is not unpacked: {problem}",
        where=str(archive),
        expected=expected,
        todo="Fetch it again from a source that you trust, or leave --extract out if it is no archive: nothing of it "
        "was unpacked.",
    )
