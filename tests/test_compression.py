"""zlib streams inflated with suspicion and deflated in blocks, and checksums."""

from __future__ import annotations

import gzip
import os
import threading
import zlib
from types import ModuleType

import pytest

from tsr import compression
from tsr.compression import STREAM_START, StreamError, adler32, crc32, deflate, inflate
from tsr.threads import in_order, thread_count

DATA = bytes(range(256)) * 40
STREAM = zlib.compress(DATA, 6)


@pytest.fixture(params=["fast", "zlib"], autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """With the libraries of the extra `fast`, and with Python's own."""
    if request.param == "zlib":
        monkeypatch.setattr(compression, "_fast", zlib)
        monkeypatch.setattr(compression, "_deflater", lambda: zlib)
        return zlib
    assert compression._fast.__name__ == "zlib_ng.zlib_ng"
    assert compression._deflater().__name__ == "isal.isal_zlib"
    fast: ModuleType = compression._fast
    return fast


@pytest.mark.parametrize("data", [b"", b"\0", DATA, bytes(100_000)])
def test_checksums(data: bytes) -> None:
    """Checksums are zlib's, at once and continued."""
    assert crc32(data) == zlib.crc32(data)
    assert adler32(data) == zlib.adler32(data)
    middle = len(data) // 3
    assert crc32(data[middle:], crc32(data[:middle])) == zlib.crc32(data)
    assert adler32(data[middle:], adler32(data[:middle])) == zlib.adler32(data)


@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("wbits", [9, 15])
@pytest.mark.parametrize("size", [0, 1, 5000, 3 << 20])
def test_inflates_every_stream_of_zlib(level: int, wbits: int, size: int) -> None:
    """Any level and window gives the bytes, at most 1 MiB at once."""
    data = (DATA * (size // len(DATA) + 1))[:size]
    encoder = zlib.compressobj(level, zlib.DEFLATED, wbits)
    stream = encoder.compress(data) + encoder.flush()
    chunks = list(inflate(memoryview(stream), size))
    assert b"".join(chunks) == data
    assert max(map(len, chunks)) <= 1 << 20


GZIP = gzip.compress(DATA)
RAW = zlib.compressobj(6, zlib.DEFLATED, -15)
RAW_STREAM = RAW.compress(DATA) + RAW.flush()
WITH_DICTIONARY = zlib.compressobj(6, zlib.DEFLATED, 15, zdict=b"\0\1\2\3\4\5\6\7")
DICTIONARY_STREAM = WITH_DICTIONARY.compress(DATA) + WITH_DICTIONARY.flush()
# A dynamic block that has no code for the lengths of its codes, and bits where these would be.
CODELESS = b"\x78\x9c\x05" + bytes(35)


@pytest.mark.parametrize(
    ("stream", "clause"),
    [
        pytest.param(GZIP, "T4-ZLIB-1", id="gzip"),
        pytest.param(RAW_STREAM, "T4-ZLIB-1", id="raw-deflate"),
        pytest.param(DICTIONARY_STREAM, "T4-ZLIB-1", id="dictionary"),
        pytest.param(DICTIONARY_STREAM[:2], "T4-ZLIB-1", id="dictionary-alone"),
        pytest.param(DICTIONARY_STREAM[:5], "T4-ZLIB-1", id="dictionary-cut"),
        pytest.param(STREAM[:-1] + b"\0", "T4-ZLIB-1", id="adler"),
        pytest.param(b"\x78\x9d" + STREAM[2:], "T4-ZLIB-1", id="header-check"),
        pytest.param(b"\x88\x1c" + STREAM[2:], "T4-ZLIB-1", id="window-64-KiB"),
        pytest.param(b"\x78\x9c\x07" + STREAM[3:], "T4-ZLIB-1", id="block-type-3"),
        pytest.param(CODELESS, "T4-ZLIB-1", id="codeless"),
        pytest.param(CODELESS[:-1], "T4-ZLIB-3", id="codeless-cut"),
        pytest.param(b"", "T4-ZLIB-3", id="empty"),
        pytest.param(STREAM[:1], "T4-ZLIB-3", id="one-byte"),
        pytest.param(STREAM[:-1], "T4-ZLIB-3", id="cut-checksum"),
        pytest.param(STREAM[:40], "T4-ZLIB-3", id="cut"),
        pytest.param(STREAM + b"\0", "T4-ZLIB-3", id="followed"),
        pytest.param(STREAM + bytes(200_000), "T4-ZLIB-3", id="followed-by-much"),
        pytest.param(STREAM + STREAM, "T4-ZLIB-3", id="two-streams"),
        pytest.param(zlib.compress(DATA[:-1]), "T4-ZLIB-2", id="short"),
        pytest.param(zlib.compress(DATA + b"\0"), "T4-ZLIB-2", id="long"),
        pytest.param(zlib.compress(bytes(1 << 24)), "T4-ZLIB-2", id="bomb"),
        pytest.param(zlib.compress(DATA[:-1]) + b"x", "T4-ZLIB-2", id="short-and-followed"),
        pytest.param(zlib.compress(DATA + b"\0")[:-4], "T4-ZLIB-2", id="long-and-cut"),
    ],
)
def test_refused_streams(stream: bytes, clause: str) -> None:
    """The first fault in the order of the stream is the one that is named."""
    given: list[bytes] = []
    with pytest.raises(StreamError) as caught:
        given.extend(inflate(memoryview(stream), len(DATA)))
    assert caught.value.clause == clause
    assert sum(map(len, given)) <= len(DATA)


def test_every_cut_and_flip() -> None:
    """No cut of a stream passes, and no flip of a bit but in what zlib ignores."""
    data = DATA[:600]
    stream = zlib.compress(data, 1)
    for size in range(len(stream)):
        with pytest.raises(StreamError) as caught:
            list(inflate(memoryview(stream[:size]), len(data)))
        assert caught.value.clause == "T4-ZLIB-3"
    for bit in range(len(stream) * 8):
        flipped = bytearray(stream)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            found = b"".join(inflate(memoryview(flipped), len(data)))
        except StreamError:
            continue
        assert found == data


@pytest.mark.parametrize("size", [1, 100, 70_000])
def test_deflated_blocks_are_one_stream(size: int) -> None:
    """Blocks that were deflated apart make a stream for zlib."""
    blocks = [DATA[start : start + size] for start in range(0, len(DATA), size)]
    last = len(blocks) - 1
    pieces = [b"".join(deflate(block, i == last)) for i, block in enumerate(blocks)]
    stream = STREAM_START + b"".join(pieces) + zlib.adler32(DATA).to_bytes(4, "big")
    assert zlib.decompress(stream) == DATA


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_in_order(workers: int) -> None:
    """Results come in order, and arguments are not taken long before."""
    taken = 0

    def arguments() -> object:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    for done, result in enumerate(in_order(str, arguments(), workers)):  # type: ignore[arg-type]
        assert result == str(done)
        assert taken <= done + 1 + (2 * workers + 1 if workers > 1 else 0)


def test_an_error_stops_the_threads() -> None:
    """What a thread raises comes out in its turn, and no thread is left."""
    before = threading.active_count()
    results = in_order(lambda number: 1 // (number - 3), range(100), 3)
    assert [next(results) for _ in range(3)] == [-1, -1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert threading.active_count() == before
    unfinished = in_order(str, range(100), 3)
    next(unfinished)
    unfinished.close()
    assert threading.active_count() == before


def test_thread_count() -> None:
    """One thread a task, as far as there are CPUs for this process, and 16 at most."""
    assert thread_count(1) == 1
    assert thread_count(1000) == min(len(os.sched_getaffinity(0)), 16)
