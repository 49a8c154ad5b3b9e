"""Workers and clients for the tests of the session, and what they must not leave behind."""

from __future__ import annotations

import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from session import PythonSession

__all__ = [
    "NAMESPACE",
    "SECONDS",
    "Start",
    "Traces",
    "a_workspace",
    "assert_computes",
    "assert_restarts",
    "assert_serves",
    "can_run",
    "do",
    "eventually",
    "first_line_of",
    "hit",
    "is_running",
    "lines_of",
    "no_hang",
    "plant",
    "processes_of",
    "start_client",
    "starter",
    "until",
    "write_worker",
]

# What takes milliseconds may take this long on a machine that is busy with other things.
SECONDS = 20.0

# What gives a process namespaces of its own, for root and for others.
NAMESPACE = ("unshare",) if os.getuid() == 0 else ("unshare", "--user", "--map-root-user")

Start = Callable[..., PythonSession]

ROOT = Path(__file__).parents[1]

_WORKER = """\
import os, signal, subprocess, sys, threading, time
from session import TechRenaissanceServer

{head}

class Worker(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        if command == "echo":
            self.write_response("", parameters)
        elif command == "slow":
            seconds, _, text = parameters.partition(" ")
            time.sleep(float(seconds))
            self.write_response("", text)
        elif command == "double":
            arrays = self.get_arrays(parameters, 1)
            if arrays is None:
                self.write_response("", "invalid")
            else:
                self.send_arrays(arrays[0] * 2)
        elif command == "raise":
            raise ValueError(parameters)
        elif command == "do":
            exec(parameters, {{**globals(), "self": self}})
        else:
            return False
        return True

Worker().run(sys.argv[1])
"""

_CLIENT = """\
import os, signal, subprocess, sys, threading, time
from session import PythonSession, SessionBusy, SessionError, SessionTimeout, WorkerDied
session = PythonSession(sys.argv[1], "s", {quiet}, workspace=sys.argv[2])
def say(*words): print(*words, flush=True)
"""


def write_worker(folder: Path, head: str = "") -> Path:
    """Write the script of a worker that starts with these lines.

    It knows `echo`, `slow SECONDS TEXT`, `double TENSOR`, `raise TEXT`, and `do` for any code.
    """
    script = folder / "worker.py"
    script.write_text(_WORKER.format(head=textwrap.dedent(head)))
    return script


def do(code: str) -> str:
    """Make a request that has the worker run this code."""
    return f"do {textwrap.dedent(code).strip()}"


