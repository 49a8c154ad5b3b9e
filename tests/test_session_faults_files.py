"""What a session survives in its directory: whatever is in it, every fault with its outcome.

Where both ends are to survive it, one session goes through it all.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from session import MessageError, PythonSession, SessionError, WorkerDied, WorkerError
from session.mailbox import MESSAGE_MAX
from tests.session_workers import (
    NAMESPACE,
    Start,
    a_workspace,
    assert_computes,
    assert_restarts,
    can_run,
    do,
    eventually,
    lines_of,
    no_hang,
    plant,
    start_client,
    starter,
    until,
    write_worker,
)
from tsr import FormatError, UnsupportedError, dumps

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="looks for what is left in /proc"
)


@pytest.fixture(autouse=True)
def _interrupted() -> Iterator[None]:
    with no_hang():
        yield


@pytest.fixture
def start(tmp_path: Path, workspace: Path) -> Iterator[Start]:
    """Start sessions, and end them."""
    with starter(tmp_path, workspace) as start_one:
        yield start_one


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PythonSession]:
    """Start a session, and check in the end that nothing is left of it."""
    with (
        a_workspace() as folder,
        starter(tmp_path_factory.mktemp("worker"), folder) as start_one,
    ):
        yield start_one()


@pytest.fixture
def session(lasting: PythonSession) -> Iterator[PythonSession]:
    """Give a session that serves, and check that it serves on with the same worker."""
    if not lasting.is_alive():  # a test has failed
        lasting.restart()
    before = lasting.fetch_response(do("self.write_response('', str(os.getpid()))"))
    yield lasting
    assert_computes(lasting)
    assert lasting.fetch_response(do("self.write_response('', str(os.getpid()))")) == before
    eventually(lambda: sorted(os.listdir(lasting.session_dir)) == [".lock", "status.txt"])


# ---------------------------------------------------------------- the directory


@pytest.mark.parametrize("polling", ["", "1"])
def test_directory_removed(start: Start, monkeypatch: pytest.MonkeyPatch, polling: str) -> None:
    """Without its directory a worker ends, and the client is told by an error of the session."""
    monkeypatch.setenv("TR_POLLING", polling)
    session = start()
    shutil.rmtree(session.session_dir)
    with pytest.raises(SessionError):
        session.fetch_response("echo x")
    with pytest.raises(SessionError):
        session.send_tensor(np.ones(3, np.float32), "a")
    eventually(lambda: not session.is_alive())
    with pytest.raises(WorkerDied, match=r"status 0$"):
        session.fetch_response("echo x")
    assert_restarts(session)


def test_directory_removed_in_a_request(start: Start) -> None:
    """A directory that is removed in a request is the worker's end, which says so."""
    session = start()
    with pytest.raises(WorkerDied, match="No such file or directory"):
        session.fetch_response(do("import shutil; shutil.rmtree(self._service.mailbox.path)"))
    assert_restarts(session)


READ_ONLY = """
session.start(); session.wait_until_ready()
os.chmod(session.session_dir, 0o500)
try: session.fetch_response('echo x')
except (SessionError, PermissionError) as error: say(type(error).__name__)
session.restart()
say(session.fetch_response('echo again'))
session.send_request('slow 0.2')
os.chmod(session.session_dir, 0o500)
try: session.wait_for_response()
except WorkerDied as error: say('PermissionError' in str(error))
session.restart()
say(session.fetch_response('echo again'))
os.chmod(session.session_dir, 0o500)
session.terminate()
say(os.path.exists(session.session_dir))
"""


def test_directory_read_only(tmp_path: Path, workspace: Path) -> None:
    """A directory that is made read-only is an error, and no obstacle to a new start."""
    prefix: tuple[str, ...] = ()
    if os.getuid() == 0:  # whom a mode stops only without this capability
        prefix = ("setpriv", "--bounding-set=-dac_override", "--")
        if not can_run(*prefix, "true"):
            pytest.skip("needs setpriv, as root may write everywhere")
    client = start_client(READ_ONLY, write_worker(tmp_path), workspace, prefix=prefix)
    assert lines_of(client) == ["PermissionError", "again", "True", "again", "False"]


FULL = """
import errno
import numpy as np
def fill():
    with open(filler, 'ab', buffering=0) as file:
        try:
            while True: file.write(bytes(4096))
        except OSError: pass
filler = sys.argv[2] + '/filler'
large = np.ones(1 << 18, np.float32)
session.start(); session.wait_until_ready()

# The client finds it full.
fill()
for send in (lambda: session.send_tensor(large, 'a'), lambda: session.fetch_response('echo x')):
    try: send()
    except OSError as error: say(error.errno == errno.ENOSPC)
say(os.listdir(session.session_dir).count('a.tsr'))
os.remove(filler)
say((session.calculate('double', large) == 2).all())

# The worker does.
session.send_request('slow 0.5')
time.sleep(0.1)
fill()
try: session.wait_for_response()
except WorkerDied as error: say('No space left on device' in str(error))
session.terminate()
fill()
try: session.restart()
except WorkerDied as error: say('No space left on device' in str(error))
os.remove(filler)
session.restart()
say((session.calculate('double', large) == 2).all())
session.terminate()
say(os.listdir(sys.argv[2] + '/python_session'))
"""


