"""`tsr repair`: what would be changed is told, and done on request."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import tsr
from tests.containers import patched
from tsr.cli import main

X = np.arange(6, dtype=np.float32).reshape(2, 3)
V1 = tsr.dumps(X)
BROKEN = patched(V1, 12, b"\1") + b"xyz"

CHANGES = """\
bad.tsr: mended by 2 changes
  reserved_1 at offset 12: 01 00 00 00 -> 00 00 00 00 [V1-RESERVED-1]
  end of file at offset 88: 3 bytes cut off [V1-PAYLOAD-2]
"""

REMAINING = """\
worse.tsr: cannot be mended for certain, 1 finding would remain
  reserved_1 at offset 12: 01 00 00 00 -> 00 00 00 00 [V1-RESERVED-1]
  remains  version at offset 4: got 2, expected 1 [V1-VERSION-1]
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make files in the working directory: one valid, one that can be mended, one that cannot."""
    monkeypatch.chdir(tmp_path)
    Path("good.tsr").write_bytes(V1)
    Path("bad.tsr").write_bytes(BROKEN)
    Path("worse.tsr").write_bytes(patched(patched(V1, 12, b"\1"), 4, b"\2"))


def test_dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without -o nothing is written."""
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(["repair", "bad.tsr"]) == 0
    expected = CHANGES + "Nothing was written: -o OUT writes the mended file.\n"
    assert capsys.readouterr() == (expected, "")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_output(capsys: pytest.CaptureFixture[str]) -> None:
    """With -o the mended file is written, and the broken one left as it is."""
    assert main(["repair", "bad.tsr", "-o", "out.tsr"]) == 0
    assert capsys.readouterr() == (f"{CHANGES}bad.tsr -> out.tsr\n", "")
    assert Path("out.tsr").read_bytes() == V1
    assert Path("bad.tsr").read_bytes() == BROKEN


def test_valid(capsys: pytest.CaptureFixture[str]) -> None:
    """A valid file is left as it is, and copied on request."""
    assert main(["repair", "good.tsr"]) == 0
    assert capsys.readouterr().out == "good.tsr: valid, nothing to mend\n"
    assert main(["repair", "--output", "out.tsr", "good.tsr"]) == 0
    assert Path("out.tsr").read_bytes() == V1


def test_what_remains(capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be mended is told, and nothing is written."""
    assert main(["repair", "worse.tsr"]) == 1
    assert capsys.readouterr() == (REMAINING, "")
    assert main(["repair", "worse.tsr", "-o", "out.tsr"]) == 1
    assert capsys.readouterr() == (REMAINING, "")
    assert not Path("out.tsr").exists()


def test_what_exists_is_replaced_by_force_only(capsys: pytest.CaptureFixture[str]) -> None:
    """An existing file, the broken one too, is replaced with --force."""
    assert main(["repair", "bad.tsr", "-o", "bad.tsr"]) == 2
    assert capsys.readouterr() == (
        "", "tsr: bad.tsr: File exists; overwrite=True (--force) replaces it\n"
    )  # fmt: skip
    assert Path("bad.tsr").read_bytes() == BROKEN
    assert main(["repair", "-q", "--force", "bad.tsr", "-o", "bad.tsr"]) == 0
    assert capsys.readouterr() == ("", "")
    assert Path("bad.tsr").read_bytes() == V1


def test_checksums(capsys: pytest.CaptureFixture[str]) -> None:
    """Checksums are put right on request, and what that means is said."""
    data = tsr.dumps(X, format="tsr4")
    Path("edited.tsr").write_bytes(patched(data, 256, b"\7"))
    assert main(["repair", "edited.tsr"]) == 1
    assert "remains  entries[0].data_crc32 at offset 188" in capsys.readouterr().out
    assert main(["repair", "--checksums", "edited.tsr", "-o", "out.tsr"]) == 0
    assert (
        "  Header and elements were taken for right as they are: their checksums follow them.\n"
    ) in capsys.readouterr().out
    assert tsr.validate("out.tsr") == []
    assert Path("out.tsr").read_bytes()[256:] == patched(data, 256, b"\7")[256:]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has the changes, what remains, and what was written."""
    assert main(["repair", "--json", "bad.tsr", "-o", "out.tsr"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "path": "bad.tsr",
            "output": "out.tsr",
            "changes": [
                {
                    "field": "reserved_1", "clause": "V1-RESERVED-1", "offset": 12, "size": 4,
                    "before": "01000000", "after": "00000000",
                },
                {
                    "field": "end of file", "clause": "V1-PAYLOAD-2", "offset": 88, "size": 3,
                    "before": "78797a", "after": "",
                },
            ],
            "remaining": [],
        }
    ]  # fmt: skip
    assert main(["repair", "--json", "worse.tsr", "-o", "other.tsr"]) == 1
    [worse] = json.loads(capsys.readouterr().out)
    assert worse["output"] is None
    assert [finding["clause"] for finding in worse["remaining"]] == ["V1-VERSION-1"]


def test_many_changes(capsys: pytest.CaptureFixture[str]) -> None:
    """Of many changes the first are told."""
    data = bytearray(tsr.dumps([np.int8(0)] * 30, format="tsr4"))
    for index in range(30):
        data[129 + 64 * index] = 1
    Path("many.tsr").write_bytes(data)
    assert main(["repair", "many.tsr"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "many.tsr: mended by 30 changes"
    assert lines[20:22] == [
        "  entries[19].reserved_0 at offset 1345: 01 00 00 -> 00 00 00 [T4-RESERVED-3]",
        "  ... 10 more changes",
    ]


def test_stdin(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes through a pipe is mended too."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BROKEN)))
    assert main(["repair", "-", "-o", "out.tsr"]) == 0
    assert (
        capsys.readouterr().out
        == CHANGES.replace("bad", "<stdin>", 1).replace("<stdin>.tsr", "<stdin>")
        + "<stdin> -> out.tsr\n"
    )
    assert Path("out.tsr").read_bytes() == V1


def test_stdout(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """The mended file goes to stdout for ``-o -``, and what is told to stderr."""
    assert main(["repair", "bad.tsr", "-o", "-"]) == 0
    assert capfdbinary.readouterr() == (V1, f"{CHANGES}bad.tsr -> <stdout>\n".encode())
    assert main(["repair", "-q", "bad.tsr", "-o", "-"]) == 0
    assert capfdbinary.readouterr() == (V1, b"")
    assert main(["repair", "worse.tsr", "-o", "-"]) == 1
    assert capfdbinary.readouterr() == (b"", REMAINING.encode())
    assert not Path("-").exists()


def test_stdout_is_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has no room on stdout beside the file."""
    assert main(["repair", "--json", "bad.tsr", "-o", "-"]) == 2
    assert "--json: the file goes to stdout" in capsys.readouterr().err


def test_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there is an error of the system."""
    assert main(["repair", "absent.tsr"]) == 2
    assert capsys.readouterr() == ("", "tsr: absent.tsr: No such file or directory\n")
