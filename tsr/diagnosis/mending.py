"""The bytes of a broken file -> changes that mend it, each proved by the other bytes. No I/O.

The rules for what is proved stand here. Each is about one number that disagrees, where at least two
others agree on what it should be; a file in which more disagrees stays as it is. Nothing is raised.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from tsr.container import data_start, directory_end, header_checksum, next_start
from tsr.contents import Contents
from tsr.diagnosis.anatomy import entries_of, format_of
from tsr.diagnosis.fields import field_of
from tsr.dtypes import TSR4_BY_CODE, V1_BY_CODE
from tsr.layout import (
    TSR4_ENTRY,
    TSR4_ENTRY_SIZE,
    TSR4_HEADER,
    TSR4_HEADER_SIZE,
    TSR4_RAW,
    TSR4_ZLIB,
    V1_HEADER,
    V1_HEADER_SIZE,
    V1_RANK_MAX,
)
from tsr.validation import check_layout, fault_in

if TYPE_CHECKING:
    from collections.abc import Set

    from tsr.errors import FormatError

__all__ = [
    "CHANGES_MAX",
    "IN_CONTENTS",
    "Change",
    "Editor",
    "are_mended",
    "mend_contents",
    "mend_head",
]

# A file of millions of tensors that is broken in each of them was not damaged, but made so.
CHANGES_MAX = 10_000

# The bytes that an element takes, of any type there is or was announced.
_ITEMSIZES = (1, 2, 4, 8)

# What `mend_contents` can mend, the latter where checksums are to follow the elements.
_PADDING, _CHECKSUM = "T4-PADDING-1", "T4-CRC-2"

# What is found only where header and directory are right.
IN_CONTENTS = frozenset((_PADDING, _CHECKSUM, "T4-ZLIB-1", "T4-ZLIB-2", "T4-ZLIB-3"))

# What is kept of bytes that are cut off.
_KEPT = 16


class Change(NamedTuple):
    """Bytes that become other ones.

    Attributes
    ----------
    field : str
        Named as in findings.
    clause : str
        The clause that they break as they stand.
    offset, size : int
        In bytes from the start of the file; `size` of what stands there.
    before, after : bytes
        Of what is cut off, `before` has the first 16, and `after` none.
    """

    field: str
    clause: str
    offset: int
    size: int
    before: bytes
    after: bytes


class Editor:
    """A file that changes, of which only header and directory are copied.

    Attributes
    ----------
    data : memoryview
        The file as it was.
    head : bytearray
        Its header and directory as they are by now.
    size : int
        The bytes in the file by now.
    path : str or None
        What errors call it.
    changes : list of Change
        What was done to it.
    is_certain : bool
        Whether all that says how large things are agreed so far: no number of these was changed.
    """

    def __init__(self, data: Any, path: str | None) -> None:
        self.data = memoryview(data)
        self.size = len(self.data)
        self.path = path
        self.changes: list[Change] = []
        self.is_certain = True
        self._kind = format_of(self.data) or "TSR v1"
        end = V1_HEADER_SIZE
        if self._kind == "TSR4":
            end = directory_end(entries_of(self.data, self.size))
        self.head = bytearray(self.data[:end])

    def set(self, name: str, clause: str, number: int) -> bool:
        """Have a field hold a number, and tell like `replace` whether it does."""
        field = field_of(self._kind, name)
        data = None if field is None else field.encode(number)
        if field is None or data is None:
            return False
        return self.replace(name, clause, field.offset, data)

    def correct(self, name: str, clause: str, number: int) -> None:
        """Have a field hold a number that the others prove."""
        self.set(name, clause, number)
        self.is_certain = False

    def replace(self, name: str, clause: str, offset: int, data: bytes) -> bool:
        """Have other bytes stand somewhere; false where there are too many changes already."""
        end = offset + len(data)
        before = bytes(self.data[offset:end])
        if before == data:
            return True
        if len(self.changes) == CHANGES_MAX:
            return False
        if end <= len(self.head):
            self.head[offset:end] = data
        self.changes.append(Change(name, clause, offset, len(data), before, data))
        return True

    def cut(self, clause: str, offset: int) -> None:
        """Have the file end somewhere."""
        before = bytes(self.data[offset : min(offset + _KEPT, self.size)])
        self.changes.append(Change("end of file", clause, offset, self.size - offset, before, b""))
        self.size = offset


def mend_head(editor: Editor, checksums: bool) -> list[FormatError]:
    """Mend header and directory, and where the file ends; give what is broken still."""
    kind = format_of(editor.head)
    if kind == "TSR v1" and editor.size >= V1_HEADER_SIZE:
        _mend_v1(editor)
    elif kind == "TSR4" and editor.size >= TSR4_HEADER_SIZE:
        _mend_tsr4(editor, checksums)
    _, remaining = check_layout(editor.head, editor.size, editor.path, strict=True)
    surplus = [error.field for error in remaining] == ["end of file"]
    if surplus and editor.is_certain and not _holds_larger_elements(editor):
        editor.cut(remaining[0].clause, remaining[0].offset)
        remaining = []
    return remaining


def mend_contents(editor: Editor, checksums: bool) -> list[FormatError]:
    """Mend what follows header and directory, which are right; give what is broken still.

    Elements are taken as they are only where header and directory needed no mending.
    """
    layout, _ = check_layout(editor.head, editor.size, editor.path, strict=True)
    if layout is None or layout.mode is None:
        return []
    contents = Contents(editor.data, editor.path, True, layout)
    remaining = []
    for index in range(-1, len(layout.infos)):  # padding comes first
        error = fault_in(contents.check_payload, index) if index >= 0 else None
        if error and not (checksums and _mend_checksum(editor, error)):
            remaining.append(error)
        error = fault_in(contents.check_padding, index)
        if error and not _mend_padding(editor, error, layout.infos[index + 1].offset):
            remaining.append(error)
    return remaining


def are_mended(clauses: Set[str], checksums: bool) -> bool:
    """Tell whether `mend_contents` mends all findings of these clauses, which `IN_CONTENTS` has."""
    return clauses <= ({_PADDING, _CHECKSUM} if checksums else {_PADDING})


def _mend_checksum(editor: Editor, error: FormatError) -> bool:
    if error.clause != _CHECKSUM or not editor.is_certain:
        return False
    return editor.set(error.field, error.clause, int(str(error.expected), 16))


def _mend_padding(editor: Editor, error: FormatError, end: int) -> bool:
    data = bytes(editor.data[error.offset : end])
    return editor.replace(error.field, error.clause, error.offset, bytes(len(data.rstrip(b"\0"))))


# ------------------------------------------------------------------ TSR v1


def _mend_v1(editor: Editor) -> None:
    for name, clause in (
        ("reserved_1", "V1-RESERVED-1"),
        ("reserved_2", "V1-RESERVED-2"),
        ("reserved_3", "V1-RESERVED-3"),
    ):
        editor.set(name, clause, 0)
    _, _, header_size, _, code, ndim, *dims, total, _, _ = V1_HEADER.unpack_from(editor.head)
    element = V1_BY_CODE.get(code)
    if element is None or not 0 <= ndim <= V1_RANK_MAX:
        return
    unused = V1_RANK_MAX - ndim
    shape = dims[unused:]
    elements, there = prod(shape), editor.size - V1_HEADER_SIZE
    # What proves a number are the shape and the size of the payload, which agree. Where there is no
    # payload, what is missing cannot be told from what is wrong.
    if min(shape, default=1) < 1 or there != elements * element.itemsize:
        return
    wrong = [index for index in range(unused) if dims[index] != 1]
    if header_size != V1_HEADER_SIZE and total == elements and not wrong:
        editor.correct("header_size", "V1-HEADER-1", V1_HEADER_SIZE)
    elif wrong and total == elements:
        for index in wrong:
            editor.correct(f"dims[{index}]", "V1-DIMS-2", 1)
    elif total != elements and not wrong:
        editor.correct("total_elements", "V1-TOTAL-1", elements)


def _holds_larger_elements(editor: Editor) -> bool:
    # Then it is the dtype of a TSR v1 file that is wrong, and nothing follows the payload.
    if format_of(editor.head) != "TSR v1":
        return False
    total, there = V1_HEADER.unpack_from(editor.head)[10], editor.size - V1_HEADER_SIZE
    return any(there == total * itemsize for itemsize in _ITEMSIZES)


# ------------------------------------------------------------------ TSR4


def _mend_tsr4(editor: Editor, checksums: bool) -> None:
    head = editor.head
    _, _, _, _, mode, count, _, _, start, crc, _, _ = TSR4_HEADER.unpack_from(head)
    was_right = crc == header_checksum(head)
    editor.set("reserved_0", "T4-RESERVED-1", 0)
    editor.set("reserved_1", "T4-RESERVED-2", 0)
    if mode in (TSR4_RAW, TSR4_ZLIB) and 0 < count == entries_of(head, editor.size):
        # These move nothing: the directory is read where it is in any case.
        _constant(editor, "header_size", "T4-HEADER-1", TSR4_HEADER_SIZE)
        _constant(editor, "entry_size", "T4-ENTRY-1", TSR4_ENTRY_SIZE)
        _constant(editor, "dir_offset", "T4-DIRECTORY-1", TSR4_HEADER_SIZE)
        first = TSR4_ENTRY.unpack_from(head, TSR4_HEADER_SIZE)
        if start != data_start(count, mode) == first[9]:
            editor.correct("data_offset", "T4-DATA-1", first[9])
        _mend_directory(editor, mode, count)
    checksum = header_checksum(head)
    if crc != checksum and (was_right or checksums):
        editor.set("header_crc32", "T4-CRC-1", checksum)


def _constant(editor: Editor, name: str, clause: str, number: int) -> None:
    field = field_of("TSR4", name)
    if field and field.decode(bytes(editor.head[field.offset :][: field.size])) != number:
        editor.correct(name, clause, number)


def _mend_directory(editor: Editor, mode: int, count: int) -> None:
    end = directory_end(count)
    for index in range(count):
        entry = TSR4_ENTRY.unpack_from(editor.head, directory_end(index))
        if entry[1].strip(b"\0"):
            editor.set(f"entries[{index}].reserved_0", "T4-RESERVED-3", 0)
        start = next_start(end, mode)
        end = start + _mend_entry(editor, index, entry, mode, start, index + 1 == count)


def _mend_entry(
    editor: Editor, index: int, entry: tuple[Any, ...], mode: int, start: int, is_last: bool
) -> int:
    # Mends what is proved, and gives the bytes that the payload then takes.
    code, _, n, h, w, c, numel, _, nbytes, offset, stored, _ = entry
    element = TSR4_BY_CODE.get(code)
    if element is None or min(n, h, w, c) < 1:
        return int(stored)
    product = n * h * w * c
    size = product * element.itemsize

    def is_followed(end: int) -> bool:
        # By the next payload, as its entry says; behind the last one the file ends.
        if is_last:
            return end == editor.size
        following = TSR4_ENTRY.unpack_from(editor.head, directory_end(index + 1))
        return bool(next_start(end, mode) == following[9])

    stored_wrong = mode == TSR4_RAW and stored != size
    if (numel != product) + (nbytes != size) + stored_wrong + (offset != start) != 1:
        return int(stored)
    name = f"entries[{index}]"
    if numel != product:
        editor.correct(f"{name}.numel", "T4-NUMEL-1", product)
    elif nbytes != size:
        editor.correct(f"{name}.nbytes", "T4-NBYTES-1", size)
    elif stored_wrong and is_followed(start + size):
        editor.correct(f"{name}.payload_size", "T4-STORED-1", size)
        return int(size)
    elif offset != start and is_followed(start + stored):
        editor.correct(f"{name}.data_offset", "T4-OFFSET-1", start)
    return int(stored)
