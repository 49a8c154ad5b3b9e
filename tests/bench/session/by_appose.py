"""Appose: scripts run by its Python worker, arrays negated in place in memory that both share."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from itertools import count
from typing import Any

from tests.bench.session.peer import Arrays

__all__ = ["Appose"]

# It has no type hints.
appose: Any = import_module("appose")
service: Any = import_module("appose.service")

WORKER = "import appose.python_worker; appose.python_worker.main()"

NEGATE = """\
import numpy
for each in arrays:
    array = each.ndarray()
    numpy.negative(array, out=array)
    del array
    each.shm.close()
"""

_serial = count()


class Appose:
    """The client, which uses its shared memory again for arrays of the same shapes."""

    def __init__(self) -> None:
        self._service = service.Service(".", None, sys.executable, "-c", WORKER)
        self._shared: list[Any] = []
        self.echo("ready")

    def echo(self, text: str) -> str:
        result: str = self._service.task("text", {"text": text}).wait_for().result()
        return result

    def negate(self, arrays: Arrays) -> Arrays:
        if [tuple(shared.shape) for shared in self._shared] != [array.shape for array in arrays]:
            self._dispose()
            self._shared = list(map(_sharing, arrays))
        results = [shared.ndarray() for shared in self._shared]
        for shared, array in zip(results, arrays, strict=True):
            shared[...] = array
        self._service.task(NEGATE, {"arrays": self._shared}).wait_for()
        return results

    def close(self) -> None:
        self._service.close()
        self._service.wait_for()
        for pipe in (self._service._process.stdout, self._service._process.stderr):
            pipe.close()  # which it leaves to the garbage collector
        self._dispose()

    def _dispose(self) -> None:
        for shared in self._shared:
            shared.shm.close()
            shared.shm.unlink()
        self._shared = []


def _sharing(array: Any) -> Any:
    name = f"tr_bench_appose_{os.getpid()}_{next(_serial)}"
    memory = appose.SharedMemory(name, create=True, rsize=array.nbytes)
    return appose.NDArray("float32", list(array.shape), memory)
