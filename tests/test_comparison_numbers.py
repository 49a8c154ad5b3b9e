"""`tsr.comparison.exact` and `ulp`: arithmetic on any two dtypes, held against Python's own."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tsr.comparison.exact import gaps, unequal
from tsr.comparison.ulp import BINS, bin_counts, bin_range, distance

INTEGERS = [np.dtype(code) for code in "?bBhHiIqQ"]
FLOATS = [np.dtype(code) for code in "efd"]


def numbers(dtype: np.dtype[Any]) -> st.SearchStrategy[Any]:
    """Draw numbers of a dtype, often ones at its edges and around powers of two."""
    if dtype.kind == "b":
        return st.booleans()
    if dtype.kind == "f":
        wide = st.floats(width=8 * dtype.itemsize)  # type: ignore[arg-type] # 16, 32 or 64
        highest = min(64, int(np.finfo(dtype).maxexp) - 1)
        return st.one_of(wide, st.integers(-14, highest).map(lambda power: math.ldexp(1, power)))
    info = np.iinfo(dtype)
    low, high = int(info.min), int(info.max)
    near = st.builds(lambda p, d: (1 << p) + d, st.integers(0, 64), st.integers(-2, 2))
    near = near.filter(lambda x: low <= x <= high)
    return st.one_of(st.integers(low, high), near, st.sampled_from([low, high]))


@st.composite
def two_numbers(draw: st.DrawFn) -> tuple[Any, Any]:
    """Draw two arrays of one number each, of any two dtypes, equal in value now and then."""
    dtypes = st.sampled_from(INTEGERS + FLOATS)
    dtype_a, dtype_b = draw(dtypes), draw(dtypes)
    a = np.array([draw(numbers(dtype_a))], dtype_a)
    b = np.array([draw(numbers(dtype_b))], dtype_b)
    if draw(st.booleans()):
        with np.errstate(all="ignore"):
            b = a.astype(dtype_b)
    return a, b


@given(two_numbers())
@example((np.array([2**53 + 1]), np.array([2.0**53])))
@example((np.array([2**63 - 1]), np.array([2.0**63])))
@example((np.array([2**64 - 1], "u8"), np.array([-1])))
@example((np.array([-(2**63)]), np.array([-(2.0**63)], "f4")))
@example((np.array([2**64 - 1], "u8"), np.array([np.inf])))
def test_unequal(two: tuple[Any, Any]) -> None:
    """Two numbers are equal if Python says so of the same numbers, whatever their dtypes."""
    a, b = two
    assert unequal(a, b).tolist() == [a[0].item() != b[0].item()]
    assert unequal(b, a).tolist() == unequal(a, b).tolist()


@given(two_numbers())
@example((np.array([2**53 + 1]), np.array([2.0**53])))
@example((np.array([-(2**63)]), np.array([2**63 - 1])))
@example((np.array([-(2**63)]), np.array([2**64 - 1], "u8")))
@example((np.array([-(2**31)], "i4"), np.array([2**31 - 1], "i4")))
def test_gaps(two: tuple[Any, Any]) -> None:
    """The difference of integers is exact, that of others within a rounding or two."""
    a, b = two
    x, y = a[0].item(), b[0].item()
    if not (math.isfinite(x) and math.isfinite(y)):
        return
    (found,) = gaps(a, b).tolist()
    exact = abs(Fraction(x) - Fraction(y))
    assert gaps(b, a).tolist() == [found]
    if "f" not in a.dtype.kind + b.dtype.kind:
        assert found == exact
    elif exact > Fraction(np.finfo(float).max):
        assert found == math.inf
    else:
        assert abs(Fraction(found) - exact) <= exact * Fraction(2) ** -51


def test_complex_numbers() -> None:
    """Complex numbers differ if a part does, and are as far apart as in the plane."""
    a, b = np.array([3 + 4j, 1, 1j], "c8"), np.array([0j, 1, 1 + 1j], "c16")
    assert unequal(a, b).tolist() == [True, False, True]
    assert unequal(a, np.array([3, 1, 0])).tolist() == [True, False, True]
    assert gaps(a, b).tolist() == [5, 0, 1]
    assert gaps(a, np.array([3, 1, 0])).tolist() == [4, 0, 1]
    same = np.array([2**53 + 1]), np.array([complex(2**53)])
    assert unequal(*same).tolist() == [True]


def test_bools_of_any_byte() -> None:
    """A bool that a file has as 2 is true, as 1 is."""
    odd = np.array([2, 0], np.uint8).view(bool)
    assert unequal(odd, np.array([1, 1], np.int8)).tolist() == [False, True]
    assert gaps(odd, np.array([True, True])).tolist() == [0, 1]


def test_long_doubles() -> None:
    """A long double keeps what a float64 cannot."""
    one = np.array([1], np.longdouble)
    beside = np.nextafter(one, np.longdouble(2))
    assert unequal(one, beside).tolist() == [True]
    assert gaps(one, beside).tolist() == [np.finfo(np.longdouble).eps]


# Every float16 that is finite, in order, -0.0 left out.
HALVES = np.unique(np.arange(1 << 16, dtype=np.uint16).view(np.float16))
HALVES = HALVES[np.isfinite(HALVES)]


def test_ulp_of_float16() -> None:
    """The distance is that of the places in the list of all numbers: half a million pairs."""
    chance = np.random.default_rng(8)
    places = chance.integers(0, len(HALVES), (2, 1 << 19))
    places[:, : len(HALVES) - 1] = np.arange(len(HALVES) - 1), np.arange(1, len(HALVES))
    a, b = (HALVES[each].view(np.uint16) for each in places)
    assert (distance(a, b) == np.abs(places[0] - places[1])).all()


def test_ulp_of_zeros() -> None:
    """Nothing is between -0.0 and 0.0, and one step leads from either to the next number."""
    zero, negative, tiny, opposite = np.array([0, 1 << 31, 1, (1 << 31) + 1], np.uint32)
    steps = [distance(np.array([x]), np.array([y])).item() for x, y in (
        (zero, negative), (zero, tiny), (negative, tiny), (tiny, opposite), (opposite, zero),
    )]  # fmt: skip
    assert steps == [0, 1, 1, 2, 1]


STARTS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.one_of(STARTS, st.sampled_from([0.0, -0.0, 1e-323])), st.integers(0, 20), st.booleans())
def test_ulp_by_steps(start: float, steps: int, up: bool) -> None:
    """The distance of float64 is how often `math.nextafter` was called, across zero as well."""
    end = start
    for _ in range(steps):
        end = math.nextafter(end, math.inf if up else -math.inf)
    if math.isfinite(end):
        bits = [np.array([x]).view(np.uint64) for x in (start, end)]
        assert distance(*bits).tolist() == distance(*bits[::-1]).tolist() == [steps]


def test_ulp_of_extremes() -> None:
    """The longest distance of float64 is no negative number."""
    largest = np.array([np.finfo(float).max])
    bits = (-largest).view(np.uint64), largest.view(np.uint64)
    assert distance(*bits).tolist() == [2 * 0x7FEFFFFFFFFFFFFF]


@pytest.mark.parametrize("power", [1, 2, 5, 31, 53, 62, 63])
def test_bins(power: int) -> None:
    """A bin ends with a power of two, which it counts; the ranges of all go on without a gap."""
    end = 1 << power
    counts = bin_counts(np.array([end, end + 1, end - 1], np.uint64))
    found = [(bin_range(index), n) for index, n in enumerate(counts.tolist()) if n]
    half = end // 2
    if power == 1:
        assert found == [((1, 1), 1), ((2, 2), 1), ((3, 4), 1)]
    else:
        assert found == [((half + 1, end), 2), ((end + 1, 2 * end), 1)]


def test_bin_ranges() -> None:
    """From 0 to the longest distance each has one bin."""
    ranges = [bin_range(index) for index in range(BINS)]
    assert ranges[:5] == [(0, 0), (1, 1), (2, 2), (3, 4), (5, 8)]
    assert all(b[0] == a[1] + 1 for a, b in pairwise(ranges))
    assert ranges[-1][1] == 2**64
