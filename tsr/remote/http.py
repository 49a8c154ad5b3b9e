"""One request to an HTTP server -> a range of what it has, or all of it.

A server that ignores ranges is read as far as needed, and the connection closed. Raises
`PassingError` for what another try may mend, `ChangedError` for what changed, and whatever aiohttp
does.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, Any

from tsr.remote.failures import PassingError, os_error, status_error
from tsr.remote.wanted import ChangedError, parse_content_range

if TYPE_CHECKING:
    from tsr.remote.wanted import Wanted

__all__ = ["fetch"]

# Of a server that ignores ranges so many bytes are read and dropped to come to those wanted.
_SKIP_MAX = 1 << 20

# A server is given so many seconds to be reached, and to give the next bytes.
_CONNECT_SECONDS = 30
_READ_SECONDS = 60

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

# An address in which nothing is left to escape is sent as it is, for it may be signed.
_ESCAPED = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")


async def fetch(fs: Any, url: str, wanted: Wanted) -> None:
    """Ask an `HTTPFileSystem` for what is missing of a range."""
    import aiohttp

    options = dict(fs.kwargs)
    headers = {**options.pop("headers", {}), **_headers(wanted)}
    if fs.client_kwargs.get("timeout") is None:
        patience = aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_SECONDS, sock_read=_READ_SECONDS
        )
        options.setdefault("timeout", patience)
    address = _address(fs, url, wanted)
    session = await fs.set_session()
    try:
        async with session.get(address, headers=headers, **options) as response:
            await _receive(response, wanted)
    except aiohttp.TooManyRedirects:
        raise _refused(wanted, "it leads from one address to the next") from None
    except aiohttp.RedirectClientError:
        raise _refused(wanted, "it leads to what is no address of a web server") from None
    except aiohttp.InvalidURL:
        raise _no_address(wanted) from None
    except aiohttp.ClientResponseError:
        raise _refused(wanted, "it is no answer of HTTP") from None
    except aiohttp.ClientPayloadError:
        said = f"the answer ended after {wanted.at - wanted.start} bytes"
        raise PassingError(OSError(errno.ECONNRESET, said, wanted.name)) from None
    except aiohttp.ClientConnectionError as error:
        fault = os_error(error, wanted.name)
        if isinstance(error, (aiohttp.ClientConnectorError, TimeoutError)):
            raise fault from None  # nobody is there
        raise PassingError(fault) from None


def _address(fs: Any, url: str, wanted: Wanted) -> Any:
    import yarl

    try:
        address = yarl.URL(url, encoded=True) if _ESCAPED.fullmatch(url) else fs.encode_url(url)
        _ = address.port  # which is not looked at before
    except ValueError:
        raise _no_address(wanted) from None
    return address


def _headers(wanted: Wanted) -> dict[str, str]:
    headers = {"Accept-Encoding": "identity"}
    if wanted.range is not None:
        headers["Range"] = wanted.range
    version = wanted.version or ""
    if version.startswith('"'):  # a weak one, W/"...", is equal to none
        headers["If-Match"] = version
    elif version.endswith("GMT"):
        headers["If-Unmodified-Since"] = version
    return headers


async def _receive(response: Any, wanted: Wanted) -> None:
    end, skip = _begin(response, wanted)
    if end == wanted.at and not skip:
        return
    async for chunk in response.content.iter_any():
        if skip:
            skip, chunk = max(0, skip - len(chunk)), chunk[skip:]
        if end is not None and wanted.at + len(chunk) > end and response.status == 206:
            raise _refused(wanted, "it gives more than the range that it announced")
        if not wanted.add(chunk):
            return  # what is still to come of the whole object is left
    if response.status == 200 and end is None and not skip:
        wanted.begin(wanted.at, None)  # it ended where the object does
    if skip and end is None:
        wanted.begin(wanted.start - skip, None)
    wanted.finish(end)


def _begin(response: Any, wanted: Wanted) -> tuple[int | None, int]:
    # Where what the answer gives ends in the object, and how many bytes of it to drop.
    status, headers = response.status, response.headers
    if status == 412 and wanted.version is not None:
        raise ChangedError
    if status == 416:
        return _beyond(headers, wanted), 0
    if status not in (200, 206):
        fault = status_error(status, wanted.name, response.reason)
        if status in _PASSING:
            raise PassingError(fault)
        raise fault
    coding = headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise _refused(wanted, f"it sends bytes in a coding, {coding!r}, that nobody asked for")
    version = headers.get("ETag") or headers.get("Last-Modified")
    if status == 200:
        return _begin_whole(response, wanted, version)
    told = parse_content_range(headers.get("Content-Range"))
    if told is None or wanted.range is None:
        raise _refused(wanted, f"its range is {headers.get('Content-Range', 'missing')!r}")
    first, end, size = told
    wanted.begin(size, version)
    goals = [goal for goal in (wanted.stop, size) if goal is not None]
    # Where the size is not known it may end before the range does.
    wrong_end = bool(goals) and (end > min(goals) or (size is not None and end < min(goals)))
    if first != wanted.at or wrong_end:
        raise _refused(wanted, f"it gives {headers['Content-Range']!r}, not {wanted.range!r}")
    return end, 0


def _begin_whole(response: Any, wanted: Wanted, version: str | None) -> tuple[int | None, int]:
    # The server gives all that it has, whatever was asked for.
    size = response.content_length
    wanted.begin(size, version)
    wanted.retry(pinned=False)
    if wanted.start > _SKIP_MAX:
        raise _refused(
            wanted, "it ignores ranges, so a part of the file cannot be read; all of it can: "
            "tsr.load(url), or tsr.open(url, mmap_mode=None)",
        )  # fmt: skip
    return size, wanted.start


def _beyond(headers: Any, wanted: Wanted) -> int:
    # The object ends before the range.
    told = parse_content_range(headers.get("Content-Range"))
    size = told[2] if told is not None else None
    if size is None and wanted.at == 0:
        size = 0
    if size is None or size > wanted.at:
        raise _refused(wanted, f"it has no {wanted.range!r} of {size} bytes")
    wanted.begin(size, headers.get("ETag") or headers.get("Last-Modified"))
    wanted.check()
    return wanted.at


def _no_address(wanted: Wanted) -> OSError:
    return OSError(errno.EINVAL, "this is no address of a web server", wanted.name)


def _refused(wanted: Wanted, why: str) -> OSError:
    return OSError(errno.EIO, f"the server's answer is of no use: {why}", wanted.name)
