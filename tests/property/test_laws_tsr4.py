"""The laws of TSR4, for any arrays and any bytes.

One meaning: every way of writing gives files with the same tensors, and every way of reading,
and the construct reference, agree on tensors, or on clause, field and offset. One encoding: a
RAW file whose every row_stride is the computed one is what writing its tensors gives.
"""

from __future__ import annotations

import io
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

import tsr
from spec.generator.tsr4_bytes import FIVE, SIX, ZLIB, file_bytes
from tests import reading
from tests import strategies as strat
from tsr import assembly, deferred, payload, schema

HERE = Path(tempfile.mkdtemp(prefix="tsr-laws-"))

SEVERAL = st.lists(strat.tsr4_arrays, min_size=1, max_size=4)
EVERY_BIT_PATTERN = np.arange(2**16, dtype=np.uint16).view(np.float16)

# Clauses on header and directory: those on contents begin with these.
CONTENTS = ("T4-PADDING", "T4-ZLIB", "T4-CRC-2")
WAIVED = {"T4-RESERVED-1", "T4-RESERVED-2", "T4-RESERVED-3", "T4-END-1", "T4-PADDING-1"}


@pytest.fixture(autouse=True, scope="module")
def _clean() -> Any:
    yield
    for path in HERE.iterdir():
        path.unlink()
    HERE.rmdir()


def expected_of(arrays: Iterable[NDArray[Any]]) -> reading.Outcome:
    """Work out by numpy alone what arrays are read back as."""
    return tuple(
        (
            array.dtype.newbyteorder("<").str,
            (1,) * (4 - array.ndim) + array.shape,
            strat.payload_of(array),
        )
        for array in arrays
    )


def assert_all(results: dict[str, reading.Outcome], expected: reading.Outcome) -> None:
    """Compare the outcome of each way with the expected one, and name those that differ."""
    assert {way for way, found in results.items() if found != expected} == set(), results


# ------------------------------------------------------------------ arrays


@given(SEVERAL, st.booleans())
@example([EVERY_BIT_PATTERN], True)
@example([EVERY_BIT_PATTERN[::-1].reshape(2**8, 2**8).T], False)
def test_round_trip(arrays: list[NDArray[Any]], compress: bool) -> None:
    """Arrays come back bit for bit in every way of reading, whatever their layout."""
    data = tsr.dumps(arrays, format="tsr4", compress=compress)
    expected = expected_of(arrays)
    assert_all(reading.ways_of_reading(data, HERE), expected)
    assert reading.reference(data) == expected
    declared = schema.reference_dumps_tsr4(arrays, compress)
    assert compress or declared == data
    assert reading.outcome(lambda: tsr.open(declared)) == expected


def through_pipe(arrays: Iterable[NDArray[Any]], **options: Any) -> bytes:
    """Save to a pipe, in which there is room for small files."""
    receiver, sender = os.pipe()
    with os.fdopen(receiver, "rb") as source:
        with os.fdopen(sender, "wb") as sink:
            tsr.save(sink, arrays, format="tsr4", **options)
        return source.read()


def created(target: Any, arrays: Iterable[NDArray[Any]], **options: Any) -> None:
    """Write one array at a time."""
    with tsr.create(target, **options) as file:
        for array in arrays:
            file.add(array)


def ways_of_writing(arrays: list[NDArray[Any]], compress: bool) -> Iterator[bytes]:
    """Write the same arrays in every way there is."""
    path = HERE / "y.tsr"
    several: Any
    for several in (arrays, tuple(arrays), iter(arrays)):
        tsr.save(path, several, format="tsr4", compress=compress)
        yield path.read_bytes()
        stream = io.BytesIO()
        tsr.save(stream, arrays, format="tsr4", compress=compress)
        yield stream.getvalue()
    yield through_pipe(arrays, compress=compress)
    yield tsr.dumps(iter(arrays), format="tsr4", compress=compress)
    for count in (None, len(arrays), len(arrays) + 5):
        created(path, arrays, compress=compress, count=count)
        yield path.read_bytes()
        stream = io.BytesIO()
        created(stream, arrays, compress=compress, count=count)
        yield stream.getvalue()


