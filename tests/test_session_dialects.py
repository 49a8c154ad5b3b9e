"""Each end with an original other end: our worker and its client, our client and its worker."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from session import PythonSession, SessionTimeout, WorkerDied
from session.mailbox import Mailbox
from session.message import Request, encode_request
from tests import originals
from tests.originals import PATIENCE_SECONDS, OriginalClient, folder, poll_until

PATIENCE_MS = PATIENCE_SECONDS * 1000
ROOT = Path(__file__).parents[1]

A = np.arange(12, dtype=np.float32).reshape(4, 3)
B = np.arange(15, dtype=np.float32).reshape(3, 5)
LARGE = np.arange(1 << 20, dtype=np.int32).reshape(1 << 20, 1)
ONE = np.ones((1, 1), np.int32)

SCRIPT = """
import sys, time
import numpy as np
from session.default_worker import DefaultWorker

class Worker(DefaultWorker):
    def main_logic(self, command, parameters):
        if command == "slow":
            seconds, _, text = parameters.partition(" ")
            time.sleep(float(seconds))
            self.write_response("", text)
        elif command == "twice":
            self.write_response("", "once")
            self.write_response("", "twice")
        elif command == "float64":
            self.send_arrays(np.zeros(3))
        elif command == "pair":
            self.send_arrays(*self.get_arrays(parameters, 2))
        elif command == "raise":
            raise ValueError('no "such" thing\\\\')
        else:
            return super().main_logic(command, parameters)
        return True

Worker(debug=True).run(sys.argv[1])
"""


def same(a: Any, b: Any) -> bool:
    """Compare dtype, shape and bytes."""
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


@pytest.fixture(params=["events", "polling"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Wait by events, and by looking again."""
    monkeypatch.delenv("TR_POLLING", raising=False)
    if request.param == "polling":
        monkeypatch.setenv("TR_POLLING", "1")
    return str(request.param)


# ------------------------------------------------------------------ our worker, its client

Start = Callable[..., OriginalClient]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start our worker as the original's client does, which is told its workspace."""
    script = tmp_path / "worker.py"
    script.write_text(SCRIPT)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("TR_CLIENT_PID", raising=False)
    clients = []

    def start(session_id: str = "x", workspace: str = "workspace") -> OriginalClient:
        monkeypatch.setenv("TR_WORKSPACE", str(tmp_path / workspace))
        client = OriginalClient(script, session_id, tmp_path / workspace)
        clients.append(client)
        assert client.fetch("echo", "up") == "up"
        return client

    yield start
    for client in clients:
        client.close()


def test_client_writes_in_place(start: Start, way: str) -> None:
    """A request that is not yet whole is waited for, and one that stays broken is answered."""
    client = start()
    with client.request.open("w") as file:
        for part in ('{"cmd": "hello"', ', "params"', ': "world"}'):
            file.write(part)
            file.flush()
            time.sleep(0.01)
    assert client.read() == "Hello World"
    client.request.write_text("nonsense")
    assert poll_until(client.response.exists)
    client.response.unlink()
    assert client.fetch("hello", "again") == "Hello Again"


def test_client_text(start: Start, way: str) -> None:
    """Text goes there and back, as its client can write and read it."""
    client = start()
    assert client.fetch("hello", "world") == "Hello World"
    for text, read in (
        ("plain", "plain"),
        ("a,b c", "a,b c"),
        ('say "hi"', "say 'hi'"),
        ('"', "'"),
        ("two\nlines", "two\nlines"),
        ("C:\\Users\\q", "C:\\Users\\q"),
        ("größe", "größe"),
        ("x" * 100_000, "x" * 100_000),
        ("", "ok"),
    ):
        assert client.fetch("echo", text) == read
    assert client.fetch("twice") == "once"
    assert not client.response.exists()


def test_client_errors(start: Start) -> None:
    """What ends the original's worker is an answer of ours, once, and it serves on."""
    client = start()
    assert client.fetch("nonsense") == "error: unknown command 'nonsense'"
    said = client.fetch("raise")
    assert said is not None
    assert said.startswith("error: Traceback")
    assert said.rstrip().endswith("ValueError: no 'such' thing\\")
    said = client.fetch("float64")
    assert said is not None
    assert "UnsupportedError" in said
    client.send_tensor(A, "a")
    assert client.fetch("matmul", "a") == "invalid"
    assert client.fetch("matmul", "a,b") == "invalid"
    assert client.fetch("echo", "next") == "next"
    assert not client.response.exists()


