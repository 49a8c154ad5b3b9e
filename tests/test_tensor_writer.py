"""TSR4 files written: all at once, one tensor at a time, and what an error leaves."""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
import threading
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import tsr
from tests.strategies import payload_of
from tsr import assembly, deferred, payload, tensor_writer
from tsr.assembly import prepare

X = np.arange(6, dtype=np.float32).reshape(2, 3)
ARRAYS: list[NDArray[Any]] = [
    X,
    np.arange(100, dtype=np.int32)[::-3],
    np.asfortranarray(np.arange(24, dtype=np.float16).reshape(2, 3, 4)),
    np.array(-5, np.int8),
    np.arange(7, dtype=">i4"),
    np.broadcast_to(np.float32(1.5), (3, 2)),
]


@pytest.fixture(params=["raw", "zlib"])
def compress(request: pytest.FixtureRequest) -> bool:
    """Both modes of a TSR4 file."""
    return bool(request.param == "zlib")


def files_in(folder: Path) -> list[str]:
    """List what a folder holds."""
    return sorted(os.listdir(folder))


def check(data: Any, arrays: list[NDArray[Any]]) -> None:
    """Check that a file holds these arrays and breaks no rule."""
    assert tsr.validate(data) == []
    for found, array in zip(tsr.open(data), arrays, strict=True):
        assert found.shape == (1,) * (4 - array.ndim) + array.shape
        assert found.tobytes() == payload_of(array)
        assert found.dtype == array.dtype.newbyteorder("<")


def fail_within(writer: tsr.TensorWriter) -> None:
    """Have an exception in the middle of a file."""
    try:
        with writer as file:
            file.add(X)
            raise KeyError
    except KeyError:
        assert writer.closed


# ------------------------------------------------------------------ all at once


