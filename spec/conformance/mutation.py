"""A seed -> an endless sequence of files, each one or more steps away from one of the vectors.

`mutated` makes the same steps from any bytes: whole files, parts of one, or nothing like one.
Nothing is raised. A step edits a field, a bit, a payload, a compressed stream, the size or the
order of things. What follows from the edited fields (products, sizes, offsets, checksums) is often
put right again: otherwise the first wrong sum would hide all that a reader does behind it.
"""

from __future__ import annotations

import struct
import zlib
from functools import cache, lru_cache
from math import prod
from random import Random
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from spec.conformance.vectors import cases
from spec.generator.deflate import Blocks, stream_header, zlib_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["mutated", "mutated_files"]

_T = TypeVar("_T")


class _Field(NamedTuple):
    offset: int
    size: int


def _fields(*sizes: int) -> tuple[_Field, ...]:
    return tuple(_Field(sum(sizes[:at]), size) for at, size in enumerate(sizes))


_V1_FIELDS = _fields(4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 8, 8, 8)
_TSR4_FIELDS = _fields(4, 2, 2, 4, 4, 4, 4, 8, 8, 4, 4, 80)
_ENTRY_FIELDS = _fields(1, 3, 4, 4, 4, 4, 8, 8, 8, 8, 8, 4)

# Offsets within a header or an entry of what is put right.
_DIMS, _TOTAL = 24, 40
_MODE, _COUNT, _DATA_OFFSET, _CRC = 12, 16, 32, 40
_SHAPE, _NBYTES, _START, _DATA_CRC = 4, 36, 44, 60

_HEADER, _ENTRY = 128, 64
_ITEMSIZES = {"v1": {1: 4, 2: 1, 3: 4}, "tsr4": {0: 4, 1: 2, 2: 1, 3: 4}}

_MASK = 2**64 - 1
_POWERS = [2**power for power in (7, 8, 15, 16, 24, 31, 32, 48, 62, 63, 64)]
_NUMBERS = sorted(
    {number & _MASK for power in _POWERS for number in (power - 1, power, power + 1, -power)}
    | {*range(10), 20, 63, 64, 65, 128, 192, 255, 256, 257, 1032, 65535, _MASK}
)

# What is put right makes no larger files than this, nor reads more entries.
_SIZE_MAX = 1 << 12
_COUNT_MAX = 64

_STREAMS = 400


def mutated_files(seed: int, formats: Sequence[str] = ("v1", "tsr4")) -> Iterator[bytes]:
    """Make files without end, the same ones for the same seed.

    Parameters
    ----------
    seed : int
    formats : sequence of {"v1", "tsr4"}
        Those of the files that are edited.
    """
    random = Random(seed)  # noqa: S311 - nothing here is a secret
    mutator = _Mutator(random, _materials(random, formats))
    while True:
        yield mutator.file()


def mutated(data: bytes, random: Random) -> bytes:
    """Make one file from another: a few steps away from it, and never the same.

    The first call makes what all share, in less than a second; each takes about 0.1 ms.

    Parameters
    ----------
    data : bytes
        Anything; what begins with ``TSR4`` is edited as TSR4, all else as TSR v1.
    random : random.Random
        Decides what is done: the same state leads to the same result.
    """
    return _mutator_for(random).mutated(data)


@lru_cache(4)
def _mutator_for(random: Random) -> _Mutator:
    return _Mutator(random, _shared_materials())


class _Materials(NamedTuple):
    # Files and streams that steps start from or take pieces of.
    sources: list[bytes]
    streams: list[tuple[bytes, int]]


@cache
def _shared_materials() -> _Materials:
    return _materials(Random(0), ("v1", "tsr4"))  # noqa: S311 - as above


def _materials(random: Random, formats: Sequence[str]) -> _Materials:
    inputs = list(cases(formats))
    valid = [case.data for case in inputs if case.expected.kind == "accepted"]
    # Valid ones lead farther, and small ones are sooner done.
    sources = [
        *(data for data in valid if len(data) <= _SIZE_MAX),
        *(data for data in valid if len(data) <= 512 for _ in range(8)),
        *(case.data for case in inputs if len(case.data) <= 512),
    ]
    streams = _Streams(random)
    return _Materials(sources, [streams.new() for _ in range(_STREAMS)])


class _Choices:
    def __init__(self, random: Random) -> None:
        self._random = random

    def _any(self, choices: Sequence[_T]) -> _T:
        # random.choice takes three times as long.
        return choices[int(self._random.random() * len(choices))]

    def _below(self, end: int) -> int:
        return int(self._random.random() * end)


