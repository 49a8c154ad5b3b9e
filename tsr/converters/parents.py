"""The folders that a file is to be written into, made for it."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tsr.atomic import sync_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["parents"]


@contextmanager
def parents(path: str, durable: bool | None) -> Iterator[None]:
    """Make the folders above `path` that are missing; if the block fails, remove them again.

    Parameters
    ----------
    path : str
    durable : bool, optional
        True: they survive a loss of power.
    """
    missing = []
    folder = os.path.dirname(path)
    while folder and not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    made: list[str] = []
    try:
        for folder in reversed(missing):
            try:
                os.mkdir(folder)
            except FileExistsError:
                if os.path.isdir(folder):  # another process made it, or it ends with "/.."
                    continue
                raise
            made.append(folder)
        if durable:
            for folder in made:
                sync_directory(folder)
                sync_directory(os.path.dirname(folder))
        yield
    except BaseException:
        for folder in reversed(made):
            with suppress(OSError):  # somebody else put something there
                os.rmdir(folder)
        raise
