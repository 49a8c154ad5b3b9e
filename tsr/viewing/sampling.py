"""An array of any size and layout -> pieces of it, and a sample spread evenly over all of it.

Pages of mapped files are given back once they were looked at. Raises nothing of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tsr.pages import FAULT_BYTES, Pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["blocks", "sample", "spread", "within"]

# Elements of a piece: a few MiB in float64, which the processor's cache holds.
BLOCK = 1 << 18

# Bytes of a run in a sample: a page, which is brought in whole in any case.
RUN_BYTES = 1 << 12

# A sample has at least so many runs, if it has as many elements: neighbours are often alike.
RUNS_MIN = 1 << 10

# The fractional parts of its multiples are as even as such can be, and have no period: runs that
# are an even number of rows apart would all lie in the same columns.
_GOLDEN = (5**0.5 - 1) / 2


def blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Give all elements, in the order in which they lie in memory.

    Each block has one dimension and at most `BLOCK` elements, and is valid until the next.
    """
    if not array.size:
        return
    pages = Pages(array)
    walk: Any = np.nditer(array, ["external_loop", "buffered"], ["readonly"], order="K",
                          buffersize=BLOCK)  # fmt: skip
    for block in walk:
        yield block
        pages.used(block.nbytes)
    pages.release()


def sample(array: NDArray[Any], limit: int) -> NDArray[Any]:
    """Copy a sample of at most `limit` elements, the same ones each time.

    Parameters
    ----------
    array : ndarray
        One with more elements than `limit`.
    limit : int
        The most elements, at least 1.

    Returns
    -------
    ndarray
        Of one dimension. It consists of runs that lie one after the other in memory, spread
        evenly over all of the array.
    """
    run = max(1, min(RUN_BYTES // array.dtype.itemsize, limit // RUNS_MIN))
    # Odd: where shares are as long as rows, runs seldom reach the ends of a row.
    count = (limit // run - 1) | 1
    taken = np.empty(count * run, array.dtype)
    flat, pages = _flat(array), Pages(array)
    pages.scattered()
    for index, start in enumerate(spread(array.size, count, run)):
        taken[index * run : (index + 1) * run] = flat[start : start + run]
        pages.used(max(run * array.dtype.itemsize, FAULT_BYTES))
    pages.release()
    return taken


def spread(size: int, count: int, run: int) -> Iterator[int]:
    """Give the starts of `count` runs of `run` elements, spread evenly over `size` elements.

    Each lies anywhere in its share of the elements, and no two overlap.
    """
    for index in range(count):
        start, stop = size * index // count, size * (index + 1) // count
        yield start + within(stop - start, run, index)


def within(size: int, run: int, index: int) -> int:
    """Give where the run with this index starts in its share of `size` elements."""
    return int((size - run + 1) * (index * _GOLDEN % 1.0))


def _flat(array: NDArray[Any]) -> Any:
    # What can be sliced like an array of one dimension, in the order in which elements lie.
    order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    ordered = array.transpose(order)
    return ordered.reshape(-1) if ordered.flags.c_contiguous else ordered.flat
