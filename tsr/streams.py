"""File objects as sources of bytes: what they give, and whether a plain file is behind them.

Every function takes a binary file object, seekable or not, and copes with one that gives less
than it was asked for. Raises `UnsupportedError` for one in text mode and `BlockingIOError` for
one that has nothing to give right now.
"""

from __future__ import annotations

import errno
import io
import mmap
import os
import stat
from typing import Any, Protocol, TypeGuard

from tsr.errors import UnsupportedError

__all__ = [
    "CHUNK",
    "BinaryReader",
    "BinaryWriter",
    "Pushback",
    "WholeWriter",
    "check_binary",
    "fill",
    "is_stream",
    "plain_descriptor",
    "read_growing",
    "read_upto",
    "stream_name",
]

CHUNK = 1 << 20


class BinaryReader(Protocol):
    """The least that counts as a file object to read from."""

    def read(self, size: int, /) -> bytes:
        """Read `size` bytes, or fewer; none at the end."""
        ...


class BinaryWriter(Protocol):
    """The least that counts as a file object to write to."""

    def write(self, data: Any, /) -> object:
        """Write a bytes-like object."""
        ...


class Pushback:
    """A stream that gives once more what was read of it."""

    def __init__(self, stream: BinaryReader, data: bytes) -> None:
        self._stream = stream
        self._data = data
        self.name = stream_name(stream)

    def read(self, size: int, /) -> bytes:
        """Read `size` bytes, or fewer; none at the end."""
        if not self._data:
            return self._stream.read(size)
        data, self._data = self._data[:size], self._data[size:]
        return data


def is_stream(source: object) -> TypeGuard[BinaryReader]:
    """Tell a file object open for reading; an ``mmap``, which has a `read`, is a buffer."""
    return hasattr(source, "read") and not isinstance(source, mmap.mmap)


def check_binary(stream: object) -> None:
    """Refuse a file object in text mode, before it decodes or encodes anything."""
    if hasattr(stream, "encoding") or isinstance(stream, io.TextIOBase):
        raise UnsupportedError("file object: got text, expected one opened in binary mode")


def stream_name(stream: BinaryReader) -> str | None:
    """Name a file object for errors, if it has a name."""
    name = getattr(stream, "name", None)
    return os.fsdecode(name) if isinstance(name, (str, bytes)) else None


def plain_descriptor(stream: BinaryReader) -> int | None:
    """Give the descriptor of a file object that shows a regular file as it is, else None.

    A `fileno` alone proves nothing: that of a GzipFile leads to the compressed bytes.
    """
    raw = getattr(stream, "raw", stream)
    buffered = isinstance(stream, (io.BufferedReader, io.BufferedRandom))
    if type(raw) is not io.FileIO or not (buffered or raw is stream):
        return None
    descriptor = raw.fileno()
    return descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def read_upto(stream: BinaryReader, count: int) -> bytes:
    """Read `count` bytes, or as many as come before the stream ends."""
    chunks = []
    while count > 0:
        chunk = stream.read(count)
        if isinstance(chunk, str):
            raise UnsupportedError("file object: got text, expected one opened in binary mode")
        if chunk is None:
            raise _blocked(stream)
        if not chunk:
            break
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def fill(stream: BinaryReader, view: memoryview) -> int:
    """Read into `view` until it is full or the stream ends, and count the bytes."""
    readinto = getattr(stream, "readinto", None)
    done = 0
    while done < len(view):
        if readinto is not None:
            count = readinto(view[done:])
        else:
            chunk = read_upto(stream, min(len(view) - done, CHUNK))
            count = len(chunk)
            view[done : done + count] = chunk
        if count is None:
            raise _blocked(stream)
        if not count:
            break
        done += count
    return done


def read_growing(
    stream: BinaryReader, count: int, capacity: int = CHUNK, head: bytes | bytearray = b""
) -> bytearray:
    """Read `count` bytes, or as many as come before the stream ends, and put them behind `head`.

    At first only `capacity` bytes are allocated, then never more than twice what has come:
    `count` may be a lie.
    """
    buffer = bytearray(head)
    done = len(head)
    end = done + count
    buffer.extend(bytes(min(count, capacity)))
    while True:
        with memoryview(buffer) as view:
            done += fill(stream, view[done:])
        if done < len(buffer) or done == end:
            del buffer[done:]
            return buffer
        buffer.extend(bytes(min(end - done, done)))


def _blocked(stream: BinaryReader) -> BlockingIOError:
    return BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), stream_name(stream))


class WholeWriter:
    """A file object that takes all it is given: a raw one may take less at a time."""

    def __init__(self, stream: Any) -> None:
        check_binary(stream)
        self._stream = stream

    def write(self, data: bytes | memoryview) -> None:
        """Write all of `data`; what says nothing of how much it took, took all."""
        done = 0
        while done < len(data):
            taken = self._stream.write(memoryview(data)[done:])
            if taken is None and not isinstance(self._stream, io.RawIOBase):
                return
            if not taken:
                raise BlockingIOError(
                    errno.EAGAIN, os.strerror(errno.EAGAIN), stream_name(self._stream)
                )
            done += taken
