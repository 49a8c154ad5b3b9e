"""What was measured -> rows of plain data -> Markdown: files a second, and the constants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.bench.harness import Samples
from tests.bench.scale.cases import WAYS, Case
from tests.bench.scale.growth import SAID

__all__ = ["markdown", "row", "table"]

PREFACE = """\
Files of TSR version 1, float32, 1 KiB of values each: their headers, their values summed, and each
converted to `.npy`. **local**: a folder in {dir}. **S3 on loopback**: a server of moto's, in a
process of its own on the same processors, which takes more of them than the reading. **S3,
{delay_ms:.0f} ms**: the same, waiting that long before it gives an object, as storage far away
does. Python {python}, numpy {numpy}, dask {dask}, s3fs {s3fs}, {system}, {cpus} CPUs.{note}

Files a second, the median of {rounds} rounds, in which all ways take turns. What is best in a row
is bold; where two are within a tenth, take them for equal.
"""

CONSTANTS = """\
## Constants

What single steps cost, from the same run; [how this grows](growth.md) is computed from them.
"""


def row(case: Case, samples: Samples) -> dict[str, Any]:
    """Make the row of a case: ``work``, ``place``, ``count``, files a second by column."""
    rates = {column: case.count / samples.median(column) for column in case.table}
    rounds = len(samples.seconds["serial"])
    return {
        "work": case.work, "place": case.place, "count": case.count, "rates": rates,
        "rounds": rounds,
    }  # fmt: skip


def table(document: Mapping[str, Any]) -> str:
    """Render the table of the rows."""
    lines = [["work", "place", "files", *WAYS], ["---", "---", "--:", *["--:"] * len(WAYS)]]
    for row in document["rows"]:
        best = max(row["rates"], key=row["rates"].get)
        cells = [
            f"{'**' * (way == best)}{row['rates'][way]:,.0f}{'**' * (way == best)}"
            if way in row["rates"]
            else ""
            for way in WAYS
        ]
        lines.append([row["work"], row["place"], f"{row['count']:,}", *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown(document: Mapping[str, Any]) -> str:
    """Render the whole report."""
    rounds = max((row["rounds"] for row in document["rows"]), default=0)
    legend = [f"- **{way}**: {text}." for way, text in WAYS.items()]
    known = document["constants"]
    said = [f"| {text} | {show(known[name])} |" for name, (text, show) in SAID.items() if known]
    constants = [CONSTANTS, "| what | |", "|---|--:|", *said] if known else []
    parts = [
        PREFACE.format(rounds=rounds, **document["environment"]),
        table(document), "", *legend, "", *constants, "",
    ]  # fmt: skip
    return "\n".join(parts)
