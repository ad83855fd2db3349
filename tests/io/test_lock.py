"""One writer for a run folder, shown with processes of their own."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from latentome.errors import RunFolderError, WriteError
from latentome.io import RunFolder, lock
from latentome.io.lock import HOLDER, LOCK

#: Holds a folder until its input ends; says so.
HOLD = """
import sys
from latentome.io import RunFolder
with RunFolder(sys.argv[1]).lock():
    print("held", flush=True)
    sys.stdin.read()
"""
#: Waits for a sign, makes a run, and stays in it until its input ends.
CREATE = """
import os, sys, time
from latentome.errors import RunFolderError
from latentome.io import RunFolder
print("ready", flush=True)
path = sys.stdin.readline().strip()
try:
    with RunFolder(path).lock():
        run = RunFolder.create(path)
        run.write_config({"seed": os.getpid()})
        print("won", flush=True)
        sys.stdin.read()
except RunFolderError as refused:
    print("lost", flush=True)
    print(refused, file=sys.stderr)
    sys.exit(2)
"""
#: Counts in a file, under the lock, which is taken and removed each time.
COUNT = """
import sys
from pathlib import Path
from latentome.errors import RunFolderError
from latentome.io import lock
folder, done = Path(sys.argv[1]), 0
while done < int(sys.argv[2]):
    try:
        with lock.lock_folder(folder):
            count = int((folder / "count").read_text())
            (folder / "count").write_text(str(count + 1))
            done += 1
    except RunFolderError:
        pass
"""
#: Holds a folder, and asks for it again in a child that is a copy of it.
FORK = """
import os, sys
from pathlib import Path
from latentome.errors import RunFolderError
from latentome.io import lock
folder = Path(sys.argv[1])
with lock.lock_folder(folder):
    child = os.fork()
    if child == 0:
        try:
            with lock.lock_folder(folder):
                os._exit(1)
        except RunFolderError:
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert (folder / lock.LOCK).exists()
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], text=True, **pipes)


@contextmanager
def held_elsewhere(path):
    """Another process holds the folder; gives it."""
    process = start(HOLD, path)
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def in_a_thread(task):
    """Run something in another thread; give what it returns or raises."""
    results = []

    def _task():
        try:
            results.append(task())
        except RunFolderError as refused:
            results.append(refused)

    thread = threading.Thread(target=_task)
    thread.start()
    thread.join()
    return results[0]


def take(path):
    with RunFolder(path).lock():
        return "taken"


def test_of_two_processes_at_the_same_moment_exactly_one_makes_the_run(tmp_path):
    for attempt in range(6):
        path = tmp_path / f"run-{attempt}" / "below"
        both = [start(CREATE), start(CREATE)]
        try:
            assert [process.stdout.readline() for process in both] == ["ready\n", "ready\n"]
            for process in both:
                process.stdin.write(f"{path}\n")
                process.stdin.flush()
            said = [process.stdout.readline() for process in both]
            assert sorted(said) == ["lost\n", "won\n"]
            winner, loser = both if said[0] == "won\n" else both[::-1]
            _, told = loser.communicate(timeout=10)
            assert loser.returncode == 2
            assert f"{path}, held by process {winner.pid} on" in told
            assert winner.communicate(timeout=10)[1] == ""
            assert winner.returncode == 0
        finally:
            for process in both:
                process.kill()
                process.communicate()
        assert RunFolder.open(path).read_config() == {"seed": winner.pid}
        assert names(path) == ["config.toml"]


def test_nothing_is_counted_twice_while_the_lock_is_made_and_removed_many_times(tmp_path):
    """Four processes, two on each processor here: whoever waits may open a locked file that is about to be removed."""
    (tmp_path / "count").write_text("0")
    processes = [start(COUNT, tmp_path, 150) for _ in range(4)]
    try:
        assert [process.communicate(timeout=60)[1] for process in processes] == [""] * 4
    finally:
        for process in processes:
            process.kill()
    assert (tmp_path / "count").read_text() == "600"
    assert names(tmp_path) == ["count"]


def test_the_second_process_is_told_who_where_and_what_to_do(tmp_path):
    with held_elsewhere(tmp_path / "run") as process:
        for ask in (take, RunFolder.check_free, RunFolder.create, lambda path: RunFolder.create(path, replace=True)):
            with pytest.raises(RunFolderError, match="Another process is writing into run") as refused:
                ask(tmp_path / "run")
            assert f"{tmp_path / 'run'}, held by process {process.pid} on " in refused.value.where
            assert f"kill {process.pid}" in refused.value.todo
            assert "-o" in refused.value.todo
        assert names(tmp_path / "run") == [LOCK, HOLDER]
        process.communicate()
    assert names(tmp_path / "run") == []
    assert take(tmp_path / "run") == "taken"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_killed_process_holds_nothing_and_its_folder_counts_as_new(tmp_path):
    with held_elsewhere(tmp_path / "run") as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert names(tmp_path / "run") == [LOCK, HOLDER], "nobody was there to tidy up"
    (tmp_path / "run" / ".0123456789ab.partial.config.toml").write_text("half")
    RunFolder.check_free(tmp_path / "run")
    assert len(names(tmp_path / "run")) == 3, "nothing was touched"
    run = RunFolder.create(tmp_path / "run")
    assert names(run.path) == []