def test_client_broken_requests(start: Start) -> None:
    """What is no request is removed, and the next one is answered."""
    client = start()
    for data in (b"", b"{", b"\xff", b"[]", b'{"params": "x"}'):
        assert poll_until(lambda: not client.is_busy())
        client.request.with_name("writing").write_bytes(data)
        client.request.with_name("writing").replace(client.request)
        assert poll_until(lambda: not client.is_busy())
        assert poll_until(client.response.exists)
        client.response.unlink()
        assert client.fetch("echo", "next") == "next"


def test_client_tensors(start: Start, way: str) -> None:
    """Tensors go there and back: inputs are removed once read, the result is left as `r`."""
    client = start()
    for _ in range(2):
        assert same(client.fetch_tensor("matmul", A, B), A @ B)
        assert {file.name for file in client.folder.glob("*.tsr")} == {"r.tsr"}
    assert same(client.fetch_tensor("transpose", LARGE), LARGE.T)
    assert same(client.fetch_tensor("negative", LARGE), -LARGE)
    assert same(client.fetch_tensor("add", A, A), A + A)
    for shape in ((), (0, 3), (1, 1, 1, 1)):
        array = np.ones(shape, np.float32)
        assert same(client.fetch_tensor("negative", array), -array)


def test_client_pair(start: Start) -> None:
    """Several results are joined with commas."""
    client = start()
    client.send_tensor(A, "a")
    client.send_tensor(B, "b")
    assert client.fetch("pair", "a,b") == "r,r1"
    assert {file.name for file in client.folder.glob("*.tsr")} == {"r.tsr", "r1.tsr"}


def test_client_sees_busy(start: Start) -> None:
    """A request stays until it is answered: its client takes its presence for being busy."""
    client = start()
    client.send("slow", "0.5 done")
    assert client.is_busy()
    while not client.response.exists():
        assert client.is_busy() or client.response.exists()
        time.sleep(0.001)
    assert client.read() == "done"
    assert poll_until(lambda: not client.is_busy())


def test_client_late_answer(start: Start) -> None:
    """A client that gives a request up and waits until it is handled gets the next answer."""
    client = start()
    client.send("slow", "0.2 late")
    assert poll_until(lambda: not client.is_busy())
    client.send("echo", "next")
    assert poll_until(lambda: not client.is_busy())
    assert client.read() == "next"


def test_client_asks_to_exit(start: Start, way: str) -> None:
    """`exit` ends the worker, unanswered; the directory is its client's."""
    client = start()
    client.ask_to_exit()
    assert client.has_ended()
    assert not client.is_busy()
    assert not client.response.exists()
    assert client.status.read_text() == "exiting\n"
    assert "Traceback" not in client.log.read_text()


def test_client_forces_to_exit(start: Start, way: str) -> None:
    """So does the word `exit` in status.txt, written in place."""
    client = start()
    client.force_to_exit()
    assert client.has_ended()
    assert client.status.read_text() == "exiting\n"
    assert "Traceback" not in client.log.read_text()


def test_client_removes_the_directory(start: Start, way: str) -> None:
    """So does the removal of the directory, which is not made again."""
    client = start()
    shutil.rmtree(client.folder)
    assert client.has_ended()
    assert not client.folder.exists()
    assert "Traceback" not in client.log.read_text()


def test_client_removes_the_directory_in_a_request(start: Start) -> None:
    """Removed while the worker works, it ends when there is nowhere to answer."""
    client = start()
    client.send("slow", "0.3 nobody")
    time.sleep(0.1)
    shutil.rmtree(client.folder)
    assert client.has_ended()
    assert not client.folder.exists()


@pytest.mark.parametrize("command", ["", "slow"])
def test_client_sends_sigterm(start: Start, command: str) -> None:
    """So does SIGTERM, in a request too."""
    client = start()
    if command:
        client.send(command, "3600 never")
        time.sleep(0.2)
    os.kill(client.pid, signal.SIGTERM)
    assert client.has_ended()
    assert client.status.read_text() == "exiting\n"
    assert not client.response.exists()
    assert "Traceback" not in client.log.read_text()


def test_client_status(start: Start) -> None:
    """What its client writes into status.txt, `ready` above all, disturbs nothing."""
    client = start()
    client.status.write_text("ready")
    assert client.fetch("echo", "y") == "y"
    client.status.write_text("")
    assert client.fetch("echo", "z") == "z"
    assert not client.has_ended(0.2)


def test_client_workspaces(start: Start, tmp_path: Path) -> None:
    """`TR_WORKSPACE` tells each worker its own, under the same session id, and both serve."""
    one, two = start(workspace="one"), start(workspace="two")
    one.send("slow", "0.2 first")
    assert two.fetch("echo", "second") == "second"
    assert one.read() == "first"
    assert one.folder == folder(tmp_path / "one", "x")
    assert two.folder == folder(tmp_path / "two", "x")


