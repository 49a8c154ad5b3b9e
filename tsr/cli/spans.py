"""Text with colours -> stdout: by rich, or plain where no colour is wanted or rich is not there.

A line is a list of spans; text in them is printable already. Raises `MissingExtraError` where
colours are insisted on and rich is not installed, and `OSError` where stdout takes no more.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from tsr.cli.color import AUTO, console, wants_color
from tsr.cli.output import width_of
from tsr.extras import require

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.style import Style

    from tsr.cli.viewing.palette import Color

__all__ = ["Line", "Span", "can_print", "color_console", "length", "write"]


class Span(NamedTuple):
    """Text in one style."""

    text: str
    fore: Color | None = None
    back: Color | None = None
    bold: bool = False
    dim: bool = False


Line: TypeAlias = "list[Span]"


def length(line: Line) -> int:
    """Give the columns that a line takes."""
    return sum(width_of(span.text) for span in line)


def can_print(text: str) -> bool:
    """Tell whether the encoding of stdout has these characters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def color_console(choice: str) -> Console | None:
    """Make what `write` colours with; None for plain text. `choice` is what ``--color`` got.

    Raises
    ------
    MissingExtraError
        rich is not installed, and was asked for by more than a terminal.
    """
    if not wants_color(choice):
        return None
    if choice != AUTO:
        require("rich", "cli", "--color always")
    return console(choice)


def write(lines: Iterable[Line], out: Console | None) -> None:
    """Print lines; `out` is what `color_console` gave."""
    if out is None:
        for line in lines:
            print("".join(span.text for span in line).rstrip())
        return
    from rich.segment import Segment, Segments

    styles = _Styles()
    segments = []
    for line in lines:
        segments += [Segment(span.text, styles[span[1:]]) for span in line]
        segments.append(Segment.line())
    # As it is: rich would fold what is wider than it takes the window for.
    out.print(Segments(segments), end="", soft_wrap=True)


class _Styles(dict[Any, "Style | None"]):
    """What spans have beside their text -> rich's style, each made once: there are thousands."""

    def __init__(self) -> None:
        super().__init__({Span("")[1:]: None})
        self._colors: dict[Any, Any] = {None: None}

    def __missing__(self, wanted: tuple[Any, ...]) -> Style:
        from rich.style import Style

        fore, back, bold, dim = wanted
        self[wanted] = made = Style(
            color=self._color(fore), bgcolor=self._color(back), bold=bold or None, dim=dim or None
        )
        return made

    def _color(self, color: Any) -> Any:
        if color not in self._colors:
            from rich.color import Color as RichColor

            self._colors[color] = RichColor.from_rgb(*color)
        return self._colors[color]
