"""`validate`: every rule and every byte of either format."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tsr
from tests.containers import entry_at, patched, resealed
from tsr import validation

X = np.arange(6, dtype=np.float32).reshape(2, 3)
ARRAYS: list[NDArray[Any]] = [X, X.astype(np.int8), X.astype(np.float16)]
RAW = tsr.dumps(ARRAYS, format="tsr4")
ZLIB = tsr.dumps(ARRAYS, format="tsr4", compress=True)


@pytest.mark.parametrize("data", [tsr.dumps(X), RAW, ZLIB], ids=["v1", "raw", "zlib"])
def test_valid(target: Path, data: bytes) -> None:
    """A valid file has no findings, wherever it comes from."""
    target.write_bytes(data)
    with open(target, "rb") as file:
        for source in (target, str(target), data, io.BytesIO(data), file):
            assert tsr.validate(source) == []


@pytest.mark.parametrize("data", [RAW, ZLIB], ids=["raw", "zlib"])
def test_all_faults(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is wrong with the contents is listed, in file order, by threads too."""
    data = patched(data, entry_at(0) + 60, b"\1\2\3\4")
    data = patched(data, entry_at(2) + 60, b"\1\2\3\4")
    expected = ["entries[0].data_crc32", "entries[2].data_crc32"]
    assert [finding.field for finding in tsr.validate(data)] == expected
    monkeypatch.setattr(validation, "_PARALLEL_BYTES", 0)
    monkeypatch.setattr(validation, "thread_count", lambda tasks: min(tasks, 3))
    assert [finding.field for finding in tsr.validate(data)] == expected


def test_padding() -> None:
    """Each stretch of padding is looked at, in its place among the payloads."""
    offsets = [info.offset for info in tsr.open(RAW).infos]
    data = patched(RAW, entry_at(0) + 60, b"\0\0\0\0")
    for at in (entry_at(3), offsets[0] + X.nbytes, offsets[2] - 1):
        data = patched(data, at, b"\1")
    found = [(finding.clause, finding.offset) for finding in tsr.validate(data)]
    places = (entry_at(3), offsets[0] + X.nbytes, offsets[2] - 1)
    checksum = ("T4-CRC-2", entry_at(0) + 60)
    expected = [("T4-PADDING-1", at) for at in places]
    assert found == [expected[0], checksum, *expected[1:]]
    lenient = tsr.validate(data, strict=False)
    assert [(finding.clause, finding.offset) for finding in lenient] == [checksum]


def test_faults_of_the_header_come_alone() -> None:
    """Where header or directory are wrong, payloads are not judged; all of those are listed."""
    data = patched(RAW, entry_at(0) + 60, b"\1\2\3\4")
    data = resealed(patched(patched(data, 4, b"\5"), 44, b"\1"))
    data = patched(data, entry_at(1), b"\7")
    clauses = [finding.clause for finding in tsr.validate(data)]
    assert clauses == ["T4-VERSION-1", "T4-RESERVED-1", "T4-DTYPE-1"]
    assert [finding.clause for finding in tsr.validate(data, strict=False)] == clauses[::2]


def test_streams_with_a_broken_head() -> None:
    """Of a stream whose size nobody knows, what can be known is said, and the rest left alone."""
    data = patched(RAW, entry_at(1), b"\7")
    assert [f.clause for f in tsr.validate(io.BytesIO(data))] == ["T4-DTYPE-1"]
    assert [f.clause for f in tsr.validate(io.BytesIO(RAW[:300]))] == ["T4-DIRECTORY-2"]
    assert [f.clause for f in tsr.validate(io.BytesIO(RAW[:-1]))] == ["T4-PAYLOAD-1"]
    assert [f.clause for f in tsr.validate(io.BytesIO(RAW + b"x"))] == ["T4-END-1"]


def test_no_regular_file(tmp_path: Path) -> None:
    """What is no regular file is a finding."""
    (finding,) = tsr.validate(tmp_path)
    assert finding.clause == "FILE-1"


def test_without_numpy(target: Path) -> None:
    """Checking a file takes no numpy."""
    target.write_bytes(ZLIB)
    code = "import sys, tsr; print(tsr.validate(sys.argv[1]), 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, target], capture_output=True, check=True)
    assert done.stdout == b"[] False\n"


def test_findings_hold_on_to_nothing(target: Path) -> None:
    """A list of findings is as small as it looks: no frame, no buffer hangs on it."""
    target.write_bytes(ZLIB[:-3])
    for finding in (*tsr.validate(target), *tsr.validate(patched(ZLIB, entry_at(3), b"\0" * 9))):
        assert (finding.__traceback__, finding.__context__, finding.__cause__) == (None,) * 3


def test_threads_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the check ends early, as by Ctrl-C, no thread goes on with what it is at."""
    pieces = []

    def slow(piece: bytes, checksum: int = 0) -> int:
        pieces.append(len(piece))
        time.sleep(0.1)
        return checksum

    class EndedError(Exception):
        pass

    def advance(count: int) -> None:  # the first tensor is done
        raise EndedError

    arrays = [np.zeros(1 << 20, np.int8), np.zeros(100 << 20, np.int8)]
    data = tsr.dumps(arrays, format="tsr4", compress=True)
    monkeypatch.setattr("tsr.contents.crc32", slow)
    monkeypatch.setattr(validation, "thread_count", lambda tasks: 2)
    with pytest.raises(EndedError):
        validation.check_source(data, True, advance)
    assert len(pieces) < 50
