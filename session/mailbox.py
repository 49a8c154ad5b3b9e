"""The directory of a session: files that appear whole, are taken once, and belong to one user.

Every file is opened relative to the directory's descriptor, never through a symbolic link, and
must be a regular one. Raises `SessionError` for what is none of ours and `OSError`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import suppress
from itertools import count
from operator import index

from session.errors import MessageError, SessionBusy, SessionError

# Type checkers take it for true, as typing's; importing typing would take as long as Python.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, SupportsIndex

    from numpy.typing import DTypeLike, NDArray

    from session.pages import Incoming, InFile, OutFile, Outgoing
    from tsr.buffers import ArrayObject

__all__ = [
    "CLIENT_PID",
    "LOCK",
    "MESSAGE_MAX",
    "PROGRESS",
    "REQUEST",
    "RESPONSE",
    "STATUS",
    "Lent",
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
LOCK = ".lock"

# Tells a worker who its client is, so that it ends with it.
CLIENT_PID = "TR_CLIENT_PID"

# The most bytes of a message; tensors go in files of their own.
MESSAGE_MAX = 1 << 24

_NAME_MAX = 64
_NAME_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")

_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW

_MEMORY = "/dev/shm"  # noqa: S108 - used only for a private folder in it

# A tmpfs with less room than this is no place for tensors: that of a container has 64 MB.
_ROOM_BYTES = 1 << 28

# From here on the pages of a file are worth using again: fresh ones cost up to six times as much.
_POOLED_BYTES = 1 << 16

# From here on a file that its writer does not keep is mapped, too, which takes a descriptor.
_MAPPED_BYTES = 1 << 20

# A status that fits is written in place: no reader ever sees a part of so few bytes.
_STATUS_BYTES = 8

# For how long the lock of a session may be held by others than clients: who looks, or cleans up.
_LOCK_SECONDS = 0.1

# How often a directory is cleared whose worker goes on writing until it is ended itself.
_CLEARINGS = 100

_serial = count()


def check_name(what: str, name: str) -> str:
    """Check a session id or a tag: it becomes the name of a file."""
    if not isinstance(name, str) or not _is_name(name):
        raise SessionError(
            f"{what}: got {name!r}, expected 1 to 64 of A-Z, a-z, 0-9, '_', '-' and '.', the first "
            "no '-' or '.'"
        )
    return name


def _is_name(name: str) -> bool:
    return 0 < len(name) <= _NAME_MAX and name[0] not in ".-" and _NAME_CHARACTERS.issuperset(name)


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
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        mailbox = Mailbox(path)
        try:
            mailbox.lock()
            return mailbox
        except _GoneError:
            mailbox.close()
        except SessionBusy:
            mailbox.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOCK_SECONDS / 20)
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
        self.descriptor = self._lock = self._status = -1
        self._out: Outgoing | None = None
        self._in: Incoming | None = None
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

    def close(self) -> None:
        """Let go of the directory."""
        for pages in (self._out, self._in):
            if pages is not None:
                pages.close()
        self._out = self._in = None
        for descriptor in (self._status, self._lock, self.descriptor):
            if descriptor >= 0:
                os.close(descriptor)
        self.descriptor = self._lock = self._status = -1

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
                LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600,
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
        if self._lock >= 0:
            os.close(self._lock)
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
        os.fchmod(self.descriptor, 0o700)  # whatever was made of it
        for name in os.listdir(self.descriptor):
            if name != LOCK:
                _remove_any(name, self.descriptor)

    def destroy(self) -> None:
        """Remove the directory and all that is in it."""
        if self.descriptor < 0:
            return
        try:
            for _ in range(_CLEARINGS):
                self.clear()
                _remove_any(LOCK, self.descriptor)
                try:
                    os.rmdir(self.path)
                    break
                except OSError as error:
                    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                        raise
                self.lock()
        except (FileNotFoundError, SessionBusy, _GoneError):
            pass  # somebody else was faster, and has it now or has removed it
        finally:
            self.close()

    # -------------------------------------------------------------- messages

    def put(self, name: str, data: bytes, is_event: bool = True) -> None:
        """Write a file, which appears whole; where it is no event, wake nobody with it."""
        temporary = _private_name("tmp")
        try:
            descriptor = os.open(temporary, _CREATE, 0o600, dir_fd=self.descriptor)
        except FileNotFoundError as error:
            raise self._gone() from error
        try:
            try:
                written = os.write(descriptor, data)
                while written < len(data):
                    written += os.write(descriptor, memoryview(data)[written:])
            finally:
                os.close(descriptor)
            if is_event:
                self._publish(temporary, name)
            else:
                self._name(temporary, name)
                self.remove(temporary)
        except BaseException:
            self.remove(temporary)
            raise

    def put_status(self, status: str) -> None:
        """Write the worker's status: a line, padded so that a short one is written in place."""
        line = status.ljust(_STATUS_BYTES - 1).encode(errors="replace") + b"\n"
        is_short = len(line) == _STATUS_BYTES
        if self._status >= 0:
            if is_short and os.fstat(self._status).st_nlink:
                os.pwrite(self._status, line, 0)
                return
            os.close(self._status)
            self._status = -1
        self.put(STATUS, line)
        if is_short:
            with suppress(FileNotFoundError):  # the directory is gone, which others will notice
                self._status = os.open(
                    STATUS, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self.descriptor
                )

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
        opened = self._open(file, name)
        if opened is None:
            return None
        descriptor, _ = opened
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
        return _is_name(tag) and self.has(tensor_file(tag))

    def put_tensor(self, tag: str, array: ArrayObject) -> None:
        """Write a tensor; a large one into the pages of an earlier one that nobody uses."""
        import tsr.payload
        import tsr.writer

        source, _ = tsr.payload.prepare(array, None)
        file = None
        if source.nbytes >= _POOLED_BYTES:
            try:
                file = self._outgoing.write(source)
            except FileNotFoundError as error:
                raise self._gone() from error
        if file is None:
            # Of a tensor a message tells that follows.
            self.put(tensor_file(tag), tsr.writer.dumps(source), is_event=False)
            return
        try:
            self._name(file.name, tensor_file(tag))
            file.unlock()
        except BaseException as error:
            self._outgoing.drop(file)
            if isinstance(error, FileNotFoundError):
                raise self._gone() from error
            raise

    def lend(
        self, shape: SupportsIndex | Iterable[SupportsIndex], dtype: DTypeLike
    ) -> NDArray[Any]:
        """Give an array to fill for `put_lent`; what is in it is any number."""
        from typing import SupportsIndex

        import numpy as np

        dims = (shape,) if isinstance(shape, SupportsIndex) else shape
        sizes = tuple(map(index, dims))
        array = None
        if np.prod(sizes, dtype=float) * np.dtype(dtype).itemsize >= _POOLED_BYTES:
            array = self._outgoing.lend(sizes, np.dtype(dtype))
        return np.empty(sizes, dtype) if array is None else array

    def find_lent(self, array: ArrayObject) -> Lent | None:
        """Keep the pages of an array for `put_lent`, as they will be then.

        Returns
        -------
        Lent or None
            None where the array fills neither what was lent nor a large tensor that was taken,
            or is kept already.
        """
        if self._out is None and self._in is None:
            return None
        from session.pages import find_file

        file = find_file(array, self._out, self._in)
        if file is None:
            return None
        temporary = _private_name("tmp")
        try:
            file.link(temporary, self.descriptor)
        except OSError:  # not on this system: it is copied
            return None
        return Lent(file, temporary)

    def put_lent(self, tag: str, lent: Lent) -> None:
        """Write a tensor that is on pages of its own: without a copy, if nobody has it any more."""
        try:
            if lent.file.is_lent:
                import tsr.reader

                self.put_tensor(tag, tsr.reader.loads(lent.file.pages))
            else:
                self._name(lent.name, tensor_file(tag))
                lent.file.unlock()
        finally:
            self.forget_lent(lent)

    def forget_lent(self, lent: Lent) -> None:
        """Do not keep the pages any more."""
        self.remove(lent.name)

    def take_tensor(self, tag: str) -> NDArray[Any]:
        """Read a tensor and remove its file.

        Returns
        -------
        ndarray
            Writable; a large one is a mapping, which keeps its file from being used again for as
            long as it lives.

        Raises
        ------
        FileNotFoundError
            It is not there.
        FormatError
            The file is no valid one.
        """
        name = tensor_file(check_name("tag", tag))
        private = self._claim(name)
        try:
            opened = None if private is None else self._open(private, name, os.O_RDWR)
            if opened is None:
                raise FileNotFoundError(
                    errno.ENOENT, os.strerror(errno.ENOENT), os.path.join(self.path, name)
                )
            return self._load(*opened)
        finally:
            if private is not None:
                self.remove(private)

    def _load(self, descriptor: int, status: os.stat_result) -> NDArray[Any]:
        import tsr.reader

        # A file that its writer keeps has two names: this one, and that in the pool.
        is_kept = status.st_nlink == 2
        if status.st_size >= (_POOLED_BYTES if is_kept else _MAPPED_BYTES):
            array = self._map(descriptor, status, is_kept)
            if array is not None:
                return array
            with open(descriptor, "rb", buffering=0) as file:
                return tsr.reader.load(file, mmap_mode=None)
        data = bytearray(status.st_size)
        try:
            del data[os.readv(descriptor, [data]) :]
        finally:
            os.close(descriptor)
        return tsr.reader.loads(data)

    def _map(self, descriptor: int, status: os.stat_result, is_kept: bool) -> NDArray[Any] | None:
        # None where this process has no descriptors left: a mapping needs one while it lives.
        import mmap

        import tsr.reader

        try:
            if is_kept:
                return self._incoming.read(descriptor, status)
            # The lock goes with the mapping: whoever writes the file may keep this one, too.
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            mapping = mmap.mmap(descriptor, status.st_size, access=mmap.ACCESS_COPY)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                return None
            os.close(descriptor)
            raise
        os.close(descriptor)
        return tsr.reader.loads(mapping)

    @property
    def _outgoing(self) -> Outgoing:
        if self._out is None:
            from session.pages import Outgoing

            self._out = Outgoing(self.descriptor)
        return self._out

    @property
    def _incoming(self) -> Incoming:
        if self._in is None:
            from session.pages import Incoming

            self._in = Incoming()
        return self._in

    # -------------------------------------------------------------- files

    def _gone(self) -> SessionError:
        # No file can be made in a directory that is gone.
        return SessionError(f"{self.path}: the directory of the session is gone")

    def _publish(self, temporary: str, name: str) -> None:
        try:
            self._move(temporary, name)
        except IsADirectoryError:  # there is no place for one here
            self.remove(name)
            self._move(temporary, name)

    def _name(self, file: str, name: str) -> None:
        # Give a file another name. That wakes nobody, unless there is a file of that name.
        try:
            self._link(file, name)
        except FileExistsError:
            temporary = _private_name("tmp")
            self._link(file, temporary)
            try:
                self._publish(temporary, name)
            except BaseException:
                self.remove(temporary)
                raise

    def _link(self, file: str, name: str) -> None:
        os.link(
            file, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor,
            follow_symlinks=False,
        )  # fmt: skip

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

    def _open(
        self, file: str, name: str, access: int = os.O_RDONLY
    ) -> tuple[int, os.stat_result] | None:
        try:
            descriptor = os.open(file, _OPEN | access, dir_fd=self.descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            # A symbolic link, a socket, a directory.
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
                self.remove(file)
                raise MessageError(f"{name}: no regular file") from error
            raise
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            self.remove(file)
            raise MessageError(f"{name}: no regular file")
        return descriptor, status


class Lent:
    """Pages that are kept as they are: their file, and the name that keeps it."""

    def __init__(self, file: InFile | OutFile, name: str) -> None:
        self.file = file
        self.name = name


class _GoneError(Exception):
    pass


def _private_name(kind: str) -> str:
    return f".{os.getpid()}-{next(_serial)}.{kind}"


def _remove_any(name: str, directory: int) -> None:
    # A file, or a directory with all that is in it; never through a symbolic link.
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        pass
    except (IsADirectoryError, PermissionError):
        if not stat.S_ISDIR(os.lstat(name, dir_fd=directory).st_mode):
            raise
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
        try:
            for entry in os.listdir(inner):
                _remove_any(entry, inner)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=directory)
