"""What a session survives of its two processes: every fault with its outcome, by real signals.

After each test nothing may be left of its sessions: no process, file, descriptor or thread.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import session as package
from session import (
    PythonSession,
    SessionBusy,
    SessionError,
    SessionTimeout,
    WorkerDied,
    WorkerError,
    WorkerStartError,
)
from tests.session_soak import soak
from tests.session_workers import (
    NAMESPACE,
    SECONDS,
    Start,
    assert_computes,
    assert_restarts,
    assert_serves,
    can_run,
    do,
    eventually,
    first_line_of,
    hit,
    is_running,
    lines_of,
    no_hang,
    processes_of,
    start_client,
    starter,
    until,
    write_worker,
)

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="looks for what is left in /proc"
)

# Code for a worker: it never comes to an end, and it starts a process that does not either.
FOR_EVER = "time.sleep(3600)"
CHILD = "child = subprocess.Popen(['sleep', '3600'])"


@pytest.fixture(autouse=True)
def _interrupted() -> Iterator[None]:
    with no_hang():
        yield


@pytest.fixture
def start(tmp_path: Path, workspace: Path) -> Iterator[Start]:
    """Start sessions, and end them."""
    with starter(tmp_path, workspace) as start_one:
        yield start_one


@pytest.fixture(params=["events", "polling"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with events and without, at both ends."""
    if request.param == "polling":
        monkeypatch.setenv("TR_POLLING", "1")


# ---------------------------------------------------------------- callbacks


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize("end", ["wait_for_response", "restart", "terminate"])
def test_callbacks(start: Start, end: str) -> None:
    """The callback of progress may take the response, restart the session, or end it."""
    session = start()
    results: list[object] = []
    session.on_progress = lambda progress: results.append(getattr(session, end)())
    report = do("self.progress(1, 2); time.sleep(0.2); self.write_response('', 'done')")
    with pytest.raises(SessionError, match="no request to wait for any more"):
        session.fetch_response(report)
    assert results == ["done" if end == "wait_for_response" else None]
    session.on_progress = None
    assert_restarts(session)


# ---------------------------------------------------------------- the worker dies


@pytest.mark.usefixtures("both_ways")
def test_killed_in_a_request(start: Start, tmp_path: Path) -> None:
    """A kill in a request is an error at once, which tells all; the request can be repeated."""
    session = start()
    begun = tmp_path / "begun"
    request = do(f"""
        if not os.path.exists({str(begun)!r}):
            print("last words", file=sys.stderr)
            open({str(begun)!r}, "w").close()
            {FOR_EVER}
        """)
    killed = []

    def kill_it() -> None:
        eventually(begun.exists)
        time.sleep(0.05)  # so that the client sleeps soundly
        killed.append(time.perf_counter())
        hit(session)

    thread = threading.Thread(target=kill_it)
    thread.start()
    with pytest.raises(WorkerDied, match=r"killed by signal 9; .*:\nlast words$") as caught:
        session.fetch_response(request, None)
    elapsed = time.perf_counter() - killed[0]
    thread.join()
    print(f"WorkerDied {elapsed * 1e3:.1f} ms after kill -9")
    assert elapsed < 0.5
    assert caught.value.signal == signal.SIGKILL
    assert caught.value.returncode == -signal.SIGKILL
    assert caught.value.stderr == "last words\n"
    session.restart()
    assert session.fetch_response(request) == "ok"
    assert_computes(session)


@pytest.mark.usefixtures("both_ways")
def test_killed_while_idle(start: Start) -> None:
    """A kill between two requests is told by the next one, and by every one after it."""
    session = start()
    hit(session)
    eventually(lambda: not session.is_alive())
    for _ in range(2):
        with pytest.raises(WorkerDied, match="signal 9"):
            session.fetch_response("echo x")
    with pytest.raises(WorkerDied, match="signal 9"):
        session.calculate("double", np.ones(3, np.float32))
    assert_restarts(session)


