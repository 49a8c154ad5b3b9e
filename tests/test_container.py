"""Header and directory of TSR4, bytes in and values out: each rule, and what is built."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import pytest

import tsr
from tests.containers import ENTRY, HEADER, entry_at, patched, resealed
from tsr.container import (
    COUNT_MAX,
    TensorInfo,
    broken_entry,
    check_extent,
    check_shape,
    data_start,
    decode_container_header,
    decode_directory,
    directory_end,
    encode_container,
    next_start,
)
from tsr.dtypes import TSR4_BY_CODE, TSR4_TYPES, ElementType
from tsr.errors import FormatError
from tsr.header import raise_error
from tsr.layout import TSR4_RAW, TSR4_ZLIB

# The most bytes that an int64 counts.
LARGEST = (649657, 92737, 3124327, 49)

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
    data = encode_container(TSR4_RAW, INFOS)
    assert type(data) is bytes
    assert data == (
        header
        + entry(0, 1, 2, 3, 4, 24, 256, 96, 512, 96, 0x01020304)
        + entry(2, 5, 1, 1, 1, 5, 128, 5, 768, 5, 0xFFFFFFFF)
        + entry(1, 1, 1, 7, 65, 455, 1024, 910, 1024, 910, 0)
        + bytes(192)
    )


@pytest.mark.parametrize(
    ("element", "row", "row_stride"),
    [
        (FP32, (1, 1), 256),
        (FP32, (4, 16), 256),
        (FP32, (5, 13), 512),
        (FP16, (1, 1), 128),
        (FP16, (4, 16), 128),
        (FP16, (5, 13), 256),
        (INT8, (1, 1), 128),
        (INT8, (8, 16), 128),
        (INT8, (3, 43), 256),
        (INT32, (4, 16), 256),
        (INT32, (5, 13), 512),
    ],
    ids=str,
)
def test_row_strides(element: ElementType, row: tuple[int, int], row_stride: int) -> None:
    """A row of the original's memory is W * C elements, aligned as it aligns them."""
    shape = (2, 3, *row)
    nbytes = 6 * row[0] * row[1] * element.itemsize
    data = encode_container(TSR4_ZLIB, [TensorInfo(element, shape, 0, nbytes, 9, 0)])
    assert data[entry_at(0) :] == struct.pack(
        "<B3x4iqQQQQI",
        element.tsr4_code,
        *shape,
        6 * row[0] * row[1],
        row_stride,
        nbytes,
        192,
        9,
        0,
    )


def test_constants() -> None:
    """The limit is that of the field: an uint32."""
    assert COUNT_MAX == 4294967295


@pytest.mark.parametrize(
    ("count", "directory", "raw"),
    [
        (0, 128, 256),
        (1, 192, 256),
        (2, 256, 256),
        (3, 320, 512),
        (2**32 - 1, 2**38 + 64, 2**38 + 256),
    ],
)
def test_where_payloads_begin(count: int, directory: int, raw: int) -> None:
    """The first begins behind the directory: aligned, where it is not compressed."""
    assert directory_end(count) == directory
    assert data_start(count, TSR4_ZLIB) == directory
    assert data_start(count, TSR4_RAW) == raw


@pytest.mark.parametrize(("end", "aligned"), [(0, 0), (1, 256), (255, 256), (256, 256), (257, 512)])
def test_where_the_next_payload_begins(end: int, aligned: int) -> None:
    """Behind the one before: aligned, where it is not compressed."""
    assert next_start(end, TSR4_ZLIB) == end
    assert next_start(end, TSR4_RAW) == aligned


def test_info() -> None:
    """What is said of a tensor, and what follows from it."""
    info = TensorInfo(FP16, (1, 2, 3, 4), 256, 48, 31, 0xABC, 128)
    assert (info.dtype, info.ndim, info.size, info.itemsize) == (np.dtype("<f2"), 4, 24, 2)
    assert repr(info) == (
        "TensorInfo(dtype=float16, shape=(1, 2, 3, 4), offset=256, nbytes=48, stored_nbytes=31, "
        "crc32=0x00000abc)"
    )
    of_v1 = TensorInfo(INT8, (), 64, 1, 1)
    assert (of_v1.crc32, of_v1.row_stride) == (None, None)
    assert repr(of_v1) == (
        "TensorInfo(dtype=int8, shape=(), offset=64, nbytes=1, stored_nbytes=1, crc32=None)"
    )


