"""What a workflow tells about itself while it runs; silent unless a face such as the command line listens."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import TypeVar

Part = TypeVar("Part")


class Reporter:
    """Takes note of the steps and their times. Subclass it to show them."""

    def __init__(self) -> None:
        self.timings: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Pass on a sentence."""

    def progress(self, done: float, total: float, row: Mapping[str, float] | None = None) -> None:
        """Pass on how far the step is: what is done, of how much in all; of a training the last row of its history."""

    def transfer(self, name: str, done: int, total: int | None) -> None:
        """Pass on how far a file that is fetched is: bytes that are there, of how many, where that is known."""

    @contextlib.contextmanager
    def step(self, title: str, unit: str = "") -> Iterator[None]:
        """Time a step; `unit` is what its progress counts, such as ``epochs``."""
        del unit
        start = time.perf_counter()
        yield
        self.timings[title] = round(time.perf_counter() - start, 3)

    def each(self, parts: Iterable[Part]) -> Iterator[Part]:
        """Go through the parts of a step, and pass on how many are done."""
        total = len(parts) if isinstance(parts, Sized) else 0
        for done, part in enumerate(parts):
            self.progress(done, total)
            yield part
        self.progress(total, total)
