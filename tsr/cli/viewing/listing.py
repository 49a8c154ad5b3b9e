"""What was looked at -> a table with a line for each tensor, fitted to the window.

Columns that would tell nothing are left out, and where the window is too narrow those that can be
spared, too. No I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from tsr.cli.output import aligned, printable, width_of
from tsr.cli.spans import Span, can_print
from tsr.cli.viewing.charts import SPARKS, short, sparkline
from tsr.cli.viewing.palette import BARS, NAN

if TYPE_CHECKING:
    from tsr.cli.spans import Line
    from tsr.viewing.statistics import Statistics

__all__ = ["Row", "listing", "row"]

# The cells of a line, in the order of the columns.
Row: TypeAlias = "tuple[str, ...]"

_COLUMNS = (
    "PATH", "INDEX", "NAME", "DTYPE", "SHAPE", "MIN", "MAX", "MEAN", "STD", "NAN", "INF",
    "HISTOGRAM",
)  # fmt: skip

# What tells nothing where all lines say the same, or nothing.
_OPTIONAL = {"PATH", "INDEX", "NAME"}
_NOTHING = {"NAN", "INF"}

# What can be spared in a narrow window: the first first.
_SPARED = (("STD",), ("MEAN",), ("HISTOGRAM",), ("MIN", "MAX"), ("INF",), ("NAN",))

_RIGHT = {"INDEX", "MIN", "MAX", "MEAN", "STD", "NAN", "INF"}
_COLORS = {"NAN": NAN, "INF": NAN, "HISTOGRAM": BARS}


def row(
    path: str, index: int, name: str, dtype: str, shape: tuple[int, ...], found: Statistics
) -> Row:
    """Make the line of a tensor."""
    values = (found.minimum, found.maximum, found.mean, found.std)
    infinities = found.positive_infinities + found.negative_infinities
    return (
        printable(path), str(index), printable(name), dtype, str(shape),
        *("" if value is None else short(value) for value in values),
        *(f"{count:,}" if count else "" for count in (found.nans, infinities)),
        sparkline(found.counts, can_print(SPARKS)),
    )  # fmt: skip


def listing(rows: list[Row], width: int | None) -> list[Line]:
    """Give headings and lines; `width` is that of the window, None for any."""
    columns = {
        heading: [heading, *cells]
        for heading, cells in zip(_COLUMNS, zip(*rows, strict=True), strict=True)
    }
    for heading in _OPTIONAL:
        if len(set(columns[heading][1:])) == 1:
            del columns[heading]
    for heading in _NOTHING:
        if not any(columns[heading][1:]):
            del columns[heading]
    wide = {heading: max(map(width_of, cells)) for heading, cells in columns.items()}
    for spared in _SPARED:
        if width is None or sum(wide.values()) + 2 * (len(wide) - 1) <= width:
            break
        for heading in spared:
            wide.pop(heading, None)
    lines = [_line(columns, wide, index) for index in range(len(rows) + 1)]
    return [[span._replace(fore=None, bold=True) for span in lines[0]], *lines[1:]]


def _line(columns: dict[str, list[str]], wide: dict[str, int], index: int) -> Line:
    # The cells of a line, in the columns whose widths are given.
    line: Line = []
    for heading, width in wide.items():
        text = aligned(columns[heading][index], width, right=heading in _RIGHT)
        line += [Span("  " if line else ""), Span(text, fore=_COLORS.get(heading))]
    return line
