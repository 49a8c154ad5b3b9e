"""Header and directory of TSR4, bytes in and values out: each rule, and what is built."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest

import tsr
from tests.containers import ENTRY, HEADER, entry_at, patched, resealed
from tsr.container import (
    TensorInfo,
    check_extent,
    check_shape,
    data_start,
    decode_container_header,
    decode_directory,
    encode_container,
    next_start,
)
from tsr.dtypes import TSR4_BY_CODE, TSR4_TYPES
from tsr.errors import FormatError
from tsr.header import raise_error
from tsr.layout import TSR4_RAW, TSR4_ZLIB

FP32, FP16, INT8, INT32 = (TSR4_BY_CODE[code] for code in range(4))
INFOS = [
    TensorInfo(FP32, (1, 2, 3, 4), 0, 96, 96, 0x01020304),
    TensorInfo(INT8, (5, 1, 1, 1), 256, 5, 5, 0xFFFFFFFF),
    TensorInfo(FP16, (1, 1, 7, 65), 512, 910, 910, 0),
]


def test_worked_by_hand() -> None:
    """Header and directory are the bytes that the tables of the specification spell."""
    header = struct.pack(
        "<4sHHIIIIQQII80s", b"TSR4", 4, 20, 128, 0, 3, 64, 128, 512, 0, 0, bytes(80)
    )
    header = patched(header, 40, zlib.crc32(header).to_bytes(4, "little"))
    entry = struct.Struct("<B3x4iqQQQQI").pack
    assert encode_container(TSR4_RAW, INFOS) == (
        header
        + entry(0, 1, 2, 3, 4, 24, 256, 96, 512, 96, 0x01020304)
        + entry(2, 5, 1, 1, 1, 5, 128, 5, 768, 5, 0xFFFFFFFF)
        + entry(1, 1, 1, 7, 65, 455, 1024, 910, 1024, 910, 0)
        + bytes(192)
    )


@pytest.mark.parametrize("mode", [TSR4_RAW, TSR4_ZLIB])
def test_what_is_built_is_read(mode: int) -> None:
    """Decoding gives what was encoded, with offsets that count from the start of the file."""
    infos, end = [], 0
    for number, element in enumerate(TSR4_TYPES * 3):
        nbytes = (number + 1) * element.itemsize
        stored = nbytes if mode == TSR4_RAW else nbytes + 7
        start = next_start(end, mode)
        infos.append(TensorInfo(element, (1, 1, 1, number + 1), start, nbytes, stored, number))
        end = start + stored
    data = encode_container(mode, infos)
    start = data_start(12, mode)
    assert len(data) == start == (1024 if mode == TSR4_RAW else 128 + 64 * 12)
    size = start + end
    assert decode_container_header(data, len(data), size, True, None, raise_error) == (mode, 12)
    found = decode_directory(data[HEADER : entry_at(12)], mode, True, None, raise_error)
    expected = [info._replace(offset=start + info.offset, row_stride=0) for info in infos]
    assert [info._replace(row_stride=0) for info in found] == expected
    check_extent(found, size, True, None, raise_error)


# One fault a rule of the header: the bytes at an offset.
HEADER_FAULTS = [
    ("T4-MAGIC-1", "magic", 0, b"TSR!"),
    ("T4-VERSION-1", "version_major", 4, b"\5\0"),
    ("T4-VERSION-2", "version_minor", 6, b"\x15\0"),
    ("T4-HEADER-1", "header_size", 8, b"\x40\0\0\0"),
    ("T4-MODE-1", "file_mode", 12, b"\2\0\0\0"),
    ("T4-COUNT-1", "tensor_count", 16, b"\0\0\0\0"),
    ("T4-ENTRY-1", "entry_size", 20, b"\x80\0\0\0"),
    ("T4-DIRECTORY-1", "dir_offset", 24, b"\x81" + bytes(7)),
    ("T4-DATA-1", "data_offset", 32, b"\0\1" + bytes(6)),
    ("T4-RESERVED-1", "reserved_0", 44, b"\0\0\0\1"),
    ("T4-RESERVED-2", "reserved_1", 48, bytes(79) + b"\1"),
]  # fmt: skip


def findings(data: bytes, size: int | None = None, strict: bool = True) -> list[FormatError]:
    """List all that header and directory break."""
    found: list[FormatError] = []
    mode, count = decode_container_header(data, len(data), size, strict, "x.tsr", found.append)
    decode_directory(data[HEADER : entry_at(count)], mode, strict, "x.tsr", found.append)
    return found


@pytest.mark.parametrize(("clause", "field", "offset", "piece"), HEADER_FAULTS)
def test_header_faults(clause: str, field: str, offset: int, piece: bytes) -> None:
    """Each field is checked under a right checksum; under a wrong one, that comes first."""
    data = patched(encode_container(TSR4_RAW, INFOS), offset, piece)
    first = findings(resealed(data))[0]
    assert (first.clause, first.field, first.offset) == (clause, field, offset)
    assert first.path == "x.tsr"
    if clause != "T4-MAGIC-1":
        both = findings(data)
        assert [error.clause for error in both[:2]] == ["T4-CRC-1", clause]
        assert (both[0].field, both[0].offset) == ("header_crc32", 40)
    lenient = findings(resealed(data), strict=False)
    assert (lenient == []) == ("RESERVED" in clause)


def test_a_wrong_magic_stands_alone() -> None:
    """What follows a wrong magic is no header of this format."""
    assert [error.clause for error in findings(b"\xff" * 500)] == ["T4-MAGIC-1"]
    (error,) = findings(b"TSR!" + bytes(60))
    assert (error.clause, error.offset) == ("T4-SIZE-1", 0)
    assert "no TSR4 file: it starts with b'TSR!'" in str(error)
    assert "starts with" not in str(findings(b"TSR4" + bytes(60))[0])


@pytest.mark.parametrize(
    ("clause", "field", "offset", "piece"),
    [
        ("T4-DTYPE-1", "dtype", 0, b"\4"),
        ("T4-RESERVED-3", "reserved_0", 1, b"\0\0\1"),
        ("T4-SHAPE-1", "shape[0]", 4, b"\0\0\0\0"),
        ("T4-SHAPE-1", "shape[3]", 16, b"\xff\xff\xff\xff"),
        ("T4-NUMEL-1", "numel", 20, b"\x06"),
        ("T4-NBYTES-1", "nbytes", 36, b"\x06"),
        ("T4-OFFSET-1", "data_offset", 44, b"\1"),
        ("T4-STORED-1", "payload_size", 52, b"\x06"),
    ],
)  # fmt: skip
def test_entry_faults(clause: str, field: str, offset: int, piece: bytes) -> None:
    """Each field of an entry is checked, and named with the entry."""
    data = patched(encode_container(TSR4_RAW, INFOS), entry_at(1) + offset, piece)
    first = findings(data)[0]
    assert (first.clause, first.field) == (clause, f"entries[1].{field}")
    assert first.offset == entry_at(1) + offset
    assert (findings(data, strict=False) == []) == (clause == "T4-RESERVED-3")
    left = decode_directory(data[HEADER : entry_at(3)], TSR4_RAW, True, None, lambda error: None)
    assert len(left) == (2 if clause in ("T4-DTYPE-1", "T4-SHAPE-1") else 3)


def test_a_size_beyond_what_counts_bytes() -> None:
    """A product that an int64 holds, of elements whose bytes it does not."""
    shape = (2**31 - 1, 2**31 - 1, 2, 1)
    info = TensorInfo(FP16, shape, 0, 0, 0, 0)
    data = bytearray(encode_container(TSR4_ZLIB, [info]))
    product = shape[0] * shape[1] * 2
    data[entry_at(0) + 20 : entry_at(0) + 28] = product.to_bytes(8, "little")
    data[entry_at(0) + 36 : entry_at(0) + 44] = (2 * product).to_bytes(8, "little")
    (error,) = findings(bytes(data))
    assert (error.clause, error.field, error.offset) == ("T4-LIMIT-1", "entries[0].shape", 132)


def test_a_row_stride_is_free() -> None:
    """The original writes what its tensor had in memory: any row stride is accepted."""
    data = patched(encode_container(TSR4_RAW, INFOS), entry_at(0) + 28, b"\xff" * 8)
    assert findings(data) == []
    infos = decode_directory(data[HEADER : entry_at(3)], TSR4_RAW, True, None, raise_error)
    assert infos[0].row_stride == 2**64 - 1


@pytest.mark.parametrize(
    ("size", "clauses"),
    [
        (1024 + 910, []),
        (1024 + 911, ["T4-END-1"]),
        (1024 + 909, ["T4-PAYLOAD-1"]),
        (768 + 4, ["T4-PAYLOAD-1"] * 2),
        (512, ["T4-PAYLOAD-1"] * 3),
    ],
)
def test_extent(size: int, clauses: list[str]) -> None:
    """Every payload is there, and nothing behind the last."""
    data = encode_container(TSR4_RAW, INFOS)
    infos = decode_directory(data[HEADER : entry_at(3)], TSR4_RAW, True, None, raise_error)
    found: list[FormatError] = []
    check_extent(infos, size, True, None, found.append)
    assert [error.clause for error in found] == clauses
    assert all(error.found == "1 more byte" for error in found if error.clause == "T4-END-1")
    lenient: list[FormatError] = []
    check_extent(infos, size, False, None, lenient.append)
    assert [error.clause for error in lenient] == [
        clause for clause in clauses if "END" not in clause
    ]


def test_a_directory_is_there_before_it_is_read() -> None:
    """A count is held against the size of the file."""
    data = patched(encode_container(TSR4_ZLIB, INFOS), 16, b"\xff\xff\xff\xff")
    data = resealed(patched(data, 32, (HEADER + ENTRY * (2**32 - 1)).to_bytes(8, "little")))
    found: list[FormatError] = []
    result = decode_container_header(data, len(data), len(data), True, None, found.append)
    assert result == (None, 0)
    (error,) = found
    assert (error.clause, error.field, error.offset) == ("T4-DIRECTORY-2", "directory", 128)
    assert error.found == "192 bytes"
    assert error.expected == f"{64 * (2**32 - 1)} bytes"


@pytest.mark.parametrize(
    ("shape", "stored"),
    [
        ((), (1, 1, 1, 1)),
        ((5,), (1, 1, 1, 5)),
        ((3, 4), (1, 1, 3, 4)),
        ((2, 3, 4), (1, 2, 3, 4)),
        ((2, 3, 4, 5), (2, 3, 4, 5)),
        ((2**31 - 1, 1), (1, 1, 2**31 - 1, 1)),
    ],
)
def test_shapes(shape: tuple[int, ...], stored: tuple[int, ...]) -> None:
    """Leading ones fill a shape up to four dimensions."""
    assert check_shape(INT8, shape) == stored


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 1, 1, 1, 1), "got 5 dimensions"),
        ((0,), r"got \(0,\).*format='v1' holds a dimension of 0"),
        ((2**31,), "dimensions from 1 to 2147483647"),
        ((2**31 - 1, 2**31 - 1, 4), "more bytes of float32 than 9223372036854775807"),
    ],
)
def test_shapes_without_encoding(shape: Any, message: str) -> None:
    """What the fields have no room for is refused."""
    with pytest.raises(tsr.UnsupportedError, match=message):
        check_shape(FP32, shape)


def test_an_unknown_mode_leaves_the_places_open() -> None:
    """Where the mode is wrong, nothing is said of where payloads should lie."""
    data = resealed(patched(encode_container(TSR4_RAW, INFOS), 12, b"\2"))
    assert [error.clause for error in findings(data)] == ["T4-MODE-1"]
