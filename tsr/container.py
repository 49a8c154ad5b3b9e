"""Bytes <-> header and directory of TSR4: every rule of the two, written once. No I/O.

In: the first 128 bytes, the directory that follows them and the size of the file. Out: where
each tensor lies, or `FormatError` with the clause of ``spec/tsr4.md`` that the bytes break.
What the payloads hold is checked in `tsr.contents`.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from tsr.compression import crc32
from tsr.dtypes import TSR4_BY_CODE, ElementType
from tsr.errors import FormatError, UnsupportedError
from tsr.header import DIMENSION_MAX, PAYLOAD_MAX
from tsr.layout import (
    TSR4_ALIGNMENT,
    TSR4_ENTRY,
    TSR4_ENTRY_OFFSETS,
    TSR4_ENTRY_SIZE,
    TSR4_HEADER,
    TSR4_HEADER_SIZE,
    TSR4_MAGIC,
    TSR4_OFFSETS,
    TSR4_RANK,
    TSR4_RAW,
    TSR4_VERSION,
    TSR4_ZLIB,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    Report = Callable[[FormatError], object]

__all__ = [
    "COUNT_MAX",
    "TensorInfo",
    "broken_entry",
    "check_extent",
    "check_shape",
    "data_start",
    "decode_container_header",
    "decode_directory",
    "directory_end",
    "encode_container",
    "header_checksum",
    "next_start",
]

# The most tensors that the header's uint32 counts.
COUNT_MAX = 2**32 - 1

# What rows are padded to in the memory of the original, which `row_stride` tells of.
_ROW_ALIGNMENTS = {4: 256, 2: 128, 1: 128}

_ZEROS = bytes(4)
_RESERVED_1 = bytes(80)
_ENTRY_RESERVED_0 = bytes(3)

_CRC_OFFSET = TSR4_OFFSETS["header_crc32"]


class TensorInfo(NamedTuple):
    """What a file says of one of its tensors.

    Attributes
    ----------
    element : ElementType
        The format's view of the element type.
    shape : tuple of int
        4 dimensions, N, H, W, C, each at least 1; of a TSR v1 file 0 to 4, each at least 0.
    offset : int
        Where the payload begins, in bytes from the start of the file.
    nbytes : int
        Bytes that the elements take.
    stored_nbytes : int
        Bytes that the payload takes in the file: fewer or more where it is compressed.
    crc32 : int or None
        CRC-32 of the elements' bytes; None in a TSR v1 file, which has none.
    row_stride : int or None
        What the writer said of a row in its memory; None in a TSR v1 file.
    """

    element: ElementType
    shape: tuple[int, ...]
    offset: int
    nbytes: int
    stored_nbytes: int
    crc32: int | None = None
    row_stride: int | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype of the elements, little-endian."""
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

    def __repr__(self) -> str:
        crc = "None" if self.crc32 is None else f"0x{self.crc32:08x}"
        return (
            f"TensorInfo(dtype={self.element.name}, shape={self.shape}, offset={self.offset}, "
            f"nbytes={self.nbytes}, stored_nbytes={self.stored_nbytes}, crc32={crc})"
        )


def directory_end(count: int) -> int:
    """Give the offset at which a directory of `count` entries ends."""
    return TSR4_HEADER_SIZE + TSR4_ENTRY_SIZE * count


def data_start(count: int, mode: int) -> int:
    """Give the offset at which the first of `count` payloads begins."""
    return next_start(directory_end(count), mode)


