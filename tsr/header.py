"""Bytes <-> `Header` of TSR v1: every rule of the header, written once. No I/O.

In: the first 64 bytes and the size of the file. Out: a `Header`, or `FormatError` with the
clause of ``spec/tsr-v1.md`` that the bytes break. `build_header` goes the other way and raises
`UnsupportedError` for what has no encoding.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod
from struct import Struct
from typing import TYPE_CHECKING, Any, NoReturn

from tsr.buffers import bytes_view
from tsr.dtypes import ANNOUNCED, V1_BY_CODE, ElementType, element_type
from tsr.errors import FormatError, UnsupportedError
from tsr.layout import (
    V1_HEADER,
    V1_HEADER_SIZE,
    V1_MAGIC,
    V1_OFFSETS,
    V1_RANK_MAX,
    V1_VERSION,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike

    from tsr.buffers import BytesLike

__all__ = [
    "DIMENSION_MAX",
    "PAYLOAD_MAX",
    "Header",
    "build_header",
    "check_fields",
    "cut_header",
    "decode_header",
    "encode_header",
    "header_starts",
    "parse_header",
    "raise_error",
    "unpack_fields",
]

# The largest dimension an int32 holds, and the most payload bytes an int64 counts.
DIMENSION_MAX = 2**31 - 1
PAYLOAD_MAX = 2**63 - 1

# The dims that a shape of each rank leaves unused.
_ONES = tuple((1,) * (V1_RANK_MAX - ndim) for ndim in range(V1_RANK_MAX + 1))

# What follows in a header where `header_starts` ends: dims and total. To pack five numbers takes
# half the time of thirteen.
_pack_rest = Struct("<4iq16x").pack

# bytes -> the 13 numbers of a header; bound once, for the hot path
unpack_fields = V1_HEADER.unpack_from

_MAGIC_NOTES = {
    b"TSR4": "this is a TSR4 file, which tsr.open reads",
    b"TSR\0": "no writer ever produced this variant",
    b"!RST": "the bytes are in reverse order",
    b"\x93NUM": "this looks like an .npy file",
    b"PK\3\4": "this looks like a zip archive: .npz or .pt",
}


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a TSR v1 file says.

    Attributes
    ----------
    element : ElementType
        The format's view of the element type.
    shape : tuple of int
        0 to 4 dimensions, each from 0 to 2**31 - 1.
    """

    element: ElementType
    shape: tuple[int, ...]

    @property
    def version(self) -> int:
        """Version of the format: 1."""
        return V1_VERSION

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype of the payload, little-endian."""
        return self.element.numpy

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes an element takes."""
        return self.element.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes the payload takes."""
        return prod(self.shape) * self.element.itemsize

    @property
    def payload_offset(self) -> int:
        """Where the payload begins, in bytes from the start of the file: 64."""
        return V1_HEADER_SIZE

    @property
    def file_size(self) -> int:
        """Bytes the whole file takes."""
        return V1_HEADER_SIZE + self.nbytes

    def __repr__(self) -> str:
        return f"Header(version={self.version}, dtype={self.element.name}, shape={self.shape})"


def parse_header(
    data: BytesLike, *, file_size: int | None = None, strict: bool = True, path: str | None = None
) -> Header:
    """Parse the header of a TSR v1 file and check every rule.

    Parameters
    ----------
    data : bytes-like
        The first 64 bytes of the file, or more.
    file_size : int, optional
        Size of the whole file in bytes. Without it the rules on the payload's size
        (V1-PAYLOAD-1, V1-PAYLOAD-2) are not checked.
    strict : bool, default True
        False accepts set reserved fields and bytes after the payload, as the original
        readers do.
    path : str, optional
        What errors call the file.

    Raises
    ------
    FormatError
        The header breaks a clause of ``spec/tsr-v1.md``: the first one, in file order.
    """
    view = bytes_view(data)
    return Header(*decode_header(view, len(view), file_size, strict, path))


def decode_header(
    data: Any, available: int, file_size: int | None, strict: bool, path: str | None
) -> tuple[ElementType, tuple[int, ...]]:
    """Parse like `parse_header`, for the hot path: `available` is the length of `data`."""
    if available < V1_HEADER_SIZE:
        raise cut_header(data, available, path)
    # What is returned has an element type: where it lacks one, an error was raised.
    return check_fields(unpack_fields(data), file_size, strict, path, raise_error)  # type: ignore[return-value]


def cut_header(data: Any, available: int, path: str | None) -> FormatError:
    """Make the error for a file that ends inside its header."""
    start = bytes(data[: len(V1_MAGIC)])
    note = "" if V1_MAGIC.startswith(start) else f"no TSR file: it starts with {start!r}"
    # V1-SIZE-1
    return FormatError(
        "header", 0, found=f"{available} bytes", expected=f"at least {V1_HEADER_SIZE} bytes",
        clause="V1-SIZE-1", path=path, note=note,
    )  # fmt: skip


def raise_error(error: FormatError) -> NoReturn:
    """Stop `check_fields` at the first broken rule."""
    raise error


def check_fields(  # noqa: C901 - one branch a rule, in file order
    fields: tuple[Any, ...],
    file_size: int | None,
    strict: bool,
    path: str | None,
    report: Callable[[FormatError], object],
) -> tuple[ElementType | None, tuple[int, ...]]:
    """Check every rule on the header's fields, whichever parser read them.

    Parameters
    ----------
    fields : tuple
        The 13 numbers of the header: the fields in order, dims one by one.
    file_size : int or None
        Size of the whole file in bytes, where it is known.
    strict, path
        As for `parse_header`.
    report : callable
        Called with an error for every rule broken, in file order. To raise it stops there.

    Returns
    -------
    element : ElementType or None
        None where a reported error leaves it or the payload's size open.
    shape : tuple of int
    """
    (
        magic,
        version,
        header_size,
        reserved_1,
        code,
        ndim,
        n,
        c,
        h,
        w,
        total,
        reserved_2,
        reserved_3,
    ) = fields
    # V1-MAGIC-1
    if magic != V1_MAGIC:
        report(_broken(path, "magic", "V1-MAGIC-1", magic, V1_MAGIC, _MAGIC_NOTES.get(magic, "")))
        return None, ()  # what follows is no header of ours, and means nothing
    # V1-VERSION-1
    if version != V1_VERSION:
        report(_broken(path, "version", "V1-VERSION-1", version, V1_VERSION))
    # V1-HEADER-1
    if header_size != V1_HEADER_SIZE:
        report(_broken(path, "header_size", "V1-HEADER-1", header_size, V1_HEADER_SIZE))
    # V1-RESERVED-1
    if reserved_1 and strict:
        report(_broken(path, "reserved_1", "V1-RESERVED-1", reserved_1, 0))
    # V1-DTYPE-1
    element = V1_BY_CODE.get(code)
    if element is None:
        label = ANNOUNCED.get(code)
        note = f"{label} is announced, but not part of version 1" if label else ""
        report(_broken(path, "dtype", "V1-DTYPE-1", code, "1 (FP32), 2 (INT8) or 3 (INT32)", note))
    # V1-NDIM-1
    if not 0 <= ndim <= V1_RANK_MAX:
        report(_broken(path, "ndim", "V1-NDIM-1", ndim, f"0 to {V1_RANK_MAX}"))
        ndim = V1_RANK_MAX  # which dims are unused cannot be told: take it that none is
    dims, unused = (n, c, h, w), V1_RANK_MAX - ndim
    # V1-DIMS-1
    if n < 0 or c < 0 or h < 0 or w < 0:
        element = None  # the payload has no size
        for index, dim in ((i, dim) for i, dim in enumerate(dims) if dim < 0):
            report(_broken(path, "dims", "V1-DIMS-1", dim, "0 or more", index=index))
    # V1-DIMS-2
    if dims[:unused] != _ONES[ndim]:
        note = f"ndim {ndim} leaves it unused"
        for index, dim in ((i, dim) for i, dim in enumerate(dims[:unused]) if dim != 1):
            report(_broken(path, "dims", "V1-DIMS-2", dim, 1, note, index=index))
    # V1-TOTAL-1
    product = n * c * h * w  # Python's integers do not wrap
    if total != product:
        note = f"the product of dims {n}, {c}, {h}, {w}"
        report(_broken(path, "total_elements", "V1-TOTAL-1", total, product, note))
    # V1-LIMIT-1
    nbytes = None
    if element is not None:
        nbytes = product * element.itemsize
        span = nbytes or (n or 1) * (c or 1) * (h or 1) * (w or 1) * element.itemsize
        if span > PAYLOAD_MAX:
            found, expected = f"dims that span {span} bytes", f"at most {PAYLOAD_MAX}"
            report(_broken(path, "dims", "V1-LIMIT-1", found, expected, "a 0 counts as 1"))
    # V1-RESERVED-2
    if reserved_2 and strict:
        report(_broken(path, "reserved_2", "V1-RESERVED-2", reserved_2, 0))
    # V1-RESERVED-3
    if reserved_3 and strict:
        report(_broken(path, "reserved_3", "V1-RESERVED-3", reserved_3, 0))
    if nbytes is not None and file_size is not None and file_size != V1_HEADER_SIZE + nbytes:
        surplus = file_size - V1_HEADER_SIZE - nbytes
        # V1-PAYLOAD-1
        if surplus < 0:
            found, expected = f"{nbytes + surplus} bytes", f"{nbytes} bytes"
            report(_broken(path, "payload", "V1-PAYLOAD-1", found, expected))
        # V1-PAYLOAD-2
        elif strict:
            found = f"{surplus} more byte{'s' if surplus > 1 else ''}"
            report(FormatError(
                "end of file", V1_HEADER_SIZE + nbytes, found=found, expected="none",
                clause="V1-PAYLOAD-2", path=path,
            ))  # fmt: skip
    return element, dims[unused:]


def _broken(
    path: str | None, field: str, clause: str, found: object, expected: object,
    note: str = "", index: int | None = None,
) -> FormatError:  # fmt: skip
    offset = V1_OFFSETS[field]
    if index is not None:
        field, offset = f"{field}[{index}]", offset + 4 * index
    return FormatError(
        field, offset, found=found, expected=expected, clause=clause, path=path, note=note
    )


def build_header(dtype: DTypeLike, shape: int | Sequence[int]) -> bytes:
    """Build the 64-byte header of a TSR v1 file.

    Parameters
    ----------
    dtype : dtype-like
        float32, int8 or int32, of either byte order.
    shape : int or sequence of int
        0 to 4 dimensions, each from 0 to 2**31 - 1.

    Returns
    -------
    bytes
        The 64 bytes that precede the payload.

    Raises
    ------
    UnsupportedError
        There is no encoding for the dtype or the shape: more than four dimensions, one that
        is negative or does not fit an int32, or more bytes than an int64 counts.
    """
    try:
        dims = tuple(map(operator.index, shape if isinstance(shape, Iterable) else (shape,)))
    except TypeError as error:
        raise UnsupportedError(f"shape: got {shape!r}, expected integers", given=shape) from error
    element = element_type(dtype)
    _check_dims(dims)
    # V1-LIMIT-1
    span = prod(dim or 1 for dim in dims) * element.itemsize
    if span > PAYLOAD_MAX:
        raise UnsupportedError(
            f"shape: got {dims}, which spans {span} bytes of {element.name} (each 0 counted "
            f"as 1), expected at most {PAYLOAD_MAX}",
            given=dims,
        )
    return encode_header(header_starts(element), dims)


def header_starts(element: ElementType) -> tuple[bytes, ...]:
    """Build what comes before the dims in the header of an element type, for each rank."""
    return tuple(
        V1_HEADER.pack(V1_MAGIC, V1_VERSION, V1_HEADER_SIZE, 0, element.code, ndim, *[0] * 7)[
            : V1_OFFSETS["dims"]
        ]
        for ndim in range(V1_RANK_MAX + 1)
    )


def encode_header(starts: tuple[bytes, ...], shape: tuple[int, ...]) -> bytes:
    """Build like `build_header`, for the hot path: the shape is that of an array."""
    ndim = len(shape)
    if ndim > V1_RANK_MAX:
        _check_dims(shape)
    n, c, h, w = _ONES[ndim] + shape
    total = n * c * h * w
    # An array rarely has no element, or more than 2**31: only then look at each dimension.
    if total > DIMENSION_MAX or total == 0:
        _check_dims(shape)
    return starts[ndim] + _pack_rest(n, c, h, w, total)


def _check_dims(shape: tuple[int, ...]) -> None:
    # V1-NDIM-1
    if len(shape) > V1_RANK_MAX:
        raise UnsupportedError(
            f"shape: got {len(shape)} dimensions {shape}, expected at most {V1_RANK_MAX}; "
            "reshape the array to merge some",
            given=shape,
        )
    # V1-DIMS-1, and what an int32 holds
    if any(not 0 <= dim <= DIMENSION_MAX for dim in shape):
        # Python refuses to print integers of thousands of digits.
        got = shape if all(dim.bit_length() <= 64 for dim in shape) else "a huge dimension"
        raise UnsupportedError(
            f"shape: got {got}, expected dimensions from 0 to {DIMENSION_MAX}", given=shape
        )
