"""The codec against the test vectors of TSR4, through every way of reading and writing.

The vectors are data, ``spec/vectors/tsr4.json``, and so are the original files beside them:
nothing here computes what a file means. What is one step away from a valid file, a rule tells:
``test_neighbourhood.py`` takes those steps.
"""

from __future__ import annotations

import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import tsr
from tests.reading import (
    Outcome,
    findings,
    is_tsr4,
    layout_outcome,
    outcome,
    reference,
    refusal,
    ways_of_finding,
    ways_of_opening,
    ways_of_reading,
)
from tests.vectors import VECTORS, Vector, Vectors, assert_tensors, file_of, reported
from tsr import schema
from tsr.container import decode_container_header
from tsr.header import raise_error

TSR4 = Vectors("tsr4.json")
ORIGINAL = VECTORS / "original"
INDEX: list[Vector] = json.loads((ORIGINAL / "index.json").read_bytes())

CONTENTS = {"T4-PADDING-1", "T4-ZLIB-1", "T4-ZLIB-2", "T4-ZLIB-3", "T4-CRC-2"}

every_vector = TSR4.chosen()
valid = TSR4.chosen(valid=True)
in_both_modes = pytest.mark.parametrize("strict", [True, False], ids=["strict", "lenient"])
originals = pytest.mark.parametrize("entry", [pytest.param(e, id=e["file"]) for e in INDEX])

# What begins otherwise, readers take for TSR v1.
refused = TSR4.where(lambda vector: not vector["valid"] and is_tsr4(file_of(vector)))
of_no_tsr4 = TSR4.where(lambda vector: not vector["valid"] and not is_tsr4(file_of(vector)))
leniently_refused = TSR4.where(
    lambda vector: vector.get("lenient") is False and is_tsr4(file_of(vector))
)
unread = TSR4.where(
    lambda vector: (
        vector.get("clause") in {"T4-CRC-2", "T4-PADDING-1"} and "order" not in vector["flags"]
    )
)


def opened(source: Any, strict: bool = True) -> Outcome:
    """Use all tensors of a file."""
    return outcome(lambda: tsr.open(source, strict=strict))


def declared(data: bytes) -> Outcome:
    """Read with the reference for TSR4, whatever the bytes begin with."""
    return outcome(lambda: schema.reference_loads_tsr4(data))


def rewritten(source: Any, compress: bool, strict: bool = True) -> bytes:
    """Write what a file holds."""
    with tsr.open(source, strict=strict) as file:
        return tsr.dumps(file, format="tsr4", compress=compress)


# ------------------------------------------------------------------ valid


@valid
@in_both_modes
def test_valid_file_decodes(vector: Vector, strict: bool, tmp_path: Path) -> None:
    """A valid file decodes in every way of reading, strictly and leniently."""
    for found in ways_of_reading(file_of(vector), tmp_path, strict=strict).values():
        assert_tensors(found, vector["tensors"])


@valid
def test_valid_file_decodes_unverified(vector: Vector, tmp_path: Path) -> None:
    """A valid file decodes to the same without verification."""
    for found in ways_of_opening(file_of(vector), tmp_path, verify=False).values():
        assert_tensors(found, vector["tensors"])


@valid
def test_reference_decodes(vector: Vector) -> None:
    """The reference codec decodes a valid file to the same tensors."""
    assert_tensors(declared(file_of(vector)), vector["tensors"])


@valid
def test_valid_file_is_described(vector: Vector) -> None:
    """Dtypes, shapes and strides are known without the payloads, and so is the mode."""
    with tsr.open(file_of(vector)) as file:
        assert file.format == "TSR4"
        assert file.compressed == (vector["mode"] == "zlib")
        for info, tensor in zip(file.infos, vector["tensors"], strict=True):
            assert (info.element.name, list(info.shape)) == (tensor["dtype"], tensor["shape"])
            assert info.row_stride == tensor.get("row_stride", info.row_stride)


@TSR4.chosen(valid=True, canonical=True)
def test_canonical_file_encodes_back(vector: Vector, tmp_path: Path) -> None:
    """Every way of writing what a canonical file decodes to gives that file."""
    data = file_of(vector)
    arrays = list(tsr.open(data))
    assert rewritten(data, compress=False) == data
    assert schema.reference_dumps_tsr4(schema.reference_loads_tsr4(data)) == data
    path = tmp_path / "vector.tsr"
    tsr.save(path, arrays, format="tsr4")
    assert path.read_bytes() == data
    stream = io.BytesIO()
    with tsr.create(stream) as file:
        for array in arrays:
            file.add(array)
    assert stream.getvalue() == data


@TSR4.chosen(valid=True, canonical=False)
def test_other_files_encode_to_the_same_tensors(vector: Vector) -> None:
    """What is no canonical file decodes to tensors that both modes keep."""
    data = file_of(vector)
    if vector["mode"] == "raw":
        assert rewritten(data, compress=False) != data
    for compress in (False, True):
        assert_tensors(opened(rewritten(data, compress)), vector["tensors"])
        declared_again = schema.reference_dumps_tsr4(schema.reference_loads_tsr4(data), compress)
        assert_tensors(opened(declared_again), vector["tensors"])


@valid
def test_valid_has_no_findings(vector: Vector, tmp_path: Path) -> None:
    """Validation finds nothing in a valid file, wherever it comes from."""
    path = tmp_path / "vector.tsr"
    path.write_bytes(file_of(vector))
    assert not any(ways_of_finding(file_of(vector), path).values())


