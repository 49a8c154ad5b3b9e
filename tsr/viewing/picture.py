"""A matrix of any size -> a small picture of it: for each cell the mean, and what is not finite.

Elements are looked at in pieces, so that it takes little memory. Of a large matrix a sample can
do, of which each cell has its share. Raises `UnsupportedError` for elements that are no real
numbers, and for what is no matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from tsr.errors import UnsupportedError
from tsr.pages import FAULT_BYTES, Pages
from tsr.viewing.sampling import BLOCK, RUN_BYTES, spread, within
from tsr.viewing.statistics import check_numbers, check_positive, numbers_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Picture", "draw"]

# Of a sample each cell has elements of at least so many places along its rows.
_PLACES = 4

# Sums that go beyond float64 are made anew of numbers that are smaller by this power of two.
_SHIFT = 128


@dataclass(frozen=True)
class Picture:
    """What `draw` gives. Arrays of rank 2 have an element for each cell.

    Attributes
    ----------
    means : ndarray of float64
        Of the finite elements; NaN where none that was looked at is.
    nans, positive_infinities, negative_infinities : ndarray of int64
        How many of the elements that were looked at.
    row_edges, column_edges : ndarray of int64
        Cell ``i, j`` shows ``matrix[row_edges[i]:row_edges[i + 1],
        column_edges[j]:column_edges[j + 1]]``.
    count : int
        Elements of the matrix.
    looked_at : int
        How many of them have been looked at.
    """

    means: NDArray[np.float64]
    nans: NDArray[np.int64]
    positive_infinities: NDArray[np.int64]
    negative_infinities: NDArray[np.int64]
    row_edges: NDArray[np.int64]
    column_edges: NDArray[np.int64]
    count: int
    looked_at: int

    @property
    def sampled(self) -> bool:
        """Whether not all elements were looked at."""
        return self.looked_at < self.count

    @property
    def transposed(self) -> Picture:
        """The picture of the transposed matrix."""
        return Picture(
            self.means.T, self.nans.T, self.positive_infinities.T, self.negative_infinities.T,
            self.column_edges, self.row_edges, self.count, self.looked_at,
        )  # fmt: skip


def draw(
    matrix: NDArray[Any], rows: int, columns: int, *, limit: int | None = None,
    dtype: str | None = None,
) -> Picture:  # fmt: skip
    """Draw a matrix.

    Parameters
    ----------
    matrix : ndarray
        Of rank 2, with elements that `tsr.viewing.statistics.summarize` takes.
    rows, columns : int
        The most that the picture has; it has none that would be empty.
    limit : int, optional
        Look at about so many elements, but at least one of each cell. By default at all.
    dtype : str, optional
        As for `tsr.viewing.statistics.summarize`.

    Returns
    -------
    Picture

    Raises
    ------
    UnsupportedError
        The matrix is none, or its elements are no real numbers, or `rows`, `columns` or `limit`
        is less than 1.
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2:
        raise UnsupportedError(f"matrix: got rank {matrix.ndim}, expected 2", given=matrix.shape)
    check_numbers(matrix)
    check_positive(rows=rows, columns=columns, limit=limit)
    if abs(matrix.strides[0]) < abs(matrix.strides[1]):  # as it lies in memory
        return draw(matrix.T, columns, rows, limit=limit, dtype=dtype).transposed
    row_edges = _edges(matrix.shape[0], rows)
    column_edges = _edges(matrix.shape[1], columns)
    with np.errstate(all="ignore"):  # a signalling NaN is no reason to warn
        sums = _Sums(matrix, row_edges, column_edges, limit, dtype)
        if not np.isfinite(sums.totals).all():
            sums = _Sums(matrix, row_edges, column_edges, limit, dtype, _SHIFT)
        finite = sums.looked_at - sums.nans - sums.above - sums.below
        means = np.ldexp(sums.totals / finite, sums.shift)
    return Picture(
        means, sums.nans, sums.above, sums.below, row_edges, column_edges, matrix.size,
        int(sums.looked_at.sum()),
    )  # fmt: skip


