"""Hypothesis strategies for arrays, headers and files; not timid ones.

Arrays come with every dtype of the format and any bits in them (NaN payloads, -0.0,
subnormals), of rank 0 to 4 with dimensions of 0 and 1, in any memory layout: C, Fortran,
transposed, strided, reversed, broadcast, misaligned, big-endian, read-only.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

DTYPES = ("<f4", "<i1", "<i4")

# Every number a header field can hold that has ever meant something, and its neighbours.
INTERESTING_INT32 = (-(2**31), -2, -1, 0, 1, 2, 3, 4, 5, 8, 9, 63, 64, 128, 2**16, 2**31 - 1)
INTERESTING_INT64 = (*INTERESTING_INT32, -(2**63), 2**32, 2**62, 2**63 - 1)

shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


@st.composite
def plain_arrays(draw: st.DrawFn, shape: st.SearchStrategy[tuple[int, ...]] = shapes) -> Any:
    """Draw a C-contiguous little-endian array with arbitrary bits in it."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    dims = draw(shape)
    count = int(np.prod(dims, dtype=int)) * dtype.itemsize
    bits = draw(st.binary(min_size=count, max_size=count))
    return np.frombuffer(bits, dtype).reshape(dims).copy()


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    """Draw an array of any layout and byte order."""
    array: NDArray[Any] = draw(plain_arrays())
    for _ in range(draw(st.integers(0, 2))):
        array = draw(st.sampled_from(LAYOUTS))(array)
    if draw(st.booleans()):
        array = array.astype(array.dtype.newbyteorder(">"))
    if draw(st.booleans()):
        array = array.view()
        array.flags.writeable = False
    return array


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
    data = header + draw(st.binary(min_size=size, max_size=size))
    match draw(st.sampled_from(("whole", "whole", "whole", "cut", "longer", "flipped"))):
        case "cut":
            data = data[: draw(st.integers(0, len(data)))]
        case "longer":
            data += draw(st.binary(min_size=1, max_size=70))
        case "flipped":
            bit = draw(st.integers(0, len(data) * 8 - 1))
            data = data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]
    return data


def payload_of(array: NDArray[Any]) -> bytes:
    """Give the bytes that the format stores for an array, by numpy alone."""
    return array.astype(array.dtype.newbyteorder("<")).tobytes()
