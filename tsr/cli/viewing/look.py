"""A tensor of a file -> what `tsr view` shows of it: statistics and a picture of one matrix.

Of a large tensor a sample is looked at, unless all is asked for. Raises `UnsupportedError` for
tensors of no real numbers and for a slice that the shape does not have, and what reading the
tensor raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from tsr.cli.viewing import slices
from tsr.converters.tensor import BITS
from tsr.tensor_file import open as open_tsr
from tsr.viewing.picture import draw
from tsr.viewing.statistics import numbers_of, summarize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tsr.cli.viewing.slices import Given, Index
    from tsr.converters.reading import NamedTensor, Reading
    from tsr.viewing.picture import Picture
    from tsr.viewing.statistics import Statistics

__all__ = ["Look", "look"]

# A tensor of TSR4 that is larger is not checked against its checksum when a sample of it is
# looked at: that would be to read all of it.
_VERIFIED_BYTES = 1 << 24


@dataclass(frozen=True)
class Look:
    """What was selected of a tensor, and what it is like.

    Attributes
    ----------
    tensor : NamedTensor
    selected, shown : Index
        What `statistics` are about, and the matrix, row or value in it that is drawn.
    statistics : Statistics
    values : ndarray
        What `shown` selects.
    limit : int or None
        How many elements may be looked at.
    """

    tensor: NamedTensor
    selected: Index
    shown: Index
    statistics: Statistics
    values: NDArray[Any]
    limit: int | None

    @property
    def axes(self) -> tuple[range, range]:
        """The indices of the rows and columns that are drawn; a row has an only index of 0."""
        ranges = [one for one in self.shown if isinstance(one, range)]
        rows, columns = [range(1)] * (2 - len(ranges)) + ranges
        return rows, columns

    @property
    def matrices(self) -> int:
        """How many matrices are selected, of which one is drawn."""
        return prod(slices.shape_of(self.selected)[:-2])

    def picture(self, rows: int, columns: int) -> Picture:
        """Draw the matrix, as `tsr.viewing.picture.draw` does."""
        matrix = self.values.reshape(1, -1) if self.values.ndim < 2 else self.values
        return draw(matrix, rows, columns, limit=self.limit, dtype=_lacking(self.tensor))

    def value(self) -> float:
        """Give the only element that is drawn."""
        only: float = numbers_of(self.values.reshape(-1), _lacking(self.tensor))[0].item()
        return only

    def as_object(self, picture: Picture | None) -> dict[str, Any]:
        """Give all that is known, for JSON."""
        tensor, found = self.tensor, self.statistics
        facts = {
            "index": tensor.index,
            "name": tensor.name,
            "dtype": tensor.dtype,
            "shape": tensor.shape,
            "slice": slices.as_text(self.selected, tensor.shape),
            "statistics": {
                name: getattr(found, name)
                for name in (
                    "count", "looked_at", "minimum", "maximum", "mean", "std", "zeros", "nans",
                    "positive_infinities", "negative_infinities",
                )
            },
            "histogram": {"edges": found.edges, "counts": found.counts},
        }  # fmt: skip
        if picture is not None:
            facts["picture"] = {
                "slice": slices.as_text(self.shown, tensor.shape),
                "looked_at": picture.looked_at,
                "row_edges": picture.row_edges.tolist(),
                "column_edges": picture.column_edges.tolist(),
                "means": [
                    [mean if mean == mean else None for mean in row]
                    for row in picture.means.tolist()
                ],
                "nans": picture.nans.tolist(),
                "positive_infinities": picture.positive_infinities.tolist(),
                "negative_infinities": picture.negative_infinities.tolist(),
            }
        return facts


def look(
    reading: Reading, tensor: NamedTensor, given: Given, *, bins: int, limit: int | None,
    strict: bool = True,
) -> Look:  # fmt: skip
    """Look at a tensor.

    Parameters
    ----------
    reading : Reading
        The open file.
    tensor : NamedTensor
        One of its tensors.
    given : Given
        What was given as the slice: ``()`` for all.
    bins, limit : int
        As for `tsr.viewing.statistics.summarize`.
    strict : bool, default True
        As for `tsr.open`.
    """
    selected = slices.resolve(given, tensor.shape)
    array = _elements(reading, tensor, limit, strict)
    part = array[slices.for_numpy(selected)]
    found = summarize(part, limit=limit, bins=bins, dtype=_lacking(tensor))
    shown = slices.first_matrix(selected) if part.size else selected
    return Look(tensor, selected, shown, found, array[slices.for_numpy(shown)], limit)


def _elements(
    reading: Reading, tensor: NamedTensor, limit: int | None, strict: bool
) -> NDArray[Any]:
    if (
        limit is not None
        and (reading.format, reading.mode) == ("TSR4", "raw")
        and tensor.nbytes > _VERIFIED_BYTES
        and reading.path is not None
        and tensor.path is not None
    ):
        return open_tsr(tensor.path, strict=strict, verify=False)[tensor.index]
    return tensor.array()


def _lacking(tensor: NamedTensor) -> str | None:
    return tensor.dtype if tensor.dtype in BITS else None
