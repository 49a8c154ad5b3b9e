"""Files by hand, for either format: a path -> a descriptor to read, or to write and rename.

What `tsr.source` and `tsr.atomic` do, without options and messages. Raises `ValueError` for what
is no regular file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from itertools import count

__all__ = ["open_regular", "read_heads", "replace", "write_all"]

READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW

_serial = count()


def open_regular(path: str) -> tuple[int, int]:
    """Open a regular file and tell its size."""
    descriptor = os.open(path, READ)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise ValueError("no regular file")
    return descriptor, status.st_size


def read_heads(paths: list[str]) -> list[bytes]:
    """Open, read and close: the least that the headers of many files cost. Nothing is checked."""
    heads = []
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        heads.append(os.read(descriptor, 64))
        os.close(descriptor)
    return heads


def replace(
    path: str, fill: Callable[[int], object], size: int = 0, durable: bool | None = None
) -> None:
    """Have `fill` write a temporary file beside the target, and rename it."""
    try:
        mode: int | None = os.lstat(path).st_mode
        if stat.S_ISLNK(mode or 0):
            path = os.path.realpath(path)
            mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode or 0):
            raise ValueError("no regular file")
    except FileNotFoundError:
        mode = None
    temporary = f"{path}.{os.getpid()}-{next(_serial)}.tmp"
    descriptor = os.open(temporary, CREATE, 0o666)
    try:
        if mode is not None:
            os.fchmod(descriptor, stat.S_IMODE(mode))
        if durable is not None:
            os.posix_fallocate(descriptor, 0, size)
        fill(descriptor)
        if durable:
            os.fsync(descriptor)
    except BaseException:
        os.close(descriptor)
        os.unlink(temporary)
        raise
    try:
        os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    if durable:
        directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def write_all(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of `data`: one system call may take less."""
    done = os.write(descriptor, data)
    while done < len(data):
        done += os.write(descriptor, memoryview(data)[done:])
