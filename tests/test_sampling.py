"""Blocks and samples: which elements are looked at, in what layout, and what memory it takes."""

from __future__ import annotations

import math
import mmap
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

import tsr
from tsr.pages import RELEASE_BYTES
from tsr.testing import arrays
from tsr.viewing.sampling import BLOCK, blocks, sample, spread

MIB = 1 << 20


@given(arrays())
def test_blocks_have_all(array: NDArray[Any]) -> None:
    """Blocks have every element once, whatever the layout."""
    found = [block.copy() for block in blocks(array)]
    assert all(block.ndim == 1 and block.dtype == array.dtype for block in found)
    whole = np.concatenate([np.empty(0, array.dtype), *found])
    assert sorted(x.tobytes() for x in whole) == sorted(x.tobytes() for x in array.reshape(-1))


@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_are_small(order: Any) -> None:
    """Blocks come in the order of memory and are no larger than they may be."""
    array = np.arange(5 * BLOCK, dtype=np.int32).reshape((BLOCK, 5), order=order)
    found = [block.copy() for block in blocks(array)]
    assert max(block.size for block in found) == BLOCK
    np.testing.assert_array_equal(np.concatenate(found), np.arange(5 * BLOCK))


@given(st.integers(1, 10**6), st.data())
@example(10, None)
def test_spread(size: int, data: st.DataObject | None) -> None:
    """Runs lie within the elements, each in its share, and never overlap."""
    count = data.draw(st.integers(1, min(size, 200))) if data else 3
    run = data.draw(st.integers(1, size // count)) if data else 2
    starts = list(spread(size, count, run))
    assert len(starts) == count
    assert starts[0] >= 0
    assert starts[-1] + run <= size
    assert all(first + run <= second for first, second in pairwise(starts))
    for index, start in enumerate(starts):
        assert size * index // count <= start
        assert start + run <= size * (index + 1) // count


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.arange(60_000).reshape(300, 200), id="c"),
        pytest.param(np.arange(60_000).reshape(200, 300).T, id="fortran"),
        pytest.param(np.arange(120_000).reshape(300, 400)[:, ::2], id="strided"),
        pytest.param(np.arange(60_000).reshape(300, 200)[::-1, ::-1], id="backwards"),
        pytest.param(np.arange(60_000, dtype=">i4").reshape(2, 3, 10_000), id="big-endian"),
    ],
)
def test_sample(array: NDArray[Any]) -> None:
    """A sample has different elements of the array, as many as it may, from all over it."""
    found = sample(array, 5000)
    assert found.dtype == array.dtype
    assert 4000 < found.size <= 5000
    assert np.unique(found).size == found.size
    assert np.isin(found, array).all()
    counts, _ = np.histogram(found, 20, (array.min(), array.max()))
    np.testing.assert_allclose(counts, found.size / 20, rtol=0.1)
    np.testing.assert_array_equal(sample(array, 5000), found)


@pytest.mark.parametrize("limit", [1, 2, 63, 1000, 1025])
def test_small_limits(limit: int) -> None:
    """However few elements are allowed, there are some, and no more."""
    assert 0 < sample(np.arange(5000), limit).size <= limit


@pytest.mark.parametrize(("rows", "tolerance"), [(1024, 0.2), (1023, 0.3)])
def test_sample_sees_every_column(rows: int, tolerance: float) -> None:
    """Runs do not keep to the same columns, even where there is one in each row."""
    columns = np.broadcast_to(np.arange(4096, dtype=np.int16), (rows, 4096)).copy()
    found = sample(columns, 1 << 17)
    counts, _ = np.histogram(found, 16, (0, 4096))
    np.testing.assert_allclose(counts, found.size / 16, rtol=tolerance)


def resident(path: Path) -> int:
    """Give the bytes of a file's mappings that count as memory of this process."""
    found = 0
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = line.endswith(str(path))
        elif inside and line.startswith("Rss:"):
            found += int(line.split()[1]) * 1024
    return found


@pytest.fixture
def mapped(target: Path) -> NDArray[Any]:
    """Map a file of 96 MiB, which takes no room: it is a hole."""
    shape = (6144, 4096)
    with open(target, "wb") as file:
        file.write(tsr.build_header("float32", shape))
        file.truncate(64 + 4 * math.prod(shape))
    return tsr.load(target)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_pages_are_given_back(mapped: NDArray[Any], target: Path) -> None:
    """What was looked at of a mapping does not add up, and in the end nothing is left."""
    most = 0
    for index, block in enumerate(blocks(mapped)):
        assert not block.any()
        if index % 8 == 0:
            most = max(most, resident(target))
    assert 0 < most <= 2 * RELEASE_BYTES
    assert resident(target) <= MIB
    assert not sample(mapped, 1 << 20).any()
    assert resident(target) <= MIB
    assert mapped[5000, 5000 % 4096] == 0  # and it can still be read


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_pages_that_were_changed_stay(mapped: NDArray[Any], target: Path) -> None:
    """A private mapping keeps its changes."""
    changed = tsr.load(target, mmap_mode="c")
    changed[0, 0] = changed[-1, -1] = 7
    assert sum(block.sum() for block in blocks(changed)) == 14
    assert changed[0, 0] == changed[-1, -1] == 7


def test_without_advice(mapped: NDArray[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system cannot be told, all is looked at as well."""
    monkeypatch.delattr(mmap, "MADV_DONTNEED", raising=False)
    assert not sample(mapped, 1000).any()
