"""Hypothesis strategies for arrays, headers and files of both formats; not timid ones.

Arrays come with every dtype of the format and any bits in them (NaN payloads, -0.0,
subnormals), of rank 0 to 4 with dimensions of 0 (which TSR4 lacks) and 1, in any memory layout:
C, Fortran, transposed, strided, reversed, broadcast, misaligned, big-endian, read-only.
"""

from __future__ import annotations

import struct
import zlib
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from spec.generator.tsr4_bytes import ITEMSIZES, RAW, ZLIB, Tensor, file_bytes

DTYPES = ("<f4", "<i1", "<i4")
TSR4_DTYPES = ("<f4", "<f2", "<i1", "<i4")

# Every number a header field can hold that has ever meant something, and its neighbours.
INTERESTING_INT32 = (-(2**31), -2, -1, 0, 1, 2, 3, 4, 5, 8, 9, 63, 64, 128, 2**16, 2**31 - 1)
INTERESTING_INT64 = (*INTERESTING_INT32, -(2**63), 2**32, 2**62, 2**63 - 1)

shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
tsr4_shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=5)


@st.composite
def plain_arrays(
    draw: st.DrawFn,
    shape: st.SearchStrategy[tuple[int, ...]] = shapes,
    dtypes: tuple[str, ...] = DTYPES,
) -> Any:
    """Draw a C-contiguous little-endian array with arbitrary bits in it."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    dims = draw(shape)
    count = int(np.prod(dims, dtype=int)) * dtype.itemsize
    bits = draw(st.binary(min_size=count, max_size=count))
    return np.frombuffer(bits, dtype).reshape(dims).copy()


@st.composite
def arrays(
    draw: st.DrawFn,
    shape: st.SearchStrategy[tuple[int, ...]] = shapes,
    dtypes: tuple[str, ...] = DTYPES,
) -> Any:
    """Draw an array of any layout and byte order."""
    array: NDArray[Any] = draw(plain_arrays(shape, dtypes))
    for _ in range(draw(st.integers(0, 2))):
        array = draw(st.sampled_from(LAYOUTS))(array)
    if draw(st.booleans()):
        array = array.astype(array.dtype.newbyteorder(">"))
    if draw(st.booleans()):
        array = array.view()
        array.flags.writeable = False
    return array


tsr4_arrays = arrays(tsr4_shapes, TSR4_DTYPES)


def _misaligned(array: NDArray[Any]) -> NDArray[Any]:
    memory = np.zeros(array.nbytes + 1, np.uint8)
    view: NDArray[Any] = np.ndarray(array.shape, array.dtype, memory.data, 1)
    view[...] = array
    return view


LAYOUTS = (
    lambda array: array.T,
    lambda array: array.copy(order="F"),
    lambda array: array[..., ::-1] if array.ndim else array,
    lambda array: array[::2] if array.ndim else array,
    lambda array: np.broadcast_to(array, (2, *array.shape)) if array.ndim < 4 else array,
    lambda array: array[np.newaxis] if array.ndim < 4 else array,
    lambda array: np.moveaxis(array, 0, -1) if array.ndim else array,
    _misaligned,
)


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """Draw 64 bytes that are nearly a header: each field right, interesting or arbitrary."""
    ndim = draw(st.integers(0, 4))
    dims = [1] * (4 - ndim) + draw(st.lists(st.integers(0, 6), min_size=ndim, max_size=ndim))
    code = draw(st.sampled_from((1, 2, 3)))
    fields = [1, 64, 0, code, ndim, *dims, int(np.prod(dims)), 0, 0]
    for index in draw(st.lists(st.integers(0, len(fields) - 1), max_size=2)):
        wide = index >= 9
        bits = 64 if wide else 32
        fields[index] = draw(
            st.sampled_from(INTERESTING_INT64 if wide else INTERESTING_INT32)
            | st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        )
    magic = draw(st.sampled_from((b"TSR!",) * 8 + (b"TSR4", b"TSR\0", b"!RST")))
    return struct.pack("<4s9i3q", magic, *fields)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Draw bytes that are a TSR v1 file or were one before something happened to them."""
    header = draw(headers())
    code, *dims = struct.unpack_from("<i4x4i", header, 16)
    size = {1: 4, 2: 1, 3: 4}.get(code, 1)
    for dim in dims:
        size *= max(dim, 0)
    size = min(size, 4096)
    return _damaged(draw, header + draw(st.binary(min_size=size, max_size=size)))


def _damaged(draw: st.DrawFn, data: bytes) -> bytes:
    # Mostly not, so that what is wrong in the fields is found.
    match draw(st.sampled_from(("whole", "whole", "whole", "cut", "longer", "flipped"))):
        case "cut":
            data = data[: draw(st.integers(0, len(data)))]
        case "longer":
            data += draw(st.binary(min_size=1, max_size=70))
        case "flipped":
            data = flipped(data, draw(st.integers(0, len(data) * 8 - 1)))
    return data