@pytest.mark.parametrize("small", [0, 1 << 20])
@pytest.mark.parametrize("block", [1, 50, 1 << 21])
def test_every_way_writes_the_same(
    target: Path, compress: bool, small: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path, a file object, a pipe, `dumps` and `create` give the same bytes."""
    monkeypatch.setattr(tensor_writer, "_SMALL_BYTES", small)
    monkeypatch.setattr(tensor_writer, "_JOIN_BYTES", block)
    monkeypatch.setattr(payload, "BLOCK_BYTES", block)
    monkeypatch.setattr(assembly, "_PARALLEL_BYTES", small)
    data = tsr.dumps(ARRAYS, format="tsr4", compress=compress)
    check(data, ARRAYS)
    for given in (ARRAYS, tuple(ARRAYS), iter(ARRAYS)):
        tsr.save(target, given, format="tsr4", compress=compress)
        assert target.read_bytes() == data
    for durable in (True, False):
        tsr.save(target, ARRAYS, format="tsr4", compress=compress, durable=durable)
        assert target.read_bytes() == data
    stream = io.BytesIO(b"before")
    stream.seek(6)
    tsr.save(stream, ARRAYS, format="tsr4", compress=compress)
    assert stream.getvalue() == b"before" + data
    for count in (None, 1, 6, 100):
        with tsr.create(target, compress=compress, count=count) as file:
            for number, array in enumerate(ARRAYS):
                assert file.count == number
                file.add(array)
        assert target.read_bytes() == data


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7, 40])
def test_layout_of_a_raw_file(count: int) -> None:
    """Directory, padding and payloads lie where the format says, and nothing else does."""
    arrays = [np.full(i + 1, i, np.int8) for i in range(count)]
    data = tsr.dumps(arrays, format="tsr4")
    position = -(-(128 + 64 * count) // 256) * 256
    assert not any(data[128 + 64 * count : position])
    for array in arrays:
        padding = -position % 256
        assert not any(data[position : position + padding])
        position += padding
        assert data[position : position + array.size] == array.tobytes()
        position += array.size
    assert position == len(data)


@pytest.mark.parametrize(
    ("dtype", "shape", "stride"),
    [
        ("float32", (1, 2, 3, 4), 256),
        ("float32", (1, 7, 7, 64), 1792),
        ("int32", (64,), 256),
        ("int32", (65,), 512),
        ("float16", (64,), 128),
        ("float16", (5, 13), 256),
        ("int8", (2, 3, 4, 5), 128),
        ("int8", (129,), 256),
    ],
)
def test_row_stride(dtype: str, shape: tuple[int, ...], stride: int) -> None:
    """Rows are said to be padded as the original pads them in memory."""
    assert tsr.open(tsr.dumps(np.zeros(shape, dtype), format="tsr4")).infos[0].row_stride == stride


def test_one_array_is_one_tensor(target: Path) -> None:
    """An array, a tensor of torch or another buffer is a tensor, not an iterable of its rows."""
    for single in (X, torch.from_numpy(X), X.data, np.ma.array(X).data):
        tsr.save(target, single, format="tsr4")
        check(target, [X])
    assert tsr.dumps(X, format="tsr4") == target.read_bytes()


def test_torch(target: Path) -> None:
    """Tensors of torch, several or one, go the same way."""
    tensors = [torch.from_numpy(X), torch.arange(5, dtype=torch.float16).flip(0)]
    expected = [tensor.numpy() for tensor in tensors]
    for given in (tensors, tuple(tensors), iter(tensors)):
        tsr.torch.save(target, given, format="tsr4")
        check(target, expected)
    check(tsr.torch.dumps(tensors, format="tsr4", compress=True), expected)
    assert torch.equal(
        tsr.torch.loads(tsr.torch.dumps(tensors[1], format="tsr4"))[0, 0, 0], tensors[1]
    )
    tsr.torch.save(target, tensors[1], format="tsr4")
    assert tsr.torch.load(target).dtype == torch.float16
    doubles = [
        torch.tensor([1.0, 2.0], dtype=torch.float64),
        torch.tensor([3.0], dtype=torch.bfloat16),
    ]
    tsr.torch.save(target, doubles, format="tsr4", cast="float16")
    check(target, [np.array([1, 2], np.float16), np.array([3], np.float16)])
    with pytest.raises(tsr.UnsupportedError, match="no place for names"):
        tsr.torch.save(target, {"a": tensors[0]}, format="tsr4")  # type: ignore[dict-item]
    with pytest.raises(tsr.UnsupportedError, match=r"expected torch\.Tensor"):
        tsr.torch.save(target, tensors)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        pytest.param([], "got no tensor", id="none"),
        pytest.param(iter(()), "got no tensor", id="none-lazily"),
        pytest.param([X, np.zeros((2, 0), np.float32)], r"\(2, 0\).*format='v1' holds", id="zero"),
        pytest.param([np.zeros((1,) * 5, np.int8)], "got 5 dimensions", id="rank-5"),
        pytest.param([X.astype(np.float64)], "one of float32, float16, int8, int32", id="float64"),
        pytest.param([X, [1, 2]], "got list, expected an array", id="a-list"),
        pytest.param([X, None], "got NoneType", id="none-in-list"),
        pytest.param({"a": X}, "mapping.*no place for names", id="names"),
        pytest.param(5, "got int", id="number"),
        pytest.param(b"bytes", "got bytes", id="bytes"),
        pytest.param("text", "got str", id="text"),
        pytest.param(np.ma.array(X), "masked", id="masked"),
    ],
)  # fmt: skip
def test_refused(target: Path, arrays: Any, message: str, compress: bool) -> None:
    """What has no encoding is refused, with the reason, and what stood there stays."""
    target.write_bytes(b"old")
    with pytest.raises(tsr.UnsupportedError, match=message):
        tsr.save(target, arrays, format="tsr4", compress=compress)
    assert target.read_bytes() == b"old"
    assert files_in(target.parent) == [target.name]
    if not isinstance(arrays, Iterator):
        with pytest.raises(tsr.UnsupportedError, match=message):
            tsr.dumps(arrays, format="tsr4", compress=compress)
        stream = io.BytesIO()
        with pytest.raises(tsr.UnsupportedError, match=message):
            tsr.save(stream, arrays, format="tsr4", compress=compress)
        assert stream.getvalue() == b""


def test_options_that_make_no_sense(target: Path) -> None:
    """Formats that do not exist, and options that go with another one."""
    for attempt, message in (
        (lambda: tsr.save(target, X, format="v2"), "format: got 'v2', expected 'v1' or 'tsr4'"),  # type: ignore[arg-type]
        (lambda: tsr.dumps(X, format="TSR4"), "format: got 'TSR4'"),  # type: ignore[arg-type]
        (lambda: tsr.save(target, X, compress=True), "compress.*only 'tsr4' takes"),
        (lambda: tsr.create(target, format="v1"), "format: got 'v1', expected 'tsr4'"),  # type: ignore[arg-type]
        (lambda: tsr.create(5), "target: got int"),  # type: ignore[arg-type]
        (lambda: tsr.save(5, X, format="tsr4"), "target: got int"),  # type: ignore[arg-type]
        (lambda: tsr.save(target, [X]), "got list.*format='tsr4' takes several"),
    ):
        with pytest.raises(tsr.UnsupportedError, match=message):
            attempt()
    for count in (0, -1, 1.5, "3", 2**32, 2**62):
        with pytest.raises(tsr.UnsupportedError, match=f"count: got {count!r}, expected 1 to"):
            tsr.create(target, count=count)  # type: ignore[arg-type]
    assert files_in(target.parent) == []


def test_cast(target: Path, compress: bool) -> None:
    """`cast` converts every tensor, and refuses to change a value unless it may."""
    tsr.save(
        target, [X.astype(np.float64), X > 2], format="tsr4", cast="float16", compress=compress
    )
    check(target, [X.astype(np.float16), (X > 2).astype(np.float16)])
    with pytest.raises(tsr.UnsupportedError, match=r"70000.* at index \(1,\)"):
        tsr.save(target, [np.array([1, 70000])], format="tsr4", cast="float16", compress=compress)
    tsr.save(
        target, [np.array([1, 70000])], format="tsr4", cast="float16", lossy=True, compress=compress
    )
    check(target, [np.array([1, np.inf], np.float16)])


@pytest.mark.parametrize("number", [np.iinfo(np.int64).min, np.iinfo(np.int32).min, -70000, 70000])
def test_integers_that_overflow_float16(number: int) -> None:
    """An infinity is no integer, even where the way back would saturate to the same one."""
    with pytest.raises(tsr.UnsupportedError, match="would change a value"):
        tsr.dumps(np.array([number]), format="tsr4", cast="float16")


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "int32"])
def test_compressed_streams_are_zlibs(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many blocks a payload is compressed in, it is one stream that zlib reads."""
    array = np.random.default_rng(0).integers(0, 9, (3, 5, 70, 11)).astype(dtype)
    monkeypatch.setattr(assembly, "_PARALLEL_BYTES", 0)
    for block in (1 << 9, 1 << 12, 1 << 21):
        monkeypatch.setattr(payload, "BLOCK_BYTES", block)
        data = tsr.dumps([array, array], format="tsr4", compress=True)
        for info in tsr.open(data).infos:
            stream = data[info.offset : info.offset + info.stored_nbytes]
            decoder = zlib.decompressobj()
            assert decoder.decompress(stream) == array.tobytes()
            assert decoder.eof
            assert decoder.unused_data == b""
            assert info.stored_nbytes < info.nbytes


def test_the_same_without_the_fast_libraries() -> None:
    """Without the extra `fast`, zlib reads and writes the same files."""
    code = """if True:
        import sys
        sys.modules["zlib_ng"] = sys.modules["isal"] = None
        import numpy, tsr, tsr.compression, zlib
        assert tsr.compression._fast is tsr.compression._deflater() is zlib
        given = sys.stdin.buffer.read()
        arrays = tsr.open(given)[:]
        sys.stdout.buffer.write(tsr.dumps(arrays, format="tsr4", compress=True))
    """
    for packed in (False, True):
        data = tsr.dumps(ARRAYS, format="tsr4", compress=packed)
        done = subprocess.run(
            [sys.executable, "-c", code], input=data, capture_output=True, check=True
        )
        check(done.stdout, [np.asarray(a).reshape((1,) * (4 - a.ndim) + a.shape) for a in ARRAYS])


# ------------------------------------------------------------------ one at a time


def test_appears_when_closed(target: Path, compress: bool) -> None:
    """The file has its name only once it is complete."""
    with tsr.create(target, compress=compress) as file:
        file.add(X)
        assert not target.exists()
        assert not file.closed
    assert file.closed
    check(target, [X])
    file.close()
    file.discard()
    for use in (lambda: file.add(X), file.__enter__):
        with pytest.raises(tsr.ClosedFileError, match="closed"):
            use()
    check(target, [X])
    assert files_in(target.parent) == [target.name]


def test_without_a_with_block(target: Path) -> None:
    """`close` completes a file, `discard` gives it up."""
    file = tsr.create(target)
    file.add(X)
    file.close()
    check(target, [X])
    other = tsr.create(target)
    other.add(X)
    other.discard()
    assert other.closed
    check(target, [X])
    assert files_in(target.parent) == [target.name]


def test_an_error_leaves_what_was_there(target: Path, compress: bool) -> None:
    """An exception in the block, no tensor at all, or no close: the old file stays."""
    target.write_bytes(b"old")
    fail_within(tsr.create(target, compress=compress))
    with pytest.raises(tsr.UnsupportedError, match="no tensor"), tsr.create(target) as file:
        pass
    file = tsr.create(target, compress=compress)
    file.add(X)
    message = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warnings, "warn", lambda *given, **_: message.append(given))
        del file
        gc.collect()
    assert message == [("a TSR4 file was never closed: nothing is written", ResourceWarning)]
    assert target.read_bytes() == b"old"
    assert files_in(target.parent) == [target.name]


