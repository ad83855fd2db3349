"""Ctrl-C that waits for the end of the running chunk, so that no state is lost half-way."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class DeferredInterrupt:
    """While active, the first SIGINT only sets `pending`; a second one interrupts at once.

    Signals reach Python's main thread alone; in any other thread this does nothing.
    """

    def __init__(self) -> None:
        self.pending = False

    def __enter__(self) -> DeferredInterrupt:
        self._active = threading.current_thread() is threading.main_thread()
        if self._active:
            self._previous = signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.pending:
            raise KeyboardInterrupt
        self.pending = True

    def __exit__(self, *error: object) -> None:
        if self._active:
            signal.signal(signal.SIGINT, self._previous)
