"""Fuzz the codec, the session's messages and the converters, and say what came of it.

    python -m fuzz run [--minutes N] [--jobs N] [--record] [TARGET...]
    python -m fuzz minimise [TARGET...]
    python -m fuzz cpp [--minutes N] [TARGET...]
    python -m fuzz planted [--seconds N] [--record]
    python -m fuzz report

It needs the extras ``test`` and ``fuzz``.

- ``run`` prints executions, coverage and new inputs of each target, and keeps an input that one
  fails with in ``fuzz/crashes``. New inputs go to ``fuzz/found``.
- ``minimise`` takes what counts of these into ``fuzz/corpus``.
- ``cpp`` does the same as ``run`` with the targets of tsr.hpp, one after the other. It needs CMake,
  zlib, and a clang with libFuzzer.
- ``planted`` puts bugs into a copy of the sources, one at a time, and tells what finds them.
- ``report`` writes ``fuzz/report.md`` from what ``run`` and ``planted`` leave with ``--record``.

Exit status: 0 all is well, 1 a target failed or a planted bug was not found, 2 the command line is
wrong or an extra is missing, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import TYPE_CHECKING

try:
    from fuzz import compiled, report
    from fuzz.runs import Run, minimise, run
    from fuzz.targets import TARGETS
except ModuleNotFoundError as error:
    print(f"{error}; pip install -e '.[test,fuzz]'", file=sys.stderr)
    sys.exit(2)

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit status."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("run", "minimise"):
        command = commands.add_parser(name)
        command.add_argument(
            "targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}"
        )
        command.add_argument("--jobs", type=_jobs, default=cpu_count(), help="targets at once")
        if name == "run":
            command.add_argument("--minutes", type=_time, default=1, help="for each target")
            command.add_argument("--record", action="store_true", help="for the report")
    cpp = commands.add_parser("cpp")
    cpp.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"of {', '.join(compiled.TARGETS)}"
    )
    cpp.add_argument("--minutes", type=_time, default=1, help="for each target")
    planted = commands.add_parser("planted")
    planted.add_argument("--seconds", type=_time, default=60, help="for each bug and each way")
    planted.add_argument("--record", action="store_true", help="for the report")
    commands.add_parser("report")
    options = parser.parse_args(arguments)
    if "targets" in options:
        known = compiled.TARGETS if options.command == "cpp" else TARGETS
        unknown = set(options.targets) - set(known)
        if unknown:
            parser.error(f"no such target: {', '.join(sorted(unknown))}")
    try:
        return _DOES[options.command](options)
    except (ModuleNotFoundError, compiled.MissingError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _jobs(text: str) -> int:
    jobs = int(text)
    if jobs < 1:
        raise ValueError(text)
    return jobs


def _time(text: str) -> float:
    time = float(text)
    if not 0 < time < 1e6:
        raise ValueError(text)
    return time


def _run(options: argparse.Namespace) -> int:
    targets = options.targets or list(TARGETS)
    print(
        f"{'target':<16} {'executions':>11} {'a second':>9} {'branches':>9} {'new':>5}", flush=True
    )
    runs: list[Run] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for done in pool.map(lambda target: run(target, 60 * options.minutes), targets):
            runs.append(done)
            if options.record:
                report.record(done)
            print(
                f"{done.target:<16} {done.executions:>11,} {done.executions / done.seconds:>9,.0f} "
                f"{done.edges:>9} {done.new:>5}",
                flush=True,
            )
            if done.crash:
                print(f"{done.crash}: {done.crash.read_bytes().hex()}")
            if done.failure:
                print(done.failure, flush=True)
    executions = sum(done.executions for done in runs)
    crashes = sum(done.crash is not None for done in runs)
    print(f"{executions:,} executions of {len(runs)} targets, {crashes} crashes")
    return 1 if any(done.failure for done in runs) else 0


def _minimise(options: argparse.Namespace) -> int:
    targets = options.targets or list(TARGETS)
    with ThreadPoolExecutor(options.jobs) as pool:
        for target, (before, after) in zip(targets, pool.map(minimise, targets), strict=True):
            print(f"{target:<16} {before:>5} -> {after:>5} files", flush=True)
    return 0


def _cpp(options: argparse.Namespace) -> int:
    targets = options.targets or list(compiled.TARGETS)
    programs = compiled.build(targets=targets)
    print(
        f"{'target':<12} {'executions':>11} {'a second':>9} {'branches':>9} {'features':>9} crashes"
    )
    failed = False
    for target in targets:
        done = compiled.run(target, 60 * options.minutes, programs)
        print(
            f"{target:<12} {done.executions:>11,} {done.executions / done.seconds:>9,.0f} "
            f"{done.edges:>9} {done.features:>9} {int(done.crash is not None):>7}",
            flush=True,
        )
        if done.crash:
            print(f"{done.crash}: {done.crash.read_bytes().hex()}")
        if done.failure:
            print(done.failure, flush=True)
        failed = failed or bool(done.failure)
    return int(failed)


def _planted(options: argparse.Namespace) -> int:
    from fuzz import planted

    found = []
    for bug in planted.find_all(options.seconds):
        found.append(bug)
        print(bug, flush=True)
    if options.record:
        report.record_planted(found, options.seconds)
    return 0 if all(bug.found for bug in found) else 1


def _report(_: argparse.Namespace) -> int:
    print(report.write(), end="")
    return 0


_DOES = {
    "run": _run,
    "minimise": _minimise,
    "cpp": _cpp,
    "planted": _planted,
    "report": _report,
}

if __name__ == "__main__":
    sys.exit(main())