def test_directory_full(tmp_path: Path) -> None:
    """A full directory is an error that says so, at either end; with room again all goes on."""
    mount = tmp_path / "full"
    mount.mkdir()
    enter = (*NAMESPACE, "--mount", "sh", "-c")
    command = f"mount -t tmpfs -o size=6m tmpfs '{mount}' && "
    if not can_run(*enter, f"{command} true"):
        pytest.skip("needs a mount namespace of its own")
    client = start_client(
        FULL, write_worker(tmp_path), mount, prefix=(*enter, f'{command} exec "$@"', "sh")
    )
    assert lines_of(client) == ["True", "True", "0", *["True"] * 4, "[]"]


def test_stale_files(start: Start, workspace: Path) -> None:
    """Nothing that a dead session has left is taken for this one's, or left by it."""
    folder = workspace / "python_session/tr_session_s0"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "request.json").write_text('{"command": "exit", "parameters": ""}')
    (folder / "response.json").write_text('{"command": "echo", "result": "stale", "message": ""}')
    (folder / "status.txt").write_text("ready\n")
    (folder / "a.tsr").write_bytes(dumps(np.ones(3, np.float32)))
    (folder / ".99-1.tmp").write_text("half a mess")
    (folder / ".99-2.pool").write_bytes(bytes(1 << 20))
    (folder / "sub/folder").mkdir(parents=True)
    (folder / "sub/link").symlink_to(workspace)
    os.mkfifo(folder / "progress.json")
    session = start()
    assert_computes(session)
    assert session.fetch_response("double a") == "invalid"
    eventually(lambda: sorted(os.listdir(folder)) == [".lock", "status.txt"])
    assert workspace.exists()


# ---------------------------------------------------------------- no regular files


def make_symlink(path: Path) -> None:
    """Put a symbolic link to a file that looks right."""
    aim = path.parents[2] / "aim"
    aim.write_text('{"command": "echo", "parameters": "x", "result": "stolen", "message": ""}')
    path.symlink_to(aim)


def make_socket(path: Path) -> None:
    """Put a socket."""
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))


def make_directory(path: Path) -> None:
    """Put a directory that is not empty."""
    (path / "inner").mkdir(parents=True)


odd_files = pytest.mark.parametrize(
    "make",
    [
        pytest.param(make_symlink, id="symlink"),
        pytest.param(os.mkfifo, id="fifo"),
        pytest.param(make_directory, id="directory"),
        pytest.param(make_socket, id="socket"),
    ],
)


@odd_files
def test_odd_request(session: PythonSession, make: Callable[[Path], None]) -> None:
    """What is no regular file in the place of a request is removed, and read by nobody."""
    path = Path(session.session_dir, "request.json")
    make(path)
    assert b"no regular file" in answer_in(session)
    assert not os.path.lexists(path)


@odd_files
def test_odd_request_in_the_way(session: PythonSession, make: Callable[[Path], None]) -> None:
    """What stands in the way of a request is replaced by it."""
    make(Path(session.session_dir, "request.json"))
    assert_computes(session)


@odd_files
def test_odd_response(session: PythonSession, make: Callable[[Path], None]) -> None:
    """What is no regular file in the place of a response is an error, once."""
    make(Path(session.session_dir, "response.json"))
    with pytest.raises(MessageError, match=r"response.json: no regular file"):
        session.fetch_response("slow 0.1")


@odd_files
def test_odd_tensor(session: PythonSession, make: Callable[[Path], None]) -> None:
    """What is no regular file in the place of a tensor is none, and is gone then."""
    make(Path(session.session_dir, "a.tsr"))
    assert session.fetch_response("double a") == "invalid"


@odd_files
def test_odd_tensor_in_the_way(session: PythonSession, make: Callable[[Path], None]) -> None:
    """What stands in the way of a tensor is replaced by it."""
    make(Path(session.session_dir, "a.tsr"))
    session.send_tensor(np.ones(3, np.float32), "a")
    np.testing.assert_array_equal(session.fetch_tensor("double a"), [2, 2, 2])


