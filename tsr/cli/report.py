"""The errors of a run -> lines on stderr and the exit code."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tsr.cli.output import printable
from tsr.errors import TSRError
from tsr.remote.urls import is_url, label

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["INVALID", "SYSTEM", "Report", "say"]

# A file is invalid or a conversion was refused; the arguments are wrong or the system refused.
INVALID = 1
SYSTEM = 2


class Report:
    """What went wrong in a run, told as it happens.

    Attributes
    ----------
    code : int
        The exit code so far: the highest that an error asked for.
    """

    def __init__(self) -> None:
        self.code = 0

    def add(self, error: Exception, path: str | None = None) -> None:
        """Tell an error of a file and go on."""
        self.mark(INVALID if isinstance(error, TSRError) else SYSTEM)
        say(error, path)

    def mark(self, code: int) -> None:
        """Raise the exit code to `code`."""
        self.code = max(self.code, code)

    @contextmanager
    def blame(self, path: str) -> Iterator[None]:
        """Tell the error that the block raises, as one of the file `path`, and go on."""
        try:
            yield
        except (TSRError, OSError, MemoryError) as error:
            self.add(error, path)


def say(error: Exception, path: str | None = None) -> None:
    """Print an error or a warning on stderr: the file, if there is one, and what happened."""
    message = str(error)
    if isinstance(error, OSError) and error.strerror:
        names = [name for name in (error.filename, error.filename2) if isinstance(name, str)]
        path = " -> ".join(names) or path
        message = error.strerror
    elif isinstance(error, MemoryError):
        message = "out of memory"
    elif getattr(error, "path", None) is not None:
        path = None  # the message begins with it
    if is_url(path):  # which may hold what is secret
        path = label(path)
    where = f"{path}: " if path is not None and not message.startswith(f"{path}: ") else ""
    kind = "warning: " if isinstance(error, Warning) else ""
    print(f"tsr: {kind}{printable(where + message)}", file=sys.stderr)
