"""The directory of a session: whole files, taken once, nobody else's, on pages used again."""

from __future__ import annotations

import errno
import gc
import os
import re
import shutil
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from session.errors import MessageError, SessionBusy, SessionError
from session.mailbox import (
    MESSAGE_MAX,
    Mailbox,
    check_name,
    default_workspace,
    open_locked,
    session_path,
    tensor_file,
)
from tests.peers import can_unshare, descriptors, hear, peer, run, tell
from tests.strategies import arrays
from tsr.errors import FormatError, UnsupportedError

POOLED = 1 << 16  # bytes from which on a tensor's pages are used again
LARGE = 1 << 20  # bytes from which on a tensor is mapped, whoever wrote it

needs_namespaces = pytest.mark.skipif(
    not can_unshare(), reason="the system lets nobody have mounts of their own"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a session directory."""
    return Path(session_path(str(tmp_path), "x"))


@pytest.fixture
def mailbox(path: Path) -> Iterator[Mailbox]:
    """Open a session directory."""
    opened = Mailbox(str(path))
    yield opened
    gc.collect()
    opened.close()


def filled(value: int, nbytes: int = LARGE) -> Any:
    """Make an array of equal bytes."""
    return np.full(nbytes, value, np.int8)


def holds(array: Any, value: int) -> bool:
    """Tell whether all bytes of an array are this one."""
    return bool(array.min() == array.max() == value)


def same(a: Any, b: Any) -> bool:
    """Compare dtype, shape and bytes."""
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def inode(path: Path, tag: str) -> int:
    """Tell files apart."""
    return os.stat(path / tensor_file(tag)).st_ino


def visible(path: Path) -> set[str]:
    """List the files that are published."""
    return {name for name in os.listdir(path) if not name.startswith(".")}


# ------------------------------------------------------------------ messages


@pytest.mark.parametrize(
    "size", [0, 1, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, 1 << 20, MESSAGE_MAX]
)
def test_messages(mailbox: Mailbox, size: int) -> None:
    """A message of any size is read as it was put, and taken once."""
    data = os.urandom(size)
    mailbox.put("m", data)
    assert mailbox.has("m")
    assert mailbox.read("m") == data
    assert mailbox.take("m") == data
    assert mailbox.take("m") is None
    assert not mailbox.has("m")
    assert os.listdir(mailbox.path) == []


def test_replaced(mailbox: Mailbox) -> None:
    """A message replaces one that nobody took."""
    mailbox.put("m", b"long" * 1000)
    mailbox.put("m", b"short")
    assert mailbox.take("m") == b"short"
    assert os.listdir(mailbox.path) == []


def test_no_message(mailbox: Mailbox) -> None:
    """What is not there is None, and removing it is no error."""
    assert mailbox.read("m") is None
    assert mailbox.take("m") is None
    mailbox.remove("m")
    assert not mailbox.has("m")


@pytest.mark.parametrize("size", [MESSAGE_MAX + 1, 1 << 40])
def test_huge_messages(mailbox: Mailbox, path: Path, size: int) -> None:
    """What is too large for a message is refused, removed, and not read whole."""
    (path / "m").touch()
    os.truncate(path / "m", size)
    with pytest.raises(MessageError, match=f"m: more than {MESSAGE_MAX} bytes"):
        mailbox.take("m")
    assert not mailbox.has("m")


def test_message_that_shrinks(mailbox: Mailbox, path: Path) -> None:
    """A file written in place is read as far as it goes."""
    (path / "status.txt").write_bytes(b"exit")
    (path / "status.txt").write_bytes(b"")
    assert mailbox.read("status.txt") == b""


WRITER = """
import itertools, sys
from session.mailbox import Mailbox
mailbox = Mailbox(sys.argv[1])
print(flush=True)
for i in itertools.count():
    mailbox.put("m", bytes([i % 251]) * (1 + i * 7919 % 300_000))
"""


@pytest.mark.parametrize("how", ["read", "take"])
def test_whole_messages(mailbox: Mailbox, how: str) -> None:
    """However fast they follow each other, a reader sees whole messages only."""
    seen: set[tuple[int, int]] = set()
    with peer(WRITER, mailbox.path) as writer:
        hear(writer)
        while len(seen) < 200:
            data = getattr(mailbox, how)("m")
            if data is not None:
                assert data == data[:1] * len(data)
                assert len(data) % 300_000
                seen.add((data[0], len(data)))
            assert writer.poll() is None


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.01, 0.03])
def test_killed_writer(mailbox: Mailbox, delay: float) -> None:
    """A writer that is killed leaves whole messages, and what `clear` removes."""
    with peer(WRITER, mailbox.path) as writer:
        hear(writer)
        time.sleep(delay)
        writer.kill()
        writer.wait()
    data = mailbox.take("m")
    assert data is None or data == data[:1] * len(data)
    mailbox.clear()
    assert os.listdir(mailbox.path) == []


PAIRS = """
import sys
from session.mailbox import Mailbox
mailbox = Mailbox(sys.argv[1])
for line in sys.stdin:
    mailbox.put("m", b"1")
    mailbox.put("m", b"2")
"""


def test_none_lost(mailbox: Mailbox) -> None:
    """A message that comes while an earlier one is taken stays."""
    with peer(PAIRS, mailbox.path) as writer:
        for _ in range(2000):
            tell(writer)
            deadline = time.monotonic() + 20
            while mailbox.take("m") != b"2":
                assert time.monotonic() < deadline, "lost"


# ------------------------------------------------------------------ what is no message


def link_outside(path: Path) -> None:
    """Link to a file of somebody else's."""
    secret = path.parents[2] / "secret"
    secret.write_bytes(b"{}")
    path.symlink_to(secret)


def link_to_nothing(path: Path) -> None:
    """Link to nothing."""
    path.symlink_to("nothing")


def link_to_itself(path: Path) -> None:
    """Link in a circle."""
    path.symlink_to(path)


def link_to_folder(path: Path) -> None:
    """Link to a directory of the system."""
    path.symlink_to("/usr")


def fifo(path: Path) -> None:
    """Make a pipe, whose reader would wait."""
    os.mkfifo(path)


def folder(path: Path) -> None:
    """Make a directory that is not empty."""
    (path / "in" / "it").mkdir(parents=True)
    (path / "in" / "file").touch()
    (path / "link").symlink_to("/usr")


def listener(path: Path) -> None:
    """Make a socket."""
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(path.parent)  # a socket's name must be short
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


KINDS = [link_outside, link_to_nothing, link_to_itself, link_to_folder, fifo, folder, listener]
Make = Callable[[Path], None]


@pytest.mark.parametrize("make", KINDS)
def test_no_regular_file(mailbox: Mailbox, path: Path, make: Make) -> None:
    """What is no regular file is no message and no tensor; it is removed, and nothing behind it."""
    before = descriptors()
    for read in (mailbox.read, mailbox.take):
        make(path / "m.tsr")
        with pytest.raises(MessageError, match=r"m\.tsr: no regular file"):
            read("m.tsr")
        assert os.listdir(path) == []
    make(path / "m.tsr")
    with pytest.raises(MessageError, match=r"m\.tsr: no regular file"):
        mailbox.take_tensor("m")
    assert os.listdir(path) == []
    assert Path("/usr").is_dir()
    if make is link_outside:
        assert (path.parents[1] / "secret").read_bytes() == b"{}"
    assert descriptors() == before


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("nbytes", [4, LARGE])
def test_replaces_no_regular_file(mailbox: Mailbox, path: Path, make: Make, nbytes: int) -> None:
    """What is no regular file gives way to what is written, and nothing behind it changes."""
    make(path / "m.tsr")
    mailbox.put("m.tsr", b"data")
    assert mailbox.take("m.tsr") == b"data"
    make(path / "m.tsr")
    mailbox.put_tensor("m", filled(1, nbytes))
    assert holds(mailbox.take_tensor("m"), 1)
    assert visible(path) == set()
    if make is link_outside:
        assert (path.parents[1] / "secret").read_bytes() == b"{}"


@pytest.mark.parametrize("make", KINDS)
def test_removes_anything(mailbox: Mailbox, path: Path, make: Make) -> None:
    """`remove`, `clear` and `destroy` remove whatever is there, and nothing behind a link."""
    make(path / "m")
    mailbox.remove("m")
    assert os.listdir(path) == []
    make(path / "m")
    make(path / ".hidden")
    mailbox.clear()
    assert os.listdir(path) == []
    make(path / "m")
    mailbox.destroy()
    assert not path.exists()
    assert Path("/usr").is_dir()


# ------------------------------------------------------------------ whose it is


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_private(path: Path, mask: int) -> None:
    """Whatever the umask, what is made is its user's alone."""
    before = os.umask(mask)
    try:
        mailbox = open_locked(str(path))
        mailbox.put("m", b"")
        mailbox.put_tensor("small", filled(1, 4))
        mailbox.put_tensor("large", filled(1))
    finally:
        os.umask(before)
    for made in (path, path.parent, path.parents[1] if mask == 0o077 else path):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.lstat().st_mode) for file in path.iterdir()} == {0o600}
    mailbox.destroy()


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o1777])
def test_loose(path: Path, mode: int) -> None:
    """A directory that was open to others is so no more."""
    path.mkdir(parents=True)
    path.chmod(mode)
    Mailbox(str(path)).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_other_users(path: Path) -> None:
    """A directory of somebody else's is refused, and left as it is."""
    others = path
    if os.getuid():
        others = Path("/usr/lib")
    else:
        others.mkdir(parents=True)
        others.chmod(0o755)
        os.chown(others, 65534, -1)
    before = descriptors()
    with pytest.raises(SessionError, match=f"{re.escape(str(others))}: belongs to another user"):
        Mailbox(str(others))
    assert descriptors() == before
    assert stat.S_IMODE(others.stat().st_mode) == 0o755


