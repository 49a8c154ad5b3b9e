"""The C++ header: its own tests, and whether it says and writes what the package says and writes.

The programs are built once a run, into the folder that ``TSR_CPP_BUILD`` names, if it does; what is
built there already is not built again.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tsr
from fuzz import compiled
from fuzz.__main__ import main as fuzz_main
from fuzz.runs import write_all
from fuzz.seeds import CRASHES
from spec.conformance.__main__ import main as conformance
from spec.conformance.answers import Answer, equally_right
from spec.conformance.mutation import mutated_files
from spec.conformance.vectors import cases
from tests.reading import tensors_of
from tests.test_cpp_packaging import COMPILER, needs_cmake, needs_compiler, needs_zlib

ROOT = Path(__file__).parents[1]
MUTATED = 4000

# An allocation that is refused is a result, as it is without the sanitizer.
SANITIZED = {**os.environ, "ASAN_OPTIONS": "allocator_may_return_null=1"}

needs_headers = pytest.mark.skipif(
    not COMPILER
    or subprocess.run(
        [COMPILER, "-E", "-x", "c++", "-"], capture_output=True, check=False,
        input=b"#include <doctest/doctest.h>\n#include <openssl/sha.h>\n",
    ).returncode != 0,
    reason="doctest or the headers of OpenSSL are not installed",
)  # fmt: skip
pytestmark = [needs_cmake, needs_compiler, needs_zlib, needs_headers]


def run(*command: str | Path) -> str:
    """Run a command that must succeed, and give what it prints."""
    done = subprocess.run(
        [*command], capture_output=True, text=True, check=False, cwd=ROOT, env=SANITIZED
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the programs with sanitizers, once for all workers of a run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = Path(os.environ.get("TSR_CPP_BUILD") or shared / "cpp").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run("cmake", "-S", ROOT, "-B", folder, f"-DCMAKE_CXX_COMPILER={COMPILER}",
            "-DTSR_BUILD_TESTS=ON", "-DTSR_SANITIZE=address,undefined")  # fmt: skip
        run("cmake", "--build", folder, "--parallel", str(os.cpu_count() or 1))
    return folder


def inputs() -> list[bytes]:
    """Give all vectors, and files that are a few steps away from one."""
    return [*(case.data for case in cases()), *islice(mutated_files(11), MUTATED)]


def ask(build: Path, what: str, files: Iterable[bytes]) -> list[bytes]:
    """Ask the header about files, as `tests/cpp/findings.cpp` says."""
    asked = b"".join((1 + len(data)).to_bytes(8, "little") + what.encode() + data for data in files)
    program = build / "tests" / "cpp" / "tsr_findings"
    done = subprocess.run([program], input=asked, capture_output=True, check=False, env=SANITIZED)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return list(unframed(done.stdout))


def unframed(data: bytes) -> Iterator[bytes]:
    """Give what lies behind its length, one after another."""
    while data:
        size = int.from_bytes(data[:8], "little")
        assert len(data) >= 8 + size
        yield data[8 : 8 + size]
        data = data[8 + size :]


def test_ctest(build: Path) -> None:
    """All test cases of the header pass, and there are as many as there should be."""
    output = run("ctest", "--test-dir", build, "--output-on-failure", "--parallel", "2")
    (count,) = re.findall(r"100% tests passed, 0 tests failed out of (\d+)", output)
    assert int(count) > 70


def test_conformance(build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The header is right about every vector, and says something of each."""
    assert conformance([str(build / "conformance")]) == 0
    assert " inputs, 0 wrong, 0 skipped" in capsys.readouterr().out


@pytest.mark.parametrize("strict", [True, False])
def test_findings(build: Path, strict: bool) -> None:
    """The header finds what the package finds, all of it, and says so in the same words."""
    files = inputs()
    answers = ask(build, "S" if strict else "L", files)
    assert len(answers) == len(files)
    kinds = set()
    for data, answer in zip(files, answers, strict=True):
        expected = tsr.validate(data, strict=strict)
        found = answer.decode().splitlines()
        assert len(found) == len(expected), (data.hex(), found, expected)
        for error, text in zip(expected, found, strict=True):
            assert is_same(data, error, text), (data.hex(), text, str(error))
            kinds.add(error.clause)
    # All clauses on bytes but those that lenient reading waives.
    assert len(kinds) == (43 if strict else 34), sorted(map(str, kinds))


def is_same(data: bytes, error: tsr.FormatError, text: str) -> bool:
    """Tell whether a finding and a text say the same, but for what only zlib can tell."""
    if error.clause not in ("T4-ZLIB-1", "T4-ZLIB-2") or text == str(error):
        return text == str(error)
    place, _, rest = text.partition(": got ")
    clause = rest[rest.rindex("[") + 1 : -1]
    if place != f"{error.field} at offset {error.offset}":
        return False
    one = Answer("refused", clause=clause, field=error.field, offset=error.offset)
    other = one._replace(clause=str(error.clause))
    return clause == error.clause == "T4-ZLIB-1" or equally_right(data, one, other)


def arrays_of(data: bytes) -> list[NDArray[Any]] | None:
    """Read the tensors of a file, if it is valid."""
    try:
        return list(tsr.open(data))
    except tsr.FormatError:
        return None


