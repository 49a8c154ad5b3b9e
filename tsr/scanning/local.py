"""Paths of this machine -> what rows say of each. No numpy.

A file costs four calls of the system: it is opened, asked for its size, read for 64 bytes and
closed. Nothing is raised for a file, whatever it is.
"""

from __future__ import annotations

import errno
import os
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from tsr.container import directory_end
from tsr.contents import decode_layout
from tsr.errors import FormatError
from tsr.header import raise_error
from tsr.layout import TSR4_MAGIC, V1_HEADER_SIZE
from tsr.scanning.directory import claimed_count, tensor_parts
from tsr.scanning.sources import is_pattern
from tsr.source import READ_ONLY, check_regular, open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tsr.container import TensorInfo
    from tsr.scanning.facts import Facts, Judge

__all__ = ["FEW", "LISTED", "MATCHED", "SOURCE", "Found", "LocalFiles", "Tensors"]

# Whether a path may be a file, a folder or a pattern; no pattern; nothing but a file.
SOURCE, MATCHED, LISTED = range(3)

# The tensors of a TSR4 file that are told together; of more, one part after the other.
FEW = 64

# What the system says of a path that leads to no regular file.
_NO_FILE = (errno.ESPIPE, errno.ENXIO, errno.EISDIR, errno.EINVAL)

# Every block device has a multiple of this size, and no character device has any.
_SECTOR = 512


class Tensors:
    """A file with so many tensors that they come in parts; `parts` gives them, or raises."""

    __slots__ = ("parts",)

    def __init__(self, parts: Callable[[], Iterator[list[TensorInfo]]]) -> None:
        self.parts = parts


# Of a file, what all its rows say or where its tensors come from. "folder" and "pattern" are the
# sources that stand for others.
Found: TypeAlias = "Facts | tuple[Facts, ...] | Tensors | str"


class LocalFiles:
    """Looks at files; several threads may ask."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def look(self, paths: list[str], level: int) -> list[Found]:
        """Give what there is to say of each path, which is `SOURCE`, `MATCHED` or `LISTED`."""
        found: list[Found] = []
        append, known, met = found.append, self._judge.known.get, self._met
        opened, seek, read, close = os.open, os.lseek, os.pread, os.close
        end, length, flags = os.SEEK_END, V1_HEADER_SIZE, READ_ONLY
        for path in paths:
            try:
                descriptor = opened(path, flags)
                try:
                    # Half the time of os.fstat. What cannot be told so is met by `_met`, which
                    # makes sure that it is a regular file before anything is remembered.
                    size = seek(descriptor, 0, end)
                    facts = known((read(descriptor, length, 0), size)) if size else None
                    append(facts or met(descriptor, path))
                finally:
                    close(descriptor)
            except (OSError, ValueError) as error:  # noqa: PERF203 - each file is tried
                append(self._failed(path, error, level))
        return found

    def _met(self, descriptor: int, path: str) -> Found:
        # A file unlike any that is remembered.
        judge = self._judge
        status = os.fstat(descriptor)
        check_regular(path, status.st_mode)
        size = status.st_size
        head = os.pread(descriptor, V1_HEADER_SIZE, 0)
        if head[: len(TSR4_MAGIC)] == TSR4_MAGIC:
            return self._tensors(descriptor, path, size, head)
        # A device of this size may begin with the same bytes: what is no size remembers those.
        key = head, size if size % _SECTOR else -size - 1
        facts = judge.known.get(key)
        if facts is None:
            facts = judge.header(head, size)
            judge.remember(key, facts)
        return facts

    def _tensors(self, descriptor: int, path: str, size: int, head: bytes) -> Found:
        judge = self._judge
        count = claimed_count(head)
        if count > FEW:
            return Tensors(partial(_parts, path, judge.strict))
        data = _read(descriptor, 0, directory_end(count))
        try:
            layout = decode_layout(data, size, judge.strict, None, raise_error)
        except FormatError as error:
            return judge.invalid(error, head)
        return tuple(map(judge.tensor, layout.infos))

    def _failed(self, path: str, error: Exception, level: int) -> Found:
        if isinstance(error, OSError):
            if level < LISTED and os.path.isdir(path):
                return "folder"
            if level == SOURCE and is_pattern(path):
                return "pattern"
            if error.errno in _NO_FILE:
                try:
                    check_regular(path, os.stat(path).st_mode)
                except (FormatError, OSError) as reason:
                    error = reason
        if isinstance(error, FormatError):
            return self._judge.invalid(error)
        return self._judge.failed(error)


def _parts(path: str, strict: bool) -> Iterator[list[TensorInfo]]:
    descriptor, size = open_regular(path)
    try:
        yield from tensor_parts(partial(_read, descriptor), size, strict)
    finally:
        os.close(descriptor)


def _read(descriptor: int, start: int, stop: int) -> bytes:
    data = os.pread(descriptor, stop - start, start)
    # Some file systems give less than they were asked for: then the rest is still to come.
    while len(data) < stop - start:
        more = os.pread(descriptor, stop - start - len(data), start + len(data))
        if not more:
            break
        data += more
    return data