@pytest.mark.parametrize("head", ["os.kill(os.getpid(), signal.SIGKILL)", FOR_EVER])
def test_killed_before_it_is_ready(start: Start, head: str) -> None:
    """A worker that is killed before it is ready is told of by the wait for it."""
    session = start(head, is_ready=False)
    hit(session)
    with pytest.raises(WorkerDied, match="signal 9"):
        session.wait_until_ready()


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("os.write = lambda file, data: (write(file, data[:20]), die())", id="message"),
        pytest.param("os.rename = die", id="message-not-named"),
        pytest.param(
            "tsr.writer.dumps_into = lambda pages, _: (pages.write(b'half'), die())", id="half"
        ),
        pytest.param("os.link = die", id="tensor-not-linked"),
        pytest.param("fcntl.flock = lambda f, how: how == fcntl.LOCK_UN and die()", id="tensor"),
    ],
)
def test_killed_while_it_writes(start: Start, moment: str) -> None:
    """Of a message or a tensor that a dead worker has written in part, nothing is seen."""
    session = start()
    session.send_request(
        do(f"""
        import fcntl, numpy as np, tsr.writer
        array = np.ones(1 << 18, np.float32)
        def die(*a, **k): os.kill(os.getpid(), signal.SIGKILL)
        write = os.write
        {moment}
        self.send_arrays(array)
        """)
    )
    with pytest.raises(WorkerDied, match="signal 9"):
        session.wait_for_tensor()
    assert not session.new_response()
    session.restart()
    assert_computes(session)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        pytest.param("os._exit(0)", 0, id="exit-0"),
        pytest.param("sys.exit()", 0, id="sys-exit"),
        pytest.param("sys.exit(3)", 3, id="exit-3"),
        pytest.param("raise KeyboardInterrupt", -signal.SIGINT, id="interrupt"),
        pytest.param("os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)", 0, id="sigterm"),
        pytest.param("os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV, id="sigsegv"),
        pytest.param("os.abort()", -signal.SIGABRT, id="abort"),
    ],
)
def test_exits_unasked(start: Start, code: str, status: int) -> None:
    """A worker that exits in a request has died, whatever its status says."""
    session = start()
    with pytest.raises(WorkerDied) as caught:
        session.fetch_response(do(code))
    assert caught.value.returncode == status
    assert_restarts(session)


# ---------------------------------------------------------------- the worker misbehaves


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(FOR_EVER, id="sleeps"),
        pytest.param("while True: pass", id="spins"),
        pytest.param("os.kill(os.getpid(), signal.SIGSTOP)", id="stopped"),
        pytest.param("import re; re.match('(a+)+b', 'a' * 99)", id="never-lets-go"),
        pytest.param(f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{FOR_EVER}", id="deaf"),
    ],
)
def test_hangs(start: Start, code: str) -> None:
    """A worker that hangs is a time-out that says what for, and is ended by force."""
    session = start()
    session.send_request(do(code))
    until(session, "busy")
    begin = time.monotonic()
    with pytest.raises(SessionTimeout, match="response to 'do': did not come within 50 ms"):
        session.wait_for_response(50)
    assert 0.05 <= time.monotonic() - begin < SECONDS
    assert not session.please_exit(50, ensure=False)
    assert session.is_alive()
    assert_restarts(session)
    session.send_request(do(code))
    until(session, "busy")
    assert session.please_exit(50, ensure=True)
    assert not session.is_alive()


def test_never_ready(start: Start) -> None:
    """A worker that never gets ready is a time-out."""
    session = start(FOR_EVER, is_ready=False)
    with pytest.raises(SessionTimeout, match="the worker's start: did not come within 50 ms"):
        session.wait_until_ready(50)
    assert not session.is_ready()


