"""A URL of a folder, a pattern or an object -> the objects that it stands for.

Raises `OSError` for what is not there or cannot be listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tsr.remote.failures import translated
from tsr.remote.filesystem import filesystem
from tsr.remote.generic import version_in
from tsr.remote.urls import links, scheme_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Entry", "exists", "is_folder", "list_objects"]


class Entry(NamedTuple):
    """An object in storage, as a list tells of it.

    Attributes
    ----------
    url : str
    size : int or None
        Its size in bytes.
    version : str or None
        What changes with its contents.
    """

    url: str
    size: int | None
    version: str | None


def list_objects(url: str, storage_options: Mapping[str, Any] | None = None) -> Iterator[Entry]:
    """List the objects in a folder and the folders below it, those of a pattern, or the one.

    In a pattern ``*``, ``?`` and ``[...]`` stand for parts of a name and ``**`` for any number
    of folders.

    Raises
    ------
    FileNotFoundError
        There is no such object or folder. A pattern that nothing matches lists nothing.
    OSError
        It cannot be listed.
    """
    fs, path = filesystem(url, storage_options)
    with translated(url):
        fs.invalidate_cache()
        if is_pattern(url):
            found = fs.glob(path, detail=True)
            if not found and fs.exists(path):  # a name with such a character in it
                found = {path: fs.info(path)}
        else:
            info = fs.info(path)
            found = fs.find(path, detail=True) if info["type"] == "directory" else {path: info}
    for name in sorted(found):
        if found[name]["type"] != "directory":
            yield Entry(_url_of(url, path, name), found[name].get("size"), version_in(found[name]))


def is_pattern(url: str) -> bool:
    """Tell whether a URL's name has wildcards."""
    head = links(url)[0]
    if scheme_of(head) in ("http", "https"):
        return any(character in head.partition("?")[0] for character in "*[")
    return any(character in head for character in "*?[")


def is_folder(url: str, storage_options: Mapping[str, Any] | None = None) -> bool:
    """Tell whether a URL leads to a folder."""
    fs, path = filesystem(url, storage_options)
    with translated(url):
        fs.invalidate_cache()
        return bool(fs.isdir(path))


def exists(url: str, storage_options: Mapping[str, Any] | None = None) -> bool:
    """Tell whether a URL leads to an object or a folder."""
    fs, path = filesystem(url, storage_options)
    with translated(url):
        fs.invalidate_cache()
        return bool(fs.exists(path))


def _url_of(url: str, path: str, name: str) -> str:
    # The whole URL of what the file system calls `name`, where it calls that of the list `path`.
    head, *rest = links(url)
    trimmed = head.rstrip("/")
    if "://" not in name:
        start = trimmed.removesuffix(path) if path else head
        name = start + name if start != trimmed else f"{scheme_of(head)}://{name}"
    return "::".join([name, *rest])
