"""Files fetched once, checked, and kept: by pooch, with resumption, several addresses and trust on first use."""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from latentome.datasets.registry import available
from latentome.datasets.remote import RemoteFile, remote_sets
from latentome.datasets.transfer import Patience, Refused, Transfer
from latentome.datasets.unpack import unpack
from latentome.errors import DownloadError, InputError, nearest
from latentome.io import guard_writing, lock_folder, write_json
from latentome.io.files import sha256

#: Set this variable to the folder that fetched files are kept in.
FOLDER = "LATENTOME_DATA"
#: Set this variable to 1 to use only what is there already.
OFFLINE = "LATENTOME_OFFLINE"
#: What came when nothing was known of a file: its hash, which every later copy has to have.
CHECKSUMS = "checksums.json"
#: Bytes of the name of a file that an address gives it; file systems take 255, and parts of it have longer names.
_LONGEST_NAME = 200
#: How an address begins.
ADDRESS = r"https?://"

Progress = Callable[[str, int, int | None], None]


class _Plan(NamedTuple):
    """What is fetched, and how."""

    files: Sequence[RemoteFile]
    folder: Path
    offline: bool
    patience: Patience
    progress: Progress
    address: str | None = None


def data_folder() -> Path:
    """Give the folder that fetched files are kept in: ``LATENTOME_DATA``, or ``data`` in the user's cache."""
    import platformdirs

    wanted = os.environ.get(FOLDER, "")
    return Path(wanted).expanduser() if wanted else Path(platformdirs.user_cache_dir("latentome", False)) / "data"