def test_raises(start: Start) -> None:
    """An exception comes with the worker's traceback, and the worker serves on."""
    session = start()
    with pytest.raises(WorkerError, match=r"(?s)Traceback .*OSError: .* what it said") as caught:
        session.fetch_response(do("raise OSError(5, 'what it said')"))
    assert caught.value.command == "do"
    assert_serves(session)
    with pytest.raises(WorkerError, match="unknown command 'nonsense'"):
        session.fetch_response("nonsense")
    assert_serves(session)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_prints_without_end(start: Start, stream: str) -> None:
    """Output without end neither stops a worker nor piles up, and its last is told."""
    session = start(f"""
        def print_on():
            while not printed.is_set(): sys.{stream}.write('x' * 9999)
            print('the end', file=sys.{stream}, flush=True)
        printed = threading.Event()
        printer = threading.Thread(target=print_on)
        printer.start()
        """)
    for _ in range(20):
        assert_serves(session)
    with pytest.raises(WorkerDied, match="exited with status 1") as caught:
        session.fetch_response(do("printed.set(); printer.join(); os._exit(1)"))
    assert caught.value.stderr.endswith("xthe end\n")
    assert len(caught.value.stderr) == 1 << 14


@pytest.mark.parametrize("quiet", [True, False])
def test_prints_while_the_client_exits(tmp_path: Path, workspace: Path, quiet: bool) -> None:
    """A client whose worker prints without end exits as it would otherwise."""
    head = """
        def print_on():
            while True: print('x' * 99)
        threading.Thread(target=print_on, daemon=True).start()
        """
    worker = write_worker(tmp_path, head)
    for _ in range(3):
        client = start_client(
            "session.start(); session.wait_until_ready(); time.sleep(0.05); say('end')",
            worker, workspace, quiet=quiet,
        )  # fmt: skip
        assert lines_of(client) == ["end"]


def test_prints_to_what_cannot_show(tmp_path: Path, workspace: Path) -> None:
    """A stderr of the program's own that fails does not end what the worker prints."""
    code = """
    class Broken:
        def write(self, text): raise RuntimeError
        def flush(self): pass
    sys.stderr = Broken()
    session.start(); session.wait_until_ready()
    for number in range(3):
        say(session.fetch_response("do print('x', flush=True); self.write_response('', 'printed')"))
    session.terminate()
    """
    client = start_client(code, write_worker(tmp_path), workspace, quiet=False)
    assert lines_of(client) == ["printed"] * 3


def test_prints_no_text(start: Start) -> None:
    """Bytes that are no text do no harm."""
    session = start()
    with pytest.raises(WorkerDied, match="ABC"):
        session.fetch_response(do("os.write(1, bytes(range(256))); os._exit(1)"))


@pytest.mark.parametrize("end", ["kill", "terminate", "please_exit", "restart"])
def test_leaves_a_grandchild(start: Start, end: str) -> None:
    """What a worker has started ends with it, however that ends."""
    session = start()
    request = do(f"{CHILD}; self.write_response('', str(child.pid))")
    grandchild = int(session.fetch_response(request))
    assert is_running(grandchild)
    if end == "kill":
        hit(session)
        with pytest.raises(WorkerDied):
            session.fetch_response("echo x")
    else:
        getattr(session, end)()
    eventually(lambda: not is_running(grandchild))


def test_waited_for_by_another(start: Start) -> None:
    """What a worker has left behind ends, too, where somebody else has waited for the worker."""
    session = start()
    request = do(f"{CHILD}; self.write_response('', f'{{os.getpid()}} {{child.pid}}')")
    worker, grandchild = map(int, session.fetch_response(request).split())
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    assert not session.is_alive()
    eventually(lambda: not is_running(grandchild))
    assert_restarts(session)


def test_leaves_a_daemon(start: Start) -> None:
    """A process that has left the worker's group lives on, and holds nobody up."""
    session = start()
    child = CHILD.replace("])", "], start_new_session=True)")
    daemon = int(session.fetch_response(do(f"{child}; self.write_response('', str(child.pid))")))
    try:
        hit(session)
        with pytest.raises(WorkerDied):
            session.fetch_response("echo x")
        assert_restarts(session)
        assert is_running(daemon)
    finally:
        os.kill(daemon, signal.SIGKILL)


