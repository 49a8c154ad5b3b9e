"""Callables -> the time that each takes, measured side by side.

The machine may be shared and its clock may drift, so no figure stands alone: a round runs a
batch of every way, in an order drawn anew, and a ratio is the median over rounds of the ratio
within one round. Garbage collection is off meanwhile.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import repeat
from math import inf, nan
from time import perf_counter
from typing import Protocol

import numpy as np

__all__ = ["Elsewhere", "Samples", "Ways", "measure"]

Ways = Mapping[str, Callable[[], object]]

# Long enough that reading the clock costs nothing, short enough that a round sees one machine.
BATCH_SECONDS = 0.002

MOST_ROUNDS = 500


class Elsewhere(Protocol):
    """A way that another program goes, which takes the time itself."""

    def __call__(self) -> object:
        """Go it once."""

    def time_of(self, count: int) -> float:
        """Go it so many times and tell how long that took, in seconds."""


@dataclass(frozen=True)
class Samples:
    """What was measured of ways that do the same work.

    Attributes
    ----------
    seconds : dict of str to list of float
        For each way the time of one call in each round; NaN where it was left out.
    """

    seconds: dict[str, list[float]]

    def median(self, way: str) -> float:
        """Take the median time of one call, in seconds."""
        return float(np.nanmedian(self.seconds[way]))

    def ratio(self, way: str, other: str) -> float:
        """Tell how many times as long as `other` a way takes."""
        return float(np.nanmedian(np.divide(self.seconds[way], self.seconds[other])))


def measure(
    ways: Ways, *, settle: Callable[[], object], least_rounds: int, seconds: float
) -> Samples:
    """Measure ways that do the same work.

    Parameters
    ----------
    ways : mapping of str to callable or Elsewhere
        What a call returns is dropped at once, so that giving back its memory counts too. The
        first is measured in every round. Others are left out of one once they have used their
        part of the time, unless it is no more than twice what the first has used.
    settle : callable
        Called after every batch, unmeasured: it removes what the calls left behind.
    least_rounds : int
        So many rounds take every way.
    seconds : float
        After those, start no round after so long.
    """
    counts = {name: _batch_size(way, settle) for name, way in ways.items()}
    samples: dict[str, list[float]] = {name: [] for name in ways}
    used = dict.fromkeys(ways, 0.0)
    first, part = next(iter(ways), ""), seconds / 2 / max(1, len(ways))
    random = np.random.default_rng(0)
    gc.collect()
    gc.freeze()  # what is there already takes no time in the collections below
    gc.disable()
    try:
        end = inf
        for done in range(MOST_ROUNDS):
            if done == least_rounds:
                end = perf_counter() + seconds
            if perf_counter() >= end:
                break
            for name in random.permutation(list(ways)):
                if done >= least_rounds and used[name] > max(part, 2 * used[first]):
                    samples[name].append(nan)
                    continue
                time = _time(ways[name], counts[name])
                settle()
                samples[name].append(time / counts[name])
                used[name] += time
            gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()
    return Samples(samples)


def _batch_size(way: Callable[[], object], settle: Callable[[], object]) -> int:
    seconds = _time(way, 1)  # warms the caches
    settle()
    if seconds < 10 * BATCH_SECONDS:
        seconds = _time(way, 1)
        settle()
    return max(1, int(BATCH_SECONDS / seconds))


def _time(way: Callable[[], object], count: int) -> float:
    elsewhere: Callable[[int], float] | None = getattr(way, "time_of", None)
    if elsewhere is not None:
        return elsewhere(count)
    start = perf_counter()
    for _ in repeat(None, count):
        way()
    return perf_counter() - start
