"""Bytes or a local file -> the object behind a URL, which appears whole or not at all.

What an object store is given appears once it has all of it. Elsewhere it goes to a name of its own
first, in the same folder, which then takes the place of the other. Raises `OSError` for what
storage refuses and `UnsupportedError` for what can only be read.
"""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tsr.errors import UnsupportedError
from tsr.remote import s3
from tsr.remote.failures import translated
from tsr.remote.storage import filesystem, on_loop
from tsr.remote.urls import label, links, scheme_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_object", "check_writable", "move", "put_bytes", "put_file", "remove"]

# What these are given appears whole, or not at all.
_STORES = frozenset(
    {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "wasb", "wasbs", "oss", "memory"}
)

# Archives cannot have a member replaced, and no server has to tell what a PUT does.
_READ_ONLY = frozenset(
    {"zip", "tar", "libarchive", "http", "https", "github", "git", "gist", "data", "reference"}
)


def check_writable(url: str) -> None:
    """Refuse a URL behind which nothing can be written.

    Raises
    ------
    UnsupportedError
        It is one of a web server, or of something in an archive.
    """
    scheme = scheme_of(url)
    if scheme in _READ_ONLY or len(links(url)) > 1:
        raise UnsupportedError(
            f"{label(url)}: got a URL of {scheme}://, which can only be read; expected one of "
            "storage, like s3:// or gs://, or a path",
            given=scheme,
        )


def check_object(url: str) -> None:
    """Refuse a URL behind which no object can be written.

    Raises
    ------
    UnsupportedError
        As `check_writable` does.
    IsADirectoryError
        It ends in a slash, which some storage would leave out.
    """
    check_writable(url)
    if links(url)[0].endswith("/"):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), label(url))


def put_bytes(
    url: str,
    data: bytes,
    storage_options: Mapping[str, Any] | None = None,
    *,
    overwrite: bool = True,
) -> None:
    """Make an object of bytes, in one request where they are few.

    Raises
    ------
    FileExistsError
        There is one, and `overwrite` is False. S3 decides that itself, in the moment in which the
        object appears; other storage is asked before.
    UnsupportedError, OSError
        It cannot be written: what was there stays.
    """
    _put(url, storage_options, overwrite, "pipe_file", data)


def put_file(
    url: str,
    local: str,
    storage_options: Mapping[str, Any] | None = None,
    *,
    overwrite: bool = True,
) -> None:
    """Make an object of the local file `local`; raises as `put_bytes` does."""
    if scheme_of(url) == "memory":  # whose files would be there before they are whole
        with open(local, "rb") as file:
            put_bytes(url, file.read(), storage_options, overwrite=overwrite)
        return
    _put(url, storage_options, overwrite, "put_file", local)


def move(source: str, target: str, storage_options: Mapping[str, Any] | None = None) -> None:
    """Give an object another URL of the same storage, in the place of what is there."""
    fs, path = filesystem(source, storage_options)
    _, other = filesystem(target, storage_options)
    with translated(target):
        if scheme_of(target) in _STORES:
            fs.cp_file(path, other)
            fs.rm_file(path)
        else:
            fs.makedirs(fs._parent(other), exist_ok=True)
            fs.mv(path, other)


def remove(url: str, storage_options: Mapping[str, Any] | None = None) -> None:
    """Remove an object, if it is there."""
    fs, path = filesystem(url, storage_options)
    with translated(url), suppress(FileNotFoundError):
        fs.rm_file(path)


def _put(
    url: str, storage_options: Mapping[str, Any] | None, overwrite: bool, method: str, given: Any
) -> None:
    check_object(url)
    fs, path = filesystem(url, storage_options)
    with translated(url):
        if scheme_of(url) not in _STORES:
            _put_renamed(fs, path, overwrite, method, given)
            return
        places = (path, given) if method == "pipe_file" else (given, path)
        mode = "overwrite" if overwrite else "create"
        if hasattr(fs, "_call_s3"):
            on_loop(fs, s3.put, fs, path, method, *places, mode=mode)
        elif fs.async_impl:
            on_loop(fs, getattr(fs, f"_{method}"), *places, mode=mode)
        else:
            getattr(fs, method)(*places, mode=mode)


def _put_renamed(fs: Any, path: str, overwrite: bool, method: str, given: Any) -> None:
    # Under a name of its own first, so that nobody sees a part of it.
    if not overwrite and fs.exists(path):
        raise FileExistsError(path)
    temporary = f"{path}.{secrets.token_hex(8)}.tmp"
    fs.makedirs(fs._parent(path), exist_ok=True)
    try:
        if method == "pipe_file":
            fs.pipe_file(temporary, given)
        else:
            fs.put_file(given, temporary)
        fs.mv(temporary, path)
    except BaseException:
        with suppress(Exception):  # the first error is the one to tell
            fs.rm_file(temporary)
        raise
