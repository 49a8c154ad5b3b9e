"""The layouts of both formats, declared once with construct: the reference codec.

`V1_HEADER_SCHEMA`, `TSR4_HEADER_SCHEMA` and `TSR4_ENTRY_SCHEMA` *are* the layouts; `V1_FILE` and
`TSR4_FILE` parse and build whole files by themselves. Every rule bears the id of its clause in
``spec/``: a constant is named so, and a check of its own stands behind the fields that it is
about, in the order of the specification. All is said in construct's words and apart from
`tsr.header` and `tsr.container`, so that either codec can be held against the other on any input.

construct is slow and its exceptions are not ours: the hot path uses `tsr.layout`, and nothing but
a `TSRError` leaves the functions here.
"""

from __future__ import annotations

import io
import re
import sys
import zlib
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from construct import (
    Array,
    BitsInteger,
    BitStruct,
    Bytes,
    Check,
    Checksum,
    Computed,
    Const,
    ConstructError,
    Container,
    Enum,
    FixedSized,
    Flag,
    GreedyBytes,
    If,
    Int8ul,
    Int16ul,
    Int32sl,
    Int32ul,
    Int64sl,
    Int64ul,
    Padding,
    Pointer,
    Rebuild,
    Struct,
    Subconstruct,
    Terminated,
)

from tsr.errors import FormatError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    "TSR4_ENTRY_SCHEMA",
    "TSR4_FILE",
    "TSR4_HEADER_SCHEMA",
    "V1_FILE",
    "V1_HEADER_SCHEMA",
    "reference_dumps",
    "reference_dumps_tsr4",
    "reference_loads",
    "reference_loads_tsr4",
]

_DTYPES: dict[str, np.dtype[Any]] = {
    "FP32": np.dtype("<f4"),
    "FP16": np.dtype("<f2"),
    "INT8": np.dtype("<i1"),
    "INT32": np.dtype("<i4"),
}


def _size(dims: Iterable[int], dtype: str) -> int:
    return prod(dims) * _DTYPES[dtype].itemsize


def _each(clause: str, rule: Callable[[Any, int], bool]) -> Iterator[Any]:
    # A rule on each of the four dimensions, so that the first that breaks it has a name.
    for axis in range(4):
        yield f"{clause}[{axis}]" / Check(lambda this, axis=axis: rule(this, axis))


# ------------------------------------------------------------------ TSR v1

V1_HEADER_SCHEMA = Struct(
    "magic" / ("V1-MAGIC-1" / Const(b"TSR!")),
    "version" / ("V1-VERSION-1" / Const(1, Int32sl)),
    "header_size" / ("V1-HEADER-1" / Const(64, Int32sl)),
    "reserved_1" / ("V1-RESERVED-1" / Const(0, Int32sl)),
    "dtype" / Enum(Int32sl, FP32=1, INT8=2, INT32=3),
    # construct's Enum lets unknown numbers pass, as numbers.
    "V1-DTYPE-1" / Check(lambda this: this.dtype in _DTYPES),
    "ndim" / Int32sl,
    "V1-NDIM-1" / Check(lambda this: 0 <= this.ndim <= 4),
    "dims" / Array(4, Int32sl),
    *_each("V1-DIMS-1", lambda this, axis: this.dims[axis] >= 0),
    *_each("V1-DIMS-2", lambda this, axis: this.dims[axis] == 1 or axis >= 4 - this.ndim),
    "total_elements" / Rebuild(Int64sl, lambda this: prod(this.dims)),
    "V1-TOTAL-1" / Check(lambda this: this.total_elements == prod(this.dims)),
    "V1-LIMIT-1" / Check(lambda this: _size((dim or 1 for dim in this.dims), this.dtype) < 2**63),
    "reserved_2" / ("V1-RESERVED-2" / Const(0, Int64sl)),
    "reserved_3" / ("V1-RESERVED-3" / Const(0, Int64sl)),
)

V1_FILE = Struct(
    "header" / ("V1-SIZE-1" / FixedSized(64, V1_HEADER_SCHEMA)),
    "payload" / ("V1-PAYLOAD-1" / Bytes(lambda this: _size(this.header.dims, this.header.dtype))),
    "end" / ("V1-PAYLOAD-2" / Terminated),
)

# ------------------------------------------------------------------ TSR4: header and directory


def _rounded_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _start(end: int, mode: str) -> int:
    # Where a payload belongs that follows a directory or a payload.
    return _rounded_up(end, 256) if mode == "RAW" else end


def _data_offset(this: Any) -> int:
    return _start(128 + 64 * this.tensor_count, this.file_mode)


def _header_crc(this: Any) -> int:
    # The field itself counts as 0; where the header is being built, all that follows is 0 too.
    header = Pointer(0, GreedyBytes).parse_stream(this._io)[:128]
    return zlib.crc32(header[:40] + bytes(4) + header[44:].ljust(84, b"\0"))


TSR4_HEADER_SCHEMA = Struct(
    "magic" / ("T4-MAGIC-1" / Const(b"TSR4")),
    # Read before all that it covers; what building puts here, `header_crc32` replaces.
    "T4-CRC-1" / Pointer(40, Checksum(Int32ul, _header_crc, lambda this: this)),
    "version_major" / ("T4-VERSION-1" / Const(4, Int16ul)),
    "version_minor" / ("T4-VERSION-2" / Const(20, Int16ul)),
    "header_size" / ("T4-HEADER-1" / Const(128, Int32ul)),
    "file_mode" / Enum(Int32ul, RAW=0, ZLIB=1),
    "T4-MODE-1" / Check(lambda this: this.file_mode in ("RAW", "ZLIB")),
    "tensor_count" / Int32ul,
    "T4-COUNT-1" / Check(lambda this: this.tensor_count >= 1),
    "entry_size" / ("T4-ENTRY-1" / Const(64, Int32ul)),
    "dir_offset" / ("T4-DIRECTORY-1" / Const(128, Int64ul)),
    "data_offset" / Rebuild(Int64ul, _data_offset),
    "T4-DATA-1" / Check(lambda this: this.data_offset == _data_offset(this)),
    "header_crc32" / Rebuild(Int32ul, _header_crc),
    "reserved_0" / ("T4-RESERVED-1" / Const(0, Int32ul)),
    "reserved_1" / ("T4-RESERVED-2" / Const(bytes(80))),
)

# What the original pads the rows of a tensor to in its memory.
_ROW_ALIGNMENTS = {"FP32": 256, "FP16": 128, "INT8": 128, "INT32": 256}


def _row_stride(this: Any) -> int:
    return _rounded_up(_size(this.shape[2:], this.dtype), _ROW_ALIGNMENTS[this.dtype])


def _is_zlib(this: Any) -> bool:
    return bool(this._.header.file_mode == "ZLIB")


def _index(this: Any) -> int:
    # Of the element that a struct is. Its own _index an array within the struct overwrites.
    return int(this._._index)


def _payload_start(this: Any) -> int:
    header = this._.header
    if _index(this) == 0:
        return int(header.data_offset)
    # data_offset and payload_size of the entry before: those of this one are 64 bytes behind.
    before = Pointer(this._io.tell() - 64, Array(2, Int64ul)).parse_stream(this._io)
    return _start(sum(before), header.file_mode)


TSR4_ENTRY_SCHEMA = Struct(
    "dtype" / Enum(Int8ul, FP32=0, FP16=1, INT8=2, INT32=3),
    "T4-DTYPE-1" / Check(lambda this: this.dtype in _DTYPES),
    "reserved_0" / ("T4-RESERVED-3" / Const(bytes(3))),
    "shape" / Array(4, Int32sl),
    *_each("T4-SHAPE-1", lambda this, axis: this.shape[axis] >= 1),
    "numel" / Rebuild(Int64sl, lambda this: prod(this.shape)),
    "T4-NUMEL-1" / Check(lambda this: this.numel == prod(this.shape)),
    "T4-LIMIT-1" / Check(lambda this: _size(this.shape, this.dtype) < 2**63),
    "row_stride" / Rebuild(Int64ul, _row_stride),
    "nbytes" / Rebuild(Int64ul, lambda this: _size(this.shape, this.dtype)),
    "T4-NBYTES-1" / Check(lambda this: this.nbytes == _size(this.shape, this.dtype)),
    "start" / Computed(_payload_start),
    "data_offset" / Rebuild(Int64ul, lambda this: this.start),
    "T4-OFFSET-1" / Check(lambda this: this.data_offset == this.start),
    "payload_size" / Int64ul,
    "T4-STORED-1" / Check(lambda this: _is_zlib(this) or this.payload_size == this.nbytes),
    "data_crc32" / Int32ul,
)

# ------------------------------------------------------------------ TSR4: the whole file


class _Numbered(Subconstruct):  # type: ignore[misc] # construct has no type hints
    """An element of an array: construct leaves its index out of the path that errors carry."""

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        return self.subcon._parsereport(stream, context, f"{path} -> {context._index}")


def _per_tensor(subcon: Any) -> Any:
    return Array(lambda this: this.header.tensor_count, _Numbered(subcon))


def _entry(this: Any) -> Any:
    return this._.directory[_index(this)]


def _padding_size(this: Any) -> int:
    return int(_entry(this).data_offset - this._io.tell())


_TSR4_PAYLOAD = Struct(
    "padding" / Rebuild(Bytes(_padding_size), lambda this: bytes(_padding_size(this))),
    "stored" / Bytes(lambda this: _entry(this).payload_size),
)


_STREAM_FLAGS = BitStruct("level" / BitsInteger(2), "preset_dictionary" / Flag, Padding(5))


def _inflate(this: Any) -> Any:
    # The elements, if need be one byte more, and how the stream ends; None for no zlib stream.
    if not _is_zlib(this):
        return Container(data=this.payload.stored, complete=True, surplus=b"")
    stored = this.payload.stored
    # FDICT; of a stream with it that ends before the dictionary's id, zlib says nothing.
    if stored[1:2] and _STREAM_FLAGS.parse(stored[1:2]).preset_dictionary:
        return None
    decoder = zlib.decompressobj()
    try:
        data = decoder.decompress(stored, min(this.entry.nbytes + 1, sys.maxsize))
    except zlib.error:
        return None
    return Container(data=data, complete=decoder.eof, surplus=decoder.unused_data)


def _padding_start(this: Any) -> int:
    return int(this.entry.data_offset - len(this.payload.padding))


_ZEROS = Array(lambda this: len(this.payload.padding), Const(b"\0"))

_TSR4_CONTENTS = Struct(
    "entry" / Computed(_entry),
    "payload" / Computed(lambda this: this._.payloads[_index(this)]),
    "T4-PADDING-1" / Pointer(_padding_start, _ZEROS),
    "stream" / Computed(_inflate),
    "T4-ZLIB-1" / Check(lambda this: this.stream is not None),
    "T4-ZLIB-2" / Check(lambda this: len(this.stream.data) <= this.entry.nbytes),
    "T4-ZLIB-3" / Check(lambda this: this.stream.complete),
    "T4-ZLIB-2" / Check(lambda this: len(this.stream.data) == this.entry.nbytes),
    "T4-ZLIB-3" / Check(lambda this: not this.stream.surplus),
    "T4-CRC-2" / Check(lambda this: zlib.crc32(this.stream.data) == this.entry.data_crc32),
)


def _directory_size(this: Any) -> int:
    return int(64 * this.header.tensor_count)


TSR4_FILE = Struct(
    "header" / ("T4-SIZE-1" / FixedSized(128, TSR4_HEADER_SCHEMA)),
    "directory" / ("T4-DIRECTORY-2" / FixedSized(_directory_size, _per_tensor(TSR4_ENTRY_SCHEMA))),
    "payloads" / ("T4-PAYLOAD-1" / _per_tensor(_TSR4_PAYLOAD)),
    "end" / ("T4-END-1" / Terminated),
    "contents" / If(lambda this: this._parsing, _per_tensor(_TSR4_CONTENTS)),
)

# ------------------------------------------------------------------ the reference codec


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
        The bytes break a clause: the same error that `tsr.loads` raises, but for its words.
    """
    file = _parse(V1_FILE, data)
    header = file.header
    array: NDArray[Any] = np.ndarray(
        tuple(header.dims[4 - header.ndim :]), _DTYPES[header.dtype], file.payload
    )
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
    header = {"dtype": _name(array), "ndim": array.ndim, "dims": _four(array)}
    return _build(V1_FILE, {"header": header, "payload": _payload(array)})


def reference_loads_tsr4(data: bytes) -> list[NDArray[Any]]:
    """Decode a whole TSR4 file with the schema and Python's zlib alone.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    list of ndarray
        Read-only, float32, float16, int8 or int32, little-endian, of rank 4.

    Raises
    ------
    FormatError
        The bytes break a clause: the same error that `tsr.open` raises, or the use of the
        tensors in their order, but for its words.
    """
    file = _parse(TSR4_FILE, data)
    return [
        np.ndarray(tuple(entry.shape), _DTYPES[entry.dtype], content.stream.data)
        for entry, content in zip(file.directory, file.contents, strict=True)
    ]


def reference_dumps_tsr4(arrays: Sequence[NDArray[Any]], compress: bool = False) -> bytes:
    """Encode arrays as a whole TSR4 file with the schema and Python's zlib alone.

    Parameters
    ----------
    arrays : sequence of ndarray
        float32, float16, int8 or int32, of either byte order, rank 0 to 4, no dimension 0.
    compress : bool, default False
        Write a file of mode ZLIB.

    Raises
    ------
    UnsupportedError
        They have no encoding.
    """
    payloads = [_payload(array) for array in arrays]
    stored = [zlib.compress(payload) if compress else payload for payload in payloads]
    directory = [
        {
            "dtype": _name(array),
            "shape": _four(array),
            "payload_size": len(kept),
            "data_crc32": zlib.crc32(payload),
        }
        for array, payload, kept in zip(arrays, payloads, stored, strict=True)
    ]
    return _build(
        TSR4_FILE,
        {
            "header": {"file_mode": "ZLIB" if compress else "RAW", "tensor_count": len(arrays)},
            "directory": directory,
            "payloads": [{"stored": kept} for kept in stored],
        },
    )


def _name(array: NDArray[Any]) -> str | None:
    dtype = array.dtype.newbyteorder("<")
    return next((name for name, ours in _DTYPES.items() if ours == dtype), None)


def _four(array: NDArray[Any]) -> tuple[int, ...]:
    return (1,) * (4 - array.ndim) + array.shape


def _payload(array: NDArray[Any]) -> bytes:
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def _build(schema: Struct, value: dict[str, Any]) -> bytes:
    try:
        return bytes(schema.build(value))
    except ConstructError as error:
        raise UnsupportedError(str(error)) from error


def _parse(schema: Struct, data: bytes) -> Any:
    stream = io.BytesIO(data)
    try:
        return schema.parse_stream(stream)
    except ConstructError as error:
        raise _refusal(error, stream) from error


# ------------------------------------------------------------------ what a rule is about

_CLAUSE = re.compile(r"(?:V1|T4)-[A-Z]+-[0-9]")

# The rules that do not stand right behind the field that they are about.
_ELSEWHERE = {"T4-CRC-1": "header_crc32", "T4-LIMIT-1": "shape", "V1-LIMIT-1": "dims"}

# Where construct has read the first byte that should not be there.
_SURPLUS = {
    "V1-PAYLOAD-2": "end of file",
    "T4-END-1": "end of file",
    "T4-PADDING-1": "padding",
}


def _located(schema: Struct) -> dict[str, tuple[str, int]]:
    # The field that each rule of a struct is about, and where that begins.
    offsets: dict[str, int] = {}
    fields: dict[str, str] = {}
    field, end = "", 0
    for part in schema.subcons:
        if part.sizeof():
            field, offsets[part.name] = part.name, end
            end += part.sizeof()
        if found := _CLAUSE.match(part.subcon.name or part.name):
            fields[found[0]] = _ELSEWHERE.get(found[0], field)
    return {clause: (field, offsets[field]) for clause, field in fields.items()}


_HEADERS = {
    **_located(V1_HEADER_SCHEMA),
    "V1-SIZE-1": ("header", 0),
    "V1-PAYLOAD-1": ("payload", 64),
    **_located(TSR4_HEADER_SCHEMA),
    "T4-SIZE-1": ("header", 0),
    "T4-DIRECTORY-2": ("directory", 128),
}
_ENTRIES = {**_located(TSR4_ENTRY_SCHEMA), "T4-CRC-2": ("data_crc32", 60)}


def _refusal(error: ConstructError, stream: io.BytesIO) -> FormatError:
    # The path of an error leads through named parts, numbered elements and rules to one rule.
    clause = _CLAUSE.findall(error.path)[-1]
    number = re.search(r" -> ([0-9]+)", error.path)
    index = int(number[1]) if number else 0
    entry = 128 + 64 * index
    if clause in _SURPLUS:
        field, offset = _SURPLUS[clause], stream.tell() - 1
    elif clause in _HEADERS:
        field, offset = _HEADERS[clause]
    elif clause in _ENTRIES:
        field, offset = _ENTRIES[clause]
        field, offset = f"entries[{index}].{field}", entry + offset
    else:
        field, offset = f"payload[{index}]", Pointer(entry + 44, Int64ul).parse_stream(stream)
    if axis := re.search(r"\[([0-3])\]$", error.path):
        field, offset = field + axis[0], offset + 4 * int(axis[1])
    return FormatError(
        field, offset, found=str(error), expected="what the schema declares", clause=clause
    )
