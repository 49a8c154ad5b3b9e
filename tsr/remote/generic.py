"""Any file system of fsspec -> a range of an object, or all of it: size and version first.

Raises `FormatError` for what changed, and whatever the file system does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsr.source import changed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsr.remote.wanted import Wanted

__all__ = ["fetch", "version_in"]

# What changes with an object's contents, as file systems call it.
_VERSIONS = ("ETag", "etag", "LastModified", "mtime", "updated", "created")


def fetch(fs: Any, path: str, wanted: Wanted) -> None:
    """Ask a file system for a range."""
    fs.invalidate_cache()
    info = fs.info(path)
    if info.get("type") == "directory":
        raise IsADirectoryError(path)
    size = info.get("size")
    wanted.begin(None if size is None else int(size), version_in(info))
    end = wanted.size if wanted.stop is None else wanted.stop
    if wanted.size is not None and end is not None:
        end = min(end, wanted.size)
    if end is None or end > wanted.at:
        whole = wanted.at == 0 and wanted.stop is None
        data = fs.cat_file(path) if whole else fs.cat_file(path, start=wanted.at, end=end)
        wanted.add(data)
    # FILE-2
    if wanted.size is not None and end is not None and wanted.at < end:
        raise changed(wanted.name, wanted.at, wanted.size)
    if wanted.stop is None:
        wanted.begin(wanted.at, None)
    wanted.check()


def version_in(info: Mapping[str, Any]) -> str | None:
    """Give what changes with an object's contents, of what a file system tells about it."""
    for key in _VERSIONS:
        value = info.get(key)
        if value is not None:
            return str(value.timestamp() if hasattr(value, "timestamp") else value)
    return None
