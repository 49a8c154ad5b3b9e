"""Rows and objects -> text on stdout: tables for people, JSON for programs.

On a terminal, tables are drawn by rich if that is installed; else they are plain and aligned.
Raises `OSError` where stdout takes no more.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tsr.cli.color import AUTO, console, paint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tsr.errors import FormatError

__all__ = [
    "aligned",
    "encodable",
    "finding_object",
    "plain",
    "print_bytes",
    "print_json",
    "print_table",
    "printable",
    "stream_json",
    "width_of",
]


def printable(text: str) -> str:
    r"""Make text safe to print: a character that shows nothing or moves the cursor is escaped.

    File names hold any byte. One that is no UTF-8 shows as ``\xff``, a line feed as ``\n``, and
    what the encoding of stdout lacks likewise.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else _escape(c) for c in text)
    return encodable(text)


def encodable(text: str) -> str:
    """Escape what the encoding of stdout lacks."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def aligned(text: str, width: int, *, right: bool = False) -> str:
    """Pad text to so many columns of a terminal."""
    blanks = " " * (width - width_of(text))
    return blanks + text if right else text + blanks


def width_of(text: str) -> int:
    """Give the columns that printable text takes on a terminal: Chinese characters take two."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 1 + (east_asian_width(c) in "WF") for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python's file names carry a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def print_bytes(line: bytes | memoryview) -> None:
    """Print a line or a file for programs to read: its very bytes, whatever encoding stdout has."""
    if sys.stdout is not None:
        sys.stdout.flush()
        sys.stdout.buffer.write(line)


def print_json(objects: Iterable[dict[str, Any]]) -> None:
    """Print objects as a JSON list, one a line, once all are there."""
    import json

    lines = ",\n".join(json.dumps(item) for item in objects)
    print(f"[\n{lines}\n]" if lines else "[]")


def stream_json(objects: Iterable[dict[str, Any]]) -> None:
    """Print like `print_json`, but each object as it comes: of long ones no two are in memory.

    An error among them ends the list, which is valid JSON in any case. No bar may be shown while
    they come.
    """
    import json

    before = "["
    try:
        for item in objects:
            print(f"{before}\n{json.dumps(item)}", end="")
            before = ","
    finally:
        print("[]" if before == "[" else "\n]")


def finding_object(finding: FormatError) -> dict[str, Any]:
    """Give what JSON says of a finding."""
    return {
        "clause": finding.clause,
        "field": finding.field,
        "offset": finding.offset,
        "found": plain(finding.found),
        "expected": plain(finding.expected),
        "message": str(finding),
    }


def plain(value: object) -> object:
    """Give what JSON can say of a value: bytes, which it lacks, show as in a message."""
    return str(value) if isinstance(value, bytes) else value


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str | int]],
    total: Sequence[str | int] | None = None,
    color: str = AUTO,
) -> None:
    """Print rows under headings, with a last one for any total; numbers align right.

    `color` is what ``--color`` got. The layout does not depend on it.
    """
    right = [isinstance(cell, int) for cell in rows[0]]
    lines = rows if total is None else (*rows, total)
    cells = [[printable(str(cell)) for cell in line] for line in lines]
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    if not (on_terminal and _print_rich(columns, cells, right, total is not None, color)):
        _print_plain([list(columns), *cells], right, color)


def _print_plain(cells: list[list[str]], right: list[bool], color: str) -> None:
    widths = [max(map(width_of, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        line = "  ".join(
            aligned(cell, width, right=is_right)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ).rstrip()
        print(paint(line, "bold", color) if row is cells[0] else line)


def _print_rich(
    columns: Sequence[str], cells: list[list[str]], right: list[bool], footer: bool, color: str
) -> bool:
    # Whether rich is there to print it.
    out = console(color)
    if out is None:
        return False
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_footer=footer)
    for name, last, is_right in zip(columns, cells[-1], right, strict=True):
        table.add_column(name, Text(last), justify="right" if is_right else "left", overflow="fold")
    for row in cells[:-1] if footer else cells:
        table.add_row(*map(Text, row))  # as text: markup in a file's name is not obeyed
    out.print(table)
    return True
