"""The object behind a URL: its size and version, and any range of its bytes.

Raises `OSError` for what cannot be read and `FormatError` for an object that changes between
two reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsr.errors import FormatError
from tsr.remote.filesystem import filesystem, translated
from tsr.remote.urls import label
from tsr.source import changed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RemoteObject", "version_in"]


class RemoteObject:
    """An object in storage, of which every read sees the same version.

    Parameters
    ----------
    url : str
    storage_options : mapping, optional
        What fsspec's file system is made with.
    size : int, optional
        Its size in bytes, if a list has told it.
    version : str, optional
        What changes with its contents, if a list has told it.

    Attributes
    ----------
    url, size, version
        As given; size and version are None until they are known.
    label : str
        What errors call it.
    """

    __slots__ = ("_options", "label", "size", "url", "version")

    def __init__(
        self,
        url: str,
        storage_options: Mapping[str, Any] | None = None,
        *,
        size: int | None = None,
        version: str | None = None,
    ) -> None:
        self.url = url
        self.label = label(url)
        self.size = size
        self.version = version
        self._options = storage_options

    def read(self, start: int, stop: int) -> bytes:
        """Read the bytes from `start` to `stop`; fewer only where the object ends.

        Raises
        ------
        FormatError
            The object is another than the one that was read before.
        OSError
            It cannot be read.
        """
        fs, path = filesystem(self.url, self._options)
        with translated(self.url):
            size = self._look(fs, path)
            stop = min(stop, size)
            if start >= stop:
                return b""
            data = bytes(fs.cat_file(path, start=start, end=stop))
        # FILE-2
        if len(data) != stop - start:
            raise changed(self.label, start + len(data), size)
        return data

    def read_all(self) -> bytes | bytearray:
        """Read all of the object."""
        fs, path = filesystem(self.url, self._options)
        with translated(self.url):
            size = self._look(fs, path)
            data = bytes(fs.cat_file(path))
        # FILE-2
        if len(data) != size:
            raise changed(self.label, len(data), size)
        return data

    def _look(self, fs: Any, path: str) -> int:
        # Size and version, and whether they are still those of the first look.
        fs.invalidate_cache()
        info = fs.info(path)
        if info.get("type") == "directory":
            raise IsADirectoryError(path)
        size, version = info.get("size"), version_in(info)
        size = len(fs.cat_file(path)) if size is None else int(size)
        # FILE-2
        if self.size is not None and self.size != size:
            raise changed(self.label, size, self.size)
        if self.version is not None and self.version != version:
            raise FormatError(
                "file", 0, found=f"version {version}", expected=f"version {self.version}",
                clause="FILE-2", path=self.label, note="it changed while it was read",
            )  # fmt: skip
        self.size, self.version = size, version
        return size


def version_in(info: Mapping[str, Any]) -> str | None:
    """Give what changes with an object's contents, of what a file system tells about it."""
    for key in ("ETag", "etag", "LastModified", "mtime", "updated", "created"):
        value = info.get(key)
        if value is not None:
            return str(value.timestamp() if hasattr(value, "timestamp") else value)
    return None
