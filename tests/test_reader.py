"""Reading: every kind of source, every mode, and what a reader refuses to open."""

from __future__ import annotations

import array as stdlib_array
import gc
import gzip
import io
import mmap
import os
import pathlib
import pickle
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import zipfile
from multiprocessing import shared_memory
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsr
from tsr.source import SMALL_FILE

SMALL = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
LARGE = np.arange(SMALL_FILE // 4 + 5, dtype=np.int32)
BOTH = [pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large")]


def saved(path: Path, array: Any) -> Path:
    """Write a file without the code under test."""
    code = {"f4": 1, "i1": 2, "i4": 3}[array.dtype.str[1:]]
    dims = (1,) * (4 - array.ndim) + array.shape
    fields = np.array([1, 64, 0, code, array.ndim, *dims], "<i4").tobytes()
    tail = np.array([array.size, 0, 0], "<i8").tobytes()
    path.write_bytes(b"TSR!" + fields + tail + array.tobytes())
    return path


def same(a: Any, b: Any) -> bool:
    """Compare dtype, shape and bytes."""
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


@pytest.mark.parametrize("array", BOTH)
@pytest.mark.parametrize("kind", [str, pathlib.Path, lambda p: pathlib.PurePosixPath(p)])
def test_paths(target: Path, array: Any, kind: Any) -> None:
    """A str or any PathLike opens the file."""
    assert same(tsr.load(kind(saved(target, array))), array)


@pytest.mark.parametrize("array", BOTH)
def test_bytes_paths(target: Path, array: Any) -> None:
    """A PathLike of bytes opens the file, also one whose name is not UTF-8."""

    class BytesPath:
        def __fspath__(self) -> bytes:
            return os.fsencode(target.parent) + b"/\xff.tsr"

    saved(target, array).rename(os.fsdecode(BytesPath().__fspath__()))
    assert same(tsr.load(BytesPath()), array)
    assert tsr.read_header(BytesPath()).shape == array.shape


def test_relative_paths(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapping knows its file by an absolute path, as np.memmap does."""
    monkeypatch.chdir(saved(target, LARGE).parent)
    mapped: Any = tsr.load("x.tsr")
    assert mapped.filename == str(target)


def test_small_files_are_read(target: Path) -> None:
    """A small file gives a plain read-only array that holds no descriptor."""
    loaded = tsr.load(saved(target, SMALL))
    assert type(loaded) is np.ndarray
    assert not loaded.flags.writeable
    assert loaded.flags.aligned


def test_large_files_are_mapped(target: Path) -> None:
    """A large file gives an np.memmap as numpy would make it, without reading the payload."""
    loaded = tsr.load(saved(target, LARGE))
    reference = np.memmap(str(target), "<i4", "r", 64, LARGE.shape)
    assert type(loaded) is np.memmap
    assert not loaded.flags.writeable
    for name in ("mode", "offset", "filename", "shape", "dtype", "strides"):
        assert getattr(loaded, name) == getattr(reference, name)
    loaded.flush()
    assert isinstance(loaded[3:5], np.memmap)


@pytest.mark.parametrize("array", BOTH)
def test_mode_none_is_a_private_copy(target: Path, array: Any) -> None:
    """`mmap_mode=None` gives writable memory that has nothing to do with the file."""
    loaded = tsr.load(saved(target, array), mmap_mode=None)
    assert type(loaded) is np.ndarray
    assert loaded.flags.owndata
    loaded[...] = 0
    assert same(tsr.load(target), array)


@pytest.mark.parametrize("array", BOTH)
def test_mode_c_changes_stay_in_memory(target: Path, array: Any) -> None:
    """`mmap_mode="c"` gives a writable array whose changes do not reach the file."""
    loaded = tsr.load(saved(target, array), mmap_mode="c")
    assert same(loaded, array)
    loaded[...] = 0
    assert not loaded.any()
    assert same(tsr.load(target), array)


@pytest.mark.parametrize("array", BOTH)
def test_mode_r_plus_changes_the_file(target: Path, array: Any) -> None:
    """`mmap_mode="r+"` gives the file itself, small or large."""
    loaded: Any = tsr.load(saved(target, array), mmap_mode="r+")
    loaded[...] = 7
    loaded.flush()
    assert (tsr.load(target) == 7).all()
    assert same(tsr.load(target), np.full_like(array, 7))


def test_unknown_mode(target: Path) -> None:
    """A mode that does not exist is refused with those that do."""
    with pytest.raises(tsr.UnsupportedError, match="got 'w', expected 'r', 'r"):
        tsr.load(saved(target, SMALL), mmap_mode="w")  # type: ignore[arg-type] # the test


@pytest.mark.parametrize("array", BOTH)
@pytest.mark.parametrize("via", ["path", "stream", "buffer", "plain file"])
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda a: np.empty(a.shape, a.dtype), id="contiguous"),
        pytest.param(lambda a: np.empty(a.shape, a.dtype, order="F"), id="fortran"),
        pytest.param(lambda a: np.empty((*a.shape, 2), a.dtype)[..., 0], id="strided"),
        pytest.param(lambda a: np.empty(a.shape, a.dtype.newbyteorder(">")), id="big-endian"),
    ],
)
def test_out_array(target: Path, array: Any, via: str, make: Any) -> None:
    """`out=` fills the caller's array, whatever its strides and byte order, and returns it."""
    out = make(array)
    source: Any = saved(target, array)
    if via == "stream":
        source = io.BytesIO(source.read_bytes())
    elif via == "buffer":
        source = source.read_bytes()
    elif via == "plain file":
        source = source.open("rb")
    assert tsr.load(source, out=out) is out
    assert same(out.astype(array.dtype), array)
    if via == "plain file":
        source.close()


@pytest.mark.parametrize("array", BOTH)
def test_out_buffer(target: Path, array: Any) -> None:
    """`out=` fills any writable buffer of the payload's size and returns an array over it."""
    out = bytearray(array.nbytes)
    loaded = tsr.load(saved(target, array), out=out)
    assert same(loaded, array)
    assert bytes(out) == array.tobytes()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        pytest.param(np.empty((2, 3), "f4"), r"got float32 \(2, 3\), expected float32", id="shape"),
        pytest.param(np.empty((2, 3, 4), "i4"), "got int32", id="dtype"),
        pytest.param(np.broadcast_to(np.float32(0), (2, 3, 4)), "read-only", id="read-only"),
        pytest.param(bytes(96), "read-only", id="bytes"),
        pytest.param(bytearray(95), "got 95 bytes, expected 96", id="size"),
        pytest.param(7, "contiguous buffer", id="no-buffer"),
    ],
)
def test_out_refused(target: Path, out: Any, message: str) -> None:
    """`out=` of another shape, dtype or size, or read-only, is refused."""
    with pytest.raises(tsr.UnsupportedError, match=message):
        tsr.load(saved(target, SMALL), out=out)


BUFFERS = [
    pytest.param(bytes, False, id="bytes"),
    pytest.param(bytearray, True, id="bytearray"),
    pytest.param(memoryview, False, id="memoryview"),
    pytest.param(lambda b: memoryview(bytearray(b)).cast("I"), True, id="memoryview-of-ints"),
    pytest.param(lambda b: np.frombuffer(b, np.uint8), False, id="numpy"),
    pytest.param(lambda b: np.frombuffer(b, np.uint8).reshape(4, -1), False, id="numpy-2d"),
    pytest.param(lambda b: stdlib_array.array("i", b), True, id="array"),
]


@pytest.mark.parametrize(("make", "writable"), BUFFERS)
@pytest.mark.parametrize(
    "array", [pytest.param(SMALL, id="data"), pytest.param(SMALL[:, :0], id="empty")]
)
def test_buffers(make: Any, writable: bool, array: Any) -> None:
    """`loads` shows what any contiguous buffer holds, writable if the buffer is."""
    data = make(tsr.dumps(array))
    loaded = tsr.loads(data)
    assert same(loaded, array)
    assert loaded.flags.writeable == writable
    if array.size:
        assert np.shares_memory(loaded, np.frombuffer(data, np.uint8))
    assert tsr.read_header(data).shape == array.shape
    assert tsr.validate(data) == []
    assert same(tsr.load(data), array)
    assert not tsr.load(data).flags.writeable or writable


def test_mmap_and_shared_memory(target: Path) -> None:
    """An mmap and shared memory are buffers like others."""
    data = saved(target, SMALL).read_bytes()
    with target.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as m:
        loaded = tsr.load(m)
        assert same(loaded, SMALL)
        del loaded
    shared = shared_memory.SharedMemory(create=True, size=len(data))
    assert shared.buf is not None
    try:
        shared.buf[: len(data)] = data
        loaded = tsr.loads(shared.buf[: len(data)])
        assert same(loaded, SMALL)
        del loaded
        gc.collect()
    finally:
        shared.close()
        shared.unlink()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(np.zeros((8, 88), np.uint8)[:, ::2], id="gaps"),
        pytest.param("text", id="str"),
        pytest.param(7, id="int"),
        pytest.param(None, id="none"),
    ],
)
def test_loads_refuses_what_is_no_buffer(data: Any) -> None:
    """`loads` takes contiguous buffers only, and says so."""
    with pytest.raises(tsr.UnsupportedError, match="expected a path, a binary file object or a"):
        tsr.loads(data)