@pytest.mark.parametrize(
    "child",
    [
        pytest.param("pass", id="returns"),
        pytest.param("self.write_response('', 'of the child')", id="answers"),
        pytest.param("raise ValueError", id="raises"),
        pytest.param("sys.exit(1)", id="exits"),
        pytest.param("os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)", id="terminated"),
    ],
)
def test_forks(start: Start, child: str) -> None:
    """A child that a request has forked answers nothing, and says nothing in the worker's place."""
    session = start()
    request = do(f"""
        child = os.fork()
        if child == 0:
            {child}
        else:
            os.waitpid(child, 0)
            self.write_response('', open(self._service.mailbox.path + '/status.txt').read())
        """)
    assert session.fetch_response(request).rstrip() == "busy"
    assert_serves(session)


def test_forks_and_leaves_the_child(start: Start) -> None:
    """A forked child that outlives the request ends with the worker."""
    session = start()
    request = do(f"""
        child = os.fork()
        if child == 0: {FOR_EVER}
        self.write_response('', str(child))
        """)
    child = int(session.fetch_response(request))
    assert_serves(session)
    session.please_exit()
    eventually(lambda: not is_running(child))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        pytest.param(b"\x7fELF\x00\xff\xfe", "SyntaxError|source code", id="binary"),
        pytest.param(b"#!/bin/sh\nexec true\n", "SyntaxError", id="shell"),
        pytest.param(
            b"import no_such_module", "ModuleNotFoundError: .*no_such_module", id="import"
        ),
        pytest.param(b"1 / 0", "ZeroDivisionError", id="raises"),
        pytest.param(b"", "exited with status 0", id="no-worker"),
    ],
)
def test_bad_script(tmp_path: Path, workspace: Path, script: bytes, said: str) -> None:
    """A script that is no worker's is told of at once, with what Python says of it."""
    path = tmp_path / "bad.py"
    path.write_bytes(script)
    with pytest.raises(WorkerDied, match=said), PythonSession(path, "s", True, workspace=workspace):
        pass  # never reached


@pytest.mark.parametrize("path", ["no/such/script.py", "/"])
def test_no_script(workspace: Path, path: str) -> None:
    """A script that is not there is an error before anything is started."""
    session = PythonSession(path, "s", True, workspace=workspace)
    for _ in range(2):
        with pytest.raises(WorkerStartError, match=f"no worker script: {path}"):
            session.start()
    assert not Path(session.session_dir).exists()


# ---------------------------------------------------------------- the client ends

UP = "session.start(); session.wait_until_ready(); say('up'); time.sleep(3600)"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGKILL, "", id="idle"),
        pytest.param(signal.SIGTERM, "", id="terminated"),
        pytest.param(signal.SIGINT, "", id="interrupted"),
        pytest.param(signal.SIGKILL, FOR_EVER, id="busy"),
        pytest.param(signal.SIGKILL, f"{CHILD}; {FOR_EVER}", id="child"),
        pytest.param(
            signal.SIGKILL,
            "while True: self._service.mailbox.put('x', b''); self._service.mailbox.remove('x')",
            id="writing",
        ),
    ],
)
@pytest.mark.usefixtures("both_ways")
def test_client_killed(tmp_path: Path, workspace: Path, number: int, code: str) -> None:
    """When the client is killed, the worker and its children end and the directory goes."""
    send = f"session.send_request({do(code)!r}); say('up')" if code else "say('up')"
    client = start_client(UP.replace("say('up')", send), write_worker(tmp_path), workspace)
    assert first_line_of(client) == "up"
    expected = 2 if CHILD in code else 1
    eventually(lambda: len(processes_of(workspace)) == expected)
    begin = time.perf_counter()
    client.send_signal(number)
    client.communicate(timeout=SECONDS)
    eventually(lambda: not processes_of(workspace) and not list(workspace.glob("*/*")))
    print(f"gone in {(time.perf_counter() - begin) * 1e3:.0f} ms")