@pytest.mark.parametrize("make", [link_to_folder, link_to_nothing, fifo, listener, Path.touch])
def test_no_directory(path: Path, make: Make) -> None:
    """What is no directory is no session's, and a link to one neither."""
    path.parent.mkdir(parents=True)
    make(path)
    before = descriptors()
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on what is there
        Mailbox(str(path))
    assert descriptors() == before
    assert path.is_symlink() or path.exists()


def test_not_inherited(path: Path) -> None:
    """No descriptor passes to a program that is started."""
    mailbox = open_locked(str(path))
    mailbox.put_tensor("a", filled(1))
    array = mailbox.take_tensor("a")
    passed = [
        number
        for number in map(int, os.listdir("/proc/self/fd"))
        if _is_below(number, path) and os.get_inheritable(number)
    ]
    assert passed == []
    assert holds(array, 1)
    mailbox.destroy()


def _is_below(number: int, path: Path) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{number}").startswith(str(path))
    except OSError:
        return False


def test_close(path: Path) -> None:
    """Closing lets go of all, and may be done again."""
    before = descriptors()
    mailbox = open_locked(str(path))
    for tag in "abc":
        mailbox.put_tensor(tag, filled(1))
    mailbox.close()
    mailbox.close()
    assert descriptors() == before


# ------------------------------------------------------------------ names

