"""The worker that ``"default"`` names: arithmetic by name, in numpy, and in torch where numpy has none.

Commands are told apart without regard to case. What cannot be computed is answered with
``invalid``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from session.message import split_names
from session.worker import TechRenaissanceServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["DefaultWorker", "main"]

# Kernel size (in the name only), stride and padding of the convolutions.
_CONVOLUTIONS = {
    "conv_k3_s1_p0": (1, 0),
    "conv_k3_s1_p1": (1, 1),
    "conv_k3_s2_p1": (2, 1),
    "conv_k1_s1_p0": (1, 0),
    "conv_k1_s2_p0": (2, 0),
    "conv_k7_s2_p3": (2, 3),
    "tconv_k3_s1_p1": (1, 1),
    "tconv_k3_s2_p1": (2, 1),
}

# Functions of one array, by numpy's name.
_NUMPY = {
    "zeros_like": "zeros_like",
    "ones_like": "ones_like",
    "sign": "sign",
    "square": "square",
    "sqrt": "sqrt",
    "abs": "abs",
    "negative": "negative",
    "reciprocal": "reciprocal",
    "round": "round",
}


class DefaultWorker(TechRenaissanceServer):
    """A worker for text and arithmetic."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Compute, or greet."""
        name = command.lower()
        if name in ("hello", "hi"):
            self.write_response("", f"{name.title()} {parameters.title()}".strip())
        elif name == "echo":
            self.write_response("", parameters)
        elif (function := _function(name)) is not None:
            self._compute(function, parameters)
        else:
            return False
        return True

    def _compute(self, function: Callable[..., Any], parameters: str) -> None:
        arrays = self.get_arrays(parameters, len(split_names(parameters)))
        result = None
        if arrays:
            import numpy as np

            with np.errstate(all="ignore"):  # as torch does
                try:
                    result = function(*arrays)
                except (ValueError, TypeError, RuntimeError, IndexError) as error:
                    self._log(f"{error}")
        if result is None:
            self.write_response("", "invalid")
        else:
            self.send_tensors(result)


def _function(name: str) -> Callable[..., Any] | None:
    if name in _NUMPY:
        return lambda array: getattr(__import__("numpy"), _NUMPY[name])(array)
    if name in _CONVOLUTIONS:
        stride, padding = _CONVOLUTIONS[name]
        return lambda a, b: _convolve(name, a, b, stride, padding)
    return {
        "matmul": _matmul,
        "add": _add,
        "linear": _linear,
        "relu": _relu,
        "transpose": _transpose,
    }.get(name)


def _matmul(a: NDArray[Any], b: NDArray[Any]) -> Any:
    return a @ b


def _add(a: NDArray[Any], b: NDArray[Any]) -> Any:
    return a + b


def _linear(x: NDArray[Any], weight: NDArray[Any], bias: NDArray[Any] | None = None) -> Any:
    product = x @ weight.T
    return product if bias is None else product + bias


def _relu(array: NDArray[Any]) -> Any:
    return array.clip(min=0)


def _transpose(array: NDArray[Any]) -> Any:
    return array.swapaxes(0, 1)


def _convolve(name: str, a: NDArray[Any], b: NDArray[Any], stride: int, padding: int) -> Any:
    import torch
    from torch.nn import functional

    convolve = functional.conv_transpose2d if name.startswith("t") else functional.conv2d
    return convolve(torch.from_numpy(a), torch.from_numpy(b), stride=stride, padding=padding)


def main() -> None:
    """Serve the session that the command line names."""
    DefaultWorker().run(sys.argv[1])


if __name__ == "__main__":
    main()
