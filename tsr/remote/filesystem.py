"""A URL -> the file system of fsspec that has it, and its errors as those of the system.

Raises `MissingExtraError` for a package that is not there and `UnsupportedError` for a scheme
that nothing handles.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tsr.errors import MissingExtraError, TSRError, UnsupportedError
from tsr.extras import require
from tsr.remote.urls import label, links, scheme_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["filesystem", "translated"]

# Scheme -> the package and the extra that it needs, where an extra has it.
_PACKAGES = {
    "s3": ("s3fs", "s3"),
    "s3a": ("s3fs", "s3"),
    "gs": ("gcsfs", "gcs"),
    "gcs": ("gcsfs", "gcs"),
    "http": ("aiohttp", "remote"),
    "https": ("aiohttp", "remote"),
}

# Codes of HTTP in the place of what the system says to the same.
_STATUSES = {401: errno.EACCES, 403: errno.EACCES, 404: errno.ENOENT, 410: errno.ENOENT}


def filesystem(url: str, storage_options: Mapping[str, Any] | None = None) -> tuple[Any, str]:
    """Find the file system of a URL.

    Returns
    -------
    filesystem : fsspec.AbstractFileSystem
        The same one for the same options, in each process.
    path : str
        What that file system calls the object.
    """
    fsspec = require("fsspec", "remote", "a URL")
    options = dict(storage_options or {})
    scheme = scheme_of(url)
    try:
        if len(links(url)) > 1:
            with translated(url):  # an archive is opened here
                found: tuple[Any, str] = fsspec.url_to_fs(url, **options)
            return found
        kind = fsspec.get_filesystem_class(scheme)
        if scheme in _PACKAGES:
            # What another wrote a moment ago is there.
            options.setdefault("use_listings_cache", False)
        options = {**kind._get_kwargs_from_urls(url), **options}
        return fsspec.filesystem(scheme, **options), kind._strip_protocol(url)
    except ImportError as error:
        if scheme in _PACKAGES:
            package, extra = _PACKAGES[scheme]
            raise MissingExtraError(package, extra, f"a URL of {scheme}://") from error
        raise UnsupportedError(f"{label(url)}: {error}", given=scheme) from error
    except ValueError as error:
        raise UnsupportedError(f"{label(url)}: {error}", given=scheme) from error


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Turn whatever storage raises inside into an `OSError` that names the URL."""
    try:
        yield
    except (TSRError, ImportError):
        raise
    except Exception as error:
        raise _translate(error, label(url)) from None


def _translate(error: Exception, name: str) -> OSError:
    status = getattr(error, "status", None)
    if status in _STATUSES:
        return OSError(_STATUSES[status], os.strerror(_STATUSES[status]), name)
    for kind, code in (
        (FileNotFoundError, errno.ENOENT),
        (PermissionError, errno.EACCES),
        (FileExistsError, errno.EEXIST),
        (IsADirectoryError, errno.EISDIR),
        (NotADirectoryError, errno.ENOTDIR),
        (TimeoutError, errno.ETIMEDOUT),
        (KeyError, errno.ENOENT),
    ):
        if isinstance(error, kind):
            return OSError(code, os.strerror(code), name)
    return OSError(errno.EIO, f"{type(error).__name__}: {error}", name)
