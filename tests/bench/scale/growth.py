"""Constants of one machine -> what a million files, a billion and a petabyte cost: a table.

What is measured and what is assumed is named; all else is arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

__all__ = ["ASSUMED", "LOADS", "SAID", "Load", "markdown"]

DAY = 86_400.0
KiB, MiB, GiB, TiB, PiB = (1 << shift for shift in (10, 20, 30, 40, 50))


class Load(NamedTuple):
    """A number of files, and the bytes of each."""

    name: str
    files: int
    bytes: int


LOADS = (
    Load("a million files of 1 MiB", 10**6, MiB),
    Load("a billion files of 1 MiB", 10**9, MiB),
    Load("a petabyte (PiB) in files of 64 MiB", PiB // (64 * MiB), 64 * MiB),
)

# What nobody here can measure.
ASSUMED = {
    "request_seconds": 0.03,  # until an object store answers
    "requests_at_once": 32,  # the threads of tsr.scan
    "network_bytes_per_second": 1.25e9,  # 10 Gbit/s
    "workers": 64,
    "files_per_task": 500,
    "bytes_per_task": 128 * MiB,
    "names_per_listing": 1000,  # S3's
    "price_per_million": 0.40,  # dollars, for GET; S3's list price in 2024
}


def _seconds(value: float) -> str:
    for limit, unit, size in (
        (1e-3, "µs", 1e-6), (1, "ms", 1e-3), (120, "s", 1), (7200, "min", 60), (2 * DAY, "h", 3600),
    ):  # fmt: skip
        if value < limit:
            return f"{value / size:,.3g} {unit}"
    return f"{value / DAY:,.0f} days"


def _bytes(value: float) -> str:
    for unit, size in (("PiB", PiB), ("TiB", TiB), ("GiB", GiB), ("MiB", MiB), ("KiB", KiB)):
        if value >= size:
            return f"{value / size:,.3g} {unit}"
    return f"{value:,.0f} bytes"


def _count(value: float) -> str:
    return f"{value:,.0f}"


# What is said of each constant that is measured, and how its value is written.
SAID: dict[str, tuple[str, Callable[[float], str]]] = {
    "files": ("local files of 1 KiB that were there", _count),
    "scan_seconds_per_file": ("`tsr.scan`, a local file", _seconds),
    "scan_bytes_per_file": ("`tsr.scan`, memory of a file's row", _bytes),
    "load_seconds_per_file": ("`tsr.load` and sum, a local file of 1 KiB", _seconds),
    "dask_seconds_per_file": ("`tsr.dask.from_files` and sum, a file of 1 KiB", _seconds),
    "read_bytes_per_second": ("`tsr.load` and sum of a large local file, bytes a second", _bytes),
    "request_seconds": ("a header from S3 on loopback", _seconds),
    "request_cpu_seconds": ("processor time of the client for a header of many from S3", _seconds),
    "task_seconds": ("a task of dask that does nothing", _seconds),
    "cluster_seconds": ("start of a `LocalCluster`", _seconds),
    "cluster_processes": ("its processes", _count),
}


def markdown(known: Mapping[str, float]) -> str:
    """Compute the table, and where each engine takes over."""
    columns = [_column(load, known) for load in LOADS]
    head = ["", *(load.name for load in LOADS)]
    lines = [head, ["---", *["--:"] * len(LOADS)]]
    lines += [[what, *(column[what] for column in columns)] for what in columns[0]]
    rendered = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{rendered}\n\n{_takes_over(known)}"


def _column(load: Load, known: Mapping[str, float]) -> dict[str, str]:
    files, total = load.files, load.files * load.bytes
    at_once = ASSUMED["requests_at_once"]
    local = files * known["scan_seconds_per_file"]
    # A process waits for storage, or is itself what takes the time.
    request = max(ASSUMED["request_seconds"] / at_once, known["request_cpu_seconds"])
    per_task = max(1, min(ASSUMED["files_per_task"], ASSUMED["bytes_per_task"] // load.bytes))
    tasks = -(-files // per_task)
    scan_tasks = -(-files // ASSUMED["files_per_task"])
    workers = ASSUMED["workers"]
    network = total / ASSUMED["network_bytes_per_second"]
    memory = total / known["read_bytes_per_second"]
    scheduling = known["task_seconds"]
    return {
        "bytes": _bytes(total),
        "requests to list them on S3": _count(files / ASSUMED["names_per_listing"]),
        "requests for all headers (TSR4: twice as many)": _count(files),
        "their price": f"${files / 1e6 * ASSUMED['price_per_million']:,.2f}",
        "bytes of all headers": _bytes(64 * files),
        "memory of the table of `tsr.scan`": _bytes(files * known["scan_bytes_per_file"]),
        "headers, local, one process": _seconds(local),
        "headers, S3, one process": _seconds(files * request),
        f"headers, S3, {workers} workers": _seconds(
            max(files * request / workers, scan_tasks * scheduling)
        ),
        "all bytes, from the page cache, one process": _seconds(
            max(memory, files * known["load_seconds_per_file"])
        ),
        "all bytes, S3, one machine": _seconds(max(network, memory)),
        f"all bytes, S3, {workers} machines": _seconds(
            max(max(network, memory) / workers, tasks * scheduling)
        ),
        "tasks to read all bytes": _count(tasks),
        "the scheduler's time for these": _seconds(tasks * scheduling),
    }


def _takes_over(known: Mapping[str, float]) -> str:
    # From where on starting a cluster of this machine is paid back, and a scheduler is too slow.
    scanned = 3600 / known["scan_seconds_per_file"]
    wait, at_once = ASSUMED["request_seconds"], ASSUMED["requests_at_once"]
    cpu, start = known["request_cpu_seconds"], known["cluster_seconds"]
    together = _count(1 / max(wait / at_once, cpu))
    headers = start / (known["scan_seconds_per_file"] * (1 - 1 / known["cluster_processes"]))
    saved = known["load_seconds_per_file"] - known["dask_seconds_per_file"]
    tasks, batch = 1 / known["task_seconds"], ASSUMED["files_per_task"]
    lines = [
        f"`tsr.scan` on one machine: {_count(scanned)} local files an hour, in "
        f"{_bytes(scanned * known['scan_bytes_per_file'])} of memory. With `tsr scan --csv`, which "
        "keeps no table, memory is no limit.",
        f"Threads, for storage far away: one request at a time of {_seconds(wait)} gives "
        f"{_count(1 / wait)} headers a second, {at_once} give {together}. "
        f"What ends that is the processor, which takes {_seconds(cpu)} for each: then it takes "
        "processes.",
        f"dask on one machine: its start, {_seconds(start)}, is paid back from {_count(headers)} "
        "headers on, if its processes share them without a loss.",
        f"Loading small files: dask's batches are paid back from {_count(start / saved)} files on."
        if saved > 0
        else "Loading small files from memory: dask's processes are no faster than a loop on this "
        "machine. They pay where one machine is not enough, or storage lets it wait.",
        f"One scheduler: {_count(tasks)} tasks a second, so with {batch} files a task "
        f"{_count(batch * tasks)} files a second. That, not the workers, is where small files end; "
        "it is what batches are for.",
    ]
    return "\n".join(f"- {line}" for line in lines)
