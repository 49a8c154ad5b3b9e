"""A path, file object or buffer -> what is in the file, and what is wrong with it. No numpy.

Any file will do: of either format, broken, cut, empty, or none of these formats at all. Raises
`OSError` for what cannot be opened, and `UnsupportedError` for what is no source of bytes.
"""

from __future__ import annotations

import re
import zlib
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from tsr.contents import read_all
from tsr.diagnosis.anatomy import dissect, entries_of, format_of
from tsr.diagnosis.faults import Fault, fault_of
from tsr.diagnosis.fields import field_of
from tsr.diagnosis.resemblance import LOOKED_AT, Resemblance, resemblance
from tsr.dtypes import TSR4_BY_CODE, V1_BY_CODE
from tsr.errors import FormatError
from tsr.layout import TSR4_MAGIC, TSR4_ZLIB, V1_HEADER_SIZE
from tsr.source import behind_url, is_path
from tsr.streams import check_binary, is_stream, plain_descriptor, stream_name
from tsr.validation import check

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from tsr.diagnosis.anatomy import Part
    from tsr.dtypes import ElementType
    from tsr.remote.object import RemoteObject
    from tsr.source import Source
    from tsr.streams import BinaryReader

__all__ = ["Explanation", "explain"]

# What is kept of a stream: so many of its first bytes, and of its last.
_HEAD = 1 << 20
_TAIL = 1 << 10

# What is looked at of a compressed payload, for its first elements.
_STREAM = 1 << 12

_INDEXED = re.compile(r"(?:entries|payload)\[(\d+)\]")


def explain(
    source: Source, *, strict: bool = True, storage_options: Mapping[str, Any] | None = None
) -> Explanation:
    r"""Tell what is in a file, and what is wrong with it.

    No more is read than `validate` reads; of a stream of unknown length 1 MiB, where it is broken
    before that. What a TSR4 file behind a URL holds is read whole, and of any other its beginning
    and its end.

    Parameters
    ----------
    source : path, URL, file object or bytes-like
        A file object is read from where it stands.
    strict : bool, default True
        False finds nothing wrong with set reserved fields, bytes after the payload, and padding
        that is not 0.
    storage_options : mapping, optional
        For a URL: what fsspec's file system for it is made with.

    Returns
    -------
    Explanation

    Raises
    ------
    OSError
        The file cannot be opened.

    Examples
    --------
    >>> import tsr
    >>> explanation = tsr.explain(b"TSR!" + bytes(60))
    >>> explanation.format
    'TSR v1'
    >>> fault = explanation.faults()[0]
    >>> fault.clause.id, fault.clause.sentence
    ('V1-VERSION-1', 'version MUST be 1.')
    >>> fault.before, fault.after
    (b'\x00\x00\x00\x00', b'\x01\x00\x00\x00')
    """
    recorder = None
    if not is_path(source) and is_stream(source):
        check_binary(source)
        if plain_descriptor(source) is None:
            source = recorder = _Recorder(source)
    try:
        source, remote = behind_url(source, storage_options)
        if remote is not None:
            return _explain_remote(remote, strict)
        data, size, path = read_all(source, strict, v1_payload=False)
    except FormatError as error:  # no regular file, or one that changes
        return Explanation(b"", 0, None, error.path, [error])
    findings = check(data, size, path, strict)
    if recorder is None:
        return Explanation(data, len(data), len(data), path, findings)
    recorder.fill()
    known = recorder.count
    return Explanation(
        data if len(data) > len(recorder.head) else bytes(recorder.head),
        known, known if recorder.ended else size, path, findings, bytes(recorder.tail),
    )  # fmt: skip


def _explain_remote(remote: RemoteObject, strict: bool) -> Explanation:
    # Of a large file only the beginning and the end are read, unless it has checksums.
    head = remote.read(0, _HEAD)
    size = remote.size
    if head[: len(TSR4_MAGIC)] == TSR4_MAGIC or size is None or size <= len(head):
        data = remote.read_all()
        size, path = len(data), remote.label
        return Explanation(data, size, size, path, check(data, size, path, strict))
    tail = remote.read(max(len(head), size - _TAIL), size)
    findings = check(head[:V1_HEADER_SIZE], size, remote.label, strict)
    return Explanation(head, size, size, remote.label, findings, tail)


