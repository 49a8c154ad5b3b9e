"""An array -> text, in pieces of bounded size: as numpy prints it, as CSV, as JSON.

A number of CSV and JSON has the fewest digits that give the same bits when it is read back as
the array's dtype; a NaN is ``nan`` whatever its payload.
"""

from __future__ import annotations

import json
import sys
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["csv_text", "json_text", "numpy_text"]

# The most numbers that are text at once.
PIECE = 1 << 14

# What JSON has no number for.
_NO_NUMBERS = {name: f'"{name}"' for name in ("nan", "inf", "-inf")}


def numpy_text(
    array: NDArray[Any], full: bool = False, precision: int | None = None
) -> Iterator[str]:
    """Give what numpy prints; `full`, all values of a large array too."""
    threshold = sys.maxsize if full else None
    yield np.array2string(np.asarray(array), threshold=threshold, precision=precision)
    yield "\n"


def csv_text(array: NDArray[Any]) -> Iterator[str]:
    """Give a line for each row along the last axis, or for each value up to rank 1.

    Rank 3 and 4: the row's indices along the other axes come first.
    """
    if array.size == 0:
        return
    numbers = _numbers(array)
    if array.ndim < 2:
        yield from _joined(numbers, array.size, "\n")
        yield "\n"
        return
    for index in _indices(array.shape[:-1]):
        if array.ndim > 2:
            yield index
        yield from _joined(numbers, array.shape[-1], ",")
        yield "\n"


def json_text(array: NDArray[Any], path: str | None = None) -> Iterator[str]:
    """Give an object with any path, dtype, shape and values, nested as the shape is.

    What JSON has no number for is a string: "nan", "inf", "-inf".
    """
    head = {"dtype": array.dtype.name, "shape": array.shape}
    if path is not None:
        head = {"path": path, **head}
    yield json.dumps(head).removesuffix("}") + ', "values": '
    if array.size == 0:
        yield "[]"
    else:
        numbers = _numbers(array)
        if array.dtype.kind == "f":
            numbers = (_NO_NUMBERS.get(number, number) for number in numbers)
        yield from _nested(numbers, array.shape)
    yield "}"


def _numbers(array: NDArray[Any]) -> Iterator[str]:
    # The text of each number, in C order.
    flat = np.asarray(array).reshape(-1)  # each slice of a memmap would cost more
    pieces = (flat[start : start + PIECE] for start in range(0, flat.size, PIECE))
    if flat.dtype.kind == "i":
        return chain.from_iterable(map(str, piece.tolist()) for piece in pieces)
    # A number of numpy's shows as few digits as its own precision needs, one of Python's more.
    return chain.from_iterable(map(str, piece) for piece in pieces)


def _joined(numbers: Iterator[str], count: int, separator: str) -> Iterator[str]:
    # The next so many numbers.
    for start in range(0, count, PIECE):
        if start:
            yield separator
        yield separator.join(islice(numbers, min(PIECE, count - start)))


def _indices(shape: tuple[int, ...], outer: str = "") -> Iterator[str]:
    # Each index into a shape in C order, a comma behind each number.
    if not shape:
        yield outer
    else:
        for i in range(shape[0]):
            yield from _indices(shape[1:], f"{outer}{i},")


def _nested(numbers: Iterator[str], shape: tuple[int, ...]) -> Iterator[str]:
    if not shape:
        yield next(numbers)
    elif len(shape) == 1:
        yield "["
        yield from _joined(numbers, shape[0], ", ")
        yield "]"
    else:
        separator = "["
        for _ in range(shape[0]):
            yield separator
            yield from _nested(numbers, shape[1:])
            separator = ",\n"
        yield "]"