def package_dumps(arrays: Any, **options: Any) -> bytes:
    """Write arrays with the package; nothing for what has no encoding."""
    try:
        return tsr.dumps(arrays, **options)
    except tsr.UnsupportedError:
        return b""


@pytest.fixture(scope="module")
def valid() -> list[tuple[bytes, list[NDArray[Any]]]]:
    """Give the valid files among the inputs, and some of every rank, with their arrays."""
    files = inputs()
    random = Random(3)
    for dtype in ("<f4", "<i1", "<i4"):
        for rank in range(5):
            for _ in range(4):
                shape = tuple(random.choice((0, 1, 2, 5, 17)) for _ in range(rank))
                size = int(np.prod(shape)) * np.dtype(dtype).itemsize
                array = np.frombuffer(random.randbytes(size), dtype).reshape(shape)
                files.append(tsr.dumps(array))
    return [(data, arrays) for data in files if (arrays := arrays_of(data)) is not None]


def test_dumps(build: Path, valid: list[tuple[bytes, list[NDArray[Any]]]]) -> None:
    """The header writes the same bytes as the package, of tensors that either has read."""
    files = [data for data, _ in valid]
    assert len(files) > 300
    kinds = set()
    for answer, (data, arrays) in zip(ask(build, "V", files), valid, strict=True):
        expected = [package_dumps(array) for array in arrays]
        written = list(unframed(answer))
        assert written == (expected if all(expected) else []), data.hex()
        kinds.add(bool(written))
    for answer, (data, arrays) in zip(ask(build, "R", files), valid, strict=True):
        assert answer == package_dumps(arrays, format="tsr4"), data.hex()
        kinds.add(bool(answer))
    assert kinds == {True, False}


def test_compressed(build: Path, valid: list[tuple[bytes, list[NDArray[Any]]]]) -> None:
    """What one of the two compresses the other reads."""
    files = [data for data, _ in valid]
    for answer, (data, arrays) in zip(ask(build, "Z", files), valid, strict=True):
        raw = package_dumps(arrays, format="tsr4")
        assert bool(answer) == bool(raw)
        if raw:
            assert tsr.validate(answer) == []
            assert tensors_of(tsr.open(answer)) == tensors_of(tsr.open(raw)), data.hex()
    large = [np.arange(100_000, dtype="<i4") % 1000, np.zeros((3, 70_000), "<f2")]
    many = [large, *(arrays for _, arrays in valid if all(array.size for array in arrays))]
    packed = [tsr.dumps(arrays, format="tsr4", compress=True) for arrays in many]
    assert ask(build, "R", packed) == [tsr.dumps(arrays, format="tsr4") for arrays in many]


@pytest.mark.parametrize("target", compiled.TARGETS)
def test_fuzz_targets(build: Path, target: str, tmp_path: Path) -> None:
    """The invariant of a fuzz target holds for what runs begin with, and what once broke it."""
    seeds = compiled.compiled_seeds_of(target)
    write_all(tmp_path, seeds)
    crashes = CRASHES / f"cpp-{target}"
    kept = len(list(crashes.glob("*")))
    program = build / "tests" / "cpp" / "tsr_replay"
    assert run(program, target, tmp_path, crashes) == f"{len(seeds) + kept} files\n"


def test_replay_of_a_wrong_command_line(build: Path) -> None:
    """A target that is none is named as a fault of the command line."""
    program = build / "tests" / "cpp" / "tsr_replay"
    done = subprocess.run([program, "none"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("replay TARGET")


def test_fuzz_command_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong on the command line is named, and so is a tool that is not there."""
    with pytest.raises(SystemExit) as caught:
        fuzz_main(["cpp", "loads"])
    assert caught.value.code == 2
    assert "no such target: loads" in capsys.readouterr().err
    monkeypatch.setenv("PATH", "")
    assert fuzz_main(["cpp", "parse"]) == 2
    assert "needs cmake" in capsys.readouterr().err


@pytest.mark.skipif(
    "TSR_FUZZ_CPP" not in os.environ,
    reason="to build the fuzz targets with clang takes a minute: with TSR_FUZZ_CPP=1",
)
def test_fuzz_run(tmp_path: Path) -> None:
    """A run finds nothing in the header as it is, and what is wrong in one that is broken."""
    root = tmp_path / "tsr"
    for name in ("CMakeLists.txt", "tsr/include", "tsr/share", "fuzz/cpp"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, root / name)
    header = root / "tsr" / "include" / "tsr" / "tsr.hpp"
    right, wrong = "if (ndim < 0 || ndim > 4) {", "if (ndim < 0 || ndim > 5) {"
    text = header.read_text()
    for broken in (False, True):
        assert text.count(right) == 1
        header.write_text(text.replace(right, wrong) if broken else text)
        programs = compiled.build(tmp_path / "build", root, ["parse"])
        crashes = tmp_path / "crashes"
        done = compiled.run("parse", 20, programs, crashes=crashes, work=tmp_path / "work")
        assert (done.crash is not None) == broken
        assert bool(done.failure) == broken
        assert done.executions > 100
        assert done.features > done.edges > 0
