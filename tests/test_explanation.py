"""`explain`: any file from anywhere, with the findings of `validate`, and the parts of it."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tsr
from spec.conformance.vectors import cases
from tests.containers import entry_at, patched, resealed
from tests.reading import Dribble, pipe
from tsr.diagnosis.explanation import Explanation
from tsr.testing import files

X = np.arange(6, dtype=np.float32).reshape(2, 3)
V1 = tsr.dumps(X)
ZLIB = tsr.dumps([X, X.astype(np.int8)], format="tsr4", compress=True)
RAW = tsr.dumps([X, X.astype(np.int8), X.astype(np.float16)], format="tsr4")


def said(findings: list[tsr.FormatError]) -> list[str]:
    """Give findings in a form that compares."""
    return [str(finding) for finding in findings]


def assert_covered(explanation: Explanation, size: int) -> None:
    """Check that the parts of a file are in order and cover it."""
    at = 0
    for part in explanation.parts():
        assert part.offset == at
        at += part.size
    assert at == size


def test_every_source(target: Path) -> None:
    """A path, a file object, a pipe and bytes give the same, valid or not."""
    for data in (V1, RAW, V1[:70], patched(RAW, 129, b"\1"), b"hello", b"", RAW + b"x"):
        target.write_bytes(data)
        expected = tsr.explain(data)
        with target.open("rb") as file, pipe(data) as stream:
            for source in (target, str(target), file, stream, Dribble(data), io.BytesIO(data)):
                found = tsr.explain(source)
                assert list(found.parts()) == list(expected.parts())
                assert (found.format, found.size) == (expected.format, len(data))
                assert [fault[1:] for fault in found.faults()] == [
                    fault[1:] for fault in expected.faults()
                ]
                assert (found.resemblance is None) == (expected.resemblance is None)


def test_what_it_says() -> None:
    """It tells the format, the size, what is wrong, and how it looks."""
    found = tsr.explain(V1)
    assert (found.path, found.format, found.size, found.findings) == (None, "TSR v1", 88, [])
    assert (found.resemblance, found.faults(), found.tensors) == (None, [], 1)
    assert repr(found) == "Explanation(path=None, format='TSR v1', size=88, findings=0)"
    broken = tsr.explain(patched(V1, 4, b"\2"))
    assert [fault.clause.sentence for fault in broken.faults()] == ["version MUST be 1."]
    assert tsr.explain(RAW).tensors == 3
    unknown = tsr.explain(b"hello")
    assert (unknown.format, unknown.tensors) == (None, 0)
    assert unknown.resemblance is not None
    assert unknown.resemblance.kind == "text"


def test_lenient() -> None:
    """Leniently, nothing is wrong with what lenient reading accepts."""
    assert len(tsr.explain(patched(V1, 12, b"\1") + b"x").findings) == 2
    assert tsr.explain(patched(V1, 12, b"\1") + b"x", strict=False).findings == []
    data = patched(resealed(patched(RAW, 44, b"\1")), 512, b"\7")
    for source in (data, Dribble(data)):
        findings = tsr.explain(source, strict=False).findings
        assert [finding.clause for finding in findings] == ["T4-CRC-2"]


def test_no_regular_file() -> None:
    """What is no regular file has a finding, and neither parts nor a size."""
    found = tsr.explain("/")
    assert [finding.clause for finding in found.findings] == ["FILE-1"]
    assert (found.path, found.size, list(found.parts()), found.resemblance) == ("/", None, [], None)


def test_missing_file(target: Path) -> None:
    """A file that is not there is an error of the system."""
    with pytest.raises(FileNotFoundError):
        tsr.explain(target)


@pytest.mark.parametrize("source", [3, None, io.StringIO("TSR!")])
def test_no_source(source: object) -> None:
    """What gives no bytes is refused."""
    with pytest.raises(tsr.UnsupportedError):
        tsr.explain(source)  # type: ignore[arg-type]


def test_long_stream() -> None:
    """Of a long payload the beginning and the end are kept, and no more."""
    data = tsr.dumps(np.arange(1 << 20, dtype=np.int32))
    with pipe(data) as stream:
        tracemalloc.start()
        try:
            found = tsr.explain(stream)
            assert tracemalloc.get_traced_memory()[1] < 4 << 20
        finally:
            tracemalloc.stop()
    assert (found.size, found.findings) == (len(data), [])
    assert_covered(found, len(data))
    assert found.read(0, 80) == data[:80]
    assert found.read(len(data) - 20, len(data) + 20) == data[-20:]
    assert found.read(len(data) // 2, len(data) // 2 + 20) == b""


def test_endless_stream() -> None:
    """A stream that is no TSR file is left after its beginning, and its size is not known."""

    class Endless:
        def read(self, size: int, /) -> bytes:
            return b"\1" * size

    found = tsr.explain(Endless())
    assert (found.size, len(found.findings)) == (None, 1)
    assert_covered(found, 1 << 20)


def test_elements() -> None:
    """The elements of a payload have a type, where it is known."""

    def types(data: bytes) -> list[str | None]:
        found = tsr.explain(data)
        elements = (
            found.element_of(part) for part in found.parts() if part.field.startswith("payload")
        )
        return [None if element is None else element.name for element in elements]

    assert types(V1) == ["float32"]
    assert types(RAW) == ["float32", "int8", "float16"]
    assert types(patched(V1, 16, b"\7")) == [None]
    assert types(ZLIB) == ["float32", "int8"]
    assert types(patched(RAW, entry_at(1) + 44, (530).to_bytes(8, "little")))[1:] == ["float16"]


def test_streams() -> None:
    """The first elements of a compressed payload are inflated, as far as that goes."""
    found = tsr.explain(ZLIB)
    first, second = (part for part in found.parts() if part.field.startswith("payload"))
    assert found.inflated(first, 8) == X.tobytes()[:8]
    assert found.inflated(second, 100) == X.astype(np.int8).tobytes()
    broken = tsr.explain(patched(ZLIB, first.offset, b"\0"))
    assert broken.inflated(first, 8) == b""
    for data in (V1, RAW):
        whole = tsr.explain(data)
        assert [whole.inflated(part, 8) for part in whole.parts()][-1] is None


def test_tensors_of_findings() -> None:
    """A finding leads to its tensor; padding to the one behind it."""
    for at, index in ((320, 0), (536, 1), (1000, 2), (entry_at(2) + 60, 2)):
        found = tsr.explain(patched(RAW, at, b"\7"))
        assert [found.index_of(finding) for finding in found.findings] == [index]
    found = tsr.explain(patched(RAW, 4, b"\7"))
    assert found.index_of(found.findings[0]) is None


def test_vectors() -> None:
    """The findings of each vector are those of `validate`, strictly and leniently."""
    for case in cases():
        for strict in (True, False):
            found = tsr.explain(case.data, strict=strict)
            assert said(found.findings) == said(tsr.validate(case.data, strict=strict))
            assert len(found.faults()) == len(found.findings)
        assert_covered(found, len(case.data))


@given(data=st.binary() | files("v1") | files("tsr4"), strict=st.booleans())
@example(data=b"", strict=True)
def test_any_bytes(data: bytes, strict: bool) -> None:
    """Nothing is raised for any bytes; findings are those of `validate`, marks lie in the file."""
    found = tsr.explain(data, strict=strict)
    assert said(found.findings) == said(tsr.validate(data, strict=strict))
    assert_covered(found, len(data))
    for fault in found.faults():
        for mark in fault.marks:
            assert 0 <= mark.offset <= mark.offset + mark.size <= len(data)
            assert mark.size > 0 or mark.missing > 0
    streamed = tsr.explain(Dribble(data), strict=strict)
    assert said(streamed.findings) == said(tsr.validate(Dribble(data), strict=strict))
    assert list(streamed.parts()) == list(found.parts())
