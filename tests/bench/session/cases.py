"""A plan -> the rows of the report, one at a time, with their workers running.

A case lives while it is yielded: its workers end when the next one is asked for.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tests.bench.session.peer import Arrays, Peer
from tests.bench.session.ways import Places, available

__all__ = ["SIZES", "Case", "Plan", "cases"]

SIZES = {"4 KB": 1 << 10, "1 MB": 1 << 18, "64 MB": 1 << 24}

# How many values of float32 a page of memory has.
PAGE = 1024

TEXT = "The quick brown fox jumps over the lazy dog"

# So seldom does it look that some rows tell all.
POLLING = "tsr, polling"


@dataclass(frozen=True)
class Plan:
    """What to measure, and where.

    Attributes
    ----------
    places : Places
    sizes : tuple of str
        Of single arrays: keys of `SIZES`.
    batch : int
        How many of 4 KB the request with many has.
    sessions : tuple of int
        How many at once.
    trips : int
        How many round trips each of them makes in turn.
    polling : bool
        Whether polling is measured with single arrays, too.
    only : str
        A part of the names of the works to measure; all have the empty one.
    """

    places: Places
    sizes: tuple[str, ...] = tuple(SIZES)
    batch: int = 100
    sessions: tuple[int, ...] = (1, 2, 4, 8)
    trips: int = 20
    polling: bool = True
    only: str = ""


@dataclass(frozen=True)
class Case:
    """One row: the same work in several ways.

    Attributes
    ----------
    work : str
    table : mapping of str to callable
        The ways, by column.
    check : callable
        Tells whether what a call gave is right.
    settle : callable
        Removes what the calls leave behind; not measured.
    trips : int
        How many round trips a call makes.
    """

    work: str
    table: Mapping[str, Callable[[], Any]]
    check: Callable[[Any], bool]
    settle: Callable[[], object] = lambda: None
    trips: int = 1


def cases(plan: Plan) -> Iterator[Case]:
    """Make the cases that a plan asks for."""
    groups: dict[Callable[[Plan], Iterator[Case]], list[str]] = {
        _round_trips: ["text", *plan.sizes, _batch(plan)],
        _at_once: [_sessions(number) for number in plan.sessions],
        _start_up: ["start-up"],
    }
    for group, works in groups.items():
        if any(plan.only in work for work in works):
            yield from (case for case in group(plan) if plan.only in case.work)


def _round_trips(plan: Plan) -> Iterator[Case]:
    with _opened(available(plan.places), 1) as opened:
        peers = {name: peer for name, (peer,) in opened.items()}
        table = {name: partial(peer.echo, TEXT) for name, peer in peers.items()}
        yield Case("text", table, TEXT.__eq__)
        if not plan.polling:
            peers.pop(POLLING, None)
        for size in plan.sizes:
            yield _negating(size, peers, [_values(SIZES[size])])
        peers.pop(POLLING, None)
        yield _negating(_batch(plan), peers, [_values(SIZES["4 KB"])] * plan.batch)


def _at_once(plan: Plan) -> Iterator[Case]:
    openers = available(plan.places)
    openers.pop(POLLING, None)
    for number in plan.sessions:
        with _opened(openers, number) as opened, ThreadPoolExecutor(number) as threads:

            def run(peers: list[Peer], threads: ThreadPoolExecutor = threads) -> bool:
                return all(threads.map(partial(_repeat, plan.trips), peers))

            table = {name: partial(run, peers) for name, peers in opened.items()}
            yield Case(_sessions(number), table, bool, trips=number * plan.trips)


def _start_up(plan: Plan) -> Iterator[Case]:
    started: list[Peer] = []

    def start(opener: Callable[[], Peer]) -> bool:
        started.append(opener())
        return True

    def end() -> None:
        while started:
            started.pop().close()

    def run_python() -> bool:
        return subprocess.run([sys.executable, "-c", "pass"], check=True).returncode == 0

    openers = available(plan.places)
    table: dict[str, Callable[[], bool]] = {
        name: partial(start, opener) for name, opener in openers.items()
    }
    yield Case("start-up", {**table, "python -c pass": run_python}, bool, end)


def _negating(work: str, peers: dict[str, Peer], arrays: Arrays) -> Case:
    def negate(peer: Peer) -> Arrays:
        results = peer.negate(arrays)
        for result in results:
            result[::PAGE].sum()  # no page is left that is not there yet
        return results

    def check(results: Arrays) -> bool:
        pairs = zip(results, arrays, strict=True)
        return all(np.array_equal(result, -array) for result, array in pairs)

    return Case(work, {name: partial(negate, peer) for name, peer in peers.items()}, check)


def _repeat(trips: int, peer: Peer) -> bool:
    return all(peer.echo(TEXT) == TEXT for _ in range(trips))


@contextmanager
def _opened(openers: dict[str, Callable[[], Peer]], number: int) -> Iterator[dict[str, list[Peer]]]:
    with ExitStack() as stack:
        opened: dict[str, list[Peer]] = {}
        for name, opener in openers.items():
            opened[name] = []
            for _ in range(number):
                peer = opener()
                stack.callback(peer.close)
                opened[name].append(peer)
        yield opened


def _batch(plan: Plan) -> str:
    return f"{plan.batch} of 4 KB"


def _sessions(number: int) -> str:
    return f"text, {number} at once"


def _values(size: int) -> Any:
    return np.random.default_rng(0).random(size, np.float32)
