"""The codec against the test vectors of TSR v1, through every way of reading bytes.

The vectors are data, ``spec/vectors/v1.json``: nothing here computes what a file means. The
rules that cover many files at once, cuts and flipped bits, are applied to the valid ones.
"""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

import tsr
from tests.reading import findings, is_tsr4, outcome, reference, refusal, ways_of_reading
from tests.strategies import flipped
from tests.vectors import Vector, Vectors, assert_tensors, file_of, reported
from tsr import schema

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data" / "vectors"

V1 = Vectors("v1.json")
HEADER_SIZE = 64
HEADER_BITS = range(8 * HEADER_SIZE)

# The bits of fields that hold one constant, by the clause that a flip of one breaks.
CONSTANT_BITS = {
    "V1-MAGIC-1": range(32),
    "V1-VERSION-1": range(32, 64),
    "V1-HEADER-1": range(64, 96),
    "V1-RESERVED-1": range(96, 128),
    "V1-RESERVED-2": range(384, 448),
    "V1-RESERVED-3": range(448, 512),
}

every_vector = V1.chosen()
valid = V1.chosen(valid=True)
in_both_modes = pytest.mark.parametrize("strict", [True, False], ids=["strict", "lenient"])

# Readers of both formats take what begins like TSR4 for that; only those of headers do not.
refused = V1.where(lambda vector: not vector["valid"] and not is_tsr4(file_of(vector)))
of_tsr4 = V1.where(lambda vector: not vector["valid"] and is_tsr4(file_of(vector)))


def decoded(data: bytes, strict: bool = True) -> Any:
    """Decode bytes by the codec into something that compares."""
    return outcome(lambda: [tsr.loads(data, strict=strict)])


def declared(data: bytes) -> Any:
    """Decode bytes by the reference for TSR v1, whatever they begin with."""
    return outcome(lambda: [schema.reference_loads(data)])


# ------------------------------------------------------------------ valid


@valid
@in_both_modes
def test_valid_file_decodes(vector: Vector, strict: bool, tmp_path: Path) -> None:
    """A valid file decodes in every way of reading, strictly and leniently."""
    for found in ways_of_reading(file_of(vector), tmp_path, strict=strict).values():
        assert_tensors(found, [vector])


@valid
def test_valid_stream_is_read_to_its_end(vector: Vector) -> None:
    """Of a stream that ends with the file nothing is left."""
    stream = io.BytesIO(file_of(vector))
    tsr.load(stream)
    assert stream.read() == b""


@valid
def test_reference_decodes(vector: Vector) -> None:
    """The reference codec decodes a valid file to the same tensor."""
    assert_tensors(declared(file_of(vector)), [vector])


@valid
def test_valid_array_is_read_only(vector: Vector) -> None:
    """An array over bytes cannot be written to."""
    assert not tsr.loads(file_of(vector)).flags.writeable


@valid
@pytest.mark.parametrize("encode", [tsr.dumps, schema.reference_dumps], ids=["codec", "reference"])
def test_valid_encodes_back(vector: Vector, encode: Callable[[NDArray[Any]], bytes]) -> None:
    """What a valid file decodes to encodes to that file."""
    data = file_of(vector)
    assert encode(tsr.loads(data)) == data


@valid
def test_valid_has_no_findings(vector: Vector, tmp_path: Path) -> None:
    """Validation finds nothing in a valid file, in memory or on the disk."""
    data = file_of(vector)
    path = tmp_path / "vector.tsr"
    path.write_bytes(data)
    assert findings(data) == findings(path) == findings(io.BytesIO(data)) == []


# ------------------------------------------------------------------ invalid


@refused
def test_invalid_file_is_refused(vector: Vector, tmp_path: Path) -> None:
    """An invalid file is refused with its clause, field and offset by every way of reading."""
    results = ways_of_reading(file_of(vector), tmp_path)
    assert results == dict.fromkeys(results, reported(vector))