@pytest.mark.parametrize("code", [FOR_EVER, ""])
def test_client_killed_and_nothing_removable(tmp_path: Path, workspace: Path, code: str) -> None:
    """A worker ends with its client even where it cannot remove the directory."""
    send = f"session.send_request({do(code)!r}); say('up')" if code else "say('up')"
    client = start_client(UP.replace("say('up')", send), write_worker(tmp_path), workspace)
    assert first_line_of(client) == "up"
    folder = next(workspace.glob("*/*"))
    moved = folder.rename(folder.with_name("moved"))
    folder.symlink_to(moved)  # no rmdir removes this
    client.kill()
    client.communicate(timeout=SECONDS)
    eventually(lambda: not processes_of(workspace))
    shutil.rmtree(moved)
    folder.unlink()


@pytest.mark.parametrize("delay_ms", [0, 30, 60, 120])
def test_client_killed_at_the_start(tmp_path: Path, workspace: Path, delay_ms: int) -> None:
    """A client that is killed before its worker is ready leaves nothing either."""
    code = "session.start(); say('up'); time.sleep(3600)"
    client = start_client(code, write_worker(tmp_path), workspace)
    assert first_line_of(client) == "up"
    time.sleep(delay_ms / 1000)
    client.kill()
    client.communicate(timeout=SECONDS)


def test_client_and_worker_killed(tmp_path: Path, workspace: Path) -> None:
    """What is left when both are killed at once, the next client of that name removes."""
    worker = write_worker(tmp_path)
    client = start_client(UP, worker, workspace)
    assert first_line_of(client) == "up"
    for process in (*processes_of(workspace), client.pid):
        os.kill(process, signal.SIGKILL)
    client.communicate(timeout=SECONDS)
    with PythonSession(worker, "s", True, workspace=workspace) as session:
        assert_serves(session)


@pytest.mark.parametrize(
    ("end", "status"),
    [
        pytest.param("pass", 0, id="returns"),
        pytest.param("sys.exit(3)", 3, id="exits"),
        pytest.param("1 / 0", 1, id="raises"),
        pytest.param("os._exit(4)", 4, id="at-once"),
        pytest.param("session.send_request('slow 3600')", 0, id="busy"),
    ],
)
def test_client_exits(tmp_path: Path, workspace: Path, end: str, status: int) -> None:
    """A client that ends without ending its session leaves nothing."""
    code = f"session.start(); session.wait_until_ready(); {end}"
    client = start_client(code, write_worker(tmp_path), workspace)
    _, errors = client.communicate(timeout=SECONDS)
    assert client.returncode == status
    assert ("ZeroDivisionError" in errors) == (status == 1)
    assert "Exception ignored" not in errors


def test_garbage(tmp_path: Path, workspace: Path) -> None:
    """A session that nobody refers to ends its worker and removes its directory."""
    session = PythonSession(write_worker(tmp_path), "s", True, workspace=workspace)
    session.start()
    session.wait_until_ready()
    assert_serves(session)
    (process,) = processes_of(workspace)
    del session
    gc.collect()
    assert not is_running(process)
    assert not list(workspace.glob("*/*"))


FORKED = """
session.start(); session.wait_until_ready()
child = os.fork()
if child == 0:
    %s
_, status = os.waitpid(child, 0)
say(os.waitstatus_to_exitcode(status))
say(session.fetch_response('echo of the parent'), os.path.exists(session.session_dir))
session.please_exit()
"""


@pytest.mark.parametrize(
    ("child", "status"),
    [
        pytest.param("sys.exit(5)", 5, id="exits"),
        pytest.param("os._exit(6)", 6, id="exits-at-once"),
        pytest.param("session.terminate(); os._exit(0)", 0, id="terminates"),
        pytest.param("del session; os._exit(0)", 0, id="garbage"),
        pytest.param("session.please_exit(); os._exit(session.is_alive())", 0, id="asks-to-exit"),
        pytest.param("os.kill(os.getpid(), signal.SIGKILL)", -9, id="killed"),
    ],
)
def test_client_forked(tmp_path: Path, workspace: Path, child: str, status: int) -> None:
    """A forked child of the client ends neither the worker nor the session."""
    client = start_client(FORKED % child, write_worker(tmp_path), workspace)
    assert lines_of(client) == [str(status), "of the parent True"]


