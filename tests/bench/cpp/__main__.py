"""Measure tsr.hpp against the same work by hand, by <cstdio>, and in Python: a table.

Run as ``python -m tests.bench.cpp`` from the root of the repository, with the extra ``test``, a C++
compiler and zlib's headers. The program that has the ways in C++ is built first; it and Python
take turns in one run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import tsr
from tests.bench.cpp.program import Program, build, compiler
from tests.bench.harness import Samples, measure
from tests.bench.report import duration, table
from tsr.header import parse_header

MEMORY = "/dev/shm"  # noqa: S108 - the system's own place for files in memory

SIZES = {"tiny": 24, "1 MiB": 1 << 18, "64 MiB": 1 << 24}

COLUMNS = ("by hand", "stdio", "by hand, zlib's crc32", "tsr.hpp, Failure&", "Python")

PREFACE = """\
# Results

A time is that of one call of tsr.hpp, the median over all rounds; a ratio is the median over rounds
of the ratio within one round. **by hand**: how many times as long as the same work by hand, by the
system's calls and with every check, tsr.hpp takes. Other columns: how many times as long as
tsr.hpp the other way takes: **stdio** with fopen and fread or fwrite, of which none checks anything
and none writes atomically; **Python** with the package. {compiler}, -O2; Python {python}, numpy
{numpy}, {system}, {cpus} CPUs; files in memory.

"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, build, measure and write the report."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tsr_bench_", dir=options.dir) as folder:
        sizes = {name: SIZES[name] for name in (("tiny",) if options.quick else SIZES)}
        binary = build("codec_ways.cpp", folder, "-lz")
        document = run(binary, folder, sizes, options.seconds or (0.2 if options.quick else 4.0))
    if options.json:
        Path(options.json).write_text(json.dumps(document, indent=1))
    text = markdown(document)
    if options.markdown:
        Path(options.markdown).write_text(text)
    else:
        sys.stdout.write(text)


def run(binary: str, folder: str, sizes: dict[str, int], seconds: float) -> dict[str, Any]:
    """Measure everything, and tell on standard error how far it is."""
    make_files(folder)
    rows = []
    with Program([binary, folder]) as program:
        for work, python in python_ways(folder, sizes).items():
            print(work, file=sys.stderr, flush=True)
            ways = {name: program.way(f"{work}: {name}") for name in WAYS[_kind(work)]}
            samples = measure(
                {**ways, "Python": python}, settle=lambda: None, least_rounds=2, seconds=seconds
            )
            rows.append(row(work, samples))
    environment = {
        "compiler": compiler(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
    }
    return {"environment": environment, "rows": rows}


# What the program in C++ has, by the work without its size.
WAYS = {
    "parse a header": ("tsr.hpp", "tsr.hpp, Failure&", "by hand"),
    "load": ("tsr.hpp", "by hand", "stdio"),
    "open and touch": ("tsr.hpp", "by hand"),
    "save": ("tsr.hpp", "by hand", "stdio"),
    "open 1,000 tensors": ("tsr.hpp",),
    "check and touch all": ("tsr.hpp", "by hand, zlib's crc32"),
}


def make_files(folder: str) -> None:
    """Write what the works read."""
    for name, length in SIZES.items():
        tsr.save(f"{folder}/{name}.tsr", np.full(length, 1.5, np.float32))
    small = np.ones((1, 1, 8, 8), np.float32)
    tsr.save(f"{folder}/1,000 tensors.tsr", [small] * 1000, format="tsr4")
    large = np.arange(1 << 18, dtype=np.int32)
    tsr.save(f"{folder}/64 of 1 MiB.tsr", [large] * 64, format="tsr4")


def python_ways(folder: str, sizes: dict[str, int]) -> dict[str, Any]:
    """Give the same work in Python, by the name of the work."""
    header = Path(folder, "tiny.tsr").read_bytes()

    def touch(path: str) -> object:
        return tsr.load(path).reshape(-1).view(np.uint8)[::4096].sum()

    def touch_all(path: str) -> object:
        with tsr.open(path) as file:
            return [array.reshape(-1).view(np.uint8)[::4096].sum() for array in file]

    ways: dict[str, Any] = {
        "parse a header": partial(parse_header, header, file_size=len(header))
    }
    for name, length in sizes.items():
        path = f"{folder}/{name}.tsr"
        ways[f"load {name}"] = partial(tsr.load, path, mmap_mode=None)
        ways[f"open and touch {name}"] = partial(touch, path)
        array = np.full(length, 1.5, np.float32)
        ways[f"save {name}"] = partial(tsr.save, f"{folder}/python", array)
    ways["open 1,000 tensors"] = partial(tsr.open, f"{folder}/1,000 tensors.tsr")
    ways["check and touch all 64 of 1 MiB"] = partial(touch_all, f"{folder}/64 of 1 MiB.tsr")
    return ways


def row(work: str, samples: Samples) -> dict[str, Any]:
    """Make the row of a work: the median of tsr.hpp in seconds, and the ratios to it."""
    ratios = {
        way: samples.ratio("tsr.hpp", way) if way == "by hand" else samples.ratio(way, "tsr.hpp")
        for way in samples.seconds
        if way != "tsr.hpp"
    }
    return {"work": work, "seconds": samples.median("tsr.hpp"), "ratios": ratios}


def markdown(document: dict[str, Any]) -> str:
    """Render the report."""
    lines = [["work", "tsr.hpp", *COLUMNS]]
    for row in document["rows"]:
        ratios = (row["ratios"].get(column) for column in COLUMNS)
        cells = ("" if ratio is None else f"{ratio:.3g}" for ratio in ratios)
        lines.append([row["work"], duration(row["seconds"]), *cells])
    return PREFACE.format(**document["environment"]) + "\n".join(table(lines, words=(0,))) + "\n"


def _kind(work: str) -> str:
    return next(kind for kind in WAYS if work.startswith(kind))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cpp", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny files, few repeats")
    parser.add_argument("--seconds", type=float, help="for each row")
    parser.add_argument(
        "--dir",
        default=MEMORY if os.access(MEMORY, os.W_OK) else tempfile.gettempdir(),
        help="where the files go (default: %(default)s)",
    )
    parser.add_argument("--markdown", metavar="PATH", help="default: standard output")
    parser.add_argument("--json", metavar="PATH", help="the medians and ratios as data")
    return parser


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"it does not build: {error}")
