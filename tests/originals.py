"""Stand-ins for the format's original C++ client and Python worker, as the protocol tells of them.

`OriginalClient` polls, pastes its messages together and reads them back by looking for quotes.
`OriginalWorker` polls, reads two fields only and answers a tensor with ``r``; this module is its
script, too, and works beside itself, wherever it is copied to. Faults included: the worker ends at
a command it does not know, and answers a wrong number of tensors twice.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tsr

POLL_SECONDS = 0.032

# For how long its client waits for a worker before it takes it for ready: a second, in fact.
START_SECONDS = 0.1

# What a test waits for at most: long enough for a machine that does much else.
PATIENCE_SECONDS = 30.0


def folder(workspace: Path, session_id: str) -> Path:
    """Name the directory of a session."""
    return workspace / "python_session" / f"tr_session_{session_id}"


def scan_params(data: bytes) -> str | None:
    """Read the text of a response as the original client does; None where it sees a failure."""
    _, found, rest = data.decode().partition('"params":"')
    text = rest.partition('"')[0]
    return text if found and text else None


def poll_until(look: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> bool:
    """Look again and again; tell whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def publish(path: Path, text: str) -> None:
    """Write a file that appears whole."""
    temporary = path.with_suffix(".writing")
    temporary.write_text(text)
    temporary.replace(path)


class OriginalClient:
    """The C++ client: it starts a worker through a shell, so that the worker is an orphan."""

    def __init__(self, script: Path, session_id: str, workspace: Path) -> None:
        self.folder = folder(workspace, session_id)
        self.request = self.folder / "request.json"
        self.response = self.folder / "response.json"
        self.status = self.folder / "status.txt"
        self.log = script.with_name(f"{session_id}.log")
        self.folder.mkdir(parents=True)
        line = f'"{sys.executable}" "{script}" {session_id} >"{self.log}" 2>&1 & echo $!'
        started = subprocess.run(["sh", "-c", line], check=True, capture_output=True)
        self.pid = int(started.stdout)
        self._ended = os.pidfd_open(self.pid)
        time.sleep(START_SECONDS)
        self.status.write_text("ready")

    def close(self) -> None:
        """End a worker that is left; no original does that."""
        if not self.has_ended(0):
            signal.pidfd_send_signal(self._ended, signal.SIGKILL)
        os.close(self._ended)
        shutil.rmtree(self.folder, ignore_errors=True)

    def has_ended(self, seconds: float = PATIENCE_SECONDS) -> bool:
        """Tell whether the worker ends in time."""
        return bool(select.select([self._ended], [], [], seconds)[0])

    def is_busy(self) -> bool:
        return self.request.exists()

    def send(self, command: str, params: str = "") -> None:
        assert poll_until(lambda: not self.is_busy())
        publish(self.request, f'{{"cmd": "{command}", "params": "{params}"}}')

    def read(self) -> str | None:
        assert poll_until(self.response.exists), self.log.read_text()
        data = self.response.read_bytes()
        self.response.unlink()
        return scan_params(data)

    def fetch(self, command: str, params: str = "") -> str | None:
        self.send(command, params)
        return self.read()

    def send_tensor(self, array: Any, tag: str) -> None:
        (self.folder / f"{tag}.tsr").write_bytes(tsr.dumps(array))

    def fetch_tensor(self, command: str, *arrays: Any) -> NDArray[Any]:
        tags = "abc"[: len(arrays)]
        for tag, array in zip(tags, arrays, strict=True):
            self.send_tensor(array, tag)
        name = self.fetch(command, ",".join(tags))
        return tsr.load(self.folder / f"{name}.tsr", mmap_mode=None)

    def ask_to_exit(self) -> None:
        publish(self.request, '{"cmd": "exit"}')

    def force_to_exit(self) -> None:
        self.status.write_text("exit")


class OriginalWorker:
    """The Python worker, with the commands of the tests."""

    def run(self, session_id: str) -> None:
        self.folder = folder(Path(__file__).parent / "workspace", session_id)
        request, status = self.folder / "request.json", self.folder / "status.txt"
        status.write_text("running")
        while status.read_text() != "exit":
            if request.exists():
                fields = json.loads(request.read_text())
                if fields["cmd"] == "exit" or not self.main_logic(fields["cmd"], fields["params"]):
                    break
                request.unlink(missing_ok=True)
            time.sleep(POLL_SECONDS)
        status.write_text("terminated")

    def main_logic(self, command: str, params: str) -> bool:
        self.command = command
        if command == "hello":
            self.write_response(f"Hello {params.title()}")
        elif command == "echo":
            self.write_response(params)
        elif command == "slow":
            seconds, _, text = params.partition(" ")
            time.sleep(float(seconds))
            self.write_response(text)
        elif command == "matmul":
            tensors = self.get_tensors(params, 2)
            if tensors is None:
                self.write_response("invalid")
            else:
                self.send_tensor(tensors[0] @ tensors[1])
        else:
            return False
        return True

    def get_tensors(self, params: str, count: int) -> list[NDArray[Any]] | None:
        files = [self.folder / f"{name}.tsr" for name in params.split(",")]
        if len(files) != count:
            self.write_response("invalid")
            return None
        tensors = [tsr.load(file, mmap_mode=None) for file in files]
        for file in files:
            file.unlink()
        return tensors

    def send_tensor(self, array: NDArray[Any]) -> None:
        (self.folder / "r.tsr").write_bytes(tsr.dumps(np.ascontiguousarray(array)))
        self.write_response("r")

    def write_response(self, text: str) -> None:
        response = self.folder / "response.json"
        while response.exists():
            time.sleep(POLL_SECONDS)
        publish(response, json.dumps({"cmd": self.command, "params": text}))


if __name__ == "__main__":
    OriginalWorker().run(sys.argv[1])
