"""What was looked at -> what fits the window: heading, picture, statistics beside a histogram.

Nothing is read but the window's size. Raises `OSError` where stdout takes no more.
"""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from tsr.cli.inputs import label
from tsr.cli.output import printable
from tsr.cli.spans import Span, can_print, length, write
from tsr.cli.viewing import slices
from tsr.cli.viewing.charts import EIGHTHS, bars, table
from tsr.cli.viewing.heatmap import HALF, Medium, fit, heatmap, label_width, legend
from tsr.cli.viewing.listing import listing
from tsr.cli.viewing.palette import BARS, make_scale

if TYPE_CHECKING:
    from argparse import Namespace

    from rich.console import Console

    from tsr.cli.spans import Line
    from tsr.cli.viewing.listing import Row
    from tsr.cli.viewing.look import Look
    from tsr.converters.reading import Reading

__all__ = ["bins", "show", "show_table"]

# The window that is taken for granted where there is none: a file or a pipe has room below.
_WINDOW = (80, 48)

# A picture is not made smaller than this, even if it does not fit the window.
_WIDTH_MIN = 8
_LINES_MIN = 6

# Lines of a window beside those of the picture and of the histogram: heading, indices, legend,
# empty ones and the prompt that follows.
_OTHER_LINES = 9

# From so many lines a window has room for a longer histogram.
_TALL = 40
_BINS = 8
_BINS_TALL = 12

# From so many characters statistics and histogram stand side by side.
_ABREAST = 72


def bins() -> int:
    """Give how many bins a histogram has at most."""
    return _BINS_TALL if _window()[1] >= _TALL else _BINS


def show(path: str, reading: Reading, one: Look, options: Namespace, out: Console | None) -> None:
    """Print all about a tensor; `out` is what `tsr.cli.spans.color_console` gave."""
    medium = Medium(out is not None, can_print(HALF))
    lines = _heading(path, reading, one)
    if not one.values.size:
        lines.append([Span("no elements")])
    elif not one.values.ndim:
        lines.append([Span(f"value  {one.value()!r}")])
    else:
        lines += [*_picture(one, options, medium), []]
    if one.values.size:
        lines += _figures(one)
    write(lines, out)


def show_table(rows: list[Row], out: Console | None) -> None:
    """Print a table of tensors; what goes to a file or a pipe has all columns."""
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    write(listing(rows, _window()[0] if on_terminal else None), out)


def _window() -> tuple[int, int]:
    # Its width and its lines.
    return tuple(shutil.get_terminal_size(_WINDOW))  # type: ignore[return-value] # two of them


def _heading(path: str, reading: Reading, one: Look) -> list[Line]:
    tensor = one.tensor
    name = printable(label(path))
    if tensor.name and len(reading) > 1:
        name += f"  {printable(tensor.name)}"
    lines: list[Line] = [[Span(name, bold=True), Span(f"  {tensor.dtype} {tensor.shape}")]]
    if one.shown != one.selected:
        shown = slices.as_text(one.shown, tensor.shape)
        lines.append([Span(f"slice {shown}, the first of {one.matrices:,}", dim=True)])
    elif slices.shape_of(one.selected) != tensor.shape:
        lines.append([Span(f"slice {slices.as_text(one.shown, tensor.shape)}", dim=True)])
    return lines


def _picture(one: Look, options: Namespace, medium: Medium) -> list[Line]:
    width, height = _window()
    rows, columns = one.axes
    width = max(width - label_width(rows), _WIDTH_MIN)
    lines = max(height - bins() - _OTHER_LINES, _LINES_MIN)
    frame = fit((len(rows), len(columns)), width, lines, medium)
    picture = one.picture(frame.rows, frame.columns)
    limits = None if options.range is None else tuple(options.range)
    scale = make_scale(picture.means, limits, options.robust)
    cells = heatmap(picture, scale, frame, (rows, columns), medium)
    return cells + legend(picture, scale, medium)


def _figures(one: Look) -> list[Line]:
    width, _ = _window()
    rows = table(one.statistics)
    margin = max(len(name) for name, _ in rows) + 2
    left: list[Line] = [[Span(f"{name:{margin}}", dim=True), Span(value)] for name, value in rows]
    taken = max(map(length, left)) + 4
    abreast = width >= _ABREAST
    room = width - 1 - (taken if abreast else 0)
    right: list[Line] = [
        [Span(start), Span(bar, fore=BARS), Span(amount)]
        for start, bar, amount in bars(one.statistics, room, can_print(EIGHTHS))
    ]
    if not abreast:
        return [*left, [], *right]
    lines = max(len(left), len(right))
    left += [[]] * (lines - len(left))
    right += [[]] * (lines - len(right))
    return [
        [*line, Span(" " * (taken - length(line))), *bar]
        for line, bar in zip(left, right, strict=True)
    ]
