"""Files too large for a page: what it carries of them, and that it shows that, and says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tsr
from tsr.page.reduction import GRID_MAX, SAMPLES_BYTES, TENSORS_MAX, reduce
from tsr.viewing.statistics import summarize

ARRAYS: dict[str, NDArray[Any]] = {
    "rank-0": np.float32(0.1).reshape(()),
    "rank-1": np.arange(5000, dtype=np.int32),
    "proportions": np.arange(1200 * 700, dtype=np.int32).reshape(1200, 700),
    "flat": np.arange(20 * 6000, dtype=np.float32).reshape(20, 6000),
    "planes": np.arange(3 * 40 * 10 * 12, dtype=np.int32).reshape(3, 40, 10, 12),
    "size-0": np.zeros((2, 0, 3), np.float32),
    "no-numbers": np.full((4, 5), np.nan, np.float32),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_samples_and_statistics(array: NDArray[Any]) -> None:
    """A sample has the elements that its steps tell, and statistics are of all elements."""
    data = tsr.dumps(array)
    head, fault, [looked_at] = reduce(data, len(data), None)
    assert (head, fault) == (data[:64], None)
    assert looked_at is not None
    statistics, percentiles, grid = looked_at
    np.testing.assert_equal(statistics, summarize(array))
    shape = (1,) * (2 - array.ndim) + array.shape
    every = (slice(None, None, step) for step in (grid.row_step, grid.column_step))
    part = array.reshape(shape)[tuple(map(slice, grid.planes)) + tuple(every)]
    assert grid.elements == part.tobytes()
    assert part.shape == (*grid.planes, grid.rows, grid.columns)
    assert max(grid.rows, grid.columns) <= GRID_MAX
    finite = array[np.isfinite(array)]
    shares = np.percentile(finite, [2, 98]) if finite.size else []
    assert percentiles == pytest.approx(shares, rel=0.01)  # of a sample


def test_proportions_are_kept() -> None:
    """Rows and columns have the same step, unless little were left of one."""
    steps = {}
    for name in ("proportions", "flat"):
        data = tsr.dumps(ARRAYS[name])
        (looked_at,) = reduce(data, len(data), None).tensors
        assert looked_at is not None
        steps[name] = looked_at[2].row_step, looked_at[2].column_step
    assert steps == {"proportions": (3, 3), "flat": (1, 12)}


@pytest.mark.parametrize("compress", [False, True])
def test_many_tensors_share_the_room(compress: bool) -> None:
    """However many tensors there are, their samples take no more than is set aside."""
    arrays = [np.ones((64, 64, 64), np.float32)] * 40
    data = tsr.dumps(arrays, format="tsr4", compress=compress)
    head, fault, tensors = reduce(data, len(data), None)
    assert (len(head), fault, len(tensors)) == (128 + 64 * 40, None, 40)
    assert sum(len(one[2].elements) for one in tensors if one) <= SAMPLES_BYTES


def test_broken_header() -> None:
    """Of a file whose directory is broken there is what stands before, and what is wrong."""
    data = bytearray(tsr.dumps([np.ones(3, np.int8), np.ones(4, np.int8)], format="tsr4"))
    data[128 + 64] = 9
    reduction = reduce(bytes(data), len(data), None)
    assert reduction.fault is not None
    assert (reduction.fault.clause, reduction.tensors) == ("T4-DTYPE-1", [])
    assert reduction.head == data[:256]


def test_broken_payload() -> None:
    """Of a file with a broken payload there are the other tensors, and what is wrong."""
    data = bytearray(
        tsr.dumps([np.ones(300, np.int8), np.ones(4, np.int8)], format="tsr4", compress=True)
    )
    data[256 + 5] ^= 255
    reduction = reduce(bytes(data), len(data), None)
    assert reduction.fault is not None
    assert reduction.fault.clause.startswith("T4-ZLIB")
    assert [one is None for one in reduction.tensors] == [True, False]


def test_page_says_that_it_is_sampled(tab: Any, tmp_path: Path) -> None:
    """Values are the tensor's, at their own index, and the page says which there are."""
    from tests.browsing import viewer

    array = np.arange(3 * 1200 * 700, dtype=np.int32).reshape(3, 1200, 700)
    broken = bytearray(tsr.dumps([np.ones(9, np.int8)], format="tsr4"))
    broken[-1] = 0
    files = [("x.tsr", tsr.dumps(array)), ("broken.tsr", bytes(broken))]
    with viewer(tab, tmp_path, files, limit=100) as shown:
        assert shown.text("sampled") == (
            "Sampled: this file is too large to be in the page. The picture has every third row "
            "and every third column; the statistics are of all elements."
        )
        _, _, width, height = shown.box
        for x, y in ((0.5, 0.5), (0.45, 0.9), (0.52, 0.1)):
            index, text, bits = shown.element_at(x * width, y * height)
            assert index[0] == 0
            assert index[1] % 3 == index[2] % 3 == 0
            assert int(text) == bits == array[index]
        assert shown.statistics()["mean"] == array.mean()
        shown.page.focus("#axis-0")
        shown.page.keyboard.press("End")
        assert shown.readout()[0][0] == 2
        shown.choose("option-1-0")
        assert shown.text("fault-clause") == "T4-CRC-2"
        assert shown.text("statistics").startswith("count\t9")


def test_page_says_that_there_are_more_tensors(tab: Any, tmp_path: Path) -> None:
    """Of very many tensors the page has the first ones, and says how many there are besides."""
    from tests.browsing import viewer

    data = tsr.dumps([np.ones(1, np.int8)] * (TENSORS_MAX + 7), format="tsr4")
    for limit in (100, len(data)):
        with viewer(tab, tmp_path, [("x.tsr", data)], limit=limit) as shown:
            assert shown.page.locator("#list [role=option]").count() == TENSORS_MAX
            assert shown.text("list").endswith("and 7 more tensors")
