"""The first bytes of a file and its size -> its parts, one after the other. No I/O, no numpy.

Files of both formats, broken ones too, as far as they go: parts lie within the file in its order,
never overlap, and together cover it all. What is no field, entry or payload is a part as well:
padding, a gap, what follows the end. What stands in the file is taken as it is; whether it is right
is for `tsr.validation` to say. Nothing is raised.

A file of millions of tensors has millions of parts: they are made when they are asked for, and
those that are not wanted come as one.
"""

from __future__ import annotations

from math import prod
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple

from tsr.container import directory_end, next_start
from tsr.diagnosis.fields import fields_of
from tsr.diagnosis.meanings import (
    count_of,
    meaning_of_payload,
    meanings_of_entry,
    meanings_of_tsr4,
    meanings_of_v1,
)
from tsr.dtypes import TSR4_BY_CODE, V1_BY_CODE
from tsr.layout import (
    TSR4_ENTRY,
    TSR4_ENTRY_SIZE,
    TSR4_HEADER_SIZE,
    TSR4_MAGIC,
    TSR4_OFFSETS,
    TSR4_RAW,
    TSR4_ZLIB,
    V1_HEADER,
    V1_HEADER_SIZE,
    V1_MAGIC,
    V1_RANK_MAX,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from tsr.diagnosis.fields import Value

__all__ = ["Part", "dissect", "entries_of", "format_of"]

_NUMBER = Struct("<I")


class Part(NamedTuple):
    """A part of a file.

    Attributes
    ----------
    field : str
        Named as in findings: ``"dims"``, ``"entries[3].numel"``, ``"payload[3]"``, ``"padding"``,
        ``"end of file"``; or ``"entries[8:500]"`` for what was left out.
    offset, size : int
        In bytes from the start of the file. No part is empty.
    value : int, tuple of int, bytes or None
        What the field holds; None of what is no field, and of a field that is not all there.
    meaning : str
        What that says.
    """

    field: str
    offset: int
    size: int
    value: Value | None
    meaning: str


def format_of(data: Any) -> str | None:
    """Tell the format of a file by its first bytes: ``"TSR v1"``, ``"TSR4"`` or None."""
    return {V1_MAGIC: "TSR v1", TSR4_MAGIC: "TSR4"}.get(bytes(data[:4]))


def dissect(data: Any, size: int, chosen: Container[int] | None = None) -> Iterator[Part]:
    """Give the parts of a file, in order.

    Parameters
    ----------
    data : bytes-like
        The first bytes of the file: header and directory. What of these is not there is a part
        whose meaning is not told.
    size : int
        The bytes in the file.
    chosen : container of int, optional
        The indices of the tensors of a TSR4 file that are wanted: of the others, those that stand
        together are one part in the directory and one part behind it. By default all are.
    """
    kind = format_of(data)
    if kind == "TSR v1":
        parts = _dissect_v1(data, size)
    elif kind == "TSR4":
        parts = _dissect_tsr4(data, size, chosen)
    else:
        parts = iter((Part("bytes", 0, size, None, "of no TSR file"),))
    return (part for part in parts if part.size > 0)


def entries_of(data: Any, size: int) -> int:
    """Count the entries that are all there in the directory of a TSR4 file."""
    size = min(size, len(data))
    if size < TSR4_HEADER_SIZE:
        return 0
    return min(_number(data, "tensor_count"), (size - TSR4_HEADER_SIZE) // TSR4_ENTRY_SIZE)


def _read(
    kind: str, data: Any, size: int, meanings: Callable[[dict[str, Any]], dict[str, str]],
    start: int = 0, prefix: str = "",
) -> Iterator[Part]:  # fmt: skip
    # The fields of a header or an entry, as far as they go.
    values: dict[str, Any] = {}
    for field in fields_of(kind):
        raw = bytes(data[start + field.offset : min(start + field.offset + field.size, size)])
        if len(raw) == field.size:
            values[field.name] = field.decode(raw)
    told = meanings(values)
    for field in fields_of(kind):
        name, offset = prefix + field.name, start + field.offset
        if field.name in values:
            yield Part(name, offset, field.size, values[field.name], told[field.name])
        else:
            there = min(size - offset, field.size)
            yield Part(name, offset, there, None, f"cut: {there} of {field.size} bytes")


# ------------------------------------------------------------------ TSR v1


def _dissect_v1(data: Any, size: int) -> Iterator[Part]:
    known = min(size, len(data))
    yield from _read("TSR v1", data, known, meanings_of_v1)
    if known < V1_HEADER_SIZE:
        yield Part("bytes", known, size - known, None, "not looked at")
        return
    _, _, _, _, code, ndim, *dims, _, _, _ = V1_HEADER.unpack_from(data)
    element = V1_BY_CODE.get(code)
    there = size - V1_HEADER_SIZE
    if element is None or min(dims) < 0:
        yield Part("payload", V1_HEADER_SIZE, there, None, "of elements that are not known")
        return
    nbytes = prod(dims) * element.itemsize
    shape = tuple(dims[V1_RANK_MAX - min(max(ndim, 0), V1_RANK_MAX) :])
    meaning = meaning_of_payload(element, shape, nbytes)
    if there < nbytes:
        meaning += f", of which {nbytes - there} are missing"
    yield Part("payload", V1_HEADER_SIZE, min(nbytes, there), None, meaning)
    yield _surplus(V1_HEADER_SIZE + nbytes, size)


# ------------------------------------------------------------------ TSR4


def _dissect_tsr4(data: Any, size: int, chosen: Container[int] | None) -> Iterator[Part]:
    known = min(size, len(data))
    yield from _read("TSR4", data, known, meanings_of_tsr4)
    if known < TSR4_HEADER_SIZE:
        yield Part("bytes", known, size - known, None, "not looked at")
        return
    count = _number(data, "tensor_count")
    there = entries_of(data, size)
    yield from _directory(data, there, chosen)
    end = directory_end(there)
    if there == count > 0:
        yield from _contents(data, size, there, chosen)
    elif count == 0:
        yield Part("bytes", end, size - end, None, "of no tensor")
    else:
        rest = f"entries[{there}]."
        yield from _read("entry", data, known, meanings_of_entry, end, rest)
        yield Part("bytes", known, size - known, None, "not looked at")


def _directory(data: Any, count: int, chosen: Container[int] | None) -> Iterator[Part]:
    for first, stop in _runs(count, chosen):
        start = directory_end(first)
        if _is_wanted(first, chosen):
            end = start + TSR4_ENTRY_SIZE
            yield from _read("entry", data, end, meanings_of_entry, start, f"entries[{first}].")
        else:
            name = f"entries[{first}:{stop}]"
            meaning = f"{count_of(stop - first, 'entry')} left out"
            yield Part(name, start, directory_end(stop) - start, None, meaning)


def _contents(data: Any, size: int, count: int, chosen: Container[int] | None) -> Iterator[Part]:
    # Payloads where the entries say, but for what an earlier one or the directory took before.
    mode = _number(data, "file_mode")
    at, beyond = directory_end(count), None
    for first, stop in _runs(count, chosen):
        begun = at
        for index in range(first, stop):
            fields = TSR4_ENTRY.unpack_from(data, directory_end(index))
            code, _, *shape, _, _, nbytes, start, stored, _ = fields
            end = min(start + stored, size)
            if start >= size and beyond is None:
                beyond = start
            if start >= size or end <= at:
                continue
            if _is_wanted(first, chosen):
                if start > at:
                    yield _gap(at, start, mode, start)
                meaning = meaning_of_payload(
                    TSR4_BY_CODE.get(code), tuple(shape), nbytes, is_stream=mode == TSR4_ZLIB
                )
                if start < at:
                    meaning += f", the first {at - start} bytes shared"
                if end < start + stored:
                    meaning += f", of which {start + stored - end} are missing"
                name = f"payload[{index}]"
                yield Part(name, max(at, start), end - max(at, start), None, meaning)
            at = end
        if not _is_wanted(first, chosen):
            meaning = f"{count_of(stop - first, 'payload')} left out"
            yield Part(f"payload[{first}:{stop}]", begun, at - begun, None, meaning)
    yield _surplus(at, size) if beyond is None else _gap(at, size, mode, beyond)


def _runs(count: int, chosen: Container[int] | None) -> Iterator[tuple[int, int]]:
    # First and stop of each index that is wanted, and of those together that are not.
    first = 0
    while first < count:
        stop = first + 1
        if not _is_wanted(first, chosen):
            while stop < count and not _is_wanted(stop, chosen):
                stop += 1
        yield first, stop
        first = stop


def _is_wanted(index: int, chosen: Container[int] | None) -> bool:
    return chosen is None or index in chosen


def _gap(start: int, end: int, mode: int, payload: int) -> Part:
    # What is in front of a payload, of which the file may not hold a byte.
    if mode == TSR4_RAW and payload == next_start(start, mode):
        return Part("padding", start, end - start, None, "up to the next payload")
    return Part("gap", start, end - start, None, "of no payload")


def _number(data: Any, field: str) -> int:
    return int(_NUMBER.unpack_from(data, TSR4_OFFSETS[field])[0])


def _surplus(start: int, size: int) -> Part:
    return Part("end of file", start, size - start, None, "behind the end")