@odd_files
def test_odd_result(session: PythonSession, make: Callable[[Path], None]) -> None:
    """What is no regular file in the place of a result is an error, and is gone then."""
    make(Path(session.session_dir, "result_0.tsr"))
    with pytest.raises(MessageError, match=r"result_0.tsr: no regular file"):
        session.fetch_tensor(do("self._service._sent.append('result_0')"))


@odd_files
def test_odd_status(session: PythonSession, make: Callable[[Path], None]) -> None:
    """What stands in the way of the worker's status is replaced by it."""
    path = Path(session.session_dir, "status.txt")
    path.unlink()
    make(path)
    assert_computes(session)
    assert session.wait_until_ok()


@pytest.mark.parametrize("make", ["os.symlink('/', path)", "os.mkfifo(path)", "os.mkdir(path)"])
@pytest.mark.parametrize("name", ["response.json", "status.txt", "result_0.tsr"])
def test_odd_file_in_the_way(session: PythonSession, make: str, name: str) -> None:
    """What stands in the way of what a worker writes is replaced by it."""
    session.send_request(
        do(f"""
        import numpy as np
        path = os.path.join(self._service.mailbox.path, {name!r})
        if os.path.lexists(path): os.unlink(path)
        {make}
        self.send_arrays(np.ones(3, np.float32))
        """)
    )
    eventually(Path(session.session_dir, "response.json").is_file)
    until(session, "ok")
    np.testing.assert_array_equal(session.wait_for_tensor(), [1, 1, 1])


# ---------------------------------------------------------------- messages

BROKEN = [
    pytest.param(b"", id="empty"),
    pytest.param(b"\x00", id="zero"),
    pytest.param(b"echo", id="no-json"),
    pytest.param(b'{"command": "echo", "parameters": "x"', id="cut"),
    pytest.param(b'{"command": "echo"} {}', id="more"),
    pytest.param(b'{"command": "\xff", "parameters": "", "result": "\xff"}', id="no-utf-8"),
    pytest.param('{"command": "echo"}'.encode("utf-16"), id="utf-16"),
    pytest.param(b"[" * 200_000, id="deep"),
    pytest.param(b"9" * 200_000, id="long-number"),
    pytest.param(b'{"cmd":"' * 2_000, id="pasted-without-end"),
    pytest.param(b" " * (MESSAGE_MAX + 1), id="huge"),
    pytest.param(b"[]", id="list"),
    pytest.param(b"null", id="null"),
    pytest.param(b'"echo"', id="text"),
    pytest.param(b"{}", id="no-fields"),
    pytest.param(b'{"timestamp": 1}', id="other-fields"),
    pytest.param(b'{"command": null, "result": null}', id="null-fields"),
    pytest.param(b'{"command": 1, "result": 1}', id="numbers"),
    pytest.param(b'{"cmd": ["echo"], "params": ["x"]}', id="lists"),
    pytest.param(b'{"command": "echo", "result": "x", "parameters": "x", "id": 1}', id="id"),
]


def answer_in(session: PythonSession) -> bytes:
    """Take the answer to a request that is not the client's."""
    path = Path(session.session_dir, "response.json")
    eventually(path.exists)
    data = path.read_bytes()
    path.unlink()
    return data


@pytest.mark.parametrize("data", BROKEN)
def test_broken_request(session: PythonSession, data: bytes) -> None:
    """A request that is none is answered with an error that says why."""
    plant(Path(session.session_dir, "request.json"), data)
    assert b'"result": "error"' in answer_in(session)


def test_broken_request_before_one(session: PythonSession) -> None:
    """A request that is none does not take the next one with it."""
    for number in range(100):
        plant(Path(session.session_dir, "request.json"), b"nonsense")
        assert session.fetch_response(f"echo {number}") == str(number)


@pytest.mark.parametrize("data", BROKEN)
def test_broken_response(session: PythonSession, data: bytes) -> None:
    """A response that is none is an error that says why, once."""
    plant(Path(session.session_dir, "response.json"), data)
    with pytest.raises(MessageError):
        session.fetch_response("slow 0.1")


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        pytest.param(
            b'{"command": "echo", "parameters": "ours", "cmd": "raise", "params": "x", "id": "7"}',
            b'"result": "ours"',
            id="both",
        ),
        pytest.param(b'{"command": "echo", "params": "x"}', b'"result": ""', id="ours"),
        pytest.param(b'{"cmd": "echo", "parameters": "x"}', b'"params":"ok"', id="theirs"),
        pytest.param(b'{"cmd":"echo","params":"a "b" c"}', b'"params":"a \'b\' c"', id="pasted"),
    ],
)
def test_mixed_dialects(session: PythonSession, data: bytes, answer: bytes) -> None:
    """A request with fields of both dialects is read in one of them, by its command."""
    plant(Path(session.session_dir, "request.json"), data)
    assert answer in answer_in(session)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"command": "echo", "result": "stale", "id": "nobody-1"}', id="unknown"),
        pytest.param(
            b'{"command": "echo", "result": "stale", "id": "nobody-1", "cmd": "x", "params": "x"}',
            id="mixed",
        ),
        pytest.param(
            b'{"command": "raise", "result": "error", "message": "x", "id": "nobody-1"}', id="error"
        ),
        pytest.param(
            b'{"command": "", "result": "error", "message": "no JSON", "id": ""}', id="no-request"
        ),
    ],
)
def test_unknown_id(session: PythonSession, data: bytes) -> None:
    """A response to nobody's request is dropped."""
    plant(Path(session.session_dir, "response.json"), data)
    assert session.fetch_response("slow 0.1 right") == "right"
    plant(Path(session.session_dir, "response.json"), data)


