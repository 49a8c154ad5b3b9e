"""What the tests draw from `tsr.testing`, under short names, and what they do to bits."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from tsr import testing

arrays = testing.arrays
headers = testing.headers()
files = testing.files()
plain_arrays = testing.arrays(layouts=False)
tsr4_arrays = testing.arrays("tsr4")
tsr4_files = testing.files("tsr4")


def flipped(data: bytes, bit: int) -> bytes:
    """Flip one bit of a file; bits count from the lowest of the first byte."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def payload_of(array: NDArray[Any]) -> bytes:
    """Give the bytes that the format stores for an array, by numpy alone."""
    return array.astype(array.dtype.newbyteorder("<")).tobytes()
