"""A path -> a file that appears whole or not at all, whatever it replaces.

The bytes go to a temporary file in the target's directory, which takes the target's name in
one step once it is complete. Raises `OSError`, always with the target's path, and
`UnsupportedError` for what is no path.
"""

from __future__ import annotations

import errno
import os
import stat
from itertools import count
from typing import TYPE_CHECKING, Any

from tsr.errors import UnsupportedError

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["MODE", "AtomicFile", "check_free", "mode_of", "occupied", "sync_directory"]

# Of a new file, where nothing asks for less.
MODE = 0o666

# What has a file replaced, in Python and from the shell.
OVERWRITE = "overwrite=True (--force)"

_FLAGS = (
    os.O_RDWR
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)
_HAS_FCHMOD = hasattr(os, "fchmod")
_HAS_FALLOCATE = hasattr(os, "posix_fallocate")

# With the process id it makes temporary names that no other thread or process takes.
_serial = count()


class AtomicFile:
    """A file that takes the name `target` when the ``with`` block ends without an error.

    An error leaves what stood there before untouched and removes the temporary file. A
    symbolic link is followed, and the mode bits of a replaced file are kept; its owner, its
    other hard links and its extended attributes are not. Something that cannot be replaced, a
    FIFO or a device, is written to directly.

    Parameters
    ----------
    target : str
        The path to write.
    durable : bool, optional
        True survives a loss of power: file and directory are synced before the block is left.
        None, the default, leaves that to the file system; what stood there survives a killed
        process in any case. False also waives the flush that some file systems do when a
        file is replaced, as fast as it gets.
    size : int, optional
        The bytes to come, where they are known: room for them is reserved when `durable` was
        given, so that a full disk is found out before the first is written.
    mode : int, optional
        The mode bits of a file that replaces none, less those that the umask takes.

    Attributes
    ----------
    descriptor : int
        Open for reading and writing.
    path : str
        The temporary file, in the directory of the target.
    """

    __slots__ = ("_durable", "_mode", "_process", "_size", "_target", "descriptor", "path")

    def __init__(
        self, target: str, durable: bool | None = None, size: int = 0, mode: int = MODE
    ) -> None:
        self._target = target
        self._durable = durable
        self._size = size
        self._mode = mode
        self._process = os.getpid()
        self.descriptor = -1
        self.path = target

    def __enter__(self) -> Self:
        try:
            status: os.stat_result | None = os.lstat(self._target)
        except FileNotFoundError:
            status = None
        except ValueError as error:
            raise UnsupportedError(f"path: got {self._target!r}: {error}") from error
        if status is not None and stat.S_ISLNK(status.st_mode):
            status = self._follow_link()
        if status is not None and not stat.S_ISREG(status.st_mode):
            self._open_irregular(status.st_mode)
            return self
        self._open_temporary()
        try:
            if status is not None and _HAS_FCHMOD:
                os.fchmod(self.descriptor, stat.S_IMODE(status.st_mode))
            if self._durable is not None and self._size:
                self.reserve(self._size)
        except BaseException as error:
            self._discard(error)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self._discard(error)
            return
        try:
            if self._durable:
                os.fsync(self.descriptor)
            # Some file systems tell only here that the bytes found no room.
            descriptor, self.descriptor = self.descriptor, -1
            os.close(descriptor)
            if self.path is not self._target:
                os.replace(self.path, self._target)
                if self._durable:
                    sync_directory(os.path.dirname(self._target))
        except BaseException as failure:
            self._discard(failure)
            raise

    def reserve(self, size: int) -> None:
        """Have `size` bytes of room in the file, so that a full disk is an error here."""
        try:
            if _HAS_FALLOCATE:
                os.posix_fallocate(self.descriptor, 0, size)
                return
        except OverflowError as error:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), self._target) from error
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
        os.truncate(self.descriptor, size)  # where nothing reserves room, at least the size

    def write(self, data: Any) -> None:
        """Write all of a bytes-like object: one system call may take less."""
        try:
            done = os.write(self.descriptor, data)
            if done < len(data):
                rest = memoryview(data)
                while done < len(rest):
                    done += os.write(self.descriptor, rest[done:])
        except OSError as error:
            error.filename = self._target
            raise

    def _open_temporary(self) -> None:
        stem = self._target
        while self.descriptor < 0:
            self.path = f"{stem}.{os.getpid()}-{next(_serial)}.tmp"
            try:
                self.descriptor = os.open(self.path, _FLAGS, self._mode)
            except FileExistsError:
                continue  # left by a killed process of the same id
            except OSError as error:
                directory = os.path.dirname(stem)
                if error.errno == errno.ENAMETOOLONG and stem == self._target:
                    stem = os.path.join(directory, ".tsr")  # room for the suffix
                    continue
                error.filename = self._target
                raise

    def _follow_link(self) -> os.stat_result | None:
        # What the target leads to; None if that is still to be made.
        try:
            status = os.stat(self._target)
        except FileNotFoundError:
            status = None
        # A link can lead to a pipe, which has no other path: /dev/stdout.
        if status is None or stat.S_ISREG(status.st_mode):
            self._target = os.path.realpath(self._target)
        return status

    def _open_irregular(self, mode: int) -> None:
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self._target)
        self.path = self._target
        self.descriptor = os.open(self._target, os.O_WRONLY | getattr(os, "O_CLOEXEC", 0))
        self._durable = None  # neither is there anything to sync

    def _discard(self, error: BaseException) -> None:
        if isinstance(error, OSError) and error.filename in (None, self.path):
            error.filename = self._target
            if error.filename2 is not None:
                del error.filename2  # os.replace names both
        if self.descriptor >= 0:
            descriptor, self.descriptor = self.descriptor, -1
            os.close(descriptor)
        # A forked child that gives up leaves the file to its parent.
        if (
            self.path is not self._target
            and self._process == os.getpid()
            and os.path.lexists(self.path)
        ):
            os.unlink(self.path)


def check_free(path: str, overwrite: bool, option: str = OVERWRITE) -> None:
    """Check that a file can be put in a place without a loss, or that one is asked for.

    Raises
    ------
    FileExistsError
        Something is there: what replaces it, unless it is a folder, is the `option`.
    """
    if not overwrite and os.path.lexists(path):
        raise occupied(path, None if os.path.isdir(path) else option)


def occupied(path: str, option: str | None = OVERWRITE) -> FileExistsError:
    """Make the error of a place that is taken; `option` replaces what is there, None nothing."""
    advice = "" if option is None else f"; {option} replaces it"
    return FileExistsError(errno.EEXIST, f"{os.strerror(errno.EEXIST)}{advice}", path)


def mode_of(path: str) -> int:
    """Give the mode bits of a file for one that is made of it: as open as that, and no more.

    Those that have a program run as somebody else are left out.
    """
    if not _HAS_FCHMOD:
        return MODE  # Windows: a file that cannot be written to could not be removed either
    return stat.S_IMODE(os.stat(path).st_mode) & 0o777


def sync_directory(path: str) -> None:
    """Have the entries of a directory survive a loss of power."""
    if not hasattr(os, "O_DIRECTORY"):
        return  # Windows: directories have no descriptors
    descriptor = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
