"""Mutation testing: small faults in the modules that judge bytes, each of which tests must notice.

In: modules of the package and the tests that judge them. Out: what survives, on the terminal, and
``fuzz/mutation.md`` where all modules were run. The exit status is 1 where a mutant survives
without a reason in ``fuzz/survivors.json``, or a reason is there without its survivor.

``python -m fuzz.mutation [MODULE ...] [--jobs N]``

Why not a library: mutmut changes only the bodies of functions, cosmic-ray neither strings nor
statements, and it starts an interpreter for each mutant, which takes longer than the tests here.
Here a process is forked for each, in which all but this package is imported already. The mutant
is executed from memory when the tests import it: no file is changed, not even in a copy.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import resource
import signal
import sys
import tempfile
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import pytest
from hypothesis import Phase, settings

from fuzz.mutants import Mutant, mutants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType

__all__ = ["MODULES", "main"]

# The modules, and the tests that judge them: those first that are likely to notice.
MODULES = {
    "tsr/header.py": ["tests/test_header.py"],
    "tsr/container.py": ["tests/test_container.py"],
    "tsr/layout.py": ["tests/test_layout.py", "tests/test_header.py", "tests/test_container.py"],
    "session/message.py": ["tests/test_session_message.py"],
}
REPORT = "fuzz/mutation.md"
REASONS = "fuzz/survivors.json"

# A mutant may loop for ever, sleep, or ask for all memory. Seconds of the processor tell the first
# from a busy machine: so many more than three times what the tests take without a fault.
SECONDS = 10
SECONDS_ASLEEP = 600
MEMORY = 8 << 30  # bytes

# What pytest exits with where all passed; where tests failed, or could not even be imported.
_PASSED = 0
_NOTICED = (1, 2)

_INTRODUCTION = """\
# Mutation testing

Written by `python -m fuzz.mutation`, not by hand. A mutant is a module with one small fault:
another constant, comparison, operator, bound or message, a condition that always or never holds,
an argument, call or statement left out. A mutant is killed where the tests fail or do not end. Left
out are type hints, docstrings, imports, `__all__` and what only type checkers see: no behaviour.

"""


class Key(NamedTuple):
    """What tells a mutant from all others, wherever its line moves to."""

    module: str
    scope: str
    original: str
    mutant: str
    nth: int

    @property
    def alike(self) -> Key:
        """The key without the choice of quotes, which Python 3.12 made another in f-strings."""
        original, mutant = (text.replace('"', "'") for text in (self.original, self.mutant))
        return self._replace(original=original, mutant=mutant)


class Outcome(NamedTuple):
    """What became of a mutant: ``"killed"``, ``"timed out"`` or ``"survived"``."""

    key: Key
    line: int
    verdict: str


class Job(NamedTuple):
    """A module to be judged: where, by which tests, with room for temporary files."""

    root: Path
    module: str
    tests: Sequence[str]
    scratch: Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge modules, print what survives, and write the report; see the top of this module."""
    parser = _parser()
    options = parser.parse_args(arguments)
    root = Path(options.root).resolve()
    chosen = options.modules or list(MODULES)
    if not options.tests and not set(chosen) <= set(MODULES):
        parser.error(f"no tests are known but for {', '.join(MODULES)}: name some with --tests")
    reasons = _read_reasons(root / REASONS)
    outcomes: dict[str, list[Outcome]] = {}
    _settle()
    with tempfile.TemporaryDirectory(prefix="mutation-") as scratch:
        for module in chosen:
            job = Job(root, module, options.tests or MODULES[module], Path(scratch))
            outcomes[module] = list(_progress(module, _judged(job, options.jobs, options.seconds)))
    if chosen == list(MODULES) or options.report:
        (root / REPORT).write_text(_report(outcomes, reasons), encoding="utf-8")
    complaints = _complaints(outcomes, reasons)
    print("\n".join(complaints or ["every mutant is killed, or survives for a reason"]))
    return 1 if complaints else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fuzz.mutation", allow_abbrev=False)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="default: all")
    parser.add_argument("--jobs", type=int, default=2, help="how many mutants at once; default 2")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, metavar="N",
        help=f"let tests compute for so much longer than usual; default {SECONDS}",
    )  # fmt: skip
    parser.add_argument("--tests", nargs="+", metavar="FILE", help="other tests to judge them by")
    parser.add_argument("--root", default=Path(__file__).parents[1], help="another source tree")
    parser.add_argument("--report", action="store_true", help="write it for a part of the modules")
    return parser


