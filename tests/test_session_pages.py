"""Results on shared pages: computed into or in place, sent without a copy, and nobody else's."""

from __future__ import annotations

import fcntl
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from session import WorkerError
from session.mailbox import Mailbox
from tests.peers import can_unshare, descriptors, run
from tests.session_workers import Start, do, no_hang, starter
from tsr import UnsupportedError, dumps

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="links files by their descriptors"
)

LARGE = 1 << 18  # values of float32 whose pages are used again, and mapped whoever wrote them


@pytest.fixture(autouse=True)
def _interrupted() -> Iterator[None]:
    with no_hang():
        yield


@pytest.fixture
def start(tmp_path: Path, workspace: Path) -> Iterator[Start]:
    """Start sessions, and end them."""
    with starter(tmp_path, workspace) as start_one:
        yield start_one


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    """Open a mailbox that is its own other end."""
    opened = Mailbox(str(tmp_path / "box"))
    yield opened
    opened.destroy()


def inode(mailbox: Mailbox, name: str) -> int:
    """Tell a file from others."""
    return os.stat(os.path.join(mailbox.path, name)).st_ino


def pool(mailbox: Mailbox) -> set[int]:
    """Find the files that are used again."""
    return {inode(mailbox, name) for name in os.listdir(mailbox.path) if name.endswith(".pool")}


def filled(mailbox: Mailbox, value: float, shape: Any = LARGE) -> NDArray[Any]:
    """Borrow an array, and fill it."""
    array = mailbox.lend(shape, "float32")
    array[:] = value
    return array


# ---------------------------------------------------------------- computed into


def test_lent(mailbox: Mailbox) -> None:
    """An array that was lent is sent in its file, without a copy, once nobody has it."""
    array = filled(mailbox, 3)
    lent = mailbox.find_lent(array)
    assert lent is not None
    del array
    (file,) = pool(mailbox)
    mailbox.put_lent("a", lent)
    assert inode(mailbox, "a.tsr") == file
    result = mailbox.take_tensor("a")
    assert (result == 3).all()
    assert pool(mailbox) == {file}
    assert len(os.listdir(mailbox.path)) == 1  # no other name is left


@pytest.mark.parametrize(
    "hold",
    [
        pytest.param(lambda array: array, id="itself"),
        pytest.param(lambda array: array[5:], id="slice"),
        pytest.param(lambda array: array.reshape(2, -1)[1], id="reshaped"),
        pytest.param(torch.from_numpy, id="tensor"),
        pytest.param(memoryview, id="memoryview"),
    ],
)
def test_lent_and_kept(mailbox: Mailbox, hold: Callable[[Any], Any]) -> None:
    """What somebody still has is sent as a copy, which later changes do not reach."""
    array = filled(mailbox, 3)
    kept = hold(array)
    lent = mailbox.find_lent(array)
    assert lent is not None
    del array
    (file,) = pool(mailbox)
    mailbox.put_lent("a", lent)
    assert inode(mailbox, "a.tsr") != file
    result = mailbox.take_tensor("a")
    np.asarray(kept)[:] = 9
    assert (result == 3).all()
    filled(mailbox, 4)
    assert (np.asarray(kept) == 9).all()


