"""Wait until something happens in a directory, or to a process.

A wake-up is a hint: whoever waits looks for itself what is there, before and after. Events come
from inotify; where there is none, waiting is looking again, at 32 ms and then ever more seldom.
"""

from __future__ import annotations

import errno
import os
import select
import sys
import time
from contextlib import suppress
from ctypes import CDLL
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inotify_simple import INotify

__all__ = ["POLL_MAX_MS", "POLL_MIN_MS", "Watch"]

# How often to look where nothing tells of changes: often after something happened, then seldom.
POLL_MIN_MS = 32
POLL_MAX_MS = 1024
_POLL_SHARE = 1 / 8

# Where events tell, look as often all the same: one may get lost.
_AGAIN_MS = 1000


class Watch:
    """A watch over a directory.

    Parameters
    ----------
    path : str
        The directory, which exists.
    in_place : bool
        Whether files are written in place there, too, and not only moved.

    Attributes
    ----------
    descriptor : int
        Readable when something happened; -1 where nothing tells.
    """

    def __init__(self, path: str, in_place: bool = False) -> None:
        self._path = path
        self._poll = select.poll()
        self._reset_at = time.monotonic()
        self._inotify = _open_inotify()
        try:
            self.expect(in_place)
        except OSError as error:
            self.close()
            if error.errno != errno.ENOSPC:  # max_user_watches used up
                raise
        self.descriptor = -1 if self._inotify is None else self._inotify.fileno()
        if self.descriptor >= 0:
            self._poll.register(self.descriptor, select.POLLIN)

    def expect(self, in_place: bool) -> None:
        """Look out for files that are moved into the directory, or for changes in place, too."""
        if self._inotify is not None:
            from inotify_simple import flags

            mask = flags.MOVED_TO | flags.DELETE_SELF | flags.MOVE_SELF
            if in_place:
                mask |= flags.CLOSE_WRITE | flags.DELETE
            self._inotify.add_watch(self._path, mask)

    def add(self, descriptor: int) -> None:
        """Have this descriptor end a wait, too, when it is readable."""
        self._poll.register(descriptor, select.POLLIN)

    def wait(self, timeout_ms: float | None) -> bool:
        """Wait for an event, at most so long; tell whether there was another one than a change.

        Where only looking helps, a wait is the longer, the longer ago `reset` is.
        """
        limit: float = _AGAIN_MS
        if self.descriptor < 0:
            # No fixed sequence: two that wait for each other would look in turns for ever.
            passed_ms = (time.monotonic() - self._reset_at) * 1000
            limit = min(max(POLL_MIN_MS, passed_ms * _POLL_SHARE), POLL_MAX_MS)
        if timeout_ms is not None:
            limit = min(limit, timeout_ms)
        events = self._poll.poll(max(0, limit))
        return [descriptor for descriptor, _ in events] != [self.descriptor]

    def drain(self) -> None:
        """Forget what happened so far: whoever calls this looks next."""
        if self.descriptor >= 0:
            with suppress(BlockingIOError):
                os.read(self.descriptor, 1 << 16)

    def reset(self) -> None:
        """Look often again: something happened."""
        self._reset_at = time.monotonic()

    def close(self) -> None:
        """End the watch."""
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None
        self.descriptor = -1


def _open_inotify() -> INotify | None:
    if os.environ.get("TR_POLLING") or not sys.platform.startswith("linux"):
        return None
    try:
        import inotify_simple
    except ImportError:
        return None
    if getattr(inotify_simple, "_libc", True) is None:
        # It would have ldconfig look for the C library, in 10 ms; this process has loaded it.
        inotify_simple._libc = CDLL(None, use_errno=True)
    try:
        return inotify_simple.INotify(nonblocking=True)
    except OSError:  # max_user_instances used up
        return None