def test_client_forked_child_uses_it(tmp_path: Path, workspace: Path) -> None:
    """A forked child has no part in the session, and cannot get it while the parent has it."""
    child = """
    try: session.fetch_response('echo of the child')
    except SessionError as error: say(error)
    try: session.start()
    except SessionBusy as error: say('busy')
    os._exit(0)"""
    client = start_client(FORKED % child.strip(), write_worker(tmp_path), workspace)
    assert lines_of(client) == [
        "the session has no worker: start() comes first", "busy", "0", "of the parent True",
    ]  # fmt: skip


def test_client_forked_while_a_thread_waits(tmp_path: Path, workspace: Path) -> None:
    """A forked child can end its part in a session that another thread of the parent waits in."""
    code = """
    session.start(); session.wait_until_ready()
    thread = threading.Thread(target=lambda: say(session.fetch_response('slow 1 answer')))
    thread.start()
    time.sleep(0.2)
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        session.terminate()
        os._exit(5)
    say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    thread.join()
    session.please_exit()
    """
    client = start_client(code, write_worker(tmp_path), workspace)
    assert sorted(lines_of(client)) == ["5", "answer"]


def test_client_killed_after_a_fork(tmp_path: Path, workspace: Path) -> None:
    """A forked child that outlives the client keeps nothing of its session."""
    code = """
    session.start(); session.wait_until_ready()
    child = os.fork()
    if child: say(child)
    time.sleep(3600)
    """
    client = start_client(code, write_worker(tmp_path), workspace)
    child = int(first_line_of(client))
    client.kill()
    client.wait()
    try:
        eventually(lambda: not processes_of(workspace) and not list(workspace.glob("*/*")))
        assert is_running(child)
    finally:
        os.kill(child, signal.SIGKILL)
        client.communicate(timeout=SECONDS)


def test_old_worker(tmp_path: Path, workspace: Path) -> None:
    """A worker of a dead client that has not ended yet takes nothing from the next session."""
    worker = write_worker(tmp_path)
    client = start_client(UP, worker, workspace)
    assert first_line_of(client) == "up"
    (old,) = processes_of(workspace)
    os.kill(old, signal.SIGSTOP)
    client.kill()
    client.communicate(timeout=SECONDS)
    with PythonSession(worker, "s", True, workspace=workspace) as session:
        assert_serves(session)
        os.kill(old, signal.SIGCONT)
        while is_running(old):
            assert_serves(session)
        assert_serves(session)


def test_number_used_again(tmp_path: Path, workspace: Path) -> None:
    """A process that gets the number of a worker that has died is not ended in its place."""
    enter = (*NAMESPACE, "--pid", "--fork", "--mount-proc", "--kill-child")
    if not can_run(*enter, "true"):
        pytest.skip("needs a process namespace of its own")
    code = """
    session.start(); session.wait_until_ready()
    number = session._connection.process.pid
    os.kill(number, signal.SIGKILL)
    try: session.fetch_response('echo x')
    except WorkerDied: say('died')
    with open('/proc/sys/kernel/ns_last_pid', 'w') as file: file.write(str(number - 1))
    other = subprocess.Popen(['sleep', '3600'], start_new_session=True)
    say(other.pid == number)
    session.terminate()
    try: say(other.wait(0.3))
    except subprocess.TimeoutExpired: say('lives')
    other.kill()
    other.wait()
    """
    client = start_client(code, write_worker(tmp_path), workspace, prefix=enter)
    assert lines_of(client) == ["died", "True", "lives"]


