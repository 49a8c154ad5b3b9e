"""Files or URLs -> their SHA-256, by several threads; digests and names <-> ``sha256sum``'s lines.

Only regular files are opened, and they are read by pieces. Of the lines, those that GNU
``sha256sum`` writes are made, and those that its ``--check`` takes are read. `DigestLineError` is
raised for any other; `FormatError` and `OSError` for what cannot be read. No numpy.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from threading import Event
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

from tsr.errors import TSRError
from tsr.remote.urls import is_url
from tsr.source import open_regular
from tsr.threads import in_order, thread_count

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    # Called with the bytes that were just read, and from where; by several threads.
    Advance = Callable[[int, str], None]

__all__ = [
    "Digest",
    "DigestLineError",
    "Readable",
    "digest_line",
    "file_digest",
    "file_digests",
    "parse_digest_line",
    "read_digest_lines",
    "stream_digest",
]

# What is read at once: enough that a call costs nothing beside it, and it stays in the cache.
_PIECE = 1 << 20

# Names have at most 4,096 bytes on Linux, and escaping doubles them at most. More than this in a
# line is no name, and is not read into memory.
_LINE_MAX = 1 << 16

# How much of a line an error shows.
_SHOWN = 100

_LINE = re.compile(rb"[ \t]*(\\?)([0-9A-Fa-f]{64})[ \t][ *]?(.+)", re.DOTALL)
_TAGGED_LINE = re.compile(rb"[ \t]*(\\?)SHA256 ?\((.+)\)[ \t]*=[ \t]*([0-9A-Fa-f]{64})", re.DOTALL)

_ESCAPES = {b"\\": b"\\\\", b"\n": b"\\n", b"\r": b"\\r"}
_CHARACTERS = {escape: character for character, escape in _ESCAPES.items()}
_TO_ESCAPE = re.compile(rb"[\\\n\r]")
_ESCAPED = re.compile(rb"\\.?", re.DOTALL)


class Digest(NamedTuple):
    """What a file's bytes are known by.

    Attributes
    ----------
    path : str
    sha256 : str
        64 hexadecimal digits.
    size : int
        How many bytes were read.
    """

    path: str
    sha256: str
    size: int


class Readable(Protocol):
    """What raw and buffered streams of bytes are."""

    def readinto(self, buffer: Any, /) -> int | None:
        """Fill a buffer as far as there is something, and give how far."""


class DigestLineError(TSRError, ValueError):
    """A line is none of those that ``sha256sum`` writes, or its name leads where it must not.

    Parameters
    ----------
    message : str
        What was found and what was expected.
    path : str
        The file that the line stands in.
    line : int
        Its number, from 1.
    """

    def __init__(self, message: str, path: str, line: int) -> None:
        self.path = path
        self.line = line
        super().__init__(f"{path}: line {line}: {message}")


# ------------------------------------------------------------------ files -> digests


def file_digests(
    paths: Iterable[str], count: int, advance: Advance | None = None
) -> Generator[Digest | Exception, None, None]:
    """Give the digest of each file, in order, or the error that it could not be read for.

    Parameters
    ----------
    paths : iterable of str
    count : int
        How many there are, at least; it decides how many threads work.
    advance : callable, optional
    """
    stop = Event()

    def attempt(path: str) -> Digest | Exception:
        try:
            return file_digest(path, advance, stop)
        except (TSRError, OSError, MemoryError) as error:
            return error.with_traceback(None)

    return in_order(attempt, paths, thread_count(count), stop)


def file_digest(path: str, advance: Advance | None = None, stop: Event | None = None) -> Digest:
    """Read a regular file, or what is behind a URL; once `stop` is set, no further."""
    if is_url(path):
        return _remote_digest(path, advance, stop)
    descriptor, size = open_regular(path)
    with open(descriptor, "rb", buffering=0) as stream:
        return stream_digest(stream, path, advance, stop, min(size + 1, _PIECE))


def stream_digest(
    stream: Readable,
    path: str,
    advance: Advance | None = None,
    stop: Event | None = None,
    piece: int = _PIECE,
) -> Digest:
    """Read a stream to its end, or until `stop` is set.

    Raises
    ------
    BlockingIOError
        It has nothing to give right now: what comes later would be left out.
    """
    found = hashlib.sha256()
    buffer = memoryview(bytearray(piece))
    size = 0
    while not (stop is not None and stop.is_set()):
        count = stream.readinto(buffer)
        if count is None:  # not the end, though nothing is there yet
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), path)
        if not count:
            break
        found.update(buffer[:count])
        size += count
        if advance is not None:
            advance(count, path)
    return Digest(path, found.hexdigest(), size)


def _remote_digest(url: str, advance: Advance | None, stop: Event | None) -> Digest:
    from tsr.remote.scratch import read_pieces

    found = hashlib.sha256()
    size = 0
    for piece in read_pieces(url):
        found.update(piece)
        size += len(piece)
        if advance is not None:
            advance(len(piece), url)
        if stop is not None and stop.is_set():
            break
    return Digest(url, found.hexdigest(), size)


# ------------------------------------------------------------------ digests <-> lines


def digest_line(sha256: str, name: bytes) -> bytes:
    r"""Make the line of a file, with its line feed.

    A name with a backslash, line feed or carriage return has them escaped, which a backslash at
    the beginning of the line says.
    """
    escaped = _TO_ESCAPE.sub(lambda found: _ESCAPES[found[0]], name)
    mark = b"\\" if escaped != name else b""
    return mark + sha256.encode("ascii") + b"  " + escaped + b"\n"


def parse_digest_line(line: bytes) -> tuple[str, bytes] | None:
    """Give the digest and the name of a line; None for one that is empty or a comment.

    Lines may end as those of Windows do, and may have the forms of BSD:
    ``SHA256 (name) = digest``, or one blank only.

    Raises
    ------
    ValueError
        It has another form.
    """
    if line.startswith(b"#"):
        return None
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    if not line:
        return None
    if found := _LINE.fullmatch(line):
        mark, sha256, name = found.groups()
    elif found := _TAGGED_LINE.fullmatch(line):
        mark, name, sha256 = found.groups()
    else:
        raise ValueError("expected 64 hexadecimal digits, two blanks and a name")
    if b"\0" in name:
        raise ValueError("expected a name without NUL")
    if mark:
        name = _ESCAPED.sub(_unescape, name)
    return sha256.decode("ascii").lower(), name


def _unescape(found: re.Match[bytes]) -> bytes:
    try:
        return _CHARACTERS[found[0]]
    except KeyError:
        raise ValueError(r"expected \\, \n or \r behind a backslash in the name") from None


def read_digest_lines(
    stream: IO[bytes], path: str
) -> Iterator[tuple[int, str, bytes] | DigestLineError]:
    """Give the number, digest and name of each line, or what is wrong with it; `path` is blamed."""
    lines = iter(lambda: stream.readline(_LINE_MAX), b"")
    for number, line in enumerate(lines, start=1):
        if len(line) == _LINE_MAX and not line.endswith(b"\n"):
            message = f"got more than {_LINE_MAX - 1} bytes, expected a name"
            yield DigestLineError(message, path, number)
            _skip_line(stream)
            continue
        try:
            parsed = parse_digest_line(line)
        except ValueError as error:
            yield DigestLineError(f"got {_shown(line)}, {error}", path, number)
        else:
            if parsed is not None:
                yield (number, *parsed)


def _skip_line(stream: IO[bytes]) -> None:
    for piece in iter(lambda: stream.readline(_LINE_MAX), b""):
        if piece.endswith(b"\n"):
            return


def _shown(line: bytes) -> str:
    # As much of it as shows what it is.
    text = repr(os.fsdecode(line[:_SHOWN].rstrip(b"\r\n")))
    return text + "..." if len(line) > _SHOWN else text