@given(SEVERAL, st.booleans(), st.integers(1, 200), st.sampled_from((0, 1 << 20)))
def test_every_way_of_writing(
    arrays: list[NDArray[Any]], compress: bool, block: int, parallel: int
) -> None:
    """Every way of writing gives the same bytes, and blocks of any size the same tensors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payload, "BLOCK_BYTES", block)
        patch.setattr(assembly, "_PARALLEL_BYTES", parallel)
        patch.setattr(deferred, "_COPY_BYTES", block)
        patch.setattr(deferred, "_SPOOL_BYTES", block)
        data = tsr.dumps(arrays, format="tsr4", compress=compress)
        for written in ways_of_writing(arrays, compress):
            assert written == data
    assert tsr.validate(data) == []
    assert reading.outcome(lambda: tsr.open(data)) == expected_of(arrays)
    assert compress or data == tsr.dumps(arrays, format="tsr4")


# ------------------------------------------------------------------ files


def assert_rewritten(data: bytes, tensors: reading.Outcome) -> None:
    """Write what a file holds: the same tensors, and in RAW mode the file but for row_stride."""
    with tsr.open(data, strict=False, verify=False) as file:
        written = tsr.dumps(file, format="tsr4", compress=file.compressed)
        strides = [info.row_stride for info in file.infos]
        compressed = file.compressed
    assert reading.outcome(lambda: tsr.open(written)) == tensors
    if not compressed:
        for index, stride in enumerate(strides):
            assert stride is not None
            start = 128 + 64 * index + 28
            written = written[:start] + stride.to_bytes(8, "little") + written[start + 8 :]
        assert written == data


def zlib_file(stream: bytes) -> bytes:
    """Build a file of two tensors whose first payload is not quite what it should be."""
    return file_bytes(SIX._replace(stream=stream), FIVE, mode=ZLIB)


@given(strat.tsr4_files)
@example(b"TSR4")
@example(file_bytes())
@example(file_bytes(SIX, FIVE, mode=ZLIB))
@example(file_bytes(SIX.but(data_offset=2**64 - 1, payload_size=2**64 - 1), mode=ZLIB))
@example(file_bytes(SIX.but(shape=(1, 2, 2**30, 2**30), numel=2**61)))
@example(zlib_file(b""))
@example(zlib_file(b"\x78\x01"))
@example(zlib_file(zlib.compress(SIX.data[:-1])))
@example(zlib_file(zlib.compress(SIX.data + b"\0")))
@example(zlib_file(zlib.compress(SIX.data) + b"\0"))
def test_any_file(data: bytes) -> None:
    """All ways agree; what is accepted is its own encoding; the rest names a fault."""
    expected = reading.reference(data)
    assert_all(reading.ways_of_reading(data, HERE), expected)
    faults = reading.ways_of_finding(data, HERE / "x.tsr")
    for way, found in faults.items():
        # A stream is not read to its end behind a broken directory, so its size is not known.
        unsized = way in ("stream", "dribble") and expected[:1] == ("refused",)
        assert set(found) <= set(faults["bytes"]) if unsized else found == faults["bytes"]
    in_layout = expected[:1] == ("refused",) and not expected[1].startswith(CONTENTS)
    for source in (data, HERE / "x.tsr"):
        assert reading.layout_outcome(source) == (expected if in_layout else ())
    if expected[:1] != ("refused",):
        assert faults["bytes"] == []
        assert_rewritten(data, expected)


@given(strat.tsr4_files)
def test_any_file_leniently(data: bytes) -> None:
    """Without `strict`, all ways agree, and accept what breaks no more than they waive."""
    strict = reading.outcome(lambda: tsr.open(data))
    lenient = reading.outcome(lambda: tsr.open(data, strict=False))
    assert_all(reading.ways_of_reading(data, HERE, strict=False), lenient)
    if strict[:1] != ("refused",):
        assert lenient == strict
    if lenient[:1] != ("refused",):
        assert {clause for clause, _, _ in reading.findings(data)} <= WAIVED
        assert tsr.validate(data, strict=False) == []
    else:
        assert lenient[1] not in WAIVED
        assert reading.findings(data, strict=False)[0] == lenient[1:]


@given(strat.tsr4_files, st.booleans())
def test_any_file_unverified(data: bytes, strict: bool) -> None:
    """Without `verify`, all ways agree, and accept what breaks no more than checksums do."""
    found = reading.outcome(lambda: tsr.open(data, strict=strict, verify=False))
    assert_all(reading.ways_of_opening(data, HERE, strict=strict, verify=False), found)
    if found[:1] == ("refused",):
        assert found[1] not in {"T4-CRC-2", "T4-PADDING-1"}
        assert found[1:] in reading.findings(data, strict=strict)
    else:
        unread = {"T4-CRC-2", "T4-PADDING-1"}
        assert {clause for clause, _, _ in reading.findings(data, strict=strict)} <= unread


@given(st.binary(max_size=400), st.booleans())
def test_arbitrary_bytes(data: bytes, sealed: bool) -> None:
    """Any bytes behind the magic are refused by all alike, whether their CRC is right or not."""
    data = b"TSR4" + data
    if sealed and len(data) >= 128:
        zeroed = data[:40] + bytes(4) + data[44:]
        data = data[:40] + zlib.crc32(zeroed[:128]).to_bytes(4, "little") + data[44:]
    expected = reading.reference(data)
    assert expected[0] == "refused"
    assert_all(reading.ways_of_reading(data, HERE), expected)