def test_buffer_modes() -> None:
    """`load` of a buffer copies where a private writable array is asked for."""
    data = bytearray(tsr.dumps(SMALL))
    for mode in ("c", None):
        loaded = tsr.load(data, mmap_mode=mode)
        loaded[...] = 0
        assert data == tsr.dumps(SMALL)
    tsr.load(data, mmap_mode="r+")[...] = 0
    assert data == tsr.dumps(SMALL * 0)
    with pytest.raises(tsr.UnsupportedError, match="read-only buffer"):
        tsr.load(bytes(data), mmap_mode="r+")


class Dribble(io.RawIOBase):
    """A stream that is not seekable and gives at most seven bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, view: Any) -> int:
        data = self._data.read(min(7, len(view)))
        view[: len(data)] = data
        return len(data)


class OnlyRead:
    """The least that counts as a file object."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, count: int = -1) -> bytes:
        return self._data.read(min(count, 1000))


def zip_member(data: bytes) -> Any:
    """Wrap the bytes as a compressed zip member, open for reading."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", data)
    return zipfile.ZipFile(memory).open("x")


STREAMS = [
    pytest.param(io.BytesIO, id="BytesIO"),
    pytest.param(Dribble, id="dribble"),
    pytest.param(OnlyRead, id="only-read"),
    pytest.param(lambda b: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(b, 1))), id="gzip"),
    pytest.param(zip_member, id="zip"),
    pytest.param(lambda b: io.BufferedReader(Dribble(b)), id="buffered-dribble"),
]


@pytest.mark.parametrize("make", STREAMS)
@pytest.mark.parametrize("array", [*BOTH, pytest.param(SMALL[:0], id="empty")])
@pytest.mark.parametrize("mode", ["r", "c", None])
def test_streams(make: Any, array: Any, mode: Any) -> None:
    """Any binary file object is read, seekable or not, however little it gives at a time."""
    loaded = tsr.load(make(tsr.dumps(array)), mmap_mode=mode)
    assert same(loaded, array)
    assert loaded.flags.writeable == (mode != "r")
    assert tsr.read_header(make(tsr.dumps(array))).shape == array.shape
    assert tsr.validate(make(tsr.dumps(array))) == []


@pytest.mark.parametrize("make", STREAMS)
def test_streams_that_end_too_soon_or_too_late(make: Any) -> None:
    """A stream must end with the payload."""
    data = tsr.dumps(SMALL)
    for cut, clause in ((0, "V1-SIZE-1"), (63, "V1-SIZE-1"), (100, "V1-PAYLOAD-1")):
        for check in (tsr.load, lambda s: raise_first(tsr.validate(s))):
            with pytest.raises(tsr.FormatError) as caught:
                check(make(data[:cut]))
            assert caught.value.clause == clause
    for check in (tsr.load, lambda s: raise_first(tsr.validate(s))):
        with pytest.raises(tsr.FormatError) as caught:
            check(make(data + b"x"))
        assert caught.value.clause == "V1-PAYLOAD-2"


def raise_first(findings: list[tsr.FormatError]) -> None:
    """Raise the first finding, as `load` would."""
    raise findings[0]


def test_lenient_streams_can_be_read_on() -> None:
    """Without `strict` a stream is left right after the payload."""
    stream = io.BytesIO(tsr.dumps(SMALL) + tsr.dumps(LARGE) + b"end")
    assert same(tsr.load(stream, strict=False), SMALL)
    assert same(tsr.load(stream, strict=False), LARGE)
    assert stream.read() == b"end"


def test_streams_that_lie_cost_nothing() -> None:
    """A stream whose header claims an exabyte is refused without allocating it."""
    lie = tsr.build_header("int8", (2**30, 2**30)) + bytes(100)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    code = (
        "import io, resource, sys, tsr; tsr.load, tsr.dumps\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, -1))\n"
        "data = sys.stdin.buffer.read()\n"
        "for source in (data, io.BytesIO(data)):\n"
        "    try: tsr.load(source)\n"
        "    except tsr.FormatError as error: print(error.clause)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=lie, capture_output=True, check=True)
    assert done.stdout.split() == [b"V1-PAYLOAD-1"] * 2
    assert (soft, hard) == resource.getrlimit(resource.RLIMIT_AS)


def test_plain_file_objects_are_mapped(target: Path) -> None:
    """A file object that shows a plain file from its start is mapped, and left at its end."""
    with saved(target, LARGE).open("rb") as file:
        loaded = tsr.load(file)
        assert isinstance(loaded, np.memmap)
        assert file.tell() == LARGE.nbytes + 64
        assert file.read() == b""
    assert same(loaded, LARGE)


def test_plain_file_objects_from_where_they_stand(target: Path) -> None:
    """A file object is read from where it stands, however it is buffered."""
    target.write_bytes(b"head" + tsr.dumps(LARGE))
    for buffering in (0, -1):
        with target.open("rb", buffering=buffering) as file:
            assert file.read(4) == b"head"
            assert same(tsr.load(file), LARGE)
            file.seek(4)
            assert tsr.read_header(file).shape == LARGE.shape
            file.seek(4)
            assert tsr.validate(file) == []


def test_unflushed_writes_are_seen(target: Path) -> None:
    """What was written to a file object and not flushed yet is read all the same."""
    with target.open("w+b") as file:
        file.write(tsr.dumps(LARGE))
        file.seek(0)
        file.write(b"TSR!")
        file.seek(0)
        assert same(tsr.load(file), LARGE)


def test_compressed_file_objects_are_not_mapped(target: Path) -> None:
    """The descriptor of a GzipFile leads to the compressed bytes: it is not taken for ours."""
    target.write_bytes(gzip.compress(tsr.dumps(LARGE), 1))
    with gzip.open(target) as file:
        assert same(tsr.load(file), LARGE)
    with gzip.open(target) as file, io.BufferedReader(file) as buffered:
        assert same(tsr.load(buffered), LARGE)


def test_text_files_are_refused(target: Path) -> None:
    """A file object opened in text mode is refused with what is expected."""
    with (
        saved(target, SMALL).open(encoding="latin-1") as file,
        pytest.raises(tsr.UnsupportedError, match="opened in binary mode"),
    ):
        tsr.load(file)  # type: ignore[arg-type] # that it is refused is the test


def test_file_objects_cannot_be_changed_in_place(target: Path) -> None:
    """`r+` needs a path."""
    with (
        saved(target, SMALL).open("rb") as file,
        pytest.raises(tsr.UnsupportedError, match="needs a path"),
    ):
        tsr.load(file, mmap_mode="r+")


def test_blocking_streams() -> None:
    """A non-blocking stream with nothing to give is a BlockingIOError, not an endless loop."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with open(reading, "rb", buffering=0) as file, open(writing, "wb", buffering=0) as feed:
        with pytest.raises(BlockingIOError):
            tsr.load(file)
        feed.write(tsr.dumps(SMALL)[:70])
        with pytest.raises(BlockingIOError):
            tsr.load(file)


