"""A URL -> a local file in its place: a copy to read, or one that becomes the object.

Such files are in the folder for temporary files, which the variable TMPDIR names. Raises `OSError`
for what storage refuses, `FormatError` for an object that changes while it is copied and
`UnsupportedError` where nothing can be written. No error names the local file.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tsr.remote.object import RemoteObject
from tsr.remote.storage import filesystem
from tsr.remote.uploading import check_object, put_bytes, put_file
from tsr.remote.urls import basename, label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType

    from typing_extensions import Self

__all__ = [
    "RemoteFile",
    "blame_scratch",
    "download",
    "downloaded",
    "read_pieces",
    "uploaded",
    "write_object",
]

# What is read with one request: most objects whole, and no more of a large one than memory has.
_PIECE_BYTES = 1 << 26

# Up to here an object is put together in memory and sent at once, without a local file.
_MEMORY_BYTES = 1 << 26


def write_object(
    url: str,
    pieces: Iterable[bytes | memoryview],
    size: int,
    storage_options: Mapping[str, Any] | None = None,
) -> None:
    """Write an object from its first byte to its last, of `size` bytes."""
    check_object(url)
    if size > _MEMORY_BYTES:
        with RemoteFile(url, storage_options) as file:
            for piece in pieces:
                file.write(piece)
        return
    memory = io.BytesIO()
    for piece in pieces:
        memory.write(piece)
    put_bytes(url, memory.getvalue(), storage_options)


@contextmanager
def downloaded(url: str, storage_options: Mapping[str, Any] | None = None) -> Iterator[str]:
    """Copy an object into a folder of its own, which is removed in the end.

    Yields
    ------
    path : str
        The copy, under the same file name.
    """
    with tempfile.TemporaryDirectory(prefix="tsr-") as folder:
        local = os.path.join(folder, basename(url) or "object")
        download(url, local, storage_options)
        yield local


@contextmanager
def uploaded(
    url: str, storage_options: Mapping[str, Any] | None = None, *, overwrite: bool = True
) -> Iterator[str]:
    """Write a file that becomes an object when the context ends without an error.

    Yields
    ------
    path : str
        Where to write the file; nothing is there yet.

    Raises
    ------
    FileExistsError
        The object is there, and `overwrite` is False.
    UnsupportedError
        Nothing can be written there.
    """
    check_object(url)
    with tempfile.TemporaryDirectory(prefix="tsr-") as folder:
        local = os.path.join(folder, basename(url) or "object")
        yield local
        put_file(url, local, storage_options, overwrite=overwrite)


class RemoteFile:
    """A local file that becomes the object behind a URL when the ``with`` block ends.

    It is what `tsr.atomic.AtomicFile` is for paths: an error leaves what stood there before.

    Parameters
    ----------
    url : str
    storage_options : mapping, optional

    Attributes
    ----------
    descriptor : int
        Open for reading and writing.
    """

    __slots__ = ("_folder", "_options", "_process", "_url", "descriptor")

    def __init__(self, url: str, storage_options: Mapping[str, Any] | None = None) -> None:
        self._url = url
        self._options = storage_options
        self._process = os.getpid()
        self._folder = ""
        self.descriptor = -1

    def __enter__(self) -> Self:
        check_object(self._url)
        filesystem(self._url, self._options)  # what is missing for it shows before all is written
        with blame_scratch(self._url):
            self._folder = tempfile.mkdtemp(prefix="tsr-")
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            self.descriptor = os.open(self._path, flags, 0o600)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = label(self._url)
        try:
            with blame_scratch(self._url):
                descriptor, self.descriptor = self.descriptor, -1
                os.close(descriptor)
            if error is None:
                put_file(self._url, self._path, self._options)
        finally:
            # A forked child that gives up leaves the file to its parent.
            if self._process == os.getpid():
                shutil.rmtree(self._folder, ignore_errors=True)

    def write(self, data: Any) -> None:
        """Write all of a bytes-like object: one system call may take less."""
        rest = memoryview(data)
        with blame_scratch(self._url):
            while len(rest):
                rest = rest[os.write(self.descriptor, rest) :]

    @property
    def _path(self) -> str:
        return os.path.join(self._folder, "object")


def download(url: str, local: str, storage_options: Mapping[str, Any] | None = None) -> None:
    """Copy an object to the new file `local`.

    Raises
    ------
    FormatError
        It was replaced meanwhile.
    OSError
        It cannot be read, or the disk is full.
    """
    pieces = read_pieces(url, storage_options)
    first = next(pieces, b"")  # what is not there leaves no file
    with blame_scratch(url):
        file = open(local, "xb", buffering=0)  # noqa: SIM115 - closed below
    with file:
        _write_all(file.fileno(), first, url)
        for piece in pieces:
            _write_all(file.fileno(), piece, url)


def read_pieces(
    url: str, storage_options: Mapping[str, Any] | None = None
) -> Iterator[bytes | bytearray]:
    """Give the bytes of an object of any size, all of one version; none of an empty one."""
    remote = RemoteObject(url, storage_options)
    start = 0
    while remote.size is None or start < remote.size:
        piece = remote.read(start, start + _PIECE_BYTES)
        if piece:
            yield piece
        start += len(piece)
        if len(piece) < _PIECE_BYTES:
            break


@contextmanager
def blame_scratch(url: str) -> Iterator[None]:
    """Have errors over a local file name the URL that it stands for."""
    try:
        yield
    except OSError as error:
        error.filename = label(url)
        if error.errno == errno.ENOSPC:
            error.strerror = f"{error.strerror} in the folder for temporary files, TMPDIR"
        raise


def _write_all(descriptor: int, data: bytes | bytearray, url: str) -> None:
    rest = memoryview(data)
    with blame_scratch(url):
        while len(rest):
            rest = rest[os.write(descriptor, rest) :]
