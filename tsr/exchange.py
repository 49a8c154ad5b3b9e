"""Whatever holds numbers -> a numpy array, over the same memory where that is the CPU's.

What converts itself does so: ``__array__``, numpy's array interface and buffers come before DLPack,
because only the owner of the memory knows all that its numbers depend on. torch, for one, gives the
memory of a tensor with its negative bit set to DLPack, without the bit. None of these copies what
lies on the CPU. DLPack is for what offers nothing else, and for what has an array of objects to
give, as a list of tensors of Arrow has. Raises `UnsupportedError` for what gives no array.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from tsr.errors import UnsupportedError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["as_ndarray", "converts_itself"]

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
    tensor = getattr(sys.modules.get("torch"), "Tensor", ())
    if isinstance(array, tensor):
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
    except Exception as error:  # the object's own code runs here
        raise _refused(array, error) from error
    return _from_dlpack(array) if made.dtype == object and _has_dlpack(array) else made


def converts_itself(array: Any) -> bool:
    """Tell what holds numbers from what holds arrays, or nothing of the kind."""
    return _has_dlpack(array) or (_shows_memory(array) and not isinstance(array, bytes))


def _shows_memory(array: Any) -> bool:
    # To numpy, without DLPack.
    if hasattr(array, "__array__") or hasattr(array, "__array_interface__"):
        return True
    try:
        memoryview(array)
    except TypeError:
        return False
    return True


def _has_dlpack(array: Any) -> bool:
    # A class has it for its instances.
    return hasattr(array, "__dlpack__") and not isinstance(array, type)


def _check_nulls(array: Any) -> None:
    # Arrow makes NaN of a missing value, or another dtype of the array, when it converts itself.
    nulls = getattr(array, "null_count", 0)
    if isinstance(nulls, int) and nulls:
        raise UnsupportedError(
            f"array: got {type(array).__name__} with {nulls} missing values, which the format "
            "cannot hold; fill_null(...) gives them values",
            given=type(array),
        )


def _from_dlpack(array: Any) -> NDArray[Any]:
    try:
        device = int(array.__dlpack_device__()[0])
        if device in _READABLE:
            return np.from_dlpack(array)
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
