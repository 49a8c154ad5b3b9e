"""Bytes <-> Header: every rule, one test an error, with literal fields."""

from __future__ import annotations

import array
import pickle
import struct
from typing import Any

import numpy as np
import pytest

import tsr
from tsr.dtypes import V1_BY_CODE
from tsr.header import (
    DIMENSION_MAX,
    PAYLOAD_MAX,
    check_fields,
    encode_header,
    header_starts,
    unpack_fields,
)

FP32, INT8 = V1_BY_CODE[1], V1_BY_CODE[2]

FIELDS: dict[str, Any] = {
    "magic": b"TSR!", "version": 1, "header_size": 64, "reserved_1": 0, "dtype": 1, "ndim": 2,
    "n": 1, "c": 1, "h": 2, "w": 3, "total_elements": 6, "reserved_2": 0, "reserved_3": 0,
}  # fmt: skip


def header(**changes: Any) -> bytes:
    """Pack a header of float32 (2, 3), with some fields changed."""
    return struct.pack("<4s9i3q", *(FIELDS | changes).values())


REFUSED = [
    pytest.param({"magic": b"TSR\0"}, "V1-MAGIC-1", "magic", 0, id="magic-zero"),
    pytest.param({"magic": b"TSR4"}, "V1-MAGIC-1", "magic", 0, id="magic-tsr4"),
    pytest.param({"magic": b"!RST"}, "V1-MAGIC-1", "magic", 0, id="magic-reversed"),
    pytest.param({"version": 0}, "V1-VERSION-1", "version", 4, id="version-0"),
    pytest.param({"version": 2}, "V1-VERSION-1", "version", 4, id="version-2"),
    pytest.param({"version": -1}, "V1-VERSION-1", "version", 4, id="version-negative"),
    pytest.param({"header_size": 0}, "V1-HEADER-1", "header_size", 8, id="header-size-0"),
    pytest.param({"header_size": 63}, "V1-HEADER-1", "header_size", 8, id="header-size-63"),
    pytest.param({"header_size": 128}, "V1-HEADER-1", "header_size", 8, id="header-size-128"),
    pytest.param({"reserved_1": 1}, "V1-RESERVED-1", "reserved_1", 12, id="reserved-1"),
    pytest.param({"dtype": 0}, "V1-DTYPE-1", "dtype", 16, id="dtype-0"),
    pytest.param({"dtype": 4}, "V1-DTYPE-1", "dtype", 16, id="dtype-fp16"),
    pytest.param({"dtype": 9}, "V1-DTYPE-1", "dtype", 16, id="dtype-9"),
    pytest.param({"dtype": -1}, "V1-DTYPE-1", "dtype", 16, id="dtype-negative"),
    pytest.param({"ndim": -1}, "V1-NDIM-1", "ndim", 20, id="ndim-negative"),
    pytest.param({"ndim": 5}, "V1-NDIM-1", "ndim", 20, id="ndim-5"),
    pytest.param({"ndim": -(2**31)}, "V1-NDIM-1", "ndim", 20, id="ndim-min"),
    pytest.param({"h": -1}, "V1-DIMS-1", "dims[2]", 32, id="dim-negative"),
    pytest.param({"h": -2, "w": -3}, "V1-DIMS-1", "dims[2]", 32, id="dims-product-right"),
    pytest.param({"n": -1, "c": -1}, "V1-DIMS-1", "dims[0]", 24, id="unused-dims-negative"),
    pytest.param({"c": 0}, "V1-DIMS-2", "dims[1]", 28, id="unused-dim-0"),
    pytest.param({"n": 2}, "V1-DIMS-2", "dims[0]", 24, id="unused-dim-2"),
    pytest.param({"total_elements": 7}, "V1-TOTAL-1", "total_elements", 40, id="total-more"),
    pytest.param({"total_elements": 5}, "V1-TOTAL-1", "total_elements", 40, id="total-less"),
    pytest.param(
        {"ndim": 4, "n": 65536, "c": 65536, "h": 65536, "w": 65536, "total_elements": 0},
        "V1-TOTAL-1", "total_elements", 40, id="product-wraps",
    ),
    pytest.param(
        {"ndim": 4, "n": 2**31 - 1, "c": 2**31 - 1, "h": 0, "w": 1, "total_elements": 0},
        "V1-LIMIT-1", "dims", 24, id="limit",
    ),
    pytest.param({"reserved_2": 1}, "V1-RESERVED-2", "reserved_2", 48, id="reserved-2"),
    pytest.param({"reserved_3": -1}, "V1-RESERVED-3", "reserved_3", 56, id="reserved-3"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "clause", "field", "offset"), REFUSED)
