"""`repair`: what is changed is proved by the rest, the result is valid, and no payload changes."""

from __future__ import annotations

import io
import os
import struct
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

import tsr
from spec.conformance.vectors import cases
from tests.containers import entry_at, patched, resealed
from tests.reading import Dribble, pipe, tensors_of
from tsr.diagnosis.mending import CHANGES_MAX, IN_CONTENTS, are_mended
from tsr.diagnosis.repairing import Repair
from tsr.testing import files

X = np.arange(6, dtype=np.float32).reshape(2, 3)
ARRAYS: list[NDArray[Any]] = [X, X.astype(np.int8), X.astype(np.float16)]
V1 = tsr.dumps(X)
RAW = tsr.dumps(ARRAYS, format="tsr4")
ZLIB = tsr.dumps(ARRAYS, format="tsr4", compress=True)


def changed(data: bytes, repaired: Repair) -> bytes:
    """Make the changes that were told."""
    made = bytearray(data)
    for change in reversed(repaired.changes):  # what is cut off comes last in the file
        assert made[change.offset :].startswith(change.before)
        assert change.before != change.after
        made[change.offset : change.offset + change.size] = change.after
    return bytes(made)


def payloads(data: bytes) -> list[bytes]:
    """Take the payloads of a valid file out of it."""
    with tsr.open(data) as file:
        infos = file.infos
    return [data[info.offset : info.offset + info.stored_nbytes] for info in infos]


def holds_larger_elements(data: bytes) -> bool:
    """Tell whether there are as many bytes as a larger type would have."""
    total = int.from_bytes(data[40:48], "little")
    return data[:4] == b"TSR!" and len(data) - 64 in (2 * total, 4 * total, 8 * total) and total > 0


def assert_lawful(data: bytes, *, checksums: bool = False) -> Repair:
    """Check what holds for any file, and give what would be changed."""
    repaired = tsr.repair(data, checksums=checksums)
    findings = tsr.validate(data)
    if not findings:
        assert repaired == Repair([], [])
    if not tsr.validate(data, strict=False) and not holds_larger_elements(data):
        assert repaired.remaining == []
        lenient = tsr.open(data, strict=False)
        assert tensors_of(tsr.open(changed(data, repaired))) == tensors_of(lenient)
    if not repaired.remaining:
        made = changed(data, repaired)
        assert tsr.validate(made) == []
        with tsr.open(made) as file:
            for info, payload in zip(file.infos, payloads(made), strict=True):
                assert data[info.offset : info.offset + info.stored_nbytes] == payload
    return repaired


@given(data=files("v1", valid=False))
def test_law_v1(data: bytes) -> None:
    """What is mended is valid, with the same payload."""
    assert_lawful(data)


@given(data=files("tsr4", valid=False))
def test_law_tsr4(data: bytes) -> None:
    """What is mended is valid, with the same payloads; with checksums too."""
    assert_lawful(data)
    assert_lawful(data, checksums=True)


def test_vectors() -> None:
    """So is what is mended of the vectors, many of which are; a valid one is left as it is."""
    mended = set()
    for case in cases():
        for checksums in (False, True):
            repaired = assert_lawful(case.data, checksums=checksums)
            if repaired.changes and not repaired.remaining:
                mended.add(case.expected.clause)
    assert mended == {
        "V1-HEADER-1", "V1-TOTAL-1", "V1-PAYLOAD-2",
        "V1-RESERVED-1", "V1-RESERVED-2", "V1-RESERVED-3",
        "T4-CRC-1", "T4-HEADER-1", "T4-ENTRY-1", "T4-DIRECTORY-1", "T4-DATA-1",
        "T4-RESERVED-1", "T4-RESERVED-2", "T4-RESERVED-3",
        "T4-NUMEL-1", "T4-NBYTES-1", "T4-OFFSET-1", "T4-STORED-1",
        "T4-END-1", "T4-PADDING-1", "T4-CRC-2",
    }  # fmt: skip


# ------------------------------------------------------------------ TSR v1


def field(offset: int, *numbers: int, kind: str = "i") -> tuple[int, bytes]:
    """Give an offset and the bytes of numbers."""
    return offset, struct.pack(f"<{len(numbers)}{kind}", *numbers)


