"""The codec against the test vectors of TSR v1, through every way of reading bytes.

The vectors are data, ``spec/vectors/v1.json``: nothing here computes what a file means. The
rules that cover many files at once, cuts and flipped bits, are applied to the valid ones.
"""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import tsr
from tsr import schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data" / "vectors"

DOCUMENT: dict[str, Any] = json.loads((ROOT / "spec" / "vectors" / "v1.json").read_bytes())
VECTORS: dict[str, dict[str, Any]] = {vector["id"]: vector for vector in DOCUMENT["vectors"]}
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


def chosen(valid: bool, **members: object) -> pytest.MarkDecorator:
    """Parametrize a test over the valid or invalid vectors that have these members."""
    return pytest.mark.parametrize(
        "vector",
        [
            pytest.param(vector, id=name)
            for name, vector in VECTORS.items()
            if vector["valid"] is valid
            and all(vector.get(member) == value for member, value in members.items())
        ],
    )


def flagged(flag: str) -> pytest.MarkDecorator:
    """Parametrize a test over the vectors with a flag."""
    return pytest.mark.parametrize(
        "vector",
        [
            pytest.param(vector, id=name)
            for name, vector in VECTORS.items()
            if flag in vector["flags"]
        ],
    )


def file_of(vector: dict[str, Any]) -> bytes:
    """Take the file out of a vector."""
    return bytes.fromhex(vector["hex"])


def assert_tensor(array: NDArray[Any], vector: dict[str, Any]) -> None:
    """Compare dtype, shape and bits with what a vector says."""
    assert array.dtype.name == vector["dtype"]
    assert array.shape == tuple(vector["shape"])
    assert array.dtype.newbyteorder("<") == array.dtype
    assert sha256(array.tobytes()).hexdigest() == vector["payload_sha256"]


def assert_error(error: tsr.FormatError, expected: dict[str, Any]) -> None:
    """Compare clause, field and offset with what a vector says."""
    found = (error.clause, error.field, error.offset)
    assert found == (expected["clause"], expected["field"], expected["offset"])


def outcome(decode: Callable[[bytes], NDArray[Any]], data: bytes) -> object:
    """Decode bytes into something that compares: dtype, shape and bits, or the clause."""
    try:
        array = decode(data)
    except tsr.FormatError as error:
        return error.clause
    return array.dtype.name, array.shape, array.tobytes()


# ------------------------------------------------------------------ valid


@chosen(valid=True)
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lenient"])
@pytest.mark.parametrize(
    "kind", [bytes, bytearray, memoryview], ids=["bytes", "bytearray", "memoryview"]
)
def test_valid_bytes_decode(vector: dict[str, Any], kind: Any, strict: bool) -> None:
    """A valid file decodes from any buffer, strictly and leniently."""
    assert_tensor(tsr.loads(kind(file_of(vector)), strict=strict), vector)


@chosen(valid=True)
@pytest.mark.parametrize("mmap_mode", ["r", "c", None], ids=["read-only", "copy-on-write", "copy"])
def test_valid_file_decodes(vector: dict[str, Any], mmap_mode: Any, tmp_path: Path) -> None:
    """A valid file decodes from the disk in each mode."""
    path = tmp_path / "vector.tsr"
    path.write_bytes(file_of(vector))
    assert_tensor(tsr.load(path, mmap_mode=mmap_mode), vector)


@chosen(valid=True)
def test_valid_stream_decodes(vector: dict[str, Any]) -> None:
    """A valid file decodes from a file object, and to its end."""
    stream = io.BytesIO(file_of(vector))
    assert_tensor(tsr.load(stream), vector)
    assert stream.read() == b""


@chosen(valid=True)
def test_reference_decodes(vector: dict[str, Any]) -> None:
    """The reference codec decodes a valid file to the same tensor."""
    assert_tensor(schema.reference_loads(file_of(vector)), vector)


@chosen(valid=True)
def test_valid_array_is_read_only(vector: dict[str, Any]) -> None:
    """An array over bytes cannot be written to."""
    assert not tsr.loads(file_of(vector)).flags.writeable


@chosen(valid=True)
@pytest.mark.parametrize("encode", [tsr.dumps, schema.reference_dumps], ids=["codec", "reference"])
def test_valid_encodes_back(
    vector: dict[str, Any], encode: Callable[[NDArray[Any]], bytes]
) -> None:
    """What a valid file decodes to encodes to that file."""
    data = file_of(vector)
    assert encode(tsr.loads(data)) == data


