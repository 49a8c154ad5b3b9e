"""A path, URL, file object or buffer -> a file, and each tensor's bytes, checked. No numpy.

One view of both formats: what header and directory say is checked when a file is opened, what a
payload holds when it is first used. Raises `FormatError` for what is no valid file and
`OSError` for what cannot be opened.
"""

from __future__ import annotations

import io
import mmap
import os
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast

from tsr.buffers import bytes_view
from tsr.compression import StreamError, crc32, inflate
from tsr.container import (
    TensorInfo,
    broken_entry,
    check_extent,
    decode_container_header,
    decode_directory,
    directory_end,
)
from tsr.errors import FormatError
from tsr.header import Header, check_fields, cut_header, raise_error, unpack_fields
from tsr.layout import (
    TSR4_ENTRY_SIZE,
    TSR4_HEADER_SIZE,
    TSR4_MAGIC,
    TSR4_RAW,
    TSR4_ZLIB,
    V1_HEADER_SIZE,
    V1_MAGIC,
)
from tsr.source import SMALL_FILE, behind_url, changed, is_path, open_regular, read_whole
from tsr.streams import (
    CHUNK,
    check_binary,
    fill,
    is_stream,
    plain_descriptor,
    read_growing,
    read_upto,
    stream_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tsr.buffers import BytesLike
    from tsr.source import Source
    from tsr.streams import BinaryReader

    Report = Callable[[FormatError], object]

MmapMode: TypeAlias = Literal["r", "c"] | None

# The entries of a stream's directory that are read before they are looked at.
_ENTRIES = 1 << 10

# What of a payload is checked at once, in a few milliseconds.
_PIECE = 1 << 24

__all__ = ["Contents", "Layout", "decode_layout", "open_contents", "read_all", "read_layout"]


class Layout(NamedTuple):
    """What header and directory of a file say.

    Attributes
    ----------
    mode : int or None
        The value of ``file_mode`` of a TSR4 file; None for TSR v1.
    infos : tuple of TensorInfo
    """

    mode: int | None
    infos: tuple[TensorInfo, ...]

    @property
    def format(self) -> str:
        """``"TSR v1"`` or ``"TSR4"``."""
        return "TSR v1" if self.mode is None else "TSR4"

    @property
    def end(self) -> int:
        """The size of the file in bytes, if it is valid."""
        return self.infos[-1].offset + self.infos[-1].stored_nbytes


class Contents:
    """All of a file, or a part of it, in memory or mapped.

    Parameters
    ----------
    data : bytes-like
    path : str or None
        What errors call the file.
    strict : bool
        False accepts what the original readers do.
    layout : Layout
    base : int, default 0
        Where in the file `data` begins.

    Attributes
    ----------
    data, path, layout, base
        As given.
    """

    __slots__ = ("_strict", "_view", "base", "data", "layout", "path")

    # Whether all of the file is there.
    whole = True

    def __init__(
        self, data: Any, path: str | None, strict: bool, layout: Layout, base: int = 0
    ) -> None:
        self.data = data
        self.path = path
        self.layout = layout
        self.base = base
        self._view = memoryview(data)
        self._strict = strict

    def loaded(self, index: int) -> Contents:
        """Have a payload, and the padding behind it, in memory."""
        return self

    def check_payload(self, index: int, advance: Callable[[int], None] | None = None) -> None:
        """Check all that the file says of a payload.

        `advance` is called with how many bytes of the elements were just checked; what it raises
        ends the check.
        """
        info = self.layout.infos[index]
        if info.crc32 is None:
            return
        compressed = self.layout.mode == TSR4_ZLIB
        checksum = 0
        for piece in self.inflate(index) if compressed else self._pieces(info):
            checksum = crc32(piece, checksum)
            if advance is not None:
                advance(len(piece))
        self.check_crc(index, checksum)

    def check_padding(self, index: int) -> None:
        """Check the padding behind a payload; that before the first one is behind -1."""
        mode, infos = self.layout
        if mode != TSR4_RAW or not self._strict or index + 1 == len(infos):
            return
        start = (
            infos[index].offset + infos[index].nbytes if index >= 0 else directory_end(len(infos))
        )
        padding = bytes(self._view[start - self.base : infos[index + 1].offset - self.base])
        # T4-PADDING-1
        if padding.strip(b"\0"):
            at = next(at for at, byte in enumerate(padding) if byte)
            raise FormatError(
                "padding", start + at, found=padding[at], expected=0, clause="T4-PADDING-1",
                path=self.path,
            )  # fmt: skip

    def check_crc(self, index: int, checksum: int) -> None:
        """Compare the CRC-32 of the elements' bytes with the one in the directory."""
        stored = self.layout.infos[index].crc32
        # T4-CRC-2
        if stored is not None and stored != checksum:
            raise broken_entry(
                index, "data_crc32", "T4-CRC-2", f"0x{stored:08x}", f"0x{checksum:08x}",
                path=self.path, note="the CRC-32 of the elements' bytes",
            )  # fmt: skip

    def _pieces(self, info: TensorInfo) -> Iterator[memoryview]:
        # By pieces, for Ctrl-C is heeded between them only.
        begin = info.offset - self.base
        end = begin + info.nbytes
        for start in range(begin, end, _PIECE):
            yield self._view[start : min(start + _PIECE, end)]

    def inflate(self, index: int) -> Iterator[bytes]:
        """Inflate a payload, piece by piece."""
        info = self.layout.infos[index]
        begin = info.offset - self.base
        stream = self._view[begin : begin + info.stored_nbytes]
        try:
            yield from inflate(stream, info.nbytes)
            return
        except StreamError as error:
            fault = FormatError(
                f"payload[{index}]", info.offset, found=error.found, expected=error.expected,
                clause=error.clause, path=self.path,
            )  # fmt: skip
        raise fault  # here, so that it holds on to nothing of what was inflated


def decode_layout(
    data: Any, size: int | None, strict: bool, path: str | None, report: Report
) -> Layout:
    """Parse header and directory of either format and check every rule on them.

    Parameters
    ----------
    data : bytes-like
        Header and directory, and whatever follows.
    size : int or None
        Size of the file in bytes, where it is known.
    strict, path
        As for `Contents`.
    report : callable
        Called with an error for every rule broken. To raise it stops there.
    """
    if bytes(data[: len(TSR4_MAGIC)]) != TSR4_MAGIC:
        if len(data) < V1_HEADER_SIZE:
            report(cut_header(data, len(data), path))
            return Layout(None, ())
        element, shape = check_fields(unpack_fields(data), size, strict, path, report)
        if element is None:
            return Layout(None, ())
        nbytes = Header(element, shape).nbytes
        return Layout(None, (TensorInfo(element, shape, V1_HEADER_SIZE, nbytes, nbytes),))
    mode, count = decode_container_header(data, len(data), size, strict, path, report)
    there = min(count, (len(data) - TSR4_HEADER_SIZE) // TSR4_ENTRY_SIZE)
    directory = memoryview(data)[TSR4_HEADER_SIZE : directory_end(there)]
    infos = decode_directory(directory, mode, strict, path, report)
    if size is not None and mode is not None and len(infos) == count > 0:
        check_extent(infos, size, strict, path, report)
    return Layout(mode, tuple(infos))


def read_layout(
    source: Source, strict: bool, storage_options: Mapping[str, Any] | None = None
) -> Layout:
    """Read header and directory of either format; the payloads stay untouched.

    Of what a URL leads to that takes one request, or two if it is a TSR4 file.

    Raises
    ------
    FormatError
        They break a clause, or the file does not have the size that they say. The size of what
        a file object that is no plain file gives is not known here, so not checked.
    OSError
        The file cannot be opened.
    """
    source, remote = behind_url(source, storage_options)
    if remote is not None:
        from tsr.remote.contents import open_remote

        return open_remote(remote, strict).layout
    if not is_path(source) and is_stream(source) and _size_left(source) is None:
        data, size, path = *_read_head(source, strict), stream_name(source)
    else:
        data, size, path = read_all(source, strict)
    return decode_layout(data, size, strict, path, raise_error)


def open_contents(
    source: Source,
    strict: bool,
    mmap_mode: MmapMode = "r",
    storage_options: Mapping[str, Any] | None = None,
) -> Contents:
    """Open a file of either format: what is small is read, what is large is mapped.

    Parameters
    ----------
    source : path, URL, file object or bytes-like
        A file object is read from where it stands, and left right behind the last payload. Of
        what a URL leads to each payload is read when it is used.
    strict : bool
        False accepts what the original readers do.
    mmap_mode : {"r", "c", None}
        ``"c"``: have writable memory whose changes stay in it. None: likewise, and all is read
        at once, so that what becomes of the file does not matter.
    storage_options : mapping, optional
        For a URL.
    """
    if mmap_mode is not None:
        source, remote = behind_url(source, storage_options)
        if remote is not None:
            from tsr.remote.contents import open_remote

            return open_remote(remote, strict)
        storage_options = None
    data, size, path = read_all(source, strict, mmap_mode, storage_options=storage_options)
    layout = decode_layout(data, size, strict, path, raise_error)
    if not is_path(source) and is_stream(source) and plain_descriptor(source) is not None:
        cast("IO[bytes]", source).seek(layout.end - len(data), os.SEEK_CUR)
    return Contents(data, path, strict, layout)


def read_all(
    source: Source,
    strict: bool,
    mmap_mode: MmapMode = "r",
    *,
    v1_payload: bool = True,
    storage_options: Mapping[str, Any] | None = None,
) -> tuple[Any, int | None, str | None]:
    """Have all of a file in memory, or mapped.

    Parameters
    ----------
    source, strict, mmap_mode
        As for `open_contents`.
    v1_payload : bool, default True
        False only counts what a stream, or a URL, gives behind the header of TSR v1.
    storage_options : mapping, optional
        For a URL.

    Of a stream without a known size only header and directory come where they are broken: what
    else there is to read is not known then.

    Returns
    -------
    data : bytes-like
    size : int or None
        Size of the file in bytes, where it is known.
    path : str or None
    """
    source, remote = behind_url(source, storage_options)
    if remote is not None:
        from tsr.remote.contents import read_rest

        all_of_it = remote.read_all() if v1_payload else read_rest(remote)
        return all_of_it, remote.size or len(all_of_it), remote.label
    if is_path(source):
        path = os.fsdecode(source)
        descriptor, size = open_regular(path)
        try:
            if size <= SMALL_FILE:
                data = read_whole(descriptor, size, path)
                return data if mmap_mode == "r" else bytearray(data), size, path
            if mmap_mode is None:
                with io.FileIO(descriptor, closefd=False) as file:
                    return _copy(file, size, path), size, path
            return _map(descriptor, size, path, mmap_mode), size, path
        finally:
            os.close(descriptor)
    if not is_stream(source):
        view = bytes_view(cast("BytesLike", source))
        return view if mmap_mode == "r" else bytearray(view), len(view), None
    check_binary(source)
    name, left = stream_name(source), _size_left(source)
    if left is not None:
        return _read_plain(cast("IO[bytes]", source), left, name, mmap_mode), left, name
    return *_read_stream(source, strict, name, v1_payload), name


def _read_plain(stream: IO[bytes], left: int, path: str | None, mmap_mode: MmapMode) -> Any:
    # What is left of a regular file; it is left at its end.
    if left > SMALL_FILE and mmap_mode is not None:
        start = stream.tell()
        mapping = _map(cast("int", plain_descriptor(stream)), start + left, path, mmap_mode)
        stream.seek(start + left)
        return memoryview(mapping)[start:] if start else mapping
    return _copy(stream, left, path)


def _copy(stream: BinaryReader, size: int, path: str | None) -> Any:
    # Anonymous memory gets its pages as they are filled.
    data = mmap.mmap(-1, size) if size > SMALL_FILE else bytearray(size)
    with memoryview(data) as view:
        found = fill(stream, view)
    found += len(read_upto(stream, 1))
    # FILE-2
    if found != size:
        raise changed(path, found, size)
    return data


def _map(descriptor: int, size: int, path: str | None, mmap_mode: Literal["r", "c"]) -> mmap.mmap:
    try:
        access = mmap.ACCESS_COPY if mmap_mode == "c" else mmap.ACCESS_READ
        return mmap.mmap(descriptor, size, access=access)
    except ValueError as error:
        # FILE-2
        raise changed(path, os.fstat(descriptor).st_size, size) from error


def _read_stream(
    stream: BinaryReader, strict: bool, path: str | None, v1_payload: bool
) -> tuple[bytes | bytearray, int | None]:
    # A file of unknown size, and that size where it is known in the end.
    head, size = _read_head(stream, strict)
    if head[: len(V1_MAGIC)] == V1_MAGIC and not v1_payload:
        rest = iter(lambda: read_upto(stream, CHUNK), b"")
        return head, len(head) + sum(map(len, rest))
    try:
        end = decode_layout(head, size, strict, path, raise_error).end
    except FormatError:  # which whoever asked will meet again
        return head, size
    # One byte more shows whether the stream ends where it should.
    data = read_growing(stream, end - len(head) + strict, CHUNK, head)
    return data, len(data)


def _read_head(stream: BinaryReader, strict: bool) -> tuple[bytes | bytearray, int | None]:
    # Header and directory up to the first fault, and the size of the file where it ends in them.
    check_binary(stream)
    head: bytes | bytearray = read_upto(stream, V1_HEADER_SIZE)
    if head[: len(TSR4_MAGIC)] != TSR4_MAGIC:
        return head, len(head) if len(head) < V1_HEADER_SIZE else None
    head = bytearray(head) + read_upto(stream, TSR4_HEADER_SIZE - len(head))
    try:
        mode, count = decode_container_header(head, len(head), None, strict, None, raise_error)
        end = directory_end(count)
        for first in range(0, count, _ENTRIES):
            wanted = TSR4_ENTRY_SIZE * min(_ENTRIES, count - first)
            part = read_upto(stream, wanted)
            head += part
            if len(part) < wanted:
                return head, len(head)
            infos = decode_directory(part, mode, strict, None, raise_error, first=first, end=end)
            end = infos[-1].offset + infos[-1].stored_nbytes
    except FormatError:  # which whoever asked will meet again
        return head, len(head) if len(head) < TSR4_HEADER_SIZE else None
    return head, None


def _size_left(stream: BinaryReader) -> int | None:
    # Bytes from where a file object stands to the end of its file, if a plain file is behind it.
    descriptor = plain_descriptor(stream)
    if descriptor is None:
        return None
    plain = cast("IO[bytes]", stream)
    plain.flush()
    return max(0, os.fstat(descriptor).st_size - plain.tell())
