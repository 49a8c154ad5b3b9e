"""Two runs of elements, piece by piece -> how many differ, where, and by how much.

What counts as a difference is decided here, by a `Tolerance`. Nothing is raised.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tsr.casting import widen
from tsr.comparison import ulp
from tsr.comparison.exact import gaps, unequal
from tsr.converters.tensor import BITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tsr.comparison.results import Tolerance

    _Selection: TypeAlias = slice | NDArray[np.bool_]

__all__ = ["Measure"]


@dataclass
class _Peak:
    """The largest number so far, and the flat index at which it is."""

    value: Any = None
    index: int | None = None

    def add(self, values: NDArray[Any], indices: NDArray[np.intp]) -> None:
        if len(values):
            at = int(values.argmax())
            value = values[at]
            if self.value is None or value > self.value:
                self.value = value.item() if isinstance(value, np.generic) else value
                self.index = int(indices[at])


@dataclass
class Measure:
    """Adds up what two tensors of the same shape differ in.

    Attributes
    ----------
    dtype_a, dtype_b : str
        As `NamedTensor.dtype` gives them.
    tolerance : Tolerance
    differing : int
        Elements that differ by the tolerance.
    unequal : int
        Elements of other values: all but those that are equal or both NaN.
    unequal_bits : int
        Elements of other bits. Of different dtypes, which share no bits: those of other values,
        and NaN.
    nan_a, nan_b : int
        Elements that are NaN in one of the two only.
    nan_payloads : int
        Elements that are NaN in both, with other bits.
    infinities : int
        Elements of other values of which one is infinite, or both are and have other signs.
    first : int or None
        The flat index, in C order, of the first that differs.
    first_values : tuple or None
        Those values.
    absolute, relative : _Peak
        The largest error of finite numbers; the relative one in terms of b, where b is not 0.
    steps : _Peak
        The largest distance in ULPs of finite floats of the same dtype.
    ulps : ndarray
        How many distances each bin of `tsr.comparison.ulp` counts, of elements with other
        bits.
    """

    dtype_a: str
    dtype_b: str
    tolerance: Tolerance
    differing: int = 0
    unequal: int = 0
    unequal_bits: int = 0
    nan_a: int = 0
    nan_b: int = 0
    nan_payloads: int = 0
    infinities: int = 0
    first: int | None = None
    first_values: tuple[Any, Any] | None = None
    absolute: _Peak = field(default_factory=_Peak)
    relative: _Peak = field(default_factory=_Peak)
    steps: _Peak = field(default_factory=_Peak)
    ulps: NDArray[np.int64] = field(default_factory=lambda: np.zeros(ulp.BINS, np.int64))

    @property
    def skips_same_bytes(self) -> bool:
        """Whether elements of the same bytes need no look."""
        return self.dtype_a == self.dtype_b and not self.tolerance.nans_differ

    def add(self, a: NDArray[Any], b: NDArray[Any], start: int) -> None:
        """Look at elements, the first of which has the flat index `start`.

        Parameters
        ----------
        a, b : ndarray
            Of one dimension, little-endian, contiguous; as `NamedTensor.array` gives the elements.
        start : int
        """
        same_dtype = self.dtype_a == self.dtype_b
        other = _other_bits(a, b) if same_dtype else None
        values_a, values_b = widen(a, self.dtype_a), widen(b, self.dtype_b)
        if other is None:
            other = unequal(values_a, values_b)
            if same_dtype:  # which has bits without a meaning
                other = (other & ~(np.isnan(values_a) & np.isnan(values_b))) | _other_signs(
                    values_a, values_b
                )
        looked_at = other | np.isnan(values_a) if self.tolerance.nans_differ else other
        places = np.flatnonzero(looked_at)
        if not len(places):
            return
        self.unequal_bits += int(np.count_nonzero(other))
        chosen = _selection(looked_at)
        bits = (a[chosen], b[chosen]) if same_dtype else None
        self._add(values_a[chosen], values_b[chosen], places + start, other[chosen], bits)

    def multiply(self, count: int) -> None:
        """Have each element so far stand for so many."""
        self.differing *= count
        self.unequal *= count
        self.unequal_bits *= count
        self.nan_a *= count
        self.nan_b *= count
        self.nan_payloads *= count
        self.infinities *= count
        self.ulps *= count

    def _add(
        self, a: NDArray[Any], b: NDArray[Any], indices: NDArray[np.intp],
        other: NDArray[np.bool_], raw: tuple[NDArray[Any], NDArray[Any]] | None,
    ) -> None:  # fmt: skip
        nan_a, nan_b = np.isnan(a), np.isnan(b)
        values_differ = unequal(a, b) & ~(nan_a & nan_b)
        finite = np.isfinite(a) & np.isfinite(b)
        self.unequal += int(np.count_nonzero(values_differ))
        self.nan_a += int(np.count_nonzero(nan_a & ~nan_b))
        self.nan_b += int(np.count_nonzero(nan_b & ~nan_a))
        if raw is not None:
            self.nan_payloads += int(np.count_nonzero(nan_a & nan_b & other))
        self.infinities += int(np.count_nonzero(values_differ & ~finite & ~nan_a & ~nan_b))
        close = self._errors(a, b, indices, _selection(finite & values_differ))
        if raw is not None:
            close |= self._distances(*raw, indices, _selection(finite))
        if not self.tolerance.bits:
            differing = values_differ & ~close
            if self.tolerance.nans_differ:
                differing |= nan_a & nan_b
        else:
            differing = other if raw is not None else values_differ
        count = int(np.count_nonzero(differing))
        if count and self.first is None:
            at = int(differing.argmax())
            self.first, self.first_values = int(indices[at]), (a[at].item(), b[at].item())
        self.differing += count

    def _errors(
        self, a: NDArray[Any], b: NDArray[Any], indices: NDArray[np.intp], chosen: _Selection
    ) -> NDArray[np.bool_]:
        # Notes the errors of the chosen elements, and tells which are within the tolerance.
        close = np.zeros(a.shape, bool)
        apart, there = gaps(a[chosen], b[chosen]), indices[chosen]
        self.absolute.add(apart, there)
        with np.errstate(all="ignore"):
            size = _sizes(b[chosen])
            wide = apart if apart.dtype.kind == "f" else apart.astype(size.dtype)
            nonzero = _selection(size != 0)
            self.relative.add(wide[nonzero] / size[nonzero], there[nonzero])
            limit = (self.tolerance.atol or 0) + (self.tolerance.rtol or 0) * size
            close[chosen] = wide <= limit
        return close

    def _distances(
        self, a: NDArray[Any], b: NDArray[Any], indices: NDArray[np.intp], finite: _Selection
    ) -> NDArray[np.bool_]:
        # Notes the distances in ULPs, and tells which are within the tolerance.
        close = np.zeros(a.shape, bool)
        if not (self.dtype_a in BITS or a.dtype.kind in "fc"):
            return close
        bits_a, bits_b = _bits(a[finite]), _bits(b[finite])
        if bits_a is None or bits_b is None:
            return close
        steps = ulp.distance(bits_a, bits_b)
        if steps.ndim > 1:  # of complex numbers the part that is further off
            steps = steps.max(axis=1, initial=0)
        self.steps.add(steps, indices[finite])
        self.ulps += ulp.bin_counts(steps)
        close[finite] = steps <= (self.tolerance.ulp or 0)
        return close


def _selection(mask: NDArray[np.bool_]) -> _Selection:
    # What chooses the same and copies nothing where that is all.
    return slice(None) if mask.all() else mask


def _bits(array: NDArray[Any]) -> NDArray[Any] | None:
    # The bits as unsigned integers, of a complex number two; None for a long double, which has
    # bits without a meaning and no integer of its size.
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "c":
        return array.view(f"<u{size // 2}").reshape(-1, 2) if size <= 16 else None
    return array.view(f"<u{size}") if size <= 8 else None


def _other_bits(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_] | None:
    bits_a, bits_b = _bits(a), _bits(b)
    if bits_a is None or bits_b is None:
        return None
    other: NDArray[np.bool_] = bits_a != bits_b
    return np.asarray(other.any(axis=1)) if other.ndim > 1 else other


def _other_signs(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    # Which equal long doubles have other signs: zeros.
    if a.dtype.kind == "c":
        return _other_signs(a.real, b.real) | _other_signs(a.imag, b.imag)
    signs: NDArray[np.bool_] = np.signbit(a) != np.signbit(b)
    return np.asarray(signs & ~(np.isnan(a) & np.isnan(b)))


def _sizes(b: NDArray[Any]) -> NDArray[Any]:
    # Absolute values as float64, or long double.
    if b.dtype.kind == "c":
        sizes = np.abs(b.astype(np.result_type(b.dtype, np.complex128)))
        # Of finite parts there is a size, which may have no float.
        return np.asarray(np.minimum(sizes, np.finfo(sizes.dtype).max))
    return np.asarray(np.abs(b.astype(np.result_type(b.dtype, np.float64))))
