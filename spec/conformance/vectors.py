"""The test vectors and the original files -> what a program must answer, and how far it does."""

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
    """An input and the right answer to it; `group` is its row in the table."""

    name: str
    group: str
    data: bytes
    expected: Answer


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
    """List the cases of formats, in the order of their documents; the original files are last."""
    for format in formats:
        document = json.loads((VECTORS / FORMATS[format][0]).read_bytes())
        for vector in document["vectors"]:
            data = bytes.fromhex(vector["hex"])
            if vector["valid"]:
                group, expected = f"{format}, valid", _accepted(format, vector)
            else:
                group = vector["clause"]
                expected = Answer(
                    "refused", clause=group, field=vector["field"], offset=vector["offset"]
                )
            yield Case(vector["id"], group, data, expected)
    if "tsr4" in formats:
        for entry in json.loads((VECTORS / "original" / "index.json").read_bytes()):
            data = (VECTORS / "original" / entry["file"]).read_bytes()
            yield Case(entry["file"], "tsr4, original files", data, _accepted("tsr4", entry))


def _accepted(format: str, vector: dict[str, Any]) -> Answer:
    tensors = tuple(
        Tensor(tensor["dtype"], tuple(tensor["shape"]), tensor["payload_sha256"])
        for tensor in vector.get("tensors", [vector])
    )
    return Answer("accepted", format, tensors)


def judge(case: Case, answer: Answer) -> Verdict:
    """Compare an answer with the right one."""
    if answer.kind == "skipped" or _is_of_another_format(case, answer):
        return Verdict()
    expected = case.expected
    if answer.kind != expected.kind:
        return Verdict(accepts=False)
    if answer.kind == "accepted":
        return Verdict(
            accepts=(answer.format, answer.tensors) == (expected.format, expected.tensors)
        )
    clause = answer.clause == expected.clause or equally_right(case.data, answer, expected)
    told = answer.field is not None or answer.offset is not None
    return Verdict(True, clause, same_place(answer, expected) if told else None)


def _is_of_another_format(case: Case, answer: Answer) -> bool:
    # A reader of both formats takes a file for what its magic says, whosever vector it is.
    of_tsr4 = case.data[:4] == FORMATS["tsr4"][1]
    if case.expected.kind == "accepted" or case.expected.clause.startswith("T4") == of_tsr4:
        return False
    if answer.kind == "accepted":
        return case.data[:4] == FORMATS[answer.format][1]
    return answer.clause.startswith("T4" if of_tsr4 else "V1")


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
    lines = [_HEADINGS, *((name, *row.cells()) for name, row in rows.items())]
    lines.append(("all", *total.cells()))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
