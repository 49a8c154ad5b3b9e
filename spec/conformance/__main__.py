"""Check implementations of ``.tsr`` against the test vectors, or against each other.

The protocol is ``spec/conformance.md``. From the root of the repository::

    python -m spec.conformance [--format v1|tsr4] COMMAND...
    python -m spec.conformance --mutated 1000000 [--seed 1] COMMAND... -- COMMAND...
    python -m spec.conformance --exhaustive [--share 1/101] COMMAND... -- COMMAND...

The first feeds all vectors and original files to the program that the command starts. The others
feed files to several programs, and report and keep each that they do not agree on: the second
mutated files, the third all that are one step away from a vector, and many that are two.
Exit status: 0 all is right, 1 something is not, 2 the command line is wrong.

In this directory: `answers` and `program` speak the protocol, `vectors`, `mutation` and
`exhaustion` make the inputs. `codec`, `reference` and `kaitai` are implementations under it, by
means of `serving`; ``spec/js/conformance.mjs`` is a further one.
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
from typing import TYPE_CHECKING, NamedTuple

from spec.conformance.answers import Answer, agree
from spec.conformance.exhaustion import exhaustive_files
from spec.conformance.mutation import mutated_files
from spec.conformance.program import TIMEOUT_SECONDS, Program
from spec.conformance.vectors import FORMATS, cases, judge, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BATCH = 1024

# So many failures are printed in words, and so many inputs kept.
_SHOWN = 20
_KEPT = 1000


class _Input(NamedTuple):
    """A file that programs are compared on, its family, and its number in the whole sequence."""

    family: str
    number: int
    data: bytes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit status."""
    options, commands = _options(arguments)
    formats = [options.format] if options.format else list(FORMATS)
    if options.count:
        _print_counts(Counter(file.family for file in _inputs(formats, options)))
        return 0
    with ExitStack() as stack:
        try:
            programs = [
                stack.enter_context(Program(command, options.timeout)) for command in commands
            ]
        except OSError as error:
            print(f"cannot start {error.filename}: {error.strerror}", file=sys.stderr)
            return 2
        if options.mutated or options.exhaustive:
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
    compared = parser.add_mutually_exclusive_group()
    compared.add_argument(
        "--mutated", type=int, default=0, metavar="N", help="compare N mutated files instead"
    )
    compared.add_argument(
        "--exhaustive", action="store_true",
        help="compare all files that are one step away from a vector instead",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of the mutations (default: 0)")
    parser.add_argument(
        "--share", type=_share, default=(1, 1), metavar="K/N",
        help="every N-th of all files, beginning with the K-th; a prime N spreads them best",
    )  # fmt: skip
    parser.add_argument(
        "--count", action="store_true", help="only say how many files that are, by family"
    )
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
    if not options.exhaustive and (options.count or options.share != (1, 1)):
        parser.error("--share and --count are about --exhaustive")
    if not commands and not options.count:
        parser.error("expected a command")
    return options, commands


def _share(text: str) -> tuple[int, int]:
    first, _, step = text.partition("/")
    share = int(first), int(step)
    if not 1 <= share[0] <= share[1]:
        raise ValueError  # which argparse turns into an error of usage
    return share


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
    found, counts, families = 0, Counter[str](), Counter[str]()
    start = time.monotonic()
    with ThreadPoolExecutor(len(programs)) as pool:
        for file, answers in _asked(pool, programs, _inputs(formats, options)):
            first = answers[0]
            counts[first.clause or first.kind] += 1
            families[file.family] += 1
            if not _all_agree(file.data, answers):
                found += 1
                _report(file, programs, answers, found, options)
    seconds = time.monotonic() - start
    print("what the first program says of them:")
    _print_counts(counts)
    if options.exhaustive:
        print("what they are:")
        _print_counts(families)
    print(
        f"{counts.total()} inputs {_origin(options)} in {seconds:.1f} s "
        f"({counts.total() / seconds:.0f} a second), {found} disagreements"
    )
    return not found


def _inputs(formats: Sequence[str], options: argparse.Namespace) -> Iterator[_Input]:
    if options.exhaustive:
        first, step = options.share
        files = enumerate(exhaustive_files(formats))
        for number, (family, data) in islice(files, first - 1, None, step):
            yield _Input(family, number, data)
    else:
        mutated = islice(mutated_files(options.seed, formats), options.mutated)
        for number, data in enumerate(mutated):
            yield _Input(f"seed-{options.seed}", number, data)


def _origin(options: argparse.Namespace) -> str:
    if not options.exhaustive:
        return f"from seed {options.seed}"
    return "of share {}/{}".format(*options.share)


def _print_counts(counts: Counter[str]) -> None:
    for name, count in sorted(counts.items()):
        print(f"  {name:<14} {count:>9}")
    print(f"  {'all':<14} {counts.total():>9}", flush=True)


def _asked(
    pool: ThreadPoolExecutor, programs: Sequence[Program], files: Iterator[_Input]
) -> Iterator[tuple[_Input, tuple[Answer, ...]]]:
    # Inputs with their answers; while programs work on some, the next are made.
    batch = list(islice(files, _BATCH))
    while batch:
        data = [file.data for file in batch]
        asked = [pool.submit(program.ask, data) for program in programs]
        following = list(islice(files, _BATCH))
        for file, *answers in zip(batch, *(answer.result() for answer in asked), strict=True):
            yield file, tuple(answers)
        batch = following


def _all_agree(data: bytes, answers: Sequence[Answer]) -> bool:
    if answers.count(answers[0]) == len(answers) and answers[0].kind != "failed":
        return True
    told = [answer for answer in answers if answer.kind != "skipped"]
    return all(agree(data, told[0], answer) for answer in told)


def _report(
    file: _Input,
    programs: Sequence[Program],
    answers: Sequence[Answer],
    found: int,
    options: argparse.Namespace,
) -> None:
    if found > _KEPT:
        return
    options.keep = options.keep or Path(tempfile.mkdtemp(prefix="conformance-"))
    options.keep.mkdir(parents=True, exist_ok=True)
    path = options.keep / f"{file.family}-number-{file.number}.tsr"
    path.write_bytes(file.data)
    if found <= _SHOWN:
        print(f"{path} ({len(file.data)} bytes)")
        for program, answer in zip(programs, answers, strict=True):
            print(f"  {program.name}\n    {answer}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