def test_refused(changes: dict[str, Any], clause: str, field: str, offset: int) -> None:
    """A broken field is refused by its clause, with field and offset."""
    with pytest.raises(tsr.FormatError) as caught:
        tsr.parse_header(header(**changes), path="some.tsr")
    error = caught.value
    assert (error.clause, error.field, error.offset) == (clause, field, offset)
    assert error.path == "some.tsr"
    message = str(error)
    for part in ("some.tsr", field, str(offset), str(error.found), str(error.expected), clause):
        assert part in message


# Three dimensions with the most bytes that an int64 counts, and three with one byte more in
# elements of four.
LARGEST = (649657, 92737, 153092023)
TOO_LARGE = (2**21, 2**21, 2**19)


def of_rank_4(dims: tuple[int, ...], total: int) -> dict[str, Any]:
    """Name the fields of a header with four dimensions."""
    return {"ndim": 4, **dict(zip("nchw", dims, strict=True)), "total_elements": total}


# All that the fields of a header break, in the words that users see.
MESSAGES = [
    pytest.param(
        {"magic": b"abcd", "version": 9},
        ["magic at offset 0: got b'abcd', expected b'TSR!' [V1-MAGIC-1]"],
        id="magic",
    ),
    pytest.param(
        {"magic": b"TSR4"},
        [
            "magic at offset 0: got b'TSR4', expected b'TSR!' "
            "(this is a TSR4 file, which tsr.open reads) [V1-MAGIC-1]"
        ],
        id="magic-tsr4",
    ),
    pytest.param(
        {"magic": b"TSR\0"},
        [
            "magic at offset 0: got b'TSR\\x00', expected b'TSR!' "
            "(no writer ever produced this variant) [V1-MAGIC-1]"
        ],
        id="magic-zero",
    ),
    pytest.param(
        {"magic": b"!RST"},
        [
            "magic at offset 0: got b'!RST', expected b'TSR!' "
            "(the bytes are in reverse order) [V1-MAGIC-1]"
        ],
        id="magic-reversed",
    ),
    pytest.param(
        {"magic": b"\x93NUM"},
        [
            "magic at offset 0: got b'\\x93NUM', expected b'TSR!' "
            "(this looks like an .npy file) [V1-MAGIC-1]"
        ],
        id="magic-npy",
    ),
    pytest.param(
        {"magic": b"PK\3\4"},
        [
            "magic at offset 0: got b'PK\\x03\\x04', expected b'TSR!' "
            "(this looks like a zip archive: .npz or .pt) [V1-MAGIC-1]"
        ],
        id="magic-zip",
    ),
    pytest.param(
        {"version": 2}, ["version at offset 4: got 2, expected 1 [V1-VERSION-1]"], id="version"
    ),
    pytest.param(
        {"header_size": 63},
        ["header_size at offset 8: got 63, expected 64 [V1-HEADER-1]"],
        id="header-size",
    ),
    pytest.param(
        {"reserved_1": -7, "reserved_2": 1, "reserved_3": -1},
        [
            "reserved_1 at offset 12: got -7, expected 0 [V1-RESERVED-1]",
            "reserved_2 at offset 48: got 1, expected 0 [V1-RESERVED-2]",
            "reserved_3 at offset 56: got -1, expected 0 [V1-RESERVED-3]",
        ],
        id="reserved",
    ),
    pytest.param(
        {"dtype": 4},
        [
            "dtype at offset 16: got 4, expected 1 (FP32), 2 (INT8) or 3 (INT32) "
            "(FP16 is announced, but not part of version 1) [V1-DTYPE-1]"
        ],
        id="dtype-announced",
    ),
    pytest.param(
        {"dtype": 9},
        ["dtype at offset 16: got 9, expected 1 (FP32), 2 (INT8) or 3 (INT32) [V1-DTYPE-1]"],
        id="dtype",
    ),
    pytest.param(
        {"ndim": 5}, ["ndim at offset 20: got 5, expected 0 to 4 [V1-NDIM-1]"], id="ndim-5"
    ),
    pytest.param(
        {"ndim": -1, "n": 2, "total_elements": 12},
        ["ndim at offset 20: got -1, expected 0 to 4 [V1-NDIM-1]"],
        id="ndim-negative",
    ),
    pytest.param(
        of_rank_4((-1, -2, -3, -4), 24),
        [
            "dims[0] at offset 24: got -1, expected 0 or more [V1-DIMS-1]",
            "dims[1] at offset 28: got -2, expected 0 or more [V1-DIMS-1]",
            "dims[2] at offset 32: got -3, expected 0 or more [V1-DIMS-1]",
            "dims[3] at offset 36: got -4, expected 0 or more [V1-DIMS-1]",
        ],
        id="dims-negative",
    ),
    *(
        pytest.param(
            of_rank_4(dims, 0),
            [f"dims[{axis}] at offset {24 + 4 * axis}: got -1, expected 0 or more [V1-DIMS-1]"],
            id=f"dim-{axis}-negative",
        )
        for axis, dims in enumerate([(-1, 0, 2, 3), (0, -1, 2, 3), (0, 1, -1, 3), (0, 1, 2, -1)])
    ),
    pytest.param(
        {"ndim": 1, "n": 0, "c": 2, "total_elements": 0},
        [
            "dims[0] at offset 24: got 0, expected 1 (ndim 1 leaves it unused) [V1-DIMS-2]",
            "dims[1] at offset 28: got 2, expected 1 (ndim 1 leaves it unused) [V1-DIMS-2]",
            "dims[2] at offset 32: got 2, expected 1 (ndim 1 leaves it unused) [V1-DIMS-2]",
        ],
        id="unused-dims",
    ),
    pytest.param(
        of_rank_4((2, 3, 4, 5), -120),
        [
            "total_elements at offset 40: got -120, expected 120 "
            "(the product of dims 2, 3, 4, 5) [V1-TOTAL-1]"
        ],
        id="total",
    ),
    *(
        pytest.param(
            of_rank_4((*TOO_LARGE[:axis], dim, *TOO_LARGE[axis:]), dim * 2**61),
            [
                "dims at offset 24: got dims that span 9223372036854775808 bytes, expected at most "
                "9223372036854775807 (a 0 counts as 1) [V1-LIMIT-1]"
            ],
            id=f"limit-and-{dim}-at-{axis}",
        )
        for dim in (0, 1)
        for axis in range(4)
    ),
]  # fmt: skip


