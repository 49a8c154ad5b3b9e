"""Writing: whole or not at all, any memory layout, nothing silently cast."""

from __future__ import annotations

import errno
import io
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsr
from tests.strategies import payload_of
from tsr import payload, writer
from tsr.atomic import AtomicFile

X = np.arange(6, dtype=np.float32).reshape(2, 3)
LARGE = np.arange(100_000, dtype=np.int32).reshape(100, 10, 100)

ALLOWED = [
    pytest.param(X, id="plain"),
    pytest.param(X.T, id="transposed"),
    pytest.param(np.asfortranarray(X), id="fortran"),
    pytest.param(X[::-1, ::2], id="reversed-strided"),
    pytest.param(np.broadcast_to(X, (4, 2, 3)), id="broadcast"),
    pytest.param(X.astype(">f4"), id="big-endian"),
    pytest.param(X.T.astype(">f4"), id="big-endian-transposed"),
    pytest.param(np.array(5, np.int8), id="0-d"),
    pytest.param(np.float32(2.5), id="scalar"),
    pytest.param(X[:0], id="empty"),
    pytest.param(np.zeros((2, 0, 3), ">i4"), id="empty-big-endian"),
    pytest.param(X.view(type("Subclass", (np.ndarray,), {})), id="subclass"),
    pytest.param(X.data, id="buffer"),
    pytest.param(LARGE, id="large"),
    pytest.param(LARGE.T, id="large-transposed"),
    pytest.param(LARGE[::-1].astype(">i4"), id="large-big-endian"),
]  # fmt: skip


@pytest.mark.parametrize("array", ALLOWED)
@pytest.mark.parametrize("block", [None, 1, 100, 5000])
def test_every_way_writes_the_same_bytes(
    target: Path, array: Any, block: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Path, file object, `dumps` and `dumps_into` agree with numpy's own bytes."""
    if block is not None:
        monkeypatch.setattr(payload, "BLOCK_BYTES", block)
        monkeypatch.setattr(writer, "_JOIN_BYTES", block)
    data = tsr.dumps(array)
    plain = np.asarray(array)
    assert data == tsr.build_header(plain.dtype, plain.shape) + payload_of(plain)
    tsr.save(target, array)
    assert target.read_bytes() == data
    stream = io.BytesIO()
    tsr.save(stream, array)
    assert stream.getvalue() == data
    with open(target, "wb", buffering=0) as file:
        tsr.save(file, array)
    assert target.read_bytes() == data
    buffer = bytearray(b"\xaa" * (len(data) + 3))
    assert tsr.dumps_into(buffer, array) == len(data)
    assert buffer == data + b"\xaa" * 3
    loaded = tsr.load(target)
    assert loaded.shape == plain.shape
    assert loaded.tobytes() == payload_of(plain)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        pytest.param(X.astype(np.float64), "got float64, expected one of float32", id="float64"),
        pytest.param(X.astype(np.float16), "cast='float32' keeps every value", id="float16"),
        pytest.param(X > 1, "cast='int8' keeps every value", id="bool"),
        pytest.param(X.astype(np.uint8), "cast='int32' keeps every value", id="uint8"),
        pytest.param(X.astype(np.int16), "cast='int32' keeps every value", id="int16"),
        pytest.param(X.astype(np.int64), "lossy=True", id="int64"),
        pytest.param(X.astype(np.complex64), "no cast would keep", id="complex"),
        pytest.param(X.astype(object), "no cast would keep", id="object"),
        pytest.param(np.array("x"), "no cast would keep", id="str"),
        pytest.param(np.zeros(2, "f4,i4"), "no cast would keep", id="structured"),
        pytest.param(X.reshape(1, 1, 2, 1, 3), "got 5 dimensions", id="rank-5"),
        pytest.param(np.ma.masked_array(X, X > 1), "masked array", id="masked"),
        pytest.param([1.0, 2.0], "got list, expected an array", id="list"),
        pytest.param(3.0, "got float, expected an array", id="float"),
        pytest.param("text", "got str, expected an array", id="text"),
        pytest.param(b"bytes", "got bytes, expected an array", id="bytes"),
        pytest.param(None, "got NoneType, expected an array", id="none"),
    ],
)
def test_refused(target: Path, array: Any, message: str) -> None:
    """What has no exact encoding is refused, and what stood there before stays."""
    target.write_bytes(b"before")
    for attempt in (
        lambda: tsr.save(target, array),
        lambda: tsr.dumps(array),
        lambda: tsr.dumps_into(bytearray(1000), array),
    ):
        with pytest.raises(tsr.UnsupportedError, match=message):
            attempt()
    assert target.read_bytes() == b"before"
    assert os.listdir(target.parent) == ["x.tsr"]