@pytest.mark.parametrize(
    ("edits", "names"),
    [
        ([field(12, 7)], ["reserved_1"]),
        ([field(48, -1, kind="q"), field(56, 1, kind="q")], ["reserved_2", "reserved_3"]),
        ([field(8, 128)], ["header_size"]),
        ([field(40, 5, kind="q")], ["total_elements"]),
        ([field(24, 5)], ["dims[0]"]),
        ([field(24, -5, 0)], ["dims[0]", "dims[1]"]),
    ],
)
def test_one_number_that_disagrees(edits: list[tuple[int, bytes]], names: list[str]) -> None:
    """A number that the others contradict becomes what they say."""
    data = V1
    for offset, value in edits:
        data = patched(data, offset, value)
    repaired = tsr.repair(data)
    assert [change.field for change in repaired.changes] == names
    assert changed(data, repaired) == V1


@pytest.mark.parametrize(
    "edits",
    [
        pytest.param([field(24, 5), field(40, 30, kind="q")], id="dims-and-total-agree"),
        pytest.param([field(36, 4)], id="dims-against-total-and-size"),
        pytest.param([field(40, 5, kind="q"), (88, b"xxxx")], id="total-and-size"),
        pytest.param([field(24, 5), (88, b"xxxx")], id="unused-and-size"),
        pytest.param([field(8, 1), field(40, 5, kind="q")], id="two-numbers"),
        pytest.param([field(36, 0)], id="no-elements"),
        pytest.param([field(16, 2)], id="dtype"),
        pytest.param([field(20, 5)], id="ndim"),
        pytest.param([field(4, 2)], id="version"),
        pytest.param([(0, b"TSR?")], id="magic"),
    ],
)
def test_what_is_not_proved(edits: list[tuple[int, bytes]]) -> None:
    """Where more than one number disagrees, or one that nothing proves, the file stays broken."""
    data = V1 + b"xxxx" if any(offset == 88 for offset, _ in edits) else V1
    for offset, value in edits:
        data = patched(data, offset, value)
    assert tsr.repair(data).remaining != []


def test_bytes_that_may_be_elements() -> None:
    """Bytes behind the end are kept where they would be those of elements of a larger type."""
    for size in (7, 9, 11, 13, 23, 25, 47, 49):
        data = tsr.dumps(X.astype(np.int8)) + bytes(size - 6)
        assert tsr.repair(data).remaining == []
    for size in (12, 24, 48):
        data = tsr.dumps(X.astype(np.int8)) + bytes(size - 6)
        assert [error.clause for error in tsr.repair(data).remaining] == ["V1-PAYLOAD-2"]


def test_total_of_nothing() -> None:
    """Where there is no payload, it does not prove that there should be none."""
    data = patched(tsr.dumps(np.zeros((2, 0), np.int8)), *field(40, 6, kind="q"))
    assert [error.clause for error in tsr.repair(data).remaining] == ["V1-TOTAL-1"]


def test_cut_files() -> None:
    """What is missing is not made up."""
    for whole in (V1, RAW, ZLIB):
        for size in (0, 3, 50, 100, 130, len(whole) - 1):
            if size < len(whole):
                assert tsr.repair(whole[:size]).remaining != []


# ------------------------------------------------------------------ TSR4


def test_header_checksum() -> None:
    """A CRC that was right follows what is changed; one that was not is evidence of damage."""
    data = resealed(patched(RAW, 44, b"\1"))
    assert [change.field for change in tsr.repair(data).changes] == ["header_crc32", "reserved_0"]
    assert changed(data, tsr.repair(data)) == RAW
    flipped = patched(RAW, 44, b"\1")  # the CRC tells what stood there
    assert [change.field for change in tsr.repair(flipped).changes] == ["reserved_0"]
    damaged = patched(RAW, 40, b"\1\2\3\4")
    assert [error.clause for error in tsr.repair(damaged).remaining] == ["T4-CRC-1"]
    assert changed(damaged, tsr.repair(damaged, checksums=True)) == RAW


def test_data_checksums() -> None:
    """Elements that were changed are taken as they are only on request."""
    for whole in (RAW, ZLIB):
        data = patched(whole, entry_at(1) + 60, b"\1\2\3\4")
        assert [error.clause for error in tsr.repair(data).remaining] == ["T4-CRC-2"]
        assert changed(data, tsr.repair(data, checksums=True)) == whole
    data = patched(RAW, 512, b"\7")
    made = changed(data, tsr.repair(data, checksums=True))
    assert struct.unpack_from("<I", made, entry_at(0) + 60) == (zlib.crc32(data[512:536]),)


def test_moved_payload_has_to_prove_itself() -> None:
    """Where a payload was looked for elsewhere, its checksum has to be right, request or not."""
    data = patched(RAW, entry_at(1) + 44, (520).to_bytes(8, "little"))
    assert changed(data, tsr.repair(data)) == RAW
    data = patched(data, 768, b"\x55")
    for checksums in (False, True):
        remaining = tsr.repair(data, checksums=checksums).remaining
        assert [error.clause for error in remaining] == ["T4-CRC-2"]


