"""What was measured -> rows of plain data -> a Markdown table for each format, with its legend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests.bench.case import Case
from tests.bench.harness import Samples
from tests.bench.table import COLUMNS

__all__ = ["BY_HAND_LIMIT", "duration", "markdown", "row", "table"]

# The most that the library may cost over the same work by hand.
BY_HAND_LIMIT = 1.15

# A difference as small as this is none: it changes sides from one run to the next.
LEVEL = 0.03

PREFACE = """\
A time is that of one call of tsr, the median over all rounds. A ratio is the median over rounds
of the ratio within one round, in which all ways are measured one after the other. **by hand**:
how many times as long as the same work by hand tsr takes. Other columns: how many times as long
as tsr the other way takes. Python {python}, numpy {numpy}, safetensors {safetensors}, torch
{torch}, zlib-ng {zlib-ng}, isal {isal}, {system}, {cpus} CPUs; the page cache is warm.
"""


def row(case: Case, samples: Samples) -> dict[str, Any]:
    """Make the row of a case.

    Returns
    -------
    dict
        ``format``, ``work``, ``size``, ``note``; for each way of the case its ``texts`` and, in
        ``seconds``, the median of a call; the ``ratios``, that of ``by hand`` as tsr by hand,
        those of the others as other by tsr; the number of ``rounds``.
    """
    ratios = {
        column: samples.ratio("tsr", column)
        if column == "by hand"
        else samples.ratio(column, "tsr")
        for column in case.table
        if column != "tsr"
    }
    return {
        "format": case.format,
        "work": case.work,
        "size": case.size,
        "texts": {column: way.text for column, way in case.table.items()},
        "seconds": {column: samples.median(column) for column in case.table},
        "ratios": ratios,
        "rounds": len(samples.seconds.get("tsr", ())),
        "note": "; ".join([*filter(None, [case.note]), *_notes(ratios)]),
    }


def _notes(ratios: dict[str, float]) -> Iterator[str]:
    if ratios.get("by hand", 0) > BY_HAND_LIMIT:
        yield f"over {BY_HAND_LIMIT} by hand"
    for column, ratio in ratios.items():
        if column != "by hand" and ratio < 1 + LEVEL:
            yield f"{'behind' if ratio < 1 - LEVEL else 'level with'} {column}"


def markdown(document: dict[str, Any]) -> str:
    """Render the whole report."""
    parts = [PREFACE.format(**document["environment"])]
    for format in dict.fromkeys(row["format"] for row in document["rows"]):
        rows = [row for row in document["rows"] if row["format"] == format]
        parts += [
            f"## {format}",
            "",
            *table(_lines(rows), words=(0, 1, -1)),
            "",
            *_legend(rows),
            "",
        ]
    return "\n".join(parts)


def _lines(rows: list[dict[str, Any]]) -> list[list[str]]:
    # The cells of a table: it has the columns that one of its rows needs.
    used = {column for row in rows for column in row["ratios"]}
    others = [column for column in COLUMNS if column in used]
    lines = [["work", "size", "tsr", *others, "note"]]
    for row in rows:
        time = duration(row["seconds"]["tsr"]) if row["seconds"] else ""
        ratios = [_digits(row["ratios"][c]) if c in row["ratios"] else "" for c in others]
        lines.append([row["work"], row["size"], time, *ratios, row["note"]])
    return lines


def _legend(rows: list[dict[str, Any]]) -> list[str]:
    # The ways of each work; works that are done in the same ways share a line.
    works: dict[str, dict[str, None]] = {}
    for row in rows:
        text = "; ".join(f"**{column}** `{text}`" for column, text in row["texts"].items())
        works.setdefault(text, {})[row["work"]] = None
    return [f"- {' / '.join(names)}: {text}." for text, names in works.items() if text]


def duration(seconds: float) -> str:
    """Write a time in µs, or in ms from 1 ms on, with three digits."""
    unit, value = ("ms", seconds * 1e3) if seconds >= 1e-3 else ("µs", seconds * 1e6)
    return f"{_digits(value)} {unit}"


def _digits(value: float) -> str:
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def table(lines: list[list[str]], words: Sequence[int]) -> list[str]:
    """Lay out a Markdown table: the columns `words` to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    left = {index % len(widths) for index in words}
    rule = ["-" * width if index in left else "-" * (width - 1) + ":"
            for index, width in enumerate(widths)]  # fmt: skip
    return [
        "| " + " | ".join(
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ) + " |"
        for line in (lines[0], rule, *lines[1:])
    ]  # fmt: skip
