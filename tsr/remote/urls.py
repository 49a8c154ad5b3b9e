"""URLs as text: what is one, what messages call it, and its parts. Imports nothing.

A URL is a `str` that begins with a scheme and ``://``; ``zip://x.tsr::s3://bucket/a.zip``, the
object ``x.tsr`` of the archive ``a.zip``, is one of two links.
"""

from __future__ import annotations

import sys

# Type checkers take it for true, as typing's; importing typing would take as long as Python.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import TypeGuard

__all__ = [
    "basename",
    "is_url",
    "join",
    "label",
    "links",
    "local_path",
    "refuse_options",
    "scheme_of",
    "secrets_of",
]

# What follows these schemes is a name, in which no character has a meaning of its own.
_NAMES = frozenset({"s3", "s3a", "gs", "gcs", "memory", "file", "local", "zip", "tar"})

# Of these the contents lie in what the next link leads to.
_CHAINED = frozenset(
    {"zip", "tar", "libarchive", "simplecache", "filecache", "blockcache", "reference", "dir"}
)

# Of these, what stands before the @ is a container, no user.
_CONTAINERS = frozenset({"abfs", "abfss", "az", "wasb", "wasbs"})

# And in these it is a part of the name.
_FREE = frozenset({"memory", "file", "local", "zip", "tar"})


def is_url(source: object) -> TypeGuard[str]:
    """Tell a URL from a path, or from what is neither."""
    return isinstance(source, str) and "://" in source and scheme_of(source) != ""


def scheme_of(url: str) -> str:
    """Give the scheme of a URL in lower case; ``""`` where there is none."""
    scheme = url.partition("://")[0]
    letters = scheme.replace("+", "").replace("-", "").replace(".", "")
    # A single letter is a drive of Windows.
    named = scheme[1:] != "" and scheme[0].isalpha() and letters.isalnum() and scheme.isascii()
    return scheme.lower() if named and len(scheme) < len(url) else ""


def links(url: str) -> list[str]:
    """Cut a URL into its links: ``zip://a::s3://b/c`` into two, and most into one.

    Where the first link needs no other, two colons are part of a name, or of an IPv6 address.
    """
    return url.split("::") if scheme_of(url) in _CHAINED else [url]


def label(url: str) -> str:
    """Name a URL in messages: without user, password, and the query that may be a signature."""
    return "::".join(map(_label, links(url)))


def secrets_of(url: str) -> list[str]:
    """Give the parts of a URL that its label leaves out."""
    found = []
    for link in links(url):
        base, query = _query(link)
        authority = base.partition("://")[2].partition("/")[0]
        user, at, _ = authority.rpartition("@")
        found += [user + at] if at and authority not in _label(link) else []
        found += [query[1:]] if len(query) > 1 else []
    return found


def join(url: str, *names: str) -> str:
    """Put names of files and folders behind the URL of a folder."""
    head, *rest = links(url)
    base, query = _query(head)
    return "::".join(["/".join([base.rstrip("/"), *names]) + query, *rest])


def basename(url: str) -> str:
    """Give the last part of a URL's path: the name of the file."""
    base, _ = _query(links(url)[0])
    return base.partition("://")[2].rstrip("/").rpartition("/")[2]


def local_path(url: str) -> str | None:
    """Give the path that a ``file://`` URL stands for, else None.

    It is taken as it is, as by fsspec: ``%20`` is no space, and ``file://x.tsr`` lies in the
    folder where the program runs. Only ``file://localhost/`` is ``file:///``.
    """
    if scheme_of(url) not in ("file", "local"):
        return None
    path = url.partition("://")[2]
    if path[:10].lower() == "localhost/":
        path = path[9:]
    drive = sys.platform == "win32" and path[:1] == "/" and path[2:3] == ":"
    return path[1:] if drive else path


def refuse_options(storage_options: object) -> None:
    """Refuse `storage_options` where there is no URL for which they could be.

    Raises
    ------
    UnsupportedError
        There are some.
    """
    if storage_options:
        from tsr.errors import UnsupportedError

        raise UnsupportedError("storage_options: got some without a URL, expected None")


def _query(url: str) -> tuple[str, str]:
    # What a server is told beside the name; elsewhere a ? is part of the name.
    if scheme_of(url) in _NAMES:
        return url, ""
    ends = [at for at in (url.find("?"), url.find("#")) if at >= 0]
    return (url[: min(ends)], url[min(ends) :]) if ends else (url, "")


def _label(url: str) -> str:
    base, _ = _query(url)
    scheme, _, rest = base.partition("://")
    host, slash, path = rest.partition("/")
    user, at, bare = host.rpartition("@")
    free = scheme.lower() in _FREE or (scheme.lower() in _CONTAINERS and ":" not in user)
    if at and not free:
        host = bare
    return f"{scheme}://{host}{slash}{path}" if rest else base