def test_constants() -> None:
    """The limits are those of the fields: an int32 and an int64."""
    assert DIMENSION_MAX == 2147483647
    assert PAYLOAD_MAX == 9223372036854775807


@pytest.mark.parametrize(("changes", "messages"), MESSAGES)
def test_messages(changes: dict[str, Any], messages: list[str]) -> None:
    """All that the fields break is told, in these words."""
    found: list[tsr.FormatError] = []
    check_fields(unpack_fields(header(**changes)), None, True, "some.tsr", found.append)
    assert [str(error) for error in found] == [f"some.tsr: {message}" for message in messages]


@pytest.mark.parametrize(
    ("changes", "clauses"),
    [
        pytest.param({"magic": b"TSR4"}, ["V1-MAGIC-1"], id="magic"),
        pytest.param({"dtype": 9}, ["V1-DTYPE-1"], id="dtype"),
        pytest.param(of_rank_4((1, 1, 2, -3), -6), ["V1-DIMS-1"], id="dims"),
    ],
)
def test_what_has_no_size_is_not_measured(changes: dict[str, Any], clauses: list[str]) -> None:
    """Without element type or dimensions nothing is said of the payload."""
    found: list[tsr.FormatError] = []
    fields = unpack_fields(header(**changes))
    assert check_fields(fields, 65, True, None, found.append)[0] is None
    assert [error.clause for error in found] == clauses


