"""Check implementations of ``.tsr`` against the test vectors, or against each other.

The protocol is ``spec/conformance.md``. From the root of the repository::

    python -m spec.conformance [--format v1|tsr4] COMMAND...
    python -m spec.conformance --mutated 1000000 [--seed 1] COMMAND... -- COMMAND...

The first feeds all vectors and original files to the program that the command starts. The second
feeds mutated files to several programs, and reports and keeps each that they do not agree on.
Exit status: 0 all is right, 1 something is not, 2 the command line is wrong.

In this directory: `answers` and `program` speak the protocol, `vectors` and `mutation` make the
inputs. `codec`, `reference` and `kaitai` are implementations under it, by means of `serving`;
``spec/js/conformance.mjs`` is a further one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from spec.conformance.answers import Answer, agree
from spec.conformance.mutation import mutated_files
from spec.conformance.program import TIMEOUT_SECONDS, Program
from spec.conformance.vectors import FORMATS, cases, judge, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BATCH = 1024

# So many failures are printed in words, and so many inputs kept.
_SHOWN = 20
_KEPT = 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit status."""
    options, commands = _options(arguments)
    formats = [options.format] if options.format else list(FORMATS)
    with ExitStack() as stack:
        try:
            programs = [
                stack.enter_context(Program(command, options.timeout)) for command in commands
            ]
        except OSError as error:
            print(f"cannot start {error.filename}: {error.strerror}", file=sys.stderr)
            return 2
        if options.mutated:
            right = _compare(programs, formats, options)
        else:
            # Lists: each is checked, whatever came of the one before.
            right = all([_check(program, formats) for program in programs])  # noqa: C419
        ended = all([_ends_well(program) for program in programs])  # noqa: C419
        return 0 if right and ended else 1


def _options(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[list[str]]]:
    parser = argparse.ArgumentParser(
        prog="python -m spec.conformance",
        description="Check implementations of .tsr against the test vectors, or each other.",
    )
    parser.add_argument("--format", choices=FORMATS, help="only inputs of this format")
    parser.add_argument(
        "--timeout", type=float, default=TIMEOUT_SECONDS, metavar="S",
        help="seconds without an answer after which a program hangs (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--mutated", type=int, default=0, metavar="N", help="compare N mutated files instead"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the mutations (default: 0)")
    parser.add_argument(
        "--keep", type=Path, metavar="DIRECTORY", help="where files with disagreements are kept"
    )
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="COMMAND...", help="further ones behind --"
    )
    options = parser.parse_args(arguments)
    commands: list[list[str]] = [[]]
    for word in options.command:
        if word == "--":
            commands.append([])
        else:
            commands[-1].append(word)
    commands = [command for command in commands if command]
    if not commands:
        parser.error("expected a command")
    return options, commands


def _check(program: Program, formats: Sequence[str]) -> bool:
    # One program against the vectors.
    inputs = list(cases(formats))
    answers = program.ask([case.data for case in inputs])
    judged = [
        (case, answer, judge(case, answer)) for case, answer in zip(inputs, answers, strict=True)
    ]
    wrong = [(case, answer) for case, answer, verdict in judged if not verdict.right]
    print(program.name)
    for case, answer in wrong[:_SHOWN]:
        print(f"  {case.name}: expected {case.expected}\n    got {answer}")
    if len(wrong) > _SHOWN:
        print(f"  ... and {len(wrong) - _SHOWN} more")
    print(table(judged))
    told = sum(verdict.accepts is not None for _, _, verdict in judged)
    print(f"{len(judged)} inputs, {len(wrong)} wrong, {len(judged) - told} skipped\n", flush=True)
    return not wrong and told > 0


def _ends_well(program: Program) -> bool:
    fault = program.end()
    if fault:
        print(f"{program.name}: {fault}")
    return not fault


# ------------------------------------------------------------------ programs against each other


def _compare(
    programs: Sequence[Program], formats: Sequence[str], options: argparse.Namespace
) -> bool:
    found, counts = 0, Counter[str]()
    start = time.monotonic()
    files = islice(mutated_files(options.seed, formats), options.mutated)
    with ThreadPoolExecutor(len(programs)) as pool:
        for number, data, answers in _asked(pool, programs, files):
            first = answers[0]
            counts[first.clause or first.kind] += 1
            if not _all_agree(data, answers):
                found += 1
                _report(number, data, programs, answers, found, options)
    seconds = time.monotonic() - start
    print("what the first program says of them:")
    for name, count in sorted(counts.items()):
        print(f"  {name:<14} {count:>9}")
    print(
        f"{counts.total()} inputs from seed {options.seed} in {seconds:.1f} s "
        f"({counts.total() / seconds:.0f} a second), {found} disagreements"
    )
    return not found


def _asked(
    pool: ThreadPoolExecutor, programs: Sequence[Program], files: Iterator[bytes]
) -> Iterator[tuple[int, bytes, tuple[Answer, ...]]]:
    # Inputs with their numbers and answers; while programs work on some, the next are made.
    number = 0
    batch = list(islice(files, _BATCH))
    while batch:
        asked = [pool.submit(program.ask, batch) for program in programs]
        following = list(islice(files, _BATCH))
        for data, *answers in zip(batch, *(answer.result() for answer in asked), strict=True):
            yield number, data, tuple(answers)
            number += 1
        batch = following


def _all_agree(data: bytes, answers: Sequence[Answer]) -> bool:
    if answers.count(answers[0]) == len(answers) and answers[0].kind != "failed":
        return True
    told = [answer for answer in answers if answer.kind != "skipped"]
    return all(agree(data, told[0], answer) for answer in told)


def _report(
    number: int,
    data: bytes,
    programs: Sequence[Program],
    answers: Sequence[Answer],
    found: int,
    options: argparse.Namespace,
) -> None:
    if found > _KEPT:
        return
    options.keep = options.keep or Path(tempfile.mkdtemp(prefix="conformance-"))
    options.keep.mkdir(parents=True, exist_ok=True)
    path = options.keep / f"seed-{options.seed}-number-{number}.tsr"
    path.write_bytes(data)
    if found <= _SHOWN:
        print(f"{path} ({len(data)} bytes)")
        for program, answer in zip(programs, answers, strict=True):
            print(f"  {program.name}\n    {answer}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