def next_start(end: int, mode: int) -> int:
    """Give the offset of a payload behind one that ends at `end`."""
    return end if mode == TSR4_ZLIB else -(-end // TSR4_ALIGNMENT) * TSR4_ALIGNMENT


def decode_container_header(  # noqa: C901 - one branch a rule, in the order of the specification
    data: Any,
    available: int,
    file_size: int | None,
    strict: bool,
    path: str | None,
    report: Report,
) -> tuple[int | None, int]:
    """Parse the header and check every rule on it.

    Parameters
    ----------
    data : bytes or memoryview
        The first 128 bytes of the file, or more.
    available : int
        The length of `data`.
    file_size : int or None
        Size of the whole file in bytes, where it is known.
    strict : bool
        False accepts set reserved fields.
    path : str or None
        What errors call the file.
    report : callable
        Called with an error for every rule broken, in the order of the specification. To raise
        it stops there.

    Returns
    -------
    mode : int or None
        The value of ``file_mode``; None where a reported error leaves it open.
    count : int
        The entries of the directory that are there to be read.
    """
    # T4-SIZE-1
    if available < TSR4_HEADER_SIZE:
        start = bytes(data[: len(TSR4_MAGIC)])
        note = "" if TSR4_MAGIC.startswith(start) else f"no TSR4 file: it starts with {start!r}"
        found, expected = f"{available} bytes", f"at least {TSR4_HEADER_SIZE} bytes"
        report(FormatError(
            "header", 0, found=found, expected=expected, clause="T4-SIZE-1", path=path, note=note,
        ))  # fmt: skip
        return None, 0
    (
        magic,
        major,
        minor,
        header_size,
        mode,
        count,
        entry_size,
        dir_offset,
        data_offset,
        header_crc32,
        reserved_0,
        reserved_1,
    ) = TSR4_HEADER.unpack_from(data)

    def broken(field: str, clause: str, found: object, expected: object, note: str = "") -> None:
        report(FormatError(
            field, TSR4_OFFSETS[field], found=found, expected=expected, clause=clause, path=path,
            note=note,
        ))  # fmt: skip

    # T4-MAGIC-1
    if magic != TSR4_MAGIC:
        broken("magic", "T4-MAGIC-1", magic, TSR4_MAGIC)
        return None, 0  # what follows is no header of ours, and means nothing
    # T4-CRC-1
    checksum = header_checksum(data)
    if header_crc32 != checksum:
        note = "the CRC-32 of the header"
        broken("header_crc32", "T4-CRC-1", f"0x{header_crc32:08x}", f"0x{checksum:08x}", note)
    # T4-VERSION-1
    if major != TSR4_VERSION[0]:
        broken("version_major", "T4-VERSION-1", major, TSR4_VERSION[0])
    # T4-VERSION-2
    if minor != TSR4_VERSION[1]:
        broken("version_minor", "T4-VERSION-2", minor, TSR4_VERSION[1])
    # T4-HEADER-1
    if header_size != TSR4_HEADER_SIZE:
        broken("header_size", "T4-HEADER-1", header_size, TSR4_HEADER_SIZE)
    # T4-MODE-1
    if mode not in (TSR4_RAW, TSR4_ZLIB):
        broken("file_mode", "T4-MODE-1", mode, "0 (RAW) or 1 (ZLIB)")
        mode = None
    # T4-COUNT-1
    if count == 0:
        broken("tensor_count", "T4-COUNT-1", count, "at least 1")
    # T4-ENTRY-1
    if entry_size != TSR4_ENTRY_SIZE:
        broken("entry_size", "T4-ENTRY-1", entry_size, TSR4_ENTRY_SIZE)
    # T4-DIRECTORY-1
    if dir_offset != TSR4_HEADER_SIZE:
        broken("dir_offset", "T4-DIRECTORY-1", dir_offset, TSR4_HEADER_SIZE)
    # T4-DATA-1
    if mode is not None and data_offset != data_start(count, mode):
        note = f"behind {count} entries"
        broken("data_offset", "T4-DATA-1", data_offset, data_start(count, mode), note)
    # T4-RESERVED-1
    if reserved_0 and strict:
        broken("reserved_0", "T4-RESERVED-1", reserved_0, 0)
    # T4-RESERVED-2
    if reserved_1 != _RESERVED_1 and strict:
        broken("reserved_1", "T4-RESERVED-2", reserved_1.hex(), "80 zero bytes")
    # T4-DIRECTORY-2
    if file_size is not None and file_size < directory_end(count):
        found = f"{file_size - TSR4_HEADER_SIZE} bytes"
        expected = f"{TSR4_ENTRY_SIZE * count} bytes"
        broken("directory", "T4-DIRECTORY-2", found, expected, f"{count} entries")
        return None, 0
    return mode, count


def decode_directory(  # noqa: C901 - one branch a rule, in the order of the specification
    directory: Any,
    mode: int | None,
    strict: bool,
    path: str | None,
    report: Report,
    *,
    first: int = 0,
    end: int | None = None,
) -> list[TensorInfo]:
    """Parse the directory, or a part of it, and check every rule on its fields.

    Parameters
    ----------
    directory : bytes or memoryview
        All its entries.
    mode : int or None
        The value of ``file_mode``, where that is known.
    strict : bool
        False accepts set reserved fields.
    path, report
        As for `decode_container_header`.
    first : int, default 0
        The index of the first entry.
    end : int, optional
        Where the payload of the entry before it ends, or the whole directory.

    Returns
    -------
    list of TensorInfo
        Without the entries whose dtype or shape a reported error leaves open.
    """
    infos: list[TensorInfo] = []
    append, new = infos.append, tuple.__new__  # what TensorInfo itself would call, sooner
    if end is None:
        end = directory_end(len(directory) // TSR4_ENTRY_SIZE)
    is_raw = mode == TSR4_RAW
    index = first - 1

    def broken(field: str, clause: str, found: object, expected: object, note: str = "") -> None:
        report(broken_entry(index, field, clause, found, expected, path=path, note=note))

    for (
        code, reserved, n, h, w, c, numel, row_stride, nbytes, offset, stored, crc,
    ) in TSR4_ENTRY.iter_unpack(directory):  # fmt: skip
        index += 1
        # T4-DTYPE-1
        element = TSR4_BY_CODE.get(code)
        if element is None:
            expected = "0 (FP32), 1 (FP16), 2 (INT8) or 3 (INT32)"
            broken("dtype", "T4-DTYPE-1", code, expected)
        # T4-RESERVED-3
        if reserved != _ENTRY_RESERVED_0 and strict:
            broken("reserved_0", "T4-RESERVED-3", reserved.hex(), "3 zero bytes")
        # T4-SHAPE-1
        if n < 1 or h < 1 or w < 1 or c < 1:
            element = None  # the payload has no size
            for axis, dim in enumerate((n, h, w, c)):
                if dim < 1:
                    broken(f"shape[{axis}]", "T4-SHAPE-1", dim, "1 or more")
        # T4-NUMEL-1
        product = n * h * w * c  # Python's integers do not wrap
        if numel != product:
            note = f"the product of shape {n}, {h}, {w}, {c}"
            broken("numel", "T4-NUMEL-1", numel, product, note)
        if element is not None:
            size = product * element.itemsize
            # T4-LIMIT-1
            if size > PAYLOAD_MAX:
                found = f"{size} bytes of {element.name}"
                broken("shape", "T4-LIMIT-1", found, f"at most {PAYLOAD_MAX}")
            # T4-NBYTES-1
            if nbytes != size:
                note = f"{product} elements of {element.name}"
                broken("nbytes", "T4-NBYTES-1", nbytes, size, note)
        if mode is not None:
            start = -(-end // TSR4_ALIGNMENT) * TSR4_ALIGNMENT if is_raw else end
            # T4-OFFSET-1
            if offset != start:
                broken("data_offset", "T4-OFFSET-1", offset, start)
            # T4-STORED-1
            if is_raw and stored != nbytes:
                broken("payload_size", "T4-STORED-1", stored, nbytes, "no compression")
        end = offset + stored
        if element is not None:
            fields = (element, (n, h, w, c), offset, nbytes, stored, crc, row_stride)
            append(new(TensorInfo, fields))
    return infos


def check_extent(
    infos: Sequence[TensorInfo], file_size: int, strict: bool, path: str | None, report: Report,
    *, first: int = 0,
) -> None:  # fmt: skip
    """Check that a file of `file_size` bytes holds all payloads, and nothing behind them.

    `infos` may be the last part of a directory, from the entry `first` on.
    """
    end = infos[-1].offset + infos[-1].stored_nbytes
    if file_size < end:
        for index, info in enumerate(infos, first):
            # T4-PAYLOAD-1
            if file_size < info.offset + info.stored_nbytes:
                report(FormatError(
                    f"payload[{index}]", info.offset,
                    found=f"{max(file_size - info.offset, 0)} bytes",
                    expected=f"{info.stored_nbytes} bytes", clause="T4-PAYLOAD-1", path=path,
                ))  # fmt: skip
    # T4-END-1
    elif file_size > end and strict:
        surplus = file_size - end
        report(FormatError(
            "end of file", end, found=f"{surplus} more byte{'s' if surplus > 1 else ''}",
            expected="none", clause="T4-END-1", path=path,
        ))  # fmt: skip


def broken_entry(
    index: int, field: str, clause: str, found: object, expected: object, *,
    path: str | None, note: str = "",
) -> FormatError:  # fmt: skip
    """Make the error for a field of an entry, ``"numel"`` or ``"shape[2]"``."""
    name, _, axis = field.removesuffix("]").partition("[")
    offset = directory_end(index) + TSR4_ENTRY_OFFSETS[name] + 4 * int(axis or 0)
    return FormatError(
        f"entries[{index}].{field}", offset, found=found, expected=expected, clause=clause,
        path=path, note=note,
    )  # fmt: skip


def check_shape(element: ElementType, shape: Sequence[int]) -> tuple[int, int, int, int]:
    """Give the four dimensions that an array's shape is stored as: leading ones fill it up.

    Raises
    ------
    UnsupportedError
        There is no encoding for it: more than four dimensions, one that is 0 or does not fit an
        int32, or more bytes than an int64 counts.
    """
    if len(shape) > TSR4_RANK:
        raise UnsupportedError(
            f"shape: got {len(shape)} dimensions {tuple(shape)}, expected at most {TSR4_RANK}; "
            "reshape the array to merge some",
            given=tuple(shape),
        )
    n, h, w, c = (1,) * (TSR4_RANK - len(shape)) + tuple(shape)
    # T4-SHAPE-1, and what an int32 holds
    if min(n, h, w, c) < 1 or max(n, h, w, c) > DIMENSION_MAX:
        raise UnsupportedError(
            f"shape: got {tuple(shape)}, expected dimensions from 1 to {DIMENSION_MAX}; "
            "format='v1' holds a dimension of 0",
            given=tuple(shape),
        )
    # T4-LIMIT-1
    if n * h * w * c * element.itemsize > PAYLOAD_MAX:
        raise UnsupportedError(
            f"shape: got {tuple(shape)}, more bytes of {element.name} than {PAYLOAD_MAX}",
            given=tuple(shape),
        )
    return n, h, w, c


def encode_container(mode: int, infos: Sequence[TensorInfo]) -> bytes:
    """Build all that precedes the first payload: header, directory and padding.

    Parameters
    ----------
    mode : int
        The value of ``file_mode``.
    infos : sequence of TensorInfo
        Their shapes have four dimensions, their offsets count from the first payload, and their
        `row_stride` is worked out here.
    """
    count = len(infos)
    start = data_start(count, mode)
    data = bytearray(start)
    TSR4_HEADER.pack_into(
        data, 0, TSR4_MAGIC, *TSR4_VERSION, TSR4_HEADER_SIZE, mode, count, TSR4_ENTRY_SIZE,
        TSR4_HEADER_SIZE, start, 0, 0, b"",
    )  # fmt: skip
    data[_CRC_OFFSET : _CRC_OFFSET + 4] = header_checksum(data).to_bytes(4, "little")
    position = TSR4_HEADER_SIZE
    for element, (n, h, w, c), offset, nbytes, stored, crc, _ in infos:
        itemsize = element.itemsize
        alignment = _ROW_ALIGNMENTS[itemsize]
        row_stride = -(-w * c * itemsize // alignment) * alignment
        TSR4_ENTRY.pack_into(
            data, position, element.tsr4_code, b"", n, h, w, c, nbytes // itemsize, row_stride,
            nbytes, start + offset, stored, crc,
        )  # fmt: skip
        position += TSR4_ENTRY_SIZE
    return bytes(data)


def header_checksum(data: Any) -> int:
    """Compute the CRC-32 of a header, with the field of that CRC taken as 0."""
    checksum = crc32(data[:_CRC_OFFSET])
    return crc32(data[_CRC_OFFSET + 4 : TSR4_HEADER_SIZE], crc32(_ZEROS, checksum))
