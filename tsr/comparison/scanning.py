"""Two arrays of one shape -> the pieces of them that need a look, of bounded size, in C order.

What has the same bytes on both sides is passed over at the speed of memory. Nothing is raised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tsr.converters.tensor import tiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Piece = tuple[int, NDArray[Any], NDArray[Any]]

__all__ = ["is_fill", "pieces"]

# Compared at once as bytes: little enough for the cache of a processor.
_SCAN_BYTES = 1 << 18

# Looked at as numbers at once: so little that what is worked out of it stays in a cache, too.
_LOOK_BYTES = 1 << 15

# How often progress is told, in bytes.
_STRIDE_BYTES = 1 << 24


def pieces(
    a: NDArray[Any], b: NDArray[Any], skip: bool, passed: Callable[[int], object]
) -> Iterator[Piece]:
    """Give pieces of both arrays and the flat index at which they begin.

    Parameters
    ----------
    a, b : ndarray
        Of one shape, any strides and either byte order.
    skip : bool
        Leave out pieces of the same bytes; the dtypes are the same then, but for byte order.
    passed : callable
        Told every 16 MiB, and at the end, how many elements are behind.

    Yields
    ------
    start : int
    a, b : ndarray
        Of one dimension, little-endian and contiguous.
    """
    told = 0
    itemsize = max(a.itemsize, b.itemsize)
    look = _LOOK_BYTES // itemsize
    for start, piece_a, piece_b in _cut(a, b):
        if start - told >= _STRIDE_BYTES // itemsize:
            passed(start)
            told = start
        if skip and _same_bytes(piece_a, piece_b):
            continue
        for at in range(0, len(piece_a), look):
            little_a = _little_endian(piece_a[at : at + look])
            little_b = _little_endian(piece_b[at : at + look])
            if not (skip and _same_bytes(little_a, little_b)):
                yield start + at, little_a, little_b
    passed(a.size)


def is_fill(array: NDArray[Any]) -> bool:
    """Tell whether an array is one element in memory, which stands for all, as of a fill value."""
    steps = zip(array.strides, array.shape, strict=True)
    return array.size > 1 and not any(step for step, length in steps if length > 1)


def _cut(a: NDArray[Any], b: NDArray[Any]) -> Iterator[Piece]:
    # Pieces as they lie in memory, where that is in order, else gathered.
    itemsize = max(a.itemsize, b.itemsize)
    if a.flags.c_contiguous and b.flags.c_contiguous:
        flat_a, flat_b = a.reshape(-1), b.reshape(-1)
        step = _SCAN_BYTES // itemsize
        for start in range(0, a.size, step):
            yield start, flat_a[start : start + step], flat_b[start : start + step]
        return
    start = 0
    for place in tiles(a.shape, itemsize, nbytes=_SCAN_BYTES):
        piece_a = np.ascontiguousarray(a[place or ...]).reshape(-1)
        yield start, piece_a, np.ascontiguousarray(b[place or ...]).reshape(-1)
        start += piece_a.size


def _same_bytes(a: NDArray[Any], b: NDArray[Any]) -> bool:
    if a.dtype != b.dtype:  # in byte order
        return False
    bytes_a, bytes_b = a.view(np.uint8), b.view(np.uint8)
    whole = len(bytes_a) // 8 * 8
    if _address(a) % 8 or _address(b) % 8:
        whole = 0  # numpy would copy them
    words_a, words_b = bytes_a[:whole].view(np.uint64), bytes_b[:whole].view(np.uint64)
    if (words_a != words_b).any():
        return False
    return not (bytes_a[whole:] != bytes_b[whole:]).any()


def _little_endian(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])