@pytest.mark.parametrize("mode", [TSR4_RAW, TSR4_ZLIB])
def test_what_is_built_is_read(mode: int) -> None:
    """Decoding gives what was encoded, with offsets that count from the start of the file."""
    infos, end = [], 0
    for number, element in enumerate(TSR4_TYPES * 3):
        nbytes = (number + 1) * element.itemsize
        stored = nbytes if mode == TSR4_RAW else nbytes + 7
        start = next_start(end, mode)
        row_stride = 128 if element.itemsize < 4 else 256
        shape = (1, 1, 1, number + 1)
        infos.append(TensorInfo(element, shape, start, nbytes, stored, number, row_stride))
        end = start + stored
    data = encode_container(mode, infos)
    start = data_start(12, mode)
    assert len(data) == start == (1024 if mode == TSR4_RAW else 128 + 64 * 12)
    size = start + end
    assert decode_container_header(data, len(data), size, True, None, raise_error) == (mode, 12)
    found = decode_directory(data[HEADER : entry_at(12)], mode, True, None, raise_error)
    assert found == [info._replace(offset=start + info.offset) for info in infos]
    check_extent(found, size, True, None, raise_error)
    # A part of a directory is read as the whole is, if it is told what comes before.
    part = decode_directory(
        data[entry_at(5) : entry_at(12)], mode, True, None, raise_error,
        first=5, end=found[4].offset + found[4].stored_nbytes,
    )  # fmt: skip
    assert part == found[5:]


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


@pytest.mark.parametrize(
    ("offset", "piece", "message"),
    [
        (0, b"TSR!", "magic at offset 0: got b'TSR!', expected b'TSR4' [T4-MAGIC-1]"),
        (0, b"TSR5", "magic at offset 0: got b'TSR5', expected b'TSR4' [T4-MAGIC-1]"),
        (4, b"\3", "version_major at offset 4: got 3, expected 4 [T4-VERSION-1]"),
        (4, b"\5", "version_major at offset 4: got 5, expected 4 [T4-VERSION-1]"),
        (6, b"\x13", "version_minor at offset 6: got 19, expected 20 [T4-VERSION-2]"),
        (6, b"\x15", "version_minor at offset 6: got 21, expected 20 [T4-VERSION-2]"),
        (8, b"\x40", "header_size at offset 8: got 64, expected 128 [T4-HEADER-1]"),
        (8, b"\x81", "header_size at offset 8: got 129, expected 128 [T4-HEADER-1]"),
        (12, b"\2", "file_mode at offset 12: got 2, expected 0 (RAW) or 1 (ZLIB) [T4-MODE-1]"),
        (20, b"\x3f", "entry_size at offset 20: got 63, expected 64 [T4-ENTRY-1]"),
        (20, b"\x80", "entry_size at offset 20: got 128, expected 64 [T4-ENTRY-1]"),
        (24, b"\x7f", "dir_offset at offset 24: got 127, expected 128 [T4-DIRECTORY-1]"),
        (24, b"\x81", "dir_offset at offset 24: got 129, expected 128 [T4-DIRECTORY-1]"),
        (
            32, b"\0\1",
            "data_offset at offset 32: got 256, expected 512 (behind 3 entries) [T4-DATA-1]",
        ),
        (
            32, b"\0\3",
            "data_offset at offset 32: got 768, expected 512 (behind 3 entries) [T4-DATA-1]",
        ),
        (44, b"\7", "reserved_0 at offset 44: got 7, expected 0 [T4-RESERVED-1]"),
        (
            48, b"\xab",
            f"reserved_1 at offset 48: got ab{79 * '00'}, expected 80 zero bytes [T4-RESERVED-2]",
        ),
    ],
)  # fmt: skip
def test_header_messages(offset: int, piece: bytes, message: str) -> None:
    """What a field of the header breaks is told alone, in these words."""
    data = resealed(patched(encode_container(TSR4_RAW, INFOS), offset, piece))
    found: list[FormatError] = []
    mode, count = decode_container_header(data, len(data), 2000, True, "x.tsr", found.append)
    assert [str(error) for error in found] == [f"x.tsr: {message}"]
    if offset == 0:
        assert (mode, count) == (None, 0)
    else:
        assert (mode, count) == (None if offset == 12 else TSR4_RAW, 3)