@pytest.mark.parametrize("shape", [(2**31,), (0, 2**31), (2**31, 2, 0)])
def test_dimensions_that_no_int32_holds(target: Path, shape: tuple[int, ...]) -> None:
    """An array with a dimension of 2**31 has no encoding, even where it has no elements."""
    array = np.broadcast_to(np.int8(0), shape)
    for attempt in (lambda: tsr.save(target, array), lambda: tsr.dumps(array)):
        with pytest.raises(tsr.UnsupportedError, match="dimensions from 0 to 2147483647"):
            attempt()
    assert not target.exists()


def test_refusals_name_dtype_and_cast() -> None:
    """A refused dtype is on the error, with those allowed and the cast that keeps all."""
    with pytest.raises(tsr.UnsupportedError) as caught:
        tsr.dumps(X.astype(np.float16))
    assert caught.value.given == np.dtype(np.float16)
    assert caught.value.allowed == ("float32", "int8", "int32")
    assert caught.value.cast == "float32"


@pytest.mark.parametrize("name", ["x.tsr", "x" * 255])
def test_modes_are_kept(tmp_path: Path, name: str) -> None:
    """A new file gets the mode that the umask leaves; a replaced one keeps its own."""
    path = tmp_path / name
    umask = os.umask(0o027)
    try:
        tsr.save(path, X)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o604)
        tsr.save(path, X)
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
    finally:
        os.umask(umask)
    assert os.listdir(tmp_path) == [name]


def test_symbolic_links_are_followed(tmp_path: Path) -> None:
    """Writing to a link writes the file that it leads to, there or not there yet."""
    (tmp_path / "folder").mkdir()
    for link in ("there", "new"):
        (tmp_path / link).symlink_to(f"folder/{link}.tsr")
    (tmp_path / "folder" / "there.tsr").touch(mode=0o600)
    for link in ("there", "new"):
        tsr.save(tmp_path / link, X)
        assert (tmp_path / link).is_symlink()
        assert tsr.load(tmp_path / "folder" / f"{link}.tsr").tobytes() == X.tobytes()
    assert stat.S_IMODE((tmp_path / "there").stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path / "folder")) == ["new.tsr", "there.tsr"]


def test_saving_over_the_file_that_is_mapped(target: Path) -> None:
    """An array can be saved onto the very file that it is mapped from."""
    tsr.save(target, LARGE)
    mapped = tsr.load(target)
    tsr.save(target, mapped[::-1])
    assert (tsr.load(target) == LARGE[::-1]).all()
    assert (mapped == LARGE).all()


@pytest.mark.parametrize("durable", [None, True, False])
@pytest.mark.parametrize("before", [None, b"before"])
def test_durable(target: Path, durable: bool | None, before: bytes | None) -> None:
    """Every promise of durability writes the same file."""
    if before is not None:
        target.write_bytes(before)
    tsr.save(target, LARGE, durable=durable)
    assert target.read_bytes() == tsr.dumps(LARGE)


