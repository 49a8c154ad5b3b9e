"""Numbers of any two dtypes -> whether they are equal and how far apart they are, without a loss.

numpy compares an int64 with a float64 as two float64, in which the int64 has lost digits, and lets
the difference of two integers wrap around. Here the values themselves are compared, as Python does
with its own numbers. Arrays come as `tsr.casting.widen` gives them: bool, integers, floats and
complex numbers of numpy, of any byte order. Nothing is raised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["gaps", "unequal"]

# Up to here every integer is a float64.
_EXACT = 2.0**53

_INTEGERS = "biu"


def unequal(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which values differ: a NaN from everything, -0.0 not from 0.0.

    Parameters
    ----------
    a, b : ndarray
        Of one shape, at least one dimension.
    """
    if "c" in a.dtype.kind + b.dtype.kind and a.dtype != b.dtype:
        return np.asarray(unequal(a.real, b.real) | unequal(a.imag, b.imag))
    a, b = _plain(a), _plain(b)
    if a.dtype.kind != b.dtype.kind and {a.dtype.kind, b.dtype.kind} <= {*_INTEGERS}:
        signed, other = (a, b) if a.dtype.kind == "i" else (b, a)
        return np.asarray((signed < 0) | (signed.astype(np.uint64) != other))
    with np.errstate(all="ignore"):  # a NaN may be a signalling one
        common = np.result_type(a, b)
        found: NDArray[np.bool_] = a.astype(common, copy=False) != b.astype(common, copy=False)
        if not _is_mixed(a, b):
            return found
        # Rounding makes equals of what is not, never the other way round.
        doubtful = ~found & (np.abs(b if b.dtype.kind == "f" else a) >= _EXACT)
        found[doubtful] = a[doubtful].astype(object) != b[doubtful].astype(object)
    return found


def gaps(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Give the absolute differences of finite numbers.

    Of integers exactly, as uint64 or, where that has no room, as Python's own integers. Of others
    as float64, or as long double where one of them is; of float64 the difference may be infinite.
    """
    if "c" in a.dtype.kind + b.dtype.kind:
        real, imaginary = gaps(a.real, b.real), gaps(a.imag, b.imag)
        with np.errstate(all="ignore"):
            return np.asarray(np.hypot(real, imaginary))
    a, b = _plain(a), _plain(b)
    if {a.dtype.kind, b.dtype.kind} <= {*_INTEGERS}:
        return _integer_gaps(a, b)
    with np.errstate(all="ignore"):
        common = np.result_type(a, b, np.float64)
        apart: NDArray[Any] = np.abs(a.astype(common) - b.astype(common))
        if _is_mixed(a, b):
            large = np.abs(b if b.dtype.kind == "f" else a) >= _EXACT
            exact = [abs(int(x) - int(y)) for x, y in zip(a[large], b[large], strict=True)]
            apart[large] = np.array(exact, object).astype(common)
    return apart


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    # A bool is 0 or 1, whatever its byte holds.
    return (array.view(np.uint8) != 0).view(np.uint8) if array.dtype.kind == "b" else array


def _is_mixed(a: NDArray[Any], b: NDArray[Any]) -> bool:
    # A float, and an integer that has digits which a float64 has not.
    kinds = {a.dtype.kind, b.dtype.kind}
    whole = a if a.dtype.kind in _INTEGERS else b
    fraction = b if whole is a else a
    if "f" not in kinds or not kinds & {*_INTEGERS}:
        return False
    return whole.dtype.itemsize == 8 and np.finfo(fraction.dtype).nmant < 63


def _integer_gaps(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    if a.dtype.kind == b.dtype.kind or max(a.dtype.itemsize, b.dtype.itemsize) < 8:
        common = np.result_type(a, b, np.int64 if "i" in a.dtype.kind + b.dtype.kind else np.uint64)
        wide_a, wide_b = a.astype(common), b.astype(common)
        # What wraps around in an int64 is right as a uint64.
        apart: NDArray[Any] = np.maximum(wide_a, wide_b) - np.minimum(wide_a, wide_b)
        return apart.view(np.uint64)
    return np.asarray(np.abs(a.astype(object) - b.astype(object)))
