"""The session's file protocol with os, json and inotify_simple alone: what tsr is divided by.

The same files, status lines and checks of who answers what; a wait ends with the peer's life and
has a time-out. No options, one dialect, and tensors go in fresh files. Run as a script it is the
worker. Linux only.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import count
from struct import Struct
from typing import TYPE_CHECKING, Any

from inotify_simple import INotify, flags

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.bench.session.peer import Arrays

__all__ = ["ByHand"]

HEADER = Struct("<4s9i3q")

# From here on a file is mapped, not read.
MAPPED_BYTES = 1 << 17

TIMEOUT_MS = 60_000


class Folder:
    """A directory of messages, and who is at its other end."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._pid = os.getpid()
        self._serial = count()
        self._inotify = INotify(nonblocking=True)
        self._inotify.add_watch(path, flags.MOVED_TO)
        self._poll = select.poll()
        self._poll.register(self._inotify.fd, select.POLLIN)
        self._peer = -1

    def meet(self, pid: int) -> None:
        """Have a wait end when this process does."""
        self._peer = os.pidfd_open(pid)
        self._poll.register(self._peer, select.POLLIN)

    def close(self) -> None:
        """Let go of both."""
        self._inotify.close()
        if self._peer >= 0:
            os.close(self._peer)

    def put(self, name: str, *pieces: bytes | memoryview) -> None:
        """Write a file, which appears whole."""
        temporary = f"{self.path}/.{self._pid}-{next(self._serial)}.tmp"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if os.writev(descriptor, pieces) != sum(len(piece) for piece in pieces):
                raise OSError("no room")
        finally:
            os.close(descriptor)
        os.rename(temporary, f"{self.path}/{name}")

    def send(self, name: str, **fields: object) -> None:
        """Write a message."""
        fields["timestamp"] = time.time_ns() // 1_000_000
        self.put(name, json.dumps(fields).encode())

    def say(self, status: str) -> None:
        """Write the status."""
        self.put("status.txt", f"{status}\n".encode())

    def take(self, name: str, remove: bool = True) -> bytes | None:
        """Read a file, if it is there, and remove it."""
        path = f"{self.path}/{name}"
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        data = os.read(descriptor, 1 << 16)
        os.close(descriptor)
        if remove:
            os.unlink(path)
        return data

    def wait(self, name: str, remove: bool = True) -> bytes:
        """Take a file once it is there."""
        while (data := self.take(name, remove)) is None:
            events = self._poll.poll(TIMEOUT_MS)
            if not events:
                raise TimeoutError(name)
            for descriptor, _ in events:
                if descriptor == self._peer:
                    raise EOFError("the other end is gone")
                os.read(descriptor, 1 << 16)
        return data

    def put_array(self, name: str, array: NDArray[Any]) -> None:
        """Write a file of float32 values."""
        ndim, shape = array.ndim, (1,) * (4 - array.ndim) + array.shape
        header = HEADER.pack(b"TSR!", 1, 64, 0, 1, ndim, *shape, array.size, 0, 0)
        self.put(f"{name}.tsr", header, array.data.cast("B"))

    def take_array(self, name: str) -> NDArray[Any]:
        """Read a file of float32 values, or map it copy-on-write; and remove it."""
        import numpy as np

        path = f"{self.path}/{name}.tsr"
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            magic, *_, ndim, n, c, h, w, total, _, _ = HEADER.unpack(os.read(descriptor, 64))
            if magic != b"TSR!" or size != 64 + 4 * total:
                raise ValueError(name)
            shape = (n, c, h, w)[4 - ndim :]
            array: NDArray[Any]
            if size > MAPPED_BYTES:
                mapping = mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY)
                array = np.ndarray(shape, np.float32, mapping, 64)
            else:
                array = np.empty(shape, np.float32)
                os.readv(descriptor, [array.data])
        finally:
            os.close(descriptor)
        os.unlink(path)
        return array


class ByHand:
    """The client."""

    def __init__(self, directory: str) -> None:
        self._folder = Folder(tempfile.mkdtemp(prefix="tr_session_", dir=directory))
        self._process = subprocess.Popen([sys.executable, __file__, self._folder.path])
        self._folder.meet(self._process.pid)
        self._numbers = count(1)
        self._folder.wait("status.txt", remove=False)

    def echo(self, text: str) -> str:
        return self._ask("echo", text)

    def negate(self, arrays: Arrays) -> Arrays:
        names = [f"input_{number}" for number in range(len(arrays))]
        for name, array in zip(names, arrays, strict=True):
            self._folder.put_array(name, array)
        self._ask("negate", " ".join(names))
        return [self._folder.take_array(f"result_{number}") for number in range(len(arrays))]

    def close(self) -> None:
        self._folder.send("request.json", command="exit", parameters="", id="")
        self._process.wait()
        self._folder.close()
        shutil.rmtree(self._folder.path)

    def _ask(self, command: str, parameters: str) -> str:
        identity = f"{next(self._numbers)}"
        self._folder.send("request.json", command=command, parameters=parameters, id=identity)
        while (response := json.loads(self._folder.wait("response.json")))["id"] != identity:
            pass
        result: str = response["result"]
        return result


def serve(path: str) -> None:
    """Work for the client in this directory."""
    folder = Folder(path)
    folder.meet(os.getppid())
    folder.say("ready")
    while (request := json.loads(folder.wait("request.json")))["command"] != "exit":
        folder.say("busy")
        command, result = request["command"], "ok"
        if command == "echo":
            result = request["parameters"]
        else:
            for number, name in enumerate(request["parameters"].split()):
                folder.put_array(f"result_{number}", -folder.take_array(name))
        answer = {"command": command, "result": result, "message": "", "id": request["id"]}
        folder.send("response.json", **answer)
        folder.say("ok")


if __name__ == "__main__":
    serve(sys.argv[1])
