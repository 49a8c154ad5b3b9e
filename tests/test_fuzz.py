"""The fuzz targets in the ordinary tests: what once failed, the corpus, and hypothesis."""

from __future__ import annotations

import importlib.util
import struct
import warnings
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tsr
from fuzz import __main__ as command_line
from fuzz import planted, report
from fuzz.dictionary import libfuzzer_dictionary, words_of
from fuzz.mutators import SIZE_MAX, mutator_of
from fuzz.runs import run
from fuzz.seeds import MESSAGES, OTHERS, crashes_of, few_seeds_of, seeds_of
from fuzz.targets import TARGETS
from session import message
from tsr.testing import files

# Each of them writes files, many times over: fewer examples than for what stays in memory.
SLOW = ("readers", "npy", "npz", "safetensors", "pt")

FILES = st.binary() | files("v1") | files("tsr4")

needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed: the extra fuzz"
)
every_target = pytest.mark.parametrize("name", TARGETS)


@every_target
def test_seeds_and_corpus(name: str) -> None:
    """The invariant holds for everything that a run begins with."""
    for data in seeds_of(name):
        TARGETS[name](data)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param(name, path, id=f"{name}/{path.name}")
        for name in TARGETS
        for path in crashes_of(name)
    ],
)
def test_crashes(name: str, path: Path) -> None:
    """What a target once failed with it passes now."""
    TARGETS[name](path.read_bytes())


@every_target
def test_properties(name: str) -> None:
    """The invariant holds for whatever hypothesis makes, and makes of the seeds."""
    target, mutator, seeds = TARGETS[name], mutator_of(name), seeds_of(name)
    count = settings().max_examples // (4 if name in SLOW else 1)
    others = st.binary() if name in (*MESSAGES, *OTHERS) else FILES

    @settings(max_examples=count, suppress_health_check=list(HealthCheck))
    @given(others, st.sampled_from(seeds), st.integers(0, 2**32), st.integers(1, 4))
    def check(other: bytes, data: bytes, seed: int, steps: int) -> None:
        target(other)
        random = Random(seed)
        for _ in range(steps):
            data = mutator(data, random)
        target(data)

    check()


@every_target
@given(data=st.binary(max_size=300), seed=st.integers(0, 2**32))
def test_mutators(name: str, data: bytes, seed: int) -> None:
    """A mutator takes any bytes, and makes the same of them by the same chance."""
    mutator = mutator_of(name)
    mutant = mutator(data, Random(seed))
    assert len(mutant) <= SIZE_MAX
    assert mutator(data, Random(seed)) == mutant


@pytest.mark.parametrize("name", [name for name in TARGETS if not name.startswith("round_trip")])
def test_mutators_reach_both_verdicts(name: str, tmp_path: Path) -> None:
    """What a mutator makes of a seed is not always refused, nor always accepted."""
    random = Random(0)
    mutator, seeds = mutator_of(name), few_seeds_of(name)
    mutants = [mutator(random.choice(seeds), random) for _ in range(60 if name in SLOW else 300)]
    assert {is_accepted(name, mutant, tmp_path) for mutant in mutants} == {True, False}


def is_accepted(name: str, data: bytes, folder: Path) -> bool:
    """Tell whether the input of a target is one of those that it does not refuse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if name in MESSAGES:
                getattr(message, f"decode_{name}")(data)
            elif name in OTHERS:
                (folder / f"x.{name}").write_bytes(data)
                tsr.convert(folder / f"x.{name}", folder / "y.pt", overwrite=True)
            elif name == "header":
                tsr.parse_header(data)
            else:
                list(tsr.open(data))
    except tsr.TSRError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("loads", [b"TSR!", b"TSR4", struct.pack("<I", 64), bytes(80), struct.pack("<q", 2**31)]),
        ("request", [b'{"cmd":"', b'","params":"']),
        ("npy", [b"'descr': ", b"'<f4'"]),
    ],
)
def test_dictionary(name: str, words: list[bytes]) -> None:
    """The words of a target have what its inputs are made of, as libFuzzer reads them."""
    assert set(words) <= set(words_of(name))
    lines = libfuzzer_dictionary(name).splitlines()
    read = [bytes.fromhex(line.strip('"').replace("\\x", "")) for line in lines]
    assert tuple(read) == words_of(name)


@pytest.mark.parametrize("bug", planted.BUGS, ids=lambda bug: bug.name)
def test_planted_bugs_are_there_to_be_planted(bug: planted.Bug, tmp_path: Path) -> None:
    """The line that a bug changes stands where it is looked for, once."""
    text = (Path(__file__).parents[1] / bug.module).read_text()
    assert text.count(bug.right) == 1
    assert bug.wrong not in text
    assert bug.target in TARGETS


@needs_atheris
def test_run(tmp_path: Path) -> None:
    """A run of what is right finds nothing, counts what it did, and keeps what reached further."""
    planted.copy_sources(tmp_path)
    done = run("header", 2, root=tmp_path, crashes=tmp_path / "crashes")
    assert done.crash is None
    assert done.failure == ""
    assert done.executions > 500
    assert done.edges > 20
    assert not (tmp_path / "crashes").exists()


@needs_atheris
def test_run_that_finds_something(tmp_path: Path) -> None:
    """A run of what is wrong ends with the input that shows it, and how it failed."""
    (bug,) = (bug for bug in planted.BUGS if bug.name == "dims swapped")
    planted.copy_sources(tmp_path)
    planted.plant(bug, tmp_path)
    seeds = few_seeds_of("loads")
    done = run("loads", 60, root=tmp_path, crashes=tmp_path / "crashes", seeds=seeds)
    assert done.crash is not None
    assert done.crash.parent == tmp_path / "crashes" / "loads"
    assert "AssertionError" in done.failure
    array = tsr.loads(done.crash.read_bytes())  # which is right here
    assert array.shape != array.shape[::-1]


def test_report() -> None:
    """README and report show the figures that were recorded, of every target."""
    root = Path(__file__).parents[1]
    table = report.table()
    assert all(f"| `{name}` | " in table for name in TARGETS)
    assert table in (root / "README.md").read_text()
    assert table in (root / "fuzz" / "report.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "no-such-target"], "no-such-target"),
        (["run", "--minutes", "0", "header"], "--minutes"),
        (["run", "--jobs", "0", "header"], "--jobs"),
        ([], "command"),
    ],
)
def test_command_line(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong on the command line is named."""
    with pytest.raises(SystemExit) as caught:
        command_line.main(arguments)
    assert caught.value.code == 2
    assert named in capsys.readouterr().err


def test_missing_atheris(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Without atheris the extra to install is named."""
    (tmp_path / "atheris.py").write_text("raise ModuleNotFoundError(\"No module named 'atheris'\")")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert command_line.main(["run", "--minutes", "0.01", "header"]) == 2
    assert "[test,fuzz]" in capsys.readouterr().err