@refused
@pytest.mark.parametrize("mmap_mode", ["r", "r+", "c", None])
def test_refusal_names_the_file(vector: Vector, mmap_mode: Any, tmp_path: Path) -> None:
    """The error names the file, which is left as it was."""
    path = tmp_path / "vector.tsr"
    path.write_bytes(file_of(vector))
    with pytest.raises(tsr.FormatError) as caught:
        tsr.load(path, mmap_mode=mmap_mode)
    assert caught.value.path == str(path)
    assert path.read_bytes() == file_of(vector)


@V1.chosen(valid=False)
def test_reference_refuses(vector: Vector) -> None:
    """The reference codec refuses an invalid file with the same clause, field and offset."""
    assert declared(file_of(vector)) == reported(vector)


@of_tsr4
def test_what_begins_like_tsr4_is_no_tsr_v1(vector: Vector, tmp_path: Path) -> None:
    """Readers of TSR v1 alone refuse it for its magic, the others as a file of TSR4."""
    data = file_of(vector)
    path = tmp_path / "vector.tsr"
    path.write_bytes(data)
    assert vector["clause"] == "V1-MAGIC-1"
    readers: list[Callable[[], object]] = [
        lambda: tsr.parse_header(data),
        lambda: tsr.read_header(data),
        lambda: tsr.read_header(path),
        lambda: tsr.open_memmap(path, "r"),
    ]
    for read in readers:
        with pytest.raises(tsr.FormatError) as caught:
            read()
        assert ("refused", *refusal(caught.value)) == reported(vector)
    results = ways_of_reading(data, tmp_path)
    assert results == dict.fromkeys(results, ("refused", "T4-SIZE-1", "header", 0))


# ------------------------------------------------------------------ lenient reading


@V1.chosen(valid=False, lenient=True)
def test_lenient_reading_accepts(vector: Vector, tmp_path: Path) -> None:
    """Lenient reading gives the tensor in every way, and finds nothing."""
    data = file_of(vector)
    for found in ways_of_reading(data, tmp_path, strict=False).values():
        assert_tensors(found, [vector])
    assert findings(data, strict=False) == []


@V1.chosen(valid=False, lenient=True)
def test_lenient_reading_is_written_canonically(vector: Vector) -> None:
    """What lenient reading accepted becomes a valid file when it is written again."""
    data = file_of(vector)
    written = tsr.dumps(tsr.loads(data, strict=False))
    assert written != data
    assert_tensors(decoded(written), [vector])


@V1.where(lambda vector: vector.get("lenient") is False and not is_tsr4(file_of(vector)))
def test_lenient_reading_refuses(vector: Vector, tmp_path: Path) -> None:
    """Lenient reading refuses every other fault, by the first clause that it does not waive."""
    results = ways_of_reading(file_of(vector), tmp_path, strict=False)
    assert results == dict.fromkeys(results, reported(vector.get("lenient_error", vector)))


# ------------------------------------------------------------------ claims


