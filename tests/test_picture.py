"""`draw`: each cell is what numpy makes of its elements, whatever the shape and the layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

import tsr
from tsr.testing import arrays
from tsr.viewing.picture import Picture, draw
from tsr.viewing.sampling import BLOCK

SIDES = st.tuples(st.integers(1, 12), st.integers(1, 12))
DTYPES = ("?", "i1", "u2", "i4", "i8", "u8", "f2", "f4", "f8")


def by_hand(matrix: NDArray[Any], picture: Picture) -> None:
    """Compare each cell with its elements, taken one cell at a time."""
    for i, row in enumerate(picture.means):
        for j, mean in enumerate(row):
            rows = slice(*picture.row_edges[i : i + 2])
            columns = slice(*picture.column_edges[j : j + 2])
            with np.errstate(invalid="ignore"):
                cell = matrix[rows, columns].astype(np.longdouble)
            assert cell.size
            finite = cell[np.isfinite(cell)]
            if finite.size:
                largest = float(np.abs(finite).max())
                assert float(finite.mean()) == pytest.approx(mean, rel=1e-12, abs=largest * 1e-12)
            else:
                assert np.isnan(mean)
            assert picture.nans[i, j] == np.isnan(cell).sum()
            assert picture.positive_infinities[i, j] == np.isposinf(cell).sum()
            assert picture.negative_infinities[i, j] == np.isneginf(cell).sum()


@given(arrays(dtypes=DTYPES, shapes=SIDES), st.integers(1, 14), st.integers(1, 14))
@example(np.array([[1.7e308, 1.7e308], [1.7e308, np.nan]]), 1, 2)
@example(np.array([[np.nan, np.inf, -np.inf, 0.0, -0.0]], np.float16), 1, 2)
def test_cells(array: NDArray[Any], rows: int, columns: int) -> None:
    """Cells cover the matrix in order, each as large as the next but for one, and are right."""
    if array.dtype.kind == "b":
        array = array.view(np.uint8) != 0
    picture = draw(array, rows, columns)
    assert picture.means.shape == (min(rows, array.shape[0]), min(columns, array.shape[1]))
    assert picture.count == picture.looked_at == array.size
    for edges, size in zip((picture.row_edges, picture.column_edges), array.shape, strict=True):
        assert (edges[0], edges[-1]) == (0, size)
        assert set(np.diff(edges)) <= {size // (len(edges) - 1), -(-size // (len(edges) - 1))}
    by_hand(array, picture)


@pytest.mark.parametrize("shape", [(3, BLOCK + 5), (BLOCK + 5, 3), (1, 3 * BLOCK), (700, 900)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_many_blocks(shape: tuple[int, int], order: Any) -> None:
    """What is looked at in pieces is as right."""
    matrix = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    matrix = np.asarray(matrix, order=order)
    matrix[1 % shape[0], 2] = np.nan
    by_hand(matrix, draw(matrix, 5, 7))


@pytest.mark.parametrize(
    ("shape", "limit"),
    [((2000, 3000), 10**5), ((50, 200_000), 10**5), ((200_000, 50), 10**5), ((2, 500_000), 10**4),
     ((500_000, 2), 10**4), ((1, 10**6), 1000), ((3000, 2000), 1)],
)  # fmt: skip
@pytest.mark.parametrize("order", ["C", "F"])
def test_sampled(shape: tuple[int, int], limit: int, order: Any) -> None:
    """Each cell has its share of a sample: with a plane as its elements, about its middle."""
    rows = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None]
    columns = np.linspace(0, 1, shape[1], dtype=np.float32)
    matrix = np.asarray(rows + columns, order=order)
    picture = draw(matrix, 10, 20, limit=limit)
    exact = draw(matrix, 10, 20)
    assert picture.sampled
    assert not exact.sampled
    assert picture.looked_at <= max(2 * limit, 4 * picture.means.size)
    np.testing.assert_array_equal(picture.row_edges, exact.row_edges)
    # No cell is wider than a tenth one way and a twentieth the other.
    widths = 1 / exact.means.shape[0] + 1 / exact.means.shape[1] if limit == 1 else 0.1
    np.testing.assert_allclose(picture.means, exact.means, atol=widths)
    np.testing.assert_array_equal(draw(matrix, 10, 20, limit=limit).means, picture.means)


def test_nothing_to_draw() -> None:
    """A matrix without elements has a picture without cells."""
    assert draw(np.zeros((0, 5)), 3, 3).means.shape == (0, 3)
    assert draw(np.zeros((5, 0)), 3, 3).means.shape == (3, 0)


def test_dtype_that_numpy_lacks() -> None:
    """Bits of bfloat16 are drawn as the numbers that they stand for."""
    bits = np.array([[0x3F80, 0xC000], [0x7FC0, 0x7F80]], np.uint16)
    picture = draw(bits, 2, 2, dtype="bfloat16")
    np.testing.assert_array_equal(picture.means, [[1.0, -2.0], [np.nan, np.nan]])
    assert picture.nans.tolist() == [[0, 0], [1, 0]]
    assert picture.positive_infinities.tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros((2, 2, 2)), np.zeros((2, 2), complex)])
def test_refused(array: NDArray[Any]) -> None:
    """What is no matrix of real numbers is refused."""
    with pytest.raises(tsr.UnsupportedError, match=r"got .*, expected"):
        draw(array, 2, 2)


@pytest.mark.parametrize("given", [{"rows": 0}, {"columns": -1}, {"limit": 0}])
def test_numbers_that_allow_nothing(given: dict[str, Any]) -> None:
    """A picture has a row and a column at least, and looks at an element."""
    [(name, value)] = given.items()
    with pytest.raises(tsr.UnsupportedError, match=f"^{name}: got {value}, expected 1 or more$"):
        draw(np.zeros((3, 4)), **{"rows": 2, "columns": 2, **given})