def test_pipes() -> None:
    """A pipe is a stream: read to its end."""
    reading, writing = os.pipe()
    with open(reading, "rb") as file:

        def feed() -> None:
            with open(writing, "wb") as sink:
                sink.write(tsr.dumps(LARGE))

        thread = threading.Thread(target=feed)
        thread.start()
        assert same(tsr.load(file), LARGE)
        thread.join()


@pytest.mark.parametrize("read", [tsr.load, tsr.read_header, tsr.open_memmap])
def test_irregular_files(tmp_path: Path, read: Any) -> None:
    """A FIFO, a directory, a socket and a device are refused at once, not waited for."""
    os.mkfifo(tmp_path / "fifo")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket"))
    for path, kind in (
        (tmp_path / "fifo", "a FIFO"),
        (tmp_path, "a directory"),
        (tmp_path / "socket", "a socket"),
        (Path("/dev/zero"), "a character device"),
    ):
        with pytest.raises(tsr.FormatError, match=f"got {kind}, expected a regular file") as caught:
            read(path)
        assert caught.value.clause == "FILE-1"
        assert caught.value.path == str(path)
        assert [finding.clause for finding in tsr.validate(path)] == ["FILE-1"]
    server.close()


def test_symbolic_links(target: Path) -> None:
    """A symbolic link is followed."""
    link = target.with_name("link")
    link.symlink_to(saved(target, SMALL))
    assert same(tsr.load(link), SMALL)