@pytest.mark.parametrize(
    ("changes", "shape"),
    [
        pytest.param({"ndim": 0, "h": 1, "w": 1, "total_elements": 1}, (), id="rank-0"),
        pytest.param({"ndim": 4}, (1, 1, 2, 3), id="rank-4"),
        *(
            pytest.param(
                of_rank_4(shape, dim * (2**63 - 1)) | {"dtype": 2}, shape, id=f"{dim}-at-{axis}"
            )
            for dim in (0, 1)
            for axis in range(4)
            for shape in [(*LARGEST[:axis], dim, *LARGEST[axis:])]
        ),
    ],
)
def test_shapes(changes: dict[str, Any], shape: tuple[int, ...]) -> None:
    """Each rank, and the most bytes that a payload has, with a dimension of 0 and without."""
    assert tsr.parse_header(header(**changes)).shape == shape


@pytest.mark.parametrize("length", [0, 1, 4, 63])
def test_cut_header(length: int) -> None:
    """Fewer than 64 bytes are no header."""
    with pytest.raises(tsr.FormatError) as caught:
        tsr.parse_header(header()[:length], path="some.tsr")
    assert str(caught.value) == (
        f"some.tsr: header at offset 0: got {length} bytes, expected at least 64 bytes [V1-SIZE-1]"
    )


@pytest.mark.parametrize("data", [b"hello\n", memoryview(b"hello\n")], ids=["bytes", "view"])
def test_text_is_told_from_a_cut_header(data: bytes | memoryview) -> None:
    """A short file that does not even begin like a TSR file is called so."""
    with pytest.raises(tsr.FormatError) as caught:
        tsr.parse_header(data)
    assert str(caught.value) == (
        "header at offset 0: got 6 bytes, expected at least 64 bytes "
        "(no TSR file: it starts with b'hell') [V1-SIZE-1]"
    )


def test_any_buffer_holds_a_header() -> None:
    """What lies behind the header does not matter, nor what the numbers of a buffer are."""
    for data in (array.array("i", header()), header() + bytes(24), memoryview(header()).cast("i")):
        assert tsr.parse_header(data).shape == (2, 3)


@pytest.mark.parametrize(
    ("file_size", "message"),
    [
        pytest.param(
            64,
            "payload at offset 64: got 0 bytes, expected 24 bytes [V1-PAYLOAD-1]",
            id="no-payload",
        ),
        pytest.param(
            87,
            "payload at offset 64: got 23 bytes, expected 24 bytes [V1-PAYLOAD-1]",
            id="one-byte-less",
        ),
        pytest.param(
            89,
            "end of file at offset 88: got 1 more byte, expected none [V1-PAYLOAD-2]",
            id="one-byte-more",
        ),
        pytest.param(
            90,
            "end of file at offset 88: got 2 more bytes, expected none [V1-PAYLOAD-2]",
            id="two-bytes-more",
        ),
    ],
)
def test_file_size(file_size: int, message: str) -> None:
    """The file ends where the payload does."""
    assert tsr.parse_header(header(), file_size=88).shape == (2, 3)
    with pytest.raises(tsr.FormatError) as caught:
        tsr.parse_header(header(), file_size=file_size)
    assert str(caught.value) == message
    with pytest.raises(tsr.FormatError) as caught:
        tsr.parse_header(header(), file_size=file_size, path="some.tsr")
    assert str(caught.value) == f"some.tsr: {message}"


def test_lenient_ignores_what_follows() -> None:
    """Without `strict`, anything may follow the payload, which still has to be there."""
    assert tsr.parse_header(header(), file_size=89, strict=False).shape == (2, 3)
    with pytest.raises(tsr.FormatError, match="V1-PAYLOAD-1"):
        tsr.parse_header(header(), file_size=87, strict=False)


@pytest.mark.parametrize("field", ["reserved_1", "reserved_2", "reserved_3"])
def test_lenient_ignores_reserved_fields(field: str) -> None:
    """Without `strict`, reserved fields may hold anything."""
    assert tsr.parse_header(header(**{field: 77}), strict=False).shape == (2, 3)


