"""The library's work on TSR4 written out with os, mmap, struct, numpy and the same compressors.

Each function makes every check that the library makes and has its outcome, but no options and
no messages. Raises `ValueError` for what is no valid file and `TypeError` for what has no
encoding.
"""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from struct import Struct
from typing import Any, NamedTuple

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from tests.bench.by_hand_files import open_regular, replace, write_all
from tsr.source import SMALL_FILE  # so that the same files are mapped

__all__ = [
    "FAST", "PLAIN", "Codec", "Entry", "dumps", "load", "load_all", "loads", "read_directory",
    "save", "save_compressed", "validate",
]  # fmt: skip

Array = NDArray[Any]

HEADER = Struct("<4s2H4I2Q2I80s")
ENTRY = Struct("<B3s4iq4QI")
DTYPES = tuple(map(np.dtype, ("<f4", "<f2", "<i1", "<i4")))
CODES = {dtype: code for code, dtype in enumerate(DTYPES)}
ROWS = (256, 128, 128, 256)

# What a stream of deflate can give at most, for each of its bytes.
RATIO_MAX = 1032

# Up to here the pieces of a file are joined before they are written.
JOINED_BYTES = 1 << 20

MOVED_BYTES = 1 << 21


class Codec(NamedTuple):
    """What compresses and checks, and by how many threads."""

    compress: Callable[..., bytes]
    decompressobj: Callable[[], Any]
    crc32: Callable[..., int]
    error: Any
    threads: int

    def map(self, function: Callable[[Any], Any], arguments: Iterable[Any]) -> Iterator[Any]:
        """Do some work for each argument."""
        if self.threads == 1:
            yield from map(function, arguments)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            yield from pool.map(function, arguments)


# As the library does it, and with what Python brings along.
FAST = Codec(
    isal_zlib.compress, zlib_ng.decompressobj, zlib_ng.crc32, zlib_ng.error,
    threads=len(os.sched_getaffinity(0)),
)  # fmt: skip
PLAIN = Codec(zlib.compress, zlib.decompressobj, zlib.crc32, zlib.error, threads=1)


class Entry(NamedTuple):
    """What the directory says of a tensor."""

    dtype: np.dtype[Any]
    shape: tuple[int, int, int, int]
    offset: int
    nbytes: int
    stored: int
    crc: int


class File(NamedTuple):
    """All of a file."""

    data: Any
    mode: int
    entries: list[Entry]


# ------------------------------------------------------------------ reading


