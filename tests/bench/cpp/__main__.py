"""Measure C++ against the same work by hand, by <cstdio>, and in Python: two tables.

Run as ``python -m tests.bench.cpp`` from the root of the repository, with the extra ``test``, a C++
compiler, CMake and zlib's headers. The programs that have the ways in C++ are built first; they and
Python take turns in one run.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.cpp import codec, sessions
from tests.bench.cpp.program import compiler
from tests.bench.harness import Samples, measure
from tests.bench.options import bench_parser
from tests.bench.report import duration, table

TABLES = {"tsr.hpp": codec.works, "tr::PythonSession": sessions.works}

COLUMNS = ("by hand", "stdio", "by hand, zlib's crc32", "tsr, Failure&", "Python")

PREFACE = """\
# Results

A time is that of one call of the library in C++, the median over all rounds; a ratio is the median
over rounds of the ratio within one round. **by hand**: how many times as long as the same work by
the system's calls, with every check, it takes. Other columns: how many times as long as it the
other way takes: **stdio** with fopen and fread or fwrite, of which none checks anything and none
writes atomically; **Python** with the package. A session has a worker in Python at its other end,
one by hand for the client by hand; tensors are float32, come back negated, and one value of each
page is read. {compiler}, -O2; Python {python}, numpy {numpy}, {system}, {cpus} CPUs; files in
memory.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, build, measure and write the report."""
    parser = bench_parser(
        "tests.bench.cpp", __doc__, "small files, few repeats", f"of {', '.join(TABLES)}"
    )
    options = parser.parse_args(arguments)
    seconds = options.seconds or (0.2 if options.quick else 4.0)
    document: dict[str, Any] = {
        "environment": {
            "compiler": compiler(),
            "python": platform.python_version(),
            "numpy": version("numpy"),
            "system": f"{platform.system()} {platform.machine()}",
            "cpus": os.cpu_count(),
        },
        "tables": {
            name: run(name, options.dir, options.quick, seconds)
            for name in TABLES
            if options.only in name
        },
    }
    if options.json:
        Path(options.json).write_text(json.dumps(document, indent=1))
    text = markdown(document)
    if options.markdown:
        Path(options.markdown).write_text(text)
    else:
        sys.stdout.write(text)


def run(name: str, directory: str, quick: bool, seconds: float) -> list[dict[str, Any]]:
    """Measure one table's works, and tell on standard error how far it is."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="tsr_bench_", dir=directory) as folder:
        for work, ways in TABLES[name](folder, quick):
            print(name, work, file=sys.stderr, flush=True)
            samples = measure(ways, settle=lambda: None, least_rounds=2, seconds=seconds)
            rows.append(row(work, samples))
    return rows


def row(work: str, samples: Samples) -> dict[str, Any]:
    """Make the row of a work: the median time in C++ in seconds, and the ratios to it."""
    ratios = {
        way: samples.ratio("tsr", way) if way == "by hand" else samples.ratio(way, "tsr")
        for way in samples.seconds
        if way != "tsr"
    }
    return {"work": work, "seconds": samples.median("tsr"), "ratios": ratios}


def markdown(document: dict[str, Any]) -> str:
    """Render the report."""
    parts = [PREFACE.format(**document["environment"])]
    for name, rows in document["tables"].items():
        used = [column for column in COLUMNS if any(column in row["ratios"] for row in rows)]
        lines = [["work", name, *used]]
        for row in rows:
            ratios = (row["ratios"].get(column) for column in used)
            cells = ("" if ratio is None else f"{ratio:.3g}" for ratio in ratios)
            lines.append([row["work"], duration(row["seconds"]), *cells])
        parts.append("\n".join(table(lines, words=(0,))) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    main()
