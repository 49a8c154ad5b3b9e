"""`tsr.diagnosis.meanings`: numbers in words, and in as few digits as tell them apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from tsr.diagnosis.meanings import count_of, numbers_of
from tsr.dtypes import TSR4_TYPES, element_type
from tsr.testing import arrays


@pytest.mark.parametrize(
    ("number", "noun", "expected"),
    [
        (0, "byte", "0 bytes"), (1, "byte", "1 byte"), (2, "entry", "2 entries"),
        (1, "entry", "1 entry"), (3, "array", "3 arrays"), (2, "zero byte", "2 zero bytes"),
    ],
)  # fmt: skip
def test_counts(number: int, noun: str, expected: str) -> None:
    """One is told from many."""
    assert count_of(number, noun) == expected


@given(array=arrays("tsr4", layouts=False))
def test_numbers_come_back(array: NDArray[Any]) -> None:
    """What is said of any elements gives the same elements again, NaNs as any NaN."""
    said = numbers_of(element_type(array.dtype, TSR4_TYPES), array.tobytes())
    again = np.array([float(number) for number in said]).astype(array.dtype).reshape(array.shape)
    assert np.array_equal(again, array, equal_nan=array.dtype.kind == "f")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.1), "0.1"), (np.float16(0.1), "0.1"), (np.float32(-0.0), "-0"),
        (np.float32("inf"), "inf"), (np.float32("nan"), "nan"), (np.int8(-7), "-7"),
        (np.float16(65504), "6.55e+04"), (np.float32(3.4028235e38), "3.4028235e+38"),
    ],
)  # fmt: skip
def test_few_digits(value: np.generic, expected: str) -> None:
    """A number has the digits that it needs in its own type."""
    assert numbers_of(element_type(value.dtype, TSR4_TYPES), value.tobytes()) == [expected]
