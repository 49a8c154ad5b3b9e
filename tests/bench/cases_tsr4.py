"""The rows of TSR4: a file of many arrays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench import scratch
from tests.bench import ways_tsr4 as ways
from tests.bench.case import SHAPES, Case, Groups, Plan
from tests.bench.table import Paths, summing, summing_each
from tests.bench.ways_tsr4 import COMPRESSED_WRITERS, WRITERS

__all__ = ["GROUPS"]

LARGE, TINY = SHAPES["1 MiB"], (8, 8)

# How many a file of tiny arrays holds.
TINY_COUNTS = (100, 1_000)

_case = partial(Case, "TSR4")


def _directory(plan: Plan) -> Iterator[Case]:
    for count in TINY_COUNTS:
        with TemporaryDirectory(dir=plan.directory) as directory:
            path = scratch.write(directory, "x", WRITERS, _weights(count, TINY))
            yield _case("open", f"{count:,} tensors", ways.opening(path))


def _from_file(plan: Plan) -> Iterator[Case]:
    size = f"{plan.tensors} of 1 MiB"
    with TemporaryDirectory(dir=plan.directory) as directory:
        arrays = _weights(plan.tensors, LARGE)
        # The first large file may get scattered pages, slow to read: let it be none of these.
        WRITERS[".tsr"](f"{directory}/first.tsr", arrays)
        path = scratch.write(directory, "x", WRITERS, arrays)
        del arrays
        for suffix, verify in (("", True), (", verify=False", False)):
            one = ways.reading_one(path, plan.tensors // 2, verify)
            yield _case(f"load and sum one{suffix}", size, summing(one))
            every = ways.reading_all(path, verify)
            yield _case(f"load and sum all{suffix}", size, summing_each(every))
        yield _case("validate", size, ways.validating(path))


def _to_files(plan: Plan) -> Iterator[Case]:
    for count, shape, size in (
        (plan.tensors, LARGE, f"{plan.tensors} of 1 MiB"),
        (TINY_COUNTS[-1], TINY, f"{TINY_COUNTS[-1]:,} of 256 B"),
    ):
        arrays = _weights(count, shape)
        with TemporaryDirectory(dir=plan.directory) as directory:
            path, settle = scratch.fresh(directory), partial(scratch.empty, directory)
            yield _case("save", size, ways.saving(path, arrays), settle)
            for work, told in (
                ("save one at a time", None),
                ("save one at a time, count=n", count),
            ):
                yield _case(work, size, ways.saving_each(path, arrays, told), settle)


def _compressed(plan: Plan) -> Iterator[Case]:
    weights = _weights(plan.tensors, LARGE)
    rectified = [np.maximum(array, 0) for array in weights]
    for kind, arrays in (("weights", weights), ("half zeros", rectified)):
        size = f"{plan.tensors} of 1 MiB, {kind}"
        with TemporaryDirectory(dir=plan.directory) as directory:
            path = scratch.write(directory, "x", COMPRESSED_WRITERS, arrays)
            note = _sizes(path, sum(array.nbytes for array in arrays))
            yield _case("load compressed", size, ways.reading_compressed(path), note=note)
        with TemporaryDirectory(dir=plan.directory) as directory:
            table = ways.saving_compressed(scratch.fresh(directory), arrays)
            settle = partial(scratch.empty, directory)
            yield _case("save compressed", size, table, settle, note)


def _in_memory(plan: Plan) -> Iterator[Case]:
    arrays = _weights(3, TINY)
    with TemporaryDirectory(dir=plan.directory) as directory:
        path = scratch.write(directory, "x", WRITERS, arrays)
        data = {suffix: scratch.contents(path(suffix)) for suffix in WRITERS}
    yield _case("dumps", "3 of 256 B", ways.dumping(arrays))
    yield _case("loads", "3 of 256 B", ways.loading(data))


GROUPS: Groups = {
    _directory: ("open",),
    _from_file: (
        "load and sum one",
        "load and sum one, verify=False",
        "load and sum all",
        "load and sum all, verify=False",
        "validate",
    ),
    _to_files: ("save", "save one at a time", "save one at a time, count=n"),
    _compressed: ("save compressed", "load compressed"),
    _in_memory: ("dumps", "loads"),
}


def _weights(count: int, shape: tuple[int, ...]) -> list[NDArray[Any]]:
    # Values as in a trained network: bits that hardly compress.
    random = np.random.default_rng(0)
    return [random.standard_normal(shape, np.float32) * np.float32(0.05) for _ in range(count)]


def _sizes(path: Paths, nbytes: int) -> str:
    # What compression gains: in the same run, for the same arrays.
    tsr, npz = (os.stat(path(suffix)).st_size / nbytes for suffix in COMPRESSED_WRITERS)
    return f"{tsr:.0%} of the size (numpy {npz:.0%})"
