"""What storage raises, of whatever package -> an `OSError` that names the URL. Imports nothing.

The packages' own errors stop here, and with them what they hold: addresses with signatures in
them, answers, open connections.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tsr.errors import TSRError
from tsr.remote.urls import label, secrets_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PassingError", "os_error", "status_error", "translated"]

# Classes by their names, in the order of this table, for their packages may not be there.
_CODES = {
    "FileNotFoundError": errno.ENOENT,
    "PermissionError": errno.EACCES,
    "FileExistsError": errno.EEXIST,
    "IsADirectoryError": errno.EISDIR,
    "NotADirectoryError": errno.ENOTDIR,
    "NoCredentialsError": errno.EACCES,
    "PartialCredentialsError": errno.EACCES,
    "TokenRetrievalError": errno.EACCES,
    "ConnectTimeoutError": errno.ETIMEDOUT,
    "ReadTimeoutError": errno.ETIMEDOUT,
    "TimeoutError": errno.ETIMEDOUT,
    "ClientSSLError": errno.EIO,
    "SSLError": errno.EIO,
    "ClientConnectorDNSError": errno.EHOSTUNREACH,
    "ClientConnectorError": errno.ECONNREFUSED,
    "EndpointConnectionError": errno.ECONNREFUSED,
    "ConnectionRefusedError": errno.ECONNREFUSED,
    "ServerDisconnectedError": errno.ECONNRESET,
    "ClientConnectionError": errno.ECONNRESET,
    "ClientPayloadError": errno.ECONNRESET,
    "ConnectionClosedError": errno.ECONNRESET,
    "ConnectionError": errno.ECONNRESET,
    "ResponseStreamingError": errno.ECONNRESET,
    "IncompleteRead": errno.ECONNRESET,
    "KeyError": errno.ENOENT,  # of an archive
}

# What the system's own words say well.
_PLAIN = frozenset({errno.ENOENT, errno.EEXIST, errno.EISDIR, errno.ENOTDIR})

_STATUSES = {
    401: errno.EACCES,
    403: errno.EACCES,
    404: errno.ENOENT,
    407: errno.EACCES,
    408: errno.ETIMEDOUT,
    410: errno.ENOENT,
    504: errno.ETIMEDOUT,
}

# A server's own text may be long.
_TEXT_MAX = 300

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")


class PassingError(Exception):
    """A failure that may be gone at the next try."""

    def __init__(self, error: OSError) -> None:
        self.error = error
        super().__init__(str(error))


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Turn whatever storage raises inside into an `OSError` that names the URL."""
    try:
        yield
        return
    except (TSRError, ImportError, PassingError, MemoryError):
        raise
    except Exception as error:
        fault = os_error(error, label(url))
    for secret in secrets_of(url):
        if secret in str(fault.strerror):
            said = str(fault.strerror).replace(secret, "...")
            fault = OSError(fault.errno, said, fault.filename)
    try:
        raise fault from None
    finally:
        # Else it would hold the other, which a debugger or a service that collects errors shows.
        fault.__context__ = None


def os_error(error: Exception, name: str) -> OSError:
    """Make an `OSError` that says what another error does, about what is called `name`.

    One that names it already, as those do that are made here, is given back as it is.
    """
    if isinstance(error, OSError) and error.filename == name:
        return error
    status = getattr(error, "status", None)
    if isinstance(status, int) and status >= 400:
        return status_error(status, name)
    named = {kind.__name__ for kind in type(error).__mro__}
    code = next((code for kind, code in _CODES.items() if kind in named), None)
    if code in _PLAIN:
        return OSError(code, os.strerror(code), name)
    text = _said(error)
    if code is not None:
        return OSError(code, f"{os.strerror(code)}: {text}" if text else os.strerror(code), name)
    kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
    return OSError(getattr(error, "errno", None) or errno.EIO, f"{kind}{text}", name)


def status_error(status: int, name: str, reason: str | None = None) -> OSError:
    """Make the error for a status of HTTP that is none of success."""
    said = f"the server answered {status}" + (f" {_printable(reason)}" if reason else "")
    code = _STATUSES.get(status, errno.EIO)
    if code in _PLAIN:
        return OSError(code, os.strerror(code), name)
    return OSError(code, said if code == errno.EIO else f"{os.strerror(code)}: {said}", name)


def _said(error: Exception) -> str:
    # The text of an error without what is secret in addresses.
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return _printable(_ADDRESS.sub(lambda found: label(found[0]), text))


def _printable(text: str) -> str:
    shown = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
    return shown if len(shown) <= _TEXT_MAX else shown[:_TEXT_MAX] + "..."