def test_both_dialects(start: Start) -> None:
    """Each request is answered in its own dialect, with an id if it has one."""
    client = start()
    mailbox = Mailbox(str(client.folder))
    for data, fields in (
        (
            b'{"command": "echo", "parameters": "seed", "timestamp": 1699123456789}',
            {"command": "echo", "result": "seed", "message": "", "id": ""},
        ),
        (
            b'{"command": "echo", "parameters": "ours", "id": "7"}',
            {"command": "echo", "result": "ours", "message": "", "id": "7"},
        ),
        (b'{"cmd": "echo", "params": "theirs"}', {"cmd": "echo", "params": "theirs"}),
        (
            b'{"command": "raise"}',
            {"command": "raise", "result": "error", "message": ..., "id": ""},
        ),
    ):
        assert poll_until(lambda: not client.is_busy())
        mailbox.put("request.json", data)
        assert poll_until(client.response.exists)
        answer = json.loads(mailbox.take("response.json") or b"")
        assert ("timestamp" in answer) == ("command" in fields)
        answer.pop("timestamp", None)
        if fields.get("message") is ...:
            assert "ValueError" in answer["message"]
            answer["message"] = ...
        assert answer == fields
    mailbox.close()


def test_replaced_request(start: Start) -> None:
    """A request that replaces an earlier one is answered, whatever becomes of that."""
    client = start()
    mailbox = Mailbox(str(client.folder))
    for number in range(300):
        wanted = f"{number}"
        for identity in ("given-up", wanted):
            mailbox.put("request.json", encode_request(Request("echo", "x", identity), 0))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            data = mailbox.take("response.json")
            if data is not None and json.loads(data)["id"] == wanted:
                break
            assert time.monotonic() < deadline, "lost"
    mailbox.close()


# ------------------------------------------------------------------ our client, its worker

Drive = Callable[..., PythonSession]


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    """Drive the original's worker, which has its workspace beside its own module."""
    script = tmp_path / "module" / "python_server.py"
    script.parent.mkdir()
    shutil.copy(originals.__file__, script)
    sessions = []

    def drive(session_id: str = "x") -> PythonSession:
        session = PythonSession(script, session_id, workspace=script.parent / "workspace")
        sessions.append(session)
        session.start()
        assert session.wait_until_ready(PATIENCE_MS)
        return session

    yield drive
    for session in sessions:
        session.terminate()
        assert not Path(session.session_dir).exists()


@contextmanager
def stopped(session: PythonSession) -> Iterator[None]:
    """Stop the worker for the time of a block, so that nothing can be in time."""
    process = session._connection.process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def assert_in_step(session: PythonSession) -> None:
    """Check that each request gets its own answer."""
    for text in ("one", "two", "three"):
        assert session.fetch_response(f"echo {text}", PATIENCE_MS) == text


def test_worker_text(drive: Drive, way: str) -> None:
    """Text goes there and back, whatever is in it."""
    session = drive()
    assert session.fetch_response("hello world", PATIENCE_MS) == "Hello World"
    for text in ('say "hi"', "two\nlines", "C:\\new", "größe", "a, b", "\ud800", "x" * 100_000):
        assert session.fetch_response(f"echo {text}", PATIENCE_MS) == text
    assert session.fetch_response("echo", PATIENCE_MS) == ""


def test_worker_tensors(drive: Drive, way: str) -> None:
    """Tensors go there and back; nothing of them is left."""
    session = drive()
    for _ in range(2):
        session.send_tensor(A, "input_a")
        session.send_tensor(B, "input_b")
        result = session.fetch_tensor("matmul input_a input_b", PATIENCE_MS)
        assert same(result, A @ B)
    assert same(session.calculate("matmul", A, B, timeout_ms=PATIENCE_MS), A @ B)
    assert not list(Path(session.session_dir).glob("*.tsr"))
    large = session.calculate("matmul", LARGE, ONE, timeout_ms=PATIENCE_MS)
    other = session.calculate("matmul", -LARGE, ONE, timeout_ms=PATIENCE_MS)
    assert same(large, LARGE)
    assert same(other, -LARGE)


def test_worker_text_with_commas_and_spaces(drive: Drive) -> None:
    """Only tensors' names are joined with commas, text stays as it is."""
    session = drive()
    session.send_tensor(A, "a")
    assert session.fetch_response("echo a b", PATIENCE_MS) == "a b"
    assert session.fetch_response("echo r", PATIENCE_MS) == "r"


def test_worker_answers_twice(drive: Drive) -> None:
    """A request that its worker answers twice shifts no later answer."""
    session = drive()
    assert session.fetch_response("matmul a", PATIENCE_MS) == "invalid"
    assert_in_step(session)
    with stopped(session), pytest.raises(SessionTimeout):
        session.fetch_response("matmul a", 50)
    assert_in_step(session)


