"""Measure many files, here and on S3, one by one, by threads and by dask: a table.

Run as ``python -m tests.bench.scale`` from the root of the repository, with the extra ``test``;
with ``--write`` all that the repository says of it becomes what was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

from tests.bench.harness import measure
from tests.bench.options import bench_parser
from tests.bench.scale import growth, report
from tests.bench.scale.cases import cases
from tests.bench.scale.constants import constants
from tests.bench.scale.places import Place, local_place, s3_place

HERE = Path(__file__).parent
README = HERE.parents[2] / "README.md"

# The table in the README stands between these.
MARKS = ("<!-- scale -->\n", "<!-- end of scale -->\n")

DELAY_SECONDS = 0.02
FAR = f"S3, {DELAY_SECONDS * 1e3:.0f} ms"


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure and write the reports."""
    options = _parser().parse_args(arguments)
    remote = options.remote_files
    counts = (40, 20, 10) if options.quick else (options.files, remote, remote // 2)
    document = run(options, counts)
    if options.json:
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n")
    if options.write:
        write(document, HERE, README)
    text = report.markdown(document)
    if options.markdown:
        Path(options.markdown).write_text(text)
    else:
        sys.stdout.write(text)


def run(options: argparse.Namespace, counts: tuple[int, int, int]) -> dict[str, Any]:
    """Measure, and tell on standard error how far it is."""
    from distributed import Client, LocalCluster

    here, near, far = counts
    rows = []
    with ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="tr_bench_", dir=options.dir)
        )
        start = perf_counter()
        # Mapped files count as memory that a worker takes: no limit that would have it paused.
        cluster = LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=2, threads_per_worker=1, memory_limit=0, dashboard_address=":0",
            local_directory=folder,
        )  # fmt: skip
        stack.enter_context(cluster)
        client = stack.enter_context(Client(cluster))  # type: ignore[no-untyped-call]
        started = perf_counter() - start
        makers: dict[str, Callable[[str], AbstractContextManager[Place]]] = {
            "local": lambda name: nullcontext(local_place(f"{folder}/local", here)),
            "S3 on loopback": lambda name: s3_place(name, near, 0),
            FAR: lambda name: s3_place(name, far, DELAY_SECONDS),
        }
        places = [
            stack.enter_context(make(name))
            for name, make in makers.items()
            if options.place in name
        ]
        for case in cases(places, client, options.only):
            print(f"{case.work}, {case.place}", file=sys.stderr, flush=True)
            for column, call in case.table.items():
                found = call()
                case.settle()
                if found != case.expected:
                    raise AssertionError(f"{case.work}: {column} gives {found}")
            samples = measure(
                case.table, settle=case.settle, seconds=options.seconds or 0,
                least_rounds=1 if options.quick else options.rounds,
            )  # fmt: skip
            rows.append(report.row(case, samples))
        known = {}
        if not options.only and not options.place:
            print("constants", file=sys.stderr, flush=True)
            rounds, large = (1, 1 << 10) if options.quick else (3, 1 << 18)
            known = constants(places[0], places[1], client, started, folder, rounds, large)
    return {"environment": _environment(options), "rows": rows, "constants": known}


def write(document: dict[str, Any], folder: Path, readme: Path) -> None:
    """Write what was measured where the repository says it."""
    (folder / "results.json").write_text(json.dumps(document, indent=1) + "\n")
    (folder / "results.md").write_text(report.markdown(document))
    (folder / "growth.md").write_text(growth.markdown(document["constants"]) + "\n")
    before, _, rest = readme.read_text().partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    readme.write_text(f"{before}{MARKS[0]}{report.table(document)}\n{MARKS[1]}{after}")


def _environment(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "dask", "s3fs")},
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "dir": options.dir,
        "delay_ms": DELAY_SECONDS * 1e3,
        "note": f"\n\n{options.note}" if options.note else "",
    }


def _parser() -> argparse.ArgumentParser:
    parser = bench_parser("tests.bench.scale", __doc__, "few files, one round")
    parser.add_argument(
        "--files", type=int, default=20_000, help="local ones (default: %(default)s)"
    )
    parser.add_argument(
        "--remote-files", type=int, default=200, help="those on S3 (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--place", default="", help="places with this in their name")
    parser.add_argument("--note", default="", help="what to say of the machine")
    parser.add_argument(
        "--write", action="store_true",
        help="write results.json, results.md and growth.md, and the table of the README",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    main()
