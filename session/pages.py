"""Files of large tensors whose pages are written, and mapped, again and again.

Fresh pages cost several times what is written to them, and to map them anew costs as much again.
A writer keeps its files mapped, and writes one again once it gets its exclusive lock; a reader
keeps what it has mapped, and has the shared lock of a file for as long as there is an array on
it. Locks vanish with their process. Raises `OSError`, `UnsupportedError` and `FormatError`.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import weakref
from contextlib import suppress
from itertools import count
from math import prod
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

import tsr.reader
import tsr.writer
from tsr.header import build_header
from tsr.layout import V1_HEADER_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Incoming", "OutFile", "Outgoing"]

# How many files a writer keeps at most; what more is under way at once goes to fresh ones.
FILES_MAX = 8

_MAP_FLAGS = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)

_serial = count()


class Outgoing:
    """The files that a writer keeps.

    Parameters
    ----------
    directory : int
        A descriptor of the directory that they are in.
    """

    def __init__(self, directory: int) -> None:
        self._directory = directory
        self._files: list[OutFile] = []

    def close(self) -> None:
        """Let go of the files; their names stay in the directory."""
        for file in self._files:
            file.close()
        self._files.clear()

    def write(self, array: NDArray[Any]) -> OutFile | None:
        """Give a file that holds an array, locked; None where all are in use."""
        file = self._take(V1_HEADER_SIZE + array.nbytes)
        if file is not None:
            try:
                tsr.writer.dumps_into(file.pages, array)
            except BaseException:
                file.unlock()
                raise
        return file

    def lend(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any] | None:
        """Give an array that is on the pages of a file; None where all are in use."""
        build_header(dtype, shape)  # which checks both
        file = self._take(V1_HEADER_SIZE + dtype.itemsize * prod(shape))
        if file is None:
            return None
        array: NDArray[Any] = np.ndarray(shape, dtype, file.pages, V1_HEADER_SIZE)
        file.lend(array)
        return array

    def find(self, array: NDArray[Any]) -> OutFile | None:
        """Find the lent file that an array fills; None where it is on none."""
        if not array.flags.c_contiguous or array.dtype != array.dtype.newbyteorder("<"):
            return None
        place = array.__array_interface__["data"][0], array.nbytes
        for file in self._files:
            if file.lent_at == place:
                file.pages[:V1_HEADER_SIZE] = build_header(array.dtype, array.shape)
                return file
        return None

    def drop(self, file: OutFile) -> None:
        """Keep a file no longer; it stays for as long as it is published or mapped."""
        self._files.remove(file)
        with suppress(FileNotFoundError):
            os.unlink(file.name, dir_fd=self._directory)
        file.close()

    def _take(self, size: int) -> OutFile | None:
        # One that nobody uses, locked, of a size that is near; else a new one.
        near = [file for file in self._files if len(file.pages) <= 2 * size]
        for file in sorted(near, key=lambda file: abs(len(file.pages) - size)):
            if file.lock():
                if len(file.pages) != size:
                    self._resize(file, size)
                return file
        if len(self._files) == FILES_MAX:
            return None
        file = OutFile(self._directory)
        self._files.append(file)
        self._resize(file, size)
        return file

    def _resize(self, file: OutFile, size: int) -> None:
        try:
            file.resize(size)
        except BaseException:
            self.drop(file)  # what fills the memory may be this file
            raise


class OutFile:
    """A file that is written again and again.

    Attributes
    ----------
    name : str
    pages : mmap
        All of it.
    lent_at : tuple of int or None
        The address and the bytes of the array that is lent; None where none is.
    """

    def __init__(self, directory: int) -> None:
        self.name = f".{os.getpid()}-{next(_serial)}.pool"
        self._descriptor = os.open(
            self.name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600,
            dir_fd=directory,
        )  # fmt: skip
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        self.pages: mmap.mmap = None  # type: ignore[assignment] # `resize` comes at once
        self.lent_at: tuple[int, int] | None = None
        self._lent: weakref.ref[NDArray[Any]] | None = None

    def resize(self, size: int) -> None:
        """Give the file another size, and all its pages."""
        os.truncate(self._descriptor, size)
        # A store to a page that there is no room for would be SIGBUS; this is an error.
        os.posix_fallocate(self._descriptor, 0, size)
        self.pages = mmap.mmap(self._descriptor, size, flags=_MAP_FLAGS)

    def lock(self) -> bool:
        """Take the file to write it; tell whether nobody else uses it."""
        if self.lent_at is not None and self.is_lent:
            return False
        # One with a second name is published, and a reader has its lock before it has only one.
        if os.fstat(self._descriptor).st_nlink != 1:
            return False
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.lent_at = None
        return True

    def unlock(self) -> None:
        """Leave the file to readers."""
        self.lent_at = None
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def lend(self, array: NDArray[Any]) -> None:
        """Take note of an array on the file's pages."""
        self.lent_at = array.__array_interface__["data"][0], array.nbytes
        self._lent = weakref.ref(array)

    @property
    def is_lent(self) -> bool:
        """Whether anybody still has the array that was lent, or a view of it."""
        return self._lent is not None and self._lent() is not None

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


class Incoming:
    """The mappings that a reader keeps."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], _Mapping] = {}
        _readers.add(self)

    def read(self, descriptor: int, status: os.stat_result) -> NDArray[Any]:
        """Give the array that a file holds, on its pages; the descriptor is closed or kept.

        Whoever writes the file does not, for as long as the array lives.
        """
        key = status.st_dev, status.st_ino
        with _forking:
            kept = self._kept.get(key)
            if kept is not None and len(kept.pages) == status.st_size:
                os.close(descriptor)
            else:
                self._prune()
                self._kept[key] = kept = _Mapping(descriptor, status.st_size)
            return kept.read()

    def close(self) -> None:
        """Let go of the mappings; those that arrays are on, when the last array is gone."""
        with _forking:
            while self._kept:
                self._kept.popitem()[1].leave()

    def _prune(self) -> None:
        # What its writer does not keep any more, or gave another size, is never read again.
        for key, kept in list(self._kept.items()):
            if not kept.is_current:
                del self._kept[key]
                kept.leave()


class _Mapping:
    """A file that was read, with the shared lock of it for as long as an array is on it."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._arrays = 0
        self._is_left = False
        try:
            self.pages = mmap.mmap(descriptor, size, flags=_MAP_FLAGS)
        except BaseException:
            os.close(descriptor)
            raise

    @property
    def is_current(self) -> bool:
        status = os.fstat(self._descriptor)
        return status.st_nlink > 0 and status.st_size == len(self.pages)

    def read(self) -> NDArray[Any]:
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        self._arrays += 1
        try:
            array = tsr.reader.loads(self.pages)
        except BaseException:
            self._release()
            raise
        weakref.finalize(array, self._release).atexit = False
        return array

    def leave(self) -> None:
        self._is_left = True
        if not self._arrays:
            os.close(self._descriptor)

    def _release(self) -> None:
        with _forking:
            self._arrays -= 1
            if self._arrays:
                return
            if self._is_left:
                # A forked child may have the array, too: the lock goes when both have closed it.
                os.close(self._descriptor)
            else:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)


_readers: weakref.WeakSet[Incoming] = weakref.WeakSet()

# Held by a thread that reads or releases, and across a fork.
_forking = RLock()


def _before_fork() -> None:
    _forking.acquire()
    for reader in list(_readers):
        reader.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_forking.release, after_in_child=_forking.release
    )
