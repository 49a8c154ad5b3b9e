"""What a session of the C++ client survives: faults of both processes, by real signals.

Workers of this package and of the original's dialect, large tensors on pages of both languages,
and the C++ client beside the Python one. After each test nothing may be left of its sessions.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from session import PythonSession, SessionBusy
from session.survey import LIVE, survey
from tests import originals
from tests.session_cpp import PATIENCE_MS, CppError, CppSession, a_client, build_programs, driver_of
from tests.session_workers import (
    NAMESPACE,
    can_run,
    do,
    eventually,
    is_running,
    no_hang,
    plant,
    processes_of,
    write_worker,
)

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="looks for what is left in /proc"
)

FOR_EVER = "time.sleep(3600)"
MEBI = 1 << 20

Start = Callable[..., CppSession]


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the program that is driven."""
    return driver_of(build_programs(tmp_path_factory))


@pytest.fixture(autouse=True)
def _interrupted() -> Iterator[None]:
    with no_hang(120):
        yield


@pytest.fixture
def client(driver: Path, workspace: Path, tmp_path: Path) -> Iterator[CppSession]:
    """Give a client with a worker that is not started."""
    with a_client(driver, workspace, write_worker(tmp_path)) as client:
        yield client


@pytest.fixture
def session(client: CppSession) -> CppSession:
    """Give a client with a worker that is ready."""
    client("start")
    assert client("wait_until_ready", PATIENCE_MS) == "true"
    return client


