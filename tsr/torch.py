"""A path, file object or buffer <-> a torch tensor. Imports torch: the extra ``torch``.

Tensors share their memory with what `tsr.reader` reads and `tsr.writer` writes, without a
copy. Raises the errors of those two, and `UnsupportedError` for a tensor that no array can
show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tsr import reader, writer
from tsr.dtypes import exact_cast
from tsr.errors import UnsupportedError
from tsr.extras import require

if TYPE_CHECKING:
    import torch
    from numpy.typing import DTypeLike, NDArray

    from tsr.buffers import BytesLike
    from tsr.source import Source
    from tsr.writer import Target
else:
    torch = require("torch", "torch", "tsr.torch")

__all__ = ["as_array", "dumps", "load", "loads", "save"]


def load(
    source: Source, *, device: torch.device | str | None = None, strict: bool = True
) -> torch.Tensor:
    """Read a TSR v1 file as a tensor.

    Parameters
    ----------
    source : path, file object or bytes-like
        As for `tsr.load`.
    device : torch.device or str, optional
        Where the tensor goes; by default it stays on the CPU.
    strict : bool, default True
        As for `tsr.load`.

    Returns
    -------
    torch.Tensor
        float32, int8 or int32, contiguous, without gradient. It is writable and its own: a
        large file is mapped copy-on-write, so no byte is read before it is used and no change
        reaches the file.

    Raises
    ------
    FormatError, OSError
        As for `tsr.load`.
    """
    tensor = torch.from_numpy(reader.load(source, mmap_mode="c", strict=strict))
    return tensor if device is None else tensor.to(device)


def loads(data: BytesLike, *, strict: bool = True) -> torch.Tensor:
    """Copy the tensor out of a bytes-like object that holds a TSR v1 file.

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
    tensor: torch.Tensor,
    *,
    cast: DTypeLike | None = None,
    lossy: bool = False,
    durable: bool | None = None,
) -> None:
    """Write a tensor as a TSR v1 file.

    Parameters
    ----------
    target, cast, lossy, durable
        As for `tsr.save`.
    tensor : torch.Tensor
        float32, int8 or int32, rank 0 to 4, with any strides, on any device; a gradient, or
        that one is required, is not stored.

    Raises
    ------
    UnsupportedError
        The tensor has no encoding: another dtype without `cast`, a fifth dimension, a sparse,
        quantized or meta tensor.
    OSError
        The file cannot be written.
    """
    writer.save(target, as_array(tensor, cast=cast), cast=cast, lossy=lossy, durable=durable)


def dumps(tensor: torch.Tensor, *, cast: DTypeLike | None = None, lossy: bool = False) -> bytes:
    """Encode a tensor as the bytes of a TSR v1 file.

    Parameters
    ----------
    tensor, cast, lossy
        As for `save`.

    Returns
    -------
    bytes
        64 bytes of header and the payload.

    Raises
    ------
    UnsupportedError
        As for `save`.
    """
    return writer.dumps(as_array(tensor, cast=cast), cast=cast, lossy=lossy)


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
    if tensor.numel() and not tensor.untyped_storage().nbytes():
        raise UnsupportedError("tensor: got one whose memory was given back")
    try:
        array: NDArray[Any] = tensor.numpy(force=True)
    except (TypeError, RuntimeError) as error:  # dtypes and tensors that numpy knows nothing of
        raise UnsupportedError(
            f"tensor: got {name}, which numpy cannot show: {error}", given=str(tensor.dtype)
        ) from error
    return array
