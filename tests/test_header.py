"""Bytes <-> Header: every rule, one test an error, with literal fields."""

from __future__ import annotations

import pickle
import struct
from typing import Any

import numpy as np
import pytest

import tsr
from tsr.header import DIMENSION_MAX, PAYLOAD_MAX

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


@pytest.mark.parametrize("length", [0, 1, 4, 63])
def test_cut_header(length: int) -> None:
    """Fewer than 64 bytes are no header."""
    with pytest.raises(tsr.FormatError, match="at least 64 bytes") as caught:
        tsr.parse_header(header()[:length])
    assert caught.value.clause == "V1-SIZE-1"


def test_text_is_told_from_a_cut_header() -> None:
    """A short file that does not even begin like a TSR file is called so."""
    with pytest.raises(tsr.FormatError, match="no TSR file: it starts with b'hell'"):
        tsr.parse_header(b"hello\n")


@pytest.mark.parametrize(
    ("file_size", "clause", "field", "offset"),
    [
        pytest.param(64, "V1-PAYLOAD-1", "payload", 64, id="no-payload"),
        pytest.param(87, "V1-PAYLOAD-1", "payload", 64, id="one-byte-less"),
        pytest.param(89, "V1-PAYLOAD-2", "end of file", 88, id="one-byte-more"),
    ],
)
def test_file_size(file_size: int, clause: str, field: str, offset: int) -> None:
    """The file ends where the payload does."""
    assert tsr.parse_header(header(), file_size=88).shape == (2, 3)
    with pytest.raises(tsr.FormatError) as caught:
        tsr.parse_header(header(), file_size=file_size)
    assert (caught.value.clause, caught.value.field, caught.value.offset) == (clause, field, offset)


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


def test_build_header_limits() -> None:
    """The largest shapes have headers; one more byte or element has none."""
    largest = (DIMENSION_MAX, DIMENSION_MAX, 0, 1)
    assert tsr.parse_header(tsr.build_header("int8", largest)).shape == largest
    with pytest.raises(tsr.UnsupportedError, match=str(PAYLOAD_MAX)):
        tsr.build_header("float32", largest)
    with pytest.raises(tsr.UnsupportedError, match="dimensions from 0 to 2147483647"):
        tsr.build_header("int8", (2**31,))


@pytest.mark.parametrize(
    ("dtype", "shape", "message"),
    [
        pytest.param("float32", (1,) * 5, "got 5 dimensions", id="rank-5"),
        pytest.param("float32", (-1,), "dimensions from 0", id="negative"),
        pytest.param("float32", (-2, -3), "dimensions from 0", id="negative-pair"),
        pytest.param("float32", (2.0,), "expected integers", id="float-dimension"),
        pytest.param("float32", None, "expected integers", id="no-shape"),
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
