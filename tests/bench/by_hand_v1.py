"""The library's work on TSR v1 written out with os, mmap, struct and numpy: what tsr is divided by.

Each function makes every check that the library makes and has its outcome, down to the type
of the result and what an error leaves behind, but no options and no messages. Raises
`ValueError` for what is no valid file and `TypeError` for what has no encoding.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from struct import Struct
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tests.bench.by_hand_files import open_regular, replace, write_all
from tsr.source import SMALL_FILE  # so that the same files are mapped

__all__ = ["dumps", "dumps_into", "load", "load_tensor", "loads", "read_header", "save"]

Array = NDArray[Any]

HEADER = Struct("<4s9i3q")
DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("<i1"),
    3: np.dtype("<i4"),
}
CODES = {dtype: code for code, dtype in DTYPES.items()}
ONES = ((1, 1, 1, 1), (1, 1, 1), (1, 1), (1,), ())

# Up to here one write of header and payload joined beats two.
JOINED_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def decode(data: Any, size: int) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Check every rule of the header."""
    if len(data) < 64:
        raise ValueError("cut header")
    fields = HEADER.unpack_from(data)
    magic, version, header_size, r1, code, ndim, n, c, h, w, total, r2, r3 = fields
    if magic != b"TSR!":
        raise ValueError("magic")
    if version != 1:
        raise ValueError("version")
    if header_size != 64:
        raise ValueError("header size")
    if r1 or r2 or r3:
        raise ValueError("reserved")
    dtype = DTYPES.get(code)
    if dtype is None:
        raise ValueError("dtype")
    if not 0 <= ndim <= 4:
        raise ValueError("ndim")
    dims = (n, c, h, w)
    if n < 0 or c < 0 or h < 0 or w < 0 or dims[: 4 - ndim] != ONES[ndim]:
        raise ValueError("dims")
    elements = n * c * h * w
    if total != elements:
        raise ValueError("total")
    itemsize = 1 if code == 2 else 4
    if (elements or (n or 1) * (c or 1) * (h or 1) * (w or 1)) * itemsize >= 1 << 63:
        raise ValueError("extent")
    if size != 64 + elements * itemsize:
        raise ValueError("payload")
    return dtype, dims[4 - ndim :]


def encode(array: Array) -> bytes:
    """Check that an array has an encoding and build its header."""
    code = CODES.get(array.dtype)
    if code is None:
        raise TypeError("dtype")
    shape = array.shape
    ndim = len(shape)
    if ndim > 4:
        raise TypeError("rank")
    n, c, h, w = dims = ONES[ndim] + shape
    elements = n * c * h * w
    # numpy makes no array whose bytes an int64 does not count.
    if (elements == 0 or elements >= 1 << 31) and max(dims) >= 1 << 31:
        raise TypeError("extent")
    return HEADER.pack(b"TSR!", 1, 64, 0, code, ndim, n, c, h, w, elements, 0, 0)


def read_header(path: str) -> Header:
    """Read and check the header alone."""
    descriptor, size = open_regular(path)
    try:
        return Header(*decode(os.read(descriptor, 64), size))
    finally:
        os.close(descriptor)


def load(path: str) -> Array:
    """Read a small file, map a large one."""
    descriptor, size = open_regular(path)
    try:
        if size > SMALL_FILE:
            return _map(descriptor, size, path, "r", mmap.ACCESS_READ)
        data = os.read(descriptor, size + 1)
        if len(data) != size:
            raise ValueError("file changed")
        dtype, shape = decode(data, size)
        array: Array = np.ndarray(shape, dtype, data, 64)
        return array
    finally:
        os.close(descriptor)


def load_tensor(path: str) -> torch.Tensor:
    """Give a writable tensor: a small file copied, a large one mapped copy-on-write."""
    descriptor, size = open_regular(path)
    try:
        if size > SMALL_FILE:
            return torch.from_numpy(_map(descriptor, size, path, "c", mmap.ACCESS_COPY))
        data = os.read(descriptor, size + 1)
        if len(data) != size:
            raise ValueError("file changed")
        dtype, shape = decode(data, size)
        return torch.from_numpy(np.ndarray(shape, dtype, data, 64).copy())
    finally:
        os.close(descriptor)


def _map(descriptor: int, size: int, path: str, mode: str, access: int) -> Array:
    dtype, shape = decode(os.read(descriptor, 64), size)
    mapping = mmap.mmap(descriptor, size, access=access)
    array: Any = np.ndarray.__new__(np.memmap, shape, dtype, mapping, 64)
    array._mmap = mapping
    array.offset = 64
    array.mode = mode
    array.filename = os.path.abspath(path)
    mapped: Array = array
    return mapped


def loads(data: bytes) -> Array:
    """Show the array in bytes."""
    dtype, shape = decode(data, len(data))
    array: Array = np.ndarray(shape, dtype, data, 64)
    return array


def dumps(array: Array) -> bytes:
    """Join header and payload."""
    header = encode(array)
    if array.nbytes <= JOINED_BYTES or not array.flags.c_contiguous:
        return header + array.tobytes()
    return b"".join((header, array.data))


def dumps_into(buffer: Any, array: Array) -> int:
    """Put header and payload into memory that is there already."""
    header = encode(array)
    view = memoryview(buffer).cast("B")
    size = 64 + array.nbytes
    if view.readonly or len(view) < size:
        raise TypeError("buffer")
    np.copyto(np.ndarray(array.shape, array.dtype, view, 64), array)
    view[:64] = header
    return size


def save(path: str, array: Array, durable: bool | None = None) -> None:
    """Write a temporary file beside the target and rename it."""
    header = encode(array)

    def fill(descriptor: int) -> None:
        if array.nbytes <= JOINED_BYTES or not array.flags.c_contiguous:
            write_all(descriptor, header + array.tobytes())
        else:
            write_all(descriptor, header)
            write_all(descriptor, array.data.cast("B"))

    replace(path, fill, 64 + array.nbytes, durable)