def test_number_used_again_by_a_stranger(tmp_path: Path, workspace: Path) -> None:
    """Nor is it ended when somebody else has waited for the worker, and nobody has looked since."""
    enter = (*NAMESPACE, "--pid", "--fork", "--mount-proc", "--kill-child")
    if not can_run(*enter, "true"):
        pytest.skip("needs a process namespace of its own")
    code = """
    session.start(); session.wait_until_ready()
    number = session._connection.process.pid
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
    stranger = '''if True:
        import os, sys, time
        number = int(sys.argv[1])
        with open('/proc/sys/kernel/ns_last_pid', 'w') as file: file.write(str(number - 1))
        child = os.fork()
        if child == 0:
            os.setsid()
            print(os.getpid() == number, flush=True)
            time.sleep(0.3)
            os._exit(5)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    '''
    arguments = [sys.executable, '-c', stranger, str(number)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as other:
        say(other.stdout.readline().rstrip())
        session.terminate()
        say(other.stdout.readline().rstrip())
    """
    client = start_client(code, write_worker(tmp_path), workspace, prefix=enter)
    assert lines_of(client) == ["True", "5"]


# ---------------------------------------------------------------- two clients


def test_two_clients(start: Start, tmp_path: Path, workspace: Path) -> None:
    """A second client of a live session is refused, here and elsewhere; the first is not hurt."""
    session = start()
    worker = write_worker(tmp_path)
    rival = PythonSession(worker, session.session_id, True, workspace=workspace)
    for _ in range(2):
        with pytest.raises(SessionBusy, match="another client has this session"):
            rival.start()
    with pytest.raises(SessionBusy, match="the worker runs already"):
        session.start()
    elsewhere = f"""
    session = PythonSession(sys.argv[1], {session.session_id!r}, True, workspace=sys.argv[2])
    try: session.start()
    except SessionBusy: say('busy')
    """
    assert lines_of(start_client(elsewhere, worker, workspace)) == ["busy"]
    assert_serves(session)
    session.terminate()
    rival.restart()
    assert_serves(rival)
    rival.terminate()


def test_many_want_one(tmp_path: Path, workspace: Path) -> None:
    """Of clients that fight for one name each gets the session, or is told that it is busy."""
    code = """
    served = 0
    while served < 4:
        try: session.start()
        except SessionBusy: time.sleep(0.001); continue
        assert session.fetch_response(f'echo {os.getpid()}') == str(os.getpid())
        session.terminate()
        served += 1
    """
    worker = write_worker(tmp_path)
    clients = [start_client(code, worker, workspace) for _ in range(3)]
    for client in clients:
        assert lines_of(client) == []


# ---------------------------------------------------------------- waits that end early


@pytest.mark.usefixtures("both_ways")
def test_interrupted_in_a_wait(tmp_path: Path, workspace: Path) -> None:
    """Ctrl-C ends a wait, and not the session; the answer to what was given up is nobody's."""
    code = """
    session.start(); session.wait_until_ready()
    for number in range(2):
        say('up')
        try: session.fetch_response('slow 0.5 wrong', None)
        except KeyboardInterrupt: pass
        say(session.fetch_response(f'echo right {number}'))
    session.please_exit()
    """
    client = start_client(code, write_worker(tmp_path), workspace)
    for number in range(2):
        assert first_line_of(client) == "up"
        time.sleep(0.2)
        os.killpg(client.pid, signal.SIGINT)  # as a terminal does
        assert first_line_of(client) == f"right {number}"
    assert lines_of(client) == []


@pytest.mark.usefixtures("both_ways")
def test_late_response(start: Start) -> None:
    """A response that comes after its time is never taken for the next one's."""
    session = start()
    for number in range(3):
        with pytest.raises(SessionTimeout):
            session.fetch_response(f"slow 0.15 late {number}", 50)
        assert session.fetch_response(f"echo next {number}") == f"next {number}"
    with pytest.raises(SessionTimeout):
        session.fetch_response("slow 0.15 late", 50)
    time.sleep(0.3)
    assert session.fetch_response("echo next") == "next"


@pytest.mark.usefixtures("both_ways")
def test_late_response_waited_for(start: Start) -> None:
    """A response that did not come in time can be waited for again."""
    session = start()
    session.send_request("slow 0.2 late")
    with pytest.raises(SessionTimeout):
        session.wait_for_response(20)
    assert session.wait_for_response() == "late"


