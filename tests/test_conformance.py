"""The conformance suite: what is right passes, whatever is wrong is found and named."""

from __future__ import annotations

import json
import re
import shutil
import sys
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from spec.conformance import kaitai
from spec.conformance.__main__ import main
from spec.conformance.codec import answer as right
from spec.conformance.mutation import mutated, mutated_files
from spec.conformance.vectors import cases

PYTHON = sys.executable
CODEC = [PYTHON, "-m", "spec.conformance.codec"]
REFERENCE = [PYTHON, "-m", "spec.conformance.reference"]
JAVASCRIPT = ["node", "spec/js/conformance.mjs"]
KAITAI = [PYTHON, "-m", "spec.conformance.kaitai"]

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
# What is missing depends on the machine; the reason says how to install it.
needs_kaitai = pytest.mark.skipif(bool(kaitai.unavailable()), reason=kaitai.unavailable())

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
        pytest.param(KAITAI, id="kaitai", marks=needs_kaitai),
    ],
)
def test_implementations(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each implementation is right about every vector, and says something of each."""
    assert main(command) == 0
    assert " inputs, 0 wrong, 0 skipped" in capsys.readouterr().out


@pytest.mark.parametrize("format", ["v1", "tsr4"])
def test_one_format(format: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The inputs of one format can be asked for alone."""
    assert main(["--format", format, *CODEC]) == 0
    output = capsys.readouterr().out
    assert ("V1-NDIM-1" in output) == (format == "v1")
    assert ("T4-CRC-1" in output) == (format == "tsr4")


ONE_FORMAT = """
def answer(data):
    if data[:4] == b'TSR4':
        return {'clause': 'V1-MAGIC-1' if len(data) >= 64 else 'V1-SIZE-1'}
    return right(data)"""


def test_a_reader_of_one_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A reader of TSR v1 alone passes where TSR v1 alone is asked for."""
    command = broken(tmp_path, ONE_FORMAT)
    assert main(["--format", "v1", *command]) == 0
    assert " inputs, 0 wrong, 0 skipped" in capsys.readouterr().out
    assert main(command) == 1
    assert "magic-tsr4: expected T4-SIZE-1 header at 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(REFERENCE, id="reference"),
        pytest.param(JAVASCRIPT, id="javascript", marks=needs_node),
        pytest.param(KAITAI, id="kaitai", marks=needs_kaitai),
    ],
)
def test_mutated(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The implementations agree on files that are mutated."""
    assert main(["--mutated", "3000", "--seed", "7", *CODEC, "--", *command]) == 0
    output = capsys.readouterr().out
    assert "3000 inputs from seed 7" in output
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
    "the other format": """def answer(data):
    return {'clause': 'V1-MAGIC-1'} if data[:4] == b'TSR4' and len(data) < 128 else right(data)""",
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


@pytest.mark.parametrize(
    ("fault", "one", "other"),
    [
        ("another clause", "V1-TOTAL-1 total_elements at 40", "V1-DIMS-1"),
        ("another field", "V1-TOTAL-1 total_elements at 40", "V1-TOTAL-1 magic at 40"),
        ("another offset", "T4-CRC-1 header_crc32 at 40", "T4-CRC-1 header_crc32 at 1"),
    ],
)
def test_disagreement(
    tmp_path: Path, fault: str, one: str, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What two programs do not agree on is kept, all of it and no more, and told with both."""
    keep, command = tmp_path / "kept", broken(tmp_path, FAULTS[fault])
    arguments = ["--mutated", "1500", "--seed", "5", "--keep", str(keep)]
    assert main([*arguments, *CODEC, "--", *command]) == 1
    output = capsys.readouterr().out
    clause = one.partition(" ")[0]
    expected = {
        keep / f"seed-5-number-{number}.tsr": data
        for number, data in enumerate(islice(mutated_files(5), 1500))
        if right(data).get("clause") == clause
    }
    assert len(expected) > 10
    assert {path: path.read_bytes() for path in keep.iterdir()} == expected
    told = [
        f"{path} ({len(data)} bytes)\n  {' '.join(CODEC)}\n    {one}\n"
        f"  {' '.join(command)}\n    {other}\n"
        for path, data in islice(expected.items(), 20)
    ]
    assert output.startswith("".join(told) + "what the first program says of them:\n")
    assert re.search(rf"\n  {clause} +{len(expected)}\n", output)
    assert output.endswith(f" a second), {len(expected)} disagreements\n")


def test_dissent_by_acceptance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To accept what another refuses is a disagreement, and so is silence; to skip is none."""
    for define, said in {
        "def answer(data): return {'skip': 'no time'}": " 0 disagreements",
        "def answer(data): return {'format': 'v1', 'tensors': []}": " 50 disagreements",
        "def answer(data): os._exit(3)": " 50 disagreements",
    }.items():
        command = broken(tmp_path, define)
        arguments = ["--mutated", "50", "--keep", str(tmp_path / "kept")]
        assert main([*arguments, *CODEC, "--", *command]) == int(" 0 " not in said)
        assert said in capsys.readouterr().out


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


# ------------------------------------------------------------------ Kaitai Struct


def test_clauses_of_kaitai() -> None:
    """The description declares every clause on bytes but the three that its adapter judges."""
    description = kaitai.DESCRIPTION.read_text(encoding="utf-8")
    declared = set(re.findall(r"^ +-clause: (\S+)$", description, re.MULTILINE))
    vectors = kaitai.DESCRIPTION.parent / "vectors"
    documents = (json.loads((vectors / name).read_bytes()) for name in ("v1.json", "tsr4.json"))
    clauses = {clause for document in documents for clause in document["clauses"]}
    assert declared == clauses - {"T4-ZLIB-2", "T4-ZLIB-3", "T4-CRC-2"}


@needs_kaitai
def test_docs_of_kaitai() -> None:
    """Each type and field of the description names a section of a document."""
    description = kaitai.Adapter().description
    parts = {"file": description}
    for name, part in {**description["types"], "file": description}.items():
        fields = {field["id"]: field for field in (*part.get("params", ()), *part["seq"])}
        for field, declared in {**fields, **part.get("instances", {})}.items():
            parts[f"{name}.{field}"] = declared
        parts[name] = part
    assert len(parts) > 80
    for name, part in parts.items():
        assert re.search(r"\(?tsr(-v1|4)\.md,\s+sections? [0-9]+", part["doc"]), name


@needs_kaitai
def test_who_judges(capsys: pytest.CaptureFixture[str]) -> None:
    """The generated parser judges by itself what its description declares."""
    assert main(KAITAI) == 0
    rows = dict(re.findall(r"^(\S+-[0-9])(.*)$", capsys.readouterr().out, re.MULTILINE))
    # inputs, accept/refuse, clause, field and offset; then, if any, "by others"
    by_others = {clause for clause, row in rows.items() if len(row.split()) > 4}
    assert by_others == {"T4-ZLIB-1", "T4-ZLIB-2", "T4-ZLIB-3", "T4-CRC-2"}
    assert int(rows["T4-ZLIB-1"].split()[-1]) < int(rows["T4-ZLIB-1"].split()[0])


def test_kaitai_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is missing is named, with what installs it."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.delenv("NODE_PATH", raising=False)
    node = tmp_path / "node"
    node.touch(mode=0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    install = f"--prefix {tmp_path} kaitai-struct-compiler@0.11.0 js-yaml"
    assert install in kaitai.unavailable()
    with pytest.raises(RuntimeError, match="npm install"):
        kaitai.Adapter()
    for name in ("kaitai-struct-compiler", "js-yaml"):
        assert install in kaitai.unavailable()
        (tmp_path / "node_modules" / name).mkdir(parents=True)
    assert not kaitai.unavailable()
    node.unlink()
    assert kaitai.unavailable().startswith("node is not installed")
