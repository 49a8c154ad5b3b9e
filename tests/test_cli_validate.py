"""`tsr validate`: every finding of every file, as lines and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tsr
from tsr.cli import main

FINDINGS = """\
bad.tsr: version at offset 4: got 2, expected 1 [V1-VERSION-1]
bad.tsr: reserved_1 at offset 12: got 1, expected 0 [V1-RESERVED-1]
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a valid and an invalid file in the working directory."""
    monkeypatch.chdir(tmp_path)
    data = bytearray(tsr.dumps(np.zeros(3, np.float32)))
    Path("good.tsr").write_bytes(data)
    data[4] = 2
    data[12] = 1
    Path("bad.tsr").write_bytes(data)


def test_valid(capsys: pytest.CaptureFixture[str]) -> None:
    """A valid file is called valid."""
    assert main(["validate", "good.tsr"]) == 0
    assert capsys.readouterr() == ("good.tsr: valid\n", "")


def test_invalid(capsys: pytest.CaptureFixture[str]) -> None:
    """Every finding has a line with its file, on stdout: it is what was asked for."""
    assert main(["validate", "bad.tsr"]) == 1
    assert capsys.readouterr() == (FINDINGS, "")


def test_many(capsys: pytest.CaptureFixture[str]) -> None:
    """Many files end with a summary."""
    assert main(["validate", "*.tsr"]) == 1
    assert capsys.readouterr().out == (f"{FINDINGS}good.tsr: valid\n2 files: 1 valid, 1 invalid\n")


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """`--quiet` leaves only the findings."""
    assert main(["validate", "--quiet", "*.tsr"]) == 1
    assert capsys.readouterr().out == FINDINGS
    assert main(["validate", "-q", "good.tsr"]) == 0
    assert capsys.readouterr().out == ""


def test_lenient(capsys: pytest.CaptureFixture[str]) -> None:
    """`--lenient` leaves out what the original readers accept."""
    assert main(["validate", "--lenient", "bad.tsr"]) == 1
    assert capsys.readouterr().out == FINDINGS.splitlines(keepends=True)[0]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has an object a file, and in it one a finding; `--quiet` leaves out valid files."""
    assert main(["validate", "--json", "bad.tsr", "good.tsr"]) == 1
    bad, good = json.loads(capsys.readouterr().out)
    assert good == {"path": "good.tsr", "valid": True, "findings": []}
    assert (bad["path"], bad["valid"]) == ("bad.tsr", False)
    version, reserved = bad["findings"]
    assert version == {
        "clause": "V1-VERSION-1",
        "field": "version",
        "offset": 4,
        "found": 2,
        "expected": 1,
        "message": FINDINGS.splitlines()[0],
    }
    assert (reserved["found"], reserved["expected"]) == (1, 0)
    assert main(["validate", "--json", "--quiet", "bad.tsr", "good.tsr"]) == 1
    assert json.loads(capsys.readouterr().out) == [bad]


def test_json_of_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes, for which JSON has nothing, show as in the message."""
    Path("bad.tsr").write_bytes(b"TSR?" + Path("good.tsr").read_bytes()[4:])
    assert main(["validate", "--json", "bad.tsr"]) == 1
    [bad] = json.loads(capsys.readouterr().out)
    [magic] = bad["findings"]
    assert (magic["found"], magic["expected"]) == ("b'TSR?'", "b'TSR!'")


def test_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be opened is no finding: it goes to stderr."""
    assert main(["validate", "--json", "absent"]) == 2
    assert capsys.readouterr() == ("[]\n", "tsr: absent: No such file or directory\n")
