"""multiprocessing.Pipe to a spawned process: arrays pickled, or in memory that both share."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.bench.session.peer import Arrays

__all__ = ["Piped", "SharedMemoryPiped"]

ALIGNMENT = 64

_serial = count()


class Piped:
    """The client that sends arrays pickled."""

    def __init__(self) -> None:
        self._start(serve)

    def _start(self, target: Callable[[Any], None]) -> None:
        context = get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=target, args=(other,), daemon=True)
        self._process.start()
        other.close()
        self._connection.recv()

    def echo(self, text: str) -> str:
        result: str = self._ask("echo", text)
        return result

    def negate(self, arrays: Arrays) -> Arrays:
        result: Arrays = self._ask("negate", list(arrays))
        return result

    def close(self) -> None:
        self._connection.send(None)
        self._process.join()
        self._process.close()
        self._connection.close()

    def _ask(self, command: str, given: object) -> Any:
        self._connection.send((command, given))
        return self._connection.recv()


class SharedMemoryPiped(Piped):
    """The client that shares memory, which is used again while it is large enough."""

    def __init__(self) -> None:
        self._memory: SharedMemory | None = None
        self._start(serve_shared)

    def negate(self, arrays: Arrays) -> Arrays:
        shapes = [array.shape for array in arrays]
        room = 2 * sum(4 * array.size + ALIGNMENT for array in arrays)
        if self._memory is None or self._memory.size < room:
            self._dispose()
            name = f"tr_bench_piped_{os.getpid()}_{next(_serial)}"
            self._memory = SharedMemory(name, create=True, size=room)
        inputs, outputs = views(self._memory, shapes)
        for shared, array in zip(inputs, arrays, strict=True):
            shared[...] = array
        self._ask("negate", (self._memory.name, shapes))
        return outputs

    def close(self) -> None:
        super().close()
        self._dispose()

    def _dispose(self) -> None:
        if self._memory is not None:
            self._memory.close()
            self._memory.unlink()


def serve(connection: Connection[Any, Any]) -> None:
    """Work for a client that pickles."""
    connection.send("ready")
    while (request := connection.recv()) is not None:
        command, given = request
        connection.send(given if command == "echo" else [-array for array in given])


def serve_shared(connection: Connection[Any, Any]) -> None:
    """Work for a client that shares memory."""
    connection.send("ready")
    memory = None
    while (request := connection.recv()) is not None:
        command, given = request
        if command == "negate":
            import numpy as np

            name, shapes = given
            if memory is None or memory.name != name:
                if memory is not None:
                    memory.close()
                memory = SharedMemory(name)
            for source, target in zip(*views(memory, shapes), strict=True):
                np.negative(source, out=target)
            del source, target  # the views that would keep it open
            given = None
        connection.send(given)
    if memory is not None:
        memory.close()


def views(memory: SharedMemory, shapes: list[tuple[int, ...]]) -> tuple[Arrays, Arrays]:
    """Give arrays of these shapes in the memory, for input, and as many for output."""
    import numpy as np

    arrays: list[NDArray[Any]] = []
    offset = 0
    for shape in [*shapes, *shapes]:
        array: NDArray[Any] = np.ndarray(shape, np.float32, memory.buf, offset)
        arrays.append(array)
        offset += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
    return arrays[: len(shapes)], arrays[len(shapes) :]
