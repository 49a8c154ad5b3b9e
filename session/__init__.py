"""Drive a Python worker from another process: text as messages, tensors as ``.tsr`` files.

`PythonSession` is the client, which starts a worker, and `TechRenaissanceServer` what a worker
is made of. Each name comes with its module when it is first used: a worker is ready before
anything that it may not need is imported.
"""

from __future__ import annotations

from importlib import import_module

# Type checkers take it for true, as typing's; importing typing would take as long as Python.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from session.client import Progress, PythonSession
    from session.errors import (
        MessageError,
        SessionBusy,
        SessionError,
        SessionTimeout,
        WorkerDied,
        WorkerError,
        WorkerStartError,
    )
    from session.worker import TechRenaissanceServer

__all__ = [
    "MessageError",
    "Progress",
    "PythonSession",
    "SessionBusy",
    "SessionError",
    "SessionTimeout",
    "TechRenaissanceServer",
    "WorkerDied",
    "WorkerError",
    "WorkerStartError",
]

_HOMES = {
    "Progress": "client",
    "PythonSession": "client",
    "TechRenaissanceServer": "worker",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"session.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value  # the next use finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
