"""A plan -> the rows of the report, one at a time, with their files in place.

A case lives while it is yielded: its files go when the next one is asked for. What does not fit
the memory or the disk comes without ways, and says so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench import ways
from tests.bench.ways import WRITERS, Paths, Table

__all__ = ["WORKS", "Case", "Plan", "cases"]

SHAPES = {"tiny": (2, 3), "1 MiB": (512, 512), "64 MiB": (4096, 4096), "1 GiB": (16384, 16384)}

SMALLEST, *_, LARGEST = SHAPES

# Files in four formats and arrays read from them take at most so many times the payload.
ROOM = 9


@dataclass(frozen=True)
class Plan:
    """What to measure, and where.

    Attributes
    ----------
    directory : str
        For most files: best in memory, so that the disk does not count.
    disk : str or None
        For those where it does; None leaves them out.
    sizes : tuple of str
        Keys of `SHAPES`.
    files : int
        How many files the works on many take.
    only : str
        A part of the names of the works to measure; all have the empty one.
    """

    directory: str
    disk: str | None
    sizes: tuple[str, ...] = tuple(SHAPES)
    files: int = 10_000
    only: str = ""


def _leave() -> None:
    pass


@dataclass(frozen=True)
class Case:
    """One row: the same work in several ways.

    Attributes
    ----------
    work, size : str
        What is done, and with how much.
    table : dict of str to Way
        A column of the report -> the way it does that.
    settle : callable
        Removes what the calls leave behind; not measured.
    note : str
        Why the table is empty.
    """

    work: str
    size: str
    table: Table
    settle: Callable[[], object] = _leave
    note: str = ""


def cases(plan: Plan) -> Iterator[Case]:
    """Make the cases that a plan asks for."""
    for group, works in GROUPS.items():
        if any(plan.only in work for work in works):
            yield from (case for case in group(plan) if plan.only in case.work)


def _from_files(plan: Plan) -> Iterator[Case]:
    for size in plan.sizes:
        shape = SHAPES[size]
        missing = _missing_room(shape, plan.directory)
        if missing:
            yield from (Case(work, size, {}, note=missing) for work in GROUPS[_from_files])
            continue
        with TemporaryDirectory(dir=plan.directory) as directory:
            array = _values(shape)
            # The first large file may get scattered pages, slow to read: let it be none of these.
            WRITERS[".tsr"](f"{directory}/first.tsr", array)
            path = _write(directory, "x", array)
            del array
            opening = ways.opening(path, shape)
            yield Case("open", size, opening)
            yield Case("open as a tensor", size, ways.opening_tensor(path, shape))
            yield Case("load and sum", size, ways.summing(opening))
            yield Case("read the header", size, ways.reading_header(path))


def _to_files(plan: Plan) -> Iterator[Case]:
    for size in plan.sizes:
        if size == LARGEST:  # copying it tells nothing that 64 MiB does not
            continue
        array = _values(SHAPES[size])
        with TemporaryDirectory(dir=plan.directory) as directory:
            table = ways.saving(_fresh(directory), array)
            yield Case("save a new file", size, table, partial(_empty, directory))
        with TemporaryDirectory(dir=plan.directory) as directory:
            table = ways.saving(_write(directory, "x", array), array)
            yield Case("save over an old file", size, table)


def _to_disk(plan: Plan) -> Iterator[Case]:
    for size in plan.sizes:
        if size in (SMALLEST, LARGEST):
            continue
        array = _values(SHAPES[size])
        for work, durable in zip(GROUPS[_to_disk], (None, False, True), strict=True):
            if plan.disk is None:
                yield Case(work, size, {}, note="skipped: no disk")
                continue
            with TemporaryDirectory(dir=plan.disk) as directory:
                table = ways.saving(_write(directory, "x", array), array, durable)
                if durable:  # which no other library offers
                    table = {column: table[column] for column in ("by hand", "tsr")}
                yield Case(work, size, table, partial(_sync, directory))


def _in_memory(plan: Plan) -> Iterator[Case]:
    for size in plan.sizes:
        if size == LARGEST:  # copying it tells nothing that 64 MiB does not
            continue
        array = _values(SHAPES[size])
        with TemporaryDirectory(dir=plan.directory) as directory:
            path = _write(directory, "x", array)
            data = {suffix: _contents(path(suffix)) for suffix in WRITERS}
        yield Case("dumps", size, ways.dumping(array))
        buffer = np.zeros(64 + array.nbytes, np.uint8)
        yield Case("dumps_into", size, ways.dumping_into(buffer, array))
        yield Case("loads", size, ways.loading(data))


def _many_files(plan: Plan) -> Iterator[Case]:
    shape, size = SHAPES[SMALLEST], f"{plan.files:,} {SMALLEST}"
    array = _values(shape)
    with TemporaryDirectory(dir=plan.directory) as directory:
        paths = [_write(directory, str(serial), array) for serial in range(plan.files)]
        headers = [ways.reading_header(path) for path in paths]
        yield Case("read many files", size, ways.repeating([ways.opening(p, shape) for p in paths]))
        yield Case("read the header of many files", size, ways.repeating(headers))
    with TemporaryDirectory(dir=plan.directory) as directory:
        table = ways.repeating([ways.saving(_fresh(directory), array)] * plan.files)
        yield Case("write many files", size, table, partial(_empty, directory))


def _programs(plan: Plan) -> Iterator[Case]:
    yield Case("start and import", "", ways.importing())
    yield Case("start and import to load and save", "", ways.importing_ready())


GROUPS: dict[Callable[[Plan], Iterator[Case]], tuple[str, ...]] = {
    _from_files: ("open", "open as a tensor", "load and sum", "read the header"),
    _to_files: ("save a new file", "save over an old file"),
    _to_disk: (
        "save over an old file on disk",
        "save over an old file on disk, durable=False",
        "save over an old file on disk, durable=True",
    ),
    _in_memory: ("dumps", "dumps_into", "loads"),
    _many_files: ("read many files", "read the header of many files", "write many files"),
    _programs: ("start and import", "start and import to load and save"),
}

# Every work, in the order of the report.
WORKS = tuple(work for works in GROUPS.values() for work in works)


def _values(shape: tuple[int, ...]) -> NDArray[Any]:
    return np.random.default_rng(0).random(shape, np.float32)


def _write(directory: str, name: str, array: NDArray[Any]) -> Paths:
    # A file in each format; tells its path.
    for suffix, write in WRITERS.items():
        write(f"{directory}/{name}{suffix}", array)
    return lambda suffix: f"{directory}/{name}{suffix}"


def _contents(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _fresh(directory: str) -> Paths:
    serial = count()
    return lambda suffix: f"{directory}/{next(serial)}{suffix}"


def _empty(directory: str) -> None:
    for name in os.listdir(directory):
        os.unlink(f"{directory}/{name}")


def _sync(directory: str) -> None:
    # The disk works on after a file is closed: let it come to an end.
    for name in os.listdir(directory):
        descriptor = os.open(f"{directory}/{name}", os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def _missing_room(shape: tuple[int, ...], directory: str) -> str:
    need = ROOM * 4 * int(np.prod(shape))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    if os.path.exists("/proc/meminfo"):
        with open("/proc/meminfo") as file:
            memory = next(int(line.split()[1]) << 10 for line in file if "MemAvailable" in line)
    for name, room in (("memory", memory), ("disk space", shutil.disk_usage(directory).free)):
        if room < need:
            return f"skipped: needs {need >> 30} GiB of {name}, {room >> 30} GiB is free"
    return ""
