"""`tsr.diagnosis.anatomy`: the parts of files, whole and broken, and their order."""

from __future__ import annotations

from collections.abc import Container
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tsr
from spec.conformance.vectors import cases
from tests.containers import entry_at, patched
from tsr.diagnosis.anatomy import Part, dissect, entries_of, format_of
from tsr.testing import files

X = np.arange(6, dtype=np.float32).reshape(2, 3)
V1 = tsr.dumps(X)
RAW = tsr.dumps([X, X.astype(np.int8), X.astype(np.float16)], format="tsr4")
ZLIB = tsr.dumps([X, X.astype(np.int8)], format="tsr4", compress=True)

ANY = st.binary() | files("v1") | files("tsr4")


def parts_of(data: bytes, chosen: Container[int] | None = None) -> list[Part]:
    """Give the parts of a whole file."""
    return list(dissect(data, len(data), chosen))


def named(data: bytes, chosen: Container[int] | None = None) -> dict[str, Part]:
    """Give the parts of a file by their names."""
    return {part.field: part for part in parts_of(data, chosen)}


def assert_covered(parts: list[Part], size: int) -> None:
    """Check that parts follow each other without a gap, and none of them is empty."""
    ends = list(accumulate((part.size for part in parts), initial=0))
    assert [part.offset for part in parts] == ends[:-1]
    assert ends[-1] == size
    assert all(part.size > 0 for part in parts)


def test_v1() -> None:
    """The parts of a TSR v1 file are its fields and its payload, with what they say."""
    assert parts_of(V1) == [
        Part("magic", 0, 4, b"TSR!", "a TSR v1 file"),
        Part("version", 4, 4, 1, "version of the format"),
        Part("header_size", 8, 4, 64, "bytes of the header"),
        Part("reserved_1", 12, 4, 0, "reserved"),
        Part("dtype", 16, 4, 1, "FP32, float32, 4 bytes each"),
        Part("ndim", 20, 4, 2, "2 dimensions"),
        Part("dims", 24, 16, (1, 1, 2, 3), "shape (2, 3), the first 2 unused"),
        Part("total_elements", 40, 8, 6, "6 elements, 24 bytes"),
        Part("reserved_2", 48, 8, 0, "reserved"),
        Part("reserved_3", 56, 8, 0, "reserved"),
        Part("payload", 64, 24, None, "FP32, shape (2, 3): 24 bytes"),
    ]


def test_tsr4() -> None:
    """The parts of a TSR4 file are its fields, those of its entries, padding and payloads."""
    parts = named(RAW)
    assert parts["file_mode"] == Part("file_mode", 12, 4, 0, "RAW: payloads as they are")
    assert parts["entries[1].shape"] == Part(
        "entries[1].shape", 196, 16, (1, 1, 2, 3), "N, H, W, C"
    )
    assert [(part.field, part.offset, part.size) for part in parts_of(RAW)[-5:]] == [
        ("payload[0]", 512, 24),
        ("padding", 536, 232),
        ("payload[1]", 768, 6),
        ("padding", 774, 250),
        ("payload[2]", 1024, 12),
    ]
    assert parts["payload[2]"].meaning == "FP16, shape (1, 1, 2, 3): 12 bytes"


def test_zlib() -> None:
    """The payloads of a compressed file are streams, without padding."""
    parts = named(ZLIB)
    assert parts["payload[1]"].meaning == "a zlib stream of 6 bytes: INT8, shape (1, 1, 2, 3)"
    assert "padding" not in parts
    assert parts["payload[1]"].offset == parts["payload[0]"].offset + parts["payload[0]"].size


@pytest.mark.parametrize("data", [V1, RAW, ZLIB], ids=["v1", "raw", "zlib"])
def test_cut_files(data: bytes) -> None:
    """A file that is cut anywhere has the parts that are there, the last of them cut."""
    whole = parts_of(data)
    for size in range(len(data)):
        parts = parts_of(data[:size])
        assert_covered(parts, size)
        if size > 3:
            for cut, part in zip(parts, whole, strict=False):
                assert (cut.field, cut.offset) == (part.field, part.offset)
    assert parts_of(V1[:42])[-1] == Part("total_elements", 40, 2, None, "cut: 2 of 8 bytes")
    assert parts_of(RAW[:150])[-1] == Part("entries[0].numel", 148, 2, None, "cut: 2 of 8 bytes")
    assert named(V1[:70])["payload"].meaning.endswith("24 bytes, of which 18 are missing")
    assert named(RAW[:520])["payload[0]"].meaning.endswith("24 bytes, of which 16 are missing")


