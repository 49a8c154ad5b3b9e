"""What a reader reads from: a path, URL, file object or buffer -> its header. No numpy.

Only regular files are opened, and that is decided on the open descriptor; sizes come from it
too, never from the header. Raises `FormatError` for what is no valid file and `OSError` for
what cannot be opened.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import IO, TYPE_CHECKING, Any, TypeAlias, TypeGuard, cast

from tsr.buffers import bytes_view
from tsr.errors import FormatError, UnsupportedError
from tsr.header import Header, decode_header
from tsr.layout import V1_HEADER_SIZE
from tsr.remote.urls import is_url, local_path, refuse_options
from tsr.streams import check_binary, is_stream, plain_descriptor, read_upto, stream_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsr.buffers import BytesLike
    from tsr.remote.object import RemoteObject
    from tsr.streams import BinaryReader

__all__ = [
    "READ_ONLY",
    "READ_WRITE",
    "SMALL_FILE",
    "Source",
    "behind_url",
    "changed",
    "check_regular",
    "is_path",
    "open_regular",
    "read_header",
    "read_whole",
]

Source: TypeAlias = "str | os.PathLike[str] | os.PathLike[bytes] | BinaryReader | BytesLike"

# O_NONBLOCK: opening a FIFO must not wait for its writer. The names Windows lacks count as 0.
_FLAGS = (
    getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
READ_ONLY = os.O_RDONLY | _FLAGS
READ_WRITE = os.O_RDWR | _FLAGS

# Up to here the whole file is read in one call, which costs less than a mapping: that takes a
# fault for every page used, and a descriptor. From here on a read may need pages that malloc has
# to get first, and those cost more.
SMALL_FILE = 1 << 17

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


def read_header(
    source: Source, *, strict: bool = True, storage_options: Mapping[str, Any] | None = None
) -> Header:
    """Read the header of a TSR v1 file; the payload stays untouched.

    Parameters
    ----------
    source : path, URL, file object or bytes-like
        A file object is read from where it stands and left after the header. Of what a URL leads
        to, 64 bytes are asked for.
    strict : bool, default True
        False accepts set reserved fields and bytes after the payload, as the original
        readers do.
    storage_options : mapping, optional
        For a URL: what fsspec's file system for it is made with.

    Returns
    -------
    Header

    Raises
    ------
    FormatError
        The header breaks a clause, or the file is shorter or longer than it says. The size
        of what a file object that is no plain file gives is not known here, so not checked;
        nor is that of a file which a server does not tell.
    OSError
        The file cannot be opened.
    """
    if storage_options is not None or (isinstance(source, str) and "://" in source):
        source, remote = behind_url(source, storage_options)
        if remote is not None:
            data = remote.read(0, V1_HEADER_SIZE)
            return Header(*decode_header(data, len(data), remote.size, strict, remote.label))
    data, size, path = _header_bytes(source)
    return Header(*decode_header(data, len(data), size, strict, path))


def _header_bytes(source: Any) -> tuple[bytes, int | None, str | None]:
    # The first bytes of a source, its size where that can be known, and its name.
    if is_path(source):
        path = os.fsdecode(source)
        descriptor, size = open_regular(path)
        try:
            return os.read(descriptor, V1_HEADER_SIZE), size, path
        finally:
            os.close(descriptor)
    if is_stream(source):
        check_binary(source)
        name = stream_name(source)
        data = read_upto(source, V1_HEADER_SIZE)
        plain = plain_descriptor(source)
        if plain is not None:
            start = cast("IO[bytes]", source).tell() - len(data)
            return data, os.fstat(plain).st_size - start, name
        return data, None, name
    view = bytes_view(source)
    return bytes(view[:V1_HEADER_SIZE]), len(view), None


def behind_url(
    source: Source, storage_options: Mapping[str, Any] | None = None
) -> tuple[Source, RemoteObject | None]:
    """Tell URLs from other sources.

    Returns
    -------
    source : Source
        As given; of a ``file://`` URL the path.
    remote : RemoteObject or None
        What a URL leads to, if that is no local file; nothing was asked of it.

    Raises
    ------
    UnsupportedError
        There are `storage_options` and no URL.
    """
    if not is_url(source):
        if storage_options is not None:
            refuse_options(storage_options)
        return source, None
    path = local_path(source)
    if path is not None:
        return path, None
    from tsr.remote.object import RemoteObject  # with its modules, of which paths need none

    return source, RemoteObject(source, storage_options)


def is_path(source: object) -> TypeGuard[str | os.PathLike[str] | os.PathLike[bytes]]:
    """Tell a path from what is no path; bytes are contents, never a path."""
    return isinstance(source, (str, os.PathLike))


def open_regular(path: str, flags: int = READ_ONLY) -> tuple[int, int]:
    """Open a regular file.

    Returns
    -------
    descriptor : int
        The caller closes it.
    size : int
        Bytes in the file, by the descriptor.

    Raises
    ------
    FormatError
        The path leads to something else: a directory, FIFO, socket or device.
    OSError
        It cannot be opened.
    """
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        # Sockets cannot be opened at all, nor directories for writing.
        if error.errno in (errno.ENXIO, errno.EISDIR):
            check_regular(path, os.stat(path).st_mode)
        raise
    except ValueError as error:
        raise UnsupportedError(f"path: got {path!r}: {error}") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        check_regular(path, status.st_mode)
    return descriptor, status.st_size


def read_whole(descriptor: int, size: int, path: str) -> bytes:
    """Read all of a small file, from a descriptor that stands at its beginning.

    Raises
    ------
    FormatError
        It has another size than it had when it was opened.
    """
    data = os.read(descriptor, size + 1)
    if len(data) != size:
        # Some file systems give less than they were asked for: then the rest is still to come.
        while len(data) <= size and (more := os.read(descriptor, size + 1 - len(data))):
            data += more
        # FILE-2
        if len(data) != size:
            raise changed(path, len(data), size)
    return data


def check_regular(path: str, mode: int) -> None:
    """Refuse what is no regular file, by its mode bits."""
    # FILE-1
    if not stat.S_ISREG(mode):
        found = next((name for test, name in _KINDS if test(mode)), "a special file")
        raise FormatError(
            "file", 0, found=found, expected="a regular file", clause="FILE-1", path=path
        )


def changed(path: str | None, found: int, expected: int) -> FormatError:
    """Make the error for a file whose size changes while it is read."""
    # FILE-2
    return FormatError(
        "file", min(found, expected), found=f"{found} bytes", expected=f"{expected} bytes",
        clause="FILE-2", path=path, note="its size changed while it was read",
    )  # fmt: skip