def test_late_responses_in_a_row(start: Start) -> None:
    """No request gets lost that is made just as the response to an earlier one comes."""
    session = start()
    late = 0
    for number in range(100):
        try:  # a client that waits long for a processor may find the response, in time after all
            assert session.fetch_response("slow 0.01 late", 2) == "late"
        except SessionTimeout:
            late += 1
        assert session.fetch_response(f"echo {number}") == str(number)
    assert late > 10


@pytest.mark.parametrize("size", [3, 1 << 19])
def test_late_tensor(start: Start, size: int) -> None:
    """A result that comes after its time is never taken for the next one's."""
    session = start("import numpy as np")
    array = np.arange(size, dtype=np.float32)
    late = do(f"time.sleep(0.1); self.send_arrays(np.full({size}, -1, np.float32))")
    for _ in range(3):
        with pytest.raises(SessionTimeout):
            session.fetch_tensor(late, 20)
        np.testing.assert_array_equal(session.calculate("double", array), array * 2)


def test_busy_beside_a_thread(start: Start) -> None:
    """While another thread waits for a response, questions are answered at once."""
    session = start()
    future = session.submit("slow 1 answer")
    until(session, "busy")
    begin = time.monotonic()
    assert session.is_busy()
    assert not session.is_ready()
    assert not session.new_response()
    assert not future.done()
    assert time.monotonic() - begin < 0.5
    assert future.result() == "answer"
    eventually(session.is_ready)
    assert not session.is_busy()


def test_not_ready_while_it_works(start: Start) -> None:
    """A worker that works on a request that was given up is not ready."""
    session = start()
    with pytest.raises(SessionTimeout):
        session.fetch_response("slow 1", 20)
    until(session, "busy")
    assert not session.is_ready()
    eventually(session.is_ready)


def test_end_of_the_block_waits(tmp_path: Path, workspace: Path) -> None:
    """What was submitted is done when the block ends, and cancelled when an error ends it."""
    worker = write_worker(tmp_path)
    with PythonSession(worker, "s", True, workspace=workspace) as session:
        futures = [session.submit(f"slow 0.05 {number}") for number in range(4)]
    assert [future.result() for future in futures] == ["0", "1", "2", "3"]
    with (
        suppress(ZeroDivisionError),
        PythonSession(worker, "s", True, workspace=workspace) as session,
    ):
        futures = [session.submit("slow 0.2") for _ in range(4)]
        raise ZeroDivisionError
    assert futures[-1].cancelled()


def test_cancelled_in_asyncio(start: Start) -> None:
    """A request that asyncio gives up does not hold up the next one."""
    session = start()

    async def requests() -> Any:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.request("slow 0.1 late"), 0.02)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.request(do(FOR_EVER)), 0.3)
        session.terminate()
        session.start()
        return await session.request("echo next")

    assert asyncio.run(requests()) == "next"


def test_refused_request_leaves_the_pending_one(start: Start) -> None:
    """A request that is refused because another one is pending does not hurt that one."""
    session = start()
    session.send_request("slow 0.2 first")
    for refused in (session.send_request, session.fetch_response, session.fetch_tensor):
        with pytest.raises(SessionBusy, match="'slow' is not answered yet"):
            refused("echo second")
    assert session.wait_for_response() == "first"


def test_monotonic_clocks() -> None:
    """A step of the clock changes timestamps and ages only: nothing else asks for the time."""
    asking = set()
    for path in Path(package.__file__).parent.glob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef) and any(
                isinstance(node, ast.Attribute)
                and ast.unparse(node) in ("time.time", "time.time_ns", "datetime.now")
                for node in ast.walk(function)
            ):
                asking.add(function.name)
    assert asking <= {"_now", "_examine"}


# ---------------------------------------------------------------- for long


@pytest.mark.parametrize(("polling", "requests", "kills"), [("", 300, 10), ("1", 20, 2)])
def test_soak(monkeypatch: pytest.MonkeyPatch, polling: str, requests: int, kills: int) -> None:
    """Under kills at random moments a request is answered right or fails with a session's error."""
    monkeypatch.setenv("TR_POLLING", polling)
    report = soak(requests, kills)
    assert report.answered + report.failed == report.requests == requests
    assert report.failed <= kills