def _edges(size: int, cells: int) -> NDArray[np.int64]:
    cells = min(size, cells)
    return np.array([size * index // max(cells, 1) for index in range(cells + 1)], np.int64)


class _Sums:
    """For each cell the sum of its finite elements, and how many there are of which kind."""

    def __init__(
        self, matrix: NDArray[Any], row_edges: NDArray[np.int64], column_edges: NDArray[np.int64],
        limit: int | None, dtype: str | None, shift: int = 0,
    ) -> None:  # fmt: skip
        shape = len(row_edges) - 1, len(column_edges) - 1
        self.shift = shift
        self.totals = np.zeros(shape)
        self.looked_at, self.nans, self.above, self.below = np.zeros((4, *shape), np.int64)
        if not matrix.size:
            return
        plan = _Plan(matrix, row_edges, column_edges, limit)
        pages = Pages(matrix)
        if plan.scattered:
            pages.scattered()
        for cell_row in range(shape[0]):
            for chosen, runs in plan.rows(cell_row):
                for picked, starts, first in plan.columns(len(chosen)):
                    place = cell_row, slice(first, first + len(starts))
                    block = _cut(matrix, chosen, picked)
                    self._add(place, numbers_of(block, dtype), starts)
                    pages.used(max(block.nbytes, runs * FAULT_BYTES))
        pages.release()

    def _add(
        self, place: tuple[int, slice], numbers: NDArray[Any], starts: NDArray[np.intp]
    ) -> None:
        height, width = numbers.shape
        self.looked_at[place] += height * np.diff(np.append(starts, width))
        if numbers.dtype.kind == "f":
            finite = np.isfinite(numbers)
            if not finite.all():
                for counter, found in (
                    (self.nans, np.isnan), (self.above, np.isposinf), (self.below, np.isneginf),
                ):  # fmt: skip
                    counter[place] += np.add.reduceat(found(numbers).sum(axis=0), starts)
                numbers = np.where(finite, numbers, 0.0)
        if self.shift:
            numbers = np.ldexp(numbers, -self.shift)
        self.totals[place] += np.add.reduceat(numbers.sum(axis=0, dtype=np.float64), starts)


class _Plan:
    """Which rows and columns to look at, in pieces of bounded size.

    Attributes
    ----------
    scattered : bool
        Whether there is much between one place to look at and the next.
    """

    def __init__(
        self, matrix: NDArray[Any], row_edges: NDArray[np.int64], column_edges: NDArray[np.int64],
        limit: int | None,
    ) -> None:  # fmt: skip
        self._row_edges, self._column_edges = row_edges, column_edges
        self._width = matrix.shape[1]
        self._count: int | None = None  # of rows of a cell; None: all
        self._picked: NDArray[np.int64] | None = None  # columns; None: all
        self.scattered = False
        if limit is None or matrix.size <= limit:
            return
        # Rows of cells share what may be looked at; each has whole rows of the matrix, if there
        # is room for some, else a run from each cell.
        cell_rows, cell_columns = len(row_edges) - 1, len(column_edges) - 1
        share = max(1, limit // cell_rows)
        places = min(_PLACES, -(-matrix.shape[0] // cell_rows))
        self._count = max(places, share // self._width)
        if places * self._width > share:
            self._picked = _runs(column_edges, max(1, share // places // cell_columns))
        row_bytes = self._width * matrix.dtype.itemsize
        self._together = max(1, RUN_BYTES // row_bytes)
        # Else most of a row is looked at, and the system may well read ahead.
        self.scattered = row_bytes < RUN_BYTES or row_bytes // cell_columns > FAULT_BYTES

    def rows(self, cell_row: int) -> Iterator[tuple[Any, int]]:
        """Give the rows to look at for a row of cells, and in how many places they lie."""
        start, stop = self._row_edges[cell_row : cell_row + 2].tolist()
        width = self._width if self._picked is None else len(self._picked)
        step = max(1, BLOCK // width)
        if self._count is None or stop - start <= self._count:
            for row in range(start, stop, step):
                yield range(row, min(row + step, stop)), 1
            return
        together = min(self._together, self._count)
        runs = spread(stop - start, self._count // together, together)
        chosen = [start + run + row for run in runs for row in range(together)]
        for first in range(0, len(chosen), step):
            rows = chosen[first : first + step]
            yield np.array(rows), -(-len(rows) // together)

    def columns(self, height: int) -> Iterator[tuple[Any, NDArray[np.intp], int]]:
        """Give columns to look at, where among them cells begin, and the first of these cells."""
        step = max(1, BLOCK // height)
        total = self._width if self._picked is None else len(self._picked)
        for start in range(0, total, step):
            stop = min(start + step, total)
            if self._picked is None:
                first, last = self._cell([start, stop - 1])
                begins = np.maximum(self._column_edges[first : last + 1] - start, 0)
                yield slice(start, stop), begins, first
            else:
                picked = self._picked[start:stop]
                cells = self._cell(picked)
                begins = np.flatnonzero(np.diff(cells, prepend=-1))
                yield picked, begins, int(cells[0])

    def _cell(self, columns: Any) -> NDArray[np.intp]:
        found: NDArray[np.intp] = np.searchsorted(self._column_edges, columns, side="right") - 1
        return found


def _runs(edges: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    # A run from each cell, of so many columns if there are as many.
    runs = []
    for index, (start, stop) in enumerate(pairwise(edges.tolist())):
        run = min(stop - start, length)
        first = start + within(stop - start, run, index)
        runs.append(np.arange(first, first + run))
    return np.concatenate(runs)


def _cut(matrix: NDArray[Any], rows: Any, columns: Any) -> NDArray[Any]:
    # The elements of chosen rows, a range or an array, and of columns, a slice or an array.
    if isinstance(rows, range):
        rows = slice(rows.start, rows.stop)
    elif not isinstance(columns, slice):
        rows = rows[:, None]
    block: NDArray[Any] = matrix[rows, columns]
    return block
