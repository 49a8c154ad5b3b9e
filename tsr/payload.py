"""Whatever holds numbers -> the bytes of its payload, in blocks of bounded size.

The elements come in C order and little-endian, whatever the array's strides and byte order, and
every bit of every one survives. Raises `UnsupportedError` for what has no encoding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from tsr.casting import cast_exactly
from tsr.dtypes import TSR4_TYPES, V1_TYPES, element_type, exact_cast
from tsr.errors import UnsupportedError
from tsr.exchange import as_ndarray

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import DTypeLike, NDArray

    from tsr.buffers import ArrayObject
    from tsr.dtypes import ElementType

__all__ = ["BLOCK_BYTES", "blocks", "prepare"]

# Arrays that cannot be written as they lie in memory are brought into order by blocks of this
# size, so that saving one takes no second array's worth of memory. It is what a thread
# compresses at a time, too.
BLOCK_BYTES = 1 << 21

_ELEMENTS = {element.numpy: element for element in TSR4_TYPES}


def prepare(
    array: ArrayObject, cast: DTypeLike | None, types: tuple[ElementType, ...] = V1_TYPES
) -> tuple[NDArray[Any], ElementType]:
    """Give the array as a plain ndarray, and the element type to write it with.

    Parameters
    ----------
    array : ndarray or array-like object
    cast : dtype-like or None
        What the caller wants it converted to.
    types : tuple of ElementType
        Those of the format.

    Raises
    ------
    UnsupportedError
        It is no array of real numbers, or the format has no such element type.
    """
    source = array if type(array) is ndarray else as_ndarray(array, cast)
    if cast is None:
        element = _ELEMENTS.get(source.dtype)
        if element is None or element not in types:
            element = element_type(source.dtype, types)
        return source, element
    if source.dtype.kind not in "biuf" and exact_cast(source.dtype.name) is None:
        raise UnsupportedError(
            f"cast: got an array of {source.dtype}, expected real numbers", given=source.dtype
        )
    return source, element_type(cast, types)


def blocks(source: NDArray[Any], element: ElementType, lossy: bool) -> Iterator[memoryview]:
    """Give the bytes of the payload in order, converted piece by piece.

    Parameters
    ----------
    source : ndarray
    element : ElementType
        What to convert to.
    lossy : bool
        Let values change.

    Raises
    ------
    UnsupportedError
        A value would change.
    """
    if (source.dtype == element.numpy and source.flags.c_contiguous
            and 0 < source.nbytes <= BLOCK_BYTES):  # fmt: skip
        yield source.reshape(-1).view(np.uint8).data
        return
    start = 0
    for piece in _pieces(source):
        block = cast_exactly(piece, element, lossy, start=start, shape=source.shape)
        start += piece.size
        yield np.ascontiguousarray(block).reshape(-1).view(np.uint8).data


def _pieces(source: NDArray[Any]) -> Iterator[NDArray[Any]]:
    # The array cut along its first axes, in C order.
    if source.nbytes <= BLOCK_BYTES or source.ndim == 0:
        yield source
        return
    rows = BLOCK_BYTES // (source.nbytes // len(source))
    if rows:
        for start in range(0, len(source), rows):
            yield source[start : start + rows]
    else:
        for index in range(len(source)):
            yield from _pieces(source[index, ...])
