"""`tsr.open`: one reader for both formats, from whatever gives bytes."""

from __future__ import annotations

import gc
import io
import mmap
import os
import pickle
import resource
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

import tsr
from tests.containers import ENTRY, HEADER, entry_at, patched, resealed
from tsr import compression, contents, tensor_file
from tsr.contents import read_layout
from tsr.source import SMALL_FILE
from tsr.validation import FINDINGS_MAX

X = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
ARRAYS: list[NDArray[Any]] = [
    X,
    np.array([1.5, np.inf, -0.0], np.float16).reshape(1, 1, 1, 3),
    np.arange(-60, 60, dtype=np.int8).reshape(2, 3, 4, 5),
    np.array([7], np.int32).reshape(1, 1, 1, 1),
]
MODES: tuple[Literal["r", "c"] | None, ...] = ("r", "c", None)
LARGE: list[NDArray[Any]] = [
    np.arange(SMALL_FILE // 4, dtype=np.int32).reshape(1, 1, 1, -1) * (i + 1) for i in range(3)
]


def same(found: Any, expected: Any) -> bool:
    """Compare dtype, shape and bytes of each array."""
    return [(a.dtype, a.shape, a.tobytes()) for a in found] == [
        (np.dtype(a.dtype), a.shape, a.tobytes()) for a in expected
    ]


@pytest.fixture(params=["raw", "zlib"])
def compress(request: pytest.FixtureRequest) -> bool:
    """Both modes of a TSR4 file."""
    return bool(request.param == "zlib")


@pytest.mark.parametrize(
    "arrays", [pytest.param(ARRAYS, id="small"), pytest.param(LARGE, id="large")]
)
def test_a_sequence(target: Path, arrays: list[NDArray[Any]], compress: bool) -> None:
    """A file is the sequence of its tensors: length, index, slice, iteration."""
    tsr.save(target, arrays, format="tsr4", compress=compress)
    with tsr.open(target) as file:
        assert len(file) == len(arrays)
        assert same(file, arrays)
        assert same(file[:], arrays)
        assert same(file[::-1], arrays[::-1])
        assert same(file[1:2], arrays[1:2])
        assert file[5:] == []
        assert same([file[-1], file[np.int64(0)]], [arrays[-1], arrays[0]])
        assert same(reversed(file), arrays[::-1])
        for index in (len(arrays), -len(arrays) - 1):
            with pytest.raises(IndexError, match=f"tensor {index} of a file with"):
                _ = file[index]
        for wrong in ("0", 1.0, None):
            with pytest.raises(TypeError):
                _ = file[wrong]  # type: ignore[call-overload]


def test_infos(target: Path, compress: bool) -> None:
    """The directory says where each tensor lies, and its checksum."""
    tsr.save(target, ARRAYS, format="tsr4", compress=compress)
    data = target.read_bytes()
    with tsr.open(target) as file:
        assert (file.format, file.compressed, file.path) == ("TSR4", compress, str(target))
        assert len(file.infos) == len(ARRAYS)
        for info, array in zip(file.infos, ARRAYS, strict=True):
            stored = data[info.offset : info.offset + info.stored_nbytes]
            assert (info.dtype, info.shape, info.nbytes) == (array.dtype, array.shape, array.nbytes)
            assert (info.ndim, info.size, info.itemsize) == (4, array.size, array.itemsize)
            assert (zlib.decompress(stored) if compress else stored) == array.tobytes()
            assert info.crc32 == zlib.crc32(array.tobytes())
        assert repr(file) == f"<TensorFile {str(target)!r}, TSR4, 4 tensors>"
        assert f"crc32=0x{zlib.crc32(X.tobytes()):08x}" in repr(file.infos[0])
        assert repr(file.infos[0]).startswith("TensorInfo(dtype=float32, shape=(1, 1, 2, 3), off")


@pytest.mark.parametrize(
    "array", [X[0, 0], np.zeros((2, 0), np.int8), np.array(7, np.int32), LARGE[0]]
)
def test_v1(target: Path, array: NDArray[Any]) -> None:
    """A TSR v1 file is a sequence of one array, of its own rank."""
    tsr.save(target, array)
    with tsr.open(target) as file:
        assert same(file, [array])
        assert (file.format, file.compressed, len(file)) == ("TSR v1", False, 1)
        (info,) = file.infos
        assert (info.shape, info.offset, info.nbytes, info.crc32) == (
            array.shape,
            64,
            array.nbytes,
            None,
        )
        assert "crc32=None" in repr(info)
        assert not file[0].flags.writeable


# ------------------------------------------------------------------ where bytes come from


def pour(sink: IO[bytes], data: bytes) -> None:
    """Write all of `data` and close."""
    with sink:
        sink.write(data)


class Dribble(io.RawIOBase):
    """A stream without a descriptor that gives a few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._rest = data

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), 7, len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


@pytest.mark.parametrize(
    "arrays", [pytest.param(ARRAYS, id="small"), pytest.param(LARGE, id="large")]
)
def test_every_source(target: Path, arrays: list[NDArray[Any]], compress: bool) -> None:
    """Paths, buffers, plain files from anywhere in them, streams and pipes give the same."""
    tsr.save(target, arrays, format="tsr4", compress=compress)
    data = target.read_bytes()
    assert same(tsr.open(target), arrays)
    assert same(tsr.open(str(target)), arrays)
    assert same(tsr.open(os.fsencode(target).decode()), arrays)
    for buffer in (data, bytearray(data), memoryview(data), np.frombuffer(data, np.uint8)):
        assert same(tsr.open(buffer), arrays)
    target.write_bytes(b"before" + data + b"after")
    with open(target, "rb") as stream:
        stream.seek(6)
        file = tsr.open(stream, strict=False)
        assert stream.read() == b"after"
    assert same(file, arrays)
    assert same(tsr.open(io.BytesIO(data)), arrays)
    if arrays is ARRAYS:
        assert same(tsr.open(Dribble(data)), arrays)
    read, write = os.pipe()
    with os.fdopen(write, "wb") as sink, os.fdopen(read, "rb") as pipe:
        thread = threading.Thread(target=pour, args=(sink, data))
        thread.start()
        assert same(tsr.open(pipe), arrays)
        thread.join()


def test_streams_are_left_behind_the_file() -> None:
    """Of files one after another in a stream, each is read by itself."""
    data = (
        tsr.dumps(ARRAYS, format="tsr4")
        + tsr.dumps(X)
        + tsr.dumps([X], format="tsr4", compress=True)
    )
    stream = io.BytesIO(data)
    assert same(tsr.open(stream, strict=False), ARRAYS)
    assert same(tsr.open(stream, strict=False), [X])
    assert same(tsr.open(stream), [X])
    assert stream.read() == b""


@pytest.mark.parametrize(
    "arrays", [pytest.param(ARRAYS, id="small"), pytest.param(LARGE, id="large")]
)
def test_arrays_outlive_the_file(target: Path, arrays: list[NDArray[Any]], compress: bool) -> None:
    """What was taken out stays when the file is closed, replaced and forgotten."""
    tsr.save(target, arrays, format="tsr4", compress=compress)
    with tsr.open(target) as file:
        taken = file[:]
    del file
    gc.collect()
    tsr.save(target, [X], format="tsr4")
    assert same(taken, arrays)


def test_closed(target: Path) -> None:
    """A closed file says so, and can be closed again."""
    tsr.save(target, ARRAYS, format="tsr4")
    file = tsr.open(target)
    assert not file.closed
    file.close()
    file.close()
    assert file.closed
    assert repr(file) == "<TensorFile, closed>"
    for use in (
        lambda: file[0],
        lambda: len(file),
        lambda: file.infos,
        file.__enter__,
        lambda: list(file),
    ):
        with pytest.raises(tsr.ClosedFileError, match="closed"):
            use()
    assert isinstance(pickle.loads(pickle.dumps(tsr.ClosedFileError("x"))), ValueError)


@pytest.mark.parametrize(
    "arrays", [pytest.param(ARRAYS, id="small"), pytest.param(LARGE, id="large")]
)
def test_no_descriptor_is_left(target: Path, arrays: list[NDArray[Any]]) -> None:
    """When arrays and file are gone, so are mapping and descriptor, after errors too."""
    tsr.save(target, arrays, format="tsr4")
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    file = tsr.open(target)
    taken = file[:]
    del file, taken
    target.write_bytes(target.read_bytes()[:-1])
    with pytest.raises(tsr.FormatError):
        tsr.open(target)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


# ------------------------------------------------------------------ options


@pytest.mark.parametrize(
    "arrays", [pytest.param(ARRAYS, id="small"), pytest.param(LARGE, id="large")]
)
@pytest.mark.parametrize("as_buffer", [False, True])
def test_mmap_mode(
    target: Path, arrays: list[NDArray[Any]], compress: bool, as_buffer: bool
) -> None:
    """Read-only, copy-on-write or private: no change ever reaches the source."""
    tsr.save(target, arrays, format="tsr4", compress=compress)
    data = target.read_bytes()
    source: Any = bytearray(data) if as_buffer else target
    for mode in MODES:
        file = tsr.open(source, mmap_mode=mode)
        array = file[0]
        assert array.flags.writeable == (mode != "r")
        if mode is not None:
            assert np.shares_memory(array, file[0]) != compress
        if mode != "r":
            array[...] = 99
            assert array.flat[-1] == 99
            assert same([file[1]], [arrays[1]])
    assert target.read_bytes() == data
    assert not as_buffer or source == data
    with pytest.raises(tsr.UnsupportedError, match=r"'r\+'.*break the checksums"):
        tsr.open(source, mmap_mode="r+")  # type: ignore[arg-type]
    with pytest.raises(tsr.UnsupportedError, match="mmap_mode: got 'x', expected"):
        tsr.open(source, mmap_mode="x")  # type: ignore[arg-type]


def test_verify(compress: bool) -> None:
    """A wrong checksum is found at first use; `verify=False` never looks."""
    data = patched(
        tsr.dumps(ARRAYS, format="tsr4", compress=compress), entry_at(2) + 60, b"\1\2\3\4"
    )
    file = tsr.open(data)
    assert same(file[:2], ARRAYS[:2])
    for _ in range(2):
        with pytest.raises(
            tsr.FormatError, match=r"entries\[2\].data_crc32 at offset 316"
        ) as caught:
            _ = file[2]
        assert (caught.value.clause, caught.value.found) == ("T4-CRC-2", "0x04030201")
    with pytest.raises(tsr.FormatError, match="T4-CRC-2"):
        _ = file[:]
    assert same(file[3:], ARRAYS[3:])
    assert same(tsr.open(data, verify=False), ARRAYS)


def test_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checksum of a tensor is computed at its first use only, and never without `verify`."""
    sizes: list[int] = []

    def counted(data: Any, value: int = 0) -> int:
        sizes.append(len(data))
        return compression.crc32(data, value)

    monkeypatch.setattr("tsr.contents.crc32", counted)
    monkeypatch.setattr(tensor_file, "crc32", counted)
    for packed in (False, True):
        data = tsr.dumps(ARRAYS, format="tsr4", compress=packed)
        sizes.clear()
        file = tsr.open(data)
        assert not sizes
        for _ in range(3):
            _ = file[2]
        assert sizes == [ARRAYS[2].nbytes]
        sizes.clear()
        _ = tsr.open(data, verify=False)[:]
        assert not sizes


def test_padding() -> None:
    """Padding that is not 0 is found where it borders on what is used; lenient reading lets it."""
    data = tsr.dumps(ARRAYS, format="tsr4")
    first, second = (info.offset for info in tsr.open(data).infos[:2])
    behind = patched(data, first + X.nbytes, b"\5")
    with pytest.raises(
        tsr.FormatError, match=rf"padding at offset {first + X.nbytes}: got 5, expected 0"
    ):
        _ = tsr.open(behind)[0]
    assert same([tsr.open(behind)[1]], [ARRAYS[1]])
    ahead = patched(tsr.dumps([X] * 3, format="tsr4"), HEADER + 3 * ENTRY, b"\5")
    with pytest.raises(tsr.FormatError, match="T4-PADDING-1"):
        tsr.open(ahead)
    for broken in (behind, ahead, patched(data, second - 1, b"\1")):
        assert tsr.open(broken, strict=False)[:]
        assert tsr.open(broken, verify=False)[:]


def test_lenient(target: Path) -> None:
    """Bytes after the end are left alone when asked so."""
    data = tsr.dumps(ARRAYS, format="tsr4")
    target.write_bytes(data + b"xyz")
    with pytest.raises(tsr.FormatError, match="3 more bytes"):
        tsr.open(target)
    assert same(tsr.open(target, strict=False), ARRAYS)


# ------------------------------------------------------------------ load


@pytest.mark.parametrize("array", [X, LARGE[0], ARRAYS[1]])
def test_load_of_a_single_tensor(target: Path, array: NDArray[Any], compress: bool) -> None:
    """`load` and `loads` give the only tensor of a file, in every mode and into given memory."""
    tsr.save(target, [array], format="tsr4", compress=compress)
    data = target.read_bytes()
    for mode in MODES:
        loaded = tsr.load(target, mmap_mode=mode)
        assert same([loaded], [array])
        assert loaded.flags.writeable == (mode != "r")
        assert same([tsr.load(data, mmap_mode=mode)], [array])
    with open(target, "rb") as stream:
        assert same([tsr.load(stream)], [array])
        assert stream.read() == b""
    assert same([tsr.load(io.BytesIO(data))], [array])
    assert same([tsr.load(io.BufferedReader(Dribble(data)))], [array])
    out = np.zeros(array.shape, array.dtype)
    assert tsr.load(target, out=out) is out
    assert same([out], [array])
    raw = bytearray(array.nbytes)
    assert same([tsr.load(target, out=raw)], [array])
    assert raw == array.tobytes()
    with pytest.raises(tsr.UnsupportedError, match="out: got float64"):
        tsr.load(target, out=np.zeros(array.shape))
    assert same([tsr.loads(data)], [array])
    assert not tsr.loads(data).flags.writeable or compress
    assert tsr.loads(bytearray(data)).flags.writeable
    with pytest.raises(tsr.UnsupportedError, match="break the checksums"):
        tsr.load(target, mmap_mode="r+")


def test_load_of_several(target: Path) -> None:
    """Where there are more tensors than one, `load` names what gives them."""
    tsr.save(target, ARRAYS, format="tsr4")
    with open(target, "rb") as stream:
        for source in (target, target.read_bytes(), stream):
            with pytest.raises(
                tsr.UnsupportedError, match=r"4 tensors, expected one; tsr.open\(...\)"
            ):
                tsr.load(source)
    with pytest.raises(tsr.UnsupportedError, match="4 tensors"):
        tsr.loads(target.read_bytes())


@pytest.mark.parametrize("size", [4, 20, 63, 100, 127, 200, 383])
def test_cut_files_are_tsr4(target: Path, size: int) -> None:
    """What begins with TSR4 is judged as TSR4, however short, by every way of reading."""
    data = tsr.dumps(ARRAYS, format="tsr4")[:size]
    target.write_bytes(data)
    for attempt in (
        lambda: tsr.open(target),
        lambda: tsr.load(target),
        lambda: tsr.loads(data),
        lambda: tsr.load(io.BytesIO(data)),
        lambda: tsr.open(io.BytesIO(data)),
    ):
        with pytest.raises(tsr.FormatError) as caught:
            attempt()
        assert caught.value.clause == ("T4-SIZE-1" if size < 128 else "T4-DIRECTORY-2")
        assert str(caught.value).removeprefix(f"{target}: ") == str(tsr.validate(data)[0])


@pytest.mark.parametrize("function", [tsr.read_header, tsr.open_memmap])
def test_what_only_takes_v1(target: Path, function: Any) -> None:
    """What is for one format says which function takes the other."""
    tsr.save(target, [X], format="tsr4")
    with pytest.raises(tsr.FormatError, match=r"a TSR4 file, which tsr.open reads.*V1-MAGIC-1"):
        function(target)


# ------------------------------------------------------------------ what it costs


def bomb(count: int, size: int = 1 << 24) -> bytes:
    """Make a file of tensors of 16 bytes whose payloads inflate to `size` bytes each."""
    data = bytearray(tsr.dumps([np.zeros(16, np.int8)] * count, format="tsr4", compress=True))
    payload = zlib.compress(bytes(size), 9)
    start = HEADER + ENTRY * count
    for index in range(count):
        at = entry_at(index)
        data[at + 44 : at + 52] = (start + index * len(payload)).to_bytes(8, "little")
        data[at + 52 : at + 60] = len(payload).to_bytes(8, "little")
    return bytes(data[:start]) + payload * count


@pytest.mark.parametrize("count", [1, 500])
def test_bombs(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what inflates to more than it should, one byte too many is inflated and no more."""
    data = bomb(count)
    inflated = 0

    class Counting:
        def __init__(self) -> None:
            self._decoder = zlib.decompressobj()

        def decompress(self, data: Any, limit: int) -> bytes:
            nonlocal inflated
            chunk = self._decoder.decompress(data, limit)
            inflated += len(chunk)
            return chunk

        def __getattr__(self, name: str) -> Any:
            return getattr(self._decoder, name)

    monkeypatch.setattr(compression._fast, "decompressobj", Counting)
    file = tsr.open(data)
    with pytest.raises(tsr.FormatError, match=r"payload\[0\].*got one that gives more.*T4-ZLIB-2"):
        _ = file[0]
    assert inflated == 17
    inflated = 0
    findings = tsr.validate(data)
    assert [finding.clause for finding in findings] == ["T4-ZLIB-2"] * count
    assert inflated == 17 * count


def test_claims_that_cannot_be_true() -> None:
    """Nothing is allocated for elements that no stream of that size can give."""
    data = bytearray(tsr.dumps([np.zeros(64, np.int8)], format="tsr4", compress=True))
    shape = (2**31 - 1, 2**20, 1, 1)
    at = entry_at(0)
    data[at + 4 : at + 20] = b"".join(dim.to_bytes(4, "little") for dim in shape)
    for offset in (20, 36):
        data[at + offset : at + offset + 8] = (shape[0] * shape[1]).to_bytes(8, "little")
    file = tsr.open(data)
    assert file.infos[0].nbytes == shape[0] * shape[1]
    with pytest.raises(tsr.FormatError, match=r"got one of 64 bytes.*T4-ZLIB-2"):
        _ = file[0]
    assert [finding.clause for finding in tsr.validate(data)] == ["T4-ZLIB-2"]


MEASURE = """
import sys, tsr, tsr.tensor_file

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

before = resident()
file = tsr.open(sys.argv[1])
opened = resident()
total = int(file[len(file) // 2].sum())
print(len(file), total, opened - before, resident() - opened)
"""


def test_only_what_is_used_is_touched(target: Path) -> None:
    """Opening touches the directory, using a tensor that tensor: by the resident set."""
    block = np.ones((1, 1, 512, 1024), np.int8)
    with tsr.create(target, count=256) as file:
        for _ in range(256):
            file.add(block)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, target], capture_output=True, text=True, check=True
    )
    count, total, opened, used = map(int, done.stdout.split())
    assert (count, total) == (256, block.nbytes)
    assert opened < 1 << 21  # of 128 MiB
    assert used < block.nbytes + (1 << 21)


def test_plain_file_objects_are_mapped(target: Path) -> None:
    """A large file behind a file object is mapped, wherever the object stands; others are read."""
    data = tsr.dumps(LARGE, format="tsr4")
    target.write_bytes(b"before" + data)
    with open(target, "rb") as stream:
        stream.seek(6)
        assert isinstance(tsr.open(stream)[0].base, mmap.mmap)
    assert not isinstance(tsr.open(io.BytesIO(data))[0].base, mmap.mmap)


@pytest.mark.parametrize("arrays", [ARRAYS, LARGE], ids=["small", "large"])
def test_files_that_shrink(
    target: Path, arrays: list[NDArray[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that loses bytes between the look at its size and the reading is refused."""
    data = tsr.dumps(arrays, format="tsr4")
    for name in ("open_regular", "_size_left"):
        original = getattr(contents, name)

        def shrink(*arguments: Any, original: Any = original) -> Any:
            result = original(*arguments)
            os.truncate(target, len(data) - 1)
            return result

        with monkeypatch.context() as patch, open(target, "wb+") as stream:
            stream.write(data)
            stream.seek(0)
            patch.setattr(contents, name, shrink)
            with pytest.raises(tsr.FormatError, match=r"its size changed.*FILE-2"):
                tsr.open(target if name == "open_regular" else stream)


@pytest.mark.parametrize("packed", [False, True])
def test_a_private_copy_survives_a_cut(target: Path, packed: bool) -> None:
    """With `mmap_mode=None`, and into given memory, a file may be cut right after it was opened."""
    code = """if True:
        import os, sys, numpy, tsr
        file = tsr.open(sys.argv[1], mmap_mode=None)
        os.truncate(sys.argv[1], 10)
        assert [int(array[0, 0, 0, 5]) for array in file] == [5, 10, 15]
    """
    tsr.save(target, LARGE, format="tsr4", compress=packed)
    subprocess.run([sys.executable, "-c", code, target], check=True)


def directory_of_zeros(count: int) -> bytes:
    """Make a header under which a directory of so many entries belongs."""
    data = bytearray(tsr.dumps([X], format="tsr4")[:HEADER])
    data[16:20] = count.to_bytes(4, "little")
    data[32:40] = (-(-(HEADER + ENTRY * count) // 256) * 256).to_bytes(8, "little")
    return resealed(bytes(data))


class Zeros:
    """A stream of a header and zeros without an end, which counts what was taken."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self.given = 0

    def read(self, size: int) -> bytes:
        """Give what is left of the header, then zeros."""
        piece = (self._head[self.given :] + bytes(size))[:size]
        self.given += size
        return piece


@pytest.mark.parametrize("count", [10**6, 2**32 - 1])
def test_a_broken_directory_costs_its_first_entries(target: Path, count: int) -> None:
    """Of millions of entries, no more is read than up to the first that is wrong, or held."""
    head = directory_of_zeros(count)
    functions: list[Callable[[Zeros], Any]] = [tsr.open, tsr.load, lambda s: read_layout(s, True)]
    for function in functions:
        stream = Zeros(head)
        with pytest.raises(tsr.FormatError, match=r"entries\[0\].shape\[0\]"):
            function(stream)
        assert stream.given < 1 << 18
    stream = Zeros(head)
    assert tsr.validate(stream)[0].field == "entries[0].shape[0]"
    assert stream.given < 1 << 18
    with open(target, "wb") as file:
        file.write(head)
        file.truncate(HEADER + ENTRY * min(count, 10**6))
    if count == 10**6:
        with pytest.raises(tsr.FormatError, match=r"entries\[0\].shape\[0\]"):
            tsr.open(target)
        assert len(tsr.validate(target)) == FINDINGS_MAX


def test_a_lie_that_no_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no room for what a payload claims to give, the lie is what is reported."""

    def full(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(np, "empty", full)
    data = tsr.dumps([X], format="tsr4", compress=True)
    with pytest.raises(MemoryError):
        _ = tsr.open(data)[0]
    lying = data[:-6] + b"\xff" * 6
    with pytest.raises(tsr.FormatError, match="T4-ZLIB"):
        _ = tsr.open(lying)[0]


def test_a_file_object_behind_its_end(target: Path) -> None:
    """Where nothing is left of a file, it is too short, as by every other way."""
    target.write_bytes(tsr.dumps([X], format="tsr4"))
    with open(target, "rb") as stream:
        stream.seek(5000)
        with pytest.raises(tsr.FormatError, match="got 0 bytes, expected at least"):
            tsr.open(stream)


def test_threads_give_the_same(target: Path) -> None:
    """Many threads that use one file get the same arrays."""
    arrays = [np.full((1, 1, 1, 1000), i, np.int32) for i in range(50)]
    tsr.save(target, arrays, format="tsr4", compress=True)
    file = tsr.open(target)
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(file[:])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all(same(result, arrays) for result in results)


def test_slices_use_threads(monkeypatch: pytest.MonkeyPatch, compress: bool) -> None:
    """A slice of much data is checked and inflated by several threads, in order."""
    monkeypatch.setattr(tensor_file, "_PARALLEL_BYTES", 1)
    monkeypatch.setattr(tensor_file, "thread_count", lambda tasks: min(tasks, 4))
    arrays = [np.full((1, 1, 1, 5000), i, np.int32) for i in range(40)]
    data = tsr.dumps(arrays, format="tsr4", compress=compress)
    assert same(tsr.open(data)[:], arrays)
    broken = patched(data, entry_at(20) + 60, b"\0\0\0\0")
    with pytest.raises(tsr.FormatError, match=r"entries\[20\]"):
        _ = tsr.open(broken)[:]


def test_endless_streams_end(target: Path) -> None:
    """Of a stream, no more is read than the file takes, and one byte."""
    data = tsr.dumps(ARRAYS, format="tsr4")

    class Endless:
        given = 0

        def read(self, size: int = -1) -> bytes:
            piece = (data + bytes(1 << 16))[self.given : self.given + size]
            self.given += len(piece)
            return piece

    stream = Endless()
    with pytest.raises(tsr.FormatError, match="1 more byte"):
        tsr.open(stream)
    assert stream.given == len(data) + 1


def test_a_stream_that_lies_costs_what_it_gives() -> None:
    """A directory or payload that a stream claims and does not give is not allocated."""
    header = bytearray(tsr.dumps([X], format="tsr4")[:HEADER])
    header[16:20] = (2**32 - 1).to_bytes(4, "little")
    start = -(-(HEADER + ENTRY * (2**32 - 1)) // 256) * 256
    header[32:40] = start.to_bytes(8, "little")
    header[40:44] = bytes(4)
    header[40:44] = zlib.crc32(header).to_bytes(4, "little")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for source in (bytes(header), io.BytesIO(header)):
        with pytest.raises(tsr.FormatError, match="directory at offset 128: got 0 bytes"):
            tsr.open(source)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 16  # KiB