def test_header_messages_where_payloads_are_compressed() -> None:
    """Payloads that are compressed begin right behind the directory."""
    data = resealed(patched(encode_container(TSR4_ZLIB, INFOS), 32, b"\0\2"))
    found: list[FormatError] = []
    assert decode_container_header(data, 128, None, True, None, found.append) == (TSR4_ZLIB, 3)
    assert [str(error) for error in found] == [
        "data_offset at offset 32: got 512, expected 320 (behind 3 entries) [T4-DATA-1]"
    ]


def test_no_tensors() -> None:
    """A file has one tensor at least; its payload would begin behind no entry."""
    data = resealed(patched(encode_container(TSR4_RAW, INFOS), 16, b"\0"))
    assert [str(error) for error in findings(data)] == [
        "x.tsr: tensor_count at offset 16: got 0, expected at least 1 [T4-COUNT-1]",
        "x.tsr: data_offset at offset 32: got 512, expected 256 (behind 0 entries) [T4-DATA-1]",
    ]


def test_a_wrong_checksum() -> None:
    """Both checksums are told, as the eight digits that they are."""
    for piece, got in ((b"\1\0\0\0", "0x00000001"), (b"\xff" * 4, "0xffffffff")):
        data = patched(encode_container(TSR4_RAW, INFOS), 40, piece)
        assert [str(error) for error in findings(data)] == [
            f"x.tsr: header_crc32 at offset 40: got {got}, expected 0x047ce70b "
            "(the CRC-32 of the header) [T4-CRC-1]"
        ]


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (b"", ""),
        (b"TS", ""),
        (b"TSR4" + bytes(123), ""),
        (b"hello", " (no TSR4 file: it starts with b'hell')"),
        (memoryview(b"hello"), " (no TSR4 file: it starts with b'hell')"),
    ],
    ids=len,
)
def test_a_cut_header(data: bytes | memoryview, note: str) -> None:
    """Fewer than 128 bytes are no header."""
    found: list[FormatError] = []
    result = decode_container_header(data, len(data), None, True, "x.tsr", found.append)
    assert result == (None, 0)
    assert [str(error) for error in found] == [
        f"x.tsr: header at offset 0: got {len(data)} bytes, expected at least 128 bytes{note} "
        "[T4-SIZE-1]"
    ]


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


def entry(element: ElementType, shape: tuple[int, ...], **changes: int) -> dict[str, int]:
    """Name the numbers of an entry at the end of a directory, with some changed."""
    numel = prod(shape)
    numbers = {
        "dtype": element.tsr4_code, "n": shape[0], "h": shape[1], "w": shape[2], "c": shape[3],
        "numel": numel, "row_stride": 0, "nbytes": numel * element.itemsize, "data_offset": 320,
        "payload_size": 7, "data_crc32": 0,
    }  # fmt: skip
    return numbers | changes


