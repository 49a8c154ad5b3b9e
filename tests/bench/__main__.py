"""Measure tsr against the same work by hand and against other libraries: a table.

Run as ``python -m tests.bench`` from the root of the repository, with the extra ``test``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from operator import itemgetter
from typing import Any

from tests.bench import report
from tests.bench.case import Plan
from tests.bench.cases import WORKS, cases
from tests.bench.harness import measure
from tests.bench.options import bench_parser

LIBRARIES = ("numpy", "safetensors", "torch", "zlib-ng", "isal")


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure and write the reports."""
    options = _parser().parse_args(arguments)
    if not any(options.only in work for work in WORKS):
        raise SystemExit(f"--only {options.only}: no such work; there are: {'; '.join(WORKS)}")
    on_disk = os.stat(options.disk).st_dev != os.stat(options.dir).st_dev
    plan = Plan(options.dir, options.disk if on_disk else None, only=options.only)
    seconds, least_rounds = 4.0, 2
    if options.quick:
        plan = replace(plan, sizes=("tiny", "1 MiB"), files=300, tensors=2)
        seconds, least_rounds = 0.3, 2
    document = run(plan, seconds if options.seconds is None else options.seconds, least_rounds)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(document, file, indent=1)
    text = report.markdown(document)
    if options.markdown:
        with open(options.markdown, "w") as file:
            file.write(text)
    else:
        sys.stdout.write(text)


def run(plan: Plan, seconds: float, least_rounds: int) -> dict[str, Any]:
    """Measure what a plan asks for, and tell on standard error how far it is."""
    measured = []
    for case in cases(plan):
        print(case.name, case.size, file=sys.stderr, flush=True)
        calls = {column: way.call for column, way in case.table.items()}
        samples = measure(calls, settle=case.settle, seconds=seconds, least_rounds=least_rounds)
        measured.append((WORKS.index(case.name), report.row(case, samples)))
    rows = [row for _, row in sorted(measured, key=itemgetter(0))]
    environment = {
        "python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "directory": plan.directory,
        "disk": plan.disk,
    }
    return {"environment": environment, "rows": rows}


def _parser() -> argparse.ArgumentParser:
    parser = bench_parser("tests.bench", __doc__, "small sizes, few repeats")
    parser.add_argument(
        "--disk",
        default=tempfile.gettempdir(),
        help="where those go that are replaced on a disk (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    main()