@V1.flagged("claim")
def test_a_claim_costs_nothing(vector: Vector) -> None:
    """A header that claims gigabytes makes no reader allocate them."""
    data = file_of(vector)
    tracemalloc.start()
    try:
        decoded(data)
        outcome(lambda: [tsr.load(io.BytesIO(data), mmap_mode=None)])
        declared(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A stream is read in chunks, so a chunk may be there.
    assert peak < 1 << 22


# ------------------------------------------------------------------ every cut, every bit


@valid
@in_both_modes
def test_every_cut_is_refused(vector: Vector, strict: bool) -> None:
    """A valid file cut at any length is too short, for its header or for its payload."""
    data = file_of(vector)
    for size in range(len(data)):
        expected = (
            ("V1-SIZE-1", "header", 0) if size < HEADER_SIZE else ("V1-PAYLOAD-1", "payload", 64)
        )
        assert decoded(data[:size], strict) == ("refused", *expected), f"cut at {size}"


@every_vector
def test_reference_agrees_on_every_cut(vector: Vector) -> None:
    """Codec and reference give the same verdict on every vector, cut at any length."""
    data = file_of(vector)
    for size in range(len(data)):
        cut = data[:size]
        assert decoded(cut) == reference(cut), f"cut at {size}"


@valid
def test_one_more_byte_is_refused(vector: Vector) -> None:
    """A valid file with a byte after it is refused at its end, and leniently read."""
    data = file_of(vector)
    for value in (b"\0", b"\n", b"\xff"):
        assert decoded(data + value) == ("refused", "V1-PAYLOAD-2", "end of file", len(data))
        assert_tensors(decoded(data + value, strict=False), [vector])


@valid
def test_every_flipped_bit_is_refused_or_canonical(vector: Vector) -> None:
    """A flip in the header gives an invalid file, or the one encoding of another tensor."""
    data = file_of(vector)
    for bit in HEADER_BITS:
        changed = flipped(data, bit)
        try:
            array = tsr.loads(changed)
        except tsr.FormatError:
            continue
        assert tsr.dumps(array) == changed, f"bit {bit}"


@valid
@pytest.mark.parametrize("clause", CONSTANT_BITS)
def test_every_bit_of_a_constant_counts(vector: Vector, clause: str) -> None:
    """A flip in a constant field is reported by that field's clause."""
    data = file_of(vector)
    for bit in CONSTANT_BITS[clause]:
        assert decoded(flipped(data, bit))[:2] == ("refused", clause), f"bit {bit}"


@pytest.mark.parametrize("clause", [clause for clause in CONSTANT_BITS if "RESERVED" in clause])
def test_every_reserved_bit_is_waived_by_lenient_reading(clause: str) -> None:
    """Lenient reading ignores each bit of the reserved fields."""
    vector = V1.by_id["fp32-rank2"]
    for bit in CONSTANT_BITS[clause]:
        assert_tensors(decoded(flipped(file_of(vector), bit), strict=False), [vector])


@every_vector
def test_reference_agrees_on_every_flipped_bit(vector: Vector) -> None:
    """Codec and reference give the same tensor or clause for each flip in any header."""
    data = file_of(vector)
    for bit in range(8 * min(HEADER_SIZE, len(data))):
        changed = flipped(data, bit)
        assert decoded(changed) == reference(changed), f"bit {bit}"


@V1.chosen(valid=True, dtype="float32")
def test_every_flipped_payload_bit_survives(vector: Vector) -> None:
    """A flip in the payload is another value, and comes back as it was."""
    data = file_of(vector)
    for bit in range(8 * HEADER_SIZE, 8 * len(data)):
        changed = flipped(data, bit)
        assert tsr.dumps(tsr.loads(changed)) == changed, f"bit {bit}"


# ------------------------------------------------------------------ the bytes themselves


@V1.flagged("pinned")
def test_pinned_bytes(vector: Vector) -> None:
    """A pinned vector has the bytes it always had."""
    assert sha256(file_of(vector)).hexdigest() == vector["sha256"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the original files do not come with the sources")
def test_pinned_vectors_are_the_original_files() -> None:
    """The pinned vectors are the original files, all of them, byte for byte."""
    index = json.loads((SHARED / "index.json").read_bytes())
    originals = {entry["file"]: entry for entry in index if entry["format"] == "TSR v1"}
    pinned = {
        f"v1_{name.replace('-', '_')}.tsr": vector
        for name, vector in V1.by_id.items()
        if "pinned" in vector["flags"]
    }
    assert pinned.keys() == originals.keys()
    for name, vector in pinned.items():
        entry = originals[name]
        assert file_of(vector) == (SHARED / name).read_bytes(), name
        assert [vector[member] for member in ("sha256", "dtype", "shape")] == [
            entry[member] for member in ("sha256", "dtype", "shape")
        ]


def test_zip_polyglot_is_a_zip_archive() -> None:
    """The archive after the payload is one that other programs open."""
    with zipfile.ZipFile(io.BytesIO(file_of(V1.by_id["trailing-zip"]))) as archive:
        assert archive.testzip() is None
        assert archive.read("a.txt") == b"text"
