"""A URL -> the file system of fsspec that has it.

Raises `MissingExtraError` for a package that is not there and `UnsupportedError` for a scheme
that nothing handles.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any, cast
from weakref import WeakSet

from tsr.errors import MissingExtraError, UnsupportedError
from tsr.extras import require
from tsr.remote.failures import translated
from tsr.remote.urls import label, links, scheme_of

__all__ = ["filesystem", "on_loop", "translated"]

# Scheme -> the package and the extra that it needs, where an extra has it.
_PACKAGES = {
    "s3": ("s3fs", "s3"),
    "s3a": ("s3fs", "s3"),
    "gs": ("gcsfs", "gcs"),
    "gcs": ("gcsfs", "gcs"),
    "http": ("aiohttp", "remote"),
    "https": ("aiohttp", "remote"),
}

# Where botocore has ten.
_REQUESTS = 64

# A child of `os.fork` has copies of its parent's file systems, which it does not use. To close
# their connections would be felt by the parent: both wait for them by the same means (epoll), from
# which they would be taken. So they are kept.
_made: WeakSet[Any] = WeakSet()
_kept: list[Any] = []

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _kept.extend(_made))


def filesystem(url: str, storage_options: Mapping[str, Any] | None = None) -> tuple[Any, str]:
    """Find the file system of a URL.

    `storage_options` are those of that file system, or mappings by scheme, as for URLs of several
    links: ``{"s3": {"profile": "lab"}, "https": {...}}``.

    Returns
    -------
    filesystem : fsspec.AbstractFileSystem
        The same one for the same options, in each process.
    path : str
        What that file system calls the object.
    """
    fsspec = require("fsspec", "remote", "a URL")
    if not isinstance(storage_options or {}, Mapping):
        kind = type(storage_options).__name__
        raise UnsupportedError(f"storage_options: got {kind}, expected a mapping", given=kind)
    options = _options_of(url, storage_options or {})
    # The last link may be a path, and one of a cache is its name alone.
    kinds = [_kind_of(link, url) for link in links(url) if "://" in link]
    scheme = scheme_of(url)
    with translated(url):  # some connect at once, and of an archive the list is read
        if len(links(url)) > 1:
            found: tuple[Any, str] = fsspec.url_to_fs(url, **options)
            return found
        if scheme in _PACKAGES:
            # What another wrote a moment ago is there.
            options.setdefault("use_listings_cache", False)
        if scheme in ("s3", "s3a"):
            _widen(options, fsspec.config.conf)
        options = {**kinds[0]._get_kwargs_from_urls(url), **options}
        fs = fsspec.filesystem(scheme, **options)
    _made.add(fs)
    return fs, kinds[0]._strip_protocol(url)


def on_loop(fs: Any, function: Any, *args: Any, **options: Any) -> None:
    """Run a coroutine function on the loop of fsspec, whatever thread this is.

    Ctrl-C ends the waiting, and what is waited for.
    """
    from fsspec.asyn import sync

    transfers: list[asyncio.Task[Any]] = []

    async def transfer() -> None:
        transfers.append(cast("asyncio.Task[Any]", asyncio.current_task()))
        await function(*args, **options)

    try:
        sync(fs.loop, transfer)
    except BaseException:
        for task in transfers:
            fs.loop.call_soon_threadsafe(task.cancel)
        raise


def _options_of(url: str, options: Mapping[str, Any]) -> dict[str, Any]:
    # Those of one file system, or of several by scheme: then those of this, or of all links.
    from fsspec import available_protocols

    by_scheme = set(options) <= set(available_protocols())
    if by_scheme and len(links(url)) == 1:
        options = options.get(scheme_of(url), {})
    return _copied(options)  # in which some packages change what they find


def _kind_of(link: str, url: str) -> Any:
    # The class of file systems for one link of a URL.
    from fsspec import get_filesystem_class

    scheme = link.partition("://")[0].lower()
    try:
        return get_filesystem_class(scheme)
    except ImportError as error:
        if scheme in _PACKAGES:
            package, extra = _PACKAGES[scheme]
            raise MissingExtraError(package, extra, f"a URL of {scheme}://") from error
        raise UnsupportedError(f"{label(url)}: {error}", given=scheme) from error
    except ValueError as error:
        raise UnsupportedError(f"{label(url)}: {error}", given=scheme) from error


def _widen(options: dict[str, Any], configured: Mapping[str, Any]) -> None:
    # As many requests of S3 at a time as there are threads to make them, unless somebody says
    # how many.
    if not any("config_kwargs" in configured.get(scheme, ()) for scheme in ("s3", "s3a")):
        options.setdefault("config_kwargs", {}).setdefault("max_pool_connections", _REQUESTS)


def _copied(options: Mapping[str, Any]) -> dict[str, Any]:
    # Down to the dicts in it; what else is in it, such as a session, is shared.
    return {
        name: _copied(value) if isinstance(value, dict) else value
        for name, value in options.items()
    }