# ------------------------------------------------------------------ running


def _settle() -> None:
    # The same examples each time, and none that is only shorter; no plugin that tests can spare.
    phases = (Phase.explicit, Phase.generate)
    settings.register_profile("mutation", derandomize=True, deadline=None, phases=phases)
    os.environ["HYPOTHESIS_PROFILE"] = "mutation"
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads do not survive a fork
    # Terminated is interrupted: processes and files are cleared away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))


def _judged(job: Job, jobs: int, seconds: float) -> Iterator[Outcome]:
    """Judge every mutant of a module, in the order in which they end."""
    path = job.root / job.module
    source = path.read_text(encoding="utf-8")
    seconds += 3 * _warmed_up(job, compile(source, path, "exec"))
    faults = mutants(source, str(path))
    running: dict[int, Mutant] = {}
    try:
        while True:
            while len(running) < jobs and (fault := next(faults, None)) is not None:
                running[_start(job, fault.code, seconds)] = fault
            if not running:
                return
            pid, status, _ = _ended()
            fault = running.pop(pid)
            key = Key(job.module, fault.scope, fault.original, fault.mutant, fault.nth)
            yield Outcome(key, fault.line, _verdict(status, key))
    finally:
        for pid in running:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _warmed_up(job: Job, code: CodeType) -> float:
    """Import what the tests import, but for the tree's own modules; give the tests' seconds."""
    imported = job.scratch / "imported"
    _start(job, code, SECONDS_ASLEEP, imported)
    _, status, seconds = _ended()
    if os.waitstatus_to_exitcode(status) != _PASSED:
        output = (job.scratch / "output").read_text(encoding="utf-8", errors="replace")
        raise SystemExit(f"{job.module}: tests fail without a fault\n{output}")
    for name in json.loads(imported.read_bytes()):
        with contextlib.suppress(Exception):  # not every module can be imported by its name
            import_module(name)
    gc.freeze()  # what is there by now is no garbage, and need not be looked through again
    # What the tree's own modules and tests are compiled to stays out of the tree.
    sys.pycache_prefix = str(job.scratch / "bytecode")
    return seconds


def _start(job: Job, code: CodeType, seconds: float, imported: Path | None = None) -> int:
    """Fork a process in which the tests meet `code` in place of the module.

    Parameters
    ----------
    job : Job
    code : code
    seconds : float
        How long it may compute.
    imported : path, optional
        Where to write the names of the modules that it imported, but for those of the tree.
    """
    pid = os.fork()
    if pid == 0:
        try:
            _run_tests(job, code, seconds, imported)
        finally:
            os._exit(_NOTICED[0])  # what even pytest did not expect
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpgid(pid, pid)  # both do it, as none knows who is first
    return pid


