"""`tsr info`: the listing of one file, the table of many, JSON, and what goes wrong."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tsr
from tsr.cli import info, main
from tsr.contents import Layout, read_layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

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

TSR4_LISTING = """\
raw
  format    TSR4
  mode      raw
  tensors   3
  payload   4027 bytes

INDEX  DTYPE    SHAPE           ELEMENTS  BYTES  OFFSET  CRC32
    0  float32  (1, 1, 2, 3)           6     24     512  0x91e79017
    1  float16  (1, 1, 40, 50)      2000   4000     768  0x3a8b93be
    2  int8     (1, 1, 1, 3)           3      3    4864  0x55bc801d
"""

MIXED_TABLE = """\
PATH                FORMAT  DTYPE    SHAPE           ELEMENTS  BYTES  OFFSET
one.tsr             TSR v1  int8     ()                     1      1      64
raw[0]              TSR4    float32  (1, 1, 2, 3)           6     24     512
raw[1]              TSR4    float16  (1, 1, 40, 50)      2000   4000     768
raw[2]              TSR4    int8     (1, 1, 1, 3)           3      3    4864
single              TSR4    int32    (1, 1, 1, 1)           1      4     256
3 files, 5 tensors                                       2011   4032
"""

TENSORS: list[NDArray[Any]] = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.zeros((40, 50), np.float16),
    np.array([1, 2, 3], np.int8),
]


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make three files in the working directory."""
    monkeypatch.chdir(tmp_path)
    tsr.save("big.tsr", np.zeros((10, 20, 30), np.int32))
    tsr.save("empty.tsr", np.zeros((3, 0), np.float32))
    tsr.save("one.tsr", np.int8(1))
    tsr.save("raw", TENSORS, format="tsr4")
    tsr.save("zlib", TENSORS, format="tsr4", compress=True)
    tsr.save("single", np.int32(1), format="tsr4")


def test_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    """One file has a line for each fact."""
    assert main(["info", "big.tsr"]) == 0
    assert capsys.readouterr() == (LISTING, "")


def test_many_files(capsys: pytest.CaptureFixture[str]) -> None:
    """Many files make a table with a total."""
    assert main(["info", "*.tsr"]) == 0
    assert capsys.readouterr() == (TABLE, "")


def test_one_tsr4_file(capsys: pytest.CaptureFixture[str]) -> None:
    """A TSR4 file has a line for each fact, and a table of its tensors."""
    assert main(["info", "raw"]) == 0
    assert capsys.readouterr() == (TSR4_LISTING, "")


def test_one_compressed_file(capsys: pytest.CaptureFixture[str]) -> None:
    """A compressed one tells besides how many bytes it stores."""
    with tsr.open("zlib") as file:
        infos = file.infos
    stored = sum(info.stored_nbytes for info in infos)
    assert main(["info", "zlib"]) == 0
    facts, _, table = capsys.readouterr().out.partition("\n\n")
    assert facts.splitlines() == [
        "zlib",
        "  format    TSR4",
        "  mode      zlib",
        "  tensors   3",
        "  payload   4027 bytes",
        f"  stored    {stored} bytes ({100 * stored / 4027:.1f}%)",
    ]
    heading, *rows = table.splitlines()
    assert heading.split() == [
        "INDEX", "DTYPE", "SHAPE", "ELEMENTS", "BYTES", "STORED", "OFFSET", "CRC32",
    ]  # fmt: skip
    assert [row.split()[-3:] for row in rows] == [
        [str(info.stored_nbytes), str(info.offset), f"{zlib.crc32(array.tobytes()):#010x}"]
        for info, array in zip(infos, TENSORS, strict=True)
    ]


def test_many_files_of_both_formats(capsys: pytest.CaptureFixture[str]) -> None:
    """Each tensor has a row; those of a file with several show their index."""
    assert main(["info", "one.tsr", "raw", "single"]) == 0
    assert capsys.readouterr() == (MIXED_TABLE, "")


def test_many_files_with_a_compressed_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Where a file is compressed, the table has a column for the stored bytes, and their total."""
    with tsr.open("zlib") as file:
        stored = [info.stored_nbytes for info in file.infos]
    assert main(["info", "one.tsr", "zlib"]) == 0
    heading, one, *rows, total = capsys.readouterr().out.splitlines()
    assert heading.split()[-3:] == ["BYTES", "STORED", "OFFSET"]
    assert one.split()[-3:] == ["1", "1", "64"]
    assert [row.split()[:3] for row in rows] == [
        [f"zlib[{index}]", "TSR4", "zlib"] for index in range(3)
    ]
    assert [int(row.split()[-2]) for row in rows] == stored
    assert total.split() == ["2", "files,", "4", "tensors", "2010", "4028", str(1 + sum(stored))]


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


@pytest.mark.parametrize("mode", ["raw", "zlib"])
def test_json_of_tsr4(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An object of a TSR4 file holds its mode, and one for each tensor with a checksum."""
    with tsr.open(mode) as file:
        infos = file.infos
    assert main(["info", "--json", mode]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "path": mode,
            "format": "TSR4",
            "mode": mode,
            "tensors": [
                {
                    "dtype": array.dtype.name,
                    "shape": [1] * (4 - array.ndim) + list(array.shape),
                    "elements": array.size,
                    "payload_bytes": array.nbytes,
                    "payload_offset": info.offset,
                    "stored_bytes": info.stored_nbytes,
                    "crc32": zlib.crc32(array.tobytes()),
                }
                for info, array in zip(infos, TENSORS, strict=True)
            ],
        }
    ]


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


def test_payloads_stay_untouched(capsys: pytest.CaptureFixture[str]) -> None:
    """A TSR4 file with a broken tensor is shown, one with a broken directory is not."""
    data = bytearray(Path("raw").read_bytes())
    data[-1] ^= 1
    Path("raw").write_bytes(data)
    assert main(["info", "raw"]) == 0
    assert capsys.readouterr() == (TSR4_LISTING, "")
    data[128] = 4
    Path("raw").write_bytes(data)
    assert main(["info", "raw"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tsr: raw: entries[0].dtype at offset 128: got 4, expected 0 (FP32)")


def test_a_file_vanishes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is gone between the search of its folder and its reading is reported."""
    names = iter(["empty.tsr"])

    def read(path: str, strict: bool) -> Layout:
        for name in names:
            os.remove(name)
        return read_layout(path, strict)

    monkeypatch.setattr(info, "read_layout", read)
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
