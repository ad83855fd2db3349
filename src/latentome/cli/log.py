"""What a command tells a program: one JSON object a line on standard error, and nothing else there (--log-json)."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import IO, Any

from latentome.workflow.reporter import Reporter

#: Seconds between two events that tell how far a step is.
EVERY = 1.0
_LOG: ContextVar[JsonLog | None] = ContextVar("log", default=None)


class JsonLog(Reporter):
    """Writes what a command does to a stream as JSON, one object a line.

    Each has ``time`` (UTC, ISO 8601), ``level`` (``info``, ``warning`` or ``error``), ``event`` (``start``,
    ``progress``, ``done``, ``note``, ``warning`` or ``error``), ``command`` and ``step`` (null for the command as a
    whole); and the fields of its event.
    """

    def __init__(self, stream: IO[str], command: str) -> None:
        super().__init__()
        self.stream, self.command = stream, command
        self.steps: list[tuple[str, str, float]] = []
        self.failed, self.failed_in = False, None
        self._told = -math.inf
        self._writing = threading.Lock()

    def write(self, event: str, level: str = "info", step: str | None = None, **fields: Any) -> None:
        """Write an event of the step that runs, or of the one that is named."""
        step = step or (self.steps[-1][0] if self.steps else None)
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        record = {"time": now, "level": level, "event": event, "command": self.command, "step": step, **fields}
        with self._writing:
            self.stream.write(json.dumps(_finite(record), allow_nan=False, default=str) + "\n")
            self.stream.flush()

    def say(self, text: str) -> None:
        """Write a sentence."""
        self.write("note", message=text)

    def progress(self, done: float, total: float, row: Mapping[str, float] | None = None) -> None:
        """Write how far the step is and how many seconds it will take, once a second at most."""
        if self.steps and total and self._is_time(done >= total):
            _, unit, start = self.steps[-1]
            left = _rounded((time.perf_counter() - start) * (total - done) / done) if done else None
            self.write("progress", done=done, total=total, unit=unit, seconds_left=left, values=dict(row or {}))

    def transfer(self, name: str, done: int, total: int | None) -> None:
        """Write how far a file is, once a second at most."""
        if self._is_time(done == total):
            self.write("progress", file=name, done=done, total=total, unit="bytes")

    @contextlib.contextmanager
    def step(self, title: str, unit: str = "") -> Iterator[None]:
        """Write that a step begins, and that it is done; what it fails with is written once, by who catches it."""
        self.steps.append((title, unit, time.perf_counter()))
        self._told = -math.inf
        self.write("start")
        try:
            with super().step(title):
                yield
            self.write("done", seconds=self.timings[title])
        except BaseException:
            self.failed_in = self.failed_in or title
            raise
        finally:
            self.steps.pop()

    def fail(self, code: int, message: str, **fields: Any) -> None:
        """Write what the command ends with: exit code 1, 2 or 130."""
        self.failed = True
        self.write("error", "error", self.failed_in, exit_code=code, message=message, **fields)

    def _is_time(self, last: bool) -> bool:
        now = time.perf_counter()
        if not last and now - self._told < EVERY:
            return False
        self._told = now
        return True


def listener() -> Reporter:
    """Who listens to the command that runs: its log where one was asked for, or else the terminal."""
    from latentome.cli.show import Terminal

    return _LOG.get() or Terminal()


@contextlib.contextmanager
def logging_to(stream: IO[str], arguments: Sequence[str]) -> Iterator[JsonLog]:
    """Log a command to a stream, which nothing else can write to meanwhile: other text becomes an event."""
    with _taken(stream) as own:
        log = JsonLog(own, next((word for word in arguments if not word.startswith("-")), ""))
        with _wrapped(stream, log), warnings.catch_warnings(), contextlib.redirect_stderr(_Lines(log)):
            warnings.showwarning = lambda message, category, *_, **__: log.write(
                "warning", "warning", message=str(message), category=category.__name__
            )
            token, start = _LOG.set(log), time.perf_counter()
            log.write("start", arguments=list(arguments))
            try:
                yield log
            finally:
                _LOG.reset(token)
            if not log.failed:
                log.write("done", seconds=_rounded(time.perf_counter() - start))


class _Lines(io.TextIOBase):
    """A stream whose lines become events."""

    def __init__(self, log: JsonLog) -> None:
        self.log, self.rest = log, ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            if line.strip():
                self.log.write("note", message=line, source="standard error")
        return len(text)


@contextlib.contextmanager
def _taken(stream: IO[str]) -> Iterator[IO[str]]:
    """The process's own standard error under another number, which no library knows; any other stream as it is."""
    if stream is not sys.__stderr__:
        yield stream
        return
    stream.flush()
    with os.fdopen(os.dup(stream.fileno()), "w", encoding="utf-8") as own:
        yield own


@contextlib.contextmanager
def _wrapped(stream: IO[str], log: JsonLog) -> Iterator[None]:
    """Turn what libraries and child processes write to the process's standard error into events."""
    if stream is not sys.__stderr__:
        yield
        return
    number, kept = stream.fileno(), os.dup(stream.fileno())
    reading, writing = os.pipe()
    os.dup2(writing, number)
    os.close(writing)
    lines = _Lines(log)

    def read() -> None:
        with os.fdopen(reading, encoding="utf-8", errors="replace") as source:
            for line in source:
                lines.write(line)

    thread = threading.Thread(target=read, name="standard error", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stream.flush()
        os.dup2(kept, number)
        os.close(kept)
        thread.join(timeout=1)  # a child process that is still there keeps the pipe open


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _finite(value: Any) -> Any:
    """JSON has no word for a loss that is no number."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, float) or hasattr(value, "dtype"):
        return float(value) if math.isfinite(value) else None
    return value
