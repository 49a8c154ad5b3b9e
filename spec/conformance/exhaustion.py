"""The vectors -> all files that are one step away from one of them, and many that are two.

The same ones every time, by families:

- ``flips``: every bit of every file is flipped;
- ``cuts``: every file ends at every byte;
- ``values``: every byte of the header, the directory and the compressed streams of valid files
  takes every value;
- ``sealed``: the same of the header of TSR4, below a CRC that is right, so that what stands
  behind it is reached;
- ``fields``: every field of a header or an entry takes every interesting value;
- ``pairs``: every two fields take every two interesting values; once as they are, and once with
  the sums, sizes and offsets right that follow from them.

The bounds, which keep it to some millions: of a file of more than `WHOLE_MAX` bytes, bits are
flipped in header and directory, at both ends of what follows, and at every `STRIDE`-th byte
between. Values are put into header and first `ENTRIES_MAX` entries of one file for each header that
there is, and into distinct streams of at most `STREAM_MAX` bytes; never into uncompressed elements
and padding, where any other value is wrong in the same way. Fields are those of `BASES`. Nothing is
made twice that is easily seen to be: a cut that is also one of another file, a value that is also a
flip, a file that is among the vectors twice.
"""

from __future__ import annotations

import struct
import zlib
from itertools import accumulate, combinations, product
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from spec.conformance.vectors import FORMATS, cases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    _Edit = Callable[[bytes, Sequence["Field"]], Iterator[tuple[bytes, set[int]]]]

__all__ = [
    "Field",
    "Input",
    "byte_values",
    "edited_fields",
    "edited_pairs",
    "exhaustive_files",
    "families",
    "flips",
    "sealed",
    "truncations",
]

WHOLE_MAX = 4096
STRIDE = 61
ENDS = 64
STREAM_MAX = 300
ENTRIES_MAX = 3

# The files whose fields are edited, with the entry that is: all element types and ranks of
# version 1 that differ, and of TSR4 an entry that is alone, the last, and one between others.
BASES = {
    "v1": (("int8-rank0", 0), ("fp32-rank2", 0), ("int32-rank4", 0)),
    "tsr4": (("raw-fp32", 0), ("raw-mixed", 1), ("zlib-two", 1)),
}

_V1_HEADER, _HEADER, _ENTRY = 64, 128, 64
_MODE, _COUNT, _DATA_OFFSET, _CRC = 12, 16, 32, 40
_RESERVED_1 = 48
_NUMEL, _NBYTES, _START, _STORED = 20, 36, 44, 52


class Input(NamedTuple):
    """A file, and the family that it is of."""

    family: str
    data: bytes


class Field(NamedTuple):
    """Where a field lies, from the beginning of the file, and how many bytes it has."""

    offset: int
    size: int


def exhaustive_files(formats: Sequence[str] = tuple(FORMATS)) -> Iterator[Input]:
    """Make all of them, one after the other.

    Parameters
    ----------
    formats : sequence of {"v1", "tsr4"}
        Those of the vectors that are edited.
    """
    for family, files in families(formats).items():
        for data in files:
            yield Input(family, data)


def families(formats: Sequence[str] = tuple(FORMATS)) -> dict[str, Iterator[bytes]]:
    """Give the files of each family, none of which is made before it is asked for."""
    inputs = list(cases(formats))
    files = list(dict.fromkeys(case.data for case in inputs))
    valid = list(dict.fromkeys(case.data for case in inputs if case.expected.kind == "accepted"))
    named = {(case.expected.format, case.name): case.data for case in inputs}
    bases = [(named[format, name], entry) for format in formats for name, entry in BASES[format]]
    return {
        "flips": (changed for data in files for changed in flips(data, _places(data))),
        "cuts": truncations(files),
        "values": _values(valid),
        "sealed": _sealed_values(valid),
        "fields": (changed for base in bases for changed in _edited(*base, edited_fields)),
        "pairs": (changed for base in bases for changed in _edited(*base, edited_pairs)),
    }


# ------------------------------------------------------------------ bits and bytes


def flips(data: bytes, places: Iterable[int]) -> Iterator[bytes]:
    """Flip each bit of the bytes at these places."""
    changed = bytearray(data)
    for place in places:
        for bit in range(8):
            changed[place] ^= 1 << bit
            yield bytes(changed)
            changed[place] = data[place]