class _Streams(_Choices):
    # Streams of every kind, and what they inflate to: neither need be valid or right.

    def new(self) -> tuple[bytes, int]:
        kind = self._below(5)
        data = self._elements()
        if kind == 0:
            encoder = zlib.compressobj(
                self._below(10),
                zlib.DEFLATED,
                9 + self._below(7),
                1 + self._below(9),
                self._below(5),
            )
            return encoder.compress(data) + encoder.flush(), len(data)
        if kind == 1:
            return self._matches()
        if kind == 2:
            blocks = Blocks().run(self._below(6), last=False).stored(data)
            return zlib_stream(blocks, b""), 1 + len(data)
        if kind == 3:
            return self._short(), 1 + self._below(4)
        # Bits that mean anything, behind the header of a block.
        body = bytes([self._below(256) & ~7 | self._any((3, 5, 5, 5))]) + self._random.randbytes(
            8 + self._below(60)
        )
        return stream_header() + body, 1 + self._below(64)

    def _short(self) -> bytes:
        # Few bytes, and a part of a stream that is cut or broken in them.
        blocks = Blocks().fixed([self._below(256), 256]).packed()
        noise = self._random.randbytes(self._below(12))
        body = self._any((blocks, blocks, noise, bytes(8), Blocks().codeless().packed()))
        return (self.header() + body)[: self._below(self._any((14, 14, 40)))]

    def header(self) -> bytes:
        """Make the start of a stream, with the right check bits but for one in eight."""
        header = stream_header(
            method=self._any((8, 8, 8, 8, 8, 7, 9, self._below(16))),
            window=self._any((7, 7, 7, 0, 8, self._below(16))),
            level=self._below(4),
            dictionary=self._random.random() < 0.3,
        )
        wrong = self._random.random() < 0.125
        return bytes([header[0], header[1] ^ wrong << self._below(8)])

    def _elements(self) -> bytes:
        size = 1 + self._below(self._any((4, 40, 600)))
        return bytes(self._below(self._any((2, 256))) for _ in range(size))

    def _matches(self) -> tuple[bytes, int]:
        # Bytes and matches in the fixed codes, or in codes made for them.
        symbols: list[int | tuple[int, int]] = [self._below(256) for _ in range(1 + self._below(4))]
        size = len(symbols)
        for _ in range(self._below(12)):
            length = 3 + self._below(self._any((4, 255)))
            symbols.append((length, 1 + self._below(size + self._any((0, 0, 0, 2)))))
            size += length
        symbols.append(256)
        if self._random.random() < 0.5:
            return zlib_stream(Blocks().fixed(symbols), b""), size
        distances = [self._any((0, 5, 5, 5)) for _ in range(30)]
        lengths = [self._any((9, 7, 7)) % 8 for _ in range(286)]
        for symbol in symbols:
            if isinstance(symbol, int):
                lengths[symbol] = 5
        try:
            return zlib_stream(Blocks().dynamic(symbols, lengths, distances), b""), size
        except (KeyError, IndexError, ValueError, OverflowError):
            return zlib_stream(Blocks().fixed(symbols), b""), size