# ------------------------------------------------------------------ invalid


@refused
def test_invalid_file_is_refused(vector: Vector, tmp_path: Path) -> None:
    """An invalid file is refused with its clause, field and offset by every way of reading."""
    results = ways_of_reading(file_of(vector), tmp_path)
    assert results == dict.fromkeys(results, reported(vector))


@TSR4.chosen(valid=False)
def test_reference_refuses(vector: Vector) -> None:
    """The reference codec refuses an invalid file with the same clause, field and offset."""
    assert declared(file_of(vector)) == reported(vector)


@of_no_tsr4
def test_what_begins_otherwise_is_no_tsr4(vector: Vector, tmp_path: Path) -> None:
    """The container refuses it, and readers of both formats take it for TSR v1."""
    data = file_of(vector)
    with pytest.raises(tsr.FormatError) as caught:
        decode_container_header(data, len(data), len(data), True, None, raise_error)
    assert ("refused", *refusal(caught.value)) == reported(vector)
    results = ways_of_reading(data, tmp_path)
    assert results == dict.fromkeys(results, reference(data))


@refused
def test_layout_is_refused_without_the_payloads(vector: Vector, tmp_path: Path) -> None:
    """Header and directory alone show each fault but those of contents."""
    path = tmp_path / "vector.tsr"
    path.write_bytes(file_of(vector))
    expected = () if vector["clause"] in CONTENTS else reported(vector)
    assert layout_outcome(file_of(vector)) == layout_outcome(path) == expected


@refused
def test_refusal_names_the_file(vector: Vector, tmp_path: Path) -> None:
    """The error names the file, which is left as it was."""
    path = tmp_path / "vector.tsr"
    path.write_bytes(file_of(vector))
    with pytest.raises(tsr.FormatError) as caught:
        list(tsr.open(path, mmap_mode="c"))
    assert caught.value.path == str(path)
    assert str(caught.value).startswith(f"{path}: {vector['field']} at offset {vector['offset']}:")
    assert path.read_bytes() == file_of(vector)


@unread
def test_unverified_reading_accepts(vector: Vector, tmp_path: Path) -> None:
    """Without verification neither checksums nor padding are looked at."""
    data = file_of(vector)
    (found,) = set(ways_of_opening(data, tmp_path, verify=False).values())
    assert [shape for _, shape, _ in found] == [
        info.shape for info in tsr.open(data, verify=False).infos
    ]


# ------------------------------------------------------------------ lenient reading


@TSR4.chosen(valid=False, lenient=True)
def test_lenient_reading_accepts(vector: Vector, tmp_path: Path) -> None:
    """Lenient reading gives the tensors in every way, and finds nothing."""
    data = file_of(vector)
    for found in ways_of_reading(data, tmp_path, strict=False).values():
        assert_tensors(found, vector["tensors"])
    assert findings(data, strict=False) == []


@TSR4.chosen(valid=False, lenient=True)
def test_lenient_reading_is_written_canonically(vector: Vector) -> None:
    """What lenient reading accepted becomes a valid file when it is written again."""
    data = file_of(vector)
    written = rewritten(data, compress=False, strict=False)
    assert written != data
    assert_tensors(opened(written), vector["tensors"])


@leniently_refused
def test_lenient_reading_refuses(vector: Vector, tmp_path: Path) -> None:
    """Lenient reading refuses every other fault, by the first clause that it does not waive."""
    results = ways_of_reading(file_of(vector), tmp_path, strict=False)
    assert results == dict.fromkeys(results, reported(vector.get("lenient_error", vector)))


# ------------------------------------------------------------------ claims


@TSR4.where(lambda vector: not {"claim", "bomb"}.isdisjoint(vector["flags"]))
def test_a_claim_costs_nothing(vector: Vector) -> None:
    """What claims or inflates to gigabytes makes no reader allocate them."""
    data = file_of(vector)
    tracemalloc.start()
    try:
        for verify in (True, False):
            outcome(lambda verify=verify: tsr.open(data, verify=verify))  # type: ignore[misc] # a default argument's type
        outcome(lambda: tsr.open(io.BytesIO(data), mmap_mode="c"))
        findings(data)
        declared(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A stream is read and inflated in chunks, so a few may be there.
    assert peak < 1 << 23


# ------------------------------------------------------------------ original files


@originals
def test_original_file_decodes(entry: Vector, tmp_path: Path) -> None:
    """An original file decodes in every way, by the reference too, and breaks nothing."""
    data = (ORIGINAL / entry["file"]).read_bytes()
    for found in (*ways_of_reading(data, tmp_path).values(), declared(data)):
        assert_tensors(found, entry["tensors"])
    assert findings(ORIGINAL / entry["file"]) == []


@originals
def test_original_file_encodes_back(entry: Vector) -> None:
    """An original RAW file is what its tensors encode to, and a ZLIB file has the same tensors."""
    data = (ORIGINAL / entry["file"]).read_bytes()
    compress = entry["mode"] == "zlib"
    written = rewritten(data, compress)
    if compress:
        assert_tensors(opened(written), entry["tensors"])
    else:
        assert written == data
        assert schema.reference_dumps_tsr4(schema.reference_loads_tsr4(data)) == data
