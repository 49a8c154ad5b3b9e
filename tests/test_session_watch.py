"""Waiting: what ends a wait, with events and without, and that none that is lost is missed."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from session.mailbox import Mailbox
from session.watch import POLL_MAX_MS, POLL_MIN_MS, Watch
from tests.peers import can_unshare, descriptors, peer, run, tell

needs_inotify = pytest.mark.skipif(
    not sys.platform.startswith("linux") or find_spec("inotify_simple") is None,
    reason="inotify is Linux's, and inotify_simple an extra",
)

# How often a watch looks where events tell: a wait that an event ends is shorter.
AGAIN_SECONDS = 1.0


@contextmanager
def watching(path: Path, in_place: bool = False) -> Iterator[Watch]:
    """Watch a directory for the time of a block."""
    watch = Watch(str(path), in_place)
    try:
        yield watch
    finally:
        watch.close()


@pytest.fixture(params=[pytest.param("events", marks=needs_inotify), "polling"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Wait by events, and by looking again."""
    monkeypatch.delenv("TR_POLLING", raising=False)
    if request.param == "polling":
        monkeypatch.setenv("TR_POLLING", "1")
    return str(request.param)


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait by events."""
    monkeypatch.delenv("TR_POLLING", raising=False)


def tells(watch: Watch) -> bool:
    """Tell whether the watch has something to tell now."""
    return bool(select.select([watch.descriptor], [], [], 0)[0])


def seconds(watch: Watch, timeout_ms: float | None) -> float:
    """Wait, and tell for how long."""
    start = time.monotonic()
    watch.wait(timeout_ms)
    return time.monotonic() - start


# ------------------------------------------------------------------ what wakes

CHANGES: dict[str, Callable[[Path], object]] = {
    "moved-in": lambda path: (path.parent / "new").replace(path / "new"),
    "moved": lambda path: (path / "old").replace(path / "new"),
    "replaced": lambda path: (path / "old").replace(path / "other"),
    "removed": lambda path: (path / "old").unlink(),
    "created": lambda path: (path / "new").touch(),
    "written": lambda path: (path / "old").write_bytes(b"exit"),
    "read": lambda path: (path / "old").read_bytes(),
    "linked": lambda path: os.link(path / "old", path / "new"),
    "moved-out": lambda path: (path / "old").replace(path.parent / "old"),
    "renamed-itself": lambda path: path.replace(path.parent / "elsewhere"),
}
MOVES = {"moved-in", "moved", "replaced", "renamed-itself"}
# A new file is written and closed even if nothing is in it.
IN_PLACE = MOVES | {"removed", "created", "written"}


@needs_inotify
@pytest.mark.usefixtures("events")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("later", [False, True])
def test_what_wakes(tmp_path: Path, change: str, in_place: bool, later: bool) -> None:
    """Files that are moved in wake, and changes in place where they are expected; nothing else."""
    path = tmp_path / "watched"
    path.mkdir()
    for name in ("old", "other", "../new"):
        (path / name).touch()
    with watching(path, in_place and not later) as watch:
        if in_place and later:
            watch.expect(in_place=True)
        assert not tells(watch)
        CHANGES[change](path)
        assert tells(watch) == (change in (IN_PLACE if in_place else MOVES))
        watch.drain()
        assert not tells(watch)


@needs_inotify
@pytest.mark.usefixtures("events")
def test_message_wakes(tmp_path: Path) -> None:
    """A mailbox wakes with each message once it is whole, and not with tensors that it tells of."""
    mailbox = Mailbox(str(tmp_path))
    with watching(tmp_path) as watch:
        for nbytes in (4, 1 << 20):
            mailbox.put_tensor("a", np.zeros(nbytes, np.int8))
            assert not tells(watch)
            mailbox.take_tensor("a")
            watch.drain()
        mailbox.put("m", b"")
        assert tells(watch)
        assert not watch.wait(None)
        watch.drain()
        assert not tells(watch)
    mailbox.close()


PUTTER = """
import sys
from session.mailbox import Mailbox
mailbox = Mailbox(sys.argv[1])
for line in sys.stdin:
    mailbox.put("m", line.encode())
