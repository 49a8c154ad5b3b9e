"""ZeroMQ sockets over ipc, arrays sent and received without a copy; run as a script the worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.bench.session.peer import Arrays

__all__ = ["ZeroMQ"]

# Type checkers need not find it.
zmq: Any = import_module("zmq")


class ZeroMQ:
    """The client."""

    def __init__(self, directory: str) -> None:
        self._path = tempfile.mktemp(prefix="zmq_", dir=directory)  # noqa: S306 - bind makes it
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PAIR)
        self._socket.bind(f"ipc://{self._path}")
        self._process = subprocess.Popen([sys.executable, __file__, self._path])
        self._socket.recv()

    def echo(self, text: str) -> str:
        self._socket.send_multipart([b"echo", text.encode()])
        result: bytes = self._socket.recv_multipart()[0]
        return result.decode()

    def negate(self, arrays: Arrays) -> Arrays:
        self._socket.send_multipart([b"negate", *packed(arrays)], copy=False)
        return unpacked(self._socket.recv_multipart(copy=False))

    def close(self) -> None:
        self._socket.send_multipart([b"exit"])
        self._process.wait()
        self._socket.close()
        self._context.term()
        os.unlink(self._path)


def serve(path: str) -> None:
    """Work for the client at this address."""
    socket = zmq.Context().socket(zmq.PAIR)
    socket.connect(f"ipc://{path}")
    socket.send(b"ready")
    while True:
        command, *parts = socket.recv_multipart(copy=False)
        if command.bytes == b"echo":
            socket.send_multipart([part.bytes for part in parts])
        elif command.bytes == b"negate":
            socket.send_multipart(packed([-array for array in unpacked(parts)]), copy=False)
        else:
            break


def packed(arrays: Arrays) -> list[Any]:
    """Make the parts of a message of arrays: their shapes, and their bytes."""
    return [json.dumps([array.shape for array in arrays]).encode(), *arrays]


def unpacked(parts: list[Any]) -> Arrays:
    """Show the arrays of a message."""
    import numpy as np

    shapes = json.loads(parts[0].bytes)
    return [
        np.ndarray(shape, np.float32, part.buffer)
        for shape, part in zip(shapes, parts[1:], strict=True)
    ]


if __name__ == "__main__":
    serve(sys.argv[1])