def _run_tests(job: Job, code: CodeType, seconds: float, imported: Path | None) -> NoReturn:
    os.setpgid(0, 0)
    # What these signals do unless somebody catches them is to end the process.
    for number in (signal.SIGPROF, signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(SECONDS_ASLEEP)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    output = os.open(job.scratch / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.chdir(job.root)
    sys.path.insert(0, str(job.root))
    sys.dont_write_bytecode = sys.pycache_prefix is None
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(job.scratch / "hypothesis")
    sys.meta_path.insert(0, _Finder(job.module, str(job.root / job.module), code))
    options = ["-x", "-q", "--tb=native", "-p", "no:cacheprovider", f"--rootdir={job.root}"]
    temporary = f"--basetemp={job.scratch / str(os.getpid())}"
    status = pytest.main([*job.tests, *options, temporary], plugins=[_PropertiesLast()])
    if imported is not None:
        ours = {entry.name.partition(".")[0] for entry in job.root.iterdir()}
        names = [name for name in sys.modules if name.partition(".")[0] not in ours]
        imported.write_text(json.dumps(names), encoding="utf-8")
    sys.stdout.flush()
    os._exit(status)


def _ended() -> tuple[int, int, float]:
    """Wait for a process: its id, its status, and the seconds that it computed for."""
    ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    if ended is None:  # only those who do not want to wait get none
        raise ChildProcessError("no process to wait for")
    pid = ended.si_pid
    # What it started and left behind; while it is not waited for, nobody else has its id.
    os.killpg(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    return pid, status, usage.ru_utime + usage.ru_stime


def _verdict(status: int, key: Key) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code in (-signal.SIGPROF, -signal.SIGALRM):
        return "timed out"
    if code == _PASSED:
        return "survived"
    if code in _NOTICED or code < 0:
        return "killed"
    raise SystemExit(f"{key}: pytest exits with {code}, as it does where it could not run")


class _PropertiesLast:
    """A plugin of pytest: tests of many random examples come behind those of one."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: hasattr(getattr(item, "obj", None), "is_hypothesis_test"))


class _Finder:
    """An importer that has one module."""

    def __init__(self, module: str, path: str, code: CodeType) -> None:
        self._name = module.removesuffix(".py").replace("/", ".")
        self._path = path
        self._code = code

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        if name != self._name:
            return None
        return spec_from_file_location(name, loader=_Loader(name, self._path, self._code))


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        return self._code


# ------------------------------------------------------------------ reporting


def _read_reasons(path: Path) -> dict[Key, str]:
    if not path.exists():
        return {}
    reasons: dict[Key, str] = {}
    for group in json.loads(path.read_bytes()):
        for original, mutant, *nth in group["mutants"]:
            key = Key(group["module"], group["scope"], original, mutant, *(nth or [1])).alike
            if key in reasons:
                raise SystemExit(f"{path}: two reasons for {_described(key)}")
            reasons[key] = group["reason"]
    return reasons


def _progress(module: str, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    survivors = 0
    for number, outcome in enumerate(outcomes, 1):
        survivors += outcome.verdict == "survived"
        if number % 50 == 0:
            print(f"{module}: {number} mutants, {survivors} survive", flush=True)
        yield outcome


def _complaints(outcomes: dict[str, list[Outcome]], reasons: dict[Key, str]) -> list[str]:
    survivors = {
        outcome.key: outcome.line
        for judged in outcomes.values()
        for outcome in judged
        if outcome.verdict == "survived"
    }
    alike = {key.alike for key in survivors}
    return [
        f"{key.module}:{line}: survives without a reason: {_described(key)}"
        for key, line in sorted(survivors.items(), key=lambda item: (item[0].module, item[1]))
        if key.alike not in reasons
    ] + [
        f"{REASONS}: a reason without a survivor: {_described(key)}"
        for key in reasons
        if key.module in outcomes and key not in alike
    ]


def _described(key: Key) -> str:
    fault = json.dumps([key.original, key.mutant, *([key.nth] if key.nth > 1 else [])])
    return f"{key.module}, {key.scope or 'the module'}: {fault}"


def _report(outcomes: dict[str, list[Outcome]], reasons: dict[Key, str]) -> str:
    rows: list[tuple[Any, ...]] = []
    for module, judged in outcomes.items():
        verdicts = [outcome.verdict for outcome in judged]
        counts = [verdicts.count(verdict) for verdict in ("killed", "timed out", "survived")]
        rows.append((f"`{module}`", len(judged), *counts))
    rows.append(
        ("together", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True)))
    )
    heads = ("module", "mutants", "killed", "timed out, so killed", "survivors")
    text = _INTRODUCTION + _table(heads, rows)
    for module, judged in outcomes.items():
        survivors = sorted(
            (outcome for outcome in judged if outcome.verdict == "survived"),
            key=lambda outcome: (outcome.line, outcome.key),
        )
        if survivors:
            text += f"\n## Survivors in `{module}`\n\n" + _table(
                ("where", "original", "mutant", "why it may"),
                [
                    (
                        f"`{key.scope}`" if key.scope else "the module",
                        *map(_code, _differing(key.original, key.mutant)),
                        reasons.get(key.alike, "**no reason**"),
                    )
                    for key, _, _ in survivors
                ],
            )
    return text


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _code(piece: str) -> str:
    return "`" + " ".join(piece.split()).replace("|", "\\|") + "`"


def _differing(original: str, mutant: str, around: int = 40) -> list[str]:
    """Cut off what two long pieces of code begin and end with in common, but for a little."""
    pieces = [original, mutant]
    if max(map(len, pieces)) <= 2 * around:
        return pieces
    head = _common(original, mutant)
    tail = _common(original[head:][::-1], mutant[head:][::-1])
    start, end = max(head - around, 0), max(tail - around, 0)
    return [
        f"{'…' if start else ''}{piece[start : len(piece) - end]}{'…' if end else ''}"
        for piece in pieces
    ]


def _common(one: str, other: str) -> int:
    """Count the characters that two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))


if __name__ == "__main__":
    sys.exit(main())