def byte_values(data: bytes, places: Iterable[int]) -> Iterator[bytes]:
    """Put every value into each byte, but those that it has and that a flip gives it."""
    changed = bytearray(data)
    for place in places:
        for value in range(256):
            if (value ^ data[place]).bit_count() > 1:
                changed[place] = value
                yield bytes(changed)
        changed[place] = data[place]


def truncations(files: Iterable[bytes]) -> Iterator[bytes]:
    """Cut files behind each byte but the last, and give each cut once, whatever file it is of."""
    before = b""
    for number, data in enumerate(sorted(files)):
        # In this order a beginning that was there before is one of the file right before.
        shared = _shared(before, data) if number else -1
        for size in range(shared + 1, len(data)):
            yield data[:size]
        before = data


def _shared(one: bytes, other: bytes) -> int:
    # The bytes that both begin with.
    size = min(len(one), len(other))
    if one[:size] == other[:size]:
        return size
    return next(place for place in range(size) if one[place] != other[place])


def _places(data: bytes) -> list[int]:
    if len(data) <= WHOLE_MAX:
        return list(range(len(data)))
    end = min(_contents(data) + ENDS, len(data))
    sampled = range(end, len(data) - ENDS, STRIDE)
    return [*range(end), *sampled, *range(max(end, len(data) - ENDS), len(data))]


def _values(files: Iterable[bytes]) -> Iterator[bytes]:
    # Headers and directories first, then streams.
    for data in _of_each_header(files):
        start, size = (_HEADER, _ENTRY * ENTRIES_MAX) if _is_tsr4(data) else (0, _V1_HEADER)
        yield from byte_values(data, range(start, min(start + size, _contents(data))))
    for data, places in _streams(files):
        yield from byte_values(data, places)


def _sealed_values(files: Iterable[bytes]) -> Iterator[bytes]:
    for data in _of_each_header(files):
        if _is_tsr4(data):
            numbers = [*range(4, _CRC), *range(_CRC + 4, _RESERVED_1)]
            for changed in flips(data, [*numbers, *range(_RESERVED_1, _HEADER)]):
                yield sealed(changed)
            for changed in byte_values(data, numbers):
                yield sealed(changed)


def _of_each_header(files: Iterable[bytes]) -> list[bytes]:
    # The first file with each header.
    found: dict[bytes, bytes] = {}
    for data in files:
        found.setdefault(data[: _HEADER if _is_tsr4(data) else _V1_HEADER], data)
    return list(found.values())


def _streams(files: Iterable[bytes]) -> Iterator[tuple[bytes, range]]:
    # The first file with each compressed stream, and the stream's places in it.
    found: set[bytes] = set()
    for data in files:
        if not _is_tsr4(data) or data[_MODE] != 1:
            continue
        for entry in range(_HEADER, _contents(data), _ENTRY):
            start, size = struct.unpack_from("<QQ", data, entry + _START)
            stream = data[start : start + size]
            if size <= STREAM_MAX and stream not in found:
                found.add(stream)
                yield data, range(start, start + size)


def _is_tsr4(data: bytes) -> bool:
    return data[:4] == FORMATS["tsr4"][1]


def _contents(data: bytes) -> int:
    # Where they begin in a valid file.
    if not _is_tsr4(data):
        return _V1_HEADER
    return _HEADER + _ENTRY * int.from_bytes(data[_COUNT : _COUNT + 4], "little")


# ------------------------------------------------------------------ fields


def _fields(start: int, *sizes: int) -> list[Field]:
    return [Field(*field) for field in zip(accumulate(sizes, initial=start), sizes, strict=False)]


_V1_FIELDS = _fields(0, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 8, 8, 8)
_HEADER_FIELDS = _fields(0, 4, 2, 2, 4, 4, 4, 4, 8, 8, 4, 4, 80)
_ENTRY_SIZES = (1, 3, 4, 4, 4, 4, 8, 8, 8, 8, 8, 4)