"""


def test_wakes_for_another_process(tmp_path: Path, way: str) -> None:
    """Whoever waits and looks sees every message that another process puts, in time."""
    mailbox = Mailbox(str(tmp_path))
    start = time.monotonic()
    with peer(PUTTER, tmp_path) as putter, watching(tmp_path) as watch:
        for i in range(20):
            tell(putter, str(i))
            watch.reset()
            while (data := mailbox.take("m")) is None:
                watch.wait(None)
            assert data == b"%d\n" % i
    mailbox.close()
    assert time.monotonic() - start < 20 * AGAIN_SECONDS


def test_wakes_for_a_descriptor(tmp_path: Path, way: str) -> None:
    """Another descriptor ends a wait when it is readable."""
    readable, writable = os.pipe()
    with watching(tmp_path) as watch:
        watch.add(readable)
        assert seconds(watch, 20) >= 0.02
        os.write(writable, b"x")
        for _ in range(20):  # it is not used up: what is readable stays so
            assert watch.wait(None)
        os.read(readable, 1)
        os.close(writable)  # the end of a pipe is an event, too
        watch.wait(None)
    os.close(readable)


@needs_inotify
def test_wakes_for_the_end_of_a_process(tmp_path: Path, way: str) -> None:
    """So does a process that ends."""
    with peer("import sys; sys.stdin.readline()") as process, watching(tmp_path) as watch:
        descriptor = os.pidfd_open(process.pid)
        watch.add(descriptor)
        threading.Timer(0.05, process.kill).start()
        while not select.select([descriptor], [], [], 0)[0]:
            watch.wait(None)
        os.close(descriptor)


# ------------------------------------------------------------------ how long


@pytest.mark.parametrize("timeout_ms", [0, 0.5, 1, 20, 31.5])
def test_time_out(tmp_path: Path, way: str, timeout_ms: float) -> None:
    """A wait in which nothing happens takes its time, and not longer than it must."""
    with watching(tmp_path) as watch:
        taken = seconds(watch, timeout_ms)
        assert taken >= timeout_ms / 1000
        assert taken < 20


def test_time_that_is_over(tmp_path: Path, way: str) -> None:
    """A negative time-out is no wait."""
    with watching(tmp_path) as watch:
        for _ in range(2000):
            watch.wait(-1)


@needs_inotify
@pytest.mark.usefixtures("events")
def test_looks_again(tmp_path: Path) -> None:
    """Without a time-out, and without an event, a wait ends all the same: one may be lost."""
    with watching(tmp_path) as watch:
        assert AGAIN_SECONDS <= seconds(watch, None) < 20
        assert AGAIN_SECONDS <= seconds(watch, 60_000) < 20


def test_looks_ever_more_seldom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing tells, a wait takes an eighth of the time since `reset`: 32 ms to 1,024 ms."""
    monkeypatch.setenv("TR_POLLING", "1")
    with watching(tmp_path) as watch:
        assert watch.descriptor == -1
        start = time.monotonic()
        for _ in range(12):
            passed = time.monotonic() - start
            assert seconds(watch, None) >= max(POLL_MIN_MS / 1000, passed / 8 - 0.01)
        watch.reset()
        assert POLL_MIN_MS / 1000 <= seconds(watch, None) < POLL_MAX_MS / 1000
        monkeypatch.setattr(watch, "_reset_at", -1e9)
        assert POLL_MAX_MS / 1000 <= seconds(watch, None) < 20


# ------------------------------------------------------------------ events that are lost


