"""A picture of a matrix -> lines for a terminal: cells, indices beside them and a legend.

With colours, a character shows two cells, one above the other, by a half block in two colours;
where the encoding lacks that, one cell. Without colours, a character of a ramp shows a cell, a
``?`` one with a NaN in it and a ``!`` one with an infinity. No I/O.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tsr.cli.spans import Span
from tsr.cli.viewing.charts import number, percent
from tsr.cli.viewing.palette import ABOVE, BELOW, NAN, RAMP, colors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tsr.cli.spans import Line
    from tsr.cli.viewing.palette import Color, Scale
    from tsr.viewing.picture import Picture

__all__ = ["Frame", "Medium", "fit", "heatmap", "legend"]

HALF = "\u2580"

# A small matrix is enlarged: each cell up to so many pixels each way. Where it fills the window one
# way, its cells can be longer the other way, those of a single row or column the most.
_SIDE_MAX = 4
_STRETCH_MAX = 2
_STRIP_MAX = 4

# Characters of a legend's colours.
_LEGEND = 24


class Medium(NamedTuple):
    """What lines can have: colours, and blocks of half a character."""

    color: bool
    blocks: bool

    @property
    def density(self) -> int:
        """Pixels in a character, one above the other."""
        return 2 if self.color and self.blocks else 1


class Frame(NamedTuple):
    """How many cells a picture has, and how many pixels tall and wide each of them is."""

    rows: int
    columns: int
    tall: int
    wide: int


def fit(shape: tuple[int, ...], width: int, lines: int, medium: Medium) -> Frame:
    """Fit a matrix with elements into so many characters and lines."""
    height = lines * medium.density
    rows, columns = min(shape[0], height), min(shape[1], width)
    tall, wide = height // rows, width // columns
    square = 1 if medium.density == 2 else 2  # pixels wide, for a pixel tall
    side = max(1, min(tall, wide // square, _SIDE_MAX))
    stretched = _STRIP_MAX if 1 in shape else _STRETCH_MAX
    most = side if side > 1 else stretched
    return Frame(rows, columns, min(tall, most), min(wide, most * square))


def heatmap(
    picture: Picture, scale: Scale | None, frame: Frame, indices: tuple[range, range],
    medium: Medium,
) -> list[Line]:  # fmt: skip
    """Draw the cells, with the first and last index of rows and of columns beside them."""
    rows, columns = indices
    cells = _colored(picture, scale) if medium.color else _characters(picture, scale)
    pixels = np.repeat(np.repeat(cells, frame.tall, axis=0), frame.wide, axis=1)
    if medium.color:
        lines = [list(_paint(band)) for band in _bands(pixels, medium.density)]
    else:
        lines = [[Span("".join(row))] for row in pixels]
    margin = label_width(rows)
    labels = [""] * len(lines)
    labels[0] = str(rows[0])
    if len(lines) > 1 and len(rows) > 1:
        labels[-1] = str(rows[-1])
    framed = [
        [Span(f"{label:>{margin - 1}} ", dim=True), *line]
        for label, line in zip(labels, lines, strict=True)
    ]
    first, last = str(columns[0]), str(columns[-1])
    room = pixels.shape[1] - len(first)
    below = f"{last:>{room}}" if len(columns) > 1 and room > len(last) else ""
    return [*framed, [Span(f"{'':{margin}}{first}{below}", dim=True)]]


def label_width(rows: range) -> int:
    """Give the characters that the indices of rows take, with the space behind them."""
    return max(len(str(rows[0])), len(str(rows[-1]))) + 1


def legend(picture: Picture, scale: Scale | None, medium: Medium) -> list[Line]:
    """Tell what colours or characters stand for, and what a cell is."""
    lines: list[Line] = []
    if scale is not None:
        bar = _gradient(scale, medium) if medium.color else [Span(f"[{RAMP}]")]
        note = "  (0 is in the middle)" if scale.diverging else ""
        lines.append([Span(f"{number(scale.low)} "), *bar, Span(f" {number(scale.high)}{note}")])
    marks = [
        ("NaN", picture.nans, NAN, "?"),
        ("+inf", picture.positive_infinities, ABOVE, "!"),
        ("-inf", picture.negative_infinities, BELOW, "!"),
    ]
    line: Line = []
    for name, found, color, character in marks:
        if found.any():
            cells = np.count_nonzero(found)
            where = f"in {cells:,} {'cell' if cells == 1 else 'cells'}"
            line += [
                Span("   " if line else ""),
                Span("  ", back=color) if medium.color else Span(character),
                Span(f" {found.sum():,} {name} {where}"),
            ]
    cell = _cell_text(picture)
    return [*lines, *([line] if line else []), *([[Span(cell, dim=True)]] if cell else [])]


def _cell_text(picture: Picture) -> str:
    tall, wide = (int(np.diff(e).max()) for e in (picture.row_edges, picture.column_edges))
    if (tall, wide) == (1, 1):
        return ""
    even = picture.count == tall * wide * picture.means.size
    text = f"a cell is the mean of {'' if even else 'up to '}{tall} x {wide} elements"
    if picture.sampled:
        text += f", of which {percent(picture.looked_at / picture.count)} were looked at"
    return text


def _gradient(scale: Scale, medium: Medium) -> Line:
    places = np.linspace(0.0, 1.0, _LEGEND)
    if scale.low == scale.high:
        places[:] = 0.5
    row = [tuple(color) for color in colors(places, scale.diverging).tolist()]
    return [Span(" ", back=color) for color in row]


def _characters(picture: Picture, scale: Scale | None) -> NDArray[Any]:
    cells = np.full(picture.means.shape, " ")
    if scale is not None:
        known = ~np.isnan(picture.means)
        places = scale.places(picture.means[known])
        cells[known] = np.array(list(RAMP))[(places * (len(RAMP) - 1)).round().astype(int)]
    cells[(picture.positive_infinities > 0) | (picture.negative_infinities > 0)] = "!"
    cells[picture.nans > 0] = "?"
    return cells


def _colored(picture: Picture, scale: Scale | None) -> NDArray[np.uint8]:
    cells = np.zeros((*picture.means.shape, 3), np.uint8)
    if scale is not None:
        known = ~np.isnan(picture.means)
        cells[known] = colors(scale.places(picture.means[known]), scale.diverging)
    cells[picture.negative_infinities > 0] = BELOW
    cells[picture.positive_infinities > 0] = ABOVE
    cells[picture.nans > 0] = NAN
    return cells


def _bands(pixels: NDArray[np.uint8], density: int) -> Iterator[list[tuple[Color, Color | None]]]:
    # For each line the upper colour of each character, and the lower one if there is any.
    rows: list[list[Color]] = [[tuple(c) for c in row] for row in pixels.tolist()]
    for start in range(0, len(rows), density):
        upper = rows[start]
        if density == 1:
            yield [(color, color) for color in upper]
        elif start + 1 < len(rows):
            yield list(zip(upper, rows[start + 1], strict=True))
        else:
            yield [(color, None) for color in upper]


def _paint(band: list[tuple[Color, Color | None]]) -> Iterator[Span]:
    for (upper, lower), group in groupby(band):
        count = len(list(group))
        if upper == lower:  # some fonts leave a seam between the halves
            yield Span(" " * count, back=upper)
        else:
            yield Span(HALF * count, fore=upper, back=lower)
