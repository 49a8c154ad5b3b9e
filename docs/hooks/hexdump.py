"""Bytes and their parts -> a hexdump as HTML, in which every part can be pointed at.

A line shows sixteen bytes and their ASCII, as in the specifications; lines that repeat the one
above are a ``*``. The first bytes of each part are a button, which ``assets/hexdump.js`` makes tell
its part's name, value and meaning; a table below has the same for who runs no scripts.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tsr.diagnosis.anatomy import Part

__all__ = ["render"]

_WIDTH = 16
_HALF = 8
# The colours of parts, which follow each other; a payload and what is no field have none.
_COLOURS = 6
_HINT = "Point at a field, or go from field to field with the arrow keys."


def render(
    data: bytes, parts: Sequence[Part], wrong: Sequence[range] = (), *, label: str, fault: str = ""
) -> str:
    """Render a whole file.

    Parameters
    ----------
    data : bytes
    parts : sequence of Part
        They follow each other and cover the data.
    wrong : sequence of range
        The offsets of bytes that are at fault.
    label : str
        What the file is called for who does not see the page.
    fault : str
        What is wrong, to be shown before a field is pointed at.
    """
    offsets = {offset for span in wrong for offset in span}
    cells = [
        (index, offset in offsets)
        for index, part in enumerate(parts)
        for offset in range(part.offset, part.offset + part.size)
    ]
    lines = "\n".join(_lines(data, cells, parts)) or "<i>no bytes</i>"
    faulty = {index for index, is_wrong in cells if is_wrong}
    rows = "".join(_row(part, index in faulty) for index, part in enumerate(parts))
    said = ' class="dump-said wrong"' if fault else ' class="dump-said"'
    return (
        f'<figure class="dump"><pre role="group" aria-label="Bytes of {escape(label)}, by field">'
        f'{lines}</pre><p{said} aria-live="polite">{escape(fault or _HINT)}</p>'
        f"<details><summary>{len(parts)} parts</summary><table><thead><tr><th>part</th>"
        "<th>offset</th><th>bytes</th><th>value</th><th>meaning</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></details></figure>"
    )


def _lines(data: bytes, cells: list[tuple[int, bool]], parts: Sequence[Part]) -> Iterator[str]:
    shown: tuple[bytes, list[tuple[int, bool]]] | None = None
    is_left_out = False
    for start in range(0, len(data), _WIDTH):
        line = data[start : start + _WIDTH], cells[start : start + _WIDTH]
        if line == shown and start + _WIDTH < len(data):
            if not is_left_out:
                yield "*"
            is_left_out = True
            continue
        shown, is_left_out = line, False
        yield _line(start, *line, parts)


def _line(start: int, data: bytes, cells: list[tuple[int, bool]], parts: Sequence[Part]) -> str:
    pieces, text = [], []
    for first, stop in _runs(cells):
        index, is_wrong = cells[first]
        kind = _kind(index, parts[index], is_wrong)
        tag = 'button type="button"' if start + first == parts[index].offset else "span"
        gap = "" if first == 0 else "  " if first == _HALF else " "
        pieces.append(
            f'{gap}<{tag} class="{kind}" data-part="{index}">{_hex(data, first, stop)}'
            f"</{tag.split()[0]}>"
        )
        shown = escape("".join(chr(byte) if 32 <= byte < 127 else "." for byte in data[first:stop]))
        text.append(f'<span class="{kind}" data-part="{index}">{shown}</span>')
    missing = _WIDTH - len(data)
    room = " " * (3 * missing + (missing >= _HALF))
    return f'<span class="at">{start:08x}</span>  {"".join(pieces)}{room}  |{"".join(text)}|'


def _hex(data: bytes, first: int, stop: int) -> str:
    # With a wider gap in the middle of the line.
    cells = []
    for at in range(first, stop):
        if at > first:
            cells.append("  " if at == _HALF else " ")
        cells.append(f"{data[at]:02x}")
    return "".join(cells)


def _runs(cells: list[tuple[int, bool]]) -> Iterator[tuple[int, int]]:
    # First and stop of the bytes that stand together, are of one part, and are wrong or not.
    first = 0
    for at in range(1, len(cells) + 1):
        if at == len(cells) or cells[at] != cells[first]:
            yield first, at
            first = at


def _kind(index: int, part: Part, is_wrong: bool) -> str:
    if is_wrong:
        return "wrong"
    return "plain" if part.value is None else f"colour-{index % _COLOURS}"


def _row(part: Part, is_wrong: bool) -> str:
    cells = (str(part.offset), str(part.size), _value(part), part.meaning)
    mark = ' class="wrong"' if is_wrong else ""
    told = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f"<tr{mark}><th scope=row>{escape(part.field)}</th>{told}</tr>"


def _value(part: Part) -> str:
    if isinstance(part.value, bytes):
        return part.value.hex(" ") if any(part.value) else f"{len(part.value)} zeros"
    if isinstance(part.value, tuple):
        return ", ".join(map(str, part.value))
    return "" if part.value is None else str(part.value)
