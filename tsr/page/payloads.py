"""Bytes -> elements of the page that carry them, and the records by which its script finds them.

Bytes are base64 in an element of their own, deflated where that makes them smaller: so they are
decoded only when they are wanted. Raises nothing of its own.
"""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsr.errors import FormatError
    from tsr.page.reduction import Grid
    from tsr.viewing.statistics import Statistics

__all__ = ["Payloads", "reduced_record"]


class Payloads:
    """The elements so far.

    Attributes
    ----------
    elements : list of str
    """

    def __init__(self) -> None:
        self.elements: list[str] = []

    def add(self, data: Any) -> dict[str, Any]:
        """Add an element for bytes, and tell its id and how they are stored in it."""
        identifier = f"bytes-{len(self.elements)}"
        stored = bytes(data)
        deflated = zlib.compress(stored)
        is_smaller = len(deflated) < 0.9 * len(stored)  # else it is not worth the time it takes
        text = base64.b64encode(deflated if is_smaller else stored).decode("ascii")
        self.elements.append(
            f'<script type="application/octet-stream" id="{identifier}">{text}</script>'
        )
        return {"id": identifier, "size": len(stored), "deflated": is_smaller}


def reduced_record(data: Any, path: str | None, payloads: Payloads) -> dict[str, Any]:
    """Tell what a page carries of a file that is too large for it."""
    from tsr.page.reduction import reduce

    reduction = reduce(data, len(data), path)
    tensors = [None if one is None else _tensor(*one, payloads) for one in reduction.tensors]
    fault = None if reduction.fault is None else _fault(reduction.fault)
    head = payloads.add(reduction.head)
    return {**head, "reduced": {"size": len(data), "fault": fault, "tensors": tensors}}


def _fault(error: FormatError) -> dict[str, Any]:
    return {
        "clause": error.clause,
        "field": error.field,
        "offset": error.offset,
        "found": str(error.found),
        "expected": str(error.expected),
    }


def _tensor(
    found: Statistics, percentiles: tuple[float, ...], grid: Grid, payloads: Payloads
) -> dict[str, Any]:
    # Under the names that the page's script uses. What is not there is null: JSON has no NaN.
    low, high = percentiles or (None, None)
    summary = {
        "count": found.count,
        "finite": found.finite,
        "minimum": found.minimum,
        "maximum": found.maximum,
        "mean": found.mean,
        "deviation": found.std,
        "zeros": found.zeros,
        "nans": found.nans,
        "positiveInfinities": found.positive_infinities,
        "negativeInfinities": found.negative_infinities,
        "low": low,
        "high": high,
        "histogram": {"counts": found.counts, "edges": found.edges},
    }
    return {
        "summary": summary,
        "lookedAt": found.looked_at,
        "grid": {
            "planes": grid.planes,
            "rows": grid.rows,
            "columns": grid.columns,
            "rowStep": grid.row_step,
            "columnStep": grid.column_step,
        },
        "elements": payloads.add(grid.elements),
    }