ENTRY_MESSAGES = [
    pytest.param(
        entry(INT8, (1, 1, 1, 5), dtype=4),
        [
            "dtype at offset 256: got 4, expected 0 (FP32), 1 (FP16), 2 (INT8) or 3 (INT32) "
            "[T4-DTYPE-1]"
        ],
        id="dtype",
    ),
    pytest.param(
        entry(INT8, (-1, -2, -3, -4)),
        [
            "shape[0] at offset 260: got -1, expected 1 or more [T4-SHAPE-1]",
            "shape[1] at offset 264: got -2, expected 1 or more [T4-SHAPE-1]",
            "shape[2] at offset 268: got -3, expected 1 or more [T4-SHAPE-1]",
            "shape[3] at offset 272: got -4, expected 1 or more [T4-SHAPE-1]",
        ],
        id="shape-negative",
    ),
    *(
        pytest.param(
            entry(INT8, shape, nbytes=5),
            [f"shape[{axis}] at offset {260 + 4 * axis}: got 0, expected 1 or more [T4-SHAPE-1]"],
            id=f"shape-0-at-{axis}",
        )
        for axis, shape in enumerate([(0, 2, 3, 4), (1, 0, 3, 4), (1, 2, 0, 4), (1, 2, 3, 0)])
    ),
    pytest.param(
        entry(INT8, (2, 3, 4, 5), numel=119),
        [
            "numel at offset 276: got 119, expected 120 (the product of shape 2, 3, 4, 5) "
            "[T4-NUMEL-1]"
        ],
        id="numel-less",
    ),
    pytest.param(
        entry(INT8, (2, 3, 4, 5), numel=121),
        [
            "numel at offset 276: got 121, expected 120 (the product of shape 2, 3, 4, 5) "
            "[T4-NUMEL-1]"
        ],
        id="numel-more",
    ),
    pytest.param(
        entry(FP16, (2, 3, 4, 5), nbytes=239),
        ["nbytes at offset 292: got 239, expected 240 (120 elements of float16) [T4-NBYTES-1]"],
        id="nbytes-less",
    ),
    pytest.param(
        entry(FP16, (2, 3, 4, 5), nbytes=241),
        ["nbytes at offset 292: got 241, expected 240 (120 elements of float16) [T4-NBYTES-1]"],
        id="nbytes-more",
    ),
    pytest.param(entry(INT8, LARGEST), [], id="largest"),
    pytest.param(
        entry(FP16, (2**21, 2**21, 2**20, 1)),
        [
            "shape at offset 260: got 9223372036854775808 bytes of float16, expected at most "
            "9223372036854775807 [T4-LIMIT-1]"
        ],
        id="limit",
    ),
    pytest.param(
        entry(INT8, (1, 1, 1, 1), data_offset=319),
        ["data_offset at offset 300: got 319, expected 320 [T4-OFFSET-1]"],
        id="offset-less",
    ),
    pytest.param(
        entry(INT8, (1, 1, 1, 1), data_offset=321),
        ["data_offset at offset 300: got 321, expected 320 [T4-OFFSET-1]"],
        id="offset-more",
    ),
]


@pytest.mark.parametrize(("numbers", "messages"), ENTRY_MESSAGES)
def test_entry_messages(numbers: dict[str, int], messages: list[str]) -> None:
    """All that an entry breaks is told, in these words, and what it leaves open is not."""
    directory = struct.pack("<B3x4iqQQQQI", *numbers.values())
    found: list[FormatError] = []
    infos = decode_directory(directory, TSR4_ZLIB, True, "x.tsr", found.append, first=2, end=320)
    assert [str(error) for error in found] == [f"x.tsr: entries[2].{text}" for text in messages]
    open_clauses = {"T4-DTYPE-1", "T4-SHAPE-1"}
    assert len(infos) == (0 if open_clauses & {error.clause for error in found} else 1)


@pytest.mark.parametrize(
    ("offset", "piece", "messages"),
    [
        (
            1, b"\1\2\3",
            ["reserved_0 at offset 193: got 010203, expected 3 zero bytes [T4-RESERVED-3]"],
        ),
        (44, b"\1", ["data_offset at offset 236: got 769, expected 768 [T4-OFFSET-1]"]),
        (
            52, b"\4",
            ["payload_size at offset 244: got 4, expected 5 (no compression) [T4-STORED-1]"],
        ),
        (
            52, b"\6",
            ["payload_size at offset 244: got 6, expected 5 (no compression) [T4-STORED-1]"],
        ),
        (
            36, b"\6",
            [
                "nbytes at offset 228: got 6, expected 5 (5 elements of int8) [T4-NBYTES-1]",
                "payload_size at offset 244: got 5, expected 6 (no compression) [T4-STORED-1]",
            ],
        ),
    ],
)  # fmt: skip
def test_raw_entry_messages(offset: int, piece: bytes, messages: list[str]) -> None:
    """Payloads that are not compressed are aligned, and as long as what they hold."""
    data = patched(encode_container(TSR4_RAW, INFOS), entry_at(1) + offset, piece)
    told = [f"x.tsr: entries[1].{message}" for message in messages]
    assert [str(error) for error in findings(data)] == told
    # Where the mode is unknown, nothing is said of where payloads should lie.
    found: list[FormatError] = []
    decode_directory(data[HEADER : entry_at(3)], None, True, "x.tsr", found.append)
    placed = ("data_offset", "payload_size")
    messages = [message for message in messages if not message.startswith(placed)]
    assert [str(error) for error in found] == [f"x.tsr: entries[1].{text}" for text in messages]