def test_request_too_long(session: PythonSession) -> None:
    """A message that is longer than a worker reads is refused."""
    with pytest.raises(SessionError, match=f"expected {MESSAGE_MAX} at most"):
        session.fetch_response("echo " + "x" * MESSAGE_MAX)


def test_response_too_long(session: PythonSession) -> None:
    """A response that is longer than a client reads is an error."""
    with pytest.raises(SessionError, match=f"{MESSAGE_MAX} bytes"):
        session.fetch_response(do("self.write_response('', 'x' * (1 << 24))"))


# ---------------------------------------------------------------- tensors

GOOD = dumps(np.ones((3, 4), np.float32))
BAD_TENSORS = [
    pytest.param(b"", id="empty"),
    pytest.param(GOOD[:40], id="half-a-header"),
    pytest.param(GOOD[:64], id="no-payload"),
    pytest.param(GOOD[:-1], id="truncated"),
    pytest.param(GOOD + b"\0", id="trailing"),
    pytest.param(b"no tensor" * 20, id="no-tsr"),
    pytest.param(GOOD[:16] + b"\6" + GOOD[17:], id="wrong-dtype"),
    pytest.param(GOOD[:20] + b"\5" + GOOD[21:], id="five-dimensions"),
]


@pytest.mark.parametrize("data", BAD_TENSORS)
def test_bad_tensor(session: PythonSession, data: bytes) -> None:
    """A worker gets None for a tensor that is none."""
    plant(Path(session.session_dir, "a.tsr"), data)
    assert session.fetch_response("double a") == "invalid"


@pytest.mark.parametrize(
    "names", ["", "missing", "a b", "../a", "/etc/passwd", ".lock", "a/../a", "\ud800", "x" * 300]
)
def test_missing_tensor(session: PythonSession, names: str) -> None:
    """A worker gets None for a tensor that is not there, for too many, and for what is no name."""
    session.send_tensor(np.ones(3, np.float32), "a")
    assert session.fetch_response(f"double {names}") == "invalid"
    assert session.fetch_tensor("double a").tolist() == [2, 2, 2]


@pytest.mark.parametrize("data", BAD_TENSORS)
def test_bad_result(session: PythonSession, data: bytes) -> None:
    """A result that is no tensor is an error that says why."""
    request = do(f"""
        with open(self._service.mailbox.path + "/result_0.tsr", "wb") as file: file.write({data!r})
        self._service._sent.append("result_0")
        """)
    with pytest.raises(FormatError):
        session.fetch_tensor(request)


@pytest.mark.parametrize("name", ["result_0", "../x", "/etc/passwd", ".lock", ""])
def test_missing_result(session: PythonSession, name: str) -> None:
    """A result that is named and not there is an error of the session."""
    with pytest.raises(SessionError):
        session.fetch_tensor(do(f"self._service._sent.append({name!r})"))


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.ones(3), id="float64"),
        pytest.param(np.ones(3, np.complex64), id="complex"),
        pytest.param(np.ones((1, 1, 1, 1, 1), np.float32), id="five-dimensions"),
        pytest.param(np.array(["text"]), id="text"),
        pytest.param(np.array([object()]), id="objects"),
    ],
)
def test_unsupported_tensor(session: PythonSession, array: Any) -> None:
    """A tensor without an encoding is refused before anything is sent."""
    with pytest.raises(UnsupportedError):
        session.send_tensor(array, "a")
    with pytest.raises(UnsupportedError):
        session.calculate("double", array)
    assert not Path(session.session_dir, "a.tsr").exists()


@pytest.mark.parametrize("array", ["np.ones(3)", "np.ones((1, 1, 1, 1, 1), np.float32)"])
def test_unsupported_result(session: PythonSession, array: str) -> None:
    """A result without an encoding is the request's error."""
    with pytest.raises(WorkerError, match="UnsupportedError"):
        session.fetch_tensor(do(f"import numpy as np; self.send_arrays({array})"))
