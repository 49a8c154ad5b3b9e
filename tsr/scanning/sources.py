"""What a scan is asked for -> paths and URLs to look at, in order. No numpy.

A source is a file, a folder, searched to its depths for ``.tsr`` files, a pattern, or a URL of any
of these. In folders and by patterns nothing hidden is found, and symbolic links to folders are not
followed in a folder; `tsr.cli.inputs` has it from here. Raises `UnsupportedError` for what is no
source.
"""

from __future__ import annotations

import errno
import os
from glob import glob
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from tsr.errors import UnsupportedError
from tsr.remote.urls import is_url, local_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "Sources",
    "is_pattern",
    "is_tensor_file",
    "matches",
    "no_file",
    "no_match",
    "runs",
    "walked",
]

Path: TypeAlias = "str | os.PathLike[str] | os.PathLike[bytes]"
Sources: TypeAlias = "Path | Iterable[Path]"

# The files that are looked at together.
_TOGETHER = 512


def runs(sources: Sources) -> Iterator[tuple[bool, list[str]]]:
    """Give the sources a few at a time: whether they are URLs, and what they are.

    They are taken one after the other, as they are needed.
    """
    if isinstance(sources, (str, os.PathLike)):
        sources = [sources]
    elif isinstance(sources, (bytes, bytearray, memoryview)) or hasattr(sources, "read"):
        raise _no_source(sources)
    try:
        each = iter(sources)
    except TypeError as error:
        raise _no_source(sources) from error
    while some := list(islice(each, _TOGETHER)):
        if set(map(type, some)) != {str}:
            some = list(map(_text, some))
        paths = cast("list[str]", some)
        # One look at all of them takes a fraction of the time of one at each.
        if "://" not in "\0".join(paths):
            yield False, paths
        else:
            for remote, run in groupby(map(_local, paths), is_url):
                yield remote, list(run)


def _text(source: Any) -> str:
    if not isinstance(source, (str, os.PathLike)):
        raise _no_source(source)
    return str(source) if isinstance(source, str) else os.fsdecode(source)


def _no_source(source: object) -> UnsupportedError:
    kind = type(source).__name__
    return UnsupportedError(f"sources: got {kind}, expected paths, patterns or URLs", given=kind)


def _local(source: str) -> str:
    path = local_path(source) if is_url(source) else None
    return source if path is None else path


def is_tensor_file(name: str) -> bool:
    """Tell whether a folder's file is looked at."""
    return name.lower().endswith(".tsr") and not name.startswith(".")


def is_pattern(path: str) -> bool:
    """Tell whether a path that is not there may be a pattern."""
    return any(character in path for character in "*?[") and not os.path.lexists(path)


def matches(pattern: str) -> list[str]:
    """Give what a pattern matches, sorted.

    Raises
    ------
    OSError
        There is nothing.
    """
    try:
        found = sorted(glob(pattern, recursive=True))
    except RecursionError as error:
        raise OSError(errno.ELOOP, "Folders are nested too deeply", pattern) from error
    if not found:
        raise no_match(pattern)
    return found


def no_match(pattern: str) -> FileNotFoundError:
    """Make the error for a pattern that stands for nothing."""
    return FileNotFoundError(errno.ENOENT, "Nothing matches this pattern", pattern)


def no_file(folder: str) -> FileNotFoundError:
    """Make the error for a folder without a file to look at."""
    return FileNotFoundError(errno.ENOENT, "No .tsr file in this folder", folder)


def walked(folder: str) -> Iterator[str | OSError]:
    """Give the files of a folder, then those of the folders in it, sorted; or what goes wrong."""
    left = [folder]
    found = False
    while left:
        where = left.pop()
        try:
            folders, names = _listed(where)
        except OSError as error:
            error.filename = where
            found = True
            yield error
            continue
        start = os.path.join(where, "")
        left += [start + name for name in sorted(folders, reverse=True)]
        for name in sorted(names):
            found = True
            yield start + name
    if not found:
        yield no_file(folder)


def _listed(folder: str) -> tuple[list[str], list[str]]:
    folders, names = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if _is_folder(entry):
                if not entry.name.startswith(".") and not entry.is_symlink():
                    folders.append(entry.name)
            elif is_tensor_file(entry.name):
                names.append(entry.name)
    return folders, names


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere; opening it will tell
        return False
