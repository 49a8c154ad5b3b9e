"""What was measured -> rows of plain data -> two Markdown tables, times and ratios."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tests.bench.harness import Samples
from tests.bench.report import duration
from tests.bench.session.cases import Case
from tests.bench.session.ways import WAYS

__all__ = ["LIMITS", "markdown", "row"]

# The most that tsr may take, in times of another way, for some works.
LIMITS = {
    ("text", "by hand"): 1.3,
    ("64 MB", "shared memory"): 1.3,
    ("start-up", "python -c pass"): 3.0,
}

PREFACE = """\
A round trip: text that comes back, or float32 arrays that come back negated, with one value of
each page read. Python {python}, numpy {numpy}, {system}, {cpus} CPUs. In memory: {memory}; on
disk: {disk}.
"""

TIMES = """\
Median and 99th percentile of a call; at once: round trips of all in a second, by as many threads.
"""

RATIOS = """\
How many times as long as tsr the other way takes, the median over rounds of the ratio within one
round, in which all ways are measured one after the other.
"""


def row(case: Case, samples: Samples, calls: dict[str, Sequence[float]]) -> dict[str, Any]:
    """Make the row of a case.

    Parameters
    ----------
    case : Case
    samples : Samples
        The times of one call in each round.
    calls : dict of str to sequence of float
        The time of each single call.

    Returns
    -------
    dict
        ``work``; ``trips``, the round trips of a call; by column the ``seconds`` of a call, the
        median and the 99th percentile; the ``ratios`` of the others to tsr; the number of
        ``rounds``; the ``notes``.
    """
    ratios = {column: samples.ratio(column, "tsr") for column in case.table if column != "tsr"}
    return {
        "work": case.work,
        "trips": case.trips,
        "seconds": {
            column: [float(np.percentile(times, part)) for part in (50, 99)]
            for column, times in calls.items()
        },
        "ratios": ratios,
        "rounds": len(samples.seconds["tsr"]),
        "notes": list(_notes(case.work, ratios)),
    }


def _notes(work: str, ratios: dict[str, float]) -> Iterator[str]:
    for (limited, column), limit in LIMITS.items():
        if limited == work and column in ratios:
            factor = 1 / ratios[column]
            verdict = "over" if factor > limit else "within"
            yield f"{factor:.2f} times {column}, {verdict} {limit:g}"


def markdown(document: dict[str, Any]) -> str:
    """Render the whole report."""
    rows = document["rows"]
    columns = list(dict.fromkeys(column for row in rows for column in row["seconds"]))
    others = [column for column in columns if column != "tsr"]
    times = [["work", *columns]]
    ratios = [["work", *others, "note"]]
    for row in rows:
        times.append([row["work"], *(_time(row, column) for column in columns)])
        cells = [f"{row['ratios'][c]:.2f}" if c in row["ratios"] else "" for c in others]
        ratios.append([row["work"], *cells, "; ".join(row["notes"])])
    legend = [f"- **{column}**: {WAYS[column].text}." for column in columns if column in WAYS]
    legend += [f"- **{column}**: left out, {why}." for column, why in document["missing"].items()]
    parts = [
        PREFACE.format(**document["environment"]),
        "## Times", "", TIMES, *_table(times), "",
        "## Ratios", "", RATIOS, *_table(ratios), "",
        *legend, "",
    ]  # fmt: skip
    return "\n".join(parts)


def _time(row: dict[str, Any], column: str) -> str:
    if column not in row["seconds"]:
        return ""
    median, high = row["seconds"][column]
    if row["trips"] > 1:
        return f"{row['trips'] / median:,.0f} /s"
    return f"{duration(median)}, {duration(high)}"


def _table(lines: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * width for width in widths]
    return [
        "| " + " | ".join(map(str.ljust, line, widths)) + " |"
        for line in (lines[0], rule, *lines[1:])
    ]  # fmt: skip
