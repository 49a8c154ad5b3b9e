"""The arithmetic of the default worker: arrays of float32, int8 and int32 in, one of them out.

Values, dtypes and refusals are those of torch, but all except convolutions is done in numpy.
Raises `ValueError`, `IndexError` or `RuntimeError` for what cannot be computed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tsr.extras import require

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["COMMANDS", "Command"]


class Command(NamedTuple):
    """What has a name.

    Attributes
    ----------
    compute : callable
        Given arrays, it gives an array or a torch tensor.
    counts : tuple of int
        How many arrays it takes.
    """

    compute: Callable[..., Any]
    counts: tuple[int, ...]


def _relu(x: Array) -> Any:
    return np.maximum(0, x)  # in this order, -0.0 stays


def _sign(x: Array) -> Any:
    return (x > 0).astype(x.dtype) - (x < 0)  # of NaN it is 0


def _sqrt(x: Array) -> Any:
    return np.sqrt(x.astype(np.float32, copy=False))


def _reciprocal(x: Array) -> Any:
    return np.reciprocal(x.astype(np.float32, copy=False))


def _transpose(x: Array) -> Any:
    return x.swapaxes(0, 1)


def _add(a: Array, b: Array) -> Any:
    dtype = _sum_dtype(a, b)
    return np.add(a.astype(dtype, copy=False), b.astype(dtype, copy=False))


def _sum_dtype(a: Array, b: Array) -> Any:
    # float32 if one of them has it; of the integers the wider one, but a scalar widens no array.
    if a.dtype.kind != b.dtype.kind:
        return np.float32
    if (a.ndim == 0) != (b.ndim == 0):
        return a.dtype if a.ndim else b.dtype
    return np.promote_types(a.dtype, b.dtype)


def _matmul(a: Array, b: Array) -> Any:
    _check_same_dtype(a, b)
    return a @ b


def _linear(x: Array, weight: Array, bias: Array | None = None) -> Any:
    if weight.ndim > 2:
        raise ValueError(f"weight: got {weight.shape}, expected (out, in) or (in,)")
    product = _matmul(x, weight.T)
    if bias is None:
        return product
    _check_same_dtype(x, bias)
    if weight.ndim != 2 or bias.ndim > 1:
        raise ValueError(f"bias: got {bias.shape} for {weight.shape}, expected (out,) or ()")
    return product + np.broadcast_to(bias, product.shape)


def _check_same_dtype(a: Array, b: Array) -> None:
    if a.dtype != b.dtype:
        raise ValueError(f"dtypes: got {a.dtype} and {b.dtype}, expected the same")


def _convolve(function: str, stride: int, padding: int, x: Array, weight: Array) -> Any:
    torch = require("torch", "torch", "a convolution")
    convolve = getattr(torch.nn.functional, function)
    return convolve(*map(torch.from_numpy, (x, weight)), stride=stride, padding=padding)


def _convolution(stride: int, padding: int, function: str = "conv2d") -> Command:
    # Of an input by a kernel, whose size the name tells, and nobody checks.
    return Command(partial(_convolve, function, stride, padding), (2,))


COMMANDS = {
    "abs": Command(np.abs, (1,)),
    "add": Command(_add, (2,)),
    "conv_k1_s1_p0": _convolution(1, 0),
    "conv_k1_s2_p0": _convolution(2, 0),
    "conv_k3_s1_p0": _convolution(1, 0),
    "conv_k3_s1_p1": _convolution(1, 1),
    "conv_k3_s2_p1": _convolution(2, 1),
    "conv_k7_s2_p3": _convolution(2, 3),
    "linear": Command(_linear, (2, 3)),
    "matmul": Command(_matmul, (2,)),
    "negative": Command(np.negative, (1,)),
    "ones_like": Command(np.ones_like, (1,)),
    "reciprocal": Command(_reciprocal, (1,)),
    "relu": Command(_relu, (1,)),
    "round": Command(np.round, (1,)),  # half to even
    "sign": Command(_sign, (1,)),
    "sqrt": Command(_sqrt, (1,)),
    "square": Command(np.square, (1,)),
    "tconv_k3_s1_p1": _convolution(1, 1, "conv_transpose2d"),
    "tconv_k3_s2_p1": _convolution(2, 1, "conv_transpose2d"),
    "transpose": Command(_transpose, (1,)),
    "zeros_like": Command(np.zeros_like, (1,)),
}
