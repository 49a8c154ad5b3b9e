"""Floats of one dtype -> how many representable numbers lie between them, in exact integers.

The distance in ULPs (units in the last place) of two finite floats is the number of steps of
`math.nextafter` from one to the other: 0 between -0.0 and 0.0, 1 between neighbours, across zero as
well. It is computed on the bits, in which a float is a sign and a magnitude that counts the floats
from zero up. Infinities and NaN have none. Nothing is raised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BINS", "bin_counts", "bin_range", "distance"]

# The last distance of each bin: 0, 1, 2, 3 to 4, 5 to 8... The one after the last has the rest.
_ENDS = np.array([0, *(1 << power for power in range(64))], np.uint64)

# How many bins there are.
BINS = len(_ENDS) + 1


def distance(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.uint64]:
    """Give the distance of each two floats, which have to be finite.

    Parameters
    ----------
    a, b : ndarray
        Their bits, as unsigned integers of the same dtype.
    """
    bits = 8 * a.dtype.itemsize
    magnitude_mask = np.uint64((1 << (bits - 1)) - 1)
    wide_a, wide_b = a.astype(np.uint64), b.astype(np.uint64)
    magnitude_a, magnitude_b = wide_a & magnitude_mask, wide_b & magnitude_mask
    # Neither can overflow: a magnitude takes 63 bits.
    apart = np.maximum(magnitude_a, magnitude_b) - np.minimum(magnitude_a, magnitude_b)
    across = magnitude_a + magnitude_b
    distances: NDArray[np.uint64] = np.where(wide_a ^ wide_b > magnitude_mask, across, apart)
    return distances


def bin_counts(distances: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Count the distances in each bin, of which there are `BINS`."""
    return np.bincount(np.searchsorted(_ENDS, distances), minlength=BINS)


def bin_range(index: int) -> tuple[int, int]:
    """Give the first and the last distance that a bin counts."""
    ends = [0, *(1 << power for power in range(65))]
    return (ends[index - 1] + 1 if index else 0), ends[index]
