"""A TSR4 file of any number of tensors -> what its directory says of them, part by part. No numpy.

All of the directory is checked before the first part is given: of a long one no more than a part
is in memory, for it is read twice. Raises `FormatError` for one that breaks a rule, and what the
function raises that reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsr.container import check_extent, decode_container_header, decode_directory, directory_end
from tsr.header import raise_error
from tsr.layout import TSR4_ENTRY_SIZE, TSR4_HEADER_SIZE, TSR4_OFFSETS
from tsr.source import changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tsr.container import TensorInfo

    # Gives the bytes from the one offset to the other; fewer only where the file ends.
    Read = Callable[[int, int], bytes]

__all__ = ["PART", "claimed_count", "tensor_parts"]

# The entries that are looked at together.
PART = 1 << 10


def claimed_count(head: bytes) -> int:
    """Give the number of tensors that a header claims, unchecked."""
    at = TSR4_OFFSETS["tensor_count"]
    return int.from_bytes(head[at : at + 4], "little")


def tensor_parts(read: Read, size: int | None, strict: bool) -> Iterator[list[TensorInfo]]:
    """Give the tensors of a file of `size` bytes, a part of the directory at a time."""
    head = read(0, TSR4_HEADER_SIZE)
    mode, count = decode_container_header(head, len(head), size, strict, None, raise_error)
    if count <= PART:
        yield from list(_parts(read, mode, count, size, strict))
        return
    for _ in _parts(read, mode, count, size, strict):
        pass
    yield from _parts(read, mode, count, size, strict)


def _parts(
    read: Read, mode: int | None, count: int, size: int | None, strict: bool
) -> Iterator[list[TensorInfo]]:
    end = directory_end(count)
    too_long: tuple[int, list[TensorInfo]] | None = None
    infos: list[TensorInfo] = []
    for first in range(0, count, PART):
        start = directory_end(first)
        wanted = TSR4_ENTRY_SIZE * min(PART, count - first)
        entries = read(start, start + wanted)
        # FILE-2
        if len(entries) != wanted:
            raise changed(None, start + len(entries), start + wanted if size is None else size)
        infos = decode_directory(entries, mode, strict, None, raise_error, first=first, end=end)
        end = infos[-1].offset + infos[-1].stored_nbytes
        if size is not None and end > size and too_long is None:
            too_long = first, infos
        yield infos
    # Rules on the whole file come behind those on each entry.
    if size is not None:
        first, infos = too_long or (count - len(infos), infos)
        check_extent(infos, size, strict, None, raise_error, first=first)
