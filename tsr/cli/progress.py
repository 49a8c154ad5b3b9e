"""How far something long is, on stderr: drawn by rich, if that is installed, on a terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from threading import Lock, Timer
from typing import TYPE_CHECKING, Any

from tsr.cli.color import console
from tsr.cli.inputs import label, size_of, total_size
from tsr.cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    # Takes what is done, the total, if that is known, and the name of what comes next.
    Update = Callable[[float, float | None, str], None]

__all__ = ["DELAY", "Meter", "progress_bar", "tally"]

# What is done sooner, in seconds, shows no bar: it would only flicker.
DELAY = 0.5


@contextmanager
def progress_bar(*, in_bytes: bool = False) -> Iterator[Update | None]:
    """Show a bar once the block has taken a while, and remove it when it ends.

    Gives the function to call with what is done, the total and the name of what comes next, or
    None where no bar can be shown. What the block prints stands above the bar where it goes to
    a terminal too.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    bar = _Bar(in_bytes)
    timer = Timer(DELAY, bar.show)
    timer.start()
    try:
        yield bar.update
    finally:
        timer.cancel()
        timer.join()
        bar.close()


def tally(update: Update | None, total: float | None) -> Callable[[int, str], None] | None:
    """Make a function that adds up what is done, for several threads; None where nobody looks."""
    if update is None:
        return None
    lock = Lock()
    done = 0

    def advance(count: int, name: str) -> None:
        nonlocal done
        with lock:
            done += count
            update(done, total, name)

    return advance


class Meter:
    """How far files are that are read one after the other, in bytes.

    A file counts as a whole once the next one begins, whatever was read of it.
    """

    def __init__(self, update: Update | None, paths: Collection[str]) -> None:
        self._update = update
        self._total = total_size(paths) if update else None
        self._lock = Lock()
        self._name = ""
        self._before = 0
        self._done = 0

    def begin(self, path: str) -> None:
        """Begin with the next file."""
        if self._update is not None:
            self._before += size_of(self._name) if self._name else 0
            self._done = 0
            self._name = path
            self._update(self._before, self._total, label(path))

    def advance(self, count: int) -> None:
        """Count what was done of it; several threads may."""
        if self._update is not None:
            with self._lock:
                self._done += count
                self._update(self._before + self._done, self._total, label(self._name))


class _Bar:
    """A bar that knows how far things are before it shows. Two threads use it."""

    def __init__(self, in_bytes: bool) -> None:
        self._in_bytes = in_bytes
        self._lock = Lock()
        self._state: dict[str, Any] = {"completed": 0, "total": None, "description": ""}
        self._progress: Any = None

    def update(self, done: float, total: float | None, name: str) -> None:
        with self._lock:
            self._state = {"completed": done, "total": total, "description": printable(name)}
            if self._progress is not None:
                self._progress.update(self._progress.task_ids[0], **self._state)

    def show(self) -> None:
        out = console(stderr=True)
        if out is None:
            return
        from rich import progress as rich

        amount: tuple[rich.ProgressColumn, ...] = (rich.MofNCompleteColumn(),)
        if self._in_bytes:
            amount = rich.DownloadColumn(binary_units=True), rich.TransferSpeedColumn()
        progress = rich.Progress(
            rich.BarColumn(), *amount, rich.TextColumn("{task.description}", markup=False),
            console=out, transient=True,
            # What goes to a file stays what it is, and goes there.
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
        )  # fmt: skip
        with self._lock:
            progress.add_task(**self._state)
            progress.start()
            self._progress = progress

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
