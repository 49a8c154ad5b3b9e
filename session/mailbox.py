"""The directory of a session: files that appear whole, are taken once, and belong to one user.

Every file is opened relative to the directory's descriptor, never through a symbolic link, and
must be a regular one. Raises `SessionError` for what is none of ours and `OSError`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from session.errors import MessageError, SessionBusy, SessionError
from session.message import MESSAGE_MAX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tsr.buffers import ArrayObject

__all__ = [
    "PROGRESS",
    "REQUEST",
    "RESPONSE",
    "STATUS",
    "Mailbox",
    "check_name",
    "default_workspace",
    "open_locked",
    "session_path",
    "tensor_file",
]

REQUEST = "request.json"
RESPONSE = "response.json"
STATUS = "status.txt"
PROGRESS = "progress.json"
_LOCK = ".lock"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")

_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW

_MEMORY = "/dev/shm"  # noqa: S108 - used only for a private folder in it

# A tmpfs with less room than this is no place for tensors: that of a container has 64 MB.
_ROOM_BYTES = 1 << 28

# From here on the pages of a file are worth using again: fresh ones cost six times as much.
_POOLED_BYTES = 1 << 20
_POOLED_FILES = 8

_serial = count()


def check_name(what: str, name: str) -> str:
    """Check a session id or a tag: it becomes the name of a file."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SessionError(
            f"{what}: got {name!r}, expected 1 to 64 of A-Z, a-z, 0-9, '_', '-' and '.', the first "
            "no '-' or '.'"
        )
    return name


def default_workspace() -> str:
    """Name the folder that sessions are in.

    ``TR_WORKSPACE`` if it is set; else a folder in memory that belongs to this user alone, where
    there is room; else ``workspace`` in the current folder.
    """
    workspace = os.environ.get("TR_WORKSPACE")
    if workspace:
        return workspace
    private = os.path.join(_MEMORY, f"tr_{os.getuid()}")
    return private if _has_room(_MEMORY) and _is_private(private) else "workspace"


def _has_room(path: str) -> bool:
    try:
        status = os.statvfs(path)
    except OSError:
        return False
    return status.f_bavail * status.f_frsize >= _ROOM_BYTES


def _is_private(path: str) -> bool:
    # Where everybody can make folders, somebody else may have made this one before.
    try:
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)
        status = os.lstat(path)
    except OSError:
        return False
    is_private = status.st_uid == os.getuid() and not stat.S_IMODE(status.st_mode) & 0o077
    return stat.S_ISDIR(status.st_mode) and is_private


def session_path(workspace: str, session_id: str) -> str:
    """Name the directory of a session."""
    return os.path.join(workspace, "python_session", f"tr_session_{session_id}")


def tensor_file(tag: str) -> str:
    """Name the file of a tensor."""
    return f"{tag}.tsr"


def open_locked(path: str) -> Mailbox:
    """Open the directory of a session for a client, which then has it alone.

    Raises
    ------
    SessionBusy
        Another client has it.
    """
    while True:
        mailbox = Mailbox(path)
        try:
            mailbox.lock()
            return mailbox
        except _GoneError:
            mailbox.close()
        except BaseException:
            mailbox.close()
            raise


