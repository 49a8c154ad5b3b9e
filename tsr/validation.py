"""A path, URL, file object or buffer -> every rule of the formats that it breaks. No numpy."""

from __future__ import annotations

from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

from tsr.contents import Contents, decode_layout, read_all
from tsr.errors import FormatError
from tsr.layout import TSR4_MAGIC, TSR4_ZLIB, V1_HEADER_SIZE
from tsr.source import behind_url
from tsr.threads import in_order, thread_count

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tsr.contents import Layout
    from tsr.remote.object import RemoteObject
    from tsr.source import Source

__all__ = ["FINDINGS_MAX", "check", "check_layout", "check_source", "fault_in", "validate"]

# A small file can break a rule in each of millions of entries.
FINDINGS_MAX = 10_000

# What a URL leads to is read in one piece up to so many bytes.
_WHOLE_MAX = 1 << 26

# Below so many bytes to inflate a thread costs more than it gains.
_PARALLEL_BYTES = 1 << 22


def validate(
    source: Source, *, strict: bool = True, storage_options: Mapping[str, Any] | None = None
) -> list[FormatError]:
    """Check a file of either format against every rule and list all that it breaks.

    The payload of a TSR v1 file holds no rule, for every bit pattern is a value: its bytes are
    not read. Those of a TSR4 file are, for their checksums.

    Parameters
    ----------
    source : path, URL, file object or bytes-like
        A file object is read from where it stands to its end; of one whose size is not known,
        a TSR4 file whose header or directory is broken is read only so far. What a URL leads to
        is read in one piece if it is small, and else payload by payload.
    strict : bool, default True
        False leaves out set reserved fields, bytes after the payload, and padding that is not 0.
    storage_options : mapping, optional
        For a URL: what fsspec's file system for it is made with.

    Returns
    -------
    list of FormatError
        In the order of the specification, at most 10,000; empty for a valid file. The first is
        what reading raises. A wrong magic stands alone: what follows it is no header of this
        format. Payloads are checked where header and directory break nothing.

    Raises
    ------
    OSError
        The file cannot be opened.
    """
    return check_source(source, strict, storage_options=storage_options)


def check_source(
    source: Source,
    strict: bool,
    advance: Callable[[int], None] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> list[FormatError]:
    """Do what `validate` does, and tell `advance` how many bytes of payloads were just checked.

    It is called by several threads.
    """
    try:
        source, remote = behind_url(source, storage_options)
        if remote is not None:
            return _check_remote(remote, strict, advance)
        data, size, path = read_all(source, strict, v1_payload=False)
    except FormatError as error:  # no regular file, or one that changes
        return [error]
    return check(data, size, path, strict, advance)


def _check_remote(
    remote: RemoteObject, strict: bool, advance: Callable[[int], None] | None
) -> list[FormatError]:
    # What a URL leads to: payload by payload where it is large.
    from tsr.remote.contents import RemoteContents, read_head, read_rest

    head = remote.fetch(0, V1_HEADER_SIZE)
    size = remote.size
    if size is None or size <= _WHOLE_MAX or head[: len(TSR4_MAGIC)] != TSR4_MAGIC:
        data = read_rest(remote, head)
        return check(data, remote.size or len(data), remote.label, strict, advance)
    head = read_head(remote, head)
    layout, findings = check_layout(head, size, remote.label, strict=strict)
    if layout is None:
        return findings
    return _check_payloads(RemoteContents(remote, head, strict, layout), advance)


def check(
    data: Any,
    size: int | None,
    path: str | None,
    strict: bool,
    advance: Callable[[int], None] | None = None,
) -> list[FormatError]:
    """Check like `check_source` what `tsr.contents.read_all` has read."""
    layout, findings = check_layout(data, size, path, strict=strict)
    if layout is None or layout.mode is None:
        return findings
    return _check_payloads(Contents(data, path, strict, layout), advance)


def _check_payloads(contents: Contents, advance: Callable[[int], None] | None) -> list[FormatError]:
    layout = contents.layout
    compressed = layout.mode == TSR4_ZLIB
    stop = Event()

    def step(count: int) -> None:
        if stop.is_set():
            raise _StoppedError
        if advance is not None and not compressed:
            advance(count)

    def faults(index: int) -> list[FormatError]:
        part = contents.loaded(index) if index >= 0 else contents
        found = [fault_in(part.check_padding, index)]
        if index >= 0:
            found.insert(0, fault_in(partial(part.check_payload, advance=step), index))
            if advance is not None and compressed:
                advance(layout.infos[index].stored_nbytes)
        return [error for error in found if error is not None]

    indexes = range(-1, len(layout.infos))  # padding comes first
    workers = 1
    # Checksums of what is mapped wait for the pages, which threads do not hasten.
    if (
        contents.whole
        and compressed
        and sum(info.nbytes for info in layout.infos) >= _PARALLEL_BYTES
    ):
        workers = thread_count(len(layout.infos))
    found: list[FormatError] = []
    try:
        for errors in in_order(faults, indexes, workers, stop):
            found += errors
            if len(found) >= FINDINGS_MAX:
                break
    except FormatError as error:  # it changes, and the rest is that of another file
        found.append(error)
    return found[:FINDINGS_MAX]


def check_layout(
    data: Any, size: int | None, path: str | None, *, strict: bool
) -> tuple[Layout | None, list[FormatError]]:
    """Check header and directory; the layout is None where they break a rule."""
    findings: list[FormatError] = []

    def report(error: FormatError) -> None:
        findings.append(error)
        if len(findings) == FINDINGS_MAX:
            raise _EnoughError

    try:
        layout = decode_layout(data, size, strict, path, report)
    except _EnoughError:
        return None, findings
    return None if findings else layout, findings


class _EnoughError(Exception):
    pass


class _StoppedError(Exception):
    # Nobody waits for the result any more.
    pass


def fault_in(check: Callable[[int], None], index: int) -> FormatError | None:
    """Give the error that a check of `Contents` raises for a tensor."""
    try:
        check(index)
    except FormatError as error:
        return error.with_traceback(None)  # which would hold on to what was inflated
    return None