def test_end_is_cut_only_where_all_else_agrees() -> None:
    """Bytes behind the end may be of a payload whose size is told wrongly."""
    assert changed(RAW + b"xy", tsr.repair(RAW + b"xy")) == RAW
    data = patched(RAW, entry_at(2) + 52, (11).to_bytes(8, "little"))
    assert changed(data, tsr.repair(data)) == RAW
    for value in (11, 13):  # nothing is changed that the end of the file does not prove
        data = patched(RAW, entry_at(2) + 52, value.to_bytes(8, "little")) + b"xy"
        assert tsr.repair(data).changes == []
        assert tsr.repair(data).remaining != []
    data = patched(RAW, entry_at(1) + 20, b"\7") + b"xy"
    assert [error.clause for error in tsr.repair(data).remaining] == ["T4-END-1"]


def test_what_the_next_entry_does_not_prove() -> None:
    """A size or an offset is changed only where the next payload lies accordingly."""
    for at, value in ((entry_at(0) + 52, 25), (entry_at(0) + 44, 520)):
        data = patched(RAW, at, value.to_bytes(8, "little"))
        assert [change.offset for change in tsr.repair(data).changes] == [at]
        data = patched(data, entry_at(1) + 44, (1024).to_bytes(8, "little"))
        assert at not in [change.offset for change in tsr.repair(data).changes]


def test_padding() -> None:
    """Padding becomes zeros, each stretch of it."""
    data = patched(patched(RAW, 330, b"ab\0c"), 1000, b"\1")
    repaired = tsr.repair(data)
    assert [(change.offset, change.before) for change in repaired.changes] == [
        (330, b"ab\0c"), (1000, b"\1"),
    ]  # fmt: skip
    assert changed(data, repaired) == RAW


def test_what_is_told_of_contents_is_what_is_done() -> None:
    """A finding in padding or payloads remains, or does not, as `are_mended` says of its clause."""
    seen = set()
    for case in cases():
        findings = tsr.validate(case.data)
        clauses = {finding.clause for finding in findings}
        if clauses & IN_CONTENTS:
            assert clauses <= IN_CONTENTS  # header and directory are right
            for checksums in (False, True):
                remaining = tsr.repair(case.data, checksums=checksums).remaining
                assert are_mended(clauses, checksums) == (not remaining)
            seen |= clauses
    assert seen == IN_CONTENTS


def test_broken_streams() -> None:
    """A stream that does not inflate is not mended."""
    offset = tsr.open(ZLIB).infos[1].offset
    data = patched(ZLIB, offset, b"\0")
    assert [error.clause for error in tsr.repair(data, checksums=True).remaining] == ["T4-ZLIB-1"]


def test_changes_are_bounded() -> None:
    """A directory that is broken throughout is not mended entry by entry without end."""
    count = CHANGES_MAX + 1
    data = bytearray(tsr.dumps([np.int8(0)] * count, format="tsr4", compress=True))
    for index in range(count):
        data[entry_at(index) + 1] = 1
    repaired = tsr.repair(data)
    assert len(repaired.changes) == CHANGES_MAX
    assert [error.field for error in repaired.remaining] == [f"entries[{CHANGES_MAX}].reserved_0"]


