"""All files that are one step away from a valid TSR4 file: no bit and no byte goes unnoticed.

Every bit of small files is flipped, in the header under the checksum that was right and under
the one that is; they are cut at every length and extended by every byte. Each of these files is
refused, by the codec and the reference alike, for the field that the step was made in, or for
one that no longer agrees with it; or it is one of the few that the specification allows.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import tsr
from tests.containers import ENTRY, HEADER, entry_at, resealed
from tests.reading import Dribble, Outcome, findings, layout_outcome, outcome, reference
from tests.strategies import flipped
from tests.vectors import Vector, Vectors, file_of
from tsr import layout, schema

ARRAYS: list[NDArray[Any]] = [
    np.array([1.5, -0.0, np.nan, np.inf, 2.0**-24], "<f2"),
    np.array([[3, 1, 4], [1, 5, 9]], "<i4"),
    np.arange(-9, 9, dtype="<i1").reshape(1, 2, 3, 3),
]


class File(NamedTuple):
    """A valid file, taken apart."""

    data: bytes
    infos: tuple[Any, ...]
    tensors: Outcome
    compressed: bool

    @property
    def directory_end(self) -> int:
        """Where the directory ends."""
        return HEADER + ENTRY * len(self.infos)

    def payload(self, index: int) -> range:
        """Give the bits of a payload."""
        info = self.infos[index]
        return range(8 * info.offset, 8 * (info.offset + info.stored_nbytes))

    def padding(self) -> Iterator[int]:
        """Give the bits of all padding."""
        end = 8 * self.directory_end
        for index in range(len(self.infos)):
            yield from range(end, self.payload(index).start)
            end = self.payload(index).stop


def taken_apart(data: bytes) -> File:
    """Take a valid file apart."""
    with tsr.open(data) as file:
        return File(data, file.infos, outcome(lambda: file), file.compressed)


FILES = {
    f"{mode}-{count}": taken_apart(schema.reference_dumps_tsr4(ARRAYS[:count], mode == "zlib"))
    for mode in ("raw", "zlib")
    for count in (1, len(ARRAYS))
}
RAW, ZLIB = FILES["raw-3"], FILES["zlib-3"]
each_file = pytest.mark.parametrize("file", FILES.values(), ids=FILES)


def fields(offsets: dict[str, int], size: int) -> dict[str, range]:
    """Give the bits of each field of a struct."""
    starts = [offset for offset in offsets.values() if offset < size] + [size]
    return {
        name: range(8 * start, 8 * end)
        for name, start, end in zip(offsets, starts, starts[1:], strict=False)
    }


HEADER_FIELDS = fields(layout.TSR4_OFFSETS, HEADER)
ENTRY_FIELDS = fields(layout.TSR4_ENTRY_OFFSETS, ENTRY)


def opened(source: Any, *, strict: bool = True, verify: bool = True) -> Outcome:
    """Use all tensors of a file."""
    return outcome(lambda: tsr.open(source, strict=strict, verify=verify))


def assert_refused(data: bytes, clause: str, field: str, offset: int, step: str) -> None:
    """Check what a file is refused for, by codec, validation and reference."""
    expected = ("refused", clause, field, offset)
    assert opened(data) == reference(data) == expected, step
    assert findings(data)[0] == expected[1:], step


# ------------------------------------------------------------------ header


@each_file
@pytest.mark.parametrize("field", HEADER_FIELDS)
def test_every_bit_of_the_header_is_under_its_checksum(file: File, field: str) -> None:
    """A flip in the header makes another magic, or a wrong checksum, leniently too."""
    expected = ("refused", "T4-CRC-1", "header_crc32", layout.TSR4_OFFSETS["header_crc32"])
    if field == "magic":
        expected = ("refused", "V1-MAGIC-1", "magic", 0)
    for bit in HEADER_FIELDS[field]:
        changed = flipped(file.data, bit)
        assert reference(changed) == expected, f"bit {bit}"
        for strict in (True, False):
            assert opened(changed, strict=strict) == expected, f"bit {bit}"
            assert layout_outcome(changed, strict) == expected, f"bit {bit}"
            assert findings(changed, strict)[0] == expected[1:], f"bit {bit}"


HEADER_CLAUSES = {
    "version_major": "T4-VERSION-1",
    "version_minor": "T4-VERSION-2",
    "header_size": "T4-HEADER-1",
    "file_mode": "T4-MODE-1",
    "tensor_count": "T4-COUNT-1",
    "entry_size": "T4-ENTRY-1",
    "dir_offset": "T4-DIRECTORY-1",
    "data_offset": "T4-DATA-1",
    "reserved_0": "T4-RESERVED-1",
    "reserved_1": "T4-RESERVED-2",
}


def blamed_in_header(changed: bytes, field: str) -> str:
    """Name the field that a flip in the header is reported for: mostly the flipped one."""
    mode, count = (int.from_bytes(changed[at : at + 4], "little") for at in (12, 16))
    # The payloads of the other mode, or of another number of tensors, begin elsewhere.
    other_mode = field == "file_mode" and mode in (layout.TSR4_RAW, layout.TSR4_ZLIB)
    other_count = field == "tensor_count" and count > 0
    return "data_offset" if other_mode or other_count else field


@each_file
@pytest.mark.parametrize("field", HEADER_CLAUSES)
def test_every_bit_of_the_header_counts(file: File, field: str) -> None:
    """A flip in the header under its right checksum is reported where it is wrong."""
    for bit in HEADER_FIELDS[field]:
        changed = resealed(flipped(file.data, bit))
        blamed = blamed_in_header(changed, field)
        clause, offset = HEADER_CLAUSES[blamed], layout.TSR4_OFFSETS[blamed]
        assert_refused(changed, clause, blamed, offset, f"bit {bit}")
        assert layout_outcome(changed) == opened(changed), f"bit {bit}"
        lenient = file.tensors if field.startswith("reserved") else opened(changed)
        assert opened(changed, strict=False) == lenient, f"bit {bit}"


# ------------------------------------------------------------------ directory

ENTRY_CLAUSES = {
    "dtype": "T4-DTYPE-1",
    "reserved_0": "T4-RESERVED-3",
    "shape": "T4-SHAPE-1",
    "numel": "T4-NUMEL-1",
    "nbytes": "T4-NBYTES-1",
    "data_offset": "T4-OFFSET-1",
    "payload_size": "T4-STORED-1",
    "data_crc32": "T4-CRC-2",
}


def assert_entry_refused(data: bytes, index: int, field: str, step: str) -> None:
    """Check that a file is refused for a field of an entry."""
    name, _, axis = field.partition("[")
    offset = entry_at(index) + layout.TSR4_ENTRY_OFFSETS[name] + 4 * int(axis[:-1] or 0)
    assert_refused(data, ENTRY_CLAUSES[name], f"entries[{index}].{field}", offset, step)
    accepted = opened(data, strict=False) != opened(data)
    assert accepted == (name == "reserved_0"), step


def entry_flips(file: File, field: str) -> Iterator[tuple[int, int, bytes]]:
    """Flip each bit of a field of every entry: the entry, the bit in the field, the file."""
    for index in range(len(file.infos)):
        start = 8 * entry_at(index)
        for bit in ENTRY_FIELDS[field]:
            yield index, bit - ENTRY_FIELDS[field].start, flipped(file.data, start + bit)


@each_file
@pytest.mark.parametrize("field", ["reserved_0", "numel", "nbytes", "data_offset", "data_crc32"])
def test_every_bit_of_an_entry_counts(file: File, field: str) -> None:
    """A flip in an entry is reported where it is."""
    for index, bit, changed in entry_flips(file, field):
        assert_entry_refused(changed, index, field, f"entry {index}, bit {bit}")


@each_file
def test_every_bit_of_a_dtype_counts(file: File) -> None:
    """A flip gives no element type, or one whose elements take other bytes than nbytes."""
    for index, bit, changed in entry_flips(file, "dtype"):
        blamed = "nbytes" if bit < 2 else "dtype"
        assert_entry_refused(changed, index, blamed, f"entry {index}, bit {bit}")


@each_file
def test_every_bit_of_a_shape_counts(file: File) -> None:
    """A flip gives a dimension that is none, or other elements than numel."""
    for index, bit, changed in entry_flips(file, "shape"):
        axis = bit // 32
        start = entry_at(index) + 4 + 4 * axis
        dim = int.from_bytes(changed[start : start + 4], "little", signed=True)
        blamed = "numel" if dim > 0 else f"shape[{axis}]"
        assert_entry_refused(changed, index, blamed, f"entry {index}, bit {bit}")


@each_file
def test_no_bit_of_a_row_stride_counts(file: File) -> None:
    """A flip in row_stride, which readers do not check, gives the same tensors."""
    for index, bit, changed in entry_flips(file, "row_stride"):
        assert opened(changed) == reference(changed) == file.tensors, f"entry {index}, bit {bit}"
        assert findings(changed) == [], f"entry {index}, bit {bit}"


@each_file
def test_every_bit_of_a_payload_size_counts(file: File) -> None:
    """A flip disagrees with nbytes; in a ZLIB file with what comes behind the payload."""
    for index, bit, changed in entry_flips(file, "payload_size"):
        step = f"entry {index}, bit {bit}"
        info = file.infos[index]
        size = info.stored_nbytes ^ 1 << bit
        if not file.compressed:
            assert_entry_refused(changed, index, "payload_size", step)
        elif index + 1 < len(file.infos):
            assert_entry_refused(changed, index + 1, "data_offset", step)
        elif size > info.stored_nbytes:
            assert_refused(changed, "T4-PAYLOAD-1", f"payload[{index}]", info.offset, step)
        else:
            assert_refused(changed, "T4-END-1", "end of file", info.offset + size, step)


# ------------------------------------------------------------------ payloads and padding


@pytest.mark.parametrize("index", range(len(ARRAYS)))
def test_every_bit_of_a_payload_counts(index: int) -> None:
    """A flip in a payload is a wrong checksum; without verification it is another value."""
    for bit in RAW.payload(index):
        changed = flipped(RAW.data, bit)
        offset = entry_at(index) + layout.TSR4_ENTRY_OFFSETS["data_crc32"]
        field = f"entries[{index}].data_crc32"
        assert_refused(changed, "T4-CRC-2", field, offset, f"bit {bit}")
        assert layout_outcome(changed) == ()
        dtype, shape, values = RAW.tensors[index]
        tensor = (dtype, shape, flipped(values, bit - RAW.payload(index).start))
        expected = (*RAW.tensors[:index], tensor, *RAW.tensors[index + 1 :])
        assert opened(changed, verify=False) == expected, f"bit {bit}"


@pytest.mark.parametrize("index", range(len(ARRAYS)))
def test_every_bit_of_a_stream_counts(index: int) -> None:
    """A flip in a compressed payload is refused, verified or not, but for bits of no meaning."""
    free = 0
    for bit in ZLIB.payload(index):
        changed = flipped(ZLIB.data, bit)
        found = opened(changed)
        assert found == reference(changed), f"bit {bit}"
        assert opened(changed, verify=False) == found, f"bit {bit}"
        if found == ZLIB.tensors:
            free += 1
            continue
        assert found[0] == "refused", f"bit {bit}"
        assert found[1] in {"T4-ZLIB-1", "T4-ZLIB-2", "T4-ZLIB-3"}, f"bit {bit}"
        assert found[2:] == (f"payload[{index}]", ZLIB.infos[index].offset), f"bit {bit}"
    # The deflated data end within a byte, whose last bits no reader of zlib streams looks at.
    assert free < 8


@pytest.mark.parametrize("name", ["raw-1", "raw-3"])
def test_every_bit_of_padding_counts(name: str) -> None:
    """A flip in padding is reported at its byte; leniently or unverified it is not looked at."""
    file = FILES[name]
    for bit in file.padding():
        changed = flipped(file.data, bit)
        expected = ("refused", "T4-PADDING-1", "padding", bit // 8)
        assert opened(changed) == expected, f"bit {bit}"
        assert findings(changed) == [expected[1:]], f"bit {bit}"
        if bit % 8 == bit // 8 % 8:  # the reference is slow: one bit of each byte
            assert reference(changed) == expected, f"bit {bit}"
        assert opened(changed, strict=False) == file.tensors, f"bit {bit}"
        assert opened(changed, verify=False) == file.tensors, f"bit {bit}"


def test_zlib_files_have_no_padding() -> None:
    """Every bit of a ZLIB file is in the header, the directory or a payload."""
    assert list(ZLIB.padding()) == []
    assert ZLIB.payload(len(ARRAYS) - 1).stop == 8 * len(ZLIB.data)


# ------------------------------------------------------------------ other lengths


def cut_report(file: File, size: int) -> Outcome:
    """Tell what the first bytes of a file are refused for."""
    if size < 4:
        return ("refused", "V1-SIZE-1", "header", 0)  # nothing says that it was to be TSR4
    if size < HEADER:
        return ("refused", "T4-SIZE-1", "header", 0)
    if size < file.directory_end:
        return ("refused", "T4-DIRECTORY-2", "directory", HEADER)
    index = next(i for i in range(len(file.infos)) if 8 * size < file.payload(i).stop)
    return ("refused", "T4-PAYLOAD-1", f"payload[{index}]", file.infos[index].offset)


@each_file
def test_every_cut_is_refused(file: File) -> None:
    """A file that ends early lacks its header, its directory or the first payload cut."""
    for size in range(len(file.data)):
        cut = file.data[:size]
        expected = cut_report(file, size)
        for strict in (True, False):
            assert opened(cut, strict=strict) == expected, f"cut at {size}"
            assert opened(io.BytesIO(cut), strict=strict) == expected, f"cut at {size}"
        assert opened(Dribble(cut)) == expected, f"cut at {size}"
        assert layout_outcome(cut) == expected, f"cut at {size}"
        assert findings(cut)[0] == findings(io.BytesIO(cut))[0] == expected[1:], f"cut at {size}"
        assert reference(cut) == expected, f"cut at {size}"


@Vectors("tsr4.json").chosen(valid=True)
def test_every_cut_of_a_vector_is_refused(vector: Vector) -> None:
    """A vector that ends early lacks the same, whatever its payloads."""
    file = taken_apart(file_of(vector))
    for size in range(len(file.data)):
        assert opened(file.data[:size]) == cut_report(file, size), f"cut at {size}"


@each_file
def test_every_byte_behind_the_file_is_refused(file: File) -> None:
    """A byte more is refused where the file should end, and leniently not looked at."""
    expected = ("refused", "T4-END-1", "end of file", len(file.data))
    for byte in range(256):
        longer = file.data + bytes([byte])
        assert opened(longer) == opened(Dribble(longer)) == reference(longer) == expected
        assert layout_outcome(longer) == expected
        assert findings(longer) == [expected[1:]]
        assert opened(longer, strict=False) == opened(Dribble(longer), strict=False) == file.tensors
