"""The one table of element types: wire code <-> name <-> numpy dtype.

numpy is imported only where a numpy dtype is asked for: reading a header needs none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from tsr.errors import UnsupportedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike

__all__ = ["ANNOUNCED", "BY_CODE", "ELEMENT_TYPES", "ElementType", "element_type", "exact_cast"]


@dataclass(frozen=True, slots=True)
class ElementType:
    """One element type of the format.

    Attributes
    ----------
    label : str
        The format's own name, for example ``"FP32"``.
    name : str
        numpy's name, for example ``"float32"``.
    code : int
        The value of the v1 header field ``dtype``.
    kind : str
        numpy's kind: ``"f"`` or ``"i"``.
    itemsize : int
        Bytes an element takes.
    """

    label: str
    name: str
    code: int
    kind: str
    itemsize: int

    @property
    def numpy(self) -> np.dtype[Any]:
        """The numpy dtype of the payload: little-endian, as on the wire."""
        return _numpy_dtype(self.kind, self.itemsize)


@cache
def _numpy_dtype(kind: str, itemsize: int) -> np.dtype[Any]:
    import numpy as np

    return np.dtype(f"<{kind}{itemsize}")


ELEMENT_TYPES = (
    ElementType("FP32", "float32", 1, "f", 4),
    ElementType("INT8", "int8", 2, "i", 1),
    ElementType("INT32", "int32", 3, "i", 4),
)

BY_CODE = {element.code: element for element in ELEMENT_TYPES}

# Numbers the format announced for later versions: named in errors, never accepted.
ANNOUNCED = {4: "FP16", 5: "BF16", 6: "FP64", 7: "INT16", 8: "UINT8"}

# For each other dtype whose every value one of ours holds, the smallest that does. numpy lacks
# the last three; the package ml_dtypes has them.
_EXACT_CASTS = {
    "bool": "int8",
    "uint8": "int32",
    "int16": "int32",
    "uint16": "int32",
    "float16": "float32",
    "bfloat16": "float32",
    "float8_e4m3fn": "float32",
    "float8_e5m2": "float32",
}


def exact_cast(name: str) -> str | None:
    """Name the dtype that keeps every value of the dtype called `name`, if there is one."""
    return _EXACT_CASTS.get(name)


def element_type(dtype: DTypeLike) -> ElementType:
    """Find the element type of a numpy dtype, of either byte order.

    Raises
    ------
    UnsupportedError
        The format has no such element type. The error names the ones there are, and the
        cast that would keep every value, when there is one.
    """
    import numpy as np

    try:
        if dtype is None:
            raise TypeError("None stands for float64 in numpy, and for nothing here")
        given = np.dtype(dtype)
    except Exception as error:  # numpy parses text, and raises whatever its parsers raise
        raise UnsupportedError(f"not a dtype: got {dtype!r}", given=repr(dtype)) from error
    for element in ELEMENT_TYPES:
        if (element.kind, element.itemsize) == (given.kind, given.itemsize):
            return element
    names = [element.name for element in ELEMENT_TYPES]
    cast = exact_cast(given.name)
    if cast is not None:
        advice = f"cast={cast!r} keeps every value"
    elif given.kind in "iuf":
        advice = "cast=... is refused unless it keeps the values at hand, or lossy=True is given"
    else:
        advice = "no cast would keep its values"
    raise UnsupportedError(
        f"dtype: got {given}, expected one of {', '.join(names)}; {advice}",
        given=given,
        allowed=names,
        cast=cast,
    )
