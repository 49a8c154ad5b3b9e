"""Measure a session against other ways to work with another process: a table.

Run as ``python -m tests.bench.session`` from the root of the repository, with the extra ``test``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from time import perf_counter
from typing import Any

from tests.bench.harness import measure
from tests.bench.options import bench_parser
from tests.bench.session import report
from tests.bench.session.cases import Case, Plan, cases
from tests.bench.session.ways import Places, missing

# So long a way works before another has its turn: what the others left in the caches is then gone.
TURN_SECONDS = 0.02


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure and write the reports."""
    options = _parser().parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="tr_bench_", dir=options.dir) as memory,
        tempfile.TemporaryDirectory(prefix="tr_bench_", dir=options.disk) as disk,
    ):
        on_disk = os.stat(disk).st_dev != os.stat(memory).st_dev
        plan = Plan(Places(memory, disk if on_disk else None), only=options.only)
        seconds, least_rounds = 6.0, 5
        if options.quick:
            plan = replace(plan, batch=20, sessions=(2,), polling=False)
            seconds, least_rounds = 0.3, 1
        document = run(plan, seconds if options.seconds is None else options.seconds, least_rounds)
    document["environment"].update(memory=options.dir, disk=options.disk)
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
    absent = missing(plan.places)
    for way, why in absent.items():
        print(f"left out: {way}: {why}", file=sys.stderr)
    rows = []
    for case in cases(plan):
        print(case.work, file=sys.stderr, flush=True)
        _check(case)
        turns = {column: _Turn(call) for column, call in case.table.items()}
        case.settle()
        samples = measure(turns, settle=case.settle, seconds=seconds, least_rounds=least_rounds)
        for column, turn in turns.items():
            samples.seconds[column] = [time / turn.calls for time in samples.seconds[column]]
        rows.append(report.row(case, samples, {c: turn.seconds for c, turn in turns.items()}))
    environment = {
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
    }
    return {"environment": environment, "missing": absent, "rows": rows}


def _check(case: Case) -> None:
    # All ways come to the same end; this warms them up, too.
    for column, call in case.table.items():
        if not case.check(call()):
            raise AssertionError(f"{case.work}: {column} gives something else")
        case.settle()


class _Turn:
    """Calls in a row, as many as take `TURN_SECONDS`; the time of each is kept."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.calls = 1
        self.seconds: list[float] = []
        self._call = call
        self()
        self.calls = max(1, int(TURN_SECONDS / self.seconds.pop()))

    def __call__(self) -> None:
        for _ in range(self.calls):
            start = perf_counter()
            self._call()
            self.seconds.append(perf_counter() - start)


def _parser() -> argparse.ArgumentParser:
    parser = bench_parser("tests.bench.session", __doc__, "few repeats, few sessions at once")
    parser.add_argument(
        "--disk",
        default=tempfile.gettempdir(),
        help="where those on a disk go (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    main()
