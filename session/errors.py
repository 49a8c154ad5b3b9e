"""What can go wrong between a client and its worker; every error is a `tsr.TSRError`."""

from __future__ import annotations

from tsr.errors import TSRError

__all__ = [
    "MessageError",
    "SessionBusy",
    "SessionError",
    "SessionTimeout",
    "WorkerDied",
    "WorkerError",
    "WorkerStartError",
]


class SessionError(TSRError):
    """The root of the errors of a session."""


class SessionBusy(SessionError):
    """Somebody else has the session, or it has a request that is not answered yet."""


class SessionTimeout(SessionError, TimeoutError):
    """What was waited for did not come in time.

    Parameters
    ----------
    what : str
        What was waited for.
    timeout_ms : int
        For how long.
    """

    def __init__(self, what: str, timeout_ms: float) -> None:
        self.what = what
        self.timeout_ms = timeout_ms
        super().__init__(f"{what}: did not come within {timeout_ms:g} ms")


class WorkerStartError(SessionError):
    """The worker cannot be started: no script, no interpreter."""


class WorkerDied(SessionError):
    """The worker process has ended.

    Parameters
    ----------
    returncode : int or None
        Its exit status; the negative number of the signal that killed it.
    stderr : str
        The last that it wrote to stdout and stderr.

    Attributes
    ----------
    returncode, stderr
        As given.
    signal : int or None
        The signal that killed it.
    """

    def __init__(self, returncode: int | None, stderr: str) -> None:
        self.returncode = returncode
        self.stderr = stderr
        self.signal = -returncode if returncode is not None and returncode < 0 else None
        if self.signal is not None:
            how = f"was killed by signal {self.signal}"
        elif returncode is None:
            how = "is gone"
        else:
            how = f"exited with status {returncode}"
        said = f"; the last it wrote:\n{stderr.rstrip()}" if stderr.strip() else ""
        super().__init__(f"the worker {how}{said}")


class WorkerError(SessionError):
    """The worker answered a request with an error.

    Parameters
    ----------
    command : str
        The command that failed.
    message : str
        Why: the traceback of an exception in the worker, for example.
    """

    def __init__(self, command: str, message: str) -> None:
        self.command = command
        self.message = message
        super().__init__(f"the worker could not do {command!r}: {message}")


class MessageError(SessionError):
    """A file that should hold a message holds something else."""
