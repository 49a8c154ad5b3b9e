"""The bench of C++: its programs build, every way works, and what is written is the same.

Nothing here depends on time.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.bench.cpp import codec
from tests.bench.cpp.__main__ import COLUMNS, main
from tests.bench.cpp.program import build

pytestmark = pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "c++")) is None, reason="no C++ compiler is installed"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the program, once and not to be fast."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXXFLAGS", "-O0")
        return build("codec_ways.cpp", str(tmp_path_factory.mktemp("program")), "-lz")


@pytest.fixture(autouse=True)
def _built(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def given(source: str, folder: str, *options: str) -> str:
        assert (source, options) == ("codec_ways.cpp", ("-lz",))
        return program

    monkeypatch.setattr(codec, "build", given)


def test_codec(tmp_path: Path) -> None:
    """Each work is measured in all its ways."""
    report = tmp_path / "report.json"
    main(["--quick", "--only", "tsr.hpp", "--seconds", "0.01", "--dir", str(tmp_path),
          "--json", str(report), "--markdown", str(tmp_path / "report.md")])  # fmt: skip
    ((name, rows),) = json.loads(report.read_text())["tables"].items()
    assert name == "tsr.hpp"
    assert [row["work"] for row in rows] == [
        "parse a header", "load tiny", "open and touch tiny", "save tiny", "open 1,000 tensors",
        "check and touch all 64 of 1 MiB",
    ]  # fmt: skip
    for row in rows:
        assert row["seconds"] > 0
        assert "Python" in row["ratios"]
        assert set(row["ratios"]) <= set(COLUMNS)
    assert "| save tiny " in (tmp_path / "report.md").read_text()


def test_ways_write_the_same(tmp_path: Path) -> None:
    """What is saved by tsr.hpp, by hand, by stdio and by Python is one file."""
    for work, ways in codec.works(str(tmp_path), quick=True):
        for way in ways.values():
            way()
        if work == "save tiny":
            files = [tmp_path / name for name in ("tsr", "by hand", "stdio", "python")]
            assert {file.read_bytes() for file in files} == {files[0].read_bytes()}
            assert len(files[0].read_bytes()) == 64 + 24 * 4