def decode(data: Any) -> File:
    """Check every rule of header and directory."""
    size = len(data)
    if size < 128:
        raise ValueError("cut header")
    head = data[:128]
    (
        magic, major, minor, header_size, mode, count, entry_size, directory, start, checksum,
        reserved_0, reserved_1,
    ) = HEADER.unpack(head)  # fmt: skip
    if magic != b"TSR4" or checksum != FAST.crc32(head[:40] + bytes(4) + head[44:]):
        raise ValueError("magic or checksum")
    if major != 4 or minor != 20 or header_size != 128 or entry_size != 64 or directory != 128:
        raise ValueError("constant")
    if mode > 1 or not count or reserved_0 or any(reserved_1):
        raise ValueError("mode, count or reserved")
    end = 128 + 64 * count
    if size < end or start != (end if mode else -(-end // 256) * 256):
        raise ValueError("directory")
    entries = []
    for code, reserved, n, h, w, c, numel, _, nbytes, offset, stored, crc in ENTRY.iter_unpack(
        data[128:end]
    ):
        if code > 3 or reserved != b"\0\0\0" or n < 1 or h < 1 or w < 1 or c < 1:
            raise ValueError("dtype, reserved or shape")
        dtype = DTYPES[code]
        if numel != n * h * w * c or nbytes != numel * dtype.itemsize or nbytes >= 1 << 63:
            raise ValueError("numel or nbytes")
        if offset != start or not (mode or stored == nbytes):
            raise ValueError("offset or stored size")
        end = offset + stored
        start = end if mode else -(-end // 256) * 256
        entries.append(Entry(dtype, (n, h, w, c), offset, nbytes, stored, crc))
    if size != end:
        raise ValueError("size")
    return File(data, mode, entries)


def read_file(path: str) -> File:
    """Read a small file, map a large one; check header and directory."""
    descriptor, size = open_regular(path)
    try:
        if size > SMALL_FILE:
            return decode(mmap.mmap(descriptor, size, access=mmap.ACCESS_READ))
        data = os.read(descriptor, size + 1)
        if len(data) != size:
            raise ValueError("file changed")
        return decode(data)
    finally:
        os.close(descriptor)


def read_directory(path: str) -> list[Entry]:
    """Open a file for what it says of its tensors."""
    file = read_file(path)
    check_padding(file, -1)
    return file.entries


def load(path: str, index: int, verify: bool = True) -> Array:
    """Show one tensor of an uncompressed file."""
    file = read_file(path)
    if verify:
        check_padding(file, -1)
    return show(file, index, verify)


def load_all(path: str, verify: bool = True, codec: Codec = FAST) -> Iterator[Array]:
    """Show all tensors, or inflate them."""
    return arrays_of(read_file(path), verify, codec)


def loads(data: bytes) -> list[Array]:
    """Show all tensors in bytes, or inflate them."""
    return list(arrays_of(decode(data)))


def validate(path: str) -> None:
    """Check everything."""
    file = read_file(path)
    check_padding(file, -1)
    for index in range(len(file.entries)):
        if file.mode:
            inflate(file, file.entries[index], FAST)
        else:
            check(file, index)


def arrays_of(file: File, verify: bool = True, codec: Codec = FAST) -> Iterator[Array]:
    """Give all tensors of a file."""
    if file.mode:
        yield from codec.map(lambda entry: inflate(file, entry, codec), file.entries)
        return
    if verify:
        check_padding(file, -1)
    for index in range(len(file.entries)):
        yield show(file, index, verify)


def show(file: File, index: int, verify: bool) -> Array:
    """Show an uncompressed tensor where it lies."""
    if verify:
        check(file, index)
    entry = file.entries[index]
    array: Array = np.ndarray(entry.shape, entry.dtype, file.data, entry.offset)
    return array


def check(file: File, index: int) -> None:
    """Check a tensor's checksum, and the padding behind it."""
    entry = file.entries[index]
    payload = memoryview(file.data)[entry.offset : entry.offset + entry.nbytes]
    if FAST.crc32(payload) != entry.crc:
        raise ValueError("checksum")
    check_padding(file, index)


def check_padding(file: File, index: int) -> None:
    """Check that there are zeros from one tensor, or the directory, to the next tensor."""
    data, mode, entries = file
    if not mode and index + 1 < len(entries):
        start = (
            128 + 64 * len(entries) if index < 0 else entries[index].offset + entries[index].nbytes
        )
        if data[start : entries[index + 1].offset].strip(b"\0"):
            raise ValueError("padding")


def inflate(file: File, entry: Entry, codec: Codec) -> Array:
    """Inflate a tensor: never more than a byte too many."""
    if entry.nbytes > RATIO_MAX * entry.stored:
        raise ValueError("claim")
    decoder = codec.decompressobj()
    stream = memoryview(file.data)[entry.offset : entry.offset + entry.stored]
    try:
        data = decoder.decompress(stream, entry.nbytes + 1)
    except codec.error as error:
        raise ValueError("stream") from error
    if len(data) != entry.nbytes or not decoder.eof or decoder.unused_data:
        raise ValueError("stream's size")
    if codec.crc32(data) != entry.crc:
        raise ValueError("checksum")
    array: Array = np.ndarray(entry.shape, entry.dtype, data)
    return array


# ------------------------------------------------------------------ writing


def encode(array: Array) -> tuple[int, tuple[int, ...], memoryview]:
    """Check that an array has an encoding; give its code, shape and bytes."""
    code = CODES.get(array.dtype)
    shape = (1,) * (4 - array.ndim) + array.shape
    if code is None or len(shape) > 4 or min(shape) < 1 or max(shape) >= 1 << 31:
        raise TypeError("dtype or shape")
    if not array.flags.c_contiguous:
        array = np.ascontiguousarray(array)
    return code, shape, array.reshape(-1).view(np.uint8).data


def entry_of(code: int, shape: tuple[int, ...], offset: int, stored: int, crc: int) -> bytes:
    """Make an entry of the directory."""
    numel, itemsize, align = prod(shape), DTYPES[code].itemsize, ROWS[code]
    row = -(-shape[2] * shape[3] * itemsize // align) * align
    return ENTRY.pack(code, b"", *shape, numel, row, numel * itemsize, offset, stored, crc)


def head_of(mode: int, entries: list[bytes]) -> bytes:
    """Make all that comes before the first tensor."""
    if not entries:
        raise TypeError("no tensor")
    count, start = len(entries), first_offset(len(entries), mode)
    fields = (b"TSR4", 4, 20, 128, mode, count, 64, 128, start)
    checksum = FAST.crc32(HEADER.pack(*fields, 0, 0, b""))
    head = HEADER.pack(*fields, checksum, 0, b"") + b"".join(entries)
    return head.ljust(start, b"\0")


def first_offset(count: int, mode: int) -> int:
    """Tell where the first tensor begins."""
    end = 128 + 64 * count
    return end if mode else -(-end // 256) * 256


def dumps(arrays: Sequence[Array]) -> bytes:
    """Join all of a file."""
    pieces: list[bytes | memoryview] = [b""]
    entries = []
    position = first_offset(len(arrays), 0)
    for code, shape, data in map(encode, arrays):
        padding = -position % 256
        position += padding
        pieces += (bytes(padding), data)
        entries.append(entry_of(code, shape, position, len(data), FAST.crc32(data)))
        position += len(data)
    pieces[0] = head_of(0, entries)
    return b"".join(pieces)


def save(path: str, arrays: Iterable[Array], count: int = 1) -> None:
    """Write tensors as they come, and move them where there are not as many as expected."""
    replace(path, lambda descriptor: _fill(descriptor, arrays, count))


def _fill(descriptor: int, arrays: Iterable[Array], count: int) -> None:
    tensors = []
    pending = bytearray()
    written = position = 0  # counted from the first tensor
    start = first_offset(count, 0)
    for code, shape, data in map(encode, arrays):
        padding = -position % 256
        position += padding
        pending += bytes(padding)
        tensors.append((code, shape, position, len(data), FAST.crc32(data)))
        position += len(data)
        if len(pending) + len(data) <= JOINED_BYTES:
            pending += data
            continue
        if not written:
            os.lseek(descriptor, start, os.SEEK_SET)
        write_all(descriptor, pending)
        write_all(descriptor, data)
        pending.clear()
        written = position
    target = first_offset(len(tensors), 0)
    head = head_of(0, [entry_of(c, s, target + at, *rest) for c, s, at, *rest in tensors])
    if not written:
        write_all(descriptor, head + pending)
        return
    write_all(descriptor, pending)
    if target != start:
        _move(descriptor, start, position, target)
    os.lseek(descriptor, 0, os.SEEK_SET)
    write_all(descriptor, head)


def _move(descriptor: int, start: int, size: int, target: int) -> None:
    # From the end on, for they move towards it.
    buffer = memoryview(bytearray(MOVED_BYTES))
    for offset in reversed(range(0, size, MOVED_BYTES)):
        block = buffer[: size - offset]
        if os.preadv(descriptor, [block], start + offset) < len(block):
            raise OSError("cut short")
        os.lseek(descriptor, target + offset, os.SEEK_SET)
        write_all(descriptor, block)


def save_compressed(path: str, arrays: Sequence[Array], codec: Codec = FAST) -> None:
    """Write compressed tensors, each one compressed by one thread."""

    def compress(data: memoryview) -> tuple[int, bytes]:
        return codec.crc32(data), codec.compress(data, 1)

    def fill(descriptor: int) -> None:
        entries = []
        position = first_offset(len(arrays), 1)
        os.lseek(descriptor, position, os.SEEK_SET)
        streams = codec.map(compress, (data for _, _, data in encoded))
        for (code, shape, _), (crc, stream) in zip(encoded, streams, strict=True):
            write_all(descriptor, stream)
            entries.append(entry_of(code, shape, position, len(stream), crc))
            position += len(stream)
        os.lseek(descriptor, 0, os.SEEK_SET)
        write_all(descriptor, head_of(1, entries))

    encoded = list(map(encode, arrays))
    replace(path, fill)
