"""A broken file -> what would mend it for certain, and a mended file where that suffices. No numpy.

Certain is what the other bytes of the file prove: what lenient reading ignores anyway, constants,
and numbers that follow from others which agree among themselves, with the size of the file and with
the checksums. No byte of a payload is changed. A file that would still be broken is not written.

Raises `FormatError` where a file is to be written that cannot be mended, and `OSError` for what
cannot be read or written.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tsr.atomic import MODE, AtomicFile, check_free, mode_of
from tsr.contents import read_all
from tsr.diagnosis.anatomy import format_of
from tsr.diagnosis.mending import Change, Editor, mend_contents, mend_head
from tsr.errors import FormatError, UnsupportedError
from tsr.remote.urls import is_url, label
from tsr.source import is_path
from tsr.streams import CHUNK, check_binary, is_stream, plain_descriptor, read_upto, stream_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsr.source import Source

__all__ = ["Repair", "changed", "free_path", "mend", "repair", "write"]


class Repair(NamedTuple):
    """What mends a file, as `tsr.repair` gives it.

    Attributes
    ----------
    changes : list of Change
        In the order of the file; none where it is valid.
    remaining : list of FormatError
        What is broken still once they are made; none where the file is valid then.
    """

    changes: list[Change]
    remaining: list[FormatError]


def repair(
    source: Source,
    destination: str | os.PathLike[str] | None = None,
    *,
    checksums: bool = False,
    overwrite: bool = False,
) -> Repair:
    """Mend what can be mended for certain.

    Bytes after the end are cut off, unless they are as many as elements of a larger type would
    have; reserved fields and padding become 0; a number that follows
    from others becomes what they say, where all of them agree: ``total_elements``, unused dims,
    ``numel``, ``nbytes``, ``payload_size``, offsets. The CRC of a header is put right where it was
    that of the header as it stood.

    Parameters
    ----------
    source : path, file object or bytes-like
    destination : path, optional
        The file to write, in one step, with the mode bits of a `source` that is a path; it is not
        written if `source` cannot be mended. By default nothing is written: what is returned says
        what would be changed.
    checksums : bool, default False
        Put right the checksums of a TSR4 file too. That takes header and elements for what they
        should be, whatever happened to them.
    overwrite : bool, default False
        Replace what exists at `destination`, `source` itself too.

    Returns
    -------
    Repair

    Raises
    ------
    FormatError
        There is a `destination`, and the file cannot be mended: the first thing that remains.
    UnsupportedError
        `destination` is no path.
    FileExistsError
        `destination` exists, and `overwrite` is false.
    OSError
        A file cannot be read or written.

    Examples
    --------
    >>> import numpy as np
    >>> import tsr
    >>> change, = tsr.repair(tsr.dumps(np.int8(7)) + b"xy").changes
    >>> change.clause, change.offset, change.before, change.after
    ('V1-PAYLOAD-2', 65, b'xy', b'')
    """
    target = None if destination is None else free_path(destination, overwrite)
    repaired, data = mend(source, checksums)
    if target is not None:
        if repaired.remaining:
            raise repaired.remaining[0]
        write(target, data, repaired.changes, source)
    return repaired


def mend(source: Source, checksums: bool) -> tuple[Repair, memoryview]:
    """Mend like `repair`, but write nothing: give the file as it is, too."""
    try:
        data, path = _read(source)
    except FormatError as error:  # no regular file
        return Repair([], [error]), memoryview(b"")
    editor = Editor(data, path)
    remaining = mend_head(editor, checksums) or mend_contents(editor, checksums)
    changes = sorted(editor.changes, key=lambda change: change.offset)
    return Repair(changes, remaining), editor.data


def free_path(destination: str | os.PathLike[str], overwrite: bool) -> str:
    """Check like `repair` that a path can be written to."""
    if not is_path(destination):
        raise UnsupportedError(
            f"destination: got {type(destination).__name__}, expected a path", given=destination
        )
    target = os.fsdecode(destination)
    if is_url(target):
        raise UnsupportedError(
            f"destination: got {label(target)}, expected a path: the mended file is a local one",
            given=target,
        )
    check_free(target, overwrite)
    return target


def write(target: str, data: memoryview, changes: list[Change], source: Source) -> None:
    """Write a file with its changes made, in one step; a new one is no more open than `source`."""
    size = len(data) + sum(len(change.after) - change.size for change in changes)
    has_mode = is_path(source) and not is_url(source)
    mode = mode_of(os.fsdecode(cast("str", source))) if has_mode else MODE
    with AtomicFile(target, size=size, mode=mode) as file:
        for piece in changed(data, changes):
            file.write(piece)


def changed(data: memoryview, changes: list[Change]) -> Iterator[memoryview | bytes]:
    """Give the bytes of a file with its changes made, piece by piece."""
    at = 0
    for change in (*changes, None):
        end = len(data) if change is None else change.offset
        for start in range(at, end, CHUNK):
            yield data[start : min(start + CHUNK, end)]
        if change is not None:
            yield change.after
            at = change.offset + change.size


def _read(source: Any) -> tuple[Any, str | None]:
    # All of a file, in memory or mapped, and what errors call it.
    if not is_path(source) and is_stream(source) and plain_descriptor(source) is None:
        check_binary(source)
        path, start = stream_name(source), read_upto(source, CHUNK)
        if format_of(start) is None:
            return start, path  # nothing mends what is of no format, be it without end
        return b"".join((start, *iter(lambda: read_upto(source, CHUNK), b""))), path
    data, _, path = read_all(source, strict=False)
    return data, path
