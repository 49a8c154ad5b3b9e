"""The parts of a file -> the lines of an annotated hexdump, in pieces of text with a style each.

A line has at most 16 bytes of one field, and says what they are; below wrong ones stand carets and
the clause that they break. What is long is shown by its beginning and its end. Text from the file
is made printable. Nothing is raised.
"""

from __future__ import annotations

import re
import textwrap
from collections import deque
from itertools import groupby, takewhile
from typing import TYPE_CHECKING, NamedTuple

from tsr.cli.output import printable
from tsr.diagnosis.meanings import count_of, numbers_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tsr.diagnosis.anatomy import Part
    from tsr.diagnosis.explanation import Explanation
    from tsr.diagnosis.faults import Fault

    # Pieces of text, and what is to be seen of each: a style of `tsr.cli.color`, or "wrong".
    Line = list[tuple[str, str]]

__all__ = ["WRONG", "hexdump"]

WRONG = "wrong"

_NAME = 14

# The bytes of a row, and the room for what is said of them without which they are fewer.
_BYTES_PER_ROW = ((16, 36), (8, 28), (4, 0))

# Of what is long: rows from the beginning, and rows around so many wrong places.
_FIRST = 2
_PLACES = 8

# Elements of a compressed payload.
_INFLATED = 4

_FIELD_STYLES = ("cyan", "green", "yellow", "magenta", "blue")
_IN_ENTRY = re.compile(r"entries\[(\d+)\]\.(.+)")
_IN_BULK = re.compile(r"(entries|payload)\[(\d+):(\d+)\]")


def hexdump(
    explanation: Explanation, parts: Iterable[Part], faults: Sequence[Fault], width: int
) -> Iterator[Line]:
    """Give the lines of a hexdump that fits `width` columns, an empty one before each section."""
    dump = _Dump(explanation, faults, width)
    for part in parts:
        yield from dump.lines_of(part)
    yield from dump.missing()


class _Wrong(NamedTuple):
    start: int
    stop: int
    clause: str