def test_durable_syncs_file_then_directory(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`durable=True` syncs the file before it gets its name, and the directory after."""
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def watch_fsync(descriptor: int) -> None:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        calls.append("sync directory" if is_directory else "sync file")
        fsync(descriptor)

    def watch_replace(source: str, destination: str) -> None:
        calls.append("replace")
        replace(source, destination)

    monkeypatch.setattr(os, "fsync", watch_fsync)
    monkeypatch.setattr(os, "replace", watch_replace)
    tsr.save(target, X, durable=True)
    assert calls == ["sync file", "replace", "sync directory"]
    calls.clear()
    tsr.save(target, X)
    assert calls == ["replace"]
    monkeypatch.chdir(target.parent)
    tsr.save("y.tsr", X, durable=True)


@pytest.mark.parametrize("step", ["write", "fsync", "close", "replace", "fchmod"])
def test_errors_leave_what_was_there(
    target: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure at any step leaves the old file, no temporary one, and an error with its path."""
    target.write_bytes(b"before")
    real_close = os.close

    def fail(*arguments: Any) -> None:
        if step == "close":
            real_close(*arguments)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    descriptors = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(OSError, match="No space left") as caught:
            tsr.save(target, X, durable=True)
    assert caught.value.filename == str(target)
    assert target.read_bytes() == b"before"
    assert os.listdir(target.parent) == ["x.tsr"]
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_full_disk() -> None:
    """A device without room is an OSError, whoever finds out."""
    with pytest.raises(OSError, match="No space left"):
        tsr.save("/dev/full", LARGE)


def test_size_limits(target: Path) -> None:
    """A file that the system does not allow is an error, and nothing of it is left."""
    code = (
        "import resource, signal, sys, numpy, tsr\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, -1))\n"
        "for durable in (None, False):\n"
        "    try: tsr.save(sys.argv[1], numpy.zeros(50_000, 'f4'), durable=durable)\n"
        "    except OSError as error: print(error.errno, error.filename)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, target], capture_output=True, check=True)
    assert done.stdout.decode().splitlines() == [f"{errno.EFBIG} {target}"] * 2
    assert os.listdir(target.parent) == []


@pytest.mark.parametrize(
    ("path", "error"),
    [
        pytest.param("missing/x.tsr", FileNotFoundError, id="no-directory"),
        pytest.param("file/x.tsr", NotADirectoryError, id="below-a-file"),
        pytest.param("folder", IsADirectoryError, id="a-directory"),
        pytest.param("loop", OSError, id="link-loop"),
    ],
)
def test_targets_that_cannot_be(tmp_path: Path, path: str, error: type[OSError]) -> None:
    """A target that cannot be written is the system's error, with the path as it was given."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(error) as caught:
        tsr.save(tmp_path / path, X)
    assert caught.value.filename == str(tmp_path / path)


def test_fifos_and_devices_are_written_to(tmp_path: Path) -> None:
    """What cannot be replaced by a file is written to as it is."""
    os.mkfifo(tmp_path / "fifo")
    thread = threading.Thread(target=lambda: tsr.save(tmp_path / "fifo", LARGE, durable=True))
    thread.start()
    assert (tmp_path / "fifo").read_bytes() == tsr.dumps(LARGE)
    thread.join()
    tsr.save("/dev/null", X)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert os.listdir(tmp_path) == ["fifo"]


@pytest.mark.parametrize("length", [250, 255])
def test_long_names(tmp_path: Path, length: int) -> None:
    """The longest name that a file can have needs no room for a temporary one."""
    path = tmp_path / ("n" * length)
    tsr.save(path, X)
    assert tsr.load(path).tobytes() == X.tobytes()
    assert os.listdir(tmp_path) == [path.name]
    with pytest.raises(OSError, match="File name too long"):
        tsr.save(tmp_path / ("n" * 256), X)


def test_names_that_are_taken(target: Path) -> None:
    """A temporary file that a killed process left is stepped over."""
    with AtomicFile(str(target)) as file:
        taken = file.path
    process, number = taken.removesuffix(".tmp").rsplit("-", 1)
    left = [Path(f"{process}-{int(number) + step}.tmp") for step in (1, 2)]
    for path in left:
        path.write_bytes(b"left")
    tsr.save(target, X)
    assert tsr.load(target).tobytes() == X.tobytes()
    assert [path.read_bytes() for path in left] == [b"left"] * 2


def test_killed_in_mid_write(target: Path) -> None:
    """A writer that is killed leaves the old file whole."""
    tsr.save(target, X)
    code = (
        "import sys, numpy, tsr\n"
        "x = numpy.zeros((1 << 26,), 'f4')\n"
        "print(flush=True)\n"
        "while True: tsr.save(sys.argv[1], x[:1 << 25] if tsr.read_header(sys.argv[1]).size "
        "== 1 << 26 else x)\n"
    )
    for delay in (0.0, 0.01, 0.03, 0.08):
        process = subprocess.Popen([sys.executable, "-c", code, target], stdout=subprocess.PIPE)
        with process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        assert tsr.validate(target) == []
        assert tsr.read_header(target).size in (6, 1 << 25, 1 << 26)
        for path in target.parent.glob("*.tmp"):
            path.unlink()


def test_forked_writers_do_not_meet(target: Path) -> None:
    """Processes forked from one another write the same path at once."""
    children = []
    for value in range(4):
        child = os.fork()
        if child == 0:
            try:
                for _ in range(50):
                    tsr.save(target, np.full(3000, value, np.int32))
            finally:
                os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert tsr.load(target)[0] in range(4)
    assert os.listdir(target.parent) == ["x.tsr"]


def test_raw_streams_that_take_little(target: Path) -> None:
    """A raw stream that takes a few bytes at a time gets them all."""

    class Sip(io.RawIOBase):
        data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.data += bytes(data[:7])
            return len(data[:7])

    sink = Sip()
    tsr.save(sink, X)
    assert sink.data == tsr.dumps(X)


def test_streams_that_cannot_take() -> None:
    """A full pipe that would block and a text file are errors, not lost bytes."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with open(reading, "rb"), open(writing, "wb", buffering=0) as file, \
            pytest.raises(BlockingIOError):  # fmt: skip
        tsr.save(file, LARGE)
    with pytest.raises(tsr.UnsupportedError, match="opened in binary mode"):
        tsr.save(io.StringIO(), X)
    with pytest.raises(tsr.UnsupportedError, match="expected a path or a binary file"):
        tsr.save(7, X)  # type: ignore[arg-type] # that it is refused is the test


def test_partial_writes(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system call that takes less than it was given is called again."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, memoryview(data)[:1000]))
    tsr.save(target, LARGE)
    assert target.read_bytes() == tsr.dumps(LARGE)


@pytest.mark.parametrize(
    ("buffer", "message"),
    [
        pytest.param(bytearray(87), "got 87 bytes, expected at least 88", id="small"),
        pytest.param(bytes(88), "read-only", id="bytes"),
        pytest.param(memoryview(bytes(88)), "read-only", id="read-only"),
        pytest.param(np.zeros((88, 2), np.uint8)[:, 0], "contiguous", id="gaps"),
        pytest.param(None, "contiguous", id="none"),
    ],
)
def test_dumps_into_refuses(buffer: Any, message: str) -> None:
    """A buffer that is too small, read-only or has gaps is refused untouched."""
    with pytest.raises(tsr.UnsupportedError, match=message):
        tsr.dumps_into(buffer, X)


@pytest.mark.parametrize("offset", [0, 4, 30, 64, 100])
def test_dumps_into_where_the_array_lies(offset: int) -> None:
    """The buffer may hold the array that is written into it."""
    memory = np.zeros(200, np.uint8)
    array = np.ndarray((2, 3), np.float32, memory.data, offset)
    array[...] = X
    tsr.dumps_into(memory, array)
    assert tsr.loads(memory[:88]).tobytes() == X.tobytes()


def test_blocks_bound_the_memory(target: Path) -> None:
    """Saving a strided or byte-swapped array takes blocks, not a second array."""
    code = (
        "import resource, sys, numpy, tsr\n"
        "x = numpy.zeros((4096, 16384), 'i4')\n"  # 256 MiB, untouched pages
        "tsr.save(sys.argv[1], x[:8])\n"
        "def anonymous():\n"
        "    lines = open('/proc/self/status').read().split()\n"
        "    return int(lines[lines.index('VmPeak:') + 1]) >> 10\n"
        "before = anonymous()\n"
        "tsr.save(sys.argv[1], x.T)\n"
        "tsr.save(sys.argv[1], x.view('>i4'))\n"
        "print(anonymous() - before)\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, target],
                          capture_output=True, check=True)  # fmt: skip
    assert int(done.stdout) < 100


def test_writers_that_take_little() -> None:
    """Whatever says how much it took gets the rest, whatever its class."""

    class Sip:
        data = b""

        def write(self, data: Any) -> int:
            self.data += bytes(data[:1000])
            return len(data[:1000])

    class Silent:
        data = b""

        def write(self, data: Any) -> None:
            self.data += bytes(data)

    for sink in (Sip(), Silent()):
        tsr.save(sink, LARGE)
        assert sink.data == tsr.dumps(LARGE)


def test_unbuffered_temporary_files_past_a_limit(target: Path) -> None:
    """A file object that took only a part is an error, not a short file."""
    code = (
        "import resource, signal, sys, tempfile, numpy, tsr\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: tsr.save(tempfile.NamedTemporaryFile(buffering=0), numpy.ones(50_000, 'f4'))\n"
        "except OSError as error: print(error.errno)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.split() == [str(errno.EFBIG).encode()]


def test_messages_of_system_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the system reads as if the target itself had been written."""
    path = tmp_path / "missing" / "x.tsr"
    with pytest.raises(FileNotFoundError) as caught:
        tsr.save(path, X)
    assert str(caught.value) == f"[Errno 2] No such file or directory: '{path}'"
    monkeypatch.setattr(os, "replace", lambda a, b: os.rename(a, b"/proc/self/none"))
    with pytest.raises(OSError, match=r"^\[Errno \d+\]") as caught_later:
        tsr.save(tmp_path / "x.tsr", X)
    assert "None" not in str(caught_later.value)


def test_standard_output_that_is_a_pipe() -> None:
    """The links of /dev to a pipe are written to, though no other path leads there."""
    code = "import numpy, tsr; tsr.save('/dev/stdout', numpy.float32(2))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == tsr.dumps(np.float32(2))


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(type("Broken", (), {"__array__": lambda self: 1 / 0})(), id="raises"),
        pytest.param(type("No", (), {"__array__": lambda self, *a, **k: 7})(), id="no-array"),
        pytest.param(type("Bad", (), {"__array_interface__": {"shape": 3}})(), id="interface"),
    ],
)
def test_objects_whose_conversion_fails(array: Any) -> None:
    """An object that promises an array and gives none is the caller's error."""
    with pytest.raises(tsr.UnsupportedError, match="gives no array"):
        tsr.dumps(array)
