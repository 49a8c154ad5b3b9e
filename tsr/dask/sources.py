"""A folder, a pattern or paths -> the files they stand for, in the order of the array. No dask.

Raises `FileNotFoundError` where nothing is found and `UnsupportedError` for what is no path.
"""

from __future__ import annotations

import errno
import os
import zlib
from glob import glob
from typing import TYPE_CHECKING, Any

from tsr.converters.names import SUFFIX, natural_order
from tsr.converters.walk import walk
from tsr.errors import UnsupportedError
from tsr.source import is_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["find_files", "is_url", "pack", "unpack"]


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
            found += _sorted(_expand(name, storage_options)) if _is_pattern(name) else [name]
    if not found:
        where = os.fsdecode(sources) if is_path(sources) else None
        raise FileNotFoundError(errno.ENOENT, "No .tsr file here", where)
    return found


def is_url(path: str) -> bool:
    """Tell the URL of a remote file from a path; ``file://`` is neither here nor there."""
    if "://" not in path:
        return False
    from tsr import remote

    return remote.is_url(path) and remote.local_path(path) is None


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


def _is_pattern(name: str) -> bool:
    return any(character in name for character in "*?[")


def _expand(name: str, storage_options: Mapping[str, Any] | None) -> list[str]:
    if is_url(name):
        return _expand_url(name, storage_options)
    if "://" in name:
        from tsr import remote

        name = remote.local_path(name) or name
    if os.path.isdir(name):
        return list(_files_in(name))
    if _is_pattern(name) and not os.path.lexists(name):
        return glob(name, recursive=True)
    return [name]


def _files_in(path: str) -> Iterator[str]:
    for folder, folders, files in walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(SUFFIX) and not name.startswith("."):
                yield os.path.join(folder, name)


def _expand_url(url: str, storage_options: Mapping[str, Any] | None) -> list[str]:
    from tsr import remote

    if not _is_pattern(url) and not remote.is_folder(url, storage_options):
        return [url]
    every = [entry.url for entry in remote.list_objects(url, storage_options)]
    if _is_pattern(url):
        return every
    return [entry for entry in every if entry.lower().endswith(SUFFIX)]
