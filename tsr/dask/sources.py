"""A folder, a pattern or paths -> the files they stand for, in the order of the array. No dask.

Raises `FileNotFoundError` where nothing is found and `UnsupportedError` for what is no path.
"""

from __future__ import annotations

import errno
import os
import zlib
from typing import TYPE_CHECKING, Any, TypeVar

from tsr.converters.names import natural_order
from tsr.errors import TSRError, UnsupportedError
from tsr.remote import urls
from tsr.remote.urls import local_path
from tsr.scanning.sources import is_pattern, matches, walked
from tsr.source import is_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["find_files", "is_url", "pack", "unpack"]

_Found = TypeVar("_Found")


def find_files(sources: Any, storage_options: Mapping[str, Any] | None = None) -> list[str]:
    """List files: those of a folder or pattern in the natural order of names, others as given.

    Parameters
    ----------
    sources : path or iterable of paths
        A folder is searched to its depths for ``.tsr`` files that are not hidden. A pattern has
        ``*``, ``?``, ``[...]`` or ``**``, unless a file has just this name.
    storage_options : mapping, optional
        For URLs: what their file system is made with.
    """
    if is_path(sources):
        name = os.fsdecode(sources)
        found = _sorted(_expand(name, storage_options))
    else:
        found = []
        for source in _iterate(sources):
            if not is_path(source):
                raise UnsupportedError(
                    f"sources: got {type(source).__name__}, expected paths", given=type(source)
                )
            name = os.fsdecode(source)
            many = any(each in name for each in "*?[")
            found += _sorted(_expand(name, storage_options)) if many else [name]
    if not found:
        raise FileNotFoundError(errno.ENOENT, "No files are given")
    return found


def is_url(path: str) -> bool:
    """Tell the URL of a remote file from a path; ``file://`` is neither here nor there."""
    return urls.is_url(path) and local_path(path) is None


def pack(paths: list[str]) -> bytes:
    """Press paths for a task: those of a folder have most of their letters in common."""
    return zlib.compress("\0".join(paths).encode("utf-8", "surrogateescape"), 1)


def unpack(packed: bytes) -> list[str]:
    """Give the paths that were packed."""
    return zlib.decompress(packed).decode("utf-8", "surrogateescape").split("\0")


def _sorted(paths: list[str]) -> list[str]:
    return sorted(paths, key=lambda path: (natural_order(path), path))


def _iterate(sources: Any) -> Iterable[Any]:
    try:
        items: Iterable[Any] = iter(sources)
    except TypeError:
        raise UnsupportedError(
            f"sources: got {type(sources).__name__}, expected paths", given=type(sources)
        ) from None
    return items


def _expand(name: str, storage_options: Mapping[str, Any] | None) -> list[str]:
    if is_url(name):
        return _expand_url(name, storage_options)
    name = local_path(name) or name
    if os.path.isdir(name):
        return _raising(walked(name))
    return matches(name) if is_pattern(name) else [name]


def _expand_url(url: str, storage_options: Mapping[str, Any] | None) -> list[str]:
    from tsr.remote import is_folder
    from tsr.remote.listing import is_pattern
    from tsr.scanning.remote import listed

    pattern = is_pattern(url)
    if not pattern and not is_folder(url, storage_options):
        return [url]
    return [entry.url for entry in _raising(listed(url, not pattern, storage_options))]


def _raising(found: Iterable[_Found | OSError | TSRError]) -> list[_Found]:
    listing = []
    for each in found:
        if isinstance(each, (OSError, TSRError)):
            raise each
        listing.append(each)
    return listing
