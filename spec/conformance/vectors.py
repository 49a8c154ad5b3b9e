"""The test vectors and the original files -> what a program must answer, and how far it does.

`ValueError` is raised where a vector begins with the magic of the other format and nothing here
says what a reader of both makes of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from spec.conformance.answers import Answer, Tensor, equally_right, same_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["FORMATS", "Case", "Verdict", "cases", "judge", "table"]

VECTORS = Path(__file__).parents[1] / "vectors"

# The document of each format, and the magic that its files begin with.
FORMATS = {"v1": ("v1.json", b"TSR!"), "tsr4": ("tsr4.json", b"TSR4")}


class Case(NamedTuple):
    """An input and the right answer to it.

    Attributes
    ----------
    name : str
    group : str
        Its row in the table.
    data : bytes
    expected : Answer
    otherwise : Answer or None
        Of an input with the magic of the other format, where only one is asked for: `expected` is
        what a reader of that one says, and this what a reader of both does.
    """

    name: str
    group: str
    data: bytes
    expected: Answer
    otherwise: Answer | None = None


class Verdict(NamedTuple):
    """What of an answer is right: None where it says nothing of that.

    Attributes
    ----------
    accepts : bool or None
        It accepts what is valid, with the right tensors, and refuses what is not.
    clause, place : bool or None
        Of a refusal: the clause; field and offset.
    """

    accepts: bool | None = None
    clause: bool | None = None
    place: bool | None = None

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        return False not in self


def cases(formats: Sequence[str] = tuple(FORMATS)) -> Iterator[Case]:
    """List the cases of formats, in the order of their documents; the original files are last.

    Where both formats are asked for, a file is what its magic says, whosever vector it is.
    """
    documents = {format: list(_document(format)) for format in FORMATS}
    by_magic = {
        data: expected
        for format, vectors in documents.items()
        for _, data, expected in vectors
        if _format(data) == format
    }
    for format in formats:
        for name, data, expected in documents[format]:
            otherwise = None
            if _format(data) != format:
                otherwise = by_magic.get(data) or _start(name, data)
                if len(formats) > 1:
                    expected, otherwise = otherwise, None
            group = expected.clause or f"{expected.format}, valid"
            yield Case(name, group, data, expected, otherwise)
    if "tsr4" in formats:
        for entry in json.loads((VECTORS / "original" / "index.json").read_bytes()):
            data = (VECTORS / "original" / entry["file"]).read_bytes()
            yield Case(entry["file"], "tsr4, original files", data, _accepted("tsr4", entry))


def _document(format: str) -> Iterator[tuple[str, bytes, Answer]]:
    # Each vector with what its document says of it.
    document = json.loads((VECTORS / FORMATS[format][0]).read_bytes())
    for vector in document["vectors"]:
        if vector["valid"]:
            answer = _accepted(format, vector)
        else:
            answer = _refused(vector["clause"], vector["field"], vector["offset"])
        yield vector["id"], bytes.fromhex(vector["hex"]), answer


def _format(data: bytes) -> str:
    # What a reader of both formats takes a file for.
    magic = FORMATS["tsr4"][1]
    return "tsr4" if data[: len(magic)] == magic else "v1"


def _start(name: str, data: bytes) -> Answer:
    # What the first bytes of a file break in the document of the format that its magic is of.
    if _format(data) == "tsr4":
        if len(data) < 128:
            return _refused("T4-SIZE-1", "header", 0)
    elif len(data) < 64:
        return _refused("V1-SIZE-1", "header", 0)
    elif data[:4] != FORMATS["v1"][1]:
        return _refused("V1-MAGIC-1", "magic", 0)
    elif data[4:8] != b"\1\0\0\0":
        return _refused("V1-VERSION-1", "version", 4)
    raise ValueError(f"{name}: no rule for what a reader of both formats says of it")


def _refused(clause: str, field: str, offset: int) -> Answer:
    return Answer("refused", clause=clause, field=field, offset=offset)


def _accepted(format: str, vector: dict[str, Any]) -> Answer:
    tensors = tuple(
        Tensor(tensor["dtype"], tuple(tensor["shape"]), tensor["payload_sha256"])
        for tensor in vector.get("tensors", [vector])
    )
    return Answer("accepted", format, tensors)


def judge(case: Case, answer: Answer) -> Verdict:
    """Compare an answer with the right one."""
    if answer.kind == "skipped":
        return Verdict()
    expected = case.expected
    if case.otherwise and _speaks_of(answer) == _format(case.data):
        expected = case.otherwise
    if answer.kind != expected.kind:
        return Verdict(accepts=False)
    if answer.kind == "accepted":
        return Verdict(
            accepts=(answer.format, answer.tensors) == (expected.format, expected.tensors)
        )
    clause = answer.clause == expected.clause or equally_right(case.data, answer, expected)
    told = answer.field is not None or answer.offset is not None
    return Verdict(True, clause, same_place(answer, expected) if told else None)


def _speaks_of(answer: Answer) -> str:
    if answer.kind == "refused":
        return "tsr4" if answer.clause.startswith("T4") else "v1"
    return answer.format


class _Row:
    # Counts of one group.

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []
        self.by = 0

    def cells(self) -> tuple[str, ...]:
        parts = zip(*self.verdicts, strict=True)
        skipped = sum(verdict.accepts is None for verdict in self.verdicts)
        return (
            str(len(self.verdicts)),
            *map(_share, parts),
            str(skipped or ""),
            str(self.by or ""),
        )


def _share(parts: Sequence[bool | None]) -> str:
    told = [part for part in parts if part is not None]
    if not told:
        return "-"
    return f"{sum(told)}" if all(told) else f"{sum(told)} of {len(told)}"


_HEADINGS = ("", "inputs", "accept/refuse", "clause", "field, offset", "skipped", "by others")


def table(judged: Sequence[tuple[Case, Answer, Verdict]]) -> str:
    """Render how many answers are right, one row a clause."""
    rows: dict[str, _Row] = {}
    total = _Row()
    for case, answer, verdict in judged:
        for row in (rows.setdefault(case.group, _Row()), total):
            row.verdicts.append(verdict)
            row.by += bool(answer.by)
    ordered = sorted(rows.items(), key=lambda item: item[0].lower().startswith("t"))
    lines = [_HEADINGS, *((name, *row.cells()) for name, row in ordered)]
    lines.append(("all", *total.cells()))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
