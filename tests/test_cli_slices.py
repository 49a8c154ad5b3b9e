"""`--slice`: what numpy's indexing selects, and what it refuses."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tsr
from tsr.cli.viewing.slices import as_text, first_matrix, for_numpy, parse_slice, resolve, shape_of

SHAPES = st.lists(st.integers(0, 5), max_size=5).map(tuple)
LIMITS = st.none() | st.integers(-7, 7)
SLICES = st.builds(slice, LIMITS, LIMITS, st.none() | st.integers(-3, 3).filter(bool))


def written(part: Any) -> str:
    """Write an index of numpy as it is given on the command line."""
    if part is Ellipsis:
        return "..."
    if isinstance(part, int):
        return str(part)
    parts = ["" if x is None else str(x) for x in (part.start, part.stop, part.step)]
    return ":".join(parts if part.step is not None else parts[:2])


@given(SHAPES, st.data())
def test_as_numpy(shape: tuple[int, ...], data: st.DataObject) -> None:
    """An index selects what numpy selects with it, and says so in a form that selects the same."""
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    leading = data.draw(st.integers(0, len(shape)))
    trailing = data.draw(st.integers(0, len(shape) - leading))
    sizes = (*shape[:leading], *shape[len(shape) - trailing :])
    axes: list[Any] = [
        data.draw(SLICES | st.integers(-size, size - 1) if size else SLICES) for size in sizes
    ]
    if trailing or not axes or data.draw(st.booleans()):
        axes.insert(leading, Ellipsis)
    text = ",".join(map(written, axes))
    index = resolve(parse_slice(text), shape)
    expected = array[tuple(axes)]
    np.testing.assert_array_equal(array[for_numpy(index)], expected)
    assert shape_of(index) == expected.shape
    again = resolve(parse_slice(as_text(index, shape)), shape) if shape else index
    np.testing.assert_array_equal(array[for_numpy(again)], expected)


@given(SHAPES.filter(lambda shape: 0 not in shape))
@example((2, 3, 4, 5))
def test_first_matrix(shape: tuple[int, ...]) -> None:
    """The first matrix is that of the first index along each axis but the last two."""
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    index = first_matrix(resolve((), shape))
    expected = array[(0,) * max(0, array.ndim - 2)]
    np.testing.assert_array_equal(array[for_numpy(index)], expected)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("0,3", "[0, 3, :, :]"), ("[0, :, -1, 2:4]", "[0, :, 3, 2:4]"), ("...,0", "[:, :, :, 0]"),
     ("1,", "[1, :, :, :]"), ("::2", "[0:2:2, :, :, :]"), (":,::-1", "[:, 4::-1, :, :]"),
     ("1:99", "[1:2, :, :, :]"), ("-7:-7:-1", "[0:0, :, :, :]")],
)  # fmt: skip
def test_shown(text: str, shown: str) -> None:
    """The index that is shown has no negative numbers but steps."""
    assert as_text(resolve(parse_slice(text), (2, 5, 4, 6)), (2, 5, 4, 6)) == shown


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "expected indices like"), ("x", "expected indices like"), ("1.5", "expected indices"),
     ("0,,1", "expected indices"), ("1:2:3:4", "expected indices"), ("1:a", "expected indices"),
     ("::0", "expected no step of 0"), ("...,...", "expected at most one ...")],
)  # fmt: skip
def test_no_index(text: str, message: str) -> None:
    """What is no index is refused with what would be one."""
    with pytest.raises(ArgumentTypeError, match=message) as caught:
        parse_slice(text)
    assert str(caught.value).startswith(f"got {text!r}")


@pytest.mark.parametrize(
    ("text", "shape", "message"),
    [
        ("0,2", (3, 2), r"got 2, expected -2 to 1 for axis 1 of shape \(3, 2\)"),
        ("-4", (3, 2), r"got -4, expected -3 to 2 for axis 0"),
        ("...,5", (3, 2), r"got 5, expected -2 to 1 for axis 1"),
        ("0", (0, 2), r"got 0, expected none, it has length 0 for axis 0"),
        ("0,0,0", (3, 2), r"got 3 indices, expected at most 2 for shape \(3, 2\)"),
        ("0", (), r"got 1 indices, expected at most 0"),
    ],
)
def test_not_in_the_shape(text: str, shape: tuple[int, ...], message: str) -> None:
    """An index that the shape lacks is refused with those that it has."""
    with pytest.raises(tsr.UnsupportedError, match=f"--slice: {message}"):
        resolve(parse_slice(text), shape)
