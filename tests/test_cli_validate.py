"""`tsr validate`: every finding of every file, as lines and as JSON."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import tsr
from tsr.cli import main

FINDINGS = """\
bad.tsr: version at offset 4: got 2, expected 1 [V1-VERSION-1]
bad.tsr: reserved_1 at offset 12: got 1, expected 0 [V1-RESERVED-1]
"""

TSR4_FINDINGS = """\
several.tsr: entries[0].data_crc32 at offset 188: got 0x30c8bc70, expected 0xab6df01f \
(the CRC-32 of the elements' bytes) [T4-CRC-2]
several.tsr: padding at offset 800: got 7, expected 0 [T4-PADDING-1]
several.tsr: entries[2].data_crc32 at offset 316: got 0x55bc801d, expected 0x22bbb08b \
(the CRC-32 of the elements' bytes) [T4-CRC-2]
"""


def save_broken_tensors() -> None:
    """Make a TSR4 file in which the first and last of three tensors and a gap are broken."""
    arrays = [np.arange(3, dtype=np.float32), np.float16(1), np.array([1, 2, 3], np.int8)]
    data = bytearray(tsr.dumps(arrays, format="tsr4"))
    data[512] = 1
    data[800] = 7
    data[-1] ^= 1
    Path("several.tsr").write_bytes(data)


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


@pytest.mark.parametrize("compress", [False, True], ids=["raw", "zlib"])
def test_valid_tsr4(compress: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """So is a valid TSR4 file, of one tensor or many."""
    tsr.save("one.tsr", np.float16(1), format="tsr4", compress=compress)
    tsr.save("many.tsr", [np.zeros(9, np.int8)] * 9, format="tsr4", compress=compress)
    assert main(["validate", "one.tsr", "many.tsr"]) == 0
    assert capsys.readouterr() == (
        "one.tsr: valid\nmany.tsr: valid\n2 files: 2 valid, 0 invalid\n",
        "",
    )


def test_broken_tensors(capsys: pytest.CaptureFixture[str]) -> None:
    """The checksum of each tensor is verified, and every broken one told."""
    save_broken_tensors()
    assert main(["validate", "several.tsr"]) == 1
    assert capsys.readouterr() == (TSR4_FINDINGS, "")
    assert main(["validate", "--lenient", "several.tsr"]) == 1
    crc_0, _, crc_2 = TSR4_FINDINGS.splitlines(keepends=True)
    assert capsys.readouterr().out == crc_0 + crc_2


def test_broken_directory(capsys: pytest.CaptureFixture[str]) -> None:
    """Where header or directory are broken, every finding in them is told, and no more."""
    save_broken_tensors()
    data = bytearray(Path("several.tsr").read_bytes())
    data[40:44] = bytes(4)  # the header's checksum
    data[129] = 1  # a reserved byte of the first entry
    data[192] = 9  # the dtype of the second
    Path("several.tsr").write_bytes(data)
    assert main(["validate", "--json", "several.tsr"]) == 1
    [broken] = json.loads(capsys.readouterr().out)
    assert [
        (finding["clause"], finding["field"], finding["offset"], finding["found"])
        for finding in broken["findings"]
    ] == [
        ("T4-CRC-1", "header_crc32", 40, "0x00000000"),
        ("T4-RESERVED-3", "entries[0].reserved_0", 129, "010000"),
        ("T4-DTYPE-1", "entries[1].dtype", 192, 9),
    ]


def test_memory_is_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    """A tensor is inflated piece by piece."""
    tsr.save("x.tsr", np.zeros(1 << 25, np.int8), format="tsr4", compress=True)
    tracemalloc.start()
    try:
        assert main(["validate", "x.tsr"]) == 0
        assert tracemalloc.get_traced_memory()[1] < 1 << 23
    finally:
        tracemalloc.stop()
    assert capsys.readouterr().out == "x.tsr: valid\n"


def test_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be opened is no finding: it goes to stderr."""
    assert main(["validate", "--json", "absent"]) == 2
    assert capsys.readouterr() == ("[]\n", "tsr: absent: No such file or directory\n")
