"""What the tests of the bench share: every way of a table, and what is the same array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.table import COLUMNS, Table


def same(found: Any, array: NDArray[Any]) -> bool:
    """Compare dtype, shape and bytes of an array or tensor with an array's."""
    found = np.asarray(found)
    return (found.dtype, found.shape, found.tobytes()) == (
        array.dtype,
        array.shape,
        array.tobytes(),
    )


def results(table: Table) -> Iterator[Any]:
    """Take every way of a table, and check that its columns are the report's."""
    assert {"by hand", "tsr"} <= table.keys() <= set(COLUMNS)
    return (way.call() for way in table.values())
