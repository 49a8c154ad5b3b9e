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
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

import tsr.reader
import tsr.writer
from tsr.header import build_header
from tsr.layout import V1_HEADER_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["InFile", "Incoming", "OutFile", "Outgoing", "Place", "find_file"]

# Where an array is: its address, and its bytes.
Place: TypeAlias = tuple[int, int]

# How many files a writer keeps at most; what more is under way at once goes to fresh ones.
FILES_MAX = 8

_MAP_FLAGS = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)

_serial = count()


def find_file(array: object, *keepers: Outgoing | Incoming | None) -> InFile | OutFile | None:
    """Find the file whose pages an array fills, and have it hold the array.

    Returns
    -------
    InFile, OutFile or None
        None where there is none, and where it has another name already.

    Raises
    ------
    UnsupportedError
        The array has no encoding.
    """
    if not isinstance(array, np.ndarray) or not array.flags.c_contiguous:
        return None
    if array.dtype != array.dtype.newbyteorder("<"):
        return None
    place = _place(array)
    found = (keeper.find(place) for keeper in keepers if keeper is not None)
    file = next((file for file in found if file is not None and file.names == 1), None)
    if file is not None:
        file.pages[:V1_HEADER_SIZE] = build_header(array.dtype, array.shape)
    return file


def _place(array: NDArray[Any]) -> Place:
    place: int = array.__array_interface__["data"][0]
    return place, array.nbytes


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

    def find(self, place: Place) -> OutFile | None:
        """Find the file of a lent array that is there; None where there is none."""
        return next((file for file in self._files if file.lent_at == place), None)

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
            # All are in use, or of another size: one that is not in use makes room.
            idle = next((file for file in self._files if file.lock()), None)
            if idle is None:
                return None
            self.drop(idle)
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
    lent_at : Place or None
        Of the array that is lent; None where none is.
    """

    def __init__(self, directory: int) -> None:
        self.name = f".{os.getpid()}-{next(_serial)}.pool"
        self._descriptor = os.open(
            self.name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600,
            dir_fd=directory,
        )  # fmt: skip
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        self.pages: mmap.mmap = None  # type: ignore[assignment] # `resize` comes at once
        self.lent_at: Place | None = None
        self._lent: weakref.ref[NDArray[Any]] | None = None

    @property
    def names(self) -> int:
        """How many names the file has in the directory; one that is published has two."""
        return os.fstat(self._descriptor).st_nlink

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
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        # One with a second name is published, and a reader has its lock before it has only one.
        # Looked at under the lock: before, a reader could give the file back and let go of it.
        if self.names != 1:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            return False
        self.lent_at = None
        return True

    def unlock(self) -> None:
        """Leave the file to readers."""
        self.lent_at = None
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def lend(self, array: NDArray[Any]) -> None:
        """Take note of an array on the file's pages."""
        self.lent_at = _place(array)
        self._lent = weakref.ref(array)

    @property
    def is_lent(self) -> bool:
        """Whether anybody still has the array that was lent, or a view of it."""
        return self._lent is not None and self._lent() is not None

    def link(self, name: str, directory: int) -> None:
        """Give the file another name: it is not written any more for as long as it has one."""
        os.link(self.name, name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


class Incoming:
    """The mappings that a reader keeps."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], InFile] = {}
        _readers.add(self)

    def read(self, descriptor: int, status: os.stat_result) -> NDArray[Any]:
        """Give the array that a file holds, on its pages.

        Whoever writes the file does not, for as long as the array lives. The descriptor is closed
        or kept, unless there is an OSError.
        """
        key = status.st_dev, status.st_ino
        with _forking:
            kept = self._kept.get(key)
            if kept is not None and len(kept.pages) == status.st_size:
                os.close(descriptor)
            else:
                self._prune()
                self._kept[key] = kept = InFile(descriptor, status.st_size)
            return kept.read()

    def find(self, place: Place) -> InFile | None:
        """Find the file of an array that is there; None where there is none."""
        return next((kept for kept in self._kept.values() if kept.lent_at == place), None)

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


class InFile:
    """A file that was read, with its shared lock for as long as an array is on it.

    Attributes
    ----------
    pages : mmap
        All of it.
    lent_at : Place or None
        Of the array that was read.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._arrays = 0
        self._is_left = False
        self.lent_at: Place | None = None
        self.pages = mmap.mmap(descriptor, size, flags=_MAP_FLAGS)

    @property
    def names(self) -> int:
        """How many names the file has in the directory; one that is published has two."""
        return os.fstat(self._descriptor).st_nlink

    @property
    def is_current(self) -> bool:
        """Whether its writer keeps the file, and in this size."""
        status = os.fstat(self._descriptor)
        return status.st_nlink > 0 and status.st_size == len(self.pages)

    @property
    def is_lent(self) -> bool:
        """Whether anybody still has the array, or a view of it."""
        return self._arrays > 0

    def read(self) -> NDArray[Any]:
        """Give the array, and take the lock for it."""
        self._arrays += 1
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)
            array = tsr.reader.loads(self.pages)
        except BaseException:
            self._release()
            raise
        self.lent_at = _place(array)
        weakref.finalize(array, self._release).atexit = False
        return array

    def link(self, name: str, directory: int) -> None:
        """Give the file another name: it is not written any more for as long as it has one."""
        os.link(f"/proc/self/fd/{self._descriptor}", name, dst_dir_fd=directory)

    def unlock(self) -> None:
        """Leave the file to readers, which it is already."""

    def leave(self) -> None:
        """Let go of the file, when the last array is gone."""
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
