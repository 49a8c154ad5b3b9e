"""The sessions of a workspace: which are there, whose client lives, and what others have left.

A client holds the lock of its session for as long as it lives. To look changes nothing.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from typing import NamedTuple

from session.errors import SessionBusy
from session.mailbox import LOCK, STATUS, open_locked, session_path

__all__ = ["LIVE", "STALE", "UNKNOWN", "Session", "remove", "survey"]

LIVE = "live"
STALE = "stale"
UNKNOWN = "unknown"

_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

# More than any status.
_STATUS_BYTES = 4096

# How Linux lists a lock that is held: the process, the device in hexadecimal, the inode.
_FLOCK = re.compile(
    r"^\d+: FLOCK +ADVISORY +WRITE +(\d+) +([0-9a-f]+):([0-9a-f]+):(\d+) ", re.MULTILINE
)


class Session(NamedTuple):
    """A session's directory.

    Attributes
    ----------
    session_id, path : str
    state : str
        `LIVE`; `STALE`: its client is gone; `UNKNOWN`: there is no lock, as the framework's own
        client takes none.
    pid : int or None
        The client's process, where the system tells.
    status : str
        The worker's last word; empty if there is none.
    age : float
        Seconds since a file came or went there.
    """

    session_id: str
    path: str
    state: str
    pid: int | None
    status: str
    age: float


def survey(workspace: str) -> list[Session]:
    """List the sessions in a workspace, in the order of their ids."""
    folder, prefix = os.path.split(session_path(workspace, ""))
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:  # there has never been one
        return []
    ids = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    found = [_examine(session_id, session_path(workspace, session_id)) for session_id in ids]
    return [session for session in found if session is not None]


def remove(session: Session) -> bool:
    """Remove what is left of a session; tell whether nobody had it.

    Raises
    ------
    OSError
        It cannot be removed.
    SessionError
        It is another user's.
    """
    try:
        open_locked(session.path).destroy()
    except SessionBusy:
        return False
    except OSError as error:
        error.filename = session.path  # whatever in it
        raise
    return True


def _examine(session_id: str, path: str) -> Session | None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:  # it has just ended
        return None
    if not stat.S_ISDIR(status.st_mode):
        return None
    state, pid = _find_client(path)
    age = max(time.time() - status.st_mtime, 0)
    return Session(session_id, path, state, pid, _read_status(path), age)


def _find_client(path: str) -> tuple[str, int | None]:
    try:
        descriptor = os.open(os.path.join(path, LOCK), _OPEN)
    except OSError:
        return UNKNOWN, None
    try:
        pid = _find_holder(os.fstat(descriptor))
        if pid is None:  # only now: a client that is about to take it would find it taken
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return LIVE, None
    finally:
        os.close(descriptor)
    return (STALE, None) if pid is None else (LIVE, pid)


def _find_holder(lock: os.stat_result) -> int | None:
    try:
        with open("/proc/locks") as file:
            listed = file.read()
    except OSError:
        return None
    place = os.major(lock.st_dev), os.minor(lock.st_dev), lock.st_ino
    for pid, major, minor, inode in _FLOCK.findall(listed):
        if (int(major, 16), int(minor, 16), int(inode)) == place:
            return int(pid) or None  # 0 is a process that this one cannot see
    return None


def _read_status(path: str) -> str:
    try:
        descriptor = os.open(os.path.join(path, STATUS), _OPEN)
    except OSError:
        return ""
    try:
        data = os.read(descriptor, _STATUS_BYTES)
    except OSError:  # no file
        return ""
    finally:
        os.close(descriptor)
    return data.decode(errors="replace").partition("\n")[0].strip()
