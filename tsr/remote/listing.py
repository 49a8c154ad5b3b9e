"""A URL of a folder, a pattern or an object -> the objects that it stands for.

Raises `OSError` for what is not there or cannot be listed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from tsr.errors import UnsupportedError
from tsr.remote.failures import translated
from tsr.remote.generic import version_in
from tsr.remote.object import RemoteObject
from tsr.remote.storage import filesystem
from tsr.remote.urls import label, links, scheme_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Entry", "exists", "is_folder", "is_pattern", "list_objects"]

_HTTP = ("http", "https")


class Entry(NamedTuple):
    """An object in storage, as a list tells of it.

    Attributes
    ----------
    url : str
    size : int or None
        Its size in bytes, where the list tells it.
    version : str or None
        What changes with its contents, likewise: what `RemoteObject` takes.
    """

    url: str
    size: int | None
    version: str | None


def list_objects(url: str, storage_options: Mapping[str, Any] | None = None) -> Iterator[Entry]:
    """List the objects in a folder and the folders below it, those of a pattern, or the one.

    In a pattern ``*``, ``?`` and ``[...]`` stand for parts of a name and ``**`` for any number
    of folders; where nothing matches, it may be the name of an object as it stands. An HTTP
    server is asked for lists only, which are the links of a page: a URL of one file is listed
    as it is, be the file there or not, and ``?`` begins what a server is told.

    A list of S3 comes page by page, in the order of names, and needs no more memory than a page;
    other lists are there as a whole before they are sorted.

    Raises
    ------
    FileNotFoundError
        There is no such object or folder. A pattern that nothing matches lists nothing.
    UnsupportedError
        The pattern is none.
    OSError
        It cannot be listed.
    """
    fs, path = filesystem(url, storage_options)
    pattern = is_pattern(url)
    if pattern:
        _expression(url, path)
    if scheme_of(url) in _HTTP and not pattern and not is_folder(url):
        yield Entry(url, None, None)
    elif hasattr(fs, "_call_s3"):
        yield from _list_s3(fs, url, pattern)
    else:
        with translated(url):
            found = _find(fs, path, pattern)
        for name in sorted(found):
            told = found[name]
            if told["type"] != "directory":
                yield Entry(_url_of(url, path, name), told.get("size"), version_in(told))


def is_pattern(url: str) -> bool:
    """Tell whether a URL's name has wildcards."""
    head = links(url)[0]
    if scheme_of(head) in _HTTP:
        return any(each in head.partition("://")[2].partition("/")[2].partition("?")[0]
                   for each in "*[")  # fmt: skip
    return any(each in head for each in "*?[")


def is_folder(url: str, storage_options: Mapping[str, Any] | None = None) -> bool:
    """Tell whether a URL leads to a folder; of HTTP that is one that ends in a slash.

    Raises
    ------
    OSError
        Storage does not tell. What is not there is no folder.
    """
    if scheme_of(url) in _HTTP:
        return re.split("[?#]", url, maxsplit=1)[0].endswith("/")
    told = _told(url, storage_options)
    return told is not None and told.get("type") == "directory"


def exists(url: str, storage_options: Mapping[str, Any] | None = None) -> bool:
    """Tell whether a URL leads to an object or a folder.

    Raises
    ------
    OSError
        Storage does not tell.
    """
    if scheme_of(url) in _HTTP:
        try:
            RemoteObject(url, storage_options).read(0, 1)
        except FileNotFoundError:
            return False
        return True
    return _told(url, storage_options) is not None


def _told(url: str, storage_options: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    # What storage tells of an object or folder; None where there is none.
    try:
        fs, path = filesystem(url, storage_options)
        with translated(url):
            fs.invalidate_cache()
            told: Mapping[str, Any] = fs.info(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return told


def _find(fs: Any, path: str, pattern: bool) -> Mapping[str, Any]:
    fs.invalidate_cache()
    if pattern:
        found: Mapping[str, Any] = fs.glob(path, detail=True)
        if found:
            return found
        try:
            return {path: fs.info(path)}
        except FileNotFoundError:
            return {}
    info = fs.info(path)
    if info["type"] == "directory" or path.endswith("/"):
        listed: Mapping[str, Any] = fs.find(path, detail=True)
        return listed
    return {path: info}


def _list_s3(fs: Any, url: str, pattern: bool) -> Iterator[Entry]:
    bucket, key, _ = fs.split_path(url)
    scheme = url.partition("://")[0]
    if not pattern and key and not key.endswith("/"):
        with translated(url):
            info = fs.info(url, refresh=True)
        if info["type"] != "directory":
            yield Entry(url, info.get("size"), info.get("ETag"))
            return
    start, matches, flat = key.rstrip("/") + "/" if key else "", None, False
    if pattern:
        start = re.split(r"[*?\[]", key, maxsplit=1)[0]
        matches = re.compile(_expression(url, key)).match
        flat = "/" not in key[len(start) :] and "**" not in key
    empty = True
    for told in _pages(fs, url, bucket, start, flat):
        name = told["Key"]
        if name.endswith("/") or (matches is not None and not matches(name)):
            continue  # the place of a folder that is empty
        empty = False
        yield Entry(f"{scheme}://{bucket}/{name}", told.get("Size"), told.get("ETag"))
    if empty and pattern:
        with translated(url):
            try:
                info = fs.info(url, refresh=True)
            except FileNotFoundError:
                return
        if info["type"] != "directory":
            yield Entry(url, info.get("size"), info.get("ETag"))


def _expression(url: str, pattern: str) -> str:
    # The regular expression of a pattern.
    from fsspec.utils import glob_translate

    try:
        expression: str = glob_translate(pattern)
        re.compile(expression)
    except (ValueError, re.error) as error:
        raise UnsupportedError(f"{label(url)}: {error}", given=pattern) from None
    return expression


def _pages(fs: Any, url: str, bucket: str, start: str, flat: bool) -> Iterator[Any]:
    # What S3 tells of the objects whose keys begin so; of those in folders below, if not `flat`.
    options = {"Bucket": bucket, "Prefix": start, "Delimiter": "/" if flat else ""}
    while True:
        with translated(url):
            page = fs.call_s3("list_objects_v2", **options)
        yield from page.get("Contents", [])
        if not page.get("IsTruncated"):
            return
        options["ContinuationToken"] = page["NextContinuationToken"]


def _url_of(url: str, path: str, name: str) -> str:
    # The whole URL of what the file system calls `name`, where it calls that of the list `path`.
    head, *rest = links(url)
    trimmed = head.rstrip("/")
    if "://" not in name:
        start = trimmed.removesuffix(path) if path else head
        name = start + name if start != trimmed else f"{scheme_of(head)}://{name}"
    return "::".join([name, *rest])