def test_what_is_refused_is_left_out(target: Path, compress: bool) -> None:
    """A tensor that cannot be written leaves the file as it was, however far it had come."""
    half_bad = np.zeros((8, 1 << 18))
    half_bad[-1, -1] = 0.1
    with tsr.create(target, compress=compress) as file:
        file.add(X)
        for bad in ("text", np.zeros(0, np.int8)):
            with pytest.raises(tsr.UnsupportedError):
                file.add(bad)  # type: ignore[arg-type]
        with pytest.raises(tsr.UnsupportedError, match="would change a value"):
            file.add(half_bad, cast="float32")
        assert file.count == 1
        file.add(X[::-1])
    check(target, [X, X[::-1]])
    assert target.read_bytes() == tsr.dumps([X, X[::-1]], format="tsr4", compress=compress)
    with tsr.create(target) as file:
        file.add(X)
        with pytest.raises(tsr.UnsupportedError, match="would change a value"):
            file.add(half_bad, cast="float32")
    check(target, [X])


@pytest.mark.parametrize("spool", [10, 1 << 26])
def test_to_what_cannot_be_gone_back_in(
    target: Path, compress: bool, spool: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams, FIFOs and pipes get the file from its first byte to its last, or nothing."""
    monkeypatch.setattr(deferred, "_SPOOL_BYTES", spool)
    monkeypatch.setattr(tensor_writer, "_SMALL_BYTES", 0)
    stream = io.BytesIO()
    fail_within(tsr.create(stream, compress=compress))
    assert stream.getvalue() == b""
    os.mkfifo(target)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(target.read_bytes()))
    reader.start()
    with tsr.create(target, compress=compress) as file:
        for array in ARRAYS:
            file.add(array)
    reader.join()
    assert received == [tsr.dumps(ARRAYS, format="tsr4", compress=compress)]
    assert target.is_fifo()
    with pytest.raises(tsr.UnsupportedError, match="binary mode"):
        tsr.save(io.StringIO(), ARRAYS, format="tsr4")


def test_a_full_disk(compress: bool) -> None:
    """What finds no room is an error of the system."""
    with pytest.raises(OSError, match="No space left"):
        tsr.save("/dev/full", ARRAYS, format="tsr4", compress=compress)
    with pytest.raises(OSError, match="No space left"), tsr.create("/dev/full") as file:
        file.add(X)


def test_replaces_links_and_keeps_modes(target: Path) -> None:
    """A symbolic link is followed, and mode bits stay, as for `save` of one array."""
    real = target.with_name("real.tsr")
    real.write_bytes(b"old")
    real.chmod(0o640)
    target.symlink_to(real)
    with tsr.create(target, durable=True) as file:
        file.add(X)
    assert target.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    check(real, [X])


STREAM = """
import sys, numpy, tsr
block = numpy.arange(1 << 20, dtype=numpy.int32)  # 4 MiB
with tsr.create(sys.argv[1], compress=sys.argv[2] == "zlib") as file:
    for _ in range(100):
        file.add(block)
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


def test_memory_stays_bounded(target: Path, compress: bool) -> None:
    """A file of 400 MiB is written with less than 100 MiB resident."""
    mode = "zlib" if compress else "raw"
    done = subprocess.run(
        [sys.executable, "-c", STREAM, target, mode], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 100 << 10
    with tsr.open(target) as file:
        assert len(file) == 100
        assert file.infos[99].nbytes == 4 << 20
        assert int(file[99].sum(dtype=np.int64)) == (1 << 20) * ((1 << 20) - 1) // 2
    target.unlink()


def test_killed_writers_leave_the_old_file(target: Path) -> None:
    """A writer that is killed in the middle leaves what was there."""
    target.write_bytes(b"old")
    code = """if True:
        import os, signal, sys, numpy, tsr
        file = tsr.create(sys.argv[1])
        file.add(numpy.zeros(1 << 16, numpy.int32))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", code, target], check=False)
    assert done.returncode == -9
    assert target.read_bytes() == b"old"


FAIL = """if True:
    import resource, signal, sys, numpy, tsr
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    arrays = [numpy.full(1000, i, numpy.int32) for i in range(5)]
    with tsr.create(sys.argv[1], compress=sys.argv[2] == "zlib", count=4) as file:
        for array in arrays[:3]:
            file.add(array)
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, limit[1]))
        try:
            file.add(arrays[3])
        except OSError as error:
            print(error.filename == sys.argv[1], file.count)
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        file.add(arrays[4])
"""


def test_going_on_after_a_failed_write(target: Path, compress: bool) -> None:
    """What the system did not take is not in the file, and what comes after it is."""
    mode = "zlib" if compress else "raw"
    done = subprocess.run(
        [sys.executable, "-c", FAIL, target, mode], capture_output=True, check=True
    )
    assert done.stdout == b"True 3\n"
    check(target, [np.full(1000, i, np.int32) for i in (0, 1, 2, 4)])


def test_a_refused_list_counts_for_nothing(target: Path, compress: bool) -> None:
    """Of tensors that are added together, all are in the file or none is."""
    good, bad = (prepare(array, "float32", False) for array in (X, np.array([0.1])))
    with tsr.create(target, compress=compress) as file:
        file.add(X)
        with pytest.raises(tsr.UnsupportedError, match="would change a value"):
            file.add_prepared([good, bad])
        assert file.count == 1
        file.add(X[::-1])
    check(target, [X, X[::-1]])


def test_generators_may_use_their_memory_again(target: Path, compress: bool) -> None:
    """What an iterable gives counts as it is when it is given."""

    def counting() -> Iterator[NDArray[Any]]:
        buffer = np.zeros(5, np.float32)
        for number in range(3):
            buffer[:] = number
            yield buffer

    expected = [np.full(5, number, np.float32) for number in range(3)]
    check(tsr.dumps(counting(), format="tsr4", compress=compress), expected)
    tsr.save(target, counting(), format="tsr4", compress=compress)
    check(target, expected)


def test_errors_say_which_array() -> None:
    """Of several arrays, the error names the one that has no encoding."""
    with pytest.raises(tsr.UnsupportedError, match=r"arrays\[2\]: dtype: got float64") as caught:
        tsr.dumps([X, X, X.astype(float)], format="tsr4")
    assert caught.value.given == np.dtype(float)
    with pytest.raises(tsr.UnsupportedError, match=r"^dtype: got float64"):
        tsr.dumps([X.astype(float)], format="tsr4")


def test_a_forked_child_leaves_the_file_to_its_parent(target: Path) -> None:
    """A child that ends takes nothing from the parent's unfinished file."""
    code = """if True:
        import os, sys, warnings, numpy, tsr
        warnings.simplefilter("ignore")
        file = tsr.create(sys.argv[1])
        file.add(numpy.arange(5, dtype=numpy.int8))
        child = os.fork()
        if not child:
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        file.close()
    """
    subprocess.run([sys.executable, "-c", code, target], check=True)
    check(target, [np.arange(5, dtype=np.int8)])


