"""The targets of ``fuzz/cpp``, which are tsr.hpp's -> their builds and runs, and what came of them.

In: the sources, a clang with libFuzzer, CMake. Out: figures of each run; an input that a target
fails with is kept in ``fuzz/crashes/cpp-TARGET``, where a test finds it. Raised: `MissingError` for
a tool that is not installed, `RuntimeError` where the targets do not build.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from fuzz.dictionary import libfuzzer_dictionary
from fuzz.runs import FOUND, MEMORY_MIB, TIMEOUT_SECONDS, keep, memory_folder, stat_of, write_all
from fuzz.seeds import CRASHES, seeds_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["TARGETS", "CompiledRun", "MissingError", "build", "compiled_seeds_of", "run"]

TARGETS = ("parse", "contents", "round_trip", "build")

_ROOT = Path(__file__).parents[1]

# Whose seeds those of files are: they all take any file.
_FILES = ("loads", "open", "lenient", "unverified")

# Long directories are slow ones.
_SIZE_MAX = 2048

# An allocation that is refused is a result, as it is without the sanitizer. Where memory came from
# is of no use in a run, and takes most of its time.
_ASAN = "allocator_may_return_null=1:malloc_context_size=1:quarantine_size_mb=16"


class MissingError(Exception):
    """A tool that is needed is not installed."""


class CompiledRun(NamedTuple):
    """What came of a run.

    Attributes
    ----------
    target : str
    executions : int
        Inputs that were tried.
    seconds : float
    edges, features : int
        What of the program was reached, as libFuzzer counts it: branches, and how often.
    crash : Path or None
        The input that the target failed with.
    failure : str
        The last that the engine wrote, where it failed or did not start.
    """

    target: str
    executions: int
    seconds: float
    edges: int
    features: int
    crash: Path | None
    failure: str


def compiler() -> str:
    """Give the newest clang++ that is installed, whether its name has a number or not."""
    plain = shutil.which("clang++")
    if plain is not None:
        return plain
    names = (
        name
        for folder in os.get_exec_path()
        if os.path.isdir(folder)
        for name in os.listdir(folder)
    )
    numbers = [int(found[1]) for name in names if (found := re.fullmatch(r"clang\+\+-(\d+)", name))]
    if not numbers:
        raise MissingError("fuzzing tsr.hpp needs clang++, with libFuzzer")
    return f"clang++-{max(numbers)}"


def build(
    folder: Path | None = None,
    root: Path = _ROOT,
    targets: Sequence[str] = TARGETS,
) -> Path:
    """Build targets, as far as their sources have changed since, and give where they are.

    Parameters
    ----------
    folder : Path, optional
        Of the build; one for each compiler by default, because CMake forgets its options where
        another one is named.
    root : Path
        Of the sources.
    targets : sequence of str
    """
    if shutil.which("cmake") is None:
        raise MissingError("fuzzing tsr.hpp needs cmake")
    folder = folder or _ROOT / FOUND / "cpp" / Path(compiler()).name
    programs = [f"fuzz_{target}" for target in targets]
    configure = [
        "cmake", "-S", str(root), "-B", str(folder), f"-DCMAKE_CXX_COMPILER={compiler()}",
        "-DTSR_BUILD_FUZZERS=ON", "-DTSR_WITH_ZLIB=ON",
    ]  # fmt: skip
    jobs = str(os.cpu_count() or 1)
    make = ["cmake", "--build", str(folder), "--parallel", jobs, "--target", *programs]
    for command in (configure, make):
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - from this file
        if done.returncode:
            raise RuntimeError((done.stdout + done.stderr).decode(errors="replace"))
    return folder / "fuzz" / "cpp"


def compiled_seeds_of(target: str) -> list[bytes]:
    """Give all that a run of a target begins with, without repetition."""
    if target == "build":
        random = Random(0)  # noqa: S311 - nothing here is a secret
        # The first byte says in which format, and how many tensors.
        return [bytes([index % 16]) + random.randbytes(40) for index in range(64)]
    seeds = (data for name in _FILES for data in seeds_of(name))
    return list(dict.fromkeys(data for data in seeds if len(data) <= _SIZE_MAX))


def run(
    target: str,
    seconds: float,
    programs: Path,
    *,
    crashes: Path = CRASHES,
    work: Path | None = None,
) -> CompiledRun:
    """Fuzz a target for a time, or until it fails.

    Parameters
    ----------
    target : str
    seconds : float
    programs : Path
        What `build` gave.
    crashes : Path
        Where the input that it fails with is kept, in a folder of the target's name.
    work : Path, optional
        Where inputs that reach further are kept from one run to the next.
    """
    work = work or _ROOT / FOUND / f"cpp-{target}"
    work.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        first, artifacts = Path(folder, "seeds"), Path(folder, "artifacts")
        artifacts.mkdir()
        write_all(first, compiled_seeds_of(target))
        dictionary = Path(folder, "dictionary")
        dictionary.write_text(libfuzzer_dictionary("loads"))
        command = [
            str(programs / f"fuzz_{target}"), str(work), str(first),
            f"-max_total_time={max(1, round(seconds))}", f"-dict={dictionary}",
            f"-artifact_prefix={artifacts}/", "-print_final_stats=1", f"-max_len={_SIZE_MAX}",
            f"-timeout={TIMEOUT_SECONDS}", f"-rss_limit_mb={MEMORY_MIB}",
        ]  # fmt: skip
        environment: Mapping[str, str] = {**os.environ, "ASAN_OPTIONS": _ASAN}
        done = subprocess.run(command, capture_output=True, check=False, env=environment)  # noqa: S603 - built above
        output = (done.stdout + done.stderr).decode(errors="replace")
        crash = keep(artifacts, crashes / f"cpp-{target}")
    counts = re.findall(r" cov: (\d+) ft: (\d+) ", output) or [("0", "0")]
    executions = stat_of(output, "number_of_executed_units")
    edges, features = map(int, counts[-1])
    return CompiledRun(
        target,
        executions,
        time.monotonic() - start,
        edges,
        features,
        crash,
        output[-3000:] if done.returncode or not executions else "",
    )
