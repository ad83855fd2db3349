"""What a workflow tells about itself while it runs; silent unless a face such as the command line listens."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Reporter:
    """Takes note of the steps and their times. Subclass it to show them."""

    def __init__(self) -> None:
        self.timings: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Pass on a sentence."""

    def progress(self, done: int, total: int, row: dict[str, float]) -> None:
        """Pass on how far a training is: epochs done, epochs in all, the last row of its history."""

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Time a step."""
        start = time.perf_counter()
        yield
        self.timings[title] = round(time.perf_counter() - start, 3)