def test_a_fault_that_others_find_in_an_entry() -> None:
    """An error for an entry needs no note and no file."""
    error = broken_entry(1, "data_crc32", "T4-X-1", 1, 2, path=None)
    assert str(error) == "entries[1].data_crc32 at offset 252: got 1, expected 2 [T4-X-1]"


def test_a_row_stride_is_free() -> None:
    """The original writes what its tensor had in memory: any row stride is accepted."""
    data = patched(encode_container(TSR4_RAW, INFOS), entry_at(0) + 28, b"\xff" * 8)
    assert findings(data) == []
    infos = decode_directory(data[HEADER : entry_at(3)], TSR4_RAW, True, None, raise_error)
    assert infos[0].row_stride == 2**64 - 1


@pytest.mark.parametrize(
    ("size", "messages"),
    [
        (1024 + 910, []),
        (1024 + 911, ["end of file at offset 1934: got 1 more byte, expected none [T4-END-1]"]),
        (1024 + 912, ["end of file at offset 1934: got 2 more bytes, expected none [T4-END-1]"]),
        (
            1024 + 909,
            ["payload[2] at offset 1024: got 909 bytes, expected 910 bytes [T4-PAYLOAD-1]"],
        ),
        (
            768 + 5,
            ["payload[2] at offset 1024: got 0 bytes, expected 910 bytes [T4-PAYLOAD-1]"],
        ),
        (
            768 + 4,
            [
                "payload[1] at offset 768: got 4 bytes, expected 5 bytes [T4-PAYLOAD-1]",
                "payload[2] at offset 1024: got 0 bytes, expected 910 bytes [T4-PAYLOAD-1]",
            ],
        ),
        (
            512,
            [
                "payload[0] at offset 512: got 0 bytes, expected 96 bytes [T4-PAYLOAD-1]",
                "payload[1] at offset 768: got 0 bytes, expected 5 bytes [T4-PAYLOAD-1]",
                "payload[2] at offset 1024: got 0 bytes, expected 910 bytes [T4-PAYLOAD-1]",
            ],
        ),
    ],
)
def test_extent(size: int, messages: list[str]) -> None:
    """Every payload is there, and nothing behind the last unless reading is lenient."""
    data = encode_container(TSR4_RAW, INFOS)
    infos = decode_directory(data[HEADER : entry_at(3)], TSR4_RAW, True, None, raise_error)
    found: list[FormatError] = []
    check_extent(infos, size, True, "x.tsr", found.append)
    assert [str(error) for error in found] == [f"x.tsr: {message}" for message in messages]
    lenient: list[FormatError] = []
    check_extent(infos, size, False, "x.tsr", lenient.append)
    assert list(map(str, lenient)) == [str(error) for error in found if error.clause != "T4-END-1"]


def test_extent_of_payloads_that_are_out_of_order() -> None:
    """That an earlier payload ends behind the last is another fault: the last tells the end."""
    infos = [TensorInfo(INT8, (1, 1, 1, 9), 512, 9, 9), TensorInfo(INT8, (1, 1, 1, 1), 512, 1, 1)]
    check_extent(infos, 513, True, None, raise_error)