@pytest.mark.parametrize("read", [tsr.load, tsr.read_header, tsr.validate, tsr.open_memmap])
def test_missing_files(target: Path, read: Any) -> None:
    """A missing file is the operating system's error, with its path."""
    with pytest.raises(FileNotFoundError) as caught:
        read(target)
    assert caught.value.filename == str(target)


@pytest.mark.parametrize("array", BOTH)
@pytest.mark.parametrize("mode", ["r", "r+", "c", None])
def test_errors_name_the_file(target: Path, array: Any, mode: Any) -> None:
    """What a file breaks is said with its path, whichever way it is read."""
    saved(target, array).write_bytes(target.read_bytes() + b"!")
    with pytest.raises(tsr.FormatError, match="got 1 more byte, expected none") as caught:
        tsr.load(target, mmap_mode=mode)
    assert caught.value.path == str(target)
    assert same(tsr.load(target, mmap_mode=mode, strict=False), array)


def test_a_file_that_changes_while_it_is_read(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that shrinks or grows between its size and its bytes is an error."""
    fstat = os.fstat

    def load_while_it_becomes(new_size: int, mode: Any) -> None:
        def meanwhile(descriptor: int) -> os.stat_result:
            status = fstat(descriptor)
            os.truncate(target, new_size)
            return status

        with monkeypatch.context() as patch:
            patch.setattr(os, "fstat", meanwhile)
            tsr.load(target, mmap_mode=mode)

    for array, mode in ((SMALL, "r"), (SMALL, None), (LARGE, None)):
        for difference in (-1, 1):
            saved(target, array)
            with pytest.raises(tsr.FormatError, match="changed while it was read") as caught:
                load_while_it_becomes(64 + array.nbytes + difference, mode)
            assert caught.value.clause == "FILE-2"


def test_short_reads(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that gives less than it is asked for gives the whole in the end."""
    read = os.read
    saved(target, SMALL)
    monkeypatch.setattr(os, "read", lambda descriptor, count: read(descriptor, min(count, 100)))
    assert same(tsr.load(target), SMALL)


def test_sparse_files(target: Path) -> None:
    """A sparse file of four tebibytes costs what its header says: a mapping."""
    target.write_bytes(tsr.build_header("int8", (2**21, 2**21)))
    os.truncate(target, 64 + 2**42)
    loaded = tsr.load(target)
    assert loaded.shape == (2**21, 2**21)
    assert loaded[-1, -1] == 0
    assert tsr.validate(target) == []


@pytest.mark.parametrize("array", BOTH)
def test_descriptors_are_closed(target: Path, array: Any) -> None:
    """Neither success nor failure leaves a descriptor open once the arrays are gone."""
    before = len(os.listdir("/proc/self/fd"))
    saved(target, array)
    broken = target.with_name("broken")
    broken.write_bytes(target.read_bytes()[:-1])
    for mode in ("r", "r+", "c", None):
        loaded: Any = tsr.load(target, mmap_mode=mode)
        with pytest.raises(tsr.FormatError):
            tsr.load(broken, mmap_mode=mode)
    tsr.read_header(target)
    tsr.validate(broken)
    del loaded
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_threads(target: Path) -> None:
    """Many threads read and write the same path at once, and each sees a whole file."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def write(value: int) -> None:
        while not stop.is_set():
            tsr.save(target, np.full(1000 * value, value, np.int32))

    def read() -> None:
        try:
            for _ in range(300):
                loaded = tsr.load(target)
                assert len(loaded) == 1000 * loaded[0]
                assert (loaded == loaded[0]).all()
        except BaseException as error:
            failures.append(error)

    tsr.save(target, np.full(1000, 1, np.int32))
    writers = [threading.Thread(target=write, args=(value,)) for value in (1, 90)]
    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in writers + readers:
        thread.start()
    for thread in readers:
        thread.join()
    stop.set()
    for thread in writers:
        thread.join()
    assert not failures
    assert os.listdir(target.parent) == ["x.tsr"]


def test_spooled_files() -> None:
    """A temporary file that lives in memory at first is a file object like others."""
    with tempfile.SpooledTemporaryFile() as file:
        tsr.save(file, SMALL)
        file.seek(0)
        assert same(tsr.load(file), SMALL)


@pytest.mark.parametrize("read", [tsr.load, tsr.read_header, tsr.validate])
@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(lambda path: path.open(encoding="utf-8"), id="utf-8"),
        pytest.param(
            lambda path: tempfile.NamedTemporaryFile("w+"),  # noqa: SIM115 - the test closes it
            id="temporary",
        ),
        pytest.param(lambda path: io.StringIO("TSR!"), id="in-memory"),
    ],
)
def test_text_is_refused_before_it_is_decoded(target: Path, read: Any, stream: Any) -> None:
    """A text file is refused by what it is, whatever its bytes would decode to."""
    saved(target, np.full(3, -1, np.int32))
    with stream(target) as file, pytest.raises(tsr.UnsupportedError, match="binary mode"):
        read(file)


@pytest.mark.parametrize("path", ["a\0b", "\ud800"])
@pytest.mark.parametrize(
    "use", [tsr.load, tsr.read_header, tsr.validate, tsr.open_memmap, lambda p: tsr.save(p, SMALL)]
)
def test_text_that_is_no_path(path: str, use: Any) -> None:
    """Text that no file system takes for a path is the caller's error."""
    with pytest.raises(tsr.UnsupportedError, match="path: got"):
        use(path)


@pytest.mark.parametrize("source", [7, None, 1.5, [1], object(), np.zeros(3, "M8[s]")])
@pytest.mark.parametrize(
    "use", [tsr.load, tsr.loads, tsr.read_header, tsr.validate, tsr.parse_header, tsr.open_memmap]
)
def test_what_is_no_source(source: Any, use: Any) -> None:
    """What is neither path nor file object nor buffer is the caller's error, and pickles."""
    with pytest.raises(tsr.UnsupportedError) as caught:
        use(source)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("use", [tsr.loads, tsr.load, lambda b: tsr.dumps_into(b, SMALL)])
def test_memory_that_holds_objects(use: Any) -> None:
    """The bytes of an array of objects are addresses: they are neither read nor overwritten."""
    objects = np.zeros(100, object)
    with pytest.raises(tsr.UnsupportedError, match="references to objects"):
        use(objects)
    assert not objects.any()


def test_empty_out(target: Path) -> None:
    """A payload without bytes fits into an empty buffer."""
    assert tsr.load(saved(target, SMALL[:0]), out=bytearray()).shape == (0, 3, 4)


@pytest.mark.parametrize("mode", [[], "w+", 0])
def test_modes_of_any_kind(target: Path, mode: Any) -> None:
    """What is no mode is refused, hashable or not."""
    with pytest.raises(tsr.UnsupportedError, match="mmap_mode: got"):
        tsr.load(saved(target, SMALL), mmap_mode=mode)


def test_masked_out(target: Path) -> None:
    """A masked array is no plain memory."""
    with pytest.raises(tsr.UnsupportedError, match="masked array"):
        tsr.load(saved(target, SMALL), out=np.ma.zeros(SMALL.shape, np.float32))


def test_files_without_a_name(target: Path) -> None:
    """A mapping of a file object without a name has none either, as numpy's."""
    descriptor = os.open(saved(target, LARGE), os.O_RDONLY)
    with open(descriptor, "rb") as file:
        mapped: Any = tsr.load(file)
    assert mapped.filename is None


def test_a_file_that_is_cut_before_it_is_mapped(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that shrinks between its size and its mapping is an error with its clause."""
    real = mmap.mmap

    def meanwhile(descriptor: int, size: int, **options: Any) -> mmap.mmap:
        os.truncate(target, 100)
        return real(descriptor, size, **options)

    saved(target, LARGE)
    monkeypatch.setattr(mmap, "mmap", meanwhile)
    with pytest.raises(tsr.FormatError, match="got 100 bytes") as caught:
        tsr.load(target)
    assert caught.value.clause == "FILE-2"


def test_validate_stops_at_a_foreign_magic() -> None:
    """A stream that is none of ours is not read to its end, which may never come."""
    with open("/dev/zero", "rb") as endless:
        assert [finding.clause for finding in tsr.validate(endless)] == ["V1-MAGIC-1"]