def test_what_is_not_changed_any_more_remains(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Padding and checksums beyond the bound are still broken, and so is the file: none is made."""
    monkeypatch.setattr("tsr.diagnosis.mending.CHANGES_MAX", 2)
    valid = tsr.dumps([np.int8(0)] * 4, format="tsr4")
    padding, elements = bytearray(valid), bytearray(valid)
    for before, info in pairwise(tsr.open(valid).infos):
        padding[before.offset + 1] = elements[info.offset] = 1
    for data, field in ((padding, "padding"), (elements, "entries[3].data_crc32")):
        repaired = tsr.repair(data, checksums=True)
        assert len(repaired.changes) == 2
        assert [error.field for error in repaired.remaining] == [field]
        with pytest.raises(tsr.FormatError):
            tsr.repair(data, tmp_path / "mended.tsr", checksums=True)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------ files


BROKEN = patched(V1, 12, b"\1") + b"xyz"


def test_sources(target: Path) -> None:
    """Every source gives the same, and none is changed."""
    target.write_bytes(BROKEN)
    expected = tsr.repair(BROKEN)
    assert [(change.clause, change.size) for change in expected.changes] == [
        ("V1-RESERVED-1", 4), ("V1-PAYLOAD-2", 3),
    ]  # fmt: skip
    memory = bytearray(BROKEN)
    with target.open("rb") as file, pipe(BROKEN) as stream:
        for source in (target, file, stream, memory, io.BytesIO(BROKEN), Dribble(BROKEN)):
            assert tsr.repair(source) == expected
    assert target.read_bytes() == memory == BROKEN


class _Endless:
    """A stream of no format without end, of which too much is not read."""

    def __init__(self) -> None:
        self.left = 1 << 22

    def read(self, size: int, /) -> bytes:
        self.left -= size
        assert self.left >= 0
        return bytes(size)


def test_endless_stream() -> None:
    """A stream that is no TSR file is not read to an end that it may not have."""
    repaired = tsr.repair(_Endless())
    assert [error.clause for error in repaired.remaining] == ["V1-MAGIC-1"]


def test_large_file(target: Path) -> None:
    """A file that is mapped is not changed either, and written in blocks."""
    array = np.arange(1 << 19, dtype=np.int32)
    data = patched(tsr.dumps(array), 12, b"\1") + b"xyz"
    target.write_bytes(data)
    mended = target.with_name("mended.tsr")
    tsr.repair(target, mended)
    assert target.read_bytes() == data
    assert mended.read_bytes() == tsr.dumps(array)


def test_file_larger_than_memory(target: Path) -> None:
    """Of a file that no memory holds, only what is looked at is read."""
    header = patched(tsr.build_header("int8", (1 << 10,) * 4), 12, b"\1")
    with target.open("wb") as file:
        file.write(header)
        file.truncate(64 + (1 << 40))
    assert [change.field for change in tsr.repair(target).changes] == ["reserved_1"]
    assert [finding.field for finding in tsr.explain(target).findings] == ["reserved_1"]


def test_destination(target: Path) -> None:
    """A mended file is written whole; what exists is replaced only on request."""
    mended = target.with_name("mended.tsr")
    tsr.repair(BROKEN, mended)
    assert mended.read_bytes() == V1
    with pytest.raises(FileExistsError, match=r"mended\.tsr"):
        tsr.repair(BROKEN, str(mended))
    with pytest.raises(FileExistsError, match="File exists: "):  # nothing replaces a folder
        tsr.repair(BROKEN, target.parent)
    tsr.repair(RAW, mended, overwrite=True)
    assert mended.read_bytes() == RAW


@pytest.mark.skipif(os.name == "nt", reason="Windows has no mode bits")
def test_mode_bits(target: Path) -> None:
    """A new file is as open as the broken one, less what the umask takes, and never more."""
    target.write_bytes(BROKEN)
    before = os.umask(0o022)
    try:
        for source, expected in ((0o600, 0o600), (0o440, 0o440), (0o666, 0o644), (0o4711, 0o711)):
            target.chmod(source)
            mended = target.with_name(f"{source:o}.tsr")
            tsr.repair(target, mended)
            assert mended.stat().st_mode & 0o7777 == expected
        tsr.repair(BROKEN, target.with_name("bytes.tsr"))
        assert target.with_name("bytes.tsr").stat().st_mode & 0o7777 == 0o644
        mended.chmod(0o640)
        tsr.repair(target, mended, overwrite=True)  # as what it replaces
        assert mended.stat().st_mode & 0o7777 == 0o640
    finally:
        os.umask(before)


def test_in_place(target: Path) -> None:
    """A file can replace itself, if that is asked for."""
    target.write_bytes(BROKEN)
    with pytest.raises(FileExistsError):
        tsr.repair(target, target)
    assert target.read_bytes() == BROKEN
    tsr.repair(target, target, overwrite=True)
    assert target.read_bytes() == V1


def test_nothing_is_written_that_is_broken(target: Path) -> None:
    """What cannot be mended is not written, and the first thing that remains is raised."""
    with pytest.raises(tsr.FormatError, match="V1-VERSION-1"):
        tsr.repair(patched(BROKEN, 4, b"\2"), target)
    assert list(target.parent.iterdir()) == []


def test_no_regular_file(target: Path) -> None:
    """What is no regular file has a finding that remains."""
    assert [error.clause for error in tsr.repair("/").remaining] == ["FILE-1"]
    with pytest.raises(tsr.FormatError, match="FILE-1"):
        tsr.repair("/", target)
    with pytest.raises(FileNotFoundError):
        tsr.repair(target)


def test_destination_that_is_no_path() -> None:
    """Only a path can be written to."""
    with pytest.raises(tsr.UnsupportedError, match="destination: got BytesIO, expected a path"):
        tsr.repair(BROKEN, io.BytesIO())  # type: ignore[arg-type]