@chosen(valid=True)
def test_valid_has_no_findings(vector: dict[str, Any], tmp_path: Path) -> None:
    """Validation finds nothing in a valid file, in memory or on the disk."""
    data = file_of(vector)
    path = tmp_path / "vector.tsr"
    path.write_bytes(data)
    assert tsr.validate(data) == []
    assert tsr.validate(path) == []


# ------------------------------------------------------------------ invalid


@chosen(valid=False)
def test_invalid_bytes_are_refused(vector: dict[str, Any]) -> None:
    """An invalid file in memory is refused with its clause, field and offset."""
    with pytest.raises(tsr.FormatError) as caught:
        tsr.loads(file_of(vector))
    assert_error(caught.value, vector)


@chosen(valid=False)
@pytest.mark.parametrize("mmap_mode", ["r", "r+", "c", None])
def test_invalid_file_is_refused(vector: dict[str, Any], mmap_mode: Any, tmp_path: Path) -> None:
    """An invalid file on the disk is refused in each mode, named, and left as it was."""
    path = tmp_path / "vector.tsr"
    path.write_bytes(file_of(vector))
    with pytest.raises(tsr.FormatError) as caught:
        tsr.load(path, mmap_mode=mmap_mode)
    assert_error(caught.value, vector)
    assert caught.value.path == str(path)
    assert path.read_bytes() == file_of(vector)


@chosen(valid=False)
def test_invalid_stream_is_refused(vector: dict[str, Any]) -> None:
    """An invalid file from a file object is refused with its clause, field and offset."""
    with pytest.raises(tsr.FormatError) as caught:
        tsr.load(io.BytesIO(file_of(vector)))
    assert_error(caught.value, vector)


@chosen(valid=False)
def test_reference_refuses(vector: dict[str, Any]) -> None:
    """The reference codec refuses an invalid file by the same clause."""
    with pytest.raises(tsr.FormatError) as caught:
        schema.reference_loads(file_of(vector))
    assert caught.value.clause == vector["clause"]


@chosen(valid=False)
def test_first_finding_is_the_reported_one(vector: dict[str, Any], tmp_path: Path) -> None:
    """Validation lists first what reading raises, in memory and on the disk."""
    data = file_of(vector)
    path = tmp_path / "vector.tsr"
    path.write_bytes(data)
    assert_error(tsr.validate(data)[0], vector)
    assert_error(tsr.validate(path)[0], vector)


# ------------------------------------------------------------------ lenient reading


@chosen(valid=False, lenient=True)
def test_lenient_reading_accepts(vector: dict[str, Any], tmp_path: Path) -> None:
    """Lenient reading gives the tensor, in memory and from the disk, and finds nothing."""
    data = file_of(vector)
    path = tmp_path / "vector.tsr"
    path.write_bytes(data)
    assert_tensor(tsr.loads(data, strict=False), vector)
    assert_tensor(tsr.load(path, strict=False), vector)
    assert_tensor(tsr.load(io.BytesIO(data), strict=False), vector)
    assert tsr.validate(data, strict=False) == []


@chosen(valid=False, lenient=True)
def test_lenient_reading_is_written_canonically(vector: dict[str, Any]) -> None:
    """What lenient reading accepted becomes a valid file when it is written again."""
    data = file_of(vector)
    written = tsr.dumps(tsr.loads(data, strict=False))
    assert written != data
    assert_tensor(tsr.loads(written), vector)


@chosen(valid=False, lenient=False)
def test_lenient_reading_refuses(vector: dict[str, Any], tmp_path: Path) -> None:
    """Lenient reading refuses every other fault, by the first clause that it does not waive."""
    data = file_of(vector)
    path = tmp_path / "vector.tsr"
    path.write_bytes(data)
    expected = vector.get("lenient_error", vector)
    with pytest.raises(tsr.FormatError) as caught:
        tsr.loads(data, strict=False)
    assert_error(caught.value, expected)
    with pytest.raises(tsr.FormatError) as caught:
        tsr.load(path, strict=False)
    assert_error(caught.value, expected)
    assert_error(tsr.validate(data, strict=False)[0], expected)


# ------------------------------------------------------------------ claims


