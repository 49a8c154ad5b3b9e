"""An array of any real dtype -> one of the format's, and the proof that no value was lost.

A cast keeps a value when the way back gives the same bits: -0.0 has no int, and the payload
of a NaN survives only in a float that has room for it. Raises `UnsupportedError`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tsr.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tsr.dtypes import ElementType

__all__ = ["cast_exactly", "widen"]


def cast_exactly(
    array: NDArray[Any],
    element: ElementType,
    lossy: bool = False,
    *,
    start: int = 0,
    shape: tuple[int, ...] | None = None,
) -> NDArray[Any]:
    """Convert to `element`, in C order and little-endian.

    Parameters
    ----------
    array : ndarray
        bool, integer or real floating point, of either byte order.
    element : ElementType
        What to convert to.
    lossy : bool, default False
        Let values change.
    start, shape
        Where `array` is a piece of a larger one: how many elements come before it in C order,
        and the shape of the whole, so that an error gives the index there.

    Raises
    ------
    UnsupportedError
        A value would change; the error names the first.
    """
    given = array.dtype
    if given.name in _LACKING:  # what has them turns all NaNs into one on the way back
        array = widen(array.view(f"u{given.itemsize}"), given.name)
    if (array.dtype.kind, array.dtype.itemsize) == (element.kind, element.itemsize):
        return array.astype(element.numpy, order="C", copy=False)  # at most another byte order
    with np.errstate(all="ignore"):
        converted = array.astype(element.numpy, order="C")
        lost = None if lossy else _lost(array, converted)
    if lost is not None and lost.any():
        first = int(lost.argmax())
        index = np.unravel_index(start + first, array.shape if shape is None else shape)
        raise UnsupportedError(
            f"cast={element.name!r} would change a value: {array.flat[first]!r} at index "
            f"{tuple(map(int, index))} would become {converted.flat[first]!r}; "
            "lossy=True (--lossy) allows that",
            given=given,
        )
    return converted


def widen(bits: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Give the values of a dtype that numpy lacks: each has a float32 of its own.

    Parameters
    ----------
    bits : ndarray
        The elements as unsigned integers.
    dtype : str
        ``"bfloat16"``, ``"float8_e5m2"`` or ``"float8_e4m3fn"``; the elements of others come back
        as they are.
    """
    if dtype == "bfloat16":  # the upper half of a float32
        wide: NDArray[Any] = bits.astype(np.uint32)
        wide <<= 16
        return wide.view(np.float32)
    if dtype in _TABLES:
        return np.asarray(_TABLES[dtype]()[bits])
    return bits


@cache
def _e5m2() -> NDArray[np.float32]:
    # The upper half of a float16.
    with np.errstate(invalid="ignore"):  # a NaN may be a signalling one
        return (np.arange(256, dtype=np.uint16) << 8).view(np.float16).astype(np.float32)


@cache
def _e4m3fn() -> NDArray[np.float32]:
    # 1 sign bit, 4 bits of exponent with bias 7, 3 of fraction; no infinities, all ones is NaN.
    code = np.arange(128)
    exponent, fraction = code >> 3, code & 7
    normal = np.ldexp(1 + fraction / 8, exponent - 7)
    positive = np.where(exponent > 0, normal, np.ldexp(fraction / 8, -6)).astype(np.float32)
    positive[127] = np.nan
    return np.concatenate([positive, -positive])


_TABLES: dict[str, Callable[[], NDArray[np.float32]]] = {
    "float8_e5m2": _e5m2,
    "float8_e4m3fn": _e4m3fn,
}
_LACKING = {"bfloat16", *_TABLES}


def _lost(array: NDArray[Any], converted: NDArray[Any]) -> NDArray[np.bool_]:
    # Which elements do not come back with the same bits.
    back = converted.astype(array.dtype)
    if array.dtype.itemsize > 8:  # long double: no integer has its size, and it has padding
        same = (back == array) & (np.signbit(back) == np.signbit(array))
        unequal: NDArray[np.bool_] = ~(same | (np.isnan(back) & np.isnan(array)))
        return unequal
    bits = f"u{array.dtype.itemsize}"
    lost: NDArray[np.bool_] = back.view(bits) != array.view(bits)
    # What C makes of a number out of range depends on the machine, and may by chance come back
    # as it was: integers wrap, infinities and the powers of two just past the largest integer
    # saturate.
    match array.dtype.kind, converted.dtype.kind:
        case "u", "i":
            lost |= converted < 0
        case "i" | "u", "f":
            lost |= converted >= float(int(np.iinfo(array.dtype).max) + 1)
            lost |= ~np.isfinite(converted)
        case "f", "i":
            limit = float(int(np.iinfo(converted.dtype).max) + 1)
            lost |= ~np.isfinite(array) | (array >= limit)
    return lost
