"""Targets -> runs of the guided engine, and what came of them; a corpus -> what of it counts.

Each run is a process, so that nothing it does ends the others. An input that a target fails with
is kept in ``fuzz/crashes``, where a test finds it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fuzz.dictionary import libfuzzer_dictionary
from fuzz.mutators import SIZE_MAX
from fuzz.seeds import CORPUS, CRASHES, seeds_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "FOUND",
    "MEMORY_MIB",
    "TIMEOUT_SECONDS",
    "Run",
    "keep",
    "memory_folder",
    "minimise",
    "run",
    "stat_of",
    "write_all",
]

_ROOT = Path(__file__).parents[1]

# What runs find goes here, beside the committed corpus, and into that once it is minimised.
FOUND = Path("fuzz", "found")

# An input of a few kilobytes takes no target long, and none of them much memory.
TIMEOUT_SECONDS = 20
MEMORY_MIB = 2048


class Run(NamedTuple):
    """What came of a run.

    Attributes
    ----------
    target : str
    executions : int
        Inputs that were tried.
    seconds : float
        What it took, its start included.
    edges : int
        Branches of the package's code that were reached.
    new : int
        Inputs that reached further than those before.
    crash : Path or None
        The input that the target failed with.
    failure : str
        How it failed, or why it did not even start: a traceback, or the last that the engine wrote.
    """

    target: str
    executions: int
    seconds: float
    edges: int
    new: int
    crash: Path | None
    failure: str


def run(
    target: str,
    seconds: float,
    *,
    crashes: Path = CRASHES,
    root: Path = _ROOT,
    seeds: Sequence[bytes] | None = None,
) -> Run:
    """Fuzz a target for a time, or until it fails.

    Parameters
    ----------
    target : str
    seconds : float
    crashes : Path
        Where the input that it fails with is kept, in a folder of the target's name.
    root : Path
        Of the sources that are run.
    seeds : sequence of bytes, optional
        What to begin with; all seeds of the target by default.
    """
    work = root / FOUND / target
    work.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        first, artifacts = Path(folder, "seeds"), Path(folder, "artifacts")
        artifacts.mkdir()
        # The engine ends without clearing up: what a target writes goes with this folder.
        environment = {**os.environ, "TMPDIR": folder}
        write_all(first, seeds_of(target) if seeds is None else seeds)
        dictionary = Path(folder, "dictionary")
        dictionary.write_text(libfuzzer_dictionary(target))
        output = _engine(
            root,
            target,
            [work, first],
            f"-max_total_time={max(1, round(seconds))}",
            f"-dict={dictionary}",
            f"-artifact_prefix={artifacts}/",
            "-print_final_stats=1",
            environment=environment,
        )
        crash = keep(artifacts, crashes / target)
    executions = stat_of(output, "number_of_executed_units")
    counts = [int(number) for number in re.findall(r" cov: (\d+) ", output)]
    return Run(
        target,
        executions,
        time.monotonic() - start,
        counts[-1] if counts else 0,
        stat_of(output, "new_units_added"),
        crash,
        _failure(output) if crash or not executions else "",
    )


def minimise(target: str) -> tuple[int, int]:
    """Make the committed corpus of a target the least that reaches all that its runs did.

    Returns
    -------
    before, after : int
        The files in it.
    """
    corpus = CORPUS / target
    before = len(list(corpus.glob("*")))
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        seeds, merged = Path(folder, "seeds"), Path(folder, "merged")
        # Seeds come first: the corpus holds only what they do not reach.
        write_all(seeds, seeds_of(target, corpus=False))
        shutil.copytree(seeds, merged)
        corpus.mkdir(parents=True, exist_ok=True)
        sources = [path for path in (corpus, _ROOT / FOUND / target) if path.is_dir()]
        output = _engine(_ROOT, target, [merged, *sources], "-merge=1")
        if "MERGE-OUTER: the control file has" not in output:
            raise RuntimeError(output[-3000:])
        inputs = [path.read_bytes() for path in merged.iterdir()]
        known = set(seeds_of(target, corpus=False))
        shutil.rmtree(corpus)
        write_all(corpus, [data for data in inputs if data not in known])
    return before, len(list(corpus.glob("*")))


def memory_folder() -> str | None:
    """Give a folder in memory, where the system has one."""
    return "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 - only for own folders


def _engine(
    root: Path,
    target: str,
    folders: Sequence[Path],
    *options: str,
    environment: Mapping[str, str] | None = None,
) -> str:
    command = [sys.executable, "-m", "fuzz.guided", target, *map(str, folders), *options]
    limits = (
        f"-timeout={TIMEOUT_SECONDS}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-max_len={SIZE_MAX}",
        f"-report_slow_units={TIMEOUT_SECONDS}",
    )
    done = subprocess.run(  # noqa: S603 - the interpreter that runs this
        [*command, *limits], cwd=root, env=environment, capture_output=True, check=False
    )
    output = (done.stdout + done.stderr).decode(errors="replace")
    if "No module named 'atheris'" in output:
        raise ModuleNotFoundError(
            "fuzzing needs atheris: pip install -e '.[test,fuzz]'", name="atheris"
        )
    return output


def write_all(folder: Path, inputs: Sequence[bytes]) -> None:
    """Write inputs to a folder, under names that follow from what they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for data in inputs:
        (folder / _name(data)).write_bytes(data)


def _name(data: bytes) -> str:
    return sha256(data).hexdigest()[:16]


def stat_of(output: str, name: str) -> int:
    """Give one of the figures that libFuzzer prints at the end."""
    found = re.search(rf"stat::{name}:\s+(\d+)", output)
    return int(found[1]) if found else 0


def _failure(output: str) -> str:
    _, _, traceback = output.partition("=== Uncaught Python exception: ===")
    return (traceback.partition("\n==")[0] or output[-3000:]).strip()


def keep(artifacts: Path, crashes: Path) -> Path | None:
    """Copy the input that a run failed with to where it is kept; None where it did not fail."""
    for artifact in artifacts.iterdir():
        kind = artifact.name.partition("-")[0]  # crash, timeout or oom
        crashes.mkdir(parents=True, exist_ok=True)
        kept = crashes / f"{kind}-{_name(artifact.read_bytes())}"
        shutil.copy(artifact, kept)
        return kept
    return None
