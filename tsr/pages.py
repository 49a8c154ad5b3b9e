"""The pages of mapped files, given back once they were looked at.

What is mapped from a file counts as memory of this process once it was looked at. Pages that are
given back stay in the system's cache, and looking at them again costs little. Raises nothing.
"""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FAULT_BYTES", "RELEASE_BYTES", "Pages"]

# What a fault brings in: Linux maps the pages around, too, as far as they are in its cache.
FAULT_BYTES = 1 << 16

# Bytes of a mapping that are looked at before they are given back.
RELEASE_BYTES = 1 << 25


class Pages:
    """The pages of the file that an array is mapped from, given back as they add up.

    Parameters
    ----------
    array : ndarray
        If it is not mapped, or may have been changed in memory, nothing is done.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self._mapping = _mapping(array)
        self._used = 0

    def scattered(self) -> None:
        """Tell that places all over the array follow: nothing is read ahead until `release`."""
        self._advise("MADV_RANDOM")

    def used(self, nbytes: int) -> None:
        """Tell that so many more bytes have been looked at."""
        self._used += nbytes
        if self._used >= RELEASE_BYTES:
            self._used = 0
            self._advise("MADV_DONTNEED")

    def release(self) -> None:
        """Give all pages back."""
        self._used = 0
        self._advise("MADV_NORMAL")
        self._advise("MADV_DONTNEED")

    def release_first(self, nbytes: int) -> None:
        """Give back the first so many bytes of the array, if it lies in C order."""
        if self._mapping is not None and self._array.flags.c_contiguous and self._array.size:
            start = _address(self._array) - _address(np.frombuffer(self._mapping, np.uint8))
            first = start // mmap.PAGESIZE * mmap.PAGESIZE
            self._advise("MADV_DONTNEED", first, start + nbytes - first)

    def _advise(self, name: str, *place: int) -> None:
        # What the system may be told is a favour to it, and it may refuse it.
        if self._mapping is not None and hasattr(mmap, name):
            with suppress(OSError, ValueError):
                self._mapping.madvise(getattr(mmap, name), *place)


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


def _mapping(array: NDArray[Any]) -> mmap.mmap | None:
    # The mapping of a file that an array shows; None if there is none, or pages of it that were
    # changed would be lost.
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    if base is None:
        return None
    with memoryview(base) as view:
        return base if view.readonly else None