class Explanation:
    """What is in a file, and what is wrong with it.

    `tsr.explain` makes it; what its constructor takes is no part of the public interface.

    Attributes
    ----------
    path : str or None
    format : str or None
        ``"TSR v1"``, ``"TSR4"``, or None for what is no TSR file.
    size : int or None
        The bytes in the file; None where they are not known: of a stream that was not read to
        its end, and of what is no regular file.
    findings : list of FormatError
        What `validate` gives.
    resemblance : Resemblance or None
        What a file that is no TSR file looks like.
    """

    def __init__(
        self, data: Any, known: int, size: int | None, path: str | None,
        findings: list[FormatError], tail: bytes = b"",
    ) -> None:  # fmt: skip
        self.path = path
        self.size = size
        self.findings = findings
        self.format = format_of(data)
        self.resemblance: Resemblance | None = None
        if self.format is None and (size is not None or known):
            self.resemblance = resemblance(bytes(data[:LOOKED_AT]), path)
        self._data = data
        self._known = known
        self._tail = tail

    def __repr__(self) -> str:
        return (
            f"Explanation(path={self.path!r}, format={self.format!r}, size={self.size}, "
            f"findings={len(self.findings)})"
        )

    def parts(self, chosen: Container[int] | None = None) -> Iterator[Part]:
        """Give the parts of the file in order, which cover all that was read of it.

        Parameters
        ----------
        chosen : container of int, optional
            The indices of the tensors of a TSR4 file that are wanted; the others are left out, in
            parts that say so. By default there are parts for each, of which a file can have
            millions: they are made one by one.
        """
        return dissect(self._data, self._known, chosen)

    def faults(self, limit: int | None = None) -> list[Fault]:
        """Give what there is to say of each finding, or of so many of the first."""
        return [fault_of(finding, self._known, self.read) for finding in self.findings[:limit]]

    @property
    def tensors(self) -> int:
        """The tensors whose entries are there to be read; of a TSR v1 file 1."""
        return (
            entries_of(self._data, self._known) if self.format == "TSR4" else int(bool(self.format))
        )

    def index_of(self, finding: FormatError) -> int | None:
        """Give the index of the tensor of a TSR4 file that a finding is about; of none, None."""
        found = _INDEXED.match(finding.field)
        if found is not None:
            return int(found[1])
        if finding.field != "padding":
            return None
        # The one behind the padding. Payloads lie in order, where padding is looked at.
        indexes = range(self.tensors)
        return bisect_left(indexes, finding.offset, key=self._start_of)

    def _start_of(self, index: int) -> int:
        return self._number(f"entries[{index}].data_offset")

    def read(self, start: int, stop: int) -> bytes:
        """Give the bytes from one offset to another, as far as they are there.

        In the middle of a long stream, which was read but not kept, there are none.
        """
        if start < len(self._data):
            return bytes(self._data[start : min(stop, self._known)])
        first = self._known - len(self._tail)
        return self._tail[start - first : max(stop - first, 0)] if start >= first else b""

    def element_of(self, part: Part) -> ElementType | None:
        """Give the type of the elements that a part holds, as they are or in a stream."""
        if part.field == "payload":
            return V1_BY_CODE.get(self._number("dtype"))
        index = part.field.removeprefix("payload[").removesuffix("]")
        if not index.isdecimal() or part.offset != self._number(f"entries[{index}].data_offset"):
            return None  # no payload, or one whose beginning belongs to another
        return TSR4_BY_CODE.get(self._number(f"entries[{index}].dtype"))

    def inflated(self, part: Part, count: int) -> bytes | None:
        """Give so many of the first bytes of the elements in a stream; None for what is none."""
        if self.format != "TSR4" or self._number("file_mode") != TSR4_ZLIB:
            return None
        stream = self.read(part.offset, part.offset + min(part.size, _STREAM))
        try:
            return zlib.decompressobj().decompress(stream, count)
        except zlib.error:
            return b""

    def _number(self, name: str) -> int:
        field = field_of(str(self.format), name)
        if field is None:
            return -1
        return int.from_bytes(self.read(field.offset, field.offset + field.size), "little")


class _Recorder:
    """A stream that keeps what is read of it: the beginning, the end, and how much it was."""

    def __init__(self, stream: BinaryReader) -> None:
        self._stream = stream
        self.name = stream_name(stream)
        self.head = bytearray()
        self.tail = bytearray()
        self.count = 0
        self.ended = False

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        if data:
            self.count += len(data)
            self.head += data[: _HEAD - len(self.head)]
            self.tail = (self.tail + data[-_TAIL:])[-_TAIL:]
        elif data is not None and size:
            self.ended = True
        return data

    def fill(self) -> None:
        """Read on until the head is full, or nothing more comes."""
        while len(self.head) < _HEAD and not self.ended and self.read(_HEAD - len(self.head)):
            pass