@pytest.fixture(params=["events", "polling"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with events and without, at both ends."""
    if request.param == "polling":
        monkeypatch.setenv("TR_POLLING", "1")


def raises(kind: str, match: str = "") -> pytest.RaisesExc[CppError]:
    """Expect an error of the C++ client."""
    return pytest.raises(CppError, match=f"(?s)^{kind}: .*{match}")


def fetch(session: CppSession, message: str) -> str:
    """Have a request answered."""
    return session("fetch", PATIENCE_MS, message)


def assert_serves(session: CppSession) -> None:
    """Check that a session gives each request its own answer."""
    for text in ("one", "two", "three"):
        assert fetch(session, f"echo {text}") == text


def assert_restarts(session: CppSession) -> None:
    """Check that a session can be started again, and serves then, with tensors, too."""
    session("restart", PATIENCE_MS)
    assert_serves(session)
    session("tensor", "x", "float32", "2,3", 1.5)
    session("calculate", "y", PATIENCE_MS, "double", "x")
    assert session("show", "y") == "FP32 (2, 3) 18 3 3"


def worker_of(session: CppSession) -> int:
    """Ask a worker who it is."""
    return int(fetch(session, do("self.write_response('', str(os.getpid()))")))


def until_busy(session: CppSession) -> None:
    """Wait until the worker works."""
    eventually(lambda: (session.path / "status.txt").read_text().rstrip() == "busy")


# ---------------------------------------------------------------- text and tensors


@pytest.mark.usefixtures("both_ways")
def test_text(session: CppSession) -> None:
    """Text goes there and back, whatever is in it."""
    for text in ('say "hi"', "two\nlines", "C:\\new", "größe", "a, b", "\ud800", "x" * 100_000):
        assert fetch(session, f"echo {text}") == text
    assert fetch(session, "echo") == ""
    with raises("SessionError", "expected a command"):
        fetch(session, " ")


def test_too_much_text(session: CppSession) -> None:
    """A message that is too large is refused, and nothing of it is sent."""
    with raises("MessageError", "expected 16777216 at most"):
        fetch(session, "echo " + "x" * (1 << 24))
    assert_serves(session)


@pytest.mark.usefixtures("both_ways")
def test_states(session: CppSession) -> None:
    """A session is ready, busy, has a response and is ready again."""
    assert session("is_alive") == "true"
    assert session("is_ready") == "true"
    assert session("is_busy") == "false"
    assert session("session_dir") == str(session.path)
    session("request", "slow 0.2 done")
    assert session("is_busy") == "true"
    assert session("is_ready") == "false"
    assert session("read") == "(none)"
    with raises("SessionBusy", "'slow' is not answered yet"):
        session("request", "echo x")
    assert session("wait_until_ok", PATIENCE_MS) == "true"
    assert session("new_response") == "true"
    assert session("read") == "done"
    assert session("new_response") == "false"
    assert session("is_ready") == "true"
    with raises("SessionError", "no request to wait for"):
        session("wait", 1)
    assert session("please_exit", PATIENCE_MS, "false") == "true"
    assert session("is_alive") == "false"
    with raises("SessionError", "no worker"):
        session("fetch", 1, "echo x")


def test_tensors(session: CppSession) -> None:
    """Tensors of all dtypes go there and back, and several at once."""
    for dtype, shape, shown in (
        ("float32", "-", "FP32 () 3 3 3"),
        ("int8", "1,2", "INT8 (1, 2) 6 3 3"),
        ("int32", "2,1,1,2", "INT32 (2, 1, 1, 2) 12 3 3"),
        ("float32", "0,3", "FP32 (0, 3) 0"),
        ("float32", "1024,257", f"FP32 (1024, 257) {3 * 1024 * 257} 3 3"),
    ):
        session("tensor", "x", dtype, shape, 3)
        session("send", "x", "input")
        request = do("self.send_arrays(*self.get_arrays('input', 1))")
        session("fetch_tensor", "y", PATIENCE_MS, request)
        assert session("show", "y") == shown
        session("send", "x", "input")
        session("request", do("self.send_arrays(*2 * self.get_arrays('input', 1))"))
        with raises("WorkerError", "it answered 2 tensors"):
            session("wait_tensor", "z", PATIENCE_MS)
        assert session("wait_tensors", "z", PATIENCE_MS) == "2"
        assert session("show", "z0") == session("show", "z1") == shown
    assert not list(session.path.glob("*.tsr"))
    with raises("SessionError", "tag: got '../x'"):
        session("send", "x", "../x")


def test_shared(session: CppSession) -> None:
    """Threads that share a session take turns: each gets its own answers, whoever looks."""
    assert session("share", 4, 50) == "0"


def test_progress(session: CppSession) -> None:
    """The worker's progress is that of the request that is under way."""
    session("request", do("self.progress(1, 2, 'half'); time.sleep(0.5)"))
    eventually(lambda: session("progress") != "(none)")
    assert session("progress") == "1.000000 half"
    session("wait", PATIENCE_MS)
    session("request", "slow 0.1 x")
    assert session("progress") == "(none)"
    session("wait", PATIENCE_MS)


@pytest.mark.usefixtures("both_ways")
def test_callbacks(session: CppSession) -> None:
    """The callback of progress may set another one, and do with the session what it likes."""
    report = do("self.progress(1, 2); time.sleep(0.2); self.write_response('', 'done')")
    session("forget_on_progress")
    assert fetch(session, report) == "done"
    assert session("seen") == "false"
    for command in (f"wait {PATIENCE_MS}", f"restart {PATIENCE_MS}", "terminate"):
        session("on_progress", command)
        with raises("SessionError", "no request to wait for any more"):
            fetch(session, report)
        assert session("seen") == ("ok done" if "wait" in command else "ok")
    assert_restarts(session)


def test_no_time(session: CppSession) -> None:
    """A time-out of less than nothing is over at once."""
    session("request", do(FOR_EVER))
    with raises("SessionTimeout", "did not come within -1 ms"):
        session("wait", -1)
    assert session("please_exit", -1, "false") == "false"
    assert session("join", -1) == "false"
    session("terminate")


# ---------------------------------------------------------------- what the worker prints


@pytest.fixture
def loud(driver: Path, workspace: Path, tmp_path: Path) -> Iterator[tuple[CppSession, int]]:
    """Give a session that shows what its worker prints, and the other end of its stderr."""
    read, write = os.pipe()
    try:
        with a_client(driver, workspace, write_worker(tmp_path), stderr=write) as client:
            os.close(write)
            client("quiet", "false")
            client("start")
            assert client("wait_until_ready", PATIENCE_MS) == "true"
            yield client, read
    finally:
        with suppress(OSError):
            os.close(read)


def test_shows(loud: tuple[CppSession, int]) -> None:
    """All that a worker prints is shown, its last words, too."""
    session, stderr = loud
    printed = "".join(f"{i}\n" for i in range(9000))
    fcntl.fcntl(stderr, fcntl.F_SETPIPE_SZ, 1 << 20)  # nobody reads until the end
    fetch(session, do("print(*range(9000), sep='\\n', flush=True)"))
    with raises("WorkerDied"):
        fetch(session, do("print('the end', flush=True); os._exit(1)"))
    session("terminate")
    assert os.read(stderr, 1 << 16).decode() == f"{printed}the end\n"


def test_nobody_reads(loud: tuple[CppSession, int]) -> None:
    """A stderr that has lost its reader is no reason to end."""
    session, stderr = loud
    os.close(stderr)
    with raises("WorkerDied"):
        fetch(session, do("print('x' * 99999, flush=True); os._exit(1)"))
    assert_restarts(session)


def test_nobody_reads_on(loud: tuple[CppSession, int]) -> None:
    """A stderr that is full holds nobody up that ends the session."""
    session, stderr = loud
    session("request", do("print('x' * (1 << 20), flush=True)"))
    full = fcntl.fcntl(stderr, fcntl.F_GETPIPE_SZ)
    eventually(lambda: unread(stderr) == full)
    session("terminate")
    assert_restarts(session)
    assert os.read(stderr, full) == b"x" * full


def unread(pipe: int) -> int:
    """Tell how many bytes are in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


# ---------------------------------------------------------------- the worker


@pytest.mark.usefixtures("both_ways")
def test_killed_in_a_request(session: CppSession) -> None:
    """A kill in a request is an error at once, which tells all; a restart serves."""
    worker = worker_of(session)
    session.tell("fetch", 0, do(f"print('last words', flush=True)\n{FOR_EVER}"))
    until_busy(session)
    time.sleep(0.05)  # so that the client sleeps soundly
    killed = time.monotonic()
    os.kill(worker, signal.SIGKILL)
    with raises("WorkerDied", "was killed by signal 9; the last it wrote:\nlast words$"):
        session.hear()
    elapsed = time.monotonic() - killed
    print(f"WorkerDied {elapsed * 1e3:.1f} ms after kill -9")
    assert elapsed < 0.5
    assert session("died") == "-9 9 last words\n"
    with raises("WorkerDied", "signal 9"):
        fetch(session, "echo x")
    assert_restarts(session)


@pytest.mark.parametrize(
    ("head", "kind", "match"),
    [
        pytest.param("os.kill(os.getpid(), 9)", "WorkerDied", "signal 9", id="killed"),
        pytest.param("sys.exit(3)", "WorkerDied", "exited with status 3$", id="exits"),
        pytest.param("import absent", "WorkerDied", "No module named 'absent'$", id="import"),
        pytest.param("this is no Python", "WorkerDied", "SyntaxError: invalid", id="syntax"),
    ],
)
def test_never_starts(client: CppSession, tmp_path: Path, head: str, kind: str, match: str) -> None:
    """A worker that ends before it is ready is told of by the wait for it."""
    write_worker(tmp_path, head)
    client("start")
    with raises(kind, match):
        client("wait_until_ready", PATIENCE_MS)
    write_worker(tmp_path)
    assert_restarts(client)


def test_never_ready(client: CppSession, tmp_path: Path) -> None:
    """A worker that never gets ready is a time-out."""
    write_worker(tmp_path, FOR_EVER)
    client("start")
    with raises("SessionTimeout", "the worker's start: did not come within 50 ms"):
        client("wait_until_ready", 50)
    assert client("is_ready") == "false"
    with raises("SessionBusy", "runs already"):
        client("start")
    client("terminate")


def test_nothing_to_start(
    driver: Path, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No script, no interpreter and no package are errors that say so."""
    with a_client(driver, workspace, tmp_path / "absent.py") as client:
        with raises("WorkerStartError", "no worker script: .*absent.py"):
            client("start")
        assert not client.path.exists()
        with raises("SessionError", "session id: got 'a/b'"):
            client("new", "default", "a/b", workspace)
    with a_client(driver, workspace, "default") as client:
        client("start")
        assert fetch(client, "hello world") == "Hello World"
    real = CppSession.__init__.__globals__["client_environment"]
    changed = {"TR_PYTHON": "no-such-python"}
    monkeypatch.setitem(
        CppSession.__init__.__globals__, "client_environment", lambda w: {**real(w), **changed}
    )
    with (
        a_client(driver, workspace, "default") as client,
        raises("WorkerStartError", "cannot start no-such-python: No such file"),
    ):
        client("start")
    bare = tmp_path / "bare.sh"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E "$@"\n')
    bare.chmod(0o755)
    changed["TR_PYTHON"] = str(bare)
    with a_client(driver, workspace, "default") as client:
        client("start")
        with raises("WorkerDied", "status 1; .*no worker for 'default': pip install tsr-codec$"):
            client("wait_until_ready", PATIENCE_MS)


@pytest.mark.parametrize(
    ("code", "returncode"),
    [
        pytest.param("os._exit(0)", 0, id="exit-0"),
        pytest.param("sys.exit(3)", 3, id="exit-3"),
        pytest.param("os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV, id="sigsegv"),
    ],
)
def test_exits_unasked(session: CppSession, code: str, returncode: int) -> None:
    """A worker that exits in a request has died, whatever its status says."""
    with raises("WorkerDied"):
        fetch(session, do(code))
    assert session("died").split(" ")[0] == str(int(returncode))
    assert_restarts(session)


def test_raises(session: CppSession) -> None:
    """An exception comes with the worker's traceback, and the worker serves on."""
    with raises("WorkerError", "Traceback .*OSError: .* what it said"):
        fetch(session, do("raise OSError(5, 'what it said')"))
    with raises("WorkerError", "unknown command 'nonsense'"):
        fetch(session, "nonsense")
    with raises("WorkerError", "it answered 'x', no tensor"):
        session("fetch_tensor", "y", PATIENCE_MS, "echo x")
    assert_serves(session)
    session("request", do("raise ValueError"))
    assert session("wait_until_ok", PATIENCE_MS) == "false"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(FOR_EVER, id="sleeps"),
        pytest.param("os.kill(os.getpid(), signal.SIGSTOP)", id="stopped"),
        pytest.param(f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{FOR_EVER}", id="deaf"),
    ],
)
def test_hangs(session: CppSession, code: str) -> None:
    """A worker that hangs is a time-out that says what for, and is ended by force."""
    session("request", do(code))
    until_busy(session)
    with raises("SessionTimeout", "response to 'do': did not come within 50 ms"):
        session("wait", 50)
    assert session("please_exit", 50, "false") == "false"
    assert session("is_alive") == "true"
    assert_restarts(session)
    session("request", do(code))
    until_busy(session)
    assert session("please_exit", 50, "true") == "true"
    assert session("is_alive") == "false"


@pytest.mark.usefixtures("both_ways")
def test_late_answers(session: CppSession) -> None:
    """An answer that comes after its time-out is nobody's, unless it is waited for again."""
    for _ in range(2):
        with raises("SessionTimeout"):
            session("fetch", 20, "slow 0.1 late")
    assert_serves(session)
    session("request", "slow 0.2 waited for")
    with raises("SessionTimeout"):
        session("wait", 20)
    assert session("wait", PATIENCE_MS) == "waited for"
    with raises("SessionTimeout"):
        session("fetch", 20, "slow 0.1 late")
    time.sleep(0.2)  # the answer lies there
    assert_serves(session)


def test_late_tensors(session: CppSession) -> None:
    """Nothing is left of the tensors of a request that was given up."""
    session("tensor", "x", "float32", "3", 1)
    session("request", "slow 0.2 x")
    with raises("SessionTimeout"):
        session("wait", 1)
    with raises("SessionTimeout"):
        session("calculate", "y", 20, "double", "x")
    assert_serves(session)
    assert not list(session.path.glob("*.tsr"))
    session("calculate", "y", PATIENCE_MS, "double", "x")
    assert session("show", "y") == "FP32 (3,) 6 2 2"


def test_prints_without_end(client: CppSession, tmp_path: Path) -> None:
    """Output without end neither stops a worker nor piles up, and its last is told."""
    head = """
        def print_on():
            while not printed.is_set(): sys.stdout.write('x' * 9999)
            print('the end', flush=True)
        printed = threading.Event()
        printer = threading.Thread(target=print_on)
        printer.start()
        """
    write_worker(tmp_path, head)
    client("start")
    for _ in range(20):
        assert_serves(client)
    with raises("WorkerDied", "exited with status 1"):
        fetch(client, do("printed.set(); printer.join(); os._exit(1)"))
    output = client("died").split(" ", 2)[2]
    assert output.endswith("xthe end\n")
    assert len(output) == 1 << 14


@pytest.mark.parametrize("end", ["kill", "terminate", "please_exit 0 true", "restart 0", "delete"])
def test_leaves_a_grandchild(session: CppSession, end: str) -> None:
    """What a worker has started ends with it, however that ends."""
    code = "child = subprocess.Popen(['sleep', '3600']); self.write_response('', str(child.pid))"
    grandchild = int(fetch(session, do(code)))
    assert is_running(grandchild)
    if end == "kill":
        os.kill(worker_of(session), signal.SIGKILL)
        with raises("WorkerDied"):
            session("fetch", 0, "echo x")
    else:
        session(end)
    eventually(lambda: not is_running(grandchild))


def test_waited_for_by_another(session: CppSession) -> None:
    """A client that waits for all its children ends what the worker has left behind, once."""
    session("wait_for_children")
    code = "child = subprocess.Popen(['sleep', '3600']); self.write_response('', str(child.pid))"
    grandchild = int(fetch(session, do(code)))
    session("request", do("os._exit(1)"))
    eventually(lambda: session("is_alive") == "false")
    eventually(lambda: not is_running(grandchild))
    assert session("killpgs") == "1"
    with raises("WorkerDied", "the worker is gone$"):
        session("wait", PATIENCE_MS)
    session("terminate")
    assert session("killpgs") == "1"
    session("start")
    assert_serves(session)


def test_leaves_a_daemon(session: CppSession) -> None:
    """A process that has left the worker's group lives on, and holds nobody up."""
    child = "child = subprocess.Popen(['sleep', '3600'], start_new_session=True)"
    daemon = int(fetch(session, do(f"{child}; self.write_response('', str(child.pid))")))
    try:
        assert_restarts(session)
        assert is_running(daemon)
    finally:
        os.kill(daemon, signal.SIGKILL)


# ---------------------------------------------------------------- the client


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_client_killed(session: CppSession, how: signal.Signals, workspace: Path) -> None:
    """When the client is killed, in a wait too, the worker, its child and the directory go."""
    fetch(session, do("subprocess.Popen(['sleep', '3600'])"))
    session.tell("fetch", 0, do(FOR_EVER))
    until_busy(session)
    os.kill(session.process.pid, how)
    session.process.wait()
    eventually(lambda: not processes_of(workspace))
    eventually(lambda: not session.path.exists())
    session.process.returncode = 0  # as was to be


def test_client_ends(session: CppSession, workspace: Path) -> None:
    """At its end in a request without end, nothing is left after two seconds."""
    session("request", do(FOR_EVER))
    assert session.close() == 0
    assert not processes_of(workspace)
    assert not session.path.exists()


def test_terminated_by_another_thread(session: CppSession) -> None:
    """`terminate` in another thread ends a wait."""
    session("after", 100, "terminate")
    with raises("WorkerDied", "was killed by signal 9"):
        fetch(session, do(FOR_EVER))
    assert session("join", PATIENCE_MS) == "true"
    assert_restarts(session)


def test_nothing_is_left(session: CppSession) -> None:
    """Starts and ends of all kinds leave neither descriptors nor threads."""
    assert_restarts(session)
    before = session("count")
    for end in ("terminate", "please_exit 0 true", "kill", "restart 0"):
        if end == "kill":
            os.kill(worker_of(session), signal.SIGKILL)
        else:
            session(end)
        assert_restarts(session)
    assert session("count") == before
    session("delete")
    descriptors, threads = map(int, session("count").split())
    descriptors_before, threads_before = map(int, before.split())
    assert descriptors < descriptors_before
    assert threads == threads_before - 1  # which has read what the worker printed


def test_forked(session: CppSession, workspace: Path) -> None:
    """A forked child of the client neither ends the worker nor has a part in the session."""
    session("tensor", "x", "float32", str(MEBI), 1)
    session("calculate", "y", PATIENCE_MS, "double", "x")
    assert session("fork") == "0"  # whose objects are destroyed there, too
    assert_serves(session)
    session("calculate", "z", PATIENCE_MS, "double", "y")
    assert session("show", "y").endswith(" 2 2")
    assert session("show", "z").endswith(" 4 4")
    child = int(session("fork_and_leave"))
    try:
        session("terminate")
        with PythonSession("default", "s", workspace=workspace) as other:
            assert other.fetch_response("echo free", PATIENCE_MS) == "free"
        assert is_running(child)
    finally:
        os.kill(child, signal.SIGKILL)


def test_forked_unseen(session: CppSession) -> None:
    """A child that another thread forks during `start` has both pipes, and is no hindrance."""
    # Here it has one of them; the other one a process that has left the worker's group.
    code = "child = subprocess.Popen(['sleep', '3600'], start_new_session=True)"
    daemon = int(fetch(session, do(f"{code}; self.write_response('', str(child.pid))")))
    child = int(session("fork_unseen"))
    try:
        session("terminate")
        assert_restarts(session)
    finally:
        os.kill(child, signal.SIGKILL)
        os.kill(daemon, signal.SIGKILL)


def test_two_on_one_id(session: CppSession, driver: Path, workspace: Path, tmp_path: Path) -> None:
    """A second client of either language is refused, and the first one serves on."""
    with (
        a_client(driver, workspace, tmp_path / "worker.py") as second,
        raises("SessionBusy", "another client has this session"),
    ):
        second("start")
    other = PythonSession(tmp_path / "worker.py", "s", workspace=workspace)
    with pytest.raises(SessionBusy):
        other.start()
    assert_serves(session)
    session("delete")
    with other:
        with a_client(driver, workspace, tmp_path / "worker.py") as second, raises("SessionBusy"):
            second("start")
        assert other.fetch_response("echo x", PATIENCE_MS) == "x"


def test_survey(session: CppSession, workspace: Path) -> None:
    """`tsr session ls` lists the session as live, with its client's process."""
    (found,) = survey(str(workspace))
    assert (found.session_id, found.state, found.pid) == ("s", LIVE, session.process.pid)
    assert found.status == "ready"


def test_stale(client: CppSession) -> None:
    """What a dead session left is cleaned up, whatever it is."""
    client.path.mkdir(parents=True, mode=0o755)
    (client.path / "response.json").mkdir()
    (client.path / "response.json" / "x").touch()
    (client.path / "status.txt").symlink_to("/dev/null")
    (client.path / "x.tsr").write_bytes(b"stale")
    client("start")
    client("wait_until_ready", PATIENCE_MS)
    assert not (client.path / "x.tsr").exists()
    assert client.path.stat().st_mode & 0o777 == 0o700
    assert_serves(client)


# ---------------------------------------------------------------- the directory


@pytest.mark.usefixtures("both_ways")
def test_directory_removed(session: CppSession) -> None:
    """The removal of the directory ends the worker, which is an error; a restart serves."""
    shutil.rmtree(session.path)
    with raises("(WorkerDied|SessionError)"):
        fetch(session, "echo x")
    assert_restarts(session)


def test_directory_full(driver: Path, tmp_path: Path) -> None:
    """A full directory is an error that says so, at either end; with room again all goes on."""
    mount = tmp_path / "full"
    mount.mkdir()
    enter = (*NAMESPACE, "--mount", "sh", "-c")
    command = f"mount -t tmpfs -o size=6m tmpfs '{mount}' && "
    if not can_run(*enter, f"{command} true"):
        pytest.skip("needs a mount namespace of its own")
    script = write_worker(tmp_path, f"filler = {str(mount / 'filler')!r}")
    fill = do("""
        try:
            with open(filler, 'ab', buffering=0) as file:
                while True: file.write(bytes(4096))
        except OSError: os.truncate(filler, os.path.getsize(filler) - (1 << 16))
        """)
    prefix = (*enter, f'{command} exec "$@"', "sh")
    with a_client(driver, mount, script, prefix=prefix) as session:
        session("start")
        session("tensor", "x", "float32", str(1 << 18), 1)
        fetch(session, fill)
        with raises("SystemError", "No space left on device"):
            session("send", "x", "input")
        with raises("SystemError", "No space left on device"):
            fetch(session, "echo " + "x" * (1 << 17))
        folder = "os.listdir(self._service.mailbox.path)"
        listed = fetch(session, do(f"self.write_response('', ' '.join({folder}))"))
        assert sorted(listed.split()) == [".lock", "status.txt"]
        fetch(session, do("os.remove(filler)"))
        session("calculate", "y", PATIENCE_MS, "double", "x")
        assert session("show", "y").endswith(" 2 2")


@pytest.mark.parametrize(
    ("code", "kind", "match"),
    [
        pytest.param("os.mkdir(path)", "MessageError", "no regular file", id="directory"),
        pytest.param("os.mkfifo(path)", "MessageError", "no regular file", id="fifo"),
        pytest.param(
            "os.symlink('/etc/passwd', path)", "MessageError", "no regular file", id="symlink"
        ),
        pytest.param("plant(b'nonsense')", "MessageError", "no JSON: 'nonsense'", id="no-json"),
        pytest.param(r"plant(b'\xff')", "MessageError", "no UTF-8", id="no-utf-8"),
        pytest.param("plant(b'{}')", "MessageError", "without a result", id="fields"),
        pytest.param("plant(bytes(1 << 25))", "MessageError", "more than 16777216", id="huge"),
    ],
)
def test_planted_response(session: CppSession, code: str, kind: str, match: str) -> None:
    """What is no message in a response's place is an error, is removed, and shifts nothing."""
    request = do(f"""
        path = self._service.mailbox.path + '/response.json'
        def plant(data):
            open(path + '.tmp', 'wb').write(data)
            os.rename(path + '.tmp', path)
        {code}
        os.open(path + '.tmp', os.O_CREAT)
        os.rename(path + '.tmp', path + '.event')
        {FOR_EVER}
        """)
    with raises(kind, match):
        fetch(session, request)
    assert not (session.path / "response.json").exists()
    assert_restarts(session)


@pytest.mark.parametrize("response", [{"id": "of-another"}, {"id": "", "command": ""}])
def test_response_to_another_request(session: CppSession, response: dict[str, str]) -> None:
    """A response with another id, or to what was no request, is dropped."""
    session("request", "slow 0.2 mine")
    text = json.dumps({"command": "slow", "result": "another's", **response})
    plant(session.path / "response.json", text.encode())
    assert session("wait", PATIENCE_MS) == "mine"


@pytest.mark.parametrize(
    ("code", "kind", "match"),
    [
        pytest.param("open(path, 'wb').write(b'TSR!')", "FormatError", r"V1-\w+", id="truncated"),
        pytest.param("open(path, 'wb').write(bytes(99))", "FormatError", "magic", id="no-tensor"),
        pytest.param(
            "open(path, 'wb').write(bytes(1 << 21))", "FormatError", "magic", id="large-no-tensor"
        ),
        pytest.param("os.remove(path)", "WorkerError", "not there: result_0", id="missing"),
        pytest.param(
            "os.remove(path); os.mkdir(path)", "MessageError", "no regular file", id="directory"
        ),
    ],
)
def test_broken_tensor(session: CppSession, code: str, kind: str, match: str) -> None:
    """A tensor that is none is an error with its reason, and the session serves on."""
    request = do(f"""
        import numpy as np
        self.send_arrays(np.ones(3, np.float32))
        path = self._service.mailbox.path + '/result_0.tsr'
        {code}
        """)
    with raises(kind, match):
        session("fetch_tensor", "y", PATIENCE_MS, request)
    assert_serves(session)


# ---------------------------------------------------------------- pages


def pool_of(session: CppSession) -> dict[str, set[int]]:
    """Find the files that are used again, by the process that writes them."""
    files: dict[str, set[int]] = {}
    for file in session.path.glob(".*.pool"):
        writer = "client" if file.name.startswith(f".{session.process.pid}-") else "worker"
        files.setdefault(writer, set()).add(file.stat().st_ino)
    return files


def test_pages_are_used_again(session: CppSession) -> None:
    """Large tensors of both directions go through the same file again and again."""
    session("tensor", "x", "float32", f"4,{MEBI}", 1)
    pools = []
    for value in range(4):
        session("set", "x", value)
        session("calculate", "y", PATIENCE_MS, "double", "x")
        assert session("show", "y") == (
            f"FP32 (4, {MEBI}) {8 * MEBI * value} {2 * value} {2 * value}"
        )
        session("drop", "y")
        pools.append(pool_of(session))
    assert pools[1:] == pools[:-1]
    assert {writer: len(files) for writer, files in pools[0].items()} == {"client": 1, "worker": 1}


def test_pages_of_a_kept_tensor(session: CppSession) -> None:
    """A tensor that is kept stays as it is, whatever comes next, and outlives its session."""
    session("tensor", "x", "float32", str(MEBI), 1)
    for value in (1, 2, 3):
        session("set", "x", value)
        session("calculate", f"y{value}", PATIENCE_MS, "double", "x")
    assert len(pool_of(session)["worker"]) == 3
    session("set", "y2", 7)  # its own
    session("calculate", "y4", PATIENCE_MS, "double", "y2")
    session("terminate")
    for value, shown in ((1, 2), (2, 7), (3, 6), (4, 14)):
        assert session("show", f"y{value}").endswith(f" {shown} {shown}")
    session("delete")
    assert session("show", "y1").endswith(" 2 2")
    for value in (1, 2, 3, 4):
        session("drop", f"y{value}")
    maps = Path(f"/proc/{session.process.pid}/maps").read_text()
    assert ".pool" not in maps


def test_pages_that_the_worker_keeps(session: CppSession) -> None:
    """What the worker keeps of a client's tensors, the next ones do not change."""
    keep = do("globals().setdefault('kept', []).extend(self.get_arrays('input', 1))")
    session("tensor", "x", "int32", str(MEBI), 0)
    for value in range(3):
        session("set", "x", value)
        session("send", "x", "input")
        # `do` has globals of its own each time: those of the module are behind `sys`.
        fetch(session, keep.replace("globals()", "vars(sys)"))
    assert len(pool_of(session)["client"]) == 3
    sums = "self.write_response('', str([int(a.sum()) for a in sys.kept]))"
    assert fetch(session, do(sums)) == str([0, MEBI, 2 * MEBI])


def test_pages_in_place(session: CppSession) -> None:
    """A worker that computes in place gives the client's own pages back, and they are used on."""
    session("tensor", "x", "float32", str(MEBI), 3)
    request = do(
        "import numpy as np\n"
        "(a,) = self.get_arrays('input', 1)\n"
        "self.give_tensors(np.negative(a, out=a))"
    )
    for _ in range(3):
        session("send", "x", "input")
        session("fetch_tensor", "y", PATIENCE_MS, request)
        assert session("show", "y").endswith(" -3 -3")
        assert session("show", "x").endswith(" 3 3")
    assert set(pool_of(session)) == {"client"}


# ---------------------------------------------------------------- the original's worker


@pytest.fixture
def original(driver: Path, tmp_path: Path) -> Iterator[CppSession]:
    """Drive the original's worker, which has its workspace beside its own module."""
    script = tmp_path / "module" / "python_server.py"
    script.parent.mkdir()
    shutil.copy(originals.__file__, script)
    workspace = script.parent / "workspace"
    with a_client(driver, workspace, script) as client:
        client("start")
        assert client("wait_until_ready", PATIENCE_MS) == "true"
        yield client
    assert not client.path.exists()


@pytest.mark.usefixtures("both_ways")
def test_original_text(original: CppSession) -> None:
    """Text goes to the original's worker and back, whatever is in it."""
    assert fetch(original, "hello world") == "Hello World"
    for text in ('say "hi"', "two\nlines", "C:\\new", "größe", "a, b", "x" * 100_000):
        assert fetch(original, f"echo {text}") == text
    assert fetch(original, "echo") == ""
    assert original("is_ready") == "true"


@pytest.mark.usefixtures("both_ways")
def test_original_tensors(original: CppSession) -> None:
    """Tensors go there and back; nothing of them is left."""
    for value in (1, 2):
        original("tensor", "a", "float32", "4,3", value)
        original("tensor", "b", "float32", "3,5", 2)
        original("send", "a", "input_a")
        original("send", "b", "input_b")
        original("fetch_tensor", "y", PATIENCE_MS, "matmul input_a input_b")
        assert original("show", "y") == f"FP32 (4, 5) {120 * value} {6 * value} {6 * value}"
    original("tensor", "large", "int32", f"{MEBI},1", 5)
    original("tensor", "one", "int32", "1,1", 1)
    original("calculate", "y", PATIENCE_MS, "matmul", "large", "one")
    assert original("show", "y").endswith(" 5 5")
    assert not list(original.path.glob("*.tsr"))
    original("send", "one", "a")
    assert fetch(original, "echo a b") == "a b"


def test_original_late_answers(original: CppSession) -> None:
    """Neither late answers nor a second answer to one request shift a later one."""
    for _ in range(2):
        with raises("SessionTimeout"):
            original("fetch", 50, "slow 0.2 late")
    assert_serves(original)
    assert fetch(original, "matmul a") == "invalid"
    assert_serves(original)
    original("request", "slow 0.2 waited for")
    with raises("SessionTimeout"):
        original("wait", 20)
    assert original("wait", PATIENCE_MS) == "waited for"


def test_original_ends(original: CppSession) -> None:
    """What ends it is an error at once, with the traceback where there is one."""
    with raises("WorkerDied", "exited with status 0"):
        fetch(original, "nonsense")
    original("restart", PATIENCE_MS)
    with raises("WorkerDied", "FileNotFoundError"):
        fetch(original, "matmul x,y")
    original("restart", PATIENCE_MS)
    assert_serves(original)


@pytest.mark.parametrize("is_working", [False, True])
def test_original_is_asked_to_exit(original: CppSession, is_working: bool) -> None:
    """`please_exit` asks it in its own words, and it ends of its own accord."""
    if is_working:
        original("request", "slow 0.3 unheard")
        time.sleep(0.1)
    original.tell("please_exit", PATIENCE_MS, "false")
    assert original.hear() == "true"
    assert original("is_alive") == "false"
