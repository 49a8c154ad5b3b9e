"""How far something long is, on stderr: drawn by rich, if that is installed, on a terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from threading import Lock, Timer
from typing import TYPE_CHECKING, Any

from tsr.cli.color import console
from tsr.cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["DELAY", "progress_bar"]

# What is done sooner, in seconds, shows no bar: it would only flicker.
DELAY = 0.5


@contextmanager
def progress_bar() -> Iterator[Callable[[float, float, str], None] | None]:
    """Show a bar once the block has taken a while, and remove it when it ends.

    Gives the function to call with what is done, the total and the name of what comes next, or
    None where no bar can be shown.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    bar = _Bar()
    timer = Timer(DELAY, bar.show)
    timer.start()
    try:
        yield bar.update
    finally:
        timer.cancel()
        timer.join()
        bar.close()


class _Bar:
    """A bar that knows how far things are before it shows. Two threads use it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._state: dict[str, Any] = {"completed": 0, "total": None, "description": ""}
        self._progress: Any = None

    def update(self, done: float, total: float, name: str) -> None:
        with self._lock:
            self._state = {"completed": done, "total": total, "description": printable(name)}
            if self._progress is not None:
                self._progress.update(self._progress.task_ids[0], **self._state)

    def show(self) -> None:
        try:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        except ImportError:
            return
        columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False)
        progress = Progress(*columns, console=console(stderr=True), transient=True)
        with self._lock:
            progress.add_task(**self._state)
            progress.start()
            self._progress = progress

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
