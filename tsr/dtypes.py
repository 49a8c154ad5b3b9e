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

__all__ = [
    "ANNOUNCED",
    "TSR4_BY_CODE",
    "TSR4_TYPES",
    "V1_BY_CODE",
    "V1_TYPES",
    "ElementType",
    "element_type",
    "exact_cast",
]


@dataclass(frozen=True, slots=True)
class ElementType:
    """One element type of the formats.

    Attributes
    ----------
    label : str
        The formats' own name, for example ``"FP32"``.
    name : str
        numpy's name, for example ``"float32"``.
    code : int or None
        The value of the field ``dtype`` in the header of v1; None if v1 lacks the type.
    tsr4_code : int
        The value of the field ``dtype`` in an entry of TSR4.
    kind : str
        numpy's kind: ``"f"`` or ``"i"``.
    itemsize : int
        Bytes an element takes.
    """

    label: str
    name: str
    code: int | None
    tsr4_code: int
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


TSR4_TYPES = (
    ElementType("FP32", "float32", 1, 0, "f", 4),
    ElementType("FP16", "float16", None, 1, "f", 2),
    ElementType("INT8", "int8", 2, 2, "i", 1),
    ElementType("INT32", "int32", 3, 3, "i", 4),
)
V1_TYPES = tuple(element for element in TSR4_TYPES if element.code is not None)

V1_BY_CODE = {element.code: element for element in V1_TYPES}
TSR4_BY_CODE = {element.tsr4_code: element for element in TSR4_TYPES}

# Numbers that v1 announced for later versions: named in errors, never accepted.
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


def element_type(dtype: DTypeLike, types: tuple[ElementType, ...] = V1_TYPES) -> ElementType:
    """Find the element type of a numpy dtype, of either byte order.

    Parameters
    ----------
    dtype : dtype-like
    types : tuple of ElementType
        Those of the format: `V1_TYPES` or `TSR4_TYPES`.

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
    for element in types:
        if (element.kind, element.itemsize) == (given.kind, given.itemsize):
            return element
    names = [element.name for element in types]
    cast = exact_cast(given.name)
    if cast is not None:
        advice = f"cast={cast!r} keeps every value"
        if given.name == "float16":
            advice += ", format='tsr4' keeps the dtype too"
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