def start_client(
    code: str, worker: Path, workspace: Path, *, quiet: bool = True, prefix: tuple[str, ...] = ()
) -> subprocess.Popen[str]:
    """Start a process that runs this code, which finds a `session` that is not started yet."""
    return subprocess.Popen(
        [
            *(*prefix, sys.executable, "-c", _CLIENT.format(quiet=quiet) + textwrap.dedent(code)),
            *(str(worker), str(workspace)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def first_line_of(client: subprocess.Popen[str]) -> str:
    """Wait for the next line that a client says."""
    assert client.stdout is not None
    return client.stdout.readline().rstrip()


def lines_of(client: subprocess.Popen[str]) -> list[str]:
    """Wait until a client has ended well, and give what it said."""
    output, errors = client.communicate(timeout=3 * SECONDS)
    assert client.returncode == 0, errors
    return output.splitlines()


def can_run(*command: str) -> bool:
    """Tell whether a command succeeds here."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def hit(session: PythonSession, number: int = signal.SIGKILL) -> None:
    """Send a signal to the worker of a session, if there is one."""
    process = session._connection.process
    if process is not None and process.is_alive():
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def plant(path: str | Path, data: bytes) -> None:
    """Put a file, whole, where nobody expects it."""
    temporary = Path(f"{path}.planted")
    temporary.write_bytes(data)
    temporary.rename(path)


# ---------------------------------------------------------------- sessions


@contextmanager
def starter(folder: Path, workspace: Path) -> Iterator[Start]:
    """Give what starts sessions; they are ended in the end."""
    sessions: list[PythonSession] = []

    def start(head: str = "", *, is_ready: bool = True) -> PythonSession:
        script = write_worker(folder, head)
        session = PythonSession(script, f"s{len(sessions)}", True, workspace=workspace)
        sessions.append(session)
        session.start()
        if is_ready:
            session.wait_until_ready(60_000)
        return session

    try:
        yield start
    finally:
        for session in sessions:
            session.terminate()


def assert_serves(session: PythonSession) -> None:
    """Check that a session answers, and answers right."""
    assert session.fetch_response("echo still here") == "still here"


def assert_computes(session: PythonSession) -> None:
    """Check that a session serves, with tensors, too."""
    assert_serves(session)
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(session.calculate("double", array), array * 2)


def assert_restarts(session: PythonSession) -> None:
    """Check that a session can be started again and answers then."""
    session.restart()
    assert_serves(session)


def until(session: PythonSession, status: str) -> None:
    """Wait until the worker says that this is its status."""
    path = Path(session.session_dir, "status.txt")
    eventually(lambda: path.read_text().rstrip() == status)


# ---------------------------------------------------------------- waiting


def eventually(condition: Callable[[], Any], seconds: float = SECONDS) -> float:
    """Wait until something is so, and give the seconds that took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "it did not come about"
        time.sleep(0.002)
    return time.monotonic() - start


@contextmanager
def no_hang(seconds: float = 3 * SECONDS) -> Iterator[None]:
    """Interrupt what takes so long that it hangs."""

    def interrupt(*_: object) -> None:
        raise AssertionError(f"it hangs: {seconds:g} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# ---------------------------------------------------------------- what is left


class Traces(NamedTuple):
    """What this process and the processes of a workspace occupy.

    Attributes
    ----------
    descriptors, threads : Counter of str
        Those of this process, by what they are.
    children : Counter of str
        The processes that this one has started, zombies included.
    processes : Counter of str
        Those that were given the workspace, whoever started them.
    mappings, files : Counter of str
        What is mapped of the workspace, and what is in it.
    """

    descriptors: Counter[str]
    threads: Counter[str]
    children: Counter[str]
    processes: Counter[str]
    mappings: Counter[str]
    files: Counter[str]

    @classmethod
    def of(cls, workspace: Path) -> Traces:
        """Look for what there is now."""
        return cls(
            Counter(re.sub(r"\[\d+\]", "", link) for link in _links("/proc/self/fd")),
            Counter(re.sub(r"\d+", "", thread.name) for thread in threading.enumerate()),
            Counter(_children()),
            Counter(map(str, processes_of(workspace))),
            Counter(
                line.split(maxsplit=5)[-1]
                for line in Path("/proc/self/maps").read_text().splitlines()
                if str(workspace) in line
            ),
            Counter(str(path) for path in workspace.glob("python_session/*")),
        )

    def more(self, workspace: Path) -> dict[str, Counter[str]]:
        """Tell what there is now more than then."""
        now = Traces.of(workspace)
        differences = {name: now[i] - self[i] for i, name in enumerate(self._fields)}
        return {name: difference for name, difference in differences.items() if difference}

    def assert_all(self, workspace: Path) -> None:
        """Check that there soon is no more than then."""
        gc.collect()
        deadline = time.monotonic() + SECONDS
        while (more := self.more(workspace)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not more


@contextmanager
def a_workspace() -> Iterator[Path]:
    """Make a workspace, in memory if there is some, and check that nothing is left of it."""
    folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - as mkdtemp does
    workspace = Path(tempfile.mkdtemp(prefix="tr-test-", dir=folder))
    try:
        before = Traces.of(workspace)
        yield workspace
        before.assert_all(workspace)
    finally:
        for process in processes_of(workspace):
            os.kill(process, signal.SIGKILL)
        shutil.rmtree(workspace)


def processes_of(workspace: Path) -> list[int]:
    """Find the processes that were given this workspace, all in all or by one that was."""
    mark = f"TR_WORKSPACE={workspace}\0".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:  # it has just ended, or is another user's
                continue
            if mark in environment:
                found.append(int(entry.name))
    return found


def is_running(process: int) -> bool:
    """Tell whether a process runs: is there, and no zombie."""
    try:
        return _status_of(process)[0] != "Z"
    except OSError:
        return False


def _status_of(process: int | str) -> list[str]:
    # State, parent and so on: what follows the command's name, which can contain anything.
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def _children() -> Iterator[str]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                state, parent = _status_of(entry.name)[:2]
            except OSError:
                continue
            if parent == str(os.getpid()):
                yield f"{entry.name} {state}"


def _links(folder: str) -> Iterator[str]:
    for name in os.listdir(folder):
        with suppress(OSError):  # that of this listing itself
            yield os.readlink(f"{folder}/{name}")
