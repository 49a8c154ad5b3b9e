"""A directory to measure in -> files in it, and whether there is room for them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from tests.bench.table import Paths

__all__ = ["contents", "empty", "fresh", "missing_room", "sync", "write"]


def write(
    directory: str, name: str, writers: Mapping[str, Callable[[str, Any], object]], values: Any
) -> Paths:
    """Write a file of each suffix, and tell its path."""
    for suffix, writer in writers.items():
        writer(f"{directory}/{name}{suffix}", values)
    return lambda suffix: f"{directory}/{name}{suffix}"


def contents(path: str) -> bytes:
    """Read a file."""
    with open(path, "rb") as file:
        return file.read()


def fresh(directory: str) -> Paths:
    """Name files that are not there, another one each time."""
    serial = count()
    return lambda suffix: f"{directory}/{next(serial)}{suffix}"


def empty(directory: str) -> None:
    """Remove the files of a directory."""
    for name in os.listdir(directory):
        os.unlink(f"{directory}/{name}")


def sync(directory: str) -> None:
    """Wait for the disk, which works on after a file is closed, to come to an end."""
    for name in os.listdir(directory):
        descriptor = os.open(f"{directory}/{name}", os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def missing_room(need: int, directory: str) -> str:
    """Tell what is missing where a directory or the memory has no room for so many bytes."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    if os.path.exists("/proc/meminfo"):
        with open("/proc/meminfo") as file:
            memory = next(int(line.split()[1]) << 10 for line in file if "MemAvailable" in line)
    for name, room in (("memory", memory), ("disk space", shutil.disk_usage(directory).free)):
        if room < need:
            return f"skipped: needs {need >> 30} GiB of {name}, {room >> 30} GiB is free"
    return ""
