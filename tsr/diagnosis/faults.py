"""A finding -> the bytes that are wrong, what should stand there, and the rule they break. No I/O.

Which bytes those are follows from the field that a finding names, or from where it says that
something is missing. No numpy; nothing is raised.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tsr.diagnosis.clauses import Clause, clause
from tsr.diagnosis.fields import Field, field_of
from tsr.layout import TSR4_ALIGNMENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsr.errors import FormatError

    Read = Callable[[int, int], bytes]

__all__ = ["Fault", "Mark", "fault_of"]

# The clauses that bytes break which are not there.
_MISSING = frozenset(
    ("V1-SIZE-1", "V1-PAYLOAD-1", "T4-SIZE-1", "T4-DIRECTORY-2", "T4-PAYLOAD-1")
)  # fmt: skip

# The most bytes of what is behind the end that are looked at.
_SHOWN = 16


class Mark(NamedTuple):
    """Bytes that are wrong.

    Attributes
    ----------
    offset, size : int
        In bytes from the start of the file.
    missing : int
        Bytes that should follow and are not there; then `offset` is the end of the file.
    """

    offset: int
    size: int
    missing: int = 0


class Fault(NamedTuple):
    """What there is to say of a finding.

    Attributes
    ----------
    finding : FormatError
    clause : Clause
        The rule that is broken.
    marks : tuple of Mark
        The bytes that are wrong, in order; none where it is not bytes that break the rule.
    before : bytes or None
        The bytes of the field as they stand; of what is behind the end the first 16.
    after : bytes or None
        The bytes that should stand there; None where they do not follow from the others.
    """

    finding: FormatError
    clause: Clause
    marks: tuple[Mark, ...]
    before: bytes | None
    after: bytes | None


def fault_of(finding: FormatError, size: int, read: Read) -> Fault:
    """Work out what there is to say of a finding.

    Parameters
    ----------
    finding : FormatError
        As `tsr.validate` gives them.
    size : int
        The bytes in the file.
    read : callable
        Gives the bytes of the file from one offset to another, as far as they are there.
    """
    rule = clause(finding.clause)
    kind = "TSR4" if rule.id.startswith("T4") else "TSR v1"
    field = field_of(kind, finding.field)
    if rule.id in _MISSING:
        found = re.search(r"\d+", str(finding.expected))
        end = finding.offset + int(found[0]) if found else size
        return Fault(finding, rule, (Mark(size, 0, end - size),), None, None)
    if field is not None:
        end = min(field.offset + field.size, size)
        before, after = read(field.offset, end), _expected(finding.expected, field)
        if field.kind == "s" and after is not None and not any(after):
            return Fault(finding, rule, _not_zero(field, before), before, after)
        marks = (Mark(field.offset, end - field.offset),)
        return Fault(finding, rule, marks, before, after)
    if finding.field == "end of file":
        before = read(finding.offset, min(finding.offset + _SHOWN, size))
        return Fault(finding, rule, (Mark(finding.offset, size - finding.offset),), before, b"")
    if finding.field == "padding":
        return _of_padding(finding, rule, read)
    if finding.field.startswith("payload["):
        return Fault(finding, rule, (_of_stream(finding, read),), None, None)
    return Fault(finding, rule, (), None, None)


def _expected(expected: object, field: Field) -> bytes | None:
    # The bytes that a finding expects, where it names them.
    if isinstance(expected, bytes):
        return expected
    if isinstance(expected, int):
        return field.encode(expected)
    text = str(expected)
    if text.startswith("0x"):
        return field.encode(int(text, 16))
    return bytes(field.size) if text.endswith("zero bytes") else None


def _not_zero(field: Field, data: bytes) -> tuple[Mark, ...]:
    return tuple(
        Mark(field.offset + run.start(), run.end() - run.start())
        for run in re.finditer(rb"[^\0]+", data)
    )


def _of_padding(finding: FormatError, rule: Clause, read: Read) -> Fault:
    # It ends where the next payload begins.
    end = -(-(finding.offset + 1) // TSR4_ALIGNMENT) * TSR4_ALIGNMENT
    data = read(finding.offset, end).rstrip(b"\0")
    padding = Field("padding", finding.offset, len(data), "s")
    return Fault(finding, rule, _not_zero(padding, data), data, bytes(len(data)))


def _of_stream(finding: FormatError, read: Read) -> Mark:
    entry = finding.field.replace("payload", "entries")
    field = field_of("TSR4", f"{entry}.payload_size")
    size = int.from_bytes(read(field.offset, field.offset + field.size), "little") if field else 0
    surplus = re.fullmatch(r"(\d+) bytes behind its end", str(finding.found))
    if surplus:  # T4-ZLIB-3: the stream itself is right
        return Mark(finding.offset + size - int(surplus[1]), int(surplus[1]))
    if field and not size:  # nothing is there to be wrong but the size
        return Mark(field.offset, field.size)
    return Mark(finding.offset, size)