GOOD_NAMES = ["a", "A", "0", "_", "input_a", "a.b", "a-b", "a..", "a" * 64]
BAD_NAMES = [
    "", ".", "..", ".a", "-a", "a/b", "/", "../a", "a b", "a\n", "\na", "a\x00", "ä", "٣", "a,b",
    "a" * 65, "a*", "a\\b", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_good_names(mailbox: Mailbox, name: str) -> None:
    """A session id or tag is of letters, digits, '_', '-' and '.'."""
    assert check_name("tag", name) == name
    mailbox.put_tensor(name, filled(1, 4))
    assert os.listdir(mailbox.path) == [f"{name}.tsr"]
    assert mailbox.has_tensor(name)
    assert holds(mailbox.take_tensor(name), 1)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names(mailbox: Mailbox, name: str) -> None:
    """Nothing else is one: what could be a path, above all."""
    with pytest.raises(SessionError, match=f"tag: got {re.escape(repr(name))}, expected"):
        check_name("tag", name)
    assert not mailbox.has_tensor(name)
    with pytest.raises(SessionError, match="tag: got"):
        mailbox.take_tensor(name)


@pytest.mark.parametrize("name", [None, 1, b"a", Path("a")])
def test_names_that_are_no_text(name: Any) -> None:
    """A name is a str."""
    with pytest.raises(SessionError, match="session id: got"):
        check_name("session id", name)


@given(st.text(st.characters(exclude_categories=())) | st.text("aA0_.-/ \n"))
@example("..")
def test_names_stay_below(name: str) -> None:
    """What passes names an entry of the directory itself."""
    try:
        check_name("tag", name)
    except SessionError:
        return
    assert os.path.normpath(tensor_file(name)) == os.path.basename(tensor_file(name))
    assert os.path.dirname(os.path.normpath(session_path("/w", name))) == "/w/python_session"


# ------------------------------------------------------------------ the lock

HOLDER = """
import sys
from session.mailbox import open_locked
mailbox = open_locked(sys.argv[1])
print("locked", flush=True)
sys.stdin.readline()
"""


def test_lock(path: Path) -> None:
    """One client at a time has a session; its end, by a kill too, lets the next one in."""
    with peer(HOLDER, path) as holder:
        assert hear(holder) == "locked"
        before = descriptors()
        with pytest.raises(SessionBusy, match="another client has this session"):
            open_locked(str(path))
        assert descriptors() == before
        holder.kill()
        holder.wait()
    open_locked(str(path)).destroy()
    assert not path.exists()


def test_lock_in_one_process(path: Path) -> None:
    """Two clients in one process are two, too."""
    first = open_locked(str(path))
    with pytest.raises(SessionBusy):
        open_locked(str(path))
    first.close()
    open_locked(str(path)).destroy()


FORKER = """
import os, sys, time
from session.mailbox import open_locked
mailbox = open_locked(sys.argv[1])
if not os.fork():
    mailbox.close()
    print(os.getpid(), flush=True)
    time.sleep(3600)
sys.stdin.readline()
"""


def test_lock_of_a_forked_child(path: Path) -> None:
    """A forked child that closes its copy neither ends the lock nor keeps it."""
    with peer(FORKER, path) as parent:
        child = int(hear(parent))
        try:
            with pytest.raises(SessionBusy):
                open_locked(str(path))
            parent.kill()
            parent.wait()
            open_locked(str(path)).destroy()
            os.kill(child, 0)  # it lives
        finally:
            os.kill(child, signal.SIGKILL)


def test_lock_of_a_started_program(path: Path) -> None:
    """A program that a client starts does not keep the session."""
    mailbox = open_locked(str(path))
    with peer("import sys; print(flush=True); sys.stdin.readline()") as program:
        hear(program)
        mailbox.close()
        open_locked(str(path)).destroy()


CLIENTS = """
import sys
from session.errors import SessionBusy
from session.mailbox import open_locked
had = 0
while had < 500:
    try:
        mailbox = open_locked(sys.argv[1])
    except SessionBusy:
        continue
    had += 1
    mailbox.put("m", sys.argv[2].encode())
    mailbox.put("n", b"")
    assert mailbox.take("m") == sys.argv[2].encode()
    mailbox.destroy()
print(had, flush=True)
"""


def test_lock_while_others_come_and_go(path: Path) -> None:
    """While clients open and remove a session in turns, each has it alone or is told so."""
    with (
        peer(CLIENTS, path, 1) as one,
        peer(CLIENTS, path, 2) as two,
        peer(CLIENTS, path, 3) as three,
    ):
        assert [hear(client) for client in (one, two, three)] == ["500"] * 3
    assert not path.exists()


# ------------------------------------------------------------------ its end


def test_clear(path: Path) -> None:
    """`clear` removes all but the lock."""
    mailbox = open_locked(str(path))
    mailbox.put("m", b"")
    mailbox.put_tensor("a", filled(1))
    (path / ".1-2.tmp").touch()
    (path / ".1-2.pool").touch()
    mailbox.clear()
    with pytest.raises(SessionBusy):
        open_locked(str(path))
    mailbox.put_tensor("a", filled(2))
    assert holds(mailbox.take_tensor("a"), 2)
    mailbox.destroy()
    assert not path.exists()


def test_destroy(path: Path) -> None:
    """`destroy` removes the directory and may be done again; what was read of it stays."""
    mailbox = open_locked(str(path))
    mailbox.put_tensor("a", filled(1))
    mailbox.put_tensor("b", filled(2))
    array = mailbox.take_tensor("a")
    assert mailbox.is_there
    mailbox.destroy()
    mailbox.destroy()
    assert not mailbox.is_there
    assert not path.exists()
    assert holds(array, 1)


def test_destroy_what_is_gone(path: Path) -> None:
    """A directory that somebody removed is no error, and one made anew in its place stays."""
    mailbox = open_locked(str(path))
    shutil.rmtree(path)
    assert not mailbox.is_there
    other = open_locked(str(path))
    other.put("m", b"other's")
    mailbox.destroy()
    assert other.take("m") == b"other's"
    other.destroy()
    Mailbox(str(path)).destroy()
    assert not path.exists()


def test_removed_meanwhile(mailbox: Mailbox, path: Path) -> None:
    """In a directory that is gone nothing is found, and nothing can be put."""
    mailbox.put("m", b"")
    mailbox.put_tensor("a", filled(1))
    shutil.rmtree(path)
    assert mailbox.read("m") is None
    assert mailbox.take("m") is None
    assert not mailbox.has_tensor("a")
    puts: list[Callable[[], None]] = [
        lambda: mailbox.put("m", b""),
        lambda: mailbox.put_tensor("a", filled(2, 4)),
        lambda: mailbox.put_tensor("a", filled(2)),
    ]
    for put in puts:
        with pytest.raises(SessionError, match="the directory of the session is gone"):
            put()
    with pytest.raises(FileNotFoundError):
        mailbox.take_tensor("a")
    assert not path.exists()


def test_inherit(path: Path) -> None:
    """A worker removes the directory of a client that is gone, and leaves that of any other."""
    worker, client = Mailbox(str(path)), open_locked(str(path))
    worker.inherit()
    assert client.is_there
    client.close()
    worker.inherit()
    assert not path.exists()
    worker.inherit()

    worker = Mailbox(str(path))
    shutil.rmtree(path)
    client = open_locked(str(path))
    worker.inherit()
    worker.close()
    assert client.is_there
    client.destroy()


# ------------------------------------------------------------------ where it is


def test_workspace_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """`TR_WORKSPACE` names the workspace."""
    monkeypatch.setenv("TR_WORKSPACE", "/some/where")
    assert default_workspace() == "/some/where"
    assert session_path("/some/where", "x") == "/some/where/python_session/tr_session_x"


WORKSPACE = """
import os
os.environ.pop("TR_WORKSPACE", None)
from session.mailbox import default_workspace
print(default_workspace())
"""
MEMORY = "mount -t tmpfs -o size={} tmpfs /dev/shm"


@needs_namespaces
@pytest.mark.parametrize(
    ("setup", "is_in_memory"),
    [
        pytest.param(MEMORY.format("1g"), True, id="room"),
        pytest.param(MEMORY.format("1g") + "; mkdir -m 700 /dev/shm/tr_0", True, id="ours"),
        pytest.param(MEMORY.format("64m"), False, id="little"),
        pytest.param(MEMORY.format("1g") + "; mkdir -m 755 /dev/shm/tr_0", False, id="readable"),
        pytest.param(MEMORY.format("1g") + "; mkdir -m 777 /dev/shm/tr_0", False, id="writable"),
        pytest.param(MEMORY.format("1g") + "; touch /dev/shm/tr_0", False, id="file"),
        pytest.param(
            MEMORY.format("1g") + "; mkdir -m 700 /dev/shm/x; ln -s x /dev/shm/tr_0",
            False,
            id="link",
        ),
        pytest.param(MEMORY.format("1g") + "; mount -o remount,ro /dev/shm", False, id="read-only"),
    ],
)
def test_default_workspace(setup: str, is_in_memory: bool) -> None:
    """Sessions are in memory where there is room, in a folder that is nobody else's."""
    assert run(WORKSPACE, setup=setup).strip() == ("/dev/shm/tr_0" if is_in_memory else "workspace")  # noqa: S108


# ------------------------------------------------------------------ tensors


@settings(max_examples=300)
@given(arrays())
def test_tensors(tmp_path_factory: pytest.TempPathFactory, array: Any) -> None:
    """Every dtype, rank, layout and byte order arrives as the same numbers, writable."""
    mailbox = Mailbox(session_path(str(tmp_path_factory.getbasetemp()), "tensors"))
    mailbox.put_tensor("a", array)
    taken = mailbox.take_tensor("a")
    assert same(taken, array.astype(array.dtype.newbyteorder("<")))
    assert taken.flags.writeable
    assert os.listdir(mailbox.path) == []
    mailbox.close()


@pytest.mark.parametrize("dtype", ["<f4", "<i1", "<i4", ">f4", ">i4"])
@pytest.mark.parametrize("rank", [1, 2, 3, 4])
@pytest.mark.parametrize("layout", [lambda a: a, lambda a: a.T, lambda a: a[..., ::2]])
def test_large_tensors(mailbox: Mailbox, dtype: str, rank: int, layout: Any) -> None:
    """So do large ones."""
    size = 2 * LARGE // np.dtype(dtype).itemsize
    array = layout(np.arange(size).astype(dtype).reshape((4, 2, 8, -1)[4 - rank :]))
    mailbox.put_tensor("a", array)
    taken = mailbox.take_tensor("a")
    assert same(taken, array.astype(array.dtype.newbyteorder("<")))
    taken[...] = 7
    assert visible(Path(mailbox.path)) == set()


class Wrapped:
    """What converts itself to an array."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.array


@pytest.mark.parametrize("nbytes", [4, 2 * LARGE])
@pytest.mark.parametrize("wrap", [Wrapped, memoryview])
def test_array_likes(mailbox: Mailbox, wrap: Any, nbytes: int) -> None:
    """Buffers and what converts itself are tensors, too."""
    mailbox.put_tensor("a", wrap(filled(3, nbytes)))
    assert same(mailbox.take_tensor("a"), filled(3, nbytes))


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.zeros(2), id="float64"),
        pytest.param(np.zeros((1, 1, 1, 1, 1), np.float32), id="rank-5"),
        pytest.param(np.zeros(LARGE), id="float64-large"),
        pytest.param(np.zeros((LARGE, 1, 1, 1, 1), np.float32), id="rank-5-large"),
    ],
)
def test_no_encoding(mailbox: Mailbox, path: Path, array: Any) -> None:
    """What has no encoding is refused; what was there stays, and what follows passes."""
    mailbox.put_tensor("a", filled(1, 4))
    with pytest.raises(UnsupportedError):
        mailbox.put_tensor("a", array)
    assert visible(path) == {"a.tsr"}
    assert holds(mailbox.take_tensor("a"), 1)
    mailbox.put_tensor("a", filled(2))
    assert holds(mailbox.take_tensor("a"), 2)


@pytest.mark.parametrize("nbytes", [4, LARGE])
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:-1], id="cut"),
        pytest.param(lambda data: data[:63], id="cut-header"),
        pytest.param(lambda data: data + b"\0", id="longer"),
        pytest.param(lambda data: b"PK" + data[2:], id="no-tsr"),
    ],
)
def test_broken_tensors(mailbox: Mailbox, path: Path, damage: Any, nbytes: int) -> None:
    """A file that is no tensor is a FormatError, and keeps nothing open."""
    mailbox.put_tensor("a", filled(1, nbytes))
    data = (path / "a.tsr").read_bytes()
    (path / "a.tsr").unlink()
    (path / "a.tsr").write_bytes(damage(data))
    before = descriptors()
    with pytest.raises(FormatError):
        mailbox.take_tensor("a")
    gc.collect()
    assert descriptors() == before
    mailbox.put_tensor("a", filled(2, nbytes))
    assert holds(mailbox.take_tensor("a"), 2)


def test_no_tensor(mailbox: Mailbox, path: Path) -> None:
    """A tensor that is not there is an error that names its file."""
    assert not mailbox.has_tensor("a")
    with pytest.raises(FileNotFoundError) as caught:
        mailbox.take_tensor("a")
    assert caught.value.filename == str(path / "a.tsr")


def test_tensors_of_many_sizes(mailbox: Mailbox, path: Path) -> None:
    """Pages that are used again hold the new tensor and nothing of the one before."""
    for value, nbytes in enumerate([3 * LARGE, LARGE, 2 * LARGE + 1, LARGE + 7, 4 * LARGE], 1):
        mailbox.put_tensor("a", filled(value, nbytes))
        assert (path / "a.tsr").stat().st_size == 64 + nbytes
        array = mailbox.take_tensor("a")
        assert array.shape == (nbytes,)
        assert holds(array, value)
        del array
    assert len(os.listdir(path)) == 2  # one is made where another would lose half of its pages


# ------------------------------------------------------------------ pages that are used again


def test_pages_are_used_again(mailbox: Mailbox, path: Path) -> None:
    """The file of a large tensor is written again when it is neither published nor mapped."""
    mailbox.put_tensor("a", filled(1))
    first = inode(path, "a")
    mailbox.put_tensor("b", filled(2))
    second = inode(path, "b")
    assert second != first  # published
    array = mailbox.take_tensor("a")
    mailbox.put_tensor("c", filled(3))
    assert inode(path, "c") not in (first, second)  # mapped
    view = array[7:]
    del array
    mailbox.put_tensor("d", filled(4))
    assert inode(path, "d") not in (first, second)  # a view is left
    assert holds(view, 1)
    del view
    mailbox.put_tensor("e", filled(5))
    assert inode(path, "e") == first
    assert [
        holds(mailbox.take_tensor(tag), value)
        for tag, value in zip("bcde", (2, 3, 4, 5), strict=True)
    ]


def test_replaced_pages_are_used_again(mailbox: Mailbox, path: Path) -> None:
    """A tensor that another one replaces before anybody took it frees its file."""
    mailbox.put_tensor("a", filled(1))
    first = inode(path, "a")
    mailbox.put_tensor("a", filled(2))
    mailbox.put_tensor("a", filled(3))
    assert inode(path, "a") == first
    assert holds(mailbox.take_tensor("a"), 3)


def test_small_ones_are_not_pooled(mailbox: Mailbox, path: Path) -> None:
    """A small tensor has a file of its own, and leaves none."""
    mailbox.put_tensor("a", filled(1, POOLED - 1))
    assert os.listdir(path) == ["a.tsr"]
    mailbox.put_tensor("b", filled(1, POOLED))
    assert len(os.listdir(path)) == 3


def test_many_are_kept(mailbox: Mailbox) -> None:
    """Tensors of middling size take few descriptors, however many of them are kept."""
    before, kept = len(descriptors()), []
    for value in range(100):
        mailbox.put_tensor("a", filled(value, LARGE // 2))
        kept.append(mailbox.take_tensor("a"))
    assert len(descriptors()) <= before + 4 * 8
    assert all(holds(array, value) for value, array in enumerate(kept))


def test_changes_stay_with_the_reader(mailbox: Mailbox, path: Path) -> None:
    """What a reader writes into its array is seen by nobody else."""
    mailbox.put_tensor("a", filled(1))
    os.link(path / "a.tsr", path / "copy.tsr")
    array = mailbox.take_tensor("a")
    array[:] = 9
    assert holds(mailbox.take_tensor("copy"), 1)
    mailbox.put_tensor("b", filled(2))
    assert holds(array, 9)


def test_many_live_arrays(mailbox: Mailbox, path: Path) -> None:
    """However many arrays live, all stay as they are, and few files are kept for use again."""
    live = []
    for value in range(20):
        mailbox.put_tensor("a", filled(value))
        live.append(mailbox.take_tensor("a"))
    assert all(holds(array, value) for value, array in enumerate(live))
    assert len(os.listdir(path)) == 8
    live.clear()
    before = os.listdir(path)
    for value in range(20):
        mailbox.put_tensor("a", filled(value))
        assert holds(mailbox.take_tensor("a"), value)
    assert os.listdir(path) == before


def test_arrays_outlive_the_mailbox(path: Path) -> None:
    """An array stays when the mailbox is closed and the next one writes."""
    mailbox = Mailbox(str(path))
    mailbox.put_tensor("a", filled(1))
    array = mailbox.take_tensor("a")
    mailbox.close()
    mailbox = open_locked(str(path))
    mailbox.clear()
    mailbox.put_tensor("a", filled(2))
    assert holds(array, 1)
    mailbox.destroy()
    assert holds(array, 1)


TAKER = """
import sys
from session.mailbox import Mailbox
array = Mailbox(sys.argv[1]).take_tensor("a")
print(array[0], flush=True)
sys.stdin.readline()
print(array.min() == array.max() == 1, flush=True)
sys.stdin.readline()
"""


def test_other_process(mailbox: Mailbox, path: Path) -> None:
    """An array in another process keeps its file, until that process is killed."""
    mailbox.put_tensor("a", filled(1))
    first = inode(path, "a")
    with peer(TAKER, path) as reader:
        assert hear(reader) == "1"
        for value in (2, 3, 4):
            mailbox.put_tensor("b", filled(value))
            assert inode(path, "b") != first
        tell(reader)
        assert hear(reader) == "True"
        reader.kill()
        reader.wait()
    mailbox.take_tensor("b")
    mailbox.put_tensor("c", filled(5))
    mailbox.put_tensor("d", filled(6))
    mailbox.put_tensor("e", filled(7))
    assert first in {inode(path, tag) for tag in "cde"}


TENSOR_WRITER = """
import itertools, sys
import numpy as np
from session.mailbox import Mailbox
mailbox = Mailbox(sys.argv[1])
print(flush=True)
for i in itertools.count():
    mailbox.put_tensor("a", np.full((1 << 20) + i * 7919 % (1 << 18), i % 127, np.int8))
"""


def test_whole_tensors(mailbox: Mailbox) -> None:
    """However fast they follow each other, a reader's arrays are whole and stay as they are."""
    live: list[tuple[Any, int]] = []
    taken = 0
    with peer(TENSOR_WRITER, mailbox.path) as writer:
        hear(writer)
        while taken < 300:
            assert writer.poll() is None
            try:
                array = mailbox.take_tensor("a")
            except FileNotFoundError:
                continue
            taken += 1
            live.append((array, int(array[-1])))
            assert all(holds(*one) for one in live)
            del live[:-3]


class Pages(RuleBasedStateMachine):
    """Puts, takes and drops in any order: arrays stay, and files are not kept without end."""

    def __init__(self) -> None:
        super().__init__()
        base = os.path.join(self.folder, f"{id(self)}")
        self.mailbox = Mailbox(session_path(base, "pages"))
        self.published: dict[str, int] = {}
        self.live: list[tuple[Any, int]] = []
        self.value = 0

    folder: str

    @rule(
        tag=st.sampled_from("abcd"),
        nbytes=st.sampled_from([100, LARGE, LARGE + 64, 2 * LARGE]),
    )
    def put(self, tag: str, nbytes: int) -> None:
        self.value = self.value % 120 + 1
        self.mailbox.put_tensor(tag, filled(self.value, nbytes))
        self.published[tag] = self.value

    @precondition(lambda self: self.published)
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        tag = data.draw(st.sampled_from(sorted(self.published)))
        array, value = self.mailbox.take_tensor(tag), self.published.pop(tag)
        self.live.append((array, value))

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        del self.live[data.draw(st.integers(0, len(self.live) - 1))]

    @invariant()
    def arrays_stay(self) -> None:
        assert all(holds(*one) for one in self.live)

    @invariant()
    def files_are_few(self) -> None:
        names = set(os.listdir(self.mailbox.path))
        assert {name for name in names if not name.startswith(".")} == {
            f"{tag}.tsr" for tag in self.published
        }
        assert len(names) <= len(self.published) + 8
        assert not any(name.endswith(".tmp") for name in names)

    def teardown(self) -> None:
        self.live.clear()
        self.mailbox.destroy()


def test_pages(tmp_path: Path) -> None:
    """Whatever the order, arrays stay as they are and the directory does not grow."""
    from hypothesis.stateful import run_state_machine_as_test

    class Here(Pages):
        folder = str(tmp_path)

    run_state_machine_as_test(Here, settings=settings(max_examples=25, stateful_step_count=30))


# ------------------------------------------------------------------ no room

FULL = """
import errno, os, sys
import numpy as np
from session.mailbox import Mailbox
mailbox = Mailbox(sys.argv[1])
large, huge = np.ones(1 << 20, np.int8), np.ones(16 << 20, np.int8)

def fails(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]

mailbox.put("m", b"before")
print(fails(mailbox.put, "m", bytes(16 << 20)))
print(fails(mailbox.put_tensor, "a", huge))
print(sorted(name for name in os.listdir(mailbox.path) if not name.endswith(".pool")))
mailbox.put("n", b"after")
print(mailbox.take("m"), mailbox.take("n"))
for _ in range(3):
    mailbox.put_tensor("a", large)
    assert mailbox.take_tensor("a").tobytes() == large.tobytes()
    print(fails(mailbox.put_tensor, "b", huge))
mailbox.destroy()
"""
NO_ROOM = "{0}\n{0}\n['m']\nb'before' b'after'\n{0}\n{0}\n{0}\n"


@needs_namespaces
def test_full_memory(tmp_path: Path) -> None:
    """Memory that is full is an OSError; nothing half is left, and what is small still passes."""
    mount = f"mount -t tmpfs -o size=4m tmpfs '{tmp_path}'"
    output = run(FULL, session_path(str(tmp_path), "x"), setup=mount)
    assert output == NO_ROOM.format(errno.errorcode[errno.ENOSPC])


def test_files_too_large(path: Path) -> None:
    """So is a limit on the size of files."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, -1))\n"
    assert run(limit + FULL, path) == NO_ROOM.format(errno.errorcode[errno.EFBIG])
