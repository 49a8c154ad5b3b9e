"""Errors of the libraries that read other formats -> `ConversionError` with the path."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tsr.errors import ConversionError, TSRError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["guard"]


@contextmanager
def guard(
    path: str, what: str, name: str | None = None, *, writing: bool = False
) -> Iterator[None]:
    """Blame the file for whatever a library raises over it: one that is read, or written.

    Broken bytes make them raise nearly anything: struct.error, KeyError, RuntimeError... Errors
    of this package pass as they are, and so do those of the operating system: they have a
    number, and EINVAL is what seeking to a nonsensical place gives.
    """
    try:
        yield
    except (TSRError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        reason = str(error) or type(error).__name__
        able = "writable" if writing else "readable"
        raise ConversionError(f"not {able} as {what}: {reason}", path=path, name=name) from error
