"""What single steps cost on this machine, from which `growth` computes what many cost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import tsr
import tsr.dask
from tests.bench.scale.places import Place, local_place

__all__ = ["constants"]

_SCAN = """
import sys, tracemalloc, tsr
files = open(sys.argv[1]).read().splitlines()
tsr.scan(files[:1])
tracemalloc.start()
tsr.scan(files)
print(tracemalloc.get_traced_memory()[1] / len(files))
"""


def constants(
    local: Place,
    loopback: Place,
    client: Any,
    started: float,
    folder: str,
    rounds: int = 3,
    large_rows: int = 1 << 18,
) -> dict[str, float]:
    """Measure them.

    Parameters
    ----------
    local, loopback : Place
        Files of 1 KiB.
    client : distributed.Client
    started : float
        Seconds that its cluster took to start.
    folder : str
        Where more files may be written.
    rounds : int
        The median of so many is taken.
    large_rows : int
        Of 256 bytes, in a large file.
    """
    count = len(local.files)
    large = local_place(f"{folder}/large", 1, large_rows).files[0]
    tasks = min(count, 1000)

    def by_dask() -> None:
        client.gather(client.map(_nothing, range(tasks), pure=False))

    def loaded_by_dask() -> None:
        array = tsr.dask.from_files(local.files, check=False)
        client.compute(array.sum()).result()  # type: ignore[no-untyped-call]

    def load_all() -> None:
        for file in local.files:
            tsr.load(file).sum()

    one = loopback.files[0]
    few = loopback.files[: min(100, len(loopback.files))]
    return {
        "files": count,
        "scan_seconds_per_file": _seconds(lambda: tsr.scan(local.files), rounds) / count,
        "scan_bytes_per_file": _peak(local, folder),
        "load_seconds_per_file": _seconds(load_all, rounds) / count,
        "dask_seconds_per_file": _seconds(loaded_by_dask, rounds) / count,
        "read_bytes_per_second": os.path.getsize(large)
        / _seconds(lambda: tsr.load(large).sum(), rounds),
        "request_seconds": _seconds(lambda: tsr.read_header(one, **loopback.options), 20 * rounds),
        "request_cpu_seconds": _cpu_seconds(few, loopback.options) / len(few),
        "task_seconds": _seconds(by_dask, rounds) / tasks,
        "cluster_seconds": started,
        "cluster_processes": len(client.nthreads()),
    }


def _nothing(number: int) -> int:
    return number


def _seconds(call: Callable[[], object], rounds: int) -> float:
    call()
    times = []
    for _ in range(rounds):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return median(times)


def _cpu_seconds(files: list[str], options: Any) -> float:
    # Of this process alone, all threads together.
    before = sum(os.times()[:2])
    tsr.scan(files, **options)
    return sum(os.times()[:2]) - before


def _peak(local: Place, folder: str) -> float:
    # In a process of its own, in which nothing else is traced.
    with open(f"{folder}/files.txt", "w") as file:
        file.write("\n".join(local.files))
    done = subprocess.run(
        [sys.executable, "-c", _SCAN, file.name], capture_output=True, text=True, check=True
    )
    return float(done.stdout)