class _Mutator(_Choices):
    def __init__(self, random: Random, materials: _Materials) -> None:
        super().__init__(random)
        self._sources, self._streams = materials
        anywhere: list[Callable[[bytearray], None]] = [
            *[self._edit_field] * 6,
            *[self._flip_bit] * 2,
            self._set_byte,
            self._cut,
            self._add,
            self._splice,
        ]
        self._steps = {
            "v1": anywhere,
            "tsr4": [*anywhere, *[self._edit_entries, self._edit_stream] * 3],
        }
        self._repairs = {
            "v1": [_keep, _repair_total, self._repair_v1],
            "tsr4": [_keep, _seal, self._repair_directory, *[self._repair_tsr4] * 3],
        }

    def file(self) -> bytes:
        return self.mutated(self._any(self._sources))

    def mutated(self, source: bytes) -> bytes:
        data = source
        while data == source:  # what is put right can be what it was
            data = self._steps_from(source)
        return data

    def _steps_from(self, source: bytes) -> bytes:
        random = self._random.random
        data = bytearray(source)
        format = _format(data)
        steps = self._steps[format]
        self._any(steps)(data)
        while random() < 0.5:
            self._any(steps)(data)
        if len(data) >= (_HEADER if format == "tsr4" else 64):
            self._any(self._repairs[format])(data)
            # Behind what was put right, too, things are wrong.
            if random() < 0.1:
                self._any(steps)(data)
        return bytes(data)

    # -------------------------------------------------------------- steps

    def _edit_field(self, data: bytearray) -> None:
        start, fields = 0, _V1_FIELDS
        if _format(data) == "tsr4":
            start, fields = self._header_or_entry(data)
        field = self._any(fields)
        offset, size = start + field.offset, min(field.size, 8)
        offset += self._below(field.size // 8) * 8 if field.size > 8 else 0
        old = int.from_bytes(data[offset : offset + size], "little")
        data[offset : offset + size] = (self._number(old, size) % 256**size).to_bytes(
            size, "little"
        )

    def _header_or_entry(self, data: bytearray) -> tuple[int, tuple[_Field, ...]]:
        count = _count(data)
        if count and self._random.random() < 0.7:
            return _HEADER + _ENTRY * self._below(count), _ENTRY_FIELDS
        return 0, _TSR4_FIELDS

    def _number(self, old: int, size: int) -> int:
        # One that is likely to be a case of its own, near or far.
        kind = self._below(8)
        if kind < 3:
            return self._any(_NUMBERS)
        if kind == 3:
            return old + self._any((-256, -64, -2, -1, 1, 2, 64, 256))
        if kind == 4:
            return old ^ 1 << self._below(8 * size)
        if kind == 5:
            return self._any((2 * old, old // 2, -old, 3 * old))
        if kind == 6:
            return int.from_bytes(old.to_bytes(size, "big"), "little")
        return self._below(9)

    def _flip_bit(self, data: bytearray) -> None:
        if data:
            data[self._place(data)] ^= 1 << self._below(8)

    def _set_byte(self, data: bytearray) -> None:
        if data:
            data[self._place(data)] = self._any((0, 1, 127, 128, 255, self._below(256)))

    def _place(self, data: bytearray) -> int:
        # Anywhere, though rather in the first bytes.
        return min(self._below(len(data)), self._below(2 * len(data)))

    def _cut(self, data: bytearray) -> None:
        end = self._any((self._below(len(data) + 1), len(data) - 1, len(data) - 4, 64, 127, 191))
        del data[max(end, 0) :]

    def _add(self, data: bytearray) -> None:
        data += self._any(
            (b"\0", b"\1", bytes(64), bytes(256), self._any(self._sources)[:_SIZE_MAX])
        )

    def _splice(self, data: bytearray) -> None:
        other = self._any(self._sources)
        start, size = self._below(len(other) + 1), 1 + self._below(64)
        to = start if self._random.random() < 0.7 else self._below(len(data) + 1)
        kept = size if self._random.random() < 0.7 else self._below(64)
        data[to : to + kept] = other[start : start + size]

    def _edit_entries(self, data: bytearray) -> None:
        # Entries change places, are doubled or get lost.
        count = _count(data)
        if not count:
            return
        one, other = (_HEADER + _ENTRY * self._below(count) for _ in range(2))
        kind = self._below(3)
        if kind == 0:
            data[one : one + _ENTRY], data[other : other + _ENTRY] = (
                data[other : other + _ENTRY],
                data[one : one + _ENTRY],
            )
        elif kind == 1:
            data[one:one] = data[other : other + _ENTRY]
            _pack("<I", data, _COUNT, count + 1)
        elif count > 1:
            del data[one : one + _ENTRY]
            _pack("<I", data, _COUNT, count - 1)

    def _edit_stream(self, data: bytearray) -> None:
        count = _count(data)
        if not count:
            return
        entry = _HEADER + _ENTRY * self._below(count)
        nbytes, start, size = struct.unpack_from("<QQQ", data, entry + _NBYTES)
        if start < _HEADER + _ENTRY * count or start + size > len(data):
            return
        stream, new_nbytes = self._new_payload(bytes(data[start : start + size]), nbytes)
        data[start : start + size] = stream
        struct.pack_into("<QQQ", data, entry + _NBYTES, new_nbytes, start, len(stream))
        if new_nbytes != nbytes:
            # A shape of so many elements of one byte.
            struct.pack_into("<B3x4iq", data, entry, 2, 1, 1, 1, new_nbytes, new_nbytes)
        _pack("<I", data, _MODE, 1)

    def _new_payload(self, stream: bytes, nbytes: int) -> tuple[bytes, int]:
        kind = self._below(7)
        edited = bytearray(stream)
        if kind < 3 or len(stream) < 8:
            stream, size = self._any(self._streams)
            if kind == 0:  # a claim that is not quite right
                size += self._any((-1, 1, 2, 258))
            edited, nbytes = bytearray(stream), max(size, 1)
        if kind in (1, 3) and edited:
            edited[self._place(edited)] ^= 1 << self._below(8)
        elif kind == 4:
            del edited[self._below(len(edited)) :]
        elif kind == 5:
            edited += self._any((b"\0", b"\1\0", bytes(4), stream))
        elif kind == 6:
            edited[:2] = _Streams(self._random).header()
        if self._random.random() < 0.5:
            _repair_adler(edited)
        return bytes(edited), nbytes

    # -------------------------------------------------------------- putting right

    def _repair_v1(self, data: bytearray) -> None:
        ndim = int.from_bytes(data[20:24], "little")
        if ndim < 4 and self._random.random() < 0.7:
            struct.pack_into(f"<{4 - ndim}i", data, _DIMS, *[1] * (4 - ndim))
        _repair_total(data)
        size = _ITEMSIZES["v1"].get(data[16], 1) * struct.unpack_from("<q", data, _TOTAL)[0]
        if 0 <= size <= _SIZE_MAX:
            _resize(data, 64 + size)

    def _repair_directory(self, data: bytearray) -> None:
        _repair_entries(data)
        _seal(data)

    def _repair_tsr4(self, data: bytearray) -> None:
        _repair_constants(data, self._random.random() < 0.8)
        end = _repair_entries(data)
        _seal(data)
        if end <= _SIZE_MAX and self._random.random() < 0.9:
            _resize(data, end)
        _repair_checksums(data)


def _format(data: bytearray) -> str:
    return "tsr4" if data[:4] == b"TSR4" else "v1"


def _keep(data: bytearray) -> None:
    pass


def _pack(layout: str, data: bytearray, offset: int, value: int) -> None:
    size = struct.calcsize(layout)
    struct.pack_into(layout, data, offset, value & 256**size - 1)


def _count(data: bytearray) -> int:
    # The entries that are there.
    if len(data) < _HEADER + _ENTRY:
        return 0
    count: int = struct.unpack_from("<I", data, _COUNT)[0]
    return min(count, (len(data) - _HEADER) // _ENTRY, _COUNT_MAX)


def _resize(data: bytearray, size: int) -> None:
    del data[size:]
    data += bytes(size - len(data))


def _repair_total(data: bytearray) -> None:
    _pack("<Q", data, _TOTAL, prod(struct.unpack_from("<4i", data, _DIMS)))


def _seal(data: bytearray) -> None:
    data[_CRC : _CRC + 4] = bytes(4)
    _pack("<I", data, _CRC, zlib.crc32(data[:_HEADER]))


def _repair_constants(data: bytearray, all_of_them: bool) -> None:
    struct.pack_into("<HHI", data, 4, 4, 20, _HEADER)
    if all_of_them:
        data[44:_HEADER] = bytes(_HEADER - 44)
        struct.pack_into("<IQ", data, 20, _ENTRY, _HEADER)
        data[_MODE] &= 1
        data[_MODE + 1 : _COUNT] = bytes(3)


def _repair_entries(data: bytearray) -> int:
    # Products, sizes and offsets; what comes out is where the file should end.
    (mode, count), there = struct.unpack_from("<II", data, _MODE), _count(data)
    step = 1 if mode == 1 else 256
    end: int = _HEADER + _ENTRY * count
    _pack("<Q", data, _DATA_OFFSET, -(-end // step) * step)
    for index in range(there):
        entry = _HEADER + _ENTRY * index
        numel = prod(struct.unpack_from("<4i", data, entry + _SHAPE))
        nbytes = numel * _ITEMSIZES["tsr4"].get(data[entry], 1)
        (stored,) = struct.unpack_from("<Q", data, entry + 52)
        if mode != 1:
            stored = nbytes & _MASK
        start = -(-end // step) * step
        _pack("<Q", data, entry + 20, numel)
        struct.pack_into("<QQQ", data, entry + _NBYTES, nbytes & _MASK, start & _MASK, stored)
        end = start + stored
    return end


def _repair_checksums(data: bytearray) -> None:
    (mode,) = struct.unpack_from("<I", data, _MODE)
    for index in range(_count(data)):
        entry = _HEADER + _ENTRY * index
        nbytes, start, size = struct.unpack_from("<QQQ", data, entry + _NBYTES)
        elements: bytes | bytearray = data[start : start + size]
        if mode == 1:
            try:
                elements = zlib.decompressobj().decompress(elements, min(nbytes + 1, 1 << 20))
            except zlib.error:
                continue
        _pack("<I", data, entry + _DATA_CRC, zlib.crc32(elements))


def _repair_adler(stream: bytearray) -> None:
    # Of a stream whose deflate data are valid.
    decoder = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = decoder.decompress(stream[2:], 1 << 16)
    except zlib.error:
        return
    if decoder.eof:
        end = len(stream) - len(decoder.unused_data)
        stream[end : end + 4] = zlib.adler32(data).to_bytes(4, "big")
