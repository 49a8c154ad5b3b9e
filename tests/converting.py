"""What the tests of the converters share: arrays of every dtype, and how to compare them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tests.strategies import payload_of

NUMBERS = tuple("?bBhHiIlLefdFD")

# Bits that anything but a copy of bits would change: NaN payloads, signalling too, -0.0, the rest.
AWKWARD = np.array(
    [0x7FC00001, 0xFFC12345, 0x7F800001, 0x80000000, 0x7F800000, 0xFF800000, 1, 0x3F800000],
    np.uint32,
).view(np.float32)


def assert_same(found: NDArray[Any], expected: NDArray[Any]) -> None:
    """Compare dtype, but for its byte order, shape and every bit."""
    assert found.dtype.newbyteorder("<") == expected.dtype.newbyteorder("<")
    assert found.shape == expected.shape
    assert payload_of(found) == payload_of(expected)


@st.composite
def number_arrays(draw: st.DrawFn, codes: tuple[str, ...] = NUMBERS) -> Any:
    """Draw an array of some dtype, byte order and memory order, with arbitrary bits in it."""
    dtype = np.dtype(draw(st.sampled_from(codes)))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    count = int(np.prod(shape, dtype=int))
    if dtype.kind == "b":
        array: NDArray[Any] = draw(hnp.arrays(dtype, shape))
    else:
        size = count * dtype.itemsize
        bits = draw(st.binary(min_size=size, max_size=size))
        array = np.frombuffer(bits, dtype).reshape(shape)
    if draw(st.booleans()):
        array = array.astype(dtype.newbyteorder(">"))
    return np.asfortranarray(array) if draw(st.booleans()) and array.ndim else array