def test_worker_late_answer(drive: Drive, way: str) -> None:
    """An answer that comes after its time-out is nobody's, and shifts no later one."""
    session = drive()
    with pytest.raises(SessionTimeout, match="the response to 'slow'"):
        session.fetch_response("slow 0.5 late", 100)
    assert_in_step(session)


def test_worker_late_answers(drive: Drive) -> None:
    """Neither do several in a row."""
    session = drive()
    for _ in range(3):
        with pytest.raises(SessionTimeout):
            session.fetch_response("slow 0.3 late", 50)
    assert_in_step(session)
    with pytest.raises(SessionTimeout):
        session.fetch_response("slow 0.3 late", 250)
    time.sleep(0.5)  # the answer lies there
    assert_in_step(session)


def test_worker_late_answer_waited_for(drive: Drive) -> None:
    """A response that did not come in time may be waited for again."""
    session = drive()
    session.send_request("slow 0.5 late")
    with pytest.raises(SessionTimeout):
        session.wait_for_response(50)
    assert session.wait_for_response(PATIENCE_MS) == "late"
    assert_in_step(session)


def test_worker_late_tensor(drive: Drive) -> None:
    """A tensor that comes late is not taken for the next one."""
    session = drive()
    with stopped(session), pytest.raises(SessionTimeout):
        session.calculate("matmul", A, B, timeout_ms=50)
    assert same(session.calculate("matmul", B.T, A.T, timeout_ms=PATIENCE_MS), B.T @ A.T)
    assert_in_step(session)


def test_worker_is_asked_to_exit(drive: Drive, way: str) -> None:
    """`please_exit` asks it in its own words, and it ends of its own accord."""
    session = drive()
    process = session._connection.process
    assert process is not None
    assert session.please_exit(PATIENCE_MS, ensure=False)
    assert process.returncode == 0
    assert not session.is_alive()


def test_worker_is_asked_to_exit_while_busy(drive: Drive) -> None:
    """Asked while it works, it ends when it is done."""
    session = drive()
    process = session._connection.process
    assert process is not None
    session.send_request("slow 0.5 unheard")
    assert session.please_exit(PATIENCE_MS, ensure=False)
    assert process.returncode == 0


def test_worker_is_forced_to_exit(drive: Drive) -> None:
    """`exit` in status.txt, from whomever, ends it; the client is told."""
    session = drive()
    (Path(session.session_dir) / "status.txt").write_text("exit")
    assert session.join(PATIENCE_MS)
    with pytest.raises(WorkerDied, match="exited with status 0"):
        session.fetch_response("echo x", PATIENCE_MS)


def test_worker_ends_silently(drive: Drive) -> None:
    """A command that it does not know ends it, which is an error at once; a restart serves."""
    session = drive()
    with pytest.raises(WorkerDied, match="exited with status 0"):
        session.fetch_response("nonsense", PATIENCE_MS)
    session.restart(PATIENCE_MS)
    assert_in_step(session)


def test_worker_raises(drive: Drive) -> None:
    """An exception ends it, which is an error with the traceback."""
    session = drive()
    with pytest.raises(WorkerDied, match="FileNotFoundError"):
        session.fetch_response("matmul x,y", PATIENCE_MS)


def test_worker_directory_removed(drive: Drive) -> None:
    """The removal of its directory ends it, too."""
    session = drive()
    shutil.rmtree(session.session_dir)
    assert session.join(PATIENCE_MS)
    with pytest.raises(WorkerDied):
        session.fetch_response("echo x", PATIENCE_MS)


def test_worker_sigterm(drive: Drive) -> None:
    """SIGTERM ends it in a request."""
    session = drive()
    session.send_request("slow 3600 never")
    process = session._connection.process
    assert process is not None
    os.kill(process.pid, signal.SIGTERM)
    with pytest.raises(WorkerDied) as caught:
        session.wait_for_response(PATIENCE_MS)
    assert caught.value.signal == signal.SIGTERM


def test_worker_state(drive: Drive) -> None:
    """It is ready when it runs and has nothing to answer, and busy when it has."""
    session = drive()
    assert session.is_ready()
    assert not session.is_busy()
    with stopped(session):
        session.send_request("echo done")
        assert session.is_busy()
        assert not session.is_ready()
    assert session.wait_for_response(PATIENCE_MS) == "done"
    assert session.is_ready()


def test_worker_in_background(drive: Drive) -> None:
    """Futures work with it, too."""
    session = drive()
    texts = [session.submit(f"echo {number}") for number in range(5)]
    tensor = session.submit("matmul", A, B)
    assert [text.result(PATIENCE_SECONDS) for text in texts] == ["0", "1", "2", "3", "4"]
    assert same(tensor.result(PATIENCE_SECONDS), A @ B)
