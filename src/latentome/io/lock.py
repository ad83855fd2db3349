"""One writer for a folder: a lock that the kernel lets go of when the process that holds it ends, in whatever way."""

from __future__ import annotations

import errno
import json
import os
import platform
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from latentome.errors import RunFolderError
from latentome.io.atomic import guard_writing

#: The file that is locked. It is empty, and means nothing by being there: it stays behind where its process was killed.
LOCK = ".lock"
#: Who holds the lock. Not in the locked file itself, which nobody else can read on Windows.
HOLDER = ".lock-holder.json"
#: Seconds for which a lock is asked for again while nobody has signed for it: its holder has just taken it, is letting
#: go of it, or only looks whether it is free.
PATIENCE = 1.0
# What file systems without locks answer: some Lustre and NFS mounts, and some in user space.
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)

# What this process holds, by folder, process and thread: a child after a fork and another thread hold nothing by it.
_held: set[tuple[str, int, int]] = set()


@contextmanager
def lock_folder(folder: Path) -> Iterator[bool]:
    """Hold a folder for writing; it is made if it is not there.

    The thread that holds a folder may ask for it again: the steps of a command ask for what the command holds.

    Parameters
    ----------
    folder
        The folder. While it is held there are two files in it, ``.lock`` and ``.lock-holder.json``.

    Yields
    ------
    Whether nobody else can be writing there: not where the thread had it before, or the file system has no locks.

    Raises
    ------
    RunFolderError
        If another process or thread holds the folder, with its number; or if the folder cannot be written.
    """
    key = _key(folder)
    if key in _held:
        yield False
        return
    with guard_writing(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as failure:
            raise RunFolderError(
                f"{folder.name} cannot be made: its place holds no folders of yours",
                where=f"{folder}: {failure.strerror}",
                expected="a place where folders can be made",
                todo="Give another folder (-o).",
            ) from failure
        lock = _take(folder)
    _held.add(key)
    try:
        if lock is not None:
            _sign(folder)
        yield lock is not None
    finally:
        _held.discard(key)
        if lock is not None:
            lock.leave()


def refuse_held(folder: Path) -> None:
    """Refuse a folder that another process or thread holds, with its number, and leave everything in it as it is."""
    if _key(folder) in _held or not (folder / LOCK).exists():
        return
    with suppress(OSError):  # that nothing can be written here is for `lock_folder` to say
        lock = _take(folder)
        if lock is not None:
            lock.release()


class _Lock:
    """The lock of a folder, asked for once."""

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock

        self.folder, self.path = folder, folder / LOCK
        self._descriptor = -1
        # Not bound to a thread, or to let go of it in another one would do nothing. With a callback filelock refuses
        # to fall back to a lock file that would outlive a killed process.
        self._lock = FileLock(self.path, thread_local=False, on_acquired=self._note)

    def _note(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def take(self) -> bool:
        """Whether the lock is ours now; does not wait."""
        from filelock import Timeout

        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        # The file may have been opened just before the process ahead of us removed it: that lock guards nothing.
        if self._is_at_its_path():
            return True
        self.release()
        return False

    def release(self) -> None:
        """Let go of the lock."""
        self._lock.release()

    def leave(self) -> None:
        """Let go of the lock, and leave nothing of it behind.

        Its files are removed while it is held. Who has opened the locked file meanwhile gets the lock of a file that is
        not at its path any more, sees that in `take`, and asks anew. Hence nobody may remove the file but who holds it.
        """
        if self._is_at_its_path():
            for path in (self.folder / HOLDER, self.path):
                with suppress(OSError):  # Windows lets nobody remove an open file; filelock does it there afterwards
                    path.unlink(missing_ok=True)
        self.release()

    def _is_at_its_path(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self.path))
        except OSError:
            return False


def _key(folder: Path) -> tuple[str, int, int]:
    return os.path.realpath(folder), os.getpid(), threading.get_ident()


def _take(folder: Path) -> _Lock | None:
    """Take the lock of a folder; None where the file system has no locks.

    Raises
    ------
    RunFolderError
        If somebody else holds it.
    OSError
        If the lock cannot be written.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        lock = _Lock(folder)
        try:
            if lock.take():
                return lock
        except OSError as failure:
            if failure.errno not in _NO_LOCKS:
                raise
            warnings.warn(
                f"The file system of {folder} has no locks ({failure.strerror}): nothing keeps a second process from "
                "writing into this folder.",
                stacklevel=2,
            )
            return None
        holder = _read_holder(folder)
        if holder is not None or time.monotonic() > deadline:
            raise _refusal(folder, holder or {})
        time.sleep(0.02)


def _sign(folder: Path) -> None:
    """Say who holds the folder, for the message of who has to be refused."""
    about = {"pid": os.getpid(), "host": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M:%S %z")}
    # No word of it is needed, so that a full disk does not keep anybody from working on.
    with suppress(OSError):
        (folder / HOLDER).write_text(json.dumps(about) + "\n", encoding="utf-8")


def _read_holder(folder: Path) -> dict[str, Any] | None:
    """Who has signed for the folder; None where nobody has, or one who has been killed."""
    try:
        about = dict(json.loads((folder / HOLDER).read_text(encoding="utf-8")))
        pid = int(about["pid"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if os.name == "posix" and about.get("host") == platform.node():
        try:
            os.kill(pid, 0)  # asks whether it lives, and does nothing to it
        except ProcessLookupError:
            return None
        except OSError:  # it lives, and is another user's
            pass
    return about


def _refusal(folder: Path, holder: Mapping[str, Any]) -> RunFolderError:
    pid, host, since = (holder.get(name) for name in ("pid", "host", "since"))
    here = host == platform.node()
    who = "another process" if pid is None else f"process {pid} on {host}, since {since}"
    end = "end it" if pid is None else f"end it (kill {pid}{'' if here else f' on {host}'})"
    if here and pid == os.getpid():
        who, end = f"this very process ({pid}), in another thread", "let it end"
    return RunFolderError(
        f"Another process is writing into {folder.name}" if end != "let it end" else f"{folder.name} is being written",
        where=f"{folder}, held by {who}",
        expected="one process at a time that writes into a folder",
        todo=f"Wait until it has ended, or {end}, or give another folder (-o).",
    )