# What has a meaning in some field, and what overflows somewhere, by the size of a field.
_NUMBERS = {
    1: (0, 1, 2, 3, 4, 8, 127, 128, 255),
    2: (0, 1, 3, 4, 5, 20, 255, 256, 2**15, 2**16 - 1),
    3: (1, 2**23, 2**24 - 1),
    4: (0, 1, 2, 3, 4, 5, 63, 64, 128, 256, 2**15, 2**16, 2**30, 2**31 - 1, 2**31, 2**32 - 1),
    8: (0, 1, 64, 256, 2**31, 2**32, 2**61, 2**62, 2**63 - 1, 2**63, 2**64 - 256, 2**64 - 1),
    80: (1, 2**639, 2**640 - 1),
}
_NEAR = {1: (), 2: (-1, 1), 3: (), 4: (-1, 1), 8: (-1, 1, 2**32, 2**63), 80: ()}
_MAGICS = [int.from_bytes(magic, "little") for magic in (b"TSR!", b"TSR4", b"!RST", b"tsr!", b"")]


def edited_fields(data: bytes, fields: Sequence[Field]) -> Iterator[tuple[bytes, set[int]]]:
    """Put every interesting number into each field; with each file the offset that was edited."""
    for field in fields:
        for number in _numbers(data, field):
            yield _with(data, field, number), {field.offset}


def edited_pairs(data: bytes, fields: Sequence[Field]) -> Iterator[tuple[bytes, set[int]]]:
    """Put every two interesting numbers into each two fields; with each file their offsets."""
    for one, other in combinations(fields, 2):
        edited = {one.offset, other.offset}
        for first, second in product(_numbers(data, one), _numbers(data, other)):
            yield _with(_with(data, one, first), other, second), edited


def _numbers(data: bytes, field: Field) -> list[int]:
    # All interesting ones but the one that is there.
    old = int.from_bytes(data[field.offset : field.offset + field.size], "little")
    if field.offset == 0:
        numbers = set(_MAGICS)
    else:
        limit = 256**field.size
        numbers = {*_NUMBERS[field.size], *((old + step) % limit for step in _NEAR[field.size])}
    return sorted(numbers - {old})


def _with(data: bytes, field: Field, number: int) -> bytes:
    end = field.offset + field.size
    return data[: field.offset] + number.to_bytes(field.size, "little") + data[end:]


def _edited(data: bytes, index: int, edit: _Edit) -> Iterator[bytes]:
    # Each file as it is, below a right CRC, and once more where what follows can be put right.
    if _is_tsr4(data):
        fields = [*_HEADER_FIELDS, *_fields(_HEADER + _ENTRY * index, *_ENTRY_SIZES)]
        follow = _follow_tsr4
    else:
        fields, follow = _V1_FIELDS, _follow_v1
    for changed, edited in edit(data, fields):
        plain = changed if _CRC in edited else sealed(changed)
        yield plain
        right = follow(plain, edited)
        if right != plain:
            yield right


def sealed(data: bytes) -> bytes:
    """Put the CRC of the header of a TSR4 file right; other files stay as they are."""
    if not _is_tsr4(data):
        return data
    zeroed = data[:_CRC] + bytes(4) + data[_CRC + 4 : _HEADER]
    return data[:_CRC] + zlib.crc32(zeroed).to_bytes(4, "little") + data[_CRC + 4 :]


def _put(data: bytearray, offset: int, number: int, edited: set[int]) -> None:
    if offset not in edited:
        struct.pack_into("<Q", data, offset, number % 2**64)


def _follow_v1(data: bytes, edited: set[int]) -> bytes:
    changed = bytearray(data)
    _put(changed, 40, prod(struct.unpack_from("<4i", data, 24)), edited)
    return bytes(changed)


def _follow_tsr4(data: bytes, edited: set[int]) -> bytes:
    # Products, sizes and offsets of the entries that are there.
    changed = bytearray(data)
    mode, count = struct.unpack_from("<II", data, _MODE)
    step = 1 if mode == 1 else 256
    end = _HEADER + _ENTRY * count
    there = min(count, (len(data) - _HEADER) // _ENTRY)
    _put(changed, _DATA_OFFSET, -(-end // step) * step, edited)
    for entry in range(_HEADER, _HEADER + _ENTRY * there, _ENTRY):
        numel = prod(struct.unpack_from("<4i", data, entry + 4))
        nbytes = numel * {1: 2, 2: 1}.get(data[entry], 4)
        _put(changed, entry + _NUMEL, numel, edited)
        _put(changed, entry + _NBYTES, nbytes, edited)
        _put(changed, entry + _START, -(-end // step) * step, edited)
        if mode == 0:
            _put(changed, entry + _STORED, nbytes, edited)
        end = sum(struct.unpack_from("<QQ", changed, entry + _START))
    return bytes(changed) if _CRC in edited else sealed(bytes(changed))
