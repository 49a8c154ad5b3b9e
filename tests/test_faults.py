"""`tsr.diagnosis.faults`: the wrong bytes and the right ones, of every invalid vector."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

import tsr
from spec.conformance.vectors import Case, cases
from tests.containers import entry_at
from tsr.diagnosis.faults import Fault, Mark

SPEC = Path(__file__).parents[1] / "spec"

# What a clause says is missing: how many bytes the file would have with it.
LACKING = ("V1-SIZE-1", "V1-PAYLOAD-1", "T4-SIZE-1", "T4-DIRECTORY-2", "T4-PAYLOAD-1")


@cache
def refused() -> dict[str, Case]:
    """Give the vectors that a reader refuses, by their clauses and names."""
    return {
        f"{case.expected.clause}/{case.name}": case
        for case in cases()
        if case.expected.kind == "refused"
    }


@cache
def sizes(document: str) -> list[dict[str, int]]:
    """Take the sizes of fields out of the tables of a specification, header first, then entry."""
    text = (SPEC / document).read_text(encoding="utf-8")
    tables = re.findall(r"^\| offset \| size \|.*\n\|[-:| ]+\n((?:\|.*\n)+)", text, re.M)
    return [
        {name: int(size) for size, name in re.findall(r"\| +\d+ \| +(\d+) \| (\w+) +\|", table)}
        for table in tables
    ]


def size_of(clause: str, field: str) -> int | None:
    """Give the size of a field by the specification; None for what is no field."""
    header, *entry = sizes("tsr4.md" if clause.startswith("T4") else "tsr-v1.md")
    name = field.rpartition(".")[2]
    table = entry[0] if field.startswith("entries[") else header
    if name.endswith("]"):
        return 4 if name.partition("[")[0] in table else None
    return table.get(name)


def first_fault(data: bytes) -> Fault:
    """Give what there is to say of the first finding."""
    return tsr.explain(data).faults()[0]


def marked(fault: Fault) -> set[int]:
    """Give the offsets of the bytes that are wrong."""
    return {at for mark in fault.marks for at in range(mark.offset, mark.offset + mark.size)}


def assert_marks(case: Case, fault: Fault) -> None:
    """Compare the marks of a fault with what the vector and the specification say of the place."""
    clause, field, offset = case.expected.clause, case.expected.field, case.expected.offset
    assert clause is not None
    assert field is not None
    assert offset is not None
    assert (fault.clause.id, fault.finding.field, fault.finding.offset) == (clause, field, offset)
    data, found, size = case.data, marked(fault), size_of(clause, field)
    if clause in LACKING:
        assert found == set()
        assert [mark.offset for mark in fault.marks] == [len(data)]
        assert fault.marks[0].missing > 0
    elif clause in ("T4-RESERVED-2", "T4-RESERVED-3"):
        assert size is not None
        assert found == {at for at in range(offset, offset + size) if data[at]}
    elif clause == "T4-PADDING-1":
        end = -(-offset // 256) * 256 or 256
        assert found == {at for at in range(offset, max(end, offset + 1)) if data[at]}
    elif field == "end of file":
        assert found == set(range(offset, len(data)))
    elif field.startswith("payload["):
        index = int(field[len("payload[") : -1])
        stored = int.from_bytes(data[entry_at(index) + 52 :][:8], "little")
        surplus = re.fullmatch(r"(\d+) bytes behind its end", str(fault.finding.found))
        start = offset + stored - int(surplus[1]) if surplus else offset
        if stored:
            assert found == set(range(start, offset + stored))
        else:
            assert found == set(range(entry_at(index) + 52, entry_at(index) + 60))
    else:
        assert size is not None
        assert found == set(range(offset, offset + size))
    assert found <= set(range(len(data)))


def test_every_vector() -> None:
    """The right bytes of every invalid vector are marked, with its clause: all clauses on bytes."""
    clauses = set()
    for name, case in refused().items():
        fault = first_fault(case.data)
        try:
            assert_marks(case, fault)
        except AssertionError as error:
            raise AssertionError(name) from error
        clauses.add(fault.clause.id)
    assert len(refused()) > 600
    assert len(clauses) == 43  # FILE-1 and FILE-2 are not about bytes, T4-MAGIC-1 is V1's to find


def test_right_bytes_mend_what_is_wrong() -> None:
    """Where the right bytes are known, the first finding is gone once they stand there."""
    known = 0
    for name, case in refused().items():
        fault = first_fault(case.data)
        if fault.after is None or fault.before is None:
            continue
        known += 1
        at = fault.marks[0].offset if fault.finding.field == "padding" else fault.finding.offset
        data = bytearray(case.data)
        assert data[at:].startswith(fault.before), name
        data[at : at + len(fault.before) if fault.after else len(data)] = fault.after
        same = (fault.clause.id, fault.finding.offset)
        assert same not in [(each.clause, each.offset) for each in tsr.validate(data)], name
    assert known > 300


@pytest.mark.parametrize(
    ("name", "marks", "before", "after"),
    [
        ("V1-MAGIC-1/magic-zero-terminated", [Mark(0, 4)], b"TSR\0", b"TSR!"),
        ("V1-TOTAL-1/total-one-more", [Mark(40, 8)], b"\7" + bytes(7), b"\6" + bytes(7)),
        ("V1-PAYLOAD-2/trailing-one-byte", [Mark(88, 1)], b"\0", b""),
        ("T4-NUMEL-1/numel-one-more", [Mark(148, 8)], b"\7" + bytes(7), b"\6" + bytes(7)),
    ],
)
def test_bytes(name: str, marks: list[Mark], before: bytes, after: bytes) -> None:
    """What stands there and what should are told in bytes."""
    fault = first_fault(refused()[name].data)
    assert (list(fault.marks), fault.before, fault.after) == (marks, before, after)


def test_what_no_bytes_break() -> None:
    """What is no regular file has no wrong bytes."""
    fault = tsr.explain("/").faults()[0]
    assert (fault.clause.id, fault.marks, fault.before, fault.after) == ("FILE-1", (), None, None)
