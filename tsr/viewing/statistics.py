"""An array -> its statistics: how many, how large, how they are distributed. Any size and layout.

Elements are looked at in pieces, so that it takes little memory, and in float64: neither a sum nor
a square overflows. Of a large array a sample can do. Raises `UnsupportedError` for elements that
are no real numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import frexp, fsum, ldexp, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tsr.casting import widen
from tsr.errors import UnsupportedError
from tsr.viewing.sampling import blocks, sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "BINS",
    "Statistics",
    "check_numbers",
    "check_positive",
    "numbers_of",
    "summarize",
]

# Bins of a histogram, where nothing else is asked for.
BINS = 64

# Numbers up to 2**400, and down to 2**-400, have squares whose sums fit float64.
_EXPONENT_MAX = 400


@dataclass(frozen=True)
class Statistics:
    """What `summarize` finds.

    Attributes
    ----------
    count : int
        Elements of the array.
    looked_at : int
        Elements that all below is about: fewer than `count` where it is `sampled`.
    minimum, maximum : int, float or None
        Of the finite elements; None where there are none. Of integers and bools an int.
    mean, std : float or None
        Of the finite elements; of integers the mean is exact before it is rounded to a float.
        `std` is that of a population, as numpy's.
    zeros, nans, positive_infinities, negative_infinities : int
        How many of the elements looked at are 0, either sign, or not finite.
    edges : tuple of int or float
        The limits of the histogram's bins, one more than there are bins: bin ``i`` counts what
        is at least ``edges[i]`` and less than ``edges[i + 1]``, the last one also what equals its
        upper limit. They go from `minimum` to `maximum`; of integers, each bin has room for
        equally many, and the last edge can lie beyond. Where all elements are the same, there is
        one bin; of floats it has no width. Without finite elements there are no bins and no edges.
    counts : tuple of int
        How many finite elements are in each bin.
    """

    count: int
    looked_at: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    std: float | None
    zeros: int
    nans: int
    positive_infinities: int
    negative_infinities: int
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def sampled(self) -> bool:
        """Whether not all elements were looked at."""
        return self.looked_at < self.count

    @property
    def finite(self) -> int:
        """How many of the elements looked at are finite."""
        return self.looked_at - self.nans - self.positive_infinities - self.negative_infinities


def summarize(
    array: NDArray[Any], *, limit: int | None = None, bins: int = BINS, dtype: str | None = None
) -> Statistics:
    """Look at the elements of an array.

    Parameters
    ----------
    array : ndarray
        bool, integer or real floating point, of any size, layout and byte order. Numbers of a
        long double are taken as float64, of which those beyond its range are infinite.
    limit : int, optional
        Look at this many elements at most, spread evenly over the array, as
        `tsr.viewing.sampling` says. By default at all.
    bins : int, default 64
        The most bins of the histogram.
    dtype : str, optional
        The name of a dtype that numpy lacks, whose bits the array holds as unsigned integers:
        ``"bfloat16"``, ``"float8_e5m2"`` or ``"float8_e4m3fn"``.

    Returns
    -------
    Statistics

    Raises
    ------
    UnsupportedError
        The elements are no real numbers, or `limit` or `bins` is less than 1.

    Examples
    --------
    >>> import numpy as np
    >>> from tsr.viewing.statistics import summarize
    >>> found = summarize(np.array([1.0, 2.0, np.nan, np.inf, 3.0], np.float32), bins=2)
    >>> found.minimum, found.maximum, found.mean, found.nans, found.positive_infinities
    (1.0, 3.0, 2.0, 1, 1)
    >>> found.edges, found.counts
    ((1.0, 2.0, 3.0), (1, 2))
    """
    array = np.asarray(array)
    check_numbers(array)
    check_positive(limit=limit, bins=bins)
    looked_at = array
    if limit is not None and array.size > limit:
        looked_at = sample(array, limit)
    with np.errstate(all="ignore"):  # a signalling NaN is no reason to warn
        census = _take_census(looked_at, dtype)
        if not census.finite:
            distribution = _NOTHING
        elif isinstance(census.minimum, int):
            distribution = _of_integers(looked_at, census, bins)
        else:
            distribution = _of_floats(looked_at, dtype, census, bins)
    return Statistics(
        array.size, looked_at.size, census.minimum, census.maximum, distribution.mean,
        distribution.std, census.zeros, census.nans, census.above, census.below,
        distribution.edges, distribution.counts,
    )  # fmt: skip


def check_numbers(array: NDArray[Any]) -> None:
    """Refuse what is no array of real numbers, by `UnsupportedError`."""
    if array.dtype.kind not in "biuf":
        raise UnsupportedError(
            f"dtype: got {array.dtype}, expected bool, integer or real floating point",
            given=array.dtype,
        )


def check_positive(**given: int | None) -> None:
    """Refuse a number that allows nothing, by `UnsupportedError`."""
    for name, value in given.items():
        if value is not None and value < 1:
            raise UnsupportedError(f"{name}: got {value}, expected 1 or more", given=value)


def numbers_of(block: NDArray[Any], dtype: str | None = None) -> NDArray[Any]:
    """Give integers as they are, bools as 0 and 1, floats as float64; `dtype` as above."""
    if dtype is not None:
        block = widen(block, dtype)
    if block.dtype.kind == "f":
        return block.astype(np.float64, copy=False)
    if block.dtype.kind == "b":  # True is any byte but 0
        return np.not_equal(block.view(np.uint8), 0).view(np.uint8)
    return block


class _Census(NamedTuple):
    # What one look at the elements gives.
    finite: int
    minimum: Any
    maximum: Any
    zeros: int
    nans: int
    above: int
    below: int


class _Distribution(NamedTuple):
    # What a second look gives, once the extremes are known.
    mean: float | None
    std: float | None
    edges: tuple[float, ...]
    counts: tuple[int, ...]


_NOTHING = _Distribution(None, None, (), ())


def _take_census(array: NDArray[Any], dtype: str | None) -> _Census:
    finite = zeros = nans = above = below = 0
    lows, highs = [], []
    for block in blocks(array):
        numbers = numbers_of(block, dtype)
        if numbers.dtype.kind == "f":
            is_finite = np.isfinite(numbers)
            if not is_finite.all():
                nans += int(np.isnan(numbers).sum())
                above += int(np.isposinf(numbers).sum())
                below += int(np.isneginf(numbers).sum())
                numbers = numbers[is_finite]
        if numbers.size:
            finite += numbers.size
            zeros += numbers.size - int(np.count_nonzero(numbers))
            lows.append(numbers.min().item())
            highs.append(numbers.max().item())
    low, high = min(lows, default=None), max(highs, default=None)
    return _Census(finite, low, high, zeros, nans, above, below)


def _of_integers(array: NDArray[Any], census: _Census, bins: int) -> _Distribution:
    # All is counted from the minimum on, in unsigned numbers, which hold any difference; they are
    # exact where float64 is not.
    low, span = census.minimum, census.maximum - census.minimum
    width = -(-(span + 1) // bins)
    counts = np.zeros(span // width + 1, np.int64)
    total = 0
    moments = _Moments()
    for block in blocks(array):
        numbers = numbers_of(block)
        wide = numbers.astype(np.uint64 if numbers.dtype.kind == "u" else np.int64)
        above_low = wide.view(np.uint64) - np.uint64(low % 2**64)
        if len(counts) == 1:  # its width can be beyond 64 bits
            counts += numbers.size
        else:
            places = (above_low // np.uint64(width)).astype(np.intp)
            counts += np.bincount(places, minlength=len(counts))
        halves = above_low >> np.uint64(32), above_low & np.uint64(2**32 - 1)
        total += (int(halves[0].sum()) << 32) + int(halves[1].sum())
        moments.add(above_low.astype(np.float64))
    _, std = moments.finish(0.0, float(span))
    mean = float(low + Fraction(total, census.finite))
    edges = tuple(low + width * index for index in range(len(counts) + 1))
    return _Distribution(mean, std, edges, tuple(counts.tolist()))


def _of_floats(array: NDArray[Any], dtype: str | None, census: _Census, bins: int) -> _Distribution:
    low, high = census.minimum, census.maximum
    share = np.linspace(0.0, 1.0, bins + 1)
    # Not by the difference, which may be beyond float64; rounding may make neighbours equal.
    edges = np.unique(np.clip(low * (1.0 - share) + high * share, low, high))
    edges[0], edges[-1] = low, high
    exponent = frexp(max(abs(low), abs(high)))[1]
    shift = exponent if abs(exponent) > _EXPONENT_MAX else 0
    counts = np.zeros(max(len(edges) - 1, 1), np.int64)
    moments = _Moments()
    for block in blocks(array):
        numbers = numbers_of(block, dtype)
        numbers = numbers[np.isfinite(numbers)]
        places = np.searchsorted(edges[1:-1], numbers, side="right")
        counts += np.bincount(places, minlength=len(counts))
        moments.add(np.ldexp(numbers, -shift) if shift else numbers)
    mean, std = moments.finish(ldexp(low, -shift), ldexp(high, -shift))
    limits = tuple(edges.tolist()) if len(edges) > 1 else (low, high)
    return _Distribution(ldexp(mean, shift), ldexp(std, shift), limits, tuple(counts.tolist()))


class _Moments:
    """Mean and standard deviation, of pieces and of all.

    Each piece has its own mean, from which deviations are taken (Chan, Golub and LeVeque, 1983,
    "Algorithms for computing the sample variance", with its correction for the rounded mean). The
    sums over the pieces are exact.
    """

    def __init__(self) -> None:
        self._pieces: list[tuple[int, float, float]] = []

    def add(self, numbers: NDArray[np.float64]) -> None:
        count = numbers.size
        if not count:
            return
        mean = float(numbers.sum()) / count
        deviations = numbers - mean
        rest = float(deviations.sum())
        squares = float(np.square(deviations, out=deviations).sum()) - rest * rest / count
        self._pieces.append((count, mean + rest / count, max(squares, 0.0)))

    def finish(self, low: float, high: float) -> tuple[float, float]:
        """Give both, within what numbers between `low` and `high` can have."""
        total = sum(count for count, _, _ in self._pieces)
        mean = fsum(count * mean for count, mean, _ in self._pieces) / total
        mean = min(max(mean, low), high)
        squares = fsum(
            squares + count * (piece - mean) ** 2 for count, piece, squares in self._pieces
        )
        return mean, min(sqrt(squares / total), high / 2 - low / 2)
