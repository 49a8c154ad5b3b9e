"""A path, URL or file object -> a file whose beginning is written last.

What follows the beginning is written as it comes, and moved in the end where the beginning
takes another size than was expected. Raises `OSError`.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, Protocol

from tsr.atomic import AtomicFile
from tsr.errors import UnsupportedError
from tsr.remote.urls import is_url, local_path, refuse_options
from tsr.source import is_path
from tsr.streams import WholeWriter, fill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsr.remote.scratch import RemoteFile
    from tsr.writer import Target

__all__ = ["Deferred", "open_deferred"]

# What is on its way to something that cannot be gone back in stays in memory up to here.
_SPOOL_BYTES = 1 << 26

_COPY_BYTES = 1 << 21


class Deferred(Protocol):
    """A file being written; positions count from behind its beginning."""

    def write(self, data: bytes | memoryview) -> object:
        """Write all of `data`."""

    def rewind(self, position: int) -> None:
        """Go on writing at a position that lies behind."""

    def complete(self, head: bytes, end: int) -> None:
        """Put the beginning before what was written, of which `end` bytes count."""

    def discard(self) -> None:
        """Leave nothing behind."""


def open_deferred(
    target: Target,
    durable: bool | None,
    size: int,
    start: int,
    storage_options: Mapping[str, Any] | None = None,
) -> Deferred:
    """Open a path, URL or file object.

    Parameters
    ----------
    target : path, URL or binary file object
    durable : bool, optional
        As for `AtomicFile`.
    size : int
        The bytes of the whole file, where they are known, else 0.
    start : int
        The bytes that its beginning is expected to take.
    storage_options : mapping, optional
        Those of the file system of a URL.
    """
    if is_url(target):
        local = local_path(target)
        if local is None:
            from tsr.remote.scratch import RemoteFile

            return _InPlace(RemoteFile(target, storage_options).__enter__(), start)
        target = local
    else:
        refuse_options(storage_options)
    if not is_path(target):
        if not hasattr(target, "write"):
            raise UnsupportedError(
                f"target: got {type(target).__name__}, expected a path or a binary file object",
                given=type(target),
            )
        return _Spooled(WholeWriter(target))
    file = AtomicFile(os.fsdecode(target), durable, size)
    file.__enter__()
    try:
        if stat.S_ISREG(os.fstat(file.descriptor).st_mode):
            return _InPlace(file, start)
        return _Spooled(file)  # a pipe or a device
    except BaseException:
        _discard(file)
        raise


class _InPlace:
    """A regular file, in which one can go back."""

    def __init__(self, file: AtomicFile | RemoteFile, start: int) -> None:
        self._file = file
        self._start = start
        self.write = file.write
        self.rewind(0)

    def rewind(self, position: int) -> None:
        os.lseek(self._file.descriptor, self._start + position, os.SEEK_SET)

    def complete(self, head: bytes, end: int) -> None:
        descriptor = self._file.descriptor
        try:
            if len(head) != self._start:
                _move(descriptor, self._start, end, len(head))
            if os.fstat(descriptor).st_size != len(head) + end:
                os.ftruncate(descriptor, len(head) + end)
            os.lseek(descriptor, 0, os.SEEK_SET)
            self._file.write(head)
        except BaseException as error:
            _discard(self._file, error)
            raise
        self._file.__exit__(None, None, None)

    def discard(self) -> None:
        _discard(self._file)


class _Spooled:
    """What can only be written from its first byte on: the rest waits in a temporary file."""

    def __init__(self, sink: AtomicFile | WholeWriter) -> None:
        self._sink = sink
        self._spool: Any = SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115 - closed at the end
        self.write = self._spool.write

    def rewind(self, position: int) -> None:
        self._spool.seek(position)

    def complete(self, head: bytes, end: int) -> None:
        try:
            with self._spool as spool:
                spool.truncate(end)
                spool.seek(0)
                self._sink.write(head)
                copyfileobj(spool, self._sink, _COPY_BYTES)
        except BaseException as error:
            _discard(self._sink, error)
            raise
        if isinstance(self._sink, AtomicFile):
            self._sink.__exit__(None, None, None)

    def discard(self) -> None:
        self._spool.close()
        _discard(self._sink)


def _discard(
    sink: AtomicFile | RemoteFile | WholeWriter, error: BaseException | None = None
) -> None:
    # An error of the system gets the path.
    if not isinstance(sink, WholeWriter):
        error = error or InterruptedError("not completed")
        sink.__exit__(type(error), error, None)


def _move(descriptor: int, start: int, size: int, target: int) -> None:
    # Bytes within a file, from the side on which they are not yet needed.
    offsets = range(0, size, _COPY_BYTES)
    buffer = memoryview(bytearray(min(_COPY_BYTES, size)))
    with io.FileIO(descriptor, "r+", closefd=False) as file:
        for offset in offsets if target < start else reversed(offsets):
            block = buffer[: size - offset]
            file.seek(start + offset)
            if fill(file, block) < len(block):
                raise OSError(errno.EIO, os.strerror(errno.EIO))  # somebody has cut the file
            file.seek(target + offset)
            WholeWriter(file).write(block)