@pytest.mark.parametrize(
    ("view", "dtype", "shape"),
    [
        (lambda array: array.reshape(2, 4, -1), "float32", (2, 4, LARGE // 8)),
        (lambda array: array.view(np.int32), "int32", (LARGE,)),
        (lambda array: array.view(np.int8), "int8", (4 * LARGE,)),
        (lambda array: torch.from_numpy(array).reshape(4, -1).numpy(), "float32", (4, LARGE // 4)),
    ],
)
def test_lent_in_another_shape(
    mailbox: Mailbox, view: Callable[[Any], Any], dtype: str, shape: tuple[int, ...]
) -> None:
    """All of what was lent is sent as it stands, in the shape and dtype that it is given in."""
    lent = mailbox.find_lent(view(filled(mailbox, 1.5)))
    assert lent is not None
    mailbox.put_lent("a", lent)
    result = mailbox.take_tensor("a")
    assert (result.dtype.name, result.shape) == (dtype, shape)
    assert result.tobytes() == np.full(LARGE, 1.5, np.float32).tobytes()


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda array: array[:-1], id="part"),
        pytest.param(lambda array: array[::2], id="strides"),
        pytest.param(lambda array: array.reshape(2, -1).T, id="transposed"),
        pytest.param(lambda array: array.view(">i4"), id="byte-order"),
        pytest.param(lambda array: array.copy(), id="copy"),
        pytest.param(lambda array: memoryview(array), id="memoryview"),
    ],
)
def test_what_is_not_all_of_it(mailbox: Mailbox, view: Callable[[Any], Any]) -> None:
    """What is not all of what was lent, as it is in a file, is a tensor as any other."""
    array = filled(mailbox, 2)
    assert mailbox.find_lent(view(array)) is None
    mailbox.put_tensor("a", view(array))
    assert dumps(mailbox.take_tensor("a")) == dumps(view(array))


def test_lent_twice(mailbox: Mailbox) -> None:
    """An array is kept once; sent again it is copied, so that no two results share their pages."""
    array = filled(mailbox, 2)
    lent = mailbox.find_lent(array)
    assert lent is not None
    assert mailbox.find_lent(array) is None
    mailbox.put_tensor("b", array)
    del array
    mailbox.put_lent("a", lent)
    a, b = mailbox.take_tensor("a"), mailbox.take_tensor("b")
    a[:] = 7
    assert (b == 2).all()


def test_lent_and_forgotten(mailbox: Mailbox) -> None:
    """What is lent and not sent is used again."""
    filled(mailbox, 1)
    before = pool(mailbox)
    array = filled(mailbox, 2)
    lent = mailbox.find_lent(array)
    assert lent is not None
    mailbox.forget_lent(lent)
    del array
    filled(mailbox, 3)
    assert pool(mailbox) == before


def test_many_lent(mailbox: Mailbox) -> None:
    """More arrays than there are files to use again are arrays all the same."""
    arrays = [filled(mailbox, value) for value in range(20)]
    assert len(pool(mailbox)) == 8
    assert all((array == value).all() for value, array in enumerate(arrays))
    for value, array in enumerate(arrays):
        mailbox.put_tensor(f"t{value}", array)
    assert all((mailbox.take_tensor(f"t{value}") == value).all() for value in range(20))


@pytest.mark.parametrize("shape", [0, 5, (), (2, 3), (2, 0, 3), (1 << 14) - 1])
def test_small_ones(mailbox: Mailbox, shape: Any) -> None:
    """A small array is one of numpy's."""
    assert mailbox.lend(shape, "int32").shape == np.empty(shape).shape
    assert not pool(mailbox)


@pytest.mark.parametrize("dtype", ["float64", "complex64", ">U3"])
def test_no_encoding(mailbox: Mailbox, dtype: str) -> None:
    """What could not be sent is not lent."""
    with pytest.raises(UnsupportedError):
        mailbox.lend(LARGE, dtype)
    with pytest.raises(UnsupportedError):
        mailbox.lend((LARGE, 1, 1, 1, 1), "float32")


# ---------------------------------------------------------------- changed in place


def test_in_place(mailbox: Mailbox) -> None:
    """What was taken and changed in place is sent in the file that it came in."""
    mailbox.put_tensor("a", np.ones(LARGE, np.float32))
    array = mailbox.take_tensor("a")
    (file,) = pool(mailbox)
    array *= 5
    lent = mailbox.find_lent(array)
    assert lent is not None
    mailbox.put_tensor("x", np.zeros(LARGE, np.float32))  # the writer does not take it meanwhile
    del array
    mailbox.put_tensor("y", np.zeros(LARGE, np.float32))
    mailbox.put_lent("b", lent)
    assert inode(mailbox, "b.tsr") == file
    assert (mailbox.take_tensor("b") == 5).all()
    for tag in "xy":
        assert not mailbox.take_tensor(tag).any()


def test_in_place_and_kept(mailbox: Mailbox) -> None:
    """What was taken, is sent and still used is sent as a copy."""
    mailbox.put_tensor("a", np.ones(LARGE, np.float32))
    array = mailbox.take_tensor("a")
    lent = mailbox.find_lent(array)
    assert lent is not None
    mailbox.put_lent("b", lent)
    array *= 5
    assert (mailbox.take_tensor("b") == 1).all()
    assert (array == 5).all()


# ---------------------------------------------------------------- between processes

KEEPER = """
import numpy as np
kept = []
def send(worker, array, keep):
    if keep: kept.append(array)
    worker.give_tensors(array)
"""


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize(
    "make",
    [f"self.empty({LARGE})", "self.get_arrays('a', 1)[0]"],
    ids=["computed-into", "in-place"],
)
def test_results_stay(start: Start, make: str, keep: bool) -> None:
    """Results stay as they are, whatever the worker and the client do next."""
    session = start(KEEPER)
    results = []
    for value in range(12):
        session.send_tensor(np.zeros(LARGE, np.float32), "a")
        request = f"""
            array = {make}
            for old in kept: old[:] = -1
            array[:] = {value}
            send(self, array, {keep})
            """
        results.append(session.fetch_tensor(do(request)))
    for value, result in enumerate(results):
        assert (result == value).all()
        result[:] = 99  # it is the client's
    assert (session.fetch_tensor(do(f"self.send_arrays(np.full({LARGE}, 5, np.int8))")) == 5).all()
    session.terminate()
    assert all((result == 99).all() for result in results)


@pytest.mark.parametrize("size", [3, LARGE])
@pytest.mark.parametrize("make", ["self.empty({size})", "self.get_arrays('a', 1)[0]"])
def test_what_is_sent_is_sent(start: Start, make: str, size: int) -> None:
    """An array that is sent, and not given, is sent as it is then, whatever comes next."""
    session = start()
    session.send_tensor(np.zeros(size, np.float32), "a")
    request = f"""
        array = {make.format(size=size)}
        for value in range(3):
            array[:] = value
            self.send_arrays(array)
        array[:] = 9
        """
    for value, result in enumerate(session.fetch_tensor(do(request))):
        assert (result == value).all()


def test_given_back_meanwhile(
    mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that its reader gives back just as its writer wants it is not written."""
    worker = Mailbox(mailbox.path)
    mailbox.put_tensor("input", np.ones(LARGE, np.float32))
    received = [worker.take_tensor("input")]
    flock = fcntl.flock

    def late_flock(descriptor: int, operation: int) -> None:
        if operation & fcntl.LOCK_NB and received:
            # Between a look at the file and its lock: the result is sent, and forgotten here.
            array = received.pop()
            array *= 7
            lent = worker.find_lent(array)
            assert lent is not None
            del array
            worker.put_lent("result", lent)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late_flock)
    mailbox.put_tensor("next", np.zeros(LARGE, np.float32))
    assert received == []
    assert (mailbox.take_tensor("result") == 7).all()
    assert (worker.take_tensor("next") == 0).all()
    worker.close()


def test_sent_by_threads(start: Start) -> None:
    """Results that several threads send at once are all there."""
    session = start("import numpy as np")
    request = f"""
        def send(value): self.send_arrays(np.full({LARGE}, value, np.int32))
        threads = [threading.Thread(target=send, args=(value,)) for value in range(6)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        """
    for _ in range(5):
        results = session.fetch_tensor(do(request))
        assert sorted(result.min() for result in results) == list(range(6))
        assert all(result.min() == result.max() for result in results)


LIMITED = f"""
import resource, sys
import numpy as np
from session.mailbox import Mailbox
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
mailbox = Mailbox(sys.argv[1])
results = []
for value in range(60):
    mailbox.put_tensor("a", np.full({LARGE}, value, np.float32))
    results.append(mailbox.take_tensor("a"))
print(all((result == value).all() for value, result in enumerate(results)))
results.clear()
mailbox.destroy()
"""


def test_more_results_than_descriptors(tmp_path: Path) -> None:
    """Results are as many as the memory holds, not as many as files may be open."""
    assert run(LIMITED, tmp_path / "box") == "True\n"


FULL = f"""
import errno, os, sys
import numpy as np
from session.mailbox import Mailbox
mailbox = Mailbox(sys.argv[1])

def send(shape, value):
    try:
        array = mailbox.lend(shape, "float32")
    except OSError as error:
        return errno.errorcode[error.errno]
    array[:] = value
    lent = mailbox.find_lent(array)
    del array
    mailbox.put_lent("a", lent)
    return (mailbox.take_tensor("a") == value).all()

first = mailbox.lend({LARGE}, "float32")
first[:] = 1
for value in range(3):
    print(send({LARGE}, value), send({LARGE * 16}, value), (first == 1).all())
print(len(os.listdir(mailbox.path)))
mailbox.destroy()
"""


@pytest.mark.skipif(not can_unshare(), reason="the system lets nobody have mounts of their own")
def test_no_room(tmp_path: Path) -> None:
    """Where there is no room for an array there is an error, and what there was stays in use."""
    mount = f"mount -t tmpfs -o size=6m tmpfs '{tmp_path}'"
    output = run(FULL, tmp_path / "box", setup=mount).splitlines()
    assert output == [*["True ENOSPC True"] * 3, "1"]


def test_far_sizes_make_room(mailbox: Mailbox) -> None:
    """Where all files are of another size, those that nobody uses make room."""
    arrays = [filled(mailbox, value, 4 * LARGE) for value in range(8)]
    before = pool(mailbox)
    filled(mailbox, 1)
    assert pool(mailbox) == before  # all are in use
    arrays.clear()
    filled(mailbox, 1)
    assert len(pool(mailbox) - before) == 1
    assert len(pool(mailbox)) == 8


def test_mappings_are_few(mailbox: Mailbox) -> None:
    """Of tensors of ever other sizes only the files that are kept stay mapped."""
    for turn in range(40):
        mailbox.put_tensor("a", np.full(LARGE * (1 + turn * 3 % 5), turn, np.int32))
        assert (mailbox.take_tensor("a") == turn).all()
    here = [link for link in descriptors() if link.startswith(mailbox.path + "/")]
    # Of each file that of the writer and of the reader, and those of their mappings.
    assert len(here) <= 4 * len(pool(mailbox))


def test_an_error_sends_nothing(start: Start) -> None:
    """What was sent before a request failed is not there afterwards, and is used again."""
    session = start()
    request = f"""
        self.give_tensors(self.empty({LARGE}))
        self.give_tensors(self.get_arrays('a', 1)[0])
        raise ValueError
        """
    for _ in range(10):
        session.send_tensor(np.zeros(LARGE, np.float32), "a")
        with pytest.raises(WorkerError, match="ValueError"):
            session.fetch_response(do(request))
    names = os.listdir(session.session_dir)
    assert not [name for name in names if name.endswith((".tsr", ".tmp"))]
    assert len([name for name in names if name.endswith(".pool")]) == 2


def test_torch(start: Start) -> None:
    """Torch computes into what is lent, and in place, as well."""
    session = start("import torch")
    request = f"""
        a = self.get_tensors('a', 1)[0]
        out = torch.from_numpy(self.empty((512, {LARGE} // 512)))
        self.give_tensors(torch.mul(a, 2, out=out))
        self.give_tensors(a.neg_())
        """
    values = torch.arange(LARGE, dtype=torch.float32).reshape(512, -1)
    session.send_tensor(values, "a")
    doubled, negative = session.fetch_tensor(do(request), as_torch=True)
    assert torch.equal(doubled, 2 * values)
    assert torch.equal(negative, -values)


FORKS = f"""
import gc, os, sys
import numpy as np
from session.mailbox import Mailbox
mailbox = Mailbox(sys.argv[1])
def give(value):
    mailbox.put_tensor("a", np.full({LARGE}, value, np.float32))
    return mailbox.take_tensor("a")
array = give(1)
reading, asking = os.pipe()
child = os.fork()
if child == 0:
    os.read(reading, 1)
    os._exit(not (array == 1).all())
del array
for value in range(20): give(2)
os.write(asking, b"x")
print(os.waitpid(child, 0)[1])
before = len(os.listdir(mailbox.path))
for value in range(20): give(3)
print(len(os.listdir(mailbox.path)) - before)
mailbox.destroy()
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork(tmp_path: Path) -> None:
    """A forked child keeps its array when the parent has dropped its own; its pages are kept."""
    assert run(FORKS, tmp_path / "box") == "0\n0\n"


KILLED = """
import os, sys
import numpy as np
from session.mailbox import Mailbox
mailbox = Mailbox(sys.argv[1])
array = mailbox.take_tensor("a")
print(int(array.sum()), flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_reader_that_is_killed(mailbox: Mailbox) -> None:
    """Of a reader that is killed nothing is left: its pages are used again."""
    mailbox.put_tensor("a", np.ones(LARGE, np.float32))
    before = pool(mailbox)
    command = [sys.executable, "-c", KILLED, mailbox.path]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    ended = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert (ended.returncode, ended.stdout) == (-9, b"%d\n" % LARGE)
    mailbox.put_tensor("a", np.zeros(LARGE, np.float32))
    assert pool(mailbox) == before


EXITS = f"""
import sys
import numpy as np
from session.mailbox import Mailbox
mailbox = Mailbox(sys.argv[1])
mailbox.put_tensor("a", np.ones({LARGE}, np.float32))
array = mailbox.take_tensor("a")
lent = mailbox.lend({LARGE}, "float32")
print("end")
"""


def test_exit(tmp_path: Path) -> None:
    """At the end of the interpreter nothing is said of arrays that are left."""
    ended = subprocess.run(
        [sys.executable, "-c", EXITS, str(tmp_path / "box")], capture_output=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert (ended.stdout, ended.stderr) == (b"end\n", b"")


def test_threads(mailbox: Mailbox) -> None:
    """Arrays that other threads drop while some are read neither change nor get lost."""
    dropped: list[NDArray[Any]] = []
    ending = threading.Event()

    def drop() -> None:
        while not ending.wait(0.0001):  # which lets the others go on
            while dropped:
                dropped.pop()
            gc.collect(0)

    droppers = [threading.Thread(target=drop) for _ in range(2)]
    for dropper in droppers:
        dropper.start()
    try:
        for value in range(200):
            mailbox.put_tensor("a", np.full(LARGE, value, np.float32))
            array = mailbox.take_tensor("a")
            assert (array == value).all()
            dropped.append(array)
    finally:
        ending.set()
        for dropper in droppers:
            dropper.join()
    assert len(pool(mailbox)) <= 8
