"""What runs and planted bugs came to -> ``results.json`` -> the tables of ``report.md``."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuzz.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fuzz.planted import Found
    from fuzz.runs import Run

__all__ = ["record", "record_planted", "table", "write"]

RESULTS = Path(__file__).with_name("results.json")
REPORT = Path(__file__).with_name("report.md")

_HEAD = """# What fuzzing came to

Written by `python -m fuzz report`; the figures are those that `python -m fuzz run --record` and
`python -m fuzz planted --record` measured, with {versions}.

## Runs

Executions add up over all recorded runs. Branches are those of `tsr` and `session` that the last
run reached: what a target does not use is not among them.

"""

_PLANTED = """
## Planted bugs

Each was put into a copy of the sources, alone. *Vectors* is the conformance suite against the
package, *properties* a fuzz target under hypothesis in `tests/test_fuzz.py`, *fuzzing* a run of
that target that begins with a few valid files; where one of these shows the bug, inputs are few.
All times include the start of Python. A dash says that it was not found so within {seconds:g} s.
None of the three finds anything in the copy without a bug.

"""


def record(run: Run) -> None:
    """Add a run to those recorded before."""
    results = _results()
    total = results["targets"].setdefault(run.target, {"executions": 0, "seconds": 0})
    total["executions"] += run.executions
    total["seconds"] += round(run.seconds)
    total["branches"] = run.edges
    _save(results)


def record_planted(bugs: Sequence[Found], seconds: float) -> None:
    """Put what finds planted bugs in the place of what did before."""
    results = _results()
    results["planted"] = {"seconds": seconds, "bugs": [bug._asdict() for bug in bugs]}
    _save(results)


def table() -> str:
    """Render what the targets hold to and how often they were tried."""
    targets = _results()["targets"]
    rows = [
        (
            f"`{name}`",
            (target.__doc__ or "").split("\n")[0],
            f"{targets[name]['executions']:,}",
            str(targets[name]["branches"]),
        )
        for name, target in TARGETS.items()
        if name in targets
    ]
    total = sum(each["executions"] for each in targets.values())
    rows.append(("all", "", f"{total:,}", ""))
    return _table(("target", "what holds for every input", "executions", "branches"), "--rr", rows)


def write() -> str:
    """Write the report, and give it."""
    results = _results()
    names = ("numpy", "construct", "torch", "atheris")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    text = _HEAD.format(versions=f"Python {platform.python_version()}, {versions}") + table()
    planted = results["planted"]
    if planted:
        rows = [
            (
                bug["name"], _found(bug["vectors"]), _found(bug["properties"]),
                f"`{bug['target']}`: " + _found(bug["fuzzing"], bug["executions"]),
            )
            for bug in planted["bugs"]
        ]  # fmt: skip
        text += _PLANTED.format(seconds=planted["seconds"])
        text += _table(("bug", "vectors", "properties", "fuzzing"), "-rrr", rows)
    REPORT.write_text(text)
    return text


def _results() -> dict[str, Any]:
    if not RESULTS.exists():
        return {"targets": {}, "planted": None}
    results: dict[str, Any] = json.loads(RESULTS.read_bytes())
    return results


def _save(results: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def _found(seconds: float | None, executions: int | None = None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" + (f", {executions:,} inputs" if executions is not None else "")


def _table(headings: Sequence[str], sides: str, rows: Iterable[Sequence[str]]) -> str:
    rules = ["--:" if side == "r" else "---" for side in sides]
    lines = (headings, rules, *rows)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
