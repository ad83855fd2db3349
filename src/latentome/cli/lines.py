"""Lines of a terminal that live while something runs: what it is, how far it is, and the time left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text


class Lines:
    """One line for each thing that runs; none where standard error is no terminal.

    A line tells what runs and for how long; once it is known how far that is, a bar and the time left.
    """

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        # Asked of the stream itself: some settings make rich draw for readers that are no terminal.
        self.live = self.console.file.isatty() and not self.console.is_dumb_terminal
        self._shown: Progress | None = None

    @contextlib.contextmanager
    def showing(self, title: str, unit: str = "") -> Iterator[None]:
        """Show a line while the block runs, and nothing afterwards; a block inside another one has its line below."""
        if not self.live:
            yield
            return
        before = [] if self._shown is None else list(self._shown.task_ids)
        if self._shown is None:
            columns = (SpinnerColumn("line"), TextColumn("{task.description}", markup=False), BarColumn(28), _Count())
            # What is printed to standard output meanwhile belongs there, and not to this console.
            self._shown = Progress(*columns, console=self.console, transient=True, redirect_stdout=False)
            self._shown.start()
        self._shown.add_task(title, total=None, unit=unit, more="")
        try:
            yield
        finally:
            for task in [one for one in self._shown.task_ids if one not in before]:
                self._shown.remove_task(task)
            if before:
                self._shown.refresh()
            else:
                self._shown.stop()
                self._shown = None

    def move(self, done: float, total: float, more: str = "") -> None:
        """Move the bar of the lowest line."""
        if self._shown is not None:
            self._shown.update(self._shown.task_ids[-1], completed=done, total=total or None, more=more)

    def move_file(self, name: str, done: int, total: int | None) -> None:
        """Move the bar of a file, which gets a line of its own."""
        if self._shown is None:
            return
        known = {task.description: task.id for task in self._shown.tasks}
        if name not in known:
            known[name] = self._shown.add_task(name, total=total, unit="bytes", more="")
        self._shown.update(known[name], completed=done, total=total)


class _Count(ProgressColumn):
    """How far something is, and the time left; or how long it has been running, where it does not say how far it is."""

    def render(self, task: Task) -> Text:
        """Give the text of one line."""
        if task.total is None:
            return Text(_clock(task.elapsed or 0))
        left, unit = task.time_remaining, task.fields["unit"]
        if unit == "bytes":
            count = f"{decimal(int(task.completed))} of {decimal(int(task.total))}"
        else:
            count = f"{task.completed:,.0f} of {task.total:,.0f} {unit}".rstrip()
        when = "-:-- left" if left is None else f"{_clock(left)} left"
        return Text("  ".join(filter(None, [count, when, task.fields["more"]])))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def load() -> None:
    """Load what commands work with, which takes seconds; a terminal shows that something happens."""
    with Lines().showing("starting"):
        import latentome.workflow  # noqa: F401
