"""A URL -> a local file in its place: a copy to read, or one that becomes the object.

Raises `OSError` for what storage refuses and `UnsupportedError` where it cannot be written to.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tsr.errors import UnsupportedError
from tsr.remote.failures import translated
from tsr.remote.filesystem import filesystem
from tsr.remote.urls import basename, label, links, scheme_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["downloaded", "uploaded"]

# What an object store is given appears whole, or not at all.
_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory", "http", "https"})

# What an archive holds cannot be replaced.
_READ_ONLY = frozenset({"zip", "tar", "libarchive", "github", "git", "data"})


@contextmanager
def downloaded(url: str, storage_options: Mapping[str, Any] | None = None) -> Iterator[str]:
    """Copy an object into a folder of its own, which is removed in the end.

    Yields
    ------
    path : str
        The copy, under the same file name.
    """
    fs, path = filesystem(url, storage_options)
    with tempfile.TemporaryDirectory(prefix="tsr-") as folder:
        local = os.path.join(folder, basename(url) or "object")
        with translated(url):
            fs.get_file(path, local)
        yield local


@contextmanager
def uploaded(
    url: str, storage_options: Mapping[str, Any] | None = None, *, overwrite: bool = True
) -> Iterator[str]:
    """Write a file that becomes an object when the context ends without an error.

    Yields
    ------
    path : str
        Where to write the file; nothing is there yet.

    Raises
    ------
    FileExistsError
        The object is there, and `overwrite` is False.
    UnsupportedError
        Nothing can be written there.
    """
    scheme = scheme_of(url)
    if scheme in _READ_ONLY or len(links(url)) > 1:
        raise UnsupportedError(f"{label(url)}: {scheme}:// can be read only", given=scheme)
    fs, path = filesystem(url, storage_options)
    with translated(url):
        if not overwrite and fs.exists(path):
            raise FileExistsError(path)
    with tempfile.TemporaryDirectory(prefix="tsr-") as folder:
        local = os.path.join(folder, basename(url) or "object")
        yield local
        with translated(url):
            if scheme in ("http", "https"):
                fs.put_file(local, path, method="put")
            elif scheme in _STORES:
                fs.put_file(local, path)
            else:
                _put_renamed(fs, local, path)


def _put_renamed(fs: Any, local: str, path: str) -> None:
    # Under a name of its own first, so that nobody sees a part of it.
    temporary = f"{path}.{secrets.token_hex(4)}.tmp"
    try:
        fs.put_file(local, temporary)
        fs.mv(temporary, path)
    except BaseException:
        if fs.exists(temporary):
            fs.rm_file(temporary)
        raise
