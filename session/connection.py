"""One worker and its directory: started together, waited for together, gone together.

A forked child of the client has no part in them: it neither ends the worker nor removes anything.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, TypeVar

from session.errors import SessionError, SessionTimeout, WorkerDied
from session.mailbox import open_locked, session_path
from session.process import Process
from session.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from session.mailbox import Mailbox

_Found = TypeVar("_Found")

__all__ = ["Connection"]


class Connection:
    """What a client holds while its worker runs.

    Parameters
    ----------
    quiet : bool
        Do not show on stderr what the worker prints.

    Attributes
    ----------
    quiet
        As given; it can be changed.
    turn : RLock
        Held by the thread that has a request under way.
    process : Process or None
        None before `start`, and after `end`.
    """

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.turn = threading.RLock()
        self.process: Process | None = None
        self._mailbox: Mailbox | None = None
        self._watch: Watch | None = None
        _connections.add(self)

    def start(self, script: str, session_id: str, workspace: str) -> None:
        """Take the directory, and start the worker in it."""
        self._mailbox = mailbox = open_locked(session_path(workspace, session_id))
        try:
            mailbox.clear()
            # First the watch, then the worker: so nothing it does goes unseen. An original one
            # writes its status in place.
            self._watch = Watch(mailbox.path, in_place=True)
            self.process = Process(script, session_id, workspace, self._show)
            if self.process.descriptor >= 0:
                self._watch.add(self.process.descriptor)
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """End the worker and its children, and remove the directory."""
        process, watch, mailbox = self.process, self._watch, self._mailbox
        self.process = self._watch = self._mailbox = None
        if process is not None:
            process.kill()
            process.close()
        if watch is not None:
            watch.close()
        if mailbox is not None:
            mailbox.destroy()

    @property
    def mailbox(self) -> Mailbox:
        """The directory.

        Raises
        ------
        SessionError
            There is no worker.
        """
        if self._mailbox is None:
            raise SessionError("the session has no worker: start() comes first")
        return self._mailbox

    @property
    def is_alive(self) -> bool:
        """Whether the worker runs."""
        return self.process is not None and self.process.is_alive()

    def check(self) -> None:
        """Raise `WorkerDied`, unless the worker runs."""
        if self.process is None:
            raise SessionError("the session has no worker: start() comes first")
        if not self.process.is_alive():
            raise self._death(self.process)

    def expect(self, in_place: bool) -> None:
        """Look out for files that the worker moves to their place, or for those in place, too."""
        if self._watch is not None:
            self._watch.expect(in_place)

    def wait(
        self, look: Callable[[], _Found | None], timeout_ms: float | None, what: str
    ) -> _Found:
        """Look until something is there.

        Parameters
        ----------
        look : callable
            Gives what is there, None if nothing is.
        timeout_ms : float or None
            0 and None wait for ever.
        what : str
            What errors say was waited for.

        Raises
        ------
        WorkerDied
        SessionTimeout
        """
        deadline = time.monotonic() + timeout_ms / 1000 if timeout_ms else None
        process, watch = self.process, self._watch
        if process is None or watch is None:
            raise SessionError("the session has no worker: start() comes first")
        watch.reset()
        # Where the end of the process is an event, it need not be looked for at every other one.
        is_always = may_have_ended = process.descriptor < 0
        while True:
            watch.drain()
            found = look()
            if found is not None:
                return found
            if may_have_ended and not process.is_alive():
                found = look()  # its last words
                if found is not None:
                    return found
                raise self._death(process)
            left = None
            if deadline is not None:
                left = (deadline - time.monotonic()) * 1000
                if left <= 0:
                    raise SessionTimeout(what, timeout_ms or 0)
            may_have_ended = watch.wait(left) or is_always

    def _death(self, process: Process) -> WorkerDied:
        process.kill()  # what it has left behind
        return WorkerDied(process.returncode, process.tail())

    def _show(self, output: bytes) -> None:
        if not self.quiet and sys.stderr is not None:
            sys.stderr.write(output.decode(errors="replace"))

    def _disown(self) -> None:
        # In a forked child: the worker and the directory are the parent's, and so is the thread
        # that may have held the lock.
        self.turn = threading.RLock()
        if self._watch is not None:
            self._watch.close()
        if self._mailbox is not None:
            self._mailbox.close()
        if self.process is not None:
            self.process.disown()
        self.process = self._watch = self._mailbox = None


_connections: weakref.WeakSet[Connection] = weakref.WeakSet()


def _disown_all() -> None:
    for connection in list(_connections):
        connection._disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_all)
