"""The object behind a URL -> its header and directory, and each payload when it is used. No numpy.

Raises `FormatError` for what is no valid file, or changes, and `OSError` for what cannot be read.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from tsr.container import data_start
from tsr.contents import Contents, decode_layout
from tsr.header import raise_error
from tsr.layout import (
    TSR4_ENTRY_SIZE,
    TSR4_HEADER_SIZE,
    TSR4_MAGIC,
    TSR4_RAW,
    TSR4_ZLIB,
    V1_HEADER_SIZE,
)
from tsr.source import changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tsr.contents import Layout
    from tsr.remote.object import RemoteObject

__all__ = ["RemoteContents", "open_remote", "read_head", "read_rest"]

# The fields of a TSR4 header from `file_mode` to `data_offset`.
_PLACES = Struct("<IIIQQ")
_PLACES_OFFSET = 12


class RemoteContents(Contents):
    """Header and directory of an object, whose payloads are fetched as they are used.

    Parameters
    ----------
    remote : RemoteObject
    data : bytes-like
        Header, directory, and the padding behind it.
    strict : bool
    layout : Layout
    """

    __slots__ = ("_remote",)

    whole = False

    def __init__(self, remote: RemoteObject, data: bytearray, strict: bool, layout: Layout) -> None:
        super().__init__(data, remote.label, strict, layout)
        self._remote = remote

    def loaded(self, index: int) -> Contents:
        """Fetch a payload and the padding behind it, in one request."""
        infos = self.layout.infos
        start = infos[index].offset
        end = start + infos[index].stored_nbytes
        stop = infos[index + 1].offset if index + 1 < len(infos) else end
        size = self._remote.size
        # Of what has no known size, one byte more shows whether it ends here.
        more = size is None and self._strict and stop == end
        data = self._remote.fetch(start, stop + more)
        if len(data) != stop - start:
            found = start + len(data)
            decode_layout(self.data, found, self._strict, self.path, raise_error)
            # FILE-2
            raise changed(self.path, found, stop)
        return Contents(data, self.path, self._strict, self.layout, start)

    def check_payload(self, index: int, advance: Callable[[int], None] | None = None) -> None:
        """Fetch a payload and check it."""
        self.loaded(index).check_payload(index, advance)

    def check_padding(self, index: int) -> None:
        """Check the padding behind the directory, or fetch that behind a payload."""
        if index < 0:
            super().check_padding(index)
        else:
            self.loaded(index).check_padding(index)

    def inflate(self, index: int) -> Iterator[bytes]:
        """Fetch a payload and inflate it, piece by piece."""
        return self.loaded(index).inflate(index)


def open_remote(remote: RemoteObject, strict: bool) -> RemoteContents:
    """Read and check header and directory: in one request, or two for a TSR4 file."""
    data = read_head(remote)
    layout = decode_layout(data, remote.size, strict, remote.label, raise_error)
    return RemoteContents(remote, data, strict, layout)


def read_head(remote: RemoteObject, head: bytearray | None = None) -> bytearray:
    """Read header and directory, and of a file whose header is broken no more than that.

    `head` are the first 64 bytes, if they are there.
    """
    if head is None:
        head = remote.fetch(0, V1_HEADER_SIZE)
    if head[: len(TSR4_MAGIC)] != TSR4_MAGIC or len(head) < V1_HEADER_SIZE:
        return head
    mode, count, entry_size, directory, data = _PLACES.unpack_from(head, _PLACES_OFFSET)
    plausible = (
        mode in (TSR4_RAW, TSR4_ZLIB)
        and (entry_size, directory) == (TSR4_ENTRY_SIZE, TSR4_HEADER_SIZE)
        and data == data_start(count, mode)
    )
    return head + remote.fetch(V1_HEADER_SIZE, data if plausible else TSR4_HEADER_SIZE)


def read_rest(remote: RemoteObject, head: bytearray | None = None) -> bytearray:
    """Read all of a TSR4 file, and the header of another, whose size is known then.

    `head` are the first 64 bytes, if they are there.
    """
    if head is None:
        head = remote.fetch(0, V1_HEADER_SIZE)
    if len(head) < V1_HEADER_SIZE or remote.size == V1_HEADER_SIZE:
        return head
    if head[: len(TSR4_MAGIC)] == TSR4_MAGIC:
        return head + remote.fetch(V1_HEADER_SIZE, None)
    if remote.size is None:
        remote.size = len(head) + len(remote.fetch(V1_HEADER_SIZE, None))
    return head