@pytest.mark.parametrize(("changes", "clause", "field", "offset"), REFUSED)
def test_lenient_refuses_the_rest(
    changes: dict[str, Any], clause: str, field: str, offset: int
) -> None:
    """Without `strict`, every rule but those on reserved fields and trailing bytes holds."""
    if field.startswith("reserved"):
        assert tsr.parse_header(header(**changes), strict=False).shape == (2, 3)
        return
    with pytest.raises(tsr.FormatError) as caught:
        tsr.parse_header(header(**changes), strict=False)
    assert (caught.value.clause, caught.value.offset) == (clause, offset)


def test_header_values() -> None:
    """A Header knows what follows from dtype and shape."""
    parsed = tsr.parse_header(header())
    assert parsed == tsr.parse_header(header())
    assert (parsed.version, parsed.dtype, parsed.shape) == (1, np.dtype("<f4"), (2, 3))
    assert (parsed.ndim, parsed.size, parsed.itemsize, parsed.nbytes) == (2, 6, 4, 24)
    assert (parsed.payload_offset, parsed.file_size) == (64, 88)
    assert repr(parsed) == "Header(version=1, dtype=float32, shape=(2, 3))"
    assert hash(parsed) == hash(pickle.loads(pickle.dumps(parsed)))


def test_header_is_frozen() -> None:
    """A Header cannot be changed, nor given new attributes."""
    parsed = tsr.parse_header(header())
    with pytest.raises(AttributeError):
        parsed.shape = ()  # type: ignore[misc] # that it is refused is the test
    assert not hasattr(parsed, "__dict__")


@pytest.mark.parametrize("dtype", ["float32", np.int8, np.dtype(">i4"), "<f4"])
@pytest.mark.parametrize("shape", [(), (5,), (0,), (3, 4), (2, 3, 4), (1, 0, 3, 4), 7, [2, 2]])
def test_build_header(dtype: Any, shape: Any) -> None:
    """What is built parses to the same dtype and shape."""
    parsed = tsr.parse_header(tsr.build_header(dtype, shape))
    assert parsed.dtype == np.dtype(dtype).newbyteorder("<")
    assert parsed.shape == ((shape,) if isinstance(shape, int) else tuple(shape))


def test_build_header_bytes() -> None:
    """The header is the one that the specification prints."""
    assert tsr.build_header("float32", (2, 3)) == header()


@pytest.mark.parametrize("axis", range(4))
@pytest.mark.parametrize("dim", [0, 1])
def test_build_header_limits(axis: int, dim: int) -> None:
    """The largest shapes have headers, with a 0 among them and without; one byte more has none."""
    largest = (*LARGEST[:axis], dim, *LARGEST[axis:])
    assert tsr.parse_header(tsr.build_header("int8", largest)).shape == largest
    shape = (*TOO_LARGE[:axis], dim, *TOO_LARGE[axis:])
    with pytest.raises(tsr.UnsupportedError) as caught:
        tsr.build_header("float32", shape)
    assert str(caught.value) == (
        f"shape: got {shape}, which spans 9223372036854775808 bytes of float32 (each 0 counted as "
        "1), expected at most 9223372036854775807"
    )
    assert caught.value.given == shape


FIVE = (1, 2, 3, 4, 5)

# Shapes that no header has, and why in the words that users see.
NO_SHAPES = [
    pytest.param(
        FIVE,
        "shape: got 5 dimensions (1, 2, 3, 4, 5), expected at most 4; reshape the array to merge "
        "some",
        id="rank-5",
    ),
    pytest.param(
        (2**31,),
        "shape: got (2147483648,), expected dimensions from 0 to 2147483647",
        id="beyond-int32",
    ),
    pytest.param(
        (2**31, 0),
        "shape: got (2147483648, 0), expected dimensions from 0 to 2147483647",
        id="beyond-int32-and-0",
    ),
    pytest.param(
        (1, 2**64 - 1),
        "shape: got (1, 18446744073709551615), expected dimensions from 0 to 2147483647",
        id="64-bits",
    ),
    pytest.param(
        (2**64, 1),
        "shape: got a huge dimension, expected dimensions from 0 to 2147483647",
        id="65-bits",
    ),
]


