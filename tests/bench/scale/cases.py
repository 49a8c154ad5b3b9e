"""Places -> the rows of the report: the same work one by one, by threads and by dask.

A case writes only into folders of its own, which `settle` removes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import tsr
import tsr.dask
from tests.bench.scale.places import ROWS, Place, few

__all__ = ["WAYS", "Case", "cases"]

# What the legend says of each column.
WAYS = {
    "by hand": "a loop of os.open, os.fstat, os.read of 64 bytes and os.close",
    "serial": "a loop of the call for one file: `tsr.read_header`, `tsr.load`, `tsr.convert`",
    "threads": "the same calls by 4 threads, or by 32 for S3",
    "tsr": "the call for many files: `tsr.scan`, or `tsr.convert` of the folder",
    "dask": (
        "two processes of a `LocalCluster`: batches of `tsr.scan`, the sum of "
        "`tsr.dask.from_files`, `tsr.dask.convert` or batches of `tsr.convert`"
    ),
}

# One in so many local files is converted.
CONVERTED = 20

# How many files a task of dask has, where the bench itself makes the batches.
BATCH = 500


@dataclass(frozen=True)
class Case:
    """One row.

    Attributes
    ----------
    work, place : str
    count : int
        How many files.
    table : mapping of str to callable
        The ways, by column.
    expected : object
        What each gives.
    settle : callable
        Removes what the calls leave behind; not measured.
    """

    work: str
    place: str
    count: int
    table: Mapping[str, Callable[[], Any]]
    expected: Any
    settle: Callable[[], object] = field(default=lambda: None)


def cases(places: Sequence[Place], client: Any, only: str = "") -> Iterator[Case]:
    """Make the cases; `only` is a part of the names of the works."""
    for work, make in {
        "headers": _headers,
        "load and sum": _loading,
        "convert": _converting,
    }.items():
        if only in work:
            for place in places:
                yield make(work, place, client)


def _headers(work: str, place: Place, client: Any) -> Case:
    table: dict[str, Callable[[], Any]] = {
        "serial": partial(_each, _elements, place),
        "threads": partial(_by_threads, _elements, place),
        "tsr": lambda: _scanned(place.files, place.options),
        "dask": partial(_by_dask, _scanned, place, client),
    }
    if not place.options:
        table = {"by hand": partial(_each, _by_hand, place), **table}
    return Case(work, place.name, len(place.files), table, len(place.files) * ROWS * 64)


def _loading(work: str, place: Place, client: Any) -> Case:
    def by_dask() -> float:
        array = tsr.dask.from_files(place.files, check=False, **place.options)
        return float(client.compute(array.sum(dtype="float64")).result())  # type: ignore[no-untyped-call]

    table: dict[str, Callable[[], Any]] = {
        "serial": partial(_each, _sum, place),
        "threads": partial(_by_threads, _sum, place),
        "dask": by_dask,
    }
    total = sum(number % 100 for number in range(len(place.files))) * ROWS * 64
    return Case(work, place.name, len(place.files), table, total)


def _converting(work: str, place: Place, client: Any) -> Case:
    # A file takes a hundred times as long as its header.
    place = few(place, max(5, len(place.files) // CONVERTED)) if not place.options else place
    made: list[str] = []

    def target() -> str:
        made.append(tempfile.mkdtemp(prefix="tr_bench_", dir=_scratch(place)))
        return made[-1]

    def whole() -> int:
        return len(tsr.convert(place.folder, target() + "/all", to="npy"))

    def by_dask() -> int:
        return tsr.dask.convert(place.folder, target() + "/all", client=client, to="npy").converted

    def one_by_one(by: Callable[..., Any]) -> int:
        return int(by(partial(_converted, target()), place))

    table: dict[str, Callable[[], Any]] = {
        "serial": partial(one_by_one, _each),
        "threads": partial(one_by_one, _by_threads),
    }
    if place.options:
        batches = partial(_by_dask, _converted_batch, place, client)
        table["dask"] = lambda: batches(target())
    else:
        table |= {"tsr": whole, "dask": by_dask}

    def settle() -> None:
        while made:
            shutil.rmtree(made.pop())

    return Case(work, place.name, len(place.files), table, len(place.files), settle)


def _scratch(place: Place) -> str:
    # Beside what is converted, where that is a folder of this machine.
    return tempfile.gettempdir() if place.options else os.path.dirname(place.folder)


def _each(call: Callable[..., Any], place: Place) -> Any:
    return sum(call(file, place.options) for file in place.files)


def _by_threads(call: Callable[..., Any], place: Place) -> Any:
    with ThreadPoolExecutor(place.threads) as threads:
        return sum(threads.map(partial(call, options=place.options), place.files))


def _by_dask(call: Callable[..., Any], place: Place, client: Any, *rest: Any) -> Any:
    workers = len(client.nthreads())
    size = max(1, min(BATCH, -(-len(place.files) // workers)))
    batches = [place.files[at : at + size] for at in range(0, len(place.files), size)]
    futures = client.map(call, batches, options=place.options, rest=rest, pure=False)
    return sum(client.gather(futures))


def _by_hand(file: str, options: Mapping[str, Any]) -> int:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        return (size - len(os.read(descriptor, 64))) // 4
    finally:
        os.close(descriptor)


def _elements(file: str, options: Mapping[str, Any]) -> int:
    return tsr.read_header(file, **options).size


def _scanned(files: Sequence[str], options: Mapping[str, Any], rest: Any = ()) -> int:
    return int(tsr.scan(files, **options)["bytes"].sum()) // 4


def _sum(file: str, options: Mapping[str, Any]) -> float:
    return float(tsr.load(file, **options).sum(dtype="float64"))


def _converted(folder: str, file: str, options: Mapping[str, Any]) -> int:
    name = os.path.basename(file).replace(".tsr", ".npy")
    return len(tsr.convert(file, f"{folder}/{name}", **options))


def _converted_batch(files: Sequence[str], options: Mapping[str, Any], rest: tuple[str]) -> int:
    return sum(_converted(rest[0], file, options) for file in files)