def download(
    what: str,
    folder: str | os.PathLike[str] | None = None,
    *,
    only: str | Sequence[str] | None = None,
    offline: bool | None = None,
    extract: bool = False,
    timeout: float = 30.0,
    attempts: int = 4,
    wait: float = 1.0,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Fetch a data set or any file, unless it is there already, and check it.

    Parameters
    ----------
    what
        The name of a data set (see :func:`downloadable`), or an address that starts with ``http://`` or ``https://``.
    folder
        Where the files are kept; by default a folder of their own in :func:`data_folder`.
    only
        Names, or patterns such as ``models/*``, of the files of the data set that are wanted; all by default.
    offline
        Whether only files that are there already are given; by default as the environment variable
        ``LATENTOME_OFFLINE`` says.
    extract
        Whether the file of an address is an archive whose files are wanted. Data sets know it of their own.
    timeout
        Seconds without an answer after which a transfer has stalled.
    attempts
        How often in a row a transfer may fail without getting any further.
    wait
        Seconds before the second attempt; twice as long before each further one, at most 60.
    progress
        Called with the name of the file, the bytes that are there and the bytes of all of it (or None).

    Returns
    -------
    The files by their names in the folder, unpacked ones in place of their archive.

    Raises
    ------
    InputError
        If there is no such data set or file of it, or an archive is unsafe.
    DownloadError
        If no address gives the file, it is not the file that its hash, its size or the first copy promise, or the
        network is needed and may not be used.
    WriteError
        If it cannot be written.

    Notes
    -----
    A file whose publisher gives no hash is trusted when it comes for the first time. Its SHA-256 is kept in
    ``checksums.json`` beside it, and any other content is refused from then on. Copy that file to another machine to
    have the same there. A transfer that was cut goes on where it stopped, in a later call too. Proxies are those of the
    environment (``HTTPS_PROXY`` and so on).
    """
    files, place = _resolve(what, only, extract)
    switched_off = os.environ.get(OFFLINE, "").lower() not in ("", "0", "no", "false")
    plan = _Plan(
        files,
        Path(folder).expanduser() if folder is not None else data_folder() / place,
        switched_off if offline is None else offline,
        Patience(timeout, attempts, wait),
        progress or (lambda name, done, total: None),
        what if re.match(ADDRESS, what, re.IGNORECASE) else None,
    )
    # A cache that is only looked at may lie where nothing can be written, and many may look at once.
    with contextlib.nullcontext() if plan.offline or _complete(plan) else lock_folder(plan.folder):
        found: dict[str, Path] = {}
        for file in plan.files:
            found |= _provide(file, plan)
    return found


def _complete(plan: _Plan) -> bool:
    """Whether all files are there as they were fetched, so that nothing is left to write."""
    known = _read_checksums(plan.folder)
    entries = [(file, known.get(file.name, {})) for file in plan.files]
    return all(
        _has_size(plan.folder / file.name, entry.get("size", -1))
        and entry.get("sha256") in (file.sha256 or entry.get("sha256"),)
        and sha256(plan.folder / file.name) == entry.get("sha256")
        and (not file.unpack or _all_there(plan.folder, entry))
        for file, entry in entries
    )


def downloadable() -> list[dict[str, Any]]:
    """List the data sets that :func:`download` knows.

    Returns
    -------
    One dict each, with ``name``, ``what``, ``source``, ``licence``, ``files`` (their number), ``size`` (bytes, None if
    not published) and ``hashes`` (how many files have a published SHA-256).
    """
    return [
        {
            "name": name,
            "what": known.what,
            "source": known.source,
            "licence": known.licence,
            "files": len(known.files),
            "size": None if any(f.size is None for f in known.files) else sum(f.size or 0 for f in known.files),
            "hashes": sum(f.sha256 is not None for f in known.files),
        }
        for name, known in remote_sets().items()
    ]


def _resolve(what: str, only: str | Sequence[str] | None, extract: bool) -> tuple[Sequence[RemoteFile], str]:
    """The files that are asked for, and the folder for them in the cache."""
    if re.match(ADDRESS, what, re.IGNORECASE):
        if only:
            raise InputError(
                "An address is of one file.",
                where=f"the wanted files {only}, of {what}",
                expected="names of files with a data set only",
                todo="leave them out",
            )
        try:
            path = urlsplit(what).path
        except ValueError as failure:
            raise InputError(
                "This is no address.",
                where=f"{what}: {failure}",
                expected="such as https://example.org/expression.tsv.gz",
                todo="correct the address",
            ) from failure
        name = re.sub(r"[^\w.+-]", "_", unquote(path).rpartition("/")[2]).lstrip(".") or "download"
        name = name.encode()[-_LONGEST_NAME:].decode(errors="ignore")
        name = f"fetched-{name}" if name == CHECKSUMS else name
        return [RemoteFile(name, (what,), unpack=extract)], f"url-{hashlib.sha256(what.encode()).hexdigest()[:12]}"
    sets = remote_sets()
    if what in {entry["name"] for entry in available()}:
        raise InputError(
            f"The data set '{what}' comes with the package.",
            where="the name of the data set",
            expected="the name of a data set to fetch, or an address",
            todo=f"use it as it is: latentome run {what}",
        )
    if what not in sets:
        raise InputError(
            f"There is no data set '{what}' to fetch.",
            where="the name of the data set",
            expected="the name of a data set, or an address that starts with http:// or https://",
            todo=nearest(what, sets),
        )
    files = sets[what].files
    patterns = [only] if isinstance(only, str) else list(only or ["*"])
    for pattern in patterns:
        if not any(fnmatch.fnmatch(file.name, pattern) for file in files):
            raise InputError(
                f"The data set {what} has no file '{pattern}'.",
                where="the files that are wanted",
                expected="names of files, or patterns such as models/*",
                todo=nearest(pattern, [file.name for file in files]),
            )
    return [file for file in files if any(fnmatch.fnmatch(file.name, p) for p in patterns)], what


def _provide(file: RemoteFile, plan: _Plan) -> dict[str, Path]:
    """Give one file from the folder or the network, and what is in it if it is an archive."""
    target = plan.folder / file.name
    known = _read_checksums(plan.folder).get(file.name, {})
    if plan.address is not None and known.get("address", plan.address) != plan.address:
        raise InputError(
            f"A file of this name from another address is in the folder: {file.name}",
            where=f"{target}, from {known['address']}",
            expected=f"nothing of that name, or the file from {plan.address}",
            todo="give another folder (-o), or move the file and its entry in checksums.json away",
        )
    expected = file.sha256 or known.get("sha256")
    if target.is_dir():
        raise InputError(
            f"A folder of this name is where the file goes: {file.name}",
            where=str(target),
            expected="nothing of that name",
            todo="give another folder (-o), or move it away",
        )
    present = sha256(target) if target.is_file() else None
    fetched = present is None or (expected is not None and present != expected)
    if fetched:
        if plan.offline:
            raise _offline(file, target, present)
        present = _fetch(file, target, expected, plan)
    unpacked: dict[str, int] = {}
    if file.unpack and (known.get("sha256") != present or not _all_there(plan.folder, known)):
        try:
            parts = unpack(target, plan.folder, reserved=(CHECKSUMS,))
        except InputError:
            if fetched and file.sha256 is None:  # nothing says that it is the right file: the next call fetches it
                os.replace(target, target.with_name(f"{target.name}.not-unpacked"))
            raise
        unpacked = {part.relative_to(plan.folder).as_posix(): part.stat().st_size for part in parts}
    # A file that the user put there is trusted as one that came for the first time.
    if known.get("sha256") != present:
        known = {"sha256": present, "size": target.stat().st_size, "first seen": time.strftime("%Y-%m-%d")}
        known |= {} if plan.address is None else {"address": plan.address}
        _write_checksum(plan.folder, file.name, known)
    if not file.unpack:
        return {file.name: target}
    if unpacked:
        known = {**known, "unpacked": unpacked}
        _write_checksum(plan.folder, file.name, known)
    return {name: plan.folder / name for name in known["unpacked"]}


def _all_there(folder: Path, entry: dict[str, Any]) -> bool:
    """Whether all files of an archive are there."""
    unpacked = entry.get("unpacked", {})
    return bool(unpacked) and all(_has_size(folder / name, size) for name, size in unpacked.items())


def _fetch(file: RemoteFile, target: Path, expected: str | None, plan: _Plan) -> str:
    """Fetch a file from the first address that gives it; give its SHA-256."""
    import pooch

    pooch.get_logger().setLevel("WARNING")  # it tells each transfer on standard error; the caller does that
    with guard_writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    reasons = []
    for url in file.urls:
        transfer = Transfer(
            part,
            checked=expected is not None,
            size=file.size,
            patience=plan.patience,
            progress=lambda done, total: plan.progress(file.name, done, total or file.size),
        )
        for _ in range(2):
            transfer.resumed = False
            try:
                # pooch hands the whole file to its place only if the hash is right.
                pooch.retrieve(url, expected, fname=target.name, path=target.parent, downloader=transfer)
                return expected or sha256(target)
            except Refused as refusal:
                reasons.append(f"{url}: {refusal}")
                break
            except ValueError as failure:
                got = re.search(r"but got '?([0-9a-f]{64})", str(failure))
                if got is None:
                    raise
                transfer.forget()
                if not transfer.resumed:  # else the two parts may be of different versions: once more, from the start
                    reasons.append(f"{url}: it sent a file with another SHA-256, {got[1]}")
                    break
        else:
            reasons.append(f"{url}: what it sends changes while it is fetched")
    raise _no_address(file, target, expected, reasons)


def _no_address(file: RemoteFile, target: Path, expected: str | None, reasons: list[str]) -> DownloadError:
    mismatch = any("another SHA-256" in reason for reason in reasons)
    if mismatch and file.sha256 is None:
        todo = (
            f"The file has changed at its source since it was first fetched, or was altered on the way. If the change "
            f"is meant, remove its entry from {target.parent / CHECKSUMS} and fetch it again."
        )
    elif mismatch:
        todo = "Something on the way altered the file; try another network, and do not use the file."
    else:
        todo = (
            "Check the network and the proxy (HTTPS_PROXY), and repeat the command: it goes on where it stopped. "
            f"Or fetch the file in another way and put it at {target}."
        )
    return DownloadError(
        f"{file.name} cannot be fetched",
        where="\n            ".join(reasons),
        expected=f"the file with SHA-256 {expected}" if expected else "the file",
        todo=todo,
    )


def _offline(file: RemoteFile, target: Path, present: str | None) -> DownloadError:
    state = "is not there" if present is None else f"has another SHA-256, {present}"
    return DownloadError(
        f"{file.name} {state}, and the network may not be used",
        where=str(target),
        expected="the file, fetched before",
        todo=f"Leave out --offline and {OFFLINE}, or fetch {file.urls[0]} on another machine and put it there.",
    )


def _read_checksums(folder: Path) -> dict[str, Any]:
    file = folder / CHECKSUMS
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {str(name): dict(entry) for name, entry in content.items()}
    except (ValueError, AttributeError, TypeError) as failure:
        raise InputError(
            "The list of checksums cannot be read.",
            where=f"{file}: {failure}",
            expected="JSON, as latentome wrote it",
            todo="Restore the file, or remove it to trust what comes next.",
        ) from failure


def _write_checksum(folder: Path, name: str, entry: dict[str, Any]) -> None:
    write_json(folder / CHECKSUMS, {**_read_checksums(folder), name: entry})


def _has_size(file: Path, size: int) -> bool:
    return file.is_file() and file.stat().st_size == size
