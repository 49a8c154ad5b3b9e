"""The rows of TSR v1: one array a file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench import scratch
from tests.bench import ways_v1 as ways
from tests.bench.case import SHAPES, Case, Groups, Plan
from tests.bench.table import repeating, summing
from tests.bench.ways_v1 import WRITERS

__all__ = ["GROUPS"]

SMALLEST, *_, LARGEST = SHAPES

# Files in four formats and arrays read from them take at most so many times the payload.
ROOM = 9

_case = partial(Case, "TSR v1")


def _from_files(plan: Plan) -> Iterator[Case]:
    for size in plan.sizes:
        shape = SHAPES[size]
        missing = scratch.missing_room(ROOM * 4 * int(np.prod(shape)), plan.directory)
        if missing:
            yield from (_case(work, size, {}, note=missing) for work in GROUPS[_from_files])
            continue
        with TemporaryDirectory(dir=plan.directory) as directory:
            array = _values(shape)
            # The first large file may get scattered pages, slow to read: let it be none of these.
            WRITERS[".tsr"](f"{directory}/first.tsr", array)
            path = scratch.write(directory, "x", WRITERS, array)
            del array
            opening = ways.opening(path, shape)
            yield _case("open", size, opening)
            yield _case("open as a tensor", size, ways.opening_tensor(path, shape))
            yield _case("load and sum", size, summing(opening))
            yield _case("read the header", size, ways.reading_header(path))


def _to_files(plan: Plan) -> Iterator[Case]:
    for size in plan.sizes:
        if size == LARGEST:  # copying it tells nothing that 64 MiB does not
            continue
        array = _values(SHAPES[size])
        with TemporaryDirectory(dir=plan.directory) as directory:
            table = ways.saving(scratch.fresh(directory), array)
            yield _case("save a new file", size, table, partial(scratch.empty, directory))
        with TemporaryDirectory(dir=plan.directory) as directory:
            table = ways.saving(scratch.write(directory, "x", WRITERS, array), array)
            yield _case("save over an old file", size, table)


def _to_disk(plan: Plan) -> Iterator[Case]:
    for size in plan.sizes:
        if size in (SMALLEST, LARGEST):
            continue
        array = _values(SHAPES[size])
        for work, durable in zip(GROUPS[_to_disk], (None, False, True), strict=True):
            if plan.disk is None:
                yield _case(work, size, {}, note="skipped: no disk")
                continue
            with TemporaryDirectory(dir=plan.disk) as directory:
                table = ways.saving(scratch.write(directory, "x", WRITERS, array), array, durable)
                if durable:  # which no other library offers
                    table = {column: table[column] for column in ("by hand", "tsr")}
                yield _case(work, size, table, partial(scratch.sync, directory))


def _in_memory(plan: Plan) -> Iterator[Case]:
    for size in plan.sizes:
        if size == LARGEST:  # copying it tells nothing that 64 MiB does not
            continue
        array = _values(SHAPES[size])
        with TemporaryDirectory(dir=plan.directory) as directory:
            path = scratch.write(directory, "x", WRITERS, array)
            data = {suffix: scratch.contents(path(suffix)) for suffix in WRITERS}
        yield _case("dumps", size, ways.dumping(array))
        buffer = np.zeros(64 + array.nbytes, np.uint8)
        yield _case("dumps_into", size, ways.dumping_into(buffer, array))
        yield _case("loads", size, ways.loading(data))


def _many_files(plan: Plan) -> Iterator[Case]:
    shape, size = SHAPES[SMALLEST], f"{plan.files:,} {SMALLEST}"
    array = _values(shape)
    with TemporaryDirectory(dir=plan.directory) as directory:
        names = map(str, range(plan.files))
        paths = [scratch.write(directory, name, WRITERS, array) for name in names]
        headers = [ways.reading_header(path) for path in paths]
        opening = repeating([ways.opening(path, shape) for path in paths])
        yield _case("read many files", size, opening)
        yield _case("read the header of many files", size, repeating(headers))
        yield _case("scan many files", size, ways.scanning([path(".tsr") for path in paths]))
    with TemporaryDirectory(dir=plan.directory) as directory:
        table = repeating([ways.saving(scratch.fresh(directory), array)] * plan.files)
        yield _case("write many files", size, table, partial(scratch.empty, directory))


def _programs(plan: Plan) -> Iterator[Case]:
    yield _case("start and import", "", ways.importing())
    yield _case("start and import to load and save", "", ways.importing_ready())


GROUPS: Groups = {
    _from_files: ("open", "open as a tensor", "load and sum", "read the header"),
    _to_files: ("save a new file", "save over an old file"),
    _to_disk: (
        "save over an old file on disk",
        "save over an old file on disk, durable=False",
        "save over an old file on disk, durable=True",
    ),
    _in_memory: ("dumps", "dumps_into", "loads"),
    _many_files: (
        "read many files",
        "read the header of many files",
        "scan many files",
        "write many files",
    ),
    _programs: ("start and import", "start and import to load and save"),
}


def _values(shape: tuple[int, ...]) -> NDArray[Any]:
    return np.random.default_rng(0).random(shape, np.float32)