def flipped(data: bytes, bit: int) -> bytes:
    """Flip one bit of a file; bits count from the lowest of the first byte."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


# ------------------------------------------------------------------ TSR4

# The numbers in header and entry: bits each has, negative for a signed one.
_HEADER_NUMBERS = {
    "version_major": 16,
    "version_minor": 16,
    "header_size": 32,
    "file_mode": 32,
    "tensor_count": 32,
    "entry_size": 32,
    "dir_offset": 64,
    "data_offset": 64,
    "header_crc32": 32,
    "reserved_0": 32,
}
_ENTRY_NUMBERS = {
    "dtype": 8,
    "numel": -64,
    "row_stride": 64,
    "nbytes": 64,
    "data_offset": 64,
    "payload_size": 64,
    "data_crc32": 32,
}
_INTERESTING = (*range(6), 20, 64, 127, 128, 192, 255, 256, 512, 2**16, 2**31, 2**32, 2**62, 2**63)


@st.composite
def _numbers(draw: st.DrawFn, bits: int) -> int:
    # Whatever a field can hold: interesting numbers, those below 0 or the greatest, any other.
    low, high = (0, 2**bits - 1) if bits > 0 else (-(2 ** (-bits - 1)), 2 ** (-bits - 1) - 1)
    near = st.sampled_from(_INTERESTING).map(lambda number: min(max(number, low), high))
    return draw(near | near.map(lambda number: high - number + low) | st.integers(low, high))


@st.composite
def _fields(draw: st.DrawFn, numbers: dict[str, int]) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(sorted(numbers)), min_size=1, max_size=2))
    return {name: draw(_numbers(numbers[name])) for name in names}


@st.composite
def streams(draw: st.DrawFn, data: bytes) -> bytes:
    """Draw a zlib stream of some bytes, or what is nearly one."""
    kind = draw(st.sampled_from(("zlib",) * 4 + ("more", "fewer", "raw", "gzip", "dictionary")))
    if kind == "more":
        data += draw(st.binary(min_size=1, max_size=300))
    elif kind == "fewer":
        data = data[: draw(st.integers(0, len(data)))]
    level, window = draw(st.integers(0, 9)), draw(st.integers(9, 15))
    strategy = draw(st.sampled_from((zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_FIXED)))
    window = {"raw": -window, "gzip": window + 16}.get(kind, window)
    dictionary = (data,) if kind == "dictionary" else ()
    encoder = zlib.compressobj(level, zlib.DEFLATED, window, 8, strategy, *dictionary)
    return _damaged(draw, encoder.compress(data) + encoder.flush())


_rarely = st.sampled_from((False,) * 9 + (True,))


@st.composite
def tsr4_tensors(draw: st.DrawFn, mode: int) -> Tensor:
    """Draw a tensor of a file, and what is wrong in its entry and its payload."""
    dtype = draw(st.sampled_from(sorted(ITEMSIZES)))
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=4, max_size=4)))
    size = prod(shape) * ITEMSIZES[dtype]
    data = draw(st.binary(min_size=size, max_size=size) | st.just(bytes(size)))
    fields: dict[str, Any] = {}
    if draw(_rarely):
        fields["shape"] = tuple(draw(st.lists(_numbers(-32), min_size=4, max_size=4)))
        fields["numel"] = min(max(prod(fields["shape"]), -(2**63)), 2**63 - 1)
    if draw(_rarely):
        fields["reserved_0"] = draw(st.binary(min_size=3, max_size=3))
    if draw(_rarely):
        fields |= draw(_fields(_ENTRY_NUMBERS))
    stream = draw(streams(data)) if mode == ZLIB else None
    skip = draw(st.sampled_from((1, 256))) if draw(_rarely) else 0
    return Tensor(dtype, shape, data, fields, stream, skip)  # type: ignore[arg-type] # it has four


@st.composite
def tsr4_files(draw: st.DrawFn) -> bytes:
    """Draw bytes that are a TSR4 file or were one before something happened to them.

    Fields of header and entries are right, interesting or arbitrary, mostly under the right
    CRC; entries may have changed places; payloads may lie elsewhere, or hold something else.
    """
    mode = draw(st.sampled_from((RAW, ZLIB)))
    tensors = draw(st.lists(tsr4_tensors(mode), min_size=1, max_size=4))
    header = draw(_fields(_HEADER_NUMBERS)) if draw(_rarely) else {}
    if draw(_rarely):
        header["reserved_1"] = draw(st.binary(min_size=80, max_size=80))
    data = bytearray(file_bytes(*tensors, mode=mode, **header))
    count, end = len(tensors), 128 + 64 * len(tensors)
    if draw(_rarely):
        entries = st.sampled_from([data[start : start + 64] for start in range(128, end, 64)])
        data[128:end] = b"".join(draw(st.lists(entries, min_size=count, max_size=count)))
    if draw(_rarely) and mode == RAW and end % 256:
        data[draw(st.integers(end, end | 255))] = draw(st.integers(0, 255))  # padding
    return _damaged(draw, bytes(data))


def payload_of(array: NDArray[Any]) -> bytes:
    """Give the bytes that the format stores for an array, by numpy alone."""
    return array.astype(array.dtype.newbyteorder("<")).tobytes()
