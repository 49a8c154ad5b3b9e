"""A range of an object on its way into memory: what is there of it, and what is known.

Raises `FormatError` where an answer is of another version of the object than the ones before.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

from tsr.errors import FormatError
from tsr.layout import TSR4_HEADER_SIZE, V1_HEADER_SIZE
from tsr.remote.failures import PassingError
from tsr.source import changed

if TYPE_CHECKING:
    from collections.abc import Callable

    Check = Callable[[bytes, int | None], "memoryview | None"]

__all__ = ["ChangedError", "Wanted", "parse_content_range", "version_changed"]

_CONTENT_RANGE = re.compile(r"bytes +(?:([0-9]{1,19})-([0-9]{1,19})|\*)/([0-9]{1,19}|\*)")


class ChangedError(Exception):
    """The object is another than before, and the answer does not say which."""


class Wanted:
    """The bytes from `start` to `stop` of an object.

    Parameters
    ----------
    name : str
        What errors call the object.
    start : int
    stop : int or None
        None: to its end.
    size, version
        Of the object, where an answer before told them.
    check : callable, optional
        Called with the first 128 bytes, or all if there are no more, and the object's size
        where it is known, before more is taken; what it raises ends the transfer. It may give
        memory, for what follows the first 64 bytes, as much as there is room for.

    Attributes
    ----------
    name, start, stop, size, version
        As given; an answer tells size and version where they are None.
    data : bytearray
        What is there so far, which grows with what comes only; without what lies in the
        memory that `check` gave.
    """

    __slots__ = (
        "_check", "_checked", "_given", "_memory", "data", "name", "size", "start", "stop",
        "version",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        start: int,
        stop: int | None,
        *,
        size: int | None = None,
        version: str | None = None,
        check: Check | None = None,
    ) -> None:
        self.name = name
        self.start = start
        self.stop = stop
        self.size = size
        self.version = version
        self.data = bytearray()
        self._check = check
        self._checked = check is None
        self._memory: memoryview | None = None
        self._given = 0  # bytes of it that are filled

    @property
    def at(self) -> int:
        """Where in the object the next byte stands."""
        return self.start + len(self.data) + self._given

    @property
    def range(self) -> str | None:
        """The header ``Range`` of a request for what is missing; None for the whole object."""
        if self.at == 0 and self.stop is None:
            return None
        return f"bytes={self.at}-{'' if self.stop is None else self.stop - 1}"

    def begin(self, size: int | None, version: str | None) -> None:
        """Take what an answer says of the object.

        Raises
        ------
        FormatError
            It is not what an answer said before.
        """
        # FILE-2
        if size is not None and self.size is not None and size != self.size:
            raise changed(self.name, size, self.size)
        if version is not None and self.version is not None and version != self.version:
            raise version_changed(self.name, version, self.version)
        self.size = size if self.size is None else self.size
        self.version = version if self.version is None else self.version

    def add(self, data: bytes | memoryview) -> bool:
        """Put bytes behind those that are there, and tell whether more are wanted."""
        if self.stop is not None:
            data = data[: max(0, self.stop - self.at)]
        if self._memory is not None:
            data = self._fill(self._memory, memoryview(data))
        self.data += data
        if not self._checked and len(self.data) >= TSR4_HEADER_SIZE:
            self.check()
        return self.stop is None or self.at < self.stop

    def check(self) -> None:
        """Have what is there looked at, once."""
        if not self._checked and self._check is not None:
            self._checked = True
            self._memory = self._check(bytes(self.data[:TSR4_HEADER_SIZE]), self.size)
            if self._memory is not None:
                rest = self.data[V1_HEADER_SIZE:]
                del self.data[V1_HEADER_SIZE:]
                self.data += self._fill(self._memory, memoryview(rest))

    def _fill(self, memory: memoryview, data: memoryview) -> memoryview:
        # Put into the memory what there is room for, and give the rest.
        piece = data[: len(memory) - self._given]
        memory[self._given : self._given + len(piece)] = piece
        self._given += len(piece)
        return data[len(piece) :]

    def finish(self, end: int | None) -> None:
        """Look whether an answer that was to lead up to `end` did.

        Raises
        ------
        PassingError
            It ended before.
        """
        goal = end if self.stop is None or (end is not None and end < self.stop) else self.stop
        if end is not None and goal is not None and self.at < goal:
            said = f"the answer ended after {self.at - self.start} of {goal - self.start} bytes"
            raise PassingError(OSError(errno.ECONNRESET, said, self.name))
        self.check()

    def retry(self, pinned: bool) -> None:
        """Get ready for another request; what is there is kept if it is of the same version."""
        if not pinned:
            self.data.clear()
            self._memory, self._given = None, 0


def parse_content_range(text: str | None) -> tuple[int | None, int, int | None] | None:
    """Parse a header ``Content-Range``.

    Returns
    -------
    first : int or None
        The first byte; None where the range does not lie in the object.
    end : int
        Behind the last byte.
    size : int or None
        Of the whole object, where it is told.

    None for what is no such header, or says what cannot be.
    """
    found = _CONTENT_RANGE.fullmatch(text or "")
    if found is None:
        return None
    size = None if found[3] == "*" else int(found[3])
    if found[1] is None:
        return None, 0, size
    first, end = int(found[1]), int(found[2]) + 1
    if first >= end or (size is not None and end > size):
        return None
    return first, end, size


def version_changed(name: str, found: str | None, expected: str) -> FormatError:
    """Make the error for an object that another one of its size has replaced."""
    # FILE-2
    return FormatError(
        "file", 0, found="another version" if found is None else f"version {found}",
        expected=f"version {expected}", clause="FILE-2", path=name,
        note="it changed while it was read",
    )  # fmt: skip