@flagged("claim")
def test_a_claim_costs_nothing(vector: dict[str, Any]) -> None:
    """A header that claims gigabytes makes no reader allocate them."""
    data = file_of(vector)
    tracemalloc.start()
    try:
        outcome(tsr.loads, data)
        outcome(lambda file: tsr.load(io.BytesIO(file), mmap_mode=None), data)
        outcome(schema.reference_loads, data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A stream is read in chunks, so a chunk may be there.
    assert peak < 1 << 22


# ------------------------------------------------------------------ every cut, every bit


@chosen(valid=True)
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lenient"])
def test_every_cut_is_refused(vector: dict[str, Any], strict: bool) -> None:
    """A valid file cut at any length is too short, for its header or for its payload."""
    data = file_of(vector)
    for size in range(len(data)):
        with pytest.raises(tsr.FormatError) as caught:
            tsr.loads(data[:size], strict=strict)
        error = caught.value
        expected = (
            ("V1-SIZE-1", "header", 0) if size < HEADER_SIZE else ("V1-PAYLOAD-1", "payload", 64)
        )
        assert (error.clause, error.field, error.offset) == expected, f"cut at {size}"


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_reference_agrees_on_every_cut(vector: dict[str, Any]) -> None:
    """Codec and reference give the same verdict on every vector, cut at any length."""
    data = file_of(vector)
    for size in range(len(data)):
        cut = data[:size]
        assert outcome(tsr.loads, cut) == outcome(schema.reference_loads, cut), f"cut at {size}"


@chosen(valid=True)
def test_one_more_byte_is_refused(vector: dict[str, Any]) -> None:
    """A valid file with a byte after it is refused at its end, and leniently read."""
    data = file_of(vector)
    for value in (b"\0", b"\n", b"\xff"):
        with pytest.raises(tsr.FormatError, match="got 1 more byte") as caught:
            tsr.loads(data + value)
        error = caught.value
        assert (error.clause, error.field, error.offset) == (
            "V1-PAYLOAD-2",
            "end of file",
            len(data),
        )
        assert_tensor(tsr.loads(data + value, strict=False), vector)


def flipped(data: bytes, bit: int) -> bytes:
    """Flip one bit of a file."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@chosen(valid=True)
def test_every_flipped_bit_is_refused_or_canonical(vector: dict[str, Any]) -> None:
    """A flip in the header gives an invalid file, or the one encoding of another tensor."""
    data = file_of(vector)
    for bit in HEADER_BITS:
        changed = flipped(data, bit)
        try:
            array = tsr.loads(changed)
        except tsr.FormatError:
            continue
        assert tsr.dumps(array) == changed, f"bit {bit}"


@chosen(valid=True)
@pytest.mark.parametrize("clause", CONSTANT_BITS)
def test_every_bit_of_a_constant_counts(vector: dict[str, Any], clause: str) -> None:
    """A flip in a constant field is reported by that field's clause."""
    data = file_of(vector)
    for bit in CONSTANT_BITS[clause]:
        assert outcome(tsr.loads, flipped(data, bit)) == clause, f"bit {bit}"


@pytest.mark.parametrize("clause", [clause for clause in CONSTANT_BITS if "RESERVED" in clause])
def test_every_reserved_bit_is_waived_by_lenient_reading(clause: str) -> None:
    """Lenient reading ignores each bit of the reserved fields."""
    vector = VECTORS["fp32-rank2"]
    for bit in CONSTANT_BITS[clause]:
        assert_tensor(tsr.loads(flipped(file_of(vector), bit), strict=False), vector)


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_reference_agrees_on_every_flipped_bit(vector: dict[str, Any]) -> None:
    """Codec and reference give the same tensor or clause for each flip in any header."""
    data = file_of(vector)
    for bit in range(8 * min(HEADER_SIZE, len(data))):
        changed = flipped(data, bit)
        assert outcome(tsr.loads, changed) == outcome(schema.reference_loads, changed), f"bit {bit}"


@chosen(valid=True, dtype="float32")
def test_every_flipped_payload_bit_survives(vector: dict[str, Any]) -> None:
    """A flip in the payload is another value, and comes back as it was."""
    data = file_of(vector)
    for bit in range(8 * HEADER_SIZE, 8 * len(data)):
        changed = flipped(data, bit)
        assert tsr.dumps(tsr.loads(changed)) == changed, f"bit {bit}"


# ------------------------------------------------------------------ the bytes themselves


@flagged("pinned")
def test_pinned_bytes(vector: dict[str, Any]) -> None:
    """A pinned vector has the bytes it always had."""
    assert sha256(file_of(vector)).hexdigest() == vector["sha256"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the original files do not come with the sources")
def test_pinned_vectors_are_the_original_files() -> None:
    """The pinned vectors are the original files, all of them, byte for byte."""
    index = json.loads((SHARED / "index.json").read_bytes())
    originals = {entry["file"]: entry for entry in index if entry["format"] == "TSR v1"}
    pinned = {
        f"v1_{name.replace('-', '_')}.tsr": vector
        for name, vector in VECTORS.items()
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
    with zipfile.ZipFile(io.BytesIO(file_of(VECTORS["trailing-zip"]))) as archive:
        assert archive.testzip() is None
        assert archive.read("a.txt") == b"text"
