"""Ctrl-C, and the end that a batch system announces, wait for the running chunk, so that no state is lost half-way."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class DeferredInterrupt:
    """While active, the first SIGINT or SIGTERM only sets `pending`; a second one interrupts at once.

    Batch systems send SIGTERM some seconds before they kill. Where the program has a use for it of its own, that stays.
    Signals reach Python's main thread alone; in any other thread this does nothing.
    """

    def __init__(self) -> None:
        self.pending = False

    def __enter__(self) -> DeferredInterrupt:
        self._active = threading.current_thread() is threading.main_thread()
        self._previous = {}
        if self._active:
            if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as of a script's background commands
                self._previous[signal.SIGINT] = signal.signal(signal.SIGINT, self._note)
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                self._previous[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.pending:
            raise KeyboardInterrupt
        self.pending = True

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
