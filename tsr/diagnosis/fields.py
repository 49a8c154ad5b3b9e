"""The fields of headers and entries: their names, places and numbers, as `tsr.layout` has them.

No I/O, no numpy; nothing is raised.
"""

from __future__ import annotations

import re
from functools import cache
from struct import Struct
from typing import NamedTuple

from tsr.container import directory_end
from tsr.layout import (
    TSR4_ENTRY,
    TSR4_ENTRY_OFFSETS,
    TSR4_HEADER,
    TSR4_OFFSETS,
    V1_HEADER,
    V1_OFFSETS,
)

__all__ = ["Field", "Value", "field_of", "fields_of"]

# What a field holds: a number, several, or bytes that are not all 0.
Value = int | tuple[int, ...] | bytes

_LAYOUTS = {
    "TSR v1": (V1_HEADER, V1_OFFSETS),
    "TSR4": (TSR4_HEADER, TSR4_OFFSETS),
    "entry": (TSR4_ENTRY, TSR4_ENTRY_OFFSETS),
}
_ITEMS = re.compile(r"(\d*)([sBHIQiq])")
_IN_ENTRY = re.compile(r"entries\[(\d+)\]\.(.+)")


class Field(NamedTuple):
    """A field of a header or an entry, or an item of one.

    Attributes
    ----------
    name : str
    offset, size : int
        In bytes; the offset counts from the start of the file, or of the entry.
    kind : str
        The letter that stands for one of its items in a format of ``struct``: ``"s"`` for bytes.
    """

    name: str
    offset: int
    size: int
    kind: str

    def encode(self, number: int) -> bytes | None:
        """Give the bytes of a number; None where the field cannot hold it."""
        if self.kind == "s":
            return bytes(self.size) if number == 0 else None
        try:
            return number.to_bytes(self.size, "little", signed=self.kind.islower())
        except OverflowError:
            return None

    def decode(self, raw: bytes) -> Value:
        """Give what the field holds: bytes that are all 0 are the number."""
        if self.kind == "s":
            return raw if raw.strip(b"\0") else 0
        count = self.size // Struct(f"<{self.kind}").size
        numbers = Struct(f"<{count}{self.kind}").unpack(raw)
        return tuple(numbers) if count > 1 else int(numbers[0])


@cache
def fields_of(kind: str) -> tuple[Field, ...]:
    """Give the fields of ``"TSR v1"``, ``"TSR4"``, or an ``"entry"``; several items are one."""
    layout, offsets = _LAYOUTS[kind]
    letters = _letters(layout)
    names = [*offsets, None]
    ends = [*offsets.values(), layout.size]
    return tuple(
        Field(str(name), start, end - start, letters[start])
        for name, start, end in zip(names, ends, ends[1:], strict=False)
        if end > start
    )


def field_of(kind: str, name: str) -> Field | None:
    """Find a field of a file of the format `kind`, or an item of one, by its name in findings.

    Its offset counts from the start of the file. None: that is the name of no field.
    """
    start, found = 0, _IN_ENTRY.fullmatch(name)
    if found is not None:
        kind, start, name = "entry", directory_end(int(found[1])), found[2]
    name, _, item = name.removesuffix("]").partition("[")
    for field in fields_of(kind):
        if field.name == name:
            start += field.offset
            if not item:
                return field._replace(offset=start)
            size = Struct(f"<{field.kind}").size
            return Field(f"{name}[{item}]", start + int(item) * size, size, field.kind)
    return None


def _letters(layout: Struct) -> dict[int, str]:
    # The letter at each offset at which an item begins.
    letters, offset = {}, 0
    for count, letter in _ITEMS.findall(layout.format):
        letters[offset] = letter
        offset += Struct(f"<{count}{letter}").size
    return letters
