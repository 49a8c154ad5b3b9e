"""Whatever holds numbers -> a numpy array, over the same memory where that is the CPU's.

What converts itself does so: ``__array__``, numpy's array interface and buffers come before DLPack,
because only the owner of the memory knows all that its numbers depend on. torch, for one, gives the
memory of a tensor with its negative bit set to DLPack, without the bit. None of these copies what
lies on the CPU. DLPack is for what offers nothing else, and for what has an array of objects to
give, as a list of tensors of Arrow has. Raises `UnsupportedError` for what gives no array.
"""

from __future__ import annotations

import sys
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from tsr.errors import TSRError, UnsupportedError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["as_ndarray", "converts_itself"]

# What an owner raises for other reasons than that it has no array to give.
_OWN_ERRORS = (OSError, MemoryError, TSRError)

# Types of devices in DLPack whose memory the CPU reads like its own: CPU, pinned memory of CUDA and
# of ROCm, managed memory of CUDA.
_READABLE = {1, 3, 11, 13}
_DEVICES = {
    2: "CUDA", 4: "OpenCL", 7: "Vulkan", 8: "Metal", 9: "VPI", 10: "ROCm", 14: "oneAPI",
    15: "WebGPU", 16: "Hexagon", 17: "MAIA",
}  # fmt: skip


def as_ndarray(array: Any, cast: DTypeLike | None = None) -> NDArray[Any]:
    """Show as an array what holds numbers.

    Parameters
    ----------
    array : object
    cast : dtype-like, optional
        What the array is to be cast to afterwards: a tensor of torch of a dtype that numpy lacks
        comes as float32 then, which keeps its every value.

    Raises
    ------
    UnsupportedError
        It is none, lies on a device and does not come from there by itself, or has missing
        values, which a tensor cannot hold.
    """
    if isinstance(array, np.ma.MaskedArray):
        raise UnsupportedError(
            "array: got a masked array, whose mask the format cannot hold; expected .data or "
            ".filled(...) of it",
            given=type(array),
        )
    if isinstance(array, _types("torch", "Tensor")):
        from tsr.torch import as_array

        return as_array(array, cast=cast)
    if not isinstance(array, np.ndarray | np.generic) and not converts_itself(array):
        several = ", and format='tsr4' takes several" if isinstance(array, (list, tuple)) else ""
        raise UnsupportedError(
            f"array: got {type(array).__name__}, expected an array; numpy.asarray(..., "
            f"dtype='float32') makes one{several}",
            given=type(array),
        )
    _check_nulls(array)
    if not _shows_memory(array):
        return _from_dlpack(array)
    try:
        made: NDArray[Any] = np.asarray(array)
    except _OWN_ERRORS:
        raise
    except Exception as error:  # the object's own code runs here
        raise _refused(array, error) from error
    return _from_dlpack(array) if made.dtype == object and _has_dlpack(array) else made


def converts_itself(array: Any) -> bool:
    """Tell what holds numbers from what holds arrays, or nothing of the kind."""
    if isinstance(array, (type, bytes)):  # a class has what it has for its instances
        return False
    return _has_dlpack(array) or _shows_memory(array)


def _shows_memory(array: Any) -> bool:
    # To numpy, without DLPack.
    if hasattr(array, "__array__") or hasattr(array, "__array_interface__"):
        return True
    try:
        memoryview(array)
    except (TypeError, ValueError, BufferError):  # it has none, or gave it back
        return False
    return True


def _has_dlpack(array: Any) -> bool:
    return hasattr(array, "__dlpack__")


def _check_nulls(array: Any) -> None:
    # What is missing becomes NaN, or 0 inside a list of tensors, when its owner converts it.
    missing = _count_nulls(array)
    if missing:
        raise UnsupportedError(
            f"array: got {type(array).__name__} with {missing} missing values, which the format "
            "cannot hold; fill_null(...) of arrow, fillna(...) of pandas gives them values",
            given=type(array),
        )


def _count_nulls(array: Any) -> int:
    if isinstance(array, _types("pyarrow", "Table", "RecordBatch")):
        return sum(column.null_count for column in array.columns)
    if isinstance(array, _types("pyarrow", "FixedShapeTensorArray")):
        return int(array.null_count + array.storage.flatten().null_count)
    if isinstance(array, _types("pandas", "DataFrame")):
        return sum(_count_nulls(column) for _, column in array.items())
    if isinstance(array, _types("pandas", "Series", "Index", "api.extensions.ExtensionArray")):
        # In what is numpy's, NaN is a number like others to pandas, too.
        numpys = isinstance(array.dtype, np.dtype) or isinstance(
            array, _types("pandas", "arrays.NumpyExtensionArray")
        )
        return 0 if numpys else int(np.count_nonzero(array.isna()))
    nulls = getattr(array, "null_count", 0)
    return nulls if isinstance(nulls, int) else 0


def _types(module: str, *names: str) -> tuple[Any, ...]:
    # Types of a package; none where nothing was made with it, for it is not imported yet.
    try:
        return tuple(attrgetter(name)(sys.modules[module]) for name in names)
    except (KeyError, AttributeError):
        return ()


def _from_dlpack(array: Any) -> NDArray[Any]:
    try:
        device = int(array.__dlpack_device__()[0])
        if device in _READABLE:
            return np.from_dlpack(array)
    except _OWN_ERRORS:
        raise
    except Exception as error:  # the object's own code runs here
        raise _refused(array, error) from error
    raise UnsupportedError(
        f"array: got {type(array).__name__} in the memory of a device "
        f"({_DEVICES.get(device, f'type {device} of DLPack')}), expected the CPU's; copy it there",
        given=type(array),
    )


def _refused(array: Any, error: Exception) -> UnsupportedError:
    return UnsupportedError(
        f"array: got {type(array).__name__}, which gives no array: {error}", given=type(array)
    )