def test_surplus() -> None:
    """What follows the last payload is the end of the file."""
    for data in (V1, RAW, ZLIB):
        assert parts_of(data + b"xyz")[-1] == Part(
            "end of file", len(data), 3, None, "behind the end"
        )


def test_header_that_says_no_size() -> None:
    """Where the elements cannot be counted, all that follows the header is the payload."""
    for at, value in ((16, 9), (24, -1)):
        data = patched(V1, at, value.to_bytes(4, "little", signed=True))
        assert parts_of(data)[-1] == Part("payload", 64, 24, None, "of elements that are not known")
    assert named(patched(V1, 16, b"\4"))["dtype"].meaning == "FP16, announced for later versions"
    assert (
        named(patched(V1, 20, b"\7"))["dims"].meaning == "which of them are the shape is not known"
    )


def test_payloads_that_overlap() -> None:
    """Bytes that two entries claim belong to the first of them."""
    parts = named(patched(RAW, entry_at(1) + 44, (520).to_bytes(8, "little")))
    assert (parts["payload[0]"].offset, parts["payload[0]"].size) == (512, 24)
    assert "payload[1]" not in parts
    parts = named(patched(RAW, entry_at(1) + 44, (533).to_bytes(8, "little")))
    assert (parts["payload[1]"].offset, parts["payload[1]"].size) == (536, 3)
    assert parts["payload[1]"].meaning.endswith("6 bytes, the first 3 bytes shared")


def test_padding_in_front_of_nothing() -> None:
    """Where a file is cut in its padding, that is padding still."""
    assert parts_of(RAW[:700])[-1] == Part("padding", 536, 164, None, "up to the next payload")


def test_gaps() -> None:
    """What no payload takes and no padding is, is a gap."""
    parts = named(patched(RAW, entry_at(1) + 44, (770).to_bytes(8, "little")))
    assert parts["gap"] == Part("gap", 536, 234, None, "of no payload")


def test_no_tensor() -> None:
    """A directory of nothing is followed by bytes that belong to nothing."""
    assert parts_of(patched(RAW, 16, bytes(4)))[-1].meaning == "of no tensor"


def test_chosen_tensors() -> None:
    """Tensors that are not chosen are left out, in one part of the directory and one behind it."""
    parts = parts_of(RAW, {1})
    assert [part.field for part in parts if part.field.endswith("]")] == [
        "entries[0:1]", "entries[2:3]", "payload[0:1]", "payload[1]", "payload[2:3]",
    ]  # fmt: skip
    assert_covered(parts, len(RAW))
    nothing = parts_of(RAW, ())
    assert [(part.field, part.offset, part.size, part.meaning) for part in nothing[-2:]] == [
        ("entries[0:3]", 128, 192, "3 entries left out"),
        ("payload[0:3]", 320, 716, "3 payloads left out"),
    ]


def test_what_was_not_read() -> None:
    """Of header and directory that are not there, no more is told than that."""
    for data, known in ((V1, 40), (RAW, 100), (RAW, 200)):
        parts = list(dissect(data[:known], len(data)))
        assert_covered(parts, len(data))
        assert parts[-1].meaning == "not looked at"


def test_formats_and_entries() -> None:
    """The first bytes tell the format, the size how many entries are there."""
    assert [format_of(data) for data in (V1, RAW, b"TSR", b"")] == ["TSR v1", "TSR4", None, None]
    assert [entries_of(RAW, size) for size in (0, 127, 191, 192, 319, 320, len(RAW))] == [
        0, 0, 0, 1, 2, 3, 3,
    ]  # fmt: skip


@given(data=ANY, chosen=st.none() | st.sets(st.integers(0, 4)), known=st.none() | st.integers(0))
@example(data=b"", chosen=None, known=None)
@example(data=b"TSR!\0", chosen=None, known=4)
@example(data=b"TSR4" + bytes(60), chosen=None, known=4)
def test_parts_cover_any_file(data: bytes, chosen: set[int] | None, known: int | None) -> None:
    """The parts of any bytes are in order and cover them all, however much of them is known."""
    assert_covered(list(dissect(data[:known], len(data), chosen)), len(data))


def test_parts_cover_the_vectors() -> None:
    """So are those of every vector, each field of which has its name in the specification."""
    for case in cases():
        assert_covered(parts_of(case.data), len(case.data))
        assert_covered(parts_of(case.data, {0}), len(case.data))