class Mailbox:
    """An open session directory.

    Parameters
    ----------
    path : str
        It is made, for this user alone, if it is not there.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        for folder in (os.path.dirname(os.path.dirname(self.path)), os.path.dirname(self.path)):
            os.makedirs(folder, 0o700, exist_ok=True)
        self.descriptor = self._lock = -1
        while self.descriptor < 0:
            with suppress(FileExistsError):
                os.mkdir(self.path, 0o700)
            with suppress(FileNotFoundError):  # whoever had the session has just removed it
                self.descriptor = os.open(
                    self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                )
        status = os.fstat(self.descriptor)
        if status.st_uid != os.getuid():
            os.close(self.descriptor)
            raise SessionError(f"{self.path}: belongs to another user")
        if stat.S_IMODE(status.st_mode) & 0o077:
            os.fchmod(self.descriptor, 0o700)
        self._pool: list[_Pooled] = []

    def close(self) -> None:
        """Let go of the directory."""
        for pooled in self._pool:
            os.close(pooled.descriptor)
        self._pool.clear()
        for descriptor in (self._lock, self.descriptor):
            if descriptor >= 0:
                os.close(descriptor)
        self._lock = self.descriptor = -1

    @property
    def is_there(self) -> bool:
        """Whether the directory still exists."""
        return self.descriptor >= 0 and os.fstat(self.descriptor).st_nlink > 0

    # -------------------------------------------------------------- ownership

    def lock(self) -> None:
        """Take the directory for one client, until it is closed or the process ends.

        Raises
        ------
        SessionBusy
            Another client has it.
        """
        try:
            descriptor = os.open(
                _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600,
                dir_fd=self.descriptor,
            )  # fmt: skip
        except FileNotFoundError as error:  # no file can be made in a directory that is gone
            raise _GoneError from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise SessionBusy(f"{self.path}: another client has this session") from error
        if not os.fstat(descriptor).st_nlink:  # whoever had the session has just removed it
            os.close(descriptor)
            raise _GoneError
        self._lock = descriptor

    def inherit(self) -> None:
        """Remove the directory of a client that is gone, unless another one has it already."""
        try:
            self.lock()
        except (SessionBusy, _GoneError, OSError):
            return
        self.destroy()

    def clear(self) -> None:
        """Remove all that a session that has ended left."""
        for name in os.listdir(self.descriptor):
            if name != _LOCK:
                _remove_any(name, self.descriptor)

    def destroy(self) -> None:
        """Remove the directory and all that is in it."""
        if self.descriptor < 0:
            return
        try:
            self.clear()
            _remove_any(_LOCK, self.descriptor)
            os.rmdir(self.path)
        except OSError as error:
            # A worker that is still ending may write once more; `clear` of the next session helps.
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
                raise
        finally:
            self.close()

    # -------------------------------------------------------------- messages

    def put(self, name: str, data: bytes) -> None:
        """Write a file, which appears whole."""
        temporary = _private_name("tmp")
        descriptor = os.open(temporary, _CREATE, 0o600, dir_fd=self.descriptor)
        try:
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
            finally:
                os.close(descriptor)
            self._publish(temporary, name)
        except BaseException:
            self.remove(temporary)
            raise

    def take(self, name: str) -> bytes | None:
        """Read a file and remove it; None if it is not there."""
        private = self._claim(name)
        if private is None:
            return None
        try:
            return self._read(private, name)
        finally:
            self.remove(private)

    def read(self, name: str) -> bytes | None:
        """Read a file; None if it is not there.

        Raises
        ------
        MessageError
            It is no regular file, or larger than a message may be. It is removed.
        """
        return self._read(name, name)

    def _read(self, file: str, name: str) -> bytes | None:
        descriptor = self._open(file, name)
        if descriptor is None:
            return None
        try:
            data = os.read(descriptor, 1 << 16)
            if len(data) == 1 << 16:
                while len(data) <= MESSAGE_MAX and (more := os.read(descriptor, 1 << 20)):
                    data += more
        finally:
            os.close(descriptor)
        if len(data) > MESSAGE_MAX:
            self.remove(file)
            raise MessageError(f"{name}: more than {MESSAGE_MAX} bytes, the most of a message")
        return data

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        try:
            os.unlink(name, dir_fd=self.descriptor)
        except FileNotFoundError:
            pass
        except (IsADirectoryError, PermissionError):
            _remove_any(name, self.descriptor)

    def has(self, name: str) -> bool:
        """Tell whether a file is there."""
        return os.access(name, os.F_OK, dir_fd=self.descriptor, follow_symlinks=False)

    # -------------------------------------------------------------- tensors

    def has_tensor(self, tag: str) -> bool:
        """Tell whether a tensor is there; what can be no tag is not."""
        return _NAME.fullmatch(tag) is not None and self.has(tensor_file(tag))

    def put_tensor(self, tag: str, array: ArrayObject) -> None:
        """Write a tensor; a large one into the pages of an earlier one that nobody uses."""
        import tsr.writer

        nbytes = getattr(array, "nbytes", 0)
        if nbytes < _POOLED_BYTES:
            self.put(tensor_file(tag), tsr.writer.dumps(array))
            return
        pooled, temporary = self._pooled(), _private_name("tmp")
        try:
            os.lseek(pooled.descriptor, 0, os.SEEK_SET)
            with open(pooled.descriptor, "wb", buffering=0, closefd=False) as file:
                tsr.writer.save(file, array)
                if os.fstat(pooled.descriptor).st_size != file.tell():
                    file.truncate()
            os.link(
                pooled.name, temporary, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor,
                follow_symlinks=False,
            )  # fmt: skip
            fcntl.flock(pooled.descriptor, fcntl.LOCK_UN)
            self._publish(temporary, tensor_file(tag))
        except BaseException:
            self.remove(temporary)
            self._drop(pooled)  # what fills the memory may be this file
            raise

    def take_tensor(self, tag: str) -> NDArray[Any]:
        """Read a tensor and remove its file.

        Returns
        -------
        ndarray
            Writable; a large one is a copy-on-write mapping, which keeps its file from being
            used again for as long as it lives.

        Raises
        ------
        FileNotFoundError
            It is not there.
        FormatError
            The file is no valid one.
        """
        import tsr.reader

        name = tensor_file(check_name("tag", tag))
        private = self._claim(name)
        try:
            descriptor = None if private is None else self._open(private, name)
            if descriptor is None:
                raise FileNotFoundError(
                    errno.ENOENT, os.strerror(errno.ENOENT), os.path.join(self.path, name)
                )
            with open(descriptor, "rb", buffering=0) as file:
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                return tsr.reader.load(file, mmap_mode="c")
        finally:
            if private is not None:
                self.remove(private)

    def _pooled(self) -> _Pooled:
        # A file of this mailbox that is neither published nor mapped, locked; if need be a new one.
        for pooled in self._pool:
            if os.fstat(pooled.descriptor).st_nlink == 1:
                try:
                    fcntl.flock(pooled.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                return pooled
        name = _private_name("pool")
        descriptor = os.open(name, _CREATE, 0o600, dir_fd=self.descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        pooled = _Pooled(name, descriptor)
        self._pool.append(pooled)
        if len(self._pool) > _POOLED_FILES:
            self._drop(self._pool[0])
        return pooled

    def _drop(self, pooled: _Pooled) -> None:
        # It stays as long as it is published or mapped.
        self._pool.remove(pooled)
        self.remove(pooled.name)
        os.close(pooled.descriptor)

    # -------------------------------------------------------------- files

    def _publish(self, temporary: str, name: str) -> None:
        try:
            self._move(temporary, name)
        except IsADirectoryError:  # there is no place for one here
            self.remove(name)
            self._move(temporary, name)

    def _claim(self, name: str) -> str | None:
        # Under a name of its own a file stays the one it is, whatever is published meanwhile.
        private = _private_name("tmp")
        try:
            self._move(name, private)
        except FileNotFoundError:
            return None
        return private

    def _move(self, old: str, new: str) -> None:
        os.rename(old, new, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def _open(self, file: str, name: str) -> int | None:
        try:
            descriptor = os.open(file, _OPEN, dir_fd=self.descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):  # a symbolic link, a socket
                self.remove(file)
                raise MessageError(f"{name}: no regular file") from error
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            self.remove(file)
            raise MessageError(f"{name}: no regular file")
        return descriptor


class _GoneError(Exception):
    pass


class _Pooled:
    """A file that is written again and again."""

    __slots__ = ("descriptor", "name")

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self.descriptor = descriptor


def _private_name(kind: str) -> str:
    return f".{os.getpid()}-{next(_serial)}.{kind}"


def _remove_any(name: str, directory: int) -> None:
    # A file, or a directory with all that is in it; never through a symbolic link.
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        pass
    except (IsADirectoryError, PermissionError):
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
        try:
            for entry in os.listdir(inner):
                _remove_any(entry, inner)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=directory)