def test_who_died_is_not_taken_for_who_holds_the_folder(tmp_path):
    done = start("")
    done.communicate()
    with held_elsewhere(tmp_path) as process:
        about = (tmp_path / HOLDER).read_text()
        (tmp_path / HOLDER).write_text(about.replace(str(process.pid), str(done.pid)))
        with pytest.raises(RunFolderError) as refused:
            take(tmp_path)
        assert str(done.pid) not in str(refused.value)
        assert "held by another process" in refused.value.where


def test_the_steps_of_a_command_may_ask_again_and_only_its_end_sets_the_folder_free(tmp_path):
    with RunFolder(tmp_path).lock():
        run = RunFolder.create(tmp_path)
        run.write_config({})
        with RunFolder(os.path.relpath(tmp_path)).lock():
            pass
        assert LOCK in names(tmp_path)
        with pytest.raises(RunFolderError, match="already holds a run"):
            RunFolder.create(tmp_path)
        RunFolder.create(tmp_path, replace=True)
        assert names(tmp_path) == [LOCK, HOLDER], "the lock is no part of a run that is replaced"
        refused = in_a_thread(lambda: take(tmp_path))
        assert "in another thread" in refused.where
    assert names(tmp_path) == []
    assert in_a_thread(lambda: take(tmp_path)) == "taken"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_copy_of_the_process_holds_nothing(tmp_path):
    done = subprocess.run([sys.executable, "-c", FORK, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert names(tmp_path) == []


def test_an_error_sets_the_folder_free(tmp_path):
    with pytest.raises(ZeroDivisionError), RunFolder(tmp_path / "run").lock():
        1 / 0  # noqa: B018
    assert names(tmp_path / "run") == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no file that is open")
def test_the_lock_of_a_removed_file_guards_nothing(tmp_path):
    """The moment between opening and locking, in which the holder before us removed the file."""
    from filelock import FileLock

    one = lock._Lock(tmp_path)
    assert one.take()
    (tmp_path / LOCK).unlink()
    assert one._is_at_its_path() is False
    two = lock._Lock(tmp_path)
    assert two.take()
    one.leave()
    assert (tmp_path / LOCK).exists(), "it is another one's by now"
    two.leave()
    assert names(tmp_path) == []
    assert isinstance(one._lock, FileLock)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no file system that makes no folders")
def test_a_place_that_makes_no_folders_is_refused():
    with (
        pytest.raises(RunFolderError, match="x cannot be made: its place holds no folders of yours"),
        lock.lock_folder(Path("/proc/x")),
    ):
        pass


def test_a_folder_that_cannot_be_written_is_refused_to_writers_and_open_to_readers(tmp_path, monkeypatch):
    run = RunFolder.create(tmp_path / "run")
    run.write_config({"seed": 1})

    def read_only(self):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self.path))

    monkeypatch.setattr(lock._Lock, "take", read_only)
    with pytest.raises(WriteError, match="run cannot be written: the disk is read-only(.|\n)*repeat the command"):
        take(run.path)
    assert RunFolder.open(run.path).read_config() == {"seed": 1}
    (run.path / LOCK).write_text("")
    with pytest.raises(RunFolderError, match="already holds a run"):
        RunFolder.check_free(run.path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_rights_are_needed_to_write_and_not_to_read(tmp_path):
    run = RunFolder.create(tmp_path / "run")
    run.write_config({"seed": 1})
    run.path.chmod(0o500)
    try:
        with pytest.raises(WriteError, match="run cannot be written"):
            take(run.path)
        assert RunFolder.open(run.path).read_config() == {"seed": 1}
    finally:
        run.path.chmod(0o700)


@pytest.mark.skipif(sys.platform == "win32", reason="there it is not flock")
def test_a_file_system_without_locks_is_told_and_used(tmp_path, monkeypatch):
    def missing(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", missing)
    with pytest.warns(UserWarning, match="has no locks"):
        assert take(tmp_path) == "taken"
    assert HOLDER not in names(tmp_path)


def test_a_lock_that_could_not_be_signed_holds_as_well(tmp_path, monkeypatch):
    """A disk is full, say: who holds the folder is written for the sake of others alone."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(lock.Path, "write_text", full)
    with RunFolder(tmp_path).lock():
        assert names(tmp_path) == [LOCK]
        before = time.monotonic()
        assert "another process" in in_a_thread(lambda: take(tmp_path)).where
        assert time.monotonic() - before < 10
    assert names(tmp_path) == []
