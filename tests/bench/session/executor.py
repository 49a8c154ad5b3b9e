"""A ProcessPoolExecutor of one spawned process."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.session.peer import Arrays

__all__ = ["Executor"]


class Executor:
    """The client."""

    def __init__(self) -> None:
        self._executor = ProcessPoolExecutor(1, get_context("spawn"))
        self.echo("ready")

    def echo(self, text: str) -> str:
        return self._executor.submit(echo, text).result()

    def negate(self, arrays: Arrays) -> Arrays:
        return self._executor.submit(negate, list(arrays)).result()

    def close(self) -> None:
        self._executor.shutdown()


def echo(text: str) -> str:
    """Do the worker's part for a text."""
    return text


def negate(arrays: Arrays) -> Arrays:
    """Do the worker's part for arrays."""
    return [-array for array in arrays]
