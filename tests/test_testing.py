"""The strategies of `tsr.testing`: what is said to be valid is, what is said to be any is."""

from __future__ import annotations

import doctest
import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import Phase, find, given, seed, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import tsr
from tests.reading import outcome, tensors_of
from tests.strategies import payload_of
from tsr import schema, testing

SPEC = Path(__file__).parents[1] / "spec"

each_format = pytest.mark.parametrize("format", ["v1", "tsr4"])
Format = Literal["v1", "tsr4"]

# The examples are the same every time, and none is remembered.
repeatable = settings(derandomize=True, database=None, phases=[Phase.generate], deadline=None)


class SeenEnough(Exception):  # noqa: N818 - no error
    """All that is expected has been seen."""


def seen(
    strategy: st.SearchStrategy[Any],
    labels: Callable[[Any], set[Any]],
    expected: set[Any],
    batches: int = 16,
    examples: int = 400,
    whole: bool = False,
) -> set[Any]:
    """Draw until all that is expected has been seen, or for long enough, and give what was.

    Where `labels` checks what it is given, too, it gets `whole` batches.
    """
    found: set[Any] = set()
    for number in range(batches):

        @seed(number)
        @settings(repeatable, derandomize=False, max_examples=examples, report_multiple_bugs=False)
        @given(strategy)
        def draw(value: Any) -> None:
            found.update(labels(value))
            if expected and found >= expected and not whole:
                raise SeenEnough

        with suppress(SeenEnough):
            draw()
        if found >= expected:
            break
    return found


def reference(format: Format, data: bytes) -> Any:
    """Read with the declarations of the format that the file was made in, whatever its magic."""
    if format == "tsr4":
        return outcome(lambda: schema.reference_loads_tsr4(data))
    return outcome(lambda: [schema.reference_loads(data)])


# ------------------------------------------------------------------ the module


def test_examples() -> None:
    """Every public strategy has an example, and they all run."""
    found = [test for test in doctest.DocTestFinder().find(testing) if test.examples]
    assert sorted(test.name for test in found) == [
        f"tsr.testing.{name}" for name in testing.__all__
    ]
    results = doctest.testmod(testing)
    assert results.attempted > 0
    assert results.failed == 0


def test_nothing_of_the_codec_is_used() -> None:
    """The bytes are made without any module that could be wrong about them."""
    script = "import sys, tsr.testing; print(*[name for name in sys.modules if 'tsr' in name])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert set(done.stdout.decode().split()) == {"tsr", "tsr.errors", "tsr.extras", "tsr.testing"}