@pytest.mark.parametrize(("shape", "message"), NO_SHAPES)
def test_shapes_without_encoding(shape: tuple[int, ...], message: str) -> None:
    """What the fields have no room for is refused, also where an array has that shape."""
    with pytest.raises(tsr.UnsupportedError) as caught:
        tsr.build_header("int8", shape)
    assert (str(caught.value), caught.value.given) == (message, shape)
    with pytest.raises(tsr.UnsupportedError) as caught:
        encode_header(header_starts(INT8), shape)
    assert (str(caught.value), caught.value.given) == (message, shape)


@pytest.mark.parametrize("shape", [(2.0,), None, "12"], ids=repr)
def test_no_integers(shape: Any) -> None:
    """A shape is made of integers; the cause says what is none."""
    with pytest.raises(tsr.UnsupportedError) as caught:
        tsr.build_header("float32", shape)
    assert str(caught.value) == f"shape: got {shape!r}, expected integers"
    assert caught.value.given == shape
    assert isinstance(caught.value.__cause__, TypeError)


@pytest.mark.parametrize(
    ("shape", "fields"),
    [
        pytest.param((), {"ndim": 0, "h": 1, "w": 1, "total_elements": 1}, id="rank-0"),
        pytest.param((5,), {"ndim": 1, "h": 1, "w": 5, "total_elements": 5}, id="rank-1"),
        pytest.param((0,), {"ndim": 1, "h": 1, "w": 0, "total_elements": 0}, id="no-element"),
        pytest.param((2, 3), {}, id="rank-2"),
        pytest.param((2, 3, 4), {"ndim": 3, "c": 2, "h": 3, "w": 4, "total_elements": 24}, id="3"),
        pytest.param((2, 3, 4, 5), of_rank_4((2, 3, 4, 5), 120), id="rank-4"),
        pytest.param(
            (2**31 - 1, 2),
            {"h": 2**31 - 1, "w": 2, "total_elements": 2**32 - 2},
            id="many-elements",
        ),
    ],
)
def test_built_for_an_array(shape: tuple[int, ...], fields: dict[str, int]) -> None:
    """What comes before the dims is built once for each rank, the rest for each array."""
    starts = header_starts(FP32)
    assert starts == tuple(struct.pack("<4s5i", b"TSR!", 1, 64, 0, 1, ndim) for ndim in range(5))
    assert encode_header(starts, shape) == header(**fields)


@pytest.mark.parametrize(
    ("dtype", "shape", "message"),
    [
        pytest.param("float32", (-1,), "dimensions from 0", id="negative"),
        pytest.param("float32", (-2, -3), "dimensions from 0", id="negative-pair"),
        pytest.param("float16", (1,), "cast='float32' keeps every value", id="float16"),
        pytest.param("bool", (1,), "cast='int8' keeps every value", id="bool"),
        pytest.param("uint8", (1,), "cast='int32' keeps every value", id="uint8"),
        pytest.param("int64", (1,), "lossy=True", id="int64"),
        pytest.param("complex64", (1,), "no cast would keep", id="complex"),
        pytest.param("nonsense", (1,), "not a dtype", id="no-dtype"),
        pytest.param(None, (1,), "not a dtype", id="none"),
        pytest.param("(99999999999,)f4", (1,), "not a dtype", id="huge-subarray"),
        pytest.param("f4=i4,i8", (1,), "not a dtype", id="text"),
        pytest.param([("a", "f4"), ("a", "f4")], (1,), "not a dtype", id="field-twice"),
        pytest.param("float32", (10**5000,), "a huge dimension", id="huge"),
    ],
)
def test_build_header_refuses(dtype: Any, shape: Any, message: str) -> None:
    """A dtype or shape that has no encoding is refused, with what is allowed."""
    with pytest.raises(tsr.UnsupportedError, match=message):
        tsr.build_header(dtype, shape)


def test_validate_lists_every_violation() -> None:
    """`validate` goes on after the first violation; `load` stops at it."""
    data = header(version=2, reserved_1=1, n=3, reserved_3=9) + bytes(24)
    clauses = [finding.clause for finding in tsr.validate(data)]
    assert clauses == [
        "V1-VERSION-1", "V1-RESERVED-1", "V1-DIMS-2", "V1-TOTAL-1", "V1-RESERVED-3", "V1-PAYLOAD-1",
    ]  # fmt: skip
    with pytest.raises(tsr.FormatError) as caught:
        tsr.loads(data)
    assert caught.value.clause == clauses[0]
