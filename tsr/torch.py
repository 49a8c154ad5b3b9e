"""A path, file object or buffer <-> a torch tensor. Imports torch: the extra ``torch``.

Tensors share their memory with what `tsr.reader` reads and `tsr.writer` writes, without a
copy. Raises the errors of those two, and `UnsupportedError` for a tensor that no array can
show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from typing import cast as cast_type

import numpy as np

from tsr import reader, writer
from tsr.dtypes import exact_cast
from tsr.errors import UnsupportedError
from tsr.extras import require

if TYPE_CHECKING:
    from typing import Literal

    import torch
    from numpy.typing import DTypeLike, NDArray

    from tsr.buffers import BytesLike
    from tsr.source import Source
    from tsr.writer import Target
else:
    torch = require("torch", "torch", "tsr.torch")

__all__ = ["as_array", "dumps", "load", "loads", "save"]


def load(
    source: Source,
    *,
    device: torch.device | str | None = None,
    strict: bool = True,
    storage_options: Mapping[str, Any] | None = None,
) -> torch.Tensor:
    """Read a file of a single tensor: of TSR v1, or of TSR4.

    Of a file with more, ``tsr.open(path, mmap_mode="c")`` gives arrays that
    `torch.from_numpy` takes without a copy.

    Parameters
    ----------
    source : path, URL, file object or bytes-like
        As for `tsr.load`.
    device : torch.device or str, optional
        Where the tensor goes; by default it stays on the CPU.
    strict, storage_options
        As for `tsr.load`.

    Returns
    -------
    torch.Tensor
        float32, int8 or int32, or from a TSR4 file float16; contiguous, without gradient. It
        is writable and its own: a large file is mapped copy-on-write, so no byte is read before
        it is used and no change reaches the file. What is compressed is inflated.

    Raises
    ------
    FormatError, OSError
        As for `tsr.load`.
    """
    array = reader.load(source, mmap_mode="c", strict=strict, storage_options=storage_options)
    tensor = torch.from_numpy(array)
    return tensor if device is None else tensor.to(device)


def loads(data: BytesLike, *, strict: bool = True) -> torch.Tensor:
    """Copy the tensor out of a bytes-like object that holds a file of a single one.

    Parameters
    ----------
    data, strict
        As for `tsr.loads`.

    Returns
    -------
    torch.Tensor
        As for `load`.

    Raises
    ------
    FormatError, UnsupportedError
        As for `tsr.loads`.
    """
    # A copy, since torch has no read-only tensors and writes would reach bytes objects.
    return torch.from_numpy(reader.loads(data, strict=strict).copy())


def save(
    target: Target,
    tensor: torch.Tensor | Iterable[torch.Tensor],
    *,
    format: Literal["v1", "tsr4"] = "v1",
    compress: bool = False,
    cast: DTypeLike | None = None,
    lossy: bool = False,
    durable: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> None:
    """Write a tensor as a TSR v1 file, or several as a TSR4 file.

    Parameters
    ----------
    target, format, compress, cast, lossy, durable, storage_options
        As for `tsr.save`.
    tensor : torch.Tensor, or iterable of them for TSR4
        float32, int8 or int32, rank 0 to 4, with any strides, on any device; for TSR4 float16
        too, and no dimension of 0. A gradient, or that one is required, is not stored.

    Raises
    ------
    UnsupportedError
        The tensor has no encoding: another dtype without `cast`, a fifth dimension, a sparse,
        quantized or meta tensor.
    OSError
        The file cannot be written.
    """
    array = _as_arrays(tensor, format, cast)
    writer.save(
        target, array, format=format, compress=compress, cast=cast, lossy=lossy, durable=durable,
        storage_options=storage_options,
    )  # fmt: skip


def dumps(
    tensor: torch.Tensor | Iterable[torch.Tensor],
    *,
    format: Literal["v1", "tsr4"] = "v1",
    compress: bool = False,
    cast: DTypeLike | None = None,
    lossy: bool = False,
) -> bytes:
    """Encode a tensor as the bytes of a TSR v1 file, or several as those of a TSR4 file.

    Parameters
    ----------
    tensor, format, compress, cast, lossy
        As for `save`.

    Returns
    -------
    bytes
        The whole file.

    Raises
    ------
    UnsupportedError
        As for `save`.
    """
    array = _as_arrays(tensor, format, cast)
    return writer.dumps(array, format=format, compress=compress, cast=cast, lossy=lossy)


def as_array(tensor: torch.Tensor, *, cast: DTypeLike | None = None) -> NDArray[Any]:
    """Show a tensor as an array, without a copy where it lies on the CPU.

    Parameters
    ----------
    tensor : torch.Tensor
        Any strides, any device; a gradient, or that one is required, does not matter.
    cast : dtype-like, optional
        What the array is to be cast to afterwards. With it a dtype that numpy lacks (bfloat16,
        float8) comes as float32, which keeps its every value.

    Raises
    ------
    UnsupportedError
        `tensor` is no tensor, has no dense values (sparse, quantized, meta), or has a dtype
        that numpy lacks.
    """
    if not isinstance(tensor, torch.Tensor):
        raise UnsupportedError(
            f"tensor: got {type(tensor).__name__}, expected torch.Tensor", given=type(tensor)
        )
    kind = "meta" if tensor.is_meta else "quantized" if tensor.is_quantized else tensor.layout
    kind = "nested" if tensor.is_nested else kind
    if kind is not torch.strided:
        raise UnsupportedError(
            f"tensor: got a {kind} tensor, expected one with dense values", given=str(kind)
        )
    name = str(tensor.dtype).removeprefix("torch.")
    if exact_cast(name) is not None and not hasattr(np, name):
        if cast is None:
            raise UnsupportedError(
                f"dtype: got {name}, expected one of float32, int8, int32; "
                "cast='float32' keeps every value",
                given=str(tensor.dtype),
                allowed=("float32", "int8", "int32"),
                cast="float32",
            )
        tensor = tensor.to(torch.float32)
    try:
        if tensor.numel() and not tensor.untyped_storage().nbytes():
            raise RuntimeError("its memory was given back")
        array: NDArray[Any] = tensor.numpy(force=True)
    except (TypeError, RuntimeError) as error:  # dtypes and tensors that numpy knows nothing of
        raise UnsupportedError(
            f"tensor: got {name}, which numpy cannot show: {error}", given=str(tensor.dtype)
        ) from error
    return array


def _as_arrays(
    tensors: torch.Tensor | Iterable[torch.Tensor], format: str, cast: DTypeLike | None
) -> NDArray[Any] | Iterable[NDArray[Any]]:
    if isinstance(tensors, torch.Tensor) or format == "v1":
        return as_array(cast_type("torch.Tensor", tensors), cast=cast)
    if isinstance(tensors, (list, tuple)):
        return [as_array(tensor, cast=cast) for tensor in tensors]
    if isinstance(tensors, Mapping):
        return tensors  # refused, with the reason
    return (as_array(tensor, cast=cast) for tensor in tensors)