def test_no_hypothesis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without hypothesis the error says how to install it."""
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.delitem(sys.modules, "tsr.testing")
    with pytest.raises(tsr.MissingExtraError, match=r"pip install 'tsr-codec\[testing\]'"):
        importlib.import_module("tsr.testing")


@pytest.mark.parametrize("name", ["shapes", "arrays", "encoded_arrays", "files"])
def test_unknown_format(name: str) -> None:
    """A format that does not exist is refused when it is named."""
    with pytest.raises(tsr.UnsupportedError, match="format: got 'v2', expected 'v1' or 'tsr4'"):
        getattr(testing, name)("v2")


def test_nothing_compresses_version_1() -> None:
    """Compression is an option of TSR4 alone, as it is in `tsr.save`."""
    with pytest.raises(tsr.UnsupportedError, match="compress: got True for format 'v1'"):
        testing.files("v1", compress=True)


# ------------------------------------------------------------------ arrays

# What must be among the elements of a float or an integer, by its bits.
KINDS: dict[str, Callable[[int, int, int], bool]] = {
    # sign bit, exponent (all its bits set is -1), fraction
    "-0.0": lambda sign, exponent, fraction: (sign, exponent, fraction) == (1, 0, 0),
    "a subnormal": lambda sign, exponent, fraction: exponent == 0 and fraction != 0,
    "an infinity": lambda sign, exponent, fraction: exponent == -1 and fraction == 0,
    "a quiet NaN with a payload": lambda sign, exponent, fraction: exponent == -1 and fraction > 1,
    "a negative NaN": lambda sign, exponent, fraction: (sign, exponent) == (1, -1) and fraction > 0,
}


def kinds(array: NDArray[Any]) -> set[str]:
    """Name what is special about the elements of an array of floats."""
    bits = array.dtype.itemsize * 8
    width = {16: 10, 32: 23}[bits]
    found = set()
    for word in array.astype(array.dtype.newbyteorder("<")).reshape(-1).view(f"<u{bits // 8}"):
        sign, exponent, fraction = (
            int(word) >> bits - 1, int(word) >> width & (1 << bits - 1 - width) - 1,
            int(word) & (1 << width) - 1,
        )  # fmt: skip
        if exponent == (1 << bits - 1 - width) - 1:
            exponent = -1
            if 0 < fraction < 1 << width - 1:
                found.add("a signalling NaN")
        found |= {name for name, holds in KINDS.items() if holds(sign, exponent, fraction)}
    return found


@pytest.mark.parametrize("dtype", ["<f4", "<f2"])
def test_special_values(dtype: str) -> None:
    """Floats are of every special kind."""
    expected = {*KINDS, "a signalling NaN"}
    assert seen(testing.arrays("tsr4", dtypes=[dtype]), kinds, expected) == expected


@pytest.mark.parametrize("dtype", ["<f4", "<f2", "<i1", "<i4"])
def test_any_bits(dtype: str) -> None:
    """Every byte occurs at every place of an element."""
    width = np.dtype(dtype).itemsize
    expected = {(place, byte) for place in range(width) for byte in range(256)}

    def bytes_at(array: NDArray[Any]) -> set[tuple[int, int]]:
        data = payload_of(array)
        return {(place, byte) for place in range(width) for byte in data[place::width]}

    assert seen(testing.arrays("tsr4", dtypes=[dtype]), bytes_at, expected) == expected


LAYOUTS: dict[str, Callable[[NDArray[Any]], bool]] = {
    "C": lambda x: x.flags.c_contiguous,
    "Fortran": lambda x: x.flags.f_contiguous and not x.flags.c_contiguous,
    "neither": lambda x: not x.flags.forc,
    "transposed": lambda x: sorted(x.strides) not in (list(x.strides), list(x.strides)[::-1]),
    "apart": lambda x: x.size > 1 and 0 not in x.strides and min(map(abs, x.strides)) > x.itemsize,
    "backwards": lambda x: any(stride < 0 for stride in x.strides),
    "broadcast": lambda x: 0 in x.strides and x.size > 1,
    "misaligned": lambda x: not x.flags.aligned,
    "big-endian": lambda x: x.dtype.str[0] == ">",
    "read-only": lambda x: not x.flags.writeable,
    "rank 0, misaligned": lambda x: not x.ndim and not x.flags.aligned,
    "no element, rank 4": lambda x: not x.size and x.ndim == 4,
    "all at once": lambda x: (
        not x.flags.forc and not x.flags.aligned and x.dtype.str[0] == ">" and min(x.strides) < 0
    ),
}


def test_every_layout() -> None:
    """Every way to lie in memory occurs, and so does every rank and dtype."""
    ranks = {(rank, dtype) for rank in range(5) for dtype in "fbi"}

    def labels(array: NDArray[Any]) -> set[Any]:
        names = {name for name, holds in LAYOUTS.items() if holds(array)}
        return {*names, (array.ndim, array.dtype.char)}

    expected = {*LAYOUTS, *ranks}
    assert seen(testing.arrays(), labels, expected) == expected


def test_no_layouts() -> None:
    """Without `layouts` arrays are fresh, writable, in C order and little-endian."""

    def labels(array: NDArray[Any]) -> set[Any]:
        return {array.flags.carray, array.flags.owndata or array.base is None, array.dtype.str[0]}

    assert seen(testing.arrays(layouts=False), labels, set(), batches=1) <= {True, "<", "|"}


@repeatable
@given(st.data())
def test_what_is_asked_for(data: st.DataObject) -> None:
    """Dtype and shape are those that were asked for, in any layout."""
    shape = data.draw(testing.shapes("tsr4", max_rank=3, max_side=4))
    array = data.draw(testing.arrays(dtypes=[np.float64, "<i2"], shapes=st.just(shape)))
    assert array.shape == shape
    assert array.dtype.newbyteorder("<") in ("<f8", "<i2")


@each_format
def test_shapes(format: Format) -> None:
    """Every rank occurs with every dimension, 0 in version 1 alone."""
    sides = {(rank, side) for rank in range(1, 4) for side in range(format == "tsr4", 4)} | {(0, 1)}

    def labels(shape: tuple[int, ...]) -> set[tuple[int, int]]:
        return {(len(shape), side) for side in shape or (1,)}

    assert seen(testing.shapes(format, max_rank=3, max_side=3), labels, sides) == sides


# ------------------------------------------------------------------ files


@pytest.mark.parametrize(
    ("format", "compress"),
    [("v1", None), ("v1", False), ("tsr4", None), ("tsr4", False), ("tsr4", True)],
)
def test_valid_files(format: Format, compress: bool | None) -> None:
    """Codec and reference accept a valid file, and give the arrays that it was made of."""

    @settings(repeatable, max_examples=200)
    @given(testing.encoded_arrays(format, compress=compress))
    def check(encoded: tuple[bytes, list[NDArray[Any]]]) -> None:
        data, arrays = encoded
        expected = tensors_of(arrays)
        assert outcome(lambda: tsr.open(data)) == reference(format, data) == expected
        assert tsr.validate(data) == []
        with tsr.open(data) as file:
            assert compress in (None, file.compressed)
        assert not any(array.flags.writeable for array in arrays)

    check()


# Clauses that no bytes break.
ELSEWHERE = {"FILE-1", "FILE-2"}


def clauses(document: str) -> set[str]:
    """Read the ids of the clauses of a document."""
    return set(re.findall(r"^### ((?:V1|T4)-\S+|FILE-\d)$", (SPEC / document).read_text(), re.M))


@pytest.mark.parametrize(
    ("format", "document"), [pytest.param("v1", "tsr-v1.md", id="v1"), ("tsr4", "tsr4.md")]
)
def test_invalid_files(format: Format, document: str) -> None:
    """Codec and reference refuse an invalid file, and together they break every clause."""

    def clause(data: bytes) -> set[str]:
        expected = reference(format, data)
        assert expected[0] == "refused"
        found = outcome(lambda: tsr.open(data))
        assert found[0] == "refused"
        if data[:4] == {"v1": b"TSR!", "tsr4": b"TSR4"}[format]:
            assert found == expected
        return {expected[1]}

    expected = clauses(document) - ELSEWHERE
    assert len(expected) == {"v1": 15, "tsr4": 29}[format]
    assert seen(testing.files(format, valid=False), clause, expected, whole=True) == expected


@each_format
def test_either(format: Format) -> None:
    """By default files are valid or not, and what is told of them is what the reference says."""

    def label(data: bytes) -> set[bool]:
        accepted = reference(format, data)[:1] != ("refused",)
        assert testing._is_valid(data) == accepted
        return {accepted}

    assert seen(testing.files(format), label, {True, False}, whole=True) == {True, False}


def header_clause(header: bytes) -> str:
    """Give the clause that a header breaks, as codec and reference say, or none."""
    try:
        tsr.parse_header(header)
    except tsr.FormatError as error:
        found = error.clause
    else:
        found = ""
    # The payload is not there, and nobody has one of that size.
    expected = reference("v1", header)
    accepted = expected[:1] != ("refused",) or expected[1] == "V1-PAYLOAD-1"
    assert found == ("" if accepted else expected[1])
    return found


def test_headers() -> None:
    """Headers are 64 bytes; valid ones are, invalid ones break every clause on headers."""
    expected = clauses("tsr-v1.md") - ELSEWHERE - {"V1-SIZE-1", "V1-PAYLOAD-1", "V1-PAYLOAD-2"}

    def clause(header: bytes) -> set[str]:
        assert len(header) == 64
        return {header_clause(header)}

    assert seen(testing.headers(valid=False), clause, expected, whole=True) == expected
    assert seen(testing.headers(valid=True), clause, set(), batches=1) == {""}
    assert seen(testing.headers(), clause, {*expected, ""}, whole=True) == {*expected, ""}


def test_largest_headers() -> None:
    """Among valid headers are those of the largest shapes that there are."""
    sizes = seen(
        testing.headers(valid=True),
        lambda header: {tsr.parse_header(header).nbytes.bit_length()},
        {0, 63},
    )
    assert {0, 63} <= sizes


# ------------------------------------------------------------------ corruptions


@repeatable
@given(st.data(), st.binary(max_size=300) | st.binary(max_size=300).map(lambda b: b"TSR4" + b))
def test_any_bytes_can_be_corrupted(data: st.DataObject, given: bytes) -> None:
    """Whatever is given, what comes out is something else."""
    assert data.draw(testing.corruptions(given)) != given


@each_format
def test_corrupted_again(format: Format) -> None:
    """What was corrupted can be corrupted more, and codec and reference still agree."""

    def label(data: bytes) -> set[Any]:
        found = outcome(lambda: tsr.open(data))
        assert found == reference("tsr4" if data[:4] == b"TSR4" else "v1", data)
        return {"refused" if found[:1] == ("refused",) else "valid"}

    strategy = testing.files(format, valid=False).flatmap(testing.corruptions)
    assert "refused" in seen(strategy, label, set(), batches=1, examples=100)


WHOLE = tsr.dumps([np.arange(3, dtype=np.int8), np.ones(2, "<f2")], format="tsr4", compress=True)


def broken_clause(data: bytes) -> str:
    """Give the clause that bytes break, or nothing if they are valid, as damaged ones can be."""
    found = reference("tsr4", data)
    return found[1] if found[:1] == ("refused",) else ""


HAPPENINGS: dict[str, Callable[[bytes], bool]] = {
    "a bit": lambda data: (
        len(data) == len(WHOLE)
        and sum((x ^ y).bit_count() for x, y in zip(data, WHOLE, strict=True)) == 1
    ),
    "a cut": lambda data: WHOLE.startswith(data),
    "nothing left": lambda data: data == b"",
    "an addition": lambda data: data.startswith(WHOLE),
    "the entries swapped": lambda data: data[128:256] == WHOLE[192:256] + WHOLE[128:192],
    "a field under a right CRC": lambda data: (
        data[44:] == WHOLE[44:] and broken_clause(data) not in ("", "T4-MAGIC-1", "T4-CRC-1")
    ),
    "another stream": lambda data: (
        data[256:] != WHOLE[256:] and broken_clause(data).startswith("T4-ZLIB")
    ),
}


def test_what_can_happen() -> None:
    """Given bytes are damaged in every way."""

    def labels(data: bytes) -> set[str]:
        return {name for name, holds in HAPPENINGS.items() if holds(data)}

    assert seen(testing.corruptions(WHOLE), labels, {*HAPPENINGS}) == {*HAPPENINGS}


# ------------------------------------------------------------------ shrinking


def simplest(strategy: st.SearchStrategy[Any], holds: Callable[[Any], bool]) -> Any:
    """Let hypothesis find the simplest example."""
    options = settings(database=None, deadline=None, derandomize=True, max_examples=1000)
    return find(strategy, holds, settings=options)


def test_simplest_arrays() -> None:
    """Arrays shrink to a plain scalar of zeros, and keep no layout that does not matter."""
    array = simplest(testing.arrays(), lambda _: True)
    assert (array.dtype, array.shape, array.tobytes()) == ("<f4", (), bytes(4))
    assert array.flags.carray
    array = simplest(testing.arrays(), lambda x: x.dtype.str[0] == ">" and x.size > 1)
    assert (array.dtype.itemsize, array.shape) == (4, (2,))
    assert array.flags.carray
    assert not array.any()


@each_format
def test_simplest_files(format: Format) -> None:
    """Files shrink to one scalar of zero, and what is damaged to that and one change."""
    expected = tsr.dumps(np.zeros((), "<f4"), format=format)
    assert simplest(testing.files(format), lambda _: True) == expected
    cut = simplest(testing.files(format, valid=False), lambda data: len(data) < 64)
    assert expected.startswith(cut)
