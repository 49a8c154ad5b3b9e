"""A session of this package."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from session import PythonSession
from tests.bench.session.peer import Arrays

__all__ = ["TsrSession"]

WORKER = Path(__file__).with_name("worker.py")

_serial = count()


class TsrSession:
    """The client."""

    def __init__(self, directory: str, polling: bool = False) -> None:
        identity = f"bench_{os.getpid()}_{next(_serial)}"
        self._session = PythonSession(WORKER, identity, workspace=directory)
        with _polling() if polling else _as_it_is():
            self._session.start()
        self._session.wait_until_ready()

    def echo(self, text: str) -> str:
        return self._session.fetch_response(f"echo {text}")

    def negate(self, arrays: Arrays) -> Arrays:
        result = self._session.calculate("negate", *arrays)
        return result if isinstance(result, tuple) else (result,)

    def close(self) -> None:
        self._session.please_exit()


@contextmanager
def _polling() -> Iterator[None]:
    # Both ends look at this when they start.
    os.environ["TR_POLLING"] = "1"
    try:
        yield
    finally:
        del os.environ["TR_POLLING"]


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield
