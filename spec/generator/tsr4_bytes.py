"""TSR4 files, packed field by field, and the vectors that describe them.

Every field has its right value unless another is given, so a file is wrong where its vector
says and nowhere else.
"""

from __future__ import annotations

import struct
import zlib
from hashlib import sha256
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from spec.generator import deflate
from spec.generator.document import Vector, fp32, int8, refused

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FIVE",
    "FP16",
    "FP32",
    "INT8",
    "INT32",
    "LOCATIONS",
    "MODES",
    "RAW",
    "SIX",
    "ZLIB",
    "Shape",
    "Tensor",
    "decoded",
    "fault",
    "file_bytes",
    "fp16",
    "halves",
    "header_bytes",
    "invalid",
    "patched",
    "row",
    "valid",
    "zeros",
]

FP32, FP16, INT8, INT32 = range(4)
DTYPE_NAMES = {FP32: "float32", FP16: "float16", INT8: "int8", INT32: "int32"}
ITEMSIZES = {FP32: 4, FP16: 2, INT8: 1, INT32: 4}

RAW, ZLIB = 0, 1
MODES = {RAW: "raw", ZLIB: "zlib"}

HEADER_SIZE = 128
ENTRY_SIZE = 64
ALIGNMENT = 256

# What row_stride is rounded up to.
ROW_ALIGNMENTS = {FP32: 256, FP16: 128, INT8: 128, INT32: 256}

# Where a reader reports each clause: the field and its offset, from the start of the entry in
# the fields of entries. None where the offset depends on more.
LOCATIONS: dict[str, tuple[str, int | None]] = {
    "T4-SIZE-1": ("header", 0),
    "T4-MAGIC-1": ("magic", 0),
    "T4-CRC-1": ("header_crc32", 40),
    "T4-VERSION-1": ("version_major", 4),
    "T4-VERSION-2": ("version_minor", 6),
    "T4-HEADER-1": ("header_size", 8),
    "T4-MODE-1": ("file_mode", 12),
    "T4-COUNT-1": ("tensor_count", 16),
    "T4-ENTRY-1": ("entry_size", 20),
    "T4-DIRECTORY-1": ("dir_offset", 24),
    "T4-DATA-1": ("data_offset", 32),
    "T4-RESERVED-1": ("reserved_0", 44),
    "T4-RESERVED-2": ("reserved_1", 48),
    "T4-DIRECTORY-2": ("directory", 128),
    "T4-DTYPE-1": ("entries[i].dtype", 0),
    "T4-RESERVED-3": ("entries[i].reserved_0", 1),
    "T4-SHAPE-1": ("entries[i].shape[j]", 4),
    "T4-NUMEL-1": ("entries[i].numel", 20),
    "T4-LIMIT-1": ("entries[i].shape", 4),
    "T4-NBYTES-1": ("entries[i].nbytes", 36),
    "T4-OFFSET-1": ("entries[i].data_offset", 44),
    "T4-STORED-1": ("entries[i].payload_size", 52),
    "T4-PAYLOAD-1": ("payload[i]", None),
    "T4-END-1": ("end of file", None),
    "T4-PADDING-1": ("padding", None),
    "T4-ZLIB-1": ("payload[i]", None),
    "T4-ZLIB-2": ("payload[i]", None),
    "T4-ZLIB-3": ("payload[i]", None),
    "T4-CRC-2": ("entries[i].data_crc32", 60),
}

# The files whose bytes are fixed for good.
PINNED = {
    "raw-fp32": "bf8fa88aa9ad6a463b089483ef565d233021a275f21c936a183a766134fa03c0",
    "raw-fp16": "f7d4dfe5838cff649cb942748ac2c98a8e641560e93cf51cc61adcebf572272f",
    "raw-int8": "d0808a9aef2855a38f3ca8ab5e6d6660362a37a5ee481878ee8617ca880fba24",
    "raw-int32": "f5767e946f2c3f6f3ce918b4702e214c5af99a3a2edcabb5b0bfe52d90cc02ea",
    "raw-fp32-vector": "826d19213a6a7d5c8af51c7d770f2621759b8dbf65d4f4910e96679011a9bb36",
    "raw-fp32-block": "39681d33e05b997f48c3bc23da4fabb040719c093cebddc2244024deb7218238",
    "raw-int8-full": "684aeeca0b822233cb68e412612c0d99f024864102a31a3735e68874eef9b2ca",
    "raw-mixed": "e8d55a7f2cc326769d110d76a04d573459f2e6efa372377216038d3eef9e6974",
    "zlib-fp32": "0db4222541e71a36d87b7b3329449074b4888cf72d2cfa78dc5452ee0c7b8191",
    "zlib-fp16-block": "fbb224e44e38af00cef9abd84ef1c3e3164001aa3c711413725187f61569768d",
    "zlib-fixed": "6121a9e0531f477d1b7be178df1cd97b0aaff328cd6e5189ad1336c4b8bfc3c3",
    "zlib-dynamic": "60259b77f69022024c2828798cebdf42322f5be85670b3c7ac486ebd0ea027ce",
    "zlib-two": "53f27cfcbe0f3d78fac16125c68d612d38266c746c26bf3a307cec9bd6ec27b6",
}

# ------------------------------------------------------------------ bytes


def fp16(*values: float) -> bytes:
    """Pack values as FP16."""
    return struct.pack(f"<{len(values)}e", *values)


def halves(*values: int) -> bytes:
    """Pack bit patterns of 16 bits."""
    return struct.pack(f"<{len(values)}H", *values)


Shape = tuple[int, int, int, int]


class Tensor(NamedTuple):
    """A tensor of a file, with what is wrong in its entry.

    Attributes
    ----------
    dtype : int
        The number of the element type.
    shape : tuple of int
        Four dimensions.
    data : bytes
        The elements.
    fields : mapping
        Values of the entry's fields that take the place of the right ones.
    stream : bytes or None
        The payload of a ZLIB file, if it is not one stored block of `data`.
    skip : int
        Zeros between the place where the payload belongs and the one where it is.
    """

    dtype: int
    shape: Shape
    data: bytes
    fields: Mapping[str, Any] = MappingProxyType({})
    stream: bytes | None = None
    skip: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes that elements of this type and shape take."""
        return prod(self.shape) * ITEMSIZES[self.dtype]

    def but(self, **fields: Any) -> Tensor:
        """Give the tensor with fields of its entry changed."""
        return self._replace(fields={**self.fields, **fields})

    def payload(self, mode: int) -> bytes:
        """Give the bytes that the file holds."""
        if mode == RAW:
            return self.data
        return deflate.stored(self.data) if self.stream is None else self.stream


# Most malformed files hold [[[[0, 1, 2], [3, 4, 5]]]] as FP32, some another tensor behind it.
SIX = Tensor(FP32, (1, 1, 2, 3), fp32(0, 1, 2, 3, 4, 5))
FIVE = Tensor(INT8, (1, 1, 1, 5), int8(1, 2, 3, 4, 5))


def row(dtype: int, data: bytes) -> Tensor:
    """Give a tensor of one row, with as many elements as the data are."""
    return Tensor(dtype, (1, 1, 1, len(data) // ITEMSIZES[dtype]), data)


def zeros(size: int) -> Tensor:
    """Give a row of `size` INT8 zeros."""
    return row(INT8, bytes(size))


def start_of(end: int, mode: int) -> int:
    """Give the place of a payload behind one, or behind a directory, that ends at `end`."""
    return -(-end // ALIGNMENT) * ALIGNMENT if mode == RAW else end


def row_stride(dtype: int, shape: Shape) -> int:
    """Work out what the original writer stores as row_stride."""
    alignment = ROW_ALIGNMENTS[dtype]
    return -(-shape[2] * shape[3] * ITEMSIZES[dtype] // alignment) * alignment


def header_bytes(count: int, *, mode: int = RAW, order: str = "<", **fields: Any) -> bytes:
    """Pack the header of a file of `count` tensors; the CRC is right for what is packed."""
    values = {
        "magic": b"TSR4",
        "version_major": 4,
        "version_minor": 20,
        "header_size": HEADER_SIZE,
        "file_mode": mode,
        "tensor_count": count,
        "entry_size": ENTRY_SIZE,
        "dir_offset": HEADER_SIZE,
        "data_offset": start_of(HEADER_SIZE + ENTRY_SIZE * count, mode),
        "header_crc32": 0,
        "reserved_0": 0,
        "reserved_1": bytes(80),
    } | fields
    packed = struct.pack(f"{order}4sHHIIIIQQII80s", *values.values())
    if "header_crc32" in fields:
        return packed
    return patched(packed, 40, struct.pack("<I", zlib.crc32(packed)))


def entry_bytes(tensor: Tensor, offset: int, payload: bytes, order: str) -> bytes:
    """Pack the entry of a tensor whose payload lies at `offset`."""
    values = {
        "dtype": tensor.dtype,
        "reserved_0": bytes(3),
        "shape": tensor.shape,
        "numel": prod(tensor.shape),
        "row_stride": row_stride(tensor.dtype, tensor.shape),
        "nbytes": tensor.nbytes,
        "data_offset": offset,
        "payload_size": len(payload),
        "data_crc32": zlib.crc32(tensor.data),
        **tensor.fields,
    }
    dtype, reserved, shape, *numbers = values.values()
    return struct.pack(f"{order}B3s4iq4QI", dtype, reserved, *shape, *numbers)


def file_bytes(
    *tensors: Tensor, mode: int = RAW, tail: bytes = b"", order: str = "<", **fields: Any
) -> bytes:
    """Pack a file of tensors: of `SIX` alone unless others are given.

    Parameters
    ----------
    tensors : Tensor
    mode : int
        The mode that the file is laid out in.
    tail : bytes
        What follows the last payload.
    order : str
        The byte order of header and directory.
    fields
        Values of the header's fields that take the place of the right ones.
    """
    tensors = tensors or (SIX,)
    end = HEADER_SIZE + ENTRY_SIZE * len(tensors)
    directory = payloads = b""
    for tensor in tensors:
        payload = tensor.payload(mode)
        offset = start_of(end, mode) + tensor.skip
        directory += entry_bytes(tensor, offset, payload, order)
        payloads += bytes(offset - end) + payload
        end = offset + len(payload)
    header = header_bytes(len(tensors), mode=mode, order=order, **fields)
    return header + directory + payloads + tail


def patched(data: bytes, offset: int, piece: bytes) -> bytes:
    """Put a piece in the place of as many bytes."""
    return data[:offset] + piece + data[offset + len(piece) :]


# ------------------------------------------------------------------ vectors


def decoded(*tensors: Tensor, mode: int = RAW) -> Vector:
    """Write down what a file decodes to; row_stride only where it is not the computed one."""
    described: list[Vector] = []
    for tensor in tensors or (SIX,):
        members: Vector = {
            "dtype": DTYPE_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "payload_sha256": sha256(tensor.data).hexdigest(),
        }
        if "row_stride" in tensor.fields:
            members["row_stride"] = tensor.fields["row_stride"]
        described.append(members)
    return {"mode": MODES[mode], "tensors": described}


def valid(name: str, comment: str, flags: str, *tensors: Tensor, mode: int = RAW) -> Vector:
    """Describe a file that is accepted; `flags` are separated by spaces."""
    vector: Vector = {"id": name, "comment": comment, "flags": flags.split(), "valid": True}
    vector |= decoded(*tensors, mode=mode)
    vector["canonical"] = mode == RAW and not any(tensor.fields for tensor in tensors)
    if name in PINNED:
        vector["sha256"] = PINNED[name]
    return vector | {"hex": file_bytes(*tensors, mode=mode).hex()}


def fault(clause: str, index: int = 0, *, axis: int = 0, at: int | None = None) -> Vector:
    """Write down what a reader reports.

    Parameters
    ----------
    clause : str
    index : int
        The entry or the payload.
    axis : int
        The dimension, where the clause is on one.
    at : int or None
        The offset, where the clause alone does not give it.
    """
    field, offset = LOCATIONS[clause]
    if offset is None:
        offset = at
    elif field.startswith("entries"):
        offset += HEADER_SIZE + ENTRY_SIZE * index + 4 * axis
    field = field.replace("[i]", f"[{index}]").replace("[j]", f"[{axis}]")
    return {"clause": clause, "field": field, "offset": offset}


def invalid(
    name: str,
    comment: str,
    flags: str,
    data: bytes,
    broken: str | Vector,
    *,
    lenient: Vector | None = None,
    lenient_error: str | Vector | None = None,
) -> Vector:
    """Describe a file that is refused; `broken` is a clause, or a `fault`.

    `lenient` is what lenient reading gives, as `decoded` writes it down. Where it refuses the
    file for another reason than strict reading does, `lenient_error` is that reason.
    """
    report = fault(broken) if isinstance(broken, str) else broken
    reason = fault(lenient_error) if isinstance(lenient_error, str) else lenient_error
    return refused(name, comment, flags, data, report, lenient=lenient, lenient_error=reason)