class _Dump:
    def __init__(self, explanation: Explanation, faults: Sequence[Fault], width: int) -> None:
        self._explanation = explanation
        self._width = width
        self._digits = max(8, len(f"{explanation.size or 0:x}"))
        fitting = (count for count, room in _BYTES_PER_ROW if self._room(count) >= room)
        self._per_row = next(fitting, _BYTES_PER_ROW[-1][0])
        self._wrong = deque(sorted(
            _Wrong(mark.offset, mark.offset + mark.size, fault.clause.id)
            for fault in faults
            for mark in fault.marks
            if mark.size
        ))  # fmt: skip
        self._missing = [
            (mark, fault.clause.id) for fault in faults for mark in fault.marks if mark.missing
        ]
        self._section = ""
        self._fields = 0

    def lines_of(self, part: Part) -> Iterator[Line]:
        """Give the lines of a part, with a heading where another section begins."""
        section, name = _section_of(part)
        if section != self._section:
            yield []
            yield [(section, "bold")]
            self._section = section
        if _IN_BULK.fullmatch(part.field):
            return
        if name:
            style = _FIELD_STYLES[self._fields % len(_FIELD_STYLES)]
            self._fields += 1
            notes = self._wrapped(f"{_value_text(part)}  {part.meaning}".strip())
            yield from self._rows(part, style, name, notes)
        else:
            yield from self._rows(part, "", "", [])

    def missing(self) -> Iterator[Line]:
        """Give the lines for bytes that should follow the last."""
        if not self._missing:
            return
        most = max(mark.missing for mark, _ in self._missing)
        offset = self._missing[0][0].offset
        count = min(most, self._per_row)
        yield []
        note = f"{count_of(most, 'byte')} missing"
        yield self._row(offset, [("--", WRONG)] * count, "", "", note)
        yield self._carets([True] * count, [clause for _, clause in self._missing])

    # -------------------------------------------------------------- rows

    def _rows(self, part: Part, style: str, name: str, notes: list[str]) -> Iterator[Line]:
        wrong = self._wrong_in(part)
        starts = self._shown(part, wrong)
        before = part.offset
        for start in starts:
            if start > before:
                yield self._left_out(part, before, start)
            stop = min(start + self._per_row, _end(part))
            data = self._explanation.read(start, stop)
            note = (notes.pop(0) if notes else "") if name else self._note(part, start, data)
            yield from self._bytes(start, data, wrong, style, name, note)
            name, before = name and " ", stop
            if stop < start + self._per_row or stop == _end(part):
                break
        for note in notes:
            yield self._row(None, [], "", name, note)
        if before < _end(part):
            yield self._left_out(part, before, _end(part))

    def _note(self, part: Part, start: int, data: bytes) -> str:
        # The numbers that bytes are, those that a stream begins with, or their ASCII.
        element = self._explanation.element_of(part)
        if element is None:
            return _ascii(data)
        inflated = self._explanation.inflated(part, (_INFLATED + 1) * element.itemsize)
        if inflated is None:
            return self._fitting(numbers_of(element, data))
        numbers = numbers_of(element, inflated) if start == part.offset else []
        if len(numbers) > _INFLATED:
            numbers = [*numbers[:_INFLATED], "..."]
        return f"inflates to {', '.join(numbers)}" if numbers else ""

    def _wrong_in(self, part: Part) -> list[_Wrong]:
        # Parts come in order: what ends before one is behind all that follow.
        while self._wrong and self._wrong[0].stop <= part.offset:
            self._wrong.popleft()
        near = takewhile(lambda each: each.start < _end(part), self._wrong)
        return [each for each in near if each.stop > part.offset]

    def _shown(self, part: Part, wrong: list[_Wrong]) -> list[int]:
        # Where the rows begin that are shown.
        per_row, last = self._per_row, (part.size - 1) // self._per_row
        rows = {*range(min(_FIRST, last + 1)), last}
        if last <= _FIRST + 1:
            rows.update(range(last + 1))
        if part.value == 0 or part.field == "padding":
            rows = {0}
        for place in wrong[:_PLACES]:
            for at in (max(place.start, part.offset), min(place.stop, _end(part)) - 1):
                rows.add((at - part.offset) // per_row)
        return [part.offset + row * per_row for row in sorted(rows)]

    def _bytes(
        self, start: int, data: bytes, wrong: list[_Wrong], style: str, name: str, note: str
    ) -> Iterator[Line]:
        stop = start + len(data)
        here = [each for each in wrong if start < each.stop and each.start < stop]
        flags = [any(w.start <= at < w.stop for w in here) for at in range(start, stop)]
        cells = [
            (f"{byte:02x}", WRONG if flag else style)
            for byte, flag in zip(data, flags, strict=True)
        ]
        yield self._row(start, cells, style, name, note)
        if any(flags):
            yield self._carets(flags, [each.clause for each in here])

    def _row(
        self, offset: int | None, cells: list[tuple[str, str]], style: str, name: str, note: str
    ) -> Line:
        at = "" if offset is None else f"{offset:0{self._digits}x}"
        line: Line = [(at.ljust(self._digits), "dim"), ("  " if cells else " ", "")]
        for look, group in groupby(cells, key=lambda cell: cell[1]):
            line += [(" ".join(text for text, _ in group), look), (" ", "")]
        if cells:
            line.pop()
        line.append((" " * (3 * (self._per_row - len(cells)) + 2), ""))
        if name:
            line.append((name.ljust(_NAME), style))
            line.append(("  ", ""))
        line.append((note, ""))
        return line

    def _carets(self, flags: list[bool], clauses: list[str]) -> Line:
        marks = " ".join("^^" if flag else "  " for flag in flags)
        names = list(dict.fromkeys(clauses))
        told = self._fitting(names)
        start = " " * (self._digits + 2)
        return [(start + marks.ljust(3 * self._per_row - 1), "red"), ("  ", ""), (told, "red")]

    def _left_out(self, part: Part, start: int, stop: int) -> Line:
        what = "zero byte" if part.value == 0 or part.field == "padding" else "byte"
        note = f"... {count_of(stop - start, what)} left out"
        return [(" " * (self._digits + 2) + note, "dim")]

    # -------------------------------------------------------------- room

    def _room(self, count: int) -> int:
        # For what is said of a row of so many bytes.
        return self._width - (self._digits + 2 + 3 * count + 1 + _NAME + 2)

    def _wrapped(self, text: str) -> list[str]:
        room = max(self._room(self._per_row), 8)
        return [text] if len(text) <= room else textwrap.wrap(text, room, break_on_hyphens=False)

    def _fitting(self, words: list[str]) -> str:
        # As many of them as fit, but one at least.
        room = self._room(self._per_row) + _NAME + 2
        text = ", ".join(words)
        while len(text) > room and len(words) > 1:
            words = words[:-1]
            text = ", ".join([*words, "..."])
        return text


def _section_of(part: Part) -> tuple[str, str]:
    # The heading that a part stands below, and its name there; nothing for what is no field.
    field, size = part.field, count_of(part.size, "byte")
    in_entry, in_bulk = _IN_ENTRY.fullmatch(field), _IN_BULK.fullmatch(field)
    if in_entry:
        return f"entry {in_entry[1]} of the directory", in_entry[2]
    if in_bulk:
        kind = "entries" if in_bulk[1] == "entries" else "payloads"
        first, last = int(in_bulk[2]), int(in_bulk[3]) - 1
        which = f"{kind} {first} to {last}" if last > first else f"{in_bulk[1]} {first}"
        return f"{which}: {size} from offset {part.offset} on, left out", ""
    if field.startswith("payload"):
        index = field[len("payload[") : -1]
        return f"payload {index}: {part.meaning}" if index else f"payload: {part.meaning}", ""
    if field == "bytes":
        return f"{size} {part.meaning}", ""
    if field in ("padding", "gap", "end of file"):
        return f"{field}: {size} {part.meaning}", ""
    return "header", field


def _end(part: Part) -> int:
    return part.offset + part.size


def _value_text(part: Part) -> str:
    value = part.value
    if value is None:
        return ""
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    if isinstance(value, bytes):
        return value.decode("ascii") if part.field == "magic" else "not all 0"
    if part.field.endswith("crc32"):
        return f"0x{value:08x}"
    return str(value)


def _ascii(data: bytes) -> str:
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)
    return printable(f"|{text}|") if data else ""