@pytest.mark.parametrize("how", ["thread", "atexit"])
def test_saving_when_the_interpreter_ends(target: Path, how: str) -> None:
    """Files are written, compressed ones too, when no thread can be started any more."""
    code = """if True:
        import atexit, sys, threading, time, numpy, tsr
        arrays = [numpy.arange(1 << 20, dtype=numpy.int32) + i for i in range(3)]
        def work():
            if sys.argv[2] == "thread":
                threading.main_thread().join()
            tsr.save(sys.argv[1], arrays, format="tsr4", compress=True)
            assert len(tsr.open(sys.argv[1])[:]) == 3
            assert not tsr.validate(sys.argv[1])
        if sys.argv[2] == "thread":
            threading.Thread(target=work).start()
        else:
            atexit.register(work)
    """
    done = subprocess.run(
        [sys.executable, "-c", code, target, how], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert len(tsr.open(target)) == 3


def test_a_file_that_is_cut_while_it_is_written(target: Path) -> None:
    """Who cuts the temporary file under the writer gets an error, and no file."""
    file = tsr.create(target)
    for number in range(4):  # so many that they have to be moved
        file.add(np.full(1 << 20, number, np.int8))
    (temporary,) = (name for name in files_in(target.parent) if name.endswith(".tmp"))
    os.truncate(target.with_name(temporary), 1000)
    with pytest.raises(OSError, match="Input/output error"):
        file.close()
    assert files_in(target.parent) == []
