"""Start a worker process, know when it ends, and end it with all its children.

The worker leads a process group of its own. What it and its children print is drained by a
thread, which keeps the last of it. Raises `WorkerStartError`.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from session.errors import WorkerStartError
from session.mailbox import CLIENT_PID

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Process", "open_pidfd"]

# Whether a process has ended, without taking note of it.
_ENDED = os.WEXITED | os.WNOHANG | os.WNOWAIT

# Where the system does not tell of an end, look this often.
_LOOK_MS = 50

# What is kept of the worker's output.
_TAIL_BYTES = 1 << 14

# What lies in the current folder has no part in it.
_DEFAULT = (
    "import sys; sys.path[:] = filter(None, sys.path); "
    "from session.default_worker import main; main()"
)

# What a package that is not installed needs to be found by its worker.
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Process:
    """A worker process.

    Parameters
    ----------
    script : str
        The Python script to run; ``"default"`` is the worker of this package.
    session_id : str
        Its argument.
    workspace : str
        Where it finds its session.
    show : callable
        Given what the worker prints, as it comes.

    Attributes
    ----------
    pid : int
    descriptor : int
        Readable once the process has ended; -1 where the system has no such thing.
    """

    def __init__(
        self, script: str, session_id: str, workspace: str, show: Callable[[bytes], object]
    ) -> None:
        arguments = [sys.executable, "-c", _DEFAULT, session_id]
        if script != "default":
            if not os.path.isfile(script):
                raise WorkerStartError(f"no worker script: {script}")
            arguments = [sys.executable, script, session_id]
        try:
            self._popen = subprocess.Popen(  # noqa: S603 - to run a script of the caller's is the job
                arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, start_new_session=True, env=_environment(workspace),
            )  # fmt: skip
        except OSError as error:
            raise WorkerStartError(f"cannot start {sys.executable}: {error}") from error
        self.pid = self._popen.pid
        self.descriptor = open_pidfd(self.pid)
        self._ending = threading.Lock()
        self._tail = bytearray()
        output = self._popen.stdout
        assert output is not None  # noqa: S101 - it was asked for
        self._drainer = threading.Thread(
            target=_drain,
            args=(output, self._tail, show),
            name=f"tr-output-{self.pid}",
            daemon=True,
        )
        try:
            self._drainer.start()
        except RuntimeError as error:  # no more threads
            self.kill()
            self.close()
            raise WorkerStartError(f"cannot read what the worker prints: {error}") from error

    def is_alive(self) -> bool:
        """Tell whether the process runs."""
        if self._popen.returncode is not None:
            return False
        # One that has ended keeps its number until `kill` has ended its group, too.
        try:
            return os.waitid(os.P_PID, self.pid, _ENDED) is None
        except ChildProcessError:  # somebody else has waited for it
            self.kill()  # what it has left behind, now or never: its number is free
            return False

    @property
    def returncode(self) -> int | None:
        """Its exit status, or the negative number of its signal; None before `kill`."""
        return self._popen.returncode

    def tail(self) -> str:
        """Give the last of what it printed."""
        if not self.is_alive():
            self._drainer.join(0.05)  # a grandchild may hold the pipe open for ever
        return bytes(self._tail).decode(errors="replace")

    def wait(self, timeout_ms: float | None) -> bool:
        """Wait until the process has ended; tell whether it has."""
        deadline = None if timeout_ms is None else time.monotonic() + timeout_ms / 1000
        poll = select.poll()
        if self.descriptor >= 0:
            poll.register(self.descriptor, select.POLLIN)
        while self.is_alive():
            left = _LOOK_MS if deadline is None else (deadline - time.monotonic()) * 1000
            if left <= 0:
                return False
            poll.poll(min(left, _LOOK_MS))
        self.kill()
        return True

    def kill(self) -> None:
        """End the process and all that it started, at once."""
        with self._ending:
            if self._popen.returncode is None:
                if not self._is_another():
                    with suppress(ProcessLookupError, PermissionError):
                        os.killpg(self.pid, signal.SIGKILL)
                self._popen.wait()

    def _is_another(self) -> bool:
        # Whether the number is another process's by now: once somebody else has waited for this
        # one, and its group is empty, it is free.
        try:
            os.waitid(os.P_PID, self.pid, _ENDED)
        except ChildProcessError:
            with suppress(ProcessLookupError):
                with suppress(PermissionError):
                    os.kill(self.pid, 0)
                return True
        return False

    def disown(self) -> None:
        """Have no part in the process any more: it is not this one's child."""
        self._popen.returncode = 0
        self.close()

    def close(self) -> None:
        """Let go of a process that has ended."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def open_pidfd(pid: int) -> int:
    """Open what is readable once a process has ended; -1 where the system has no such thing.

    Raises
    ------
    ProcessLookupError
        There is no such process.
    """
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except (AttributeError, OSError):  # another system, an old kernel, or it is forbidden
        return -1


def _environment(workspace: str) -> dict[str, str]:
    environment = {**os.environ, "TR_WORKSPACE": workspace, CLIENT_PID: str(os.getpid())}
    if os.path.basename(_ROOT) not in ("site-packages", "dist-packages"):
        paths = [_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment


def _drain(output: IO[bytes], tail: bytearray, show: Callable[[bytes], object]) -> None:
    # Whatever happens, go on reading: a full pipe would stop the worker.
    with output:
        while chunk := os.read(output.fileno(), 1 << 16):
            tail += chunk
            del tail[:-_TAIL_BYTES]
            with suppress(Exception):  # stderr may be closed, or anything that a program put there
                show(chunk)
