"""URLs -> what rows say of the objects behind them. No numpy.

An object costs one request for 64 bytes, of a TSR4 file one more for its directory. Nothing is
raised for an object, whatever it is; a package that is not there raises `MissingExtraError`.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from tsr.container import directory_end
from tsr.contents import decode_layout
from tsr.errors import FormatError, MissingExtraError, TSRError
from tsr.header import raise_error
from tsr.layout import TSR4_HEADER_SIZE, TSR4_MAGIC, V1_HEADER_SIZE
from tsr.remote import Entry, RemoteObject, basename, is_folder, join, list_objects
from tsr.remote.listing import is_pattern
from tsr.scanning.directory import claimed_count, tensor_parts
from tsr.scanning.local import FEW, Found, Tensors
from tsr.scanning.sources import is_tensor_file, no_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tsr.container import TensorInfo
    from tsr.scanning.facts import Judge

__all__ = ["RemoteFiles", "listed"]

_HIDDEN = "/."


class RemoteFiles:
    """Looks at objects; several threads may ask."""

    def __init__(self, judge: Judge, storage_options: Mapping[str, Any] | None) -> None:
        self._judge = judge
        self._options = storage_options

    def look(self, source: str | Entry) -> Found:
        """Give what there is to say of a URL, or of what a list has told of."""
        given = isinstance(source, str)
        url, size, version = Entry(source, None, None) if isinstance(source, str) else source
        if given and (is_pattern(url) or url.endswith("/")):
            return "pattern" if is_pattern(url) else "folder"
        try:
            found = RemoteObject(url, self._options, size=size, version=version)
            return self._met(found)
        except MissingExtraError:
            raise
        except (FileNotFoundError, IsADirectoryError) as error:
            if given and self._is_folder(url):
                return "folder"
            return self._judge.failed(error)
        except FormatError as error:
            return self._judge.invalid(error)
        except (OSError, TSRError) as error:
            return self._judge.failed(error)

    def _met(self, found: RemoteObject) -> Found:
        judge = self._judge
        head = found.read(0, V1_HEADER_SIZE)
        size = found.size  # None where a server does not tell it
        if head[: len(TSR4_MAGIC)] == TSR4_MAGIC:
            return self._tensors(found, size, head)
        if size is None:
            return judge.header(head, size)
        facts = judge.known.get((head, size))
        if facts is None:
            facts = judge.header(head, size)
            judge.remember((head, size), facts)
        return facts

    def _tensors(self, found: RemoteObject, size: int | None, head: bytes) -> Found:
        judge = self._judge
        count = claimed_count(head)
        if count > FEW and (size is None or size >= directory_end(count)):
            return Tensors(partial(_parts, found, size, head, judge.strict))
        # Where it claims more than there is, the header is read, which is judged first.
        end = directory_end(count) if count <= FEW else TSR4_HEADER_SIZE
        data = head + found.read(len(head), end)
        try:
            layout = decode_layout(data, size, judge.strict, None, raise_error)
        except FormatError as error:
            return judge.invalid(error, head)
        return tuple(map(judge.tensor, layout.infos))

    def _is_folder(self, url: str) -> bool:
        try:
            return is_folder(url, self._options)
        except (OSError, TSRError):
            return False


def _parts(
    found: RemoteObject, size: int | None, head: bytes, strict: bool
) -> Iterator[list[TensorInfo]]:
    # One request for all of the directory; it is no longer than the object.
    data = head + found.read(len(head), directory_end(claimed_count(head)))
    return tensor_parts(lambda start, stop: data[start:stop], size, strict)


def listed(
    url: str, is_folder: bool, storage_options: Mapping[str, Any] | None
) -> Iterator[Entry | OSError | TSRError]:
    """Give what is in a folder, or matches a pattern; or what goes wrong."""
    found = False
    is_shown = _is_file_below if is_folder else _is_match
    try:
        # With / at its end a folder is one, and nobody has to be asked whether it is.
        place = join(url, "") if is_folder and not url.endswith("/") else url
        for entry in list_objects(place, storage_options):
            if is_shown(entry.url, url):
                found = True
                yield entry
        if not found:
            yield (
                no_file(url) if is_folder else FileNotFoundError(2, "Nothing matches this pattern")
            )
    except MissingExtraError:
        raise
    except (OSError, TSRError) as error:
        yield error


def _is_file_below(url: str, folder: str) -> bool:
    # Neither the file nor a folder on the way to it is hidden.
    below = url.partition("::")[0].removeprefix(folder.partition("::")[0].rstrip("/"))
    return is_tensor_file(basename(url)) and _HIDDEN not in below


def _is_match(url: str, pattern: str) -> bool:
    # As in a shell, a wildcard stands for nothing hidden.
    pattern = pattern.partition("::")[0]
    fixed = re.split(r"[*?[]", pattern, maxsplit=1)[0].rpartition("/")[0]
    below = url.partition("::")[0].removeprefix(fixed)
    return _HIDDEN not in below or _HIDDEN in pattern.removeprefix(fixed)
