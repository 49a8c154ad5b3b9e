"""What to measure, and one row of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.bench.table import Table

__all__ = ["SHAPES", "Case", "Groups", "Plan"]

SHAPES = {"tiny": (2, 3), "1 MiB": (512, 512), "64 MiB": (4096, 4096), "1 GiB": (16384, 16384)}


@dataclass(frozen=True)
class Plan:
    """What to measure, and where.

    Attributes
    ----------
    directory : str
        For most files: best in memory, so that the disk does not count.
    disk : str or None
        For those where it does; None leaves them out.
    sizes : tuple of str
        Of single arrays: keys of `SHAPES`.
    files : int
        How many files the works on many take.
    tensors : int
        How many of 1 MiB a file of many holds.
    only : str
        A part of the names of the works to measure; all have the empty one.
    """

    directory: str
    disk: str | None
    sizes: tuple[str, ...] = tuple(SHAPES)
    files: int = 10_000
    tensors: int = 64
    only: str = ""


def _leave() -> None:
    pass


@dataclass(frozen=True)
class Case:
    """One row: the same work in several ways.

    Attributes
    ----------
    format, work, size : str
        What is done with which format, and with how much of it.
    table : dict of str to Way
        Empty where it cannot be done here.
    settle : callable
        Removes what the calls leave behind; not measured.
    note : str
        What else there is to say of it.
    """

    format: str
    work: str
    size: str
    table: Table
    settle: Callable[[], object] = _leave
    note: str = ""

    @property
    def name(self) -> str:
        """What `Plan.only` is looked for in."""
        return f"{self.format}: {self.work}"


# What makes cases -> their works.
Groups = dict[Callable[[Plan], Iterator[Case]], tuple[str, ...]]
