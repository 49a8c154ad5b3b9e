"""A tensor -> one that the target format can hold: its dtype and its rank.

Raises `ConversionError`, which names the tensor, what would be lost and the option that helps.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

from tsr.casting import cast_exactly, widen
from tsr.converters.tensor import Tensor
from tsr.dtypes import TSR4_TYPES, element_type, exact_cast
from tsr.errors import ConversionError, UnsupportedError
from tsr.header import PAYLOAD_MAX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tsr.converters.registry import Format
    from tsr.converters.tree import Options

__all__ = ["fit"]


def fit(
    tensor: Tensor, name: str, path: str, target: Format, label: str, options: Options
) -> Tensor:
    """Cast a tensor where that is asked for, so that a format can hold it.

    Parameters
    ----------
    tensor : Tensor
    name, path : str
        What errors call the tensor and its file.
    target : Format
    label : str
        What errors call the format: ``".npy"``.
    options : Options

    Raises
    ------
    ConversionError
        The format has no place for the dtype or the rank. A value that the cast would change
        raises it later, when the piece with it is taken.
    """
    _check_shape(tensor, name, path, target, label)
    wanted = _wanted(tensor.dtype, target, options)
    if wanted is None and tensor.dtype not in target.DTYPES:
        raise ConversionError(
            f"dtype {tensor.dtype} has no place in {label}, which holds "
            f"{', '.join(sorted(target.DTYPES))}; {_advice(tensor.dtype)}",
            path=path, name=name or None,
        )  # fmt: skip
    if wanted is None or wanted == tensor.dtype:
        return tensor
    return _cast(tensor, wanted, name or None, path, options.lossy)


def _check_shape(tensor: Tensor, name: str, path: str, target: Format, label: str) -> None:
    shape = tensor.shape
    if len(shape) > target.RANK_MAX:
        limit = f"{len(shape)} dimensions, and {label} holds at most {target.RANK_MAX}"
    elif max(shape, default=0) > target.DIMENSION_MAX:
        limit = f"a dimension above {target.DIMENSION_MAX}, the most that {label} holds"
    elif prod(dim or 1 for dim in shape) * tensor.storage.itemsize > PAYLOAD_MAX:
        limit = f"more bytes than numpy counts, {PAYLOAD_MAX}, even with each 0 taken as 1"
    else:
        return
    raise ConversionError(
        f"shape {shape} has {limit}; reshape the array", path=path, name=name or None
    )


def _wanted(dtype: str, target: Format, options: Options) -> str | None:
    if isinstance(options.cast, Mapping):
        return options.cast.get(dtype)
    return None if dtype in target.DTYPES else options.cast


def _advice(dtype: str) -> str:
    if dtype.startswith("complex"):
        return "no cast keeps its imaginary part"
    exact = exact_cast(dtype)
    if exact is not None:
        keeps = ", and to='tsr4' (--to tsr4) the dtype" if dtype == "float16" else ""
        return f"cast={exact!r} (--cast {exact}) keeps every value{keeps}"
    near = "float32" if "float" in dtype else "int32"
    return (
        f"cast={near!r} (--cast {near}) converts it unless a value would change, and with "
        "lossy=True (--lossy) in any case"
    )


def _cast(tensor: Tensor, wanted: str, name: str | None, path: str, lossy: bool) -> Tensor:
    if tensor.dtype.startswith("complex"):
        raise ConversionError(
            f"dtype {tensor.dtype}: {_advice(tensor.dtype)}", path=path, name=name
        )
    element = element_type(wanted, TSR4_TYPES)

    def change(piece: NDArray[Any], start: int) -> NDArray[Any]:
        try:
            values = widen(piece, tensor.dtype)
            return cast_exactly(values, element, lossy, start=start, shape=tensor.shape)
        except UnsupportedError as error:
            raise ConversionError(str(error), path=path, name=name) from error

    return Tensor(element.name, tensor.shape, tensor.load, change)
