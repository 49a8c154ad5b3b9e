"""The conformance suite: what is right passes, whatever is wrong is found and named."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from random import Random

import pytest

from spec.conformance.__main__ import main
from spec.conformance.mutation import mutated
from spec.conformance.vectors import cases

PYTHON = sys.executable
CODEC = [PYTHON, "-m", "spec.conformance.codec"]
REFERENCE = [PYTHON, "-m", "spec.conformance.reference"]
JAVASCRIPT = ["node", "spec/js/conformance.mjs"]

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

# A program of one line or more that answers every input with what `answer(data)` gives.
PROGRAM = """
import json, os, sys, time
from spec.conformance.codec import answer as right
from spec.conformance.serving import serve
{define}
serve(answer)
"""


@pytest.fixture(autouse=True)
def _root(monkeypatch: pytest.MonkeyPatch) -> None:
    # Where its commands are run from.
    root = Path(__file__).parents[1]
    monkeypatch.chdir(root)
    monkeypatch.setenv("PYTHONPATH", str(root))


def broken(tmp_path: Path, define: str) -> list[str]:
    """Write a program that is wrong in some way."""
    path = tmp_path / "broken.py"
    path.write_text(PROGRAM.format(define=define))
    return [PYTHON, str(path)]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(CODEC, id="codec"),
        pytest.param(REFERENCE, id="reference"),
        pytest.param(JAVASCRIPT, id="javascript", marks=needs_node),
    ],
)
def test_implementations(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each implementation is right about every vector."""
    assert main(command) == 0
    assert " inputs, 0 wrong, " in capsys.readouterr().out


@pytest.mark.parametrize("format", ["v1", "tsr4"])
def test_one_format(format: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The inputs of one format can be asked for alone."""
    assert main(["--format", format, *CODEC]) == 0
    output = capsys.readouterr().out
    assert ("V1-NDIM-1" in output) == (format == "v1")
    assert ("T4-CRC-1" in output) == (format == "tsr4")


@needs_node
def test_mutated(capsys: pytest.CaptureFixture[str]) -> None:
    """The implementations agree on files that are mutated."""
    commands = [*CODEC, "--", *REFERENCE, "--", *JAVASCRIPT]
    assert main(["--mutated", "5000", "--seed", "7", *commands]) == 0
    output = capsys.readouterr().out
    assert "5000 inputs from seed 7" in output
    assert " 0 disagreements" in output


FAULTS = {
    "accepts all": "def answer(data): return {'format': 'v1', 'tensors': []}",
    "refuses all": "def answer(data): return {'clause': 'V1-SIZE-1'}",
    "another clause": """def answer(data):
    found = right(data)
    return {'clause': 'V1-DIMS-1'} if found.get('clause') == 'V1-TOTAL-1' else found""",
    "another field": """def answer(data):
    found = right(data)
    return {**found, 'field': 'magic'} if found.get('clause') == 'V1-TOTAL-1' else found""",
    "another offset": """def answer(data):
    found = right(data)
    return {**found, 'offset': 1} if found.get('clause') == 'T4-CRC-1' else found""",
    "another shape": """def answer(data):
    found = right(data)
    for tensor in found.get('tensors', ()): tensor['shape'].append(1)
    return found""",
    "other elements": """def answer(data):
    found = right(data)
    for tensor in found.get('tensors', ()): tensor['sha256'] = '0' * 64
    return found""",
    "skips all": "def answer(data): return {'skip': 'no time'}",
    "no object": "def answer(data): return []",
    "no members": "def answer(data): return {}",
    "two lines": "def answer(data): print('{}', flush=True); return right(data)",
    "silence": "def answer(data): time.sleep(60)",
    "death": "def answer(data): os._exit(3)",
    "a signal": "def answer(data): os.kill(os.getpid(), 9)",
    "a bad end": "answer = right; import atexit; atexit.register(os._exit, 4)",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults(tmp_path: Path, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A program that is wrong in any way does not pass."""
    assert main(["--timeout", "2", *broken(tmp_path, FAULTS[fault])]) == 1
    output = capsys.readouterr().out
    for kind, said in {
        "silence": "hangs: no answer for 2 s", "death": "ended with status 3",
        "a signal": "ended by signal 9", "a bad end": "ended with status 4",
    }.items():  # fmt: skip
        assert (said in output) == (fault == kind)


def test_disagreement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What two programs do not agree on is told, and kept."""
    define = FAULTS["another clause"]
    keep = tmp_path / "kept"
    arguments = ["--mutated", "2000", "--keep", str(keep), *CODEC, "--", *broken(tmp_path, define)]
    assert main(arguments) == 1
    output = capsys.readouterr().out
    kept = sorted(keep.iterdir())
    assert f"{len(kept)} disagreements" in output
    assert kept
    assert all(str(path) in output for path in kept[:1])


def test_mutation() -> None:
    """Anything can be mutated, again and again; the same choices lead to the same result."""
    vectors = [case.data for case in cases() if len(case.data) <= 512]
    for seed in range(2000):
        random = Random(seed)
        vector = random.choice(vectors)
        noise = random.randbytes(random.randrange(300))
        first = random.choice([b"", noise, b"TSR4" + noise, vector, vector[: len(noise)]])
        state = random.getstate()
        data = first
        for _ in range(3):
            before, data = data, mutated(data, random)
            assert type(data) is bytes
            assert data != before
        random.setstate(state)
        assert mutated(mutated(mutated(first, random), random), random) == data


@pytest.mark.parametrize("arguments", [[], ["--mutated", "x", "true"], ["--format", "npy", "true"]])
def test_usage(arguments: list[str]) -> None:
    """A wrong command line is no pass."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_no_program(capsys: pytest.CaptureFixture[str]) -> None:
    """A program that cannot be started is named."""
    assert main(["no-such-program"]) == 2
    assert "cannot start no-such-program" in capsys.readouterr().err
