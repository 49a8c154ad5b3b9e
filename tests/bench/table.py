"""A table of ways to do one work, and what makes one table of another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

__all__ = ["COLUMNS", "Paths", "Table", "Way", "repeating", "summing", "summing_each"]

# In the order of the report.
COLUMNS = (
    "by hand",
    "by hand, zlib",
    "tsr",
    "numpy",
    "numpy mmap",
    "np.memmap",
    "safetensors",
    "safe_open",
    "safetensors.torch",
    "torch",
    "torch mmap",
)


class Way(NamedTuple):
    """One way: its text in the legend, and the call without arguments."""

    text: str
    call: Callable[[], Any]


# A column of the report -> the way it does the work.
Table = dict[str, Way]

# The path to take for a suffix; when saving it is asked anew for every file.
Paths = Callable[[str], str]


def repeating(tables: list[Table]) -> Table:
    """Do what each of many tables does, one after the other."""

    def run(calls: list[Callable[[], Any]]) -> list[Any]:
        return [call() for call in calls]

    return {
        column: Way(text, partial(run, [table[column].call for table in tables]))
        for column, (text, _) in tables[0].items()
    }


def summing(table: Table) -> Table:
    """Open as a table does, then sum the values, by numpy in each case."""
    return _after(table, _sum)


def summing_each(table: Table) -> Table:
    """Go through the arrays or tensors that a table gives, and sum the values of each."""
    return _after(table, lambda opened: [_sum(each) for each in opened])


def _sum(opened: Any) -> Any:
    return (opened if isinstance(opened, np.ndarray) else opened.numpy()).sum()


def _after(table: Table, work: Callable[[Any], Any]) -> Table:
    def run(call: Callable[[], Any]) -> Any:
        return work(call())

    return {column: Way(text, partial(run, call)) for column, (text, call) in table.items()}