def test_a_directory_is_there_before_it_is_read() -> None:
    """A count is held against the size of the file."""
    data = patched(encode_container(TSR4_ZLIB, INFOS), 16, b"\xff\xff\xff\xff")
    data = resealed(patched(data, 32, (HEADER + ENTRY * (2**32 - 1)).to_bytes(8, "little")))
    found: list[FormatError] = []
    result = decode_container_header(data, len(data), len(data), True, None, found.append)
    assert result == (None, 0)
    assert [str(error) for error in found] == [
        "directory at offset 128: got 192 bytes, expected 274877906880 bytes (4294967295 entries) "
        "[T4-DIRECTORY-2]"
    ]


def test_a_directory_ends_with_the_file_at_the_latest() -> None:
    """One byte less, and it is not all there."""
    data = encode_container(TSR4_ZLIB, INFOS)
    assert decode_container_header(data, 320, 320, True, None, raise_error) == (TSR4_ZLIB, 3)
    found: list[FormatError] = []
    assert decode_container_header(data, 320, 319, True, None, found.append) == (None, 0)
    assert [str(error) for error in found] == [
        "directory at offset 128: got 191 bytes, expected 192 bytes (3 entries) [T4-DIRECTORY-2]"
    ]


@pytest.mark.parametrize(
    ("shape", "stored"),
    [
        ((), (1, 1, 1, 1)),
        ((5,), (1, 1, 1, 5)),
        ((3, 4), (1, 1, 3, 4)),
        ((2, 3, 4), (1, 2, 3, 4)),
        ((2, 3, 4, 5), (2, 3, 4, 5)),
        ((2**31 - 1, 1), (1, 1, 2**31 - 1, 1)),
        ([3, 4], (1, 1, 3, 4)),
        (LARGEST, LARGEST),
    ],
)
def test_shapes(shape: Sequence[int], stored: tuple[int, ...]) -> None:
    """Leading ones fill a shape up to four dimensions."""
    assert check_shape(INT8, shape) == stored


BETWEEN = "expected dimensions from 1 to 2147483647; format='v1' holds a dimension of 0"


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (1, 2, 3, 4, 5),
            "got 5 dimensions (1, 2, 3, 4, 5), expected at most 4; reshape the array to merge some",
        ),
        ((0,), f"got (0,), {BETWEEN}"),
        ((-1, 2, 3, 4), f"got (-1, 2, 3, 4), {BETWEEN}"),
        ((1, 0, 3, 4), f"got (1, 0, 3, 4), {BETWEEN}"),
        ((1, 2, 0, 4), f"got (1, 2, 0, 4), {BETWEEN}"),
        ((1, 2, 3, 0), f"got (1, 2, 3, 0), {BETWEEN}"),
        ((2**31,), f"got (2147483648,), {BETWEEN}"),
        ((1, 2**31, 1), f"got (1, 2147483648, 1), {BETWEEN}"),
        ((2**31, 1, 1), f"got (2147483648, 1, 1), {BETWEEN}"),
        ((2**31, 1, 1, 1), f"got (2147483648, 1, 1, 1), {BETWEEN}"),
        *(
            (shape, f"got {shape}, more bytes of float32 than 9223372036854775807")
            for shape in [
                (2**21, 2**21, 2**19, 1),
                (2**21, 2**21, 1, 2**19),
                (2**21, 1, 2**21, 2**19),
                (1, 2**21, 2**21, 2**19),
            ]
        ),
    ],
)
def test_shapes_without_encoding(shape: Any, message: str) -> None:
    """What the fields have no room for is refused, be it a tuple or a list."""
    for given in (shape, list(shape)):
        with pytest.raises(tsr.UnsupportedError) as caught:
            check_shape(FP32, given)
        assert str(caught.value) == f"shape: {message}"
        assert caught.value.given == shape


def test_an_unknown_mode_leaves_the_places_open() -> None:
    """Where the mode is wrong, nothing is said of where payloads should lie."""
    data = patched(encode_container(TSR4_RAW, INFOS), 12, b"\2")
    for offset in (0, 256, 320, 512, 768):
        data = resealed(patched(data, 32, offset.to_bytes(8, "little")))
        assert [error.clause for error in findings(data)] == ["T4-MODE-1"]
