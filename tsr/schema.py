"""The layout of the formats, declared once with construct: the reference codec.

`V1_HEADER_SCHEMA` *is* the layout of TSR v1, and `V1_FILE` parses and builds whole files by
itself. A subconstruct named after a clause of ``spec/tsr-v1.md`` states that clause on the
fields before it, in construct's words and apart from `tsr.header`, so that each of the two can
be held against the other on any input. construct is slow and its exceptions are not ours: the
hot path uses `tsr.layout`, and nothing but a `TSRError` leaves the functions here.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from construct import (
    Array,
    Bytes,
    Check,
    Const,
    ConstructError,
    Enum,
    FixedSized,
    Int32sl,
    Int64sl,
    Rebuild,
    Struct,
    Terminated,
)

from tsr.errors import FormatError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["V1_FILE", "V1_HEADER_SCHEMA", "reference_dumps", "reference_loads"]

_DTYPES: dict[str, np.dtype[Any]] = {
    "FP32": np.dtype("<f4"),
    "INT8": np.dtype("<i1"),
    "INT32": np.dtype("<i4"),
}


def _size(dims: Iterable[int], dtype: str) -> int:
    return prod(dims) * _DTYPES[dtype].itemsize


V1_HEADER_SCHEMA = Struct(
    "magic" / Const(b"TSR!"),
    "version" / Const(1, Int32sl),
    "header_size" / Const(64, Int32sl),
    "reserved_1" / Const(0, Int32sl),
    "dtype" / Enum(Int32sl, FP32=1, INT8=2, INT32=3),
    # construct's Enum lets unknown numbers pass, as numbers.
    "V1-DTYPE-1" / Check(lambda this: this.dtype in _DTYPES),
    "ndim" / Int32sl,
    "V1-NDIM-1" / Check(lambda this: 0 <= this.ndim <= 4),
    "dims" / Array(4, Int32sl),
    "V1-DIMS-1" / Check(lambda this: all(dim >= 0 for dim in this.dims)),
    "V1-DIMS-2" / Check(lambda this: all(dim == 1 for dim in this.dims[: 4 - this.ndim])),
    "total_elements" / Rebuild(Int64sl, lambda this: prod(this.dims)),
    "V1-TOTAL-1" / Check(lambda this: this.total_elements == prod(this.dims)),
    "V1-LIMIT-1" / Check(lambda this: _size((dim or 1 for dim in this.dims), this.dtype) < 2**63),
    "reserved_2" / Const(0, Int64sl),
    "reserved_3" / Const(0, Int64sl),
)

V1_FILE = Struct(
    "header" / FixedSized(64, V1_HEADER_SCHEMA),
    "payload" / Bytes(lambda this: _size(this.header.dims, this.header.dtype)),
    "end" / Terminated,
)

# The clause that stands behind each part that names none.
_CLAUSES = {
    "magic": "V1-MAGIC-1",
    "version": "V1-VERSION-1",
    "header_size": "V1-HEADER-1",
    "reserved_1": "V1-RESERVED-1",
    "reserved_2": "V1-RESERVED-2",
    "reserved_3": "V1-RESERVED-3",
    "header": "V1-SIZE-1",
    "payload": "V1-PAYLOAD-1",
    "end": "V1-PAYLOAD-2",
}


def reference_loads(data: bytes) -> NDArray[Any]:
    """Decode a whole TSR v1 file with the schema alone.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    ndarray
        Read-only, float32, int8 or int32, little-endian, of rank 0 to 4.

    Raises
    ------
    FormatError
        The bytes break a clause; the same one that `tsr.loads` names.
    """
    try:
        file = V1_FILE.parse(data)
    except ConstructError as error:
        part = error.path.rpartition(" -> ")[2]
        clause = _CLAUSES.get(part, part)
        raise FormatError(
            part, _offset(part), found=str(error), expected="a TSR v1 file", clause=clause
        ) from error
    header = file.header
    shape = tuple(header.dims[4 - header.ndim :])
    array: NDArray[Any] = np.ndarray(shape, _DTYPES[header.dtype], file.payload)
    return array


def reference_dumps(array: NDArray[Any]) -> bytes:
    """Encode an array as a whole TSR v1 file with the schema alone.

    Parameters
    ----------
    array : ndarray
        float32, int8 or int32, of either byte order, rank 0 to 4.

    Raises
    ------
    UnsupportedError
        The array has no encoding.
    """
    names = [name for name, dtype in _DTYPES.items() if dtype == array.dtype.newbyteorder("<")]
    header = {
        "dtype": names[0] if names else None,
        "ndim": array.ndim,
        "dims": (1,) * (4 - array.ndim) + array.shape,
    }
    payload = array.astype(array.dtype.newbyteorder("<")).tobytes()
    try:
        return bytes(V1_FILE.build({"header": header, "payload": payload}))
    except ConstructError as error:
        raise UnsupportedError(str(error), given=(array.dtype, array.shape)) from error


def _offset(part: str) -> int:
    # Where a part of the schema begins; for a clause, where the field before it does.
    offset = start = 0
    for subcon in V1_HEADER_SCHEMA.subcons:
        if subcon.sizeof():
            start, offset = offset, offset + subcon.sizeof()
        if subcon.name == part:
            return start
    return 0 if part == "header" else offset
