"""URLs -> local paths in their places, for as long as something is converted.

Each URL gets a folder of its own, in the folder for temporary files, and a path in it with the
same file name. All is removed in the end. Errors and warnings that name such a path are made to
name the URL.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tsr.errors import TSRError
from tsr.remote.scratch import download
from tsr.remote.urls import basename, join, label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Stage", "staged"]


@contextmanager
def staged(storage: Mapping[str, Any] | None) -> Iterator[Stage]:
    """Give a stage; errors that leave the block name URLs."""
    with tempfile.TemporaryDirectory(prefix="tsr-", ignore_cleanup_errors=True) as folder:
        stage = Stage(os.path.realpath(folder), storage)
        try:
            yield stage
        except (TSRError, OSError) as error:
            stage.retell(error)
            raise


class Stage:
    """The local paths of URLs.

    Parameters
    ----------
    folder : str
        An empty folder to put them in, as `os.path.realpath` gives it.
    storage : mapping, optional
        What the file systems of the URLs are made with.
    """

    def __init__(self, folder: str, storage: Mapping[str, Any] | None) -> None:
        self._folder = folder
        self._urls: dict[str, str] = {}
        self.storage = storage

    def place(self, url: str) -> str:
        """Give a path for a URL; nothing is there yet."""
        inner = os.path.join(self._folder, str(len(self._urls)))
        os.mkdir(inner)
        local = os.path.join(inner, basename(url) or "object")
        self._urls[local] = url
        return local

    def fetch(self, url: str) -> str:
        """Copy an object and give the path of the copy."""
        local = self.place(url)
        download(url, local, self.storage)
        return local

    def url_of(self, local: str) -> str | None:
        """Give the URL of a path, or of what it lies in; None where there is none."""
        for path, url in self._urls.items():
            if local == path:
                return url.rstrip("/")
            if local.startswith(path + os.sep):
                return join(url, *local[len(path) + 1 :].split(os.sep))
        return None

    def told(self, text: str) -> str:
        """Give text with URLs in the place of paths."""
        for path, url in self._urls.items():
            text = text.replace(path, label(url).rstrip("/"))
        return text

    def retell(self, error: BaseException) -> None:
        """Have an error, and those that it came from, name URLs in the place of paths."""
        seen: set[int] = set()
        pending: list[BaseException | None] = [error]
        while pending:
            one = pending.pop()
            if one is None or id(one) in seen:
                continue
            seen.add(id(one))
            pending += [one.__cause__, one.__context__]
            one.args = tuple(map(self._told, one.args))
            for name, value in vars(one).items():
                setattr(one, name, self._told(value))
            if isinstance(one, OSError):
                one.strerror = self._told(one.strerror)
                one.filename = self._told(one.filename)

    def _told(self, value: Any) -> Any:
        return self.told(value) if isinstance(value, str) else value
