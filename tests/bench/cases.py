"""A plan -> the rows of the report, one at a time, with their files in place.

A case lives while it is yielded: its files go when the next one is asked for. What does not fit
the memory or the disk comes without ways, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench import cases_tsr4, cases_v1
from tests.bench.case import Case, Plan

__all__ = ["WORKS", "cases"]

GROUPS = {
    group: tuple(f"{format}: {work}" for work in works)
    for format, groups in (("TSR v1", cases_v1.GROUPS), ("TSR4", cases_tsr4.GROUPS))
    for group, works in groups.items()
}

# The names of all, in the order of the report.
WORKS = tuple(name for names in GROUPS.values() for name in names)


def cases(plan: Plan) -> Iterator[Case]:
    """Make the cases that a plan asks for."""
    for group, names in GROUPS.items():
        if any(plan.only in name for name in names):
            yield from (case for case in group(plan) if plan.only in case.name)
