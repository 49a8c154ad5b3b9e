"""The object behind a URL: its size and version, and any range of its bytes.

Raises `OSError` for what cannot be read and `FormatError` for an object that changes between
two reads.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from tsr.remote import generic, http, s3
from tsr.remote.failures import PassingError, translated
from tsr.remote.storage import filesystem, on_loop
from tsr.remote.urls import label, links, scheme_of
from tsr.remote.wanted import ChangedError, Wanted, version_changed
from tsr.source import changed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsr.remote.wanted import Check

__all__ = ["RemoteObject"]

# How many seconds to wait before what failed is tried again.
_WAITS = (0.1, 0.5)


class RemoteObject:
    """An object in storage, of which every read sees the same version.

    S3 and HTTP tell size and version with the first read, and are told to give that version
    only: by its ETag, else by its time, in which changes of one second look the same. Other file
    systems are asked for both before each read. Threads can share an object.

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

    __slots__ = ("_archive", "_options", "label", "size", "url", "version")

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
        self._archive: tuple[int, Any, str] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.url, self._options, self.size, self.version)

    def read(self, start: int, stop: int) -> bytes:
        """Read the bytes from `start` to `stop`, in one request; fewer where the object ends.

        Raises
        ------
        FormatError
            The object is another than the one that was read before.
        OSError
            It cannot be read.
        """
        return bytes(self.fetch(start, stop))

    def read_all(self, check: Check | None = None) -> bytearray:
        """Read all of the object, in one request.

        `check` is called with its first 128 bytes, or all if there are no more, and its size if
        that is known, before the rest is read; what it raises ends the reading. If it gives
        memory, what follows the first 64 bytes goes there, as far as there is room, in place of
        what is returned; all is returned where it had to be asked for anew.
        """
        return self.fetch(0, None, check)

    def fetch(self, start: int, stop: int | None, check: Check | None = None) -> bytearray:
        """Do what `read` does, or `read_all` where `stop` is None, into memory to write to."""
        if self.size is not None and stop is not None:
            stop = min(stop, self.size)
        if stop is not None and stop <= start:
            return bytearray()
        wanted = self._wanted(start, stop, check)
        for wait in (*_WAITS, None):
            failure = self._try(wanted)
            if failure is None:
                break
            if wait is None:
                raise failure
            time.sleep(wait)
            wanted.retry(pinned=wanted.version is not None and wanted.version.startswith('"'))
        self.size = wanted.size if self.size is None else self.size
        self.version = wanted.version if self.version is None else self.version
        end = wanted.size if stop is None else stop
        # FILE-2
        if wanted.size is not None and end is not None and wanted.at < min(end, wanted.size):
            raise changed(self.label, wanted.at, wanted.size)
        return wanted.data

    def _wanted(self, start: int, stop: int | None, check: Check | None = None) -> Wanted:
        return Wanted(self.label, start, stop, size=self.size, version=self.version, check=check)

    def _try(self, wanted: Wanted) -> OSError | None:
        # Make a request, and give the error if it may be gone at the next try.
        try:
            self._request(wanted)
        except PassingError as failure:
            return failure.error
        return None

    def _request(self, wanted: Wanted) -> None:
        with translated(self.url):
            try:
                self._ask(wanted)
                return
            except ChangedError:
                pass
            now = Wanted(self.label, 0, 1)
            self._ask(now)
            # FILE-2
            if now.size is not None and wanted.size is not None and now.size != wanted.size:
                raise changed(self.label, now.size, wanted.size)
            raise version_changed(self.label, now.version, wanted.version or "before")

    def _ask(self, wanted: Wanted) -> None:
        fs, path = self._filesystem()
        scheme = scheme_of(self.url)
        if scheme in ("http", "https") and hasattr(fs, "set_session"):
            on_loop(fs, http.fetch, fs, self.url, wanted)
        elif hasattr(fs, "_call_s3"):
            on_loop(fs, s3.fetch, fs, self.url, wanted)
        else:
            generic.fetch(fs, path, wanted)

    def _filesystem(self) -> tuple[Any, str]:
        if len(links(self.url)) == 1:
            return filesystem(self.url, self._options)
        # An archive's table of contents is read once in each process.
        if self._archive is None or self._archive[0] != os.getpid():
            self._archive = (os.getpid(), *filesystem(self.url, self._options))
        return self._archive[1:]


def _restore(
    url: str, options: Mapping[str, Any] | None, size: int | None, version: str | None
) -> RemoteObject:
    return RemoteObject(url, options, size=size, version=version)
