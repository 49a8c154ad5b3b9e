"""`summarize`: counts are exact, mean and deviation as exact arithmetic gives them."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import isclose, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

import tsr
from tsr.testing import arrays, shapes
from tsr.viewing.sampling import BLOCK
from tsr.viewing.statistics import Statistics, summarize

DTYPES = ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8")
ANY = arrays(dtypes=DTYPES, shapes=shapes(max_side=7))


def finite_elements(array: NDArray[Any]) -> list[Any]:
    """Give the finite elements as numbers of Python, which are exact."""
    flat = np.ascontiguousarray(array).reshape(-1).tolist()
    return [int(x) if array.dtype.kind in "biu" else x for x in flat if abs(x) < float("inf")]


@given(ANY)
@example(np.array([[2.0**971, -(2.0**971)], [1.7e308, 1.7e308]]))
@example(np.array([5e-324, 0.0, -0.0]))
@example(np.array([-(2**63), 2**63 - 1, 2**63 - 1]))
def test_counts(array: NDArray[Any]) -> None:
    """Every element is counted for what it is, and the extremes are those of the elements."""
    found = summarize(array)
    numbers = finite_elements(array)
    assert found.count == found.looked_at == array.size
    assert not found.sampled
    assert found.finite == len(numbers)
    assert found.zeros == numbers.count(0)
    with np.errstate(invalid="ignore"):
        wide = array.astype(np.float64)
    assert found.nans == np.isnan(wide).sum()
    assert found.positive_infinities == (wide == np.inf).sum()
    assert found.negative_infinities == (wide == -np.inf).sum()
    assert found.minimum == min(numbers, default=None)
    assert found.maximum == max(numbers, default=None)
    kind = int if array.dtype.kind in "biu" else float
    assert all(type(x) is kind for x in (found.minimum, found.maximum) if x is not None)


@given(ANY)
@example(np.array([1.7e308, -1.7e308, 1.7e308]))
@example(np.full(5, np.finfo(np.float64).max))
@example(np.array([np.finfo(np.float64).max, -np.finfo(np.float64).max]))
@example(np.array([1e-300, 2e-300, 4e-300]))
@example(np.full(7, np.finfo(np.float32).max, np.float32))
@example(np.array([2**62, 2**62 + 1, 2**62 + 2]))
@example(1e8 + np.arange(8) * 1e-7)
@example(np.array([1.0, 1.0, 1.0, np.nextafter(1.0, 2.0)]))
def test_mean_and_deviation(array: NDArray[Any]) -> None:
    """Mean and deviation are those of exact fractions, whatever the magnitude."""
    found = summarize(array)
    numbers = [Fraction(x) for x in finite_elements(array)]
    if not numbers:
        assert found.mean is None
        assert found.std is None
        return
    mean = sum(numbers) / len(numbers)
    assert found.mean is not None
    assert found.std is not None
    largest = float(max(map(abs, numbers)))
    assert isclose(found.mean, mean, rel_tol=1e-15, abs_tol=largest * 1e-15)
    if array.dtype.kind in "biu":
        assert found.mean == float(mean)
    variance = sum((x - mean) ** 2 for x in numbers) / len(numbers)
    deviation = sqrt(variance / Fraction(largest) ** 2) * largest if largest else 0.0
    assert isclose(found.std, deviation, rel_tol=1e-12, abs_tol=1e-323)


@given(ANY, st.integers(1, 20))
@example(np.array([-1.7e308, 1.7e308, 3.0]), 3)
@example(np.array([0.0, 5e-324]), 8)
@example(np.array([1.0, np.nextafter(1.0, 2.0)]), 8)
@example(np.array([0, 2**64 - 1], np.uint64), 1)
def test_histogram(array: NDArray[Any], bins: int) -> None:
    """Each finite element is in the bin that the edges say."""
    found = summarize(array, bins=bins)
    numbers = finite_elements(array)
    if not numbers:
        assert found.edges == found.counts == ()
        return
    edges = found.edges
    assert 1 <= len(found.counts) <= bins
    assert len(edges) == len(found.counts) + 1
    assert edges[0] == found.minimum
    assert edges[-1] >= max(numbers)
    last = len(found.counts) - 1
    for index, count in enumerate(found.counts):
        inside = [x for x in numbers if edges[index] <= x < edges[index + 1]]
        if index == last:
            inside += [x for x in numbers if x == edges[-1]]
        assert count == len(inside)
    if array.dtype.kind in "biu":
        assert len({high - low for low, high in pairwise(edges)}) == 1
    elif len(edges) > 2:
        assert list(edges) == sorted(set(edges))
        assert edges[-1] == found.maximum


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "f2", "i1", "i8"])
def test_many_blocks(dtype: str) -> None:
    """What is looked at in pieces is as numpy says of the whole."""
    generator = np.random.default_rng(1)
    array = (generator.standard_normal(2 * BLOCK + 17) * 20).astype(dtype)
    found = summarize(array, bins=10)
    wide = array.astype(np.float64)
    assert found.mean == pytest.approx(wide.mean(), rel=1e-12)
    assert found.std == pytest.approx(wide.std(), rel=1e-12)
    assert found.zeros == (array == 0).sum()
    assert (found.minimum, found.maximum) == (array.min(), array.max())
    np.testing.assert_array_equal(found.counts, np.histogram(wide, found.edges)[0])


def test_block_without_numbers() -> None:
    """A whole block of NaNs, before and behind numbers, is counted and no more."""
    array = np.full(3 * BLOCK, np.nan, np.float32)
    array[BLOCK : BLOCK + 2] = 1, 3
    found = summarize(array, bins=2)
    assert (found.nans, found.finite) == (3 * BLOCK - 2, 2)
    assert (found.mean, found.std, found.counts) == (2.0, 1.0, (1, 1))


def test_nothing_finite() -> None:
    """Without finite elements there is nothing to give, and all is counted."""
    found = summarize(np.array([np.nan, np.inf, np.inf, -np.inf], np.float16))
    assert found == Statistics(4, 4, None, None, None, None, 0, 1, 2, 1, (), ())
    assert summarize(np.zeros((0, 3))) == Statistics(
        0, 0, None, None, None, None, 0, 0, 0, 0, (), ()
    )


def test_signalling_nan() -> None:
    """A signalling NaN is counted without a warning."""
    assert summarize(np.array([0x7F800001], np.uint32).view(np.float32)).nans == 1


def test_long_double() -> None:
    """What float64 has no room for counts as infinite."""
    array = np.array([1, -2, 0], np.longdouble)
    assert summarize(array).mean == pytest.approx(-1 / 3)
    if np.finfo(np.longdouble).max > np.finfo(np.float64).max:
        assert summarize(np.finfo(np.longdouble).max[None]).positive_infinities == 1


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e5m2", "float8_e4m3fn"])
def test_dtypes_that_numpy_lacks(dtype: str) -> None:
    """Bits of a dtype that numpy lacks count as the numbers that they stand for."""
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="has these dtypes")
    bits = np.arange(256, dtype=np.uint8 if dtype.startswith("float8") else np.uint16)
    wide = bits.view(getattr(ml_dtypes, dtype)).astype(np.float32)
    assert summarize(bits, dtype=dtype) == summarize(wide)


def test_sampled() -> None:
    """A limit is kept, and the shape of the distribution with it."""
    array = np.random.default_rng(2).standard_normal((1000, 1000)).astype(np.float32)
    array[::2] += 5
    found = summarize(array, limit=50_000, bins=12)
    assert found.sampled
    assert (found.count, 40_000 < found.looked_at <= 50_000) == (10**6, True)
    assert sum(found.counts) == found.looked_at
    exact = summarize(array)
    assert found.mean == pytest.approx(exact.mean, abs=0.1)
    assert found.std == pytest.approx(exact.std, rel=0.02)
    shares = np.histogram(array, found.edges)[0] / array.size
    np.testing.assert_allclose(np.array(found.counts) / found.looked_at, shares, atol=0.02)
    assert summarize(array, limit=50_000, bins=12) == found


@pytest.mark.parametrize(
    ("array", "options", "message"),
    [
        (np.zeros(2, complex), {}, "dtype: got complex128, expected bool, integer or real"),
        (np.array(["x"]), {}, "dtype: got <U1, expected"),
        (np.zeros(2), {"limit": 0}, "limit: got 0, expected 1 or more"),
        (np.zeros(2), {"bins": 0}, "bins: got 0, expected 1 or more"),
    ],
)
def test_refused(array: NDArray[Any], options: dict[str, Any], message: str) -> None:
    """What has no order, and limits that allow nothing, are refused."""
    with pytest.raises(tsr.UnsupportedError, match=message):
        summarize(array, **options)