@needs_inotify
@pytest.mark.usefixtures("events")
def test_queue_overflow(tmp_path: Path) -> None:
    """More changes than the system keeps events of: a wait ends, and later events come again."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    mailbox = Mailbox(str(tmp_path))
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    (tmp_path / "a").touch()
    with watching(tmp_path) as watch:
        for _ in range(limit // 2 + 100):
            os.rename(a, b)
            os.rename(b, a)
        mailbox.put("m", b"the event of this one is lost")
        watch.wait(None)
        assert mailbox.take("m") is not None
        waits = 0
        while tells(watch):
            watch.drain()
            waits += 1
        assert 0 < waits < limit
        mailbox.put("m", b"")
        assert tells(watch)
    mailbox.close()


@needs_inotify
@pytest.mark.usefixtures("events")
def test_many_changes_are_one_wait(tmp_path: Path) -> None:
    """Changes that have piled up are a hint together, not one each."""
    mailbox = Mailbox(str(tmp_path))
    with watching(tmp_path) as watch:
        for i in range(500):
            mailbox.put(f"m{i}", b"")
        watch.wait(None)
        watch.drain()
        assert not tells(watch)
    mailbox.close()


# ------------------------------------------------------------------ no events

NO_EVENTS = """
import sys, threading, time
from session.mailbox import Mailbox
from session.watch import Watch
mailbox = Mailbox(sys.argv[1])
watch = Watch(mailbox.path, in_place=True)
watch.expect(in_place=False)
print(watch.descriptor)
threading.Timer(0.1, mailbox.put, ("m", b"came")).start()
while (data := mailbox.take("m")) is None:
    watch.wait(None)
print(data.decode())
watch.close()
"""
LIMITS = "/proc/sys/user/max_inotify_"


@pytest.mark.skipif(not can_unshare(), reason="the system lets nobody have limits of their own")
@pytest.mark.parametrize("limit", ["instances", "watches"])
@pytest.mark.usefixtures("events")
def test_inotify_used_up(tmp_path: Path, limit: str) -> None:
    """Where others have used up what the system has of inotify, looking again is what is left."""
    assert run(NO_EVENTS, tmp_path, setup=f"echo 0 >{LIMITS}{limit}") == "-1\ncame\n"


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("sys.modules['inotify_simple'] = None", id="not-installed"),
        pytest.param("sys.platform = 'darwin'", id="other-system"),
        pytest.param("import os; os.environ['TR_POLLING'] = '1'", id="asked-for"),
    ],
)
@pytest.mark.usefixtures("events")
def test_no_inotify(tmp_path: Path, head: str) -> None:
    """Where there is no inotify, or none is wanted, looking again does."""
    assert run(f"import sys; {head}\n{NO_EVENTS}", tmp_path) == "-1\ncame\n"


# ------------------------------------------------------------------ its end


def test_close(tmp_path: Path, way: str) -> None:
    """Closing lets go of all, and may be done again."""
    before = descriptors()
    watch = Watch(str(tmp_path))
    assert (watch.descriptor >= 0) == (way == "events")
    watch.close()
    watch.close()
    assert watch.descriptor == -1
    assert descriptors() == before


@needs_inotify
@pytest.mark.usefixtures("events")
def test_nothing_to_watch(tmp_path: Path) -> None:
    """A directory that is not there is an error, and leaves nothing open."""
    before = descriptors()
    with pytest.raises(FileNotFoundError):
        Watch(str(tmp_path / "nothing"))
    assert descriptors() == before


@needs_inotify
@pytest.mark.usefixtures("events")
def test_not_inherited(tmp_path: Path) -> None:
    """The descriptor passes to no program that is started."""
    with watching(tmp_path) as watch:
        assert not os.get_inheritable(watch.descriptor)
        listed = subprocess.run(
            [sys.executable, "-c", "import os; print(*os.listdir('/proc/self/fd'))"],
            close_fds=False, capture_output=True, check=True,
        ).stdout.split()  # fmt: skip
        assert str(watch.descriptor).encode() not in listed


@needs_inotify
@pytest.mark.usefixtures("events")
def test_directory_removed(tmp_path: Path) -> None:
    """The removal of the directory ends a wait, for one that holds it open in a second at most."""
    path = tmp_path / "watched"
    mailbox = Mailbox(str(path))
    with watching(path) as watch:
        path.rmdir()
        watch.wait(None)
        assert not mailbox.is_there
        mailbox.close()
        assert tells(watch)
