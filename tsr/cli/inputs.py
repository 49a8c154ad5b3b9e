"""The paths a command was given -> the files that they stand for.

A path is a file, ``-`` for stdin, a folder, searched to its depths for ``.tsr`` files, or a
pattern that the shell left alone: ``*``, ``?``, ``[...]``, ``**``. In folders and by patterns
nothing hidden is found, as in a shell, and symbolic links to folders are not followed in a
folder. An unfinished file is not found either: its name ends with ``.tmp``. Errors go to the
report.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from tsr.cli.report import Report

__all__ = ["STDIN", "expand", "label", "matches", "opened"]

STDIN = "-"


def expand(arguments: Iterable[str], report: Report) -> Iterator[str]:
    """Give the files that the arguments stand for, each once: in order, and sorted where many."""
    given: set[str] = set()
    for argument in arguments:
        for match in matches(argument, report):
            is_folder = match != STDIN and os.path.isdir(match)
            for path in _walk(match, report) if is_folder else (match,):
                if path not in given:
                    given.add(path)
                    yield path


def matches(argument: str, report: Report) -> list[str]:
    """Give the paths that match a pattern, sorted; what is no pattern stands for itself."""
    if not any(character in argument for character in "*?[") or os.path.lexists(argument):
        return [argument]
    from glob import glob

    paths = sorted(glob(argument, recursive=True))
    if not paths:
        report.add(FileNotFoundError(errno.ENOENT, "Nothing matches this pattern", argument))
    return paths


def label(path: str) -> str:
    """Give what people call the input, errors too."""
    return "<stdin>" if path == STDIN else path


def opened(path: str) -> str | IO[bytes]:
    """Give what the readers of `tsr` take: the path, or stdin's bytes for ``-``.

    Raises
    ------
    OSError
        The process has no stdin.
    """
    if path != STDIN:
        return path
    if sys.stdin is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), label(path))
    return sys.stdin.buffer


def total_size(paths: Collection[str]) -> int | None:
    """Add up what files hold; None where that cannot be known."""
    return None if STDIN in paths else sum(map(size_of, paths))


def size_of(path: str) -> int:
    """Give what a file holds, 0 where it has no size: why is told when it is read."""
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return 0


def _walk(folder: str, report: Report) -> Iterator[str]:
    errors: list[OSError] = []
    found = False
    for directory, folders, names in os.walk(folder, onerror=errors.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(".tsr") and not name.startswith("."):
                found = True
                yield os.path.join(directory, name)
    for error in errors:
        report.add(error)
    if not found and not errors:
        report.add(FileNotFoundError(errno.ENOENT, "No .tsr file in this folder", folder))
