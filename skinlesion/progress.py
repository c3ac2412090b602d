"""How a long command tells what it is doing: rich bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class Reporter:
    """Prints on stderr; results go to stdout and are not its business.

    Args:
        quiet: Print nothing at all.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self._bars = self.console.is_terminal and not quiet

    def say(self, text: str) -> None:
        """One line."""
        self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def counting(self, what: str, total: int, *, unit: str = "img") -> Iterator[Counter]:
        """A bar over ``total`` items with the rate and the time left.

        Without a terminal: one line at the end, with the rate.
        """
        counter = Counter(total)
        if not self._bars:
            yield counter
            self.say(counter.summary(what, unit))
            return
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
        ) as progress:
            task = progress.add_task(what, total=total, rate="", note="")
            counter.attach(progress, task, unit)
            yield counter
        self.say(counter.summary(what, unit))

    @contextmanager
    def transferring(self, what: str, total: int) -> Iterator[Transfer]:
        """A bar over ``total`` bytes with bytes a second and the time left.

        Without a terminal: one line at the end.
        """
        transfer = Transfer()
        if not self._bars:
            yield transfer
            self.say(transfer.summary(what))
            return
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
        ) as progress:
            transfer.attach(progress, progress.add_task(what, total=total, note=""))
            yield transfer
        self.say(transfer.summary(what))


class Counter:
    """How far a count has come, how fast, and a note beside it."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.note = total, 0, ""
        self._started = time.perf_counter()
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._unit = ""

    def attach(self, progress: Progress, task: TaskID, unit: str) -> None:
        """Show on ``progress`` from now on."""
        self._progress, self._task, self._unit = progress, task, unit

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self._started

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.done / max(self.seconds, 1e-9)

    def summary(self, what: str, unit: str) -> str:
        """What is said when it is over."""
        return f"{what}: {self.done} {unit} in {self.seconds:.1f} s{self.note}"

    def advance(self, count: int, note: str | None = None) -> None:
        """``count`` more are done; ``note`` replaces the words behind the bar."""
        self.done += count
        if note is not None:
            self.note = f"  {note}" if note else ""
        if self._progress:
            changes: dict[str, Any] = {
                "completed": self.done,
                "rate": f"{self.rate:.1f} {self._unit}/s",
                "note": self.note,
            }
            self._progress.update(self._task, **changes)

    def reach(self, done: int, total: int) -> None:
        """``done`` of ``total`` are done: for callbacks that count for themselves."""
        self.total = total
        self.advance(done - self.done)


class Transfer:
    """How many bytes have come, from several threads, and a note beside them."""

    def __init__(self) -> None:
        self.done, self.note = 0, ""
        self._started = time.perf_counter()
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def attach(self, progress: Progress, task: TaskID) -> None:
        """Show on ``progress`` from now on."""
        self._progress, self._task = progress, task

    def advance(self, count: int) -> None:
        """``count`` more bytes; fewer than none where some have to come again."""
        with self._lock:
            self.done += count
            if self._progress:
                self._progress.update(self._task, completed=self.done)

    def tell(self, note: str) -> None:
        """Put words behind the bar."""
        with self._lock:
            self.note = note
            if self._progress:
                self._progress.update(self._task, note=note)

    def summary(self, what: str) -> str:
        """What is said when it is over."""
        seconds = time.perf_counter() - self._started
        rate = bytes_text(int(self.done / max(seconds, 1e-9)))
        line = f"{what}: {bytes_text(self.done)} in {seconds:.1f} s, {rate}/s"
        return f"{line}  {self.note}" if self.note else line


def bytes_text(count: int) -> str:
    """Like ``12.3 MB``, in powers of ten, as download pages count."""
    size, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size) < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"


def is_terminal() -> bool:
    """Whether results are read by a person at a terminal."""
    return sys.stdout.isatty()
