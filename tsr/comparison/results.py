"""What a comparison found, and by what it was made: plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Comparison", "Differences", "Side", "TensorComparison", "Tolerance"]


@dataclass(frozen=True)
class Tolerance:
    """What is taken for the same: all None, only what has the same bits.

    Attributes
    ----------
    rtol, atol : float, optional
        As in `numpy.allclose`: numbers for which ``|a - b| <= atol + rtol * |b|``. It is computed
        in float64, or in long double where one of the two is.
    ulp : int, optional
        Finite floats of the same dtype with no more steps of `math.nextafter` between them.
    equal_nan : bool, optional
        Whether a NaN is the same as any other; True if anything else is given.
    """

    rtol: float | None = None
    atol: float | None = None
    ulp: int | None = None
    equal_nan: bool | None = None

    @property
    def bits(self) -> bool:
        """Whether bits are compared, not values."""
        return (self.rtol, self.atol, self.ulp, self.equal_nan) == (None, None, None, None)

    @property
    def nans_differ(self) -> bool:
        """Whether a NaN differs from one of the same bits."""
        return self.equal_nan is False


@dataclass(frozen=True)
class Side:
    """One of the two things compared.

    Attributes
    ----------
    path : str or None
        What errors call it; None for what is in memory.
    format : str
        ``"TSR v1"``, ``"TSR4"``, ``"folder"``, a suffix without its dot, or ``"array"``.
    mode : str or None
        Of a TSR4 file: ``"raw"`` or ``"zlib"``.
    tensors : int
        How many it holds.
    """

    path: str | None
    format: str
    mode: str | None
    tensors: int


@dataclass(frozen=True)
class Differences:
    """How the elements of two tensors of the same shape differ.

    Attributes
    ----------
    elements : int
        Elements of each tensor.
    differing : int
        Those that differ by the tolerance; without one, those of other bits, or of other values
        where the dtypes differ.
    unequal : int
        Those of other values: neither equal, as -0.0 and 0.0 are, nor both NaN.
    unequal_bits : int or None
        Those of other bits; None where the dtypes differ.
    first : tuple of int or None
        The index of the first that differs, in C order.
    first_values : tuple or None
        The two values there, as Python's numbers; long doubles, which it lacks, as numpy's.
    first_offsets : tuple of (int or None)
        Where they lie in the files, in bytes; None where that is not known: in a compressed file,
        for example.
    max_absolute, max_relative : number or None
        The largest ``|a - b|`` and ``|a - b| / |b|`` of all finite numbers that are not equal,
        within the tolerance or not; the latter where b is not 0. That of integers is exact, the
        rest is computed in float64, or in long double where one of the two is.
    max_absolute_at, max_relative_at : tuple of int or None
        Where they are.
    max_ulp : int or None
        The largest distance in ULPs of two finite floats of the same dtype; of complex numbers
        that of the part that is further off.
    max_ulp_at : tuple of int or None
    ulp_histogram : tuple of (int, int, int)
        How many elements of other bits lie from a first to a last distance: 0, 1, 2, 3 to 4, 5 to
        8 and so on; bins that count none are left out.
    nan_a, nan_b : int
        Elements that are NaN only in the one, only in the other.
    nan_payloads : int
        Those that are NaN in both, with other bits.
    infinities : int
        Those of which one is infinite and the other another number.
    """

    elements: int
    differing: int
    unequal: int
    unequal_bits: int | None
    first: tuple[int, ...] | None
    first_values: tuple[Any, Any] | None
    first_offsets: tuple[int | None, int | None]
    max_absolute: int | float | None
    max_absolute_at: tuple[int, ...] | None
    max_relative: float | None
    max_relative_at: tuple[int, ...] | None
    max_ulp: int | None
    max_ulp_at: tuple[int, ...] | None
    ulp_histogram: tuple[tuple[int, int, int], ...]
    nan_a: int
    nan_b: int
    nan_payloads: int
    infinities: int

    @property
    def share(self) -> float:
        """The share of the elements that differ."""
        return self.differing / self.elements if self.elements else 0.0


@dataclass(frozen=True)
class TensorComparison:
    """What became of one tensor, or of one that the other side lacks.

    Attributes
    ----------
    name : str
        Its name, or its index where there are no names; ``""`` for the only one of a file.
    indices : tuple of (int or None)
        Its place in the order of either side; None where the side lacks it.
    names : tuple of (str or None)
        What either side calls it.
    dtypes : tuple of (str or None)
    shapes : tuple of (tuple of int or None)
    paths : tuple of (str or None)
        The files that hold it: those in the folders, where folders are compared.
    status : str
        ``"same"``; ``"shape"``, ``"dtype"`` or ``"values"``, the first of the three that differs;
        ``"only in a"`` or ``"only in b"``.
    differences : Differences or None
        None where there are no two tensors of the same shape.
    """

    name: str
    indices: tuple[int | None, int | None]
    names: tuple[str | None, str | None]
    dtypes: tuple[str | None, str | None]
    shapes: tuple[tuple[int, ...] | None, tuple[int, ...] | None]
    paths: tuple[str | None, str | None]
    status: str
    differences: Differences | None

    @property
    def equal(self) -> bool:
        """Whether the two are the same."""
        return self.status == "same"


@dataclass(frozen=True)
class Comparison:
    """What `compare` found; true in a condition if all is the same.

    Attributes
    ----------
    a, b : Side
    tolerance : Tolerance
    tensors : tuple of TensorComparison
        In the order of a, those only in b last.
    same_order : bool
        Whether tensors that were matched by name have the same order on both sides; that they
        have not is no difference.
    """

    a: Side
    b: Side
    tolerance: Tolerance
    tensors: tuple[TensorComparison, ...]
    same_order: bool

    @property
    def equal(self) -> bool:
        """Whether all tensors are on both sides, and the same."""
        return all(tensor.equal for tensor in self.tensors)

    def __bool__(self) -> bool:
        return self.equal
