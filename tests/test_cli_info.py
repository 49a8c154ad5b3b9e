"""`tsr info`: the listing for one file, the table for many, JSON, and what goes wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import tsr
from tsr.cli import info, main

TABLE = """\
PATH       FORMAT  DTYPE    SHAPE         ELEMENTS  BYTES  OFFSET
big.tsr    TSR v1  int32    (10, 20, 30)      6000  24000      64
empty.tsr  TSR v1  float32  (3, 0)               0      0      64
one.tsr    TSR v1  int8     ()                   1      1      64
3 files                                       6001  24001
"""

LISTING = """\
big.tsr
  format    TSR v1
  dtype     int32
  shape     (10, 20, 30)
  elements  6000
  payload   24000 bytes at offset 64
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make three files in the working directory."""
    monkeypatch.chdir(tmp_path)
    tsr.save("big.tsr", np.zeros((10, 20, 30), np.int32))
    tsr.save("empty.tsr", np.zeros((3, 0), np.float32))
    tsr.save("one.tsr", np.int8(1))


def test_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    """One file has a line for each fact."""
    assert main(["info", "big.tsr"]) == 0
    assert capsys.readouterr() == (LISTING, "")


def test_many_files(capsys: pytest.CaptureFixture[str]) -> None:
    """Many files make a table with a total."""
    assert main(["info", "*.tsr"]) == 0
    assert capsys.readouterr() == (TABLE, "")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON is a list of objects, for one file too."""
    assert main(["info", "--json", "big.tsr"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "path": "big.tsr",
            "format": "TSR v1",
            "dtype": "int32",
            "shape": [10, 20, 30],
            "elements": 6000,
            "payload_bytes": 24000,
            "payload_offset": 64,
        }
    ]
    assert main(["info", "--json", "."]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3


def test_json_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Where no file can be read, JSON is an empty list."""
    assert main(["info", "--json", "absent"]) == 2
    assert capsys.readouterr() == ("[]\n", "tsr: absent: No such file or directory\n")


def test_nothing_to_show(capsys: pytest.CaptureFixture[str]) -> None:
    """Where no file can be read, there is no table."""
    assert main(["info", "absent"]) == 2
    assert capsys.readouterr().out == ""


def test_lenient(capsys: pytest.CaptureFixture[str]) -> None:
    """`--lenient` accepts what the original readers accept."""
    with open("one.tsr", "ab") as file:
        file.write(b"trailing")
    assert main(["info", "one.tsr"]) == 1
    assert capsys.readouterr() == (
        "",
        "tsr: one.tsr: end of file at offset 65: got 8 more bytes, expected none [V1-PAYLOAD-2]\n",
    )
    assert main(["info", "--lenient", "one.tsr"]) == 0


def test_a_file_vanishes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is gone between the search of its folder and its reading is reported."""
    names = iter(["empty.tsr"])

    def read_header(path: str, *, strict: bool) -> tsr.Header:
        for name in names:
            os.remove(name)
        return tsr.read_header(path, strict=strict)

    monkeypatch.setattr(info, "read_header", read_header)
    assert main(["info", "."]) == 2
    out, err = capsys.readouterr()
    assert "2 files" in out
    assert err == "tsr: ./empty.tsr: No such file or directory\n"


def test_no_regular_file(capsys: pytest.CaptureFixture[str]) -> None:
    """A FIFO with the right name is told, not waited for."""
    os.mkfifo("fifo.tsr")
    assert main(["info", "."]) == 1
    out, err = capsys.readouterr()
    assert "3 files" in out
    assert "got a FIFO, expected a regular file [FILE-1]" in err
