"""Requests without end while the worker is killed at random moments.

``python -m tests.session_soak [REQUESTS [KILLS [SEED]]]`` runs 10,000 requests and 100 kills. Each
request is answered right or fails with a `SessionError`; nothing is left of it all.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from session import PythonSession, SessionError, WorkerError
from tests.session_workers import Traces, a_workspace, hit, write_worker

__all__ = ["Report", "soak"]

# Elements of the tensors: a file that is read, one that is mapped, and nothing at all.
_SIZES = (1000, 1 << 19, 0)

# How many results are kept to see whether they stay as they are.
_KEPT = 8


class Report(NamedTuple):
    """What came of it.

    Attributes
    ----------
    requests, answered, failed, kills, restarts : int
    errors : Counter of str
        How the failed ones failed.
    median_ms, slowest_ms : float
        How long a request took, restarts aside.
    seconds : float
    """

    requests: int
    answered: int
    failed: int
    kills: int
    restarts: int
    errors: Counter[str]
    median_ms: float
    slowest_ms: float
    seconds: float


def soak(requests: int = 10_000, kills: int = 100, seed: int = 0) -> Report:
    """Make requests, and kill the worker at random moments, in requests or between or in starts.

    Raises
    ------
    AssertionError
        An answer is wrong, or something is left.
    """
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, a_workspace() as workspace:
        session = PythonSession(write_worker(Path(folder)), "soak", True, workspace=workspace)
        session.restart()
        before = Traces.of(workspace)
        report = _Soak(session, random.Random(seed)).run(requests, kills)
        session.restart()
        # One worker took another's place: that is all that may have changed.
        assert not {
            name: more
            for name, more in before.more(workspace).items()
            if name not in ("processes", "children") or len(more) > 1
        }
        session.please_exit()
    return report._replace(seconds=time.perf_counter() - begin)


class _Soak:
    def __init__(self, session: PythonSession, chance: random.Random) -> None:
        self._session = session
        self._chance = chance
        self._kept: list[tuple[Any, float]] = []
        self._numbers = 0

    def run(self, requests: int, kills: int) -> Report:
        deadly = set(self._chance.sample(range(requests), kills))
        killers: list[threading.Timer] = []
        errors: Counter[str] = Counter()
        times: list[float] = []
        restarts = 0
        for number in range(requests):
            request = self._chance.choice([self._echo, self._echo, self._double, self._raise])
            if number in deadly:
                # Around the time of a request; one in four a while later, as the next one starts.
                longest = 0.15 if self._chance.random() < 0.25 else 0.003
                killers.append(threading.Timer(self._chance.uniform(0, longest), self._kill))
                killers[-1].start()
            start = time.perf_counter()
            try:
                request()
            except SessionError as error:
                errors[type(error).__name__] += 1
                while True:
                    restarts += 1
                    with suppress(SessionError):  # it, too, can be hit
                        self._session.restart()
                        break
            else:
                times.append((time.perf_counter() - start) * 1000)
        for killer in killers:
            killer.join()
        self._check_kept()
        return Report(
            requests, len(times), errors.total(), kills, restarts, errors,
            statistics.median(times), max(times), 0,
        )  # fmt: skip

    def _kill(self) -> None:
        while not self._session.is_alive():  # so that each of them kills one
            time.sleep(0.001)
        hit(self._session)

    def _echo(self) -> None:
        self._numbers += 1
        answer = self._session.fetch_response(f"echo number {self._numbers}")
        assert answer == f"number {self._numbers}", answer

    def _double(self) -> None:
        self._numbers += 1
        number = self._numbers % 1_000_000  # each an integer that float32 has
        array = np.full(self._chance.choice(_SIZES), number, np.float32)
        result = self._session.calculate("double", array)
        assert result.shape == array.shape
        assert (result == 2 * number).all()
        self._kept.append((result, 2 * number))
        if len(self._kept) > _KEPT:
            self._check_kept()
            self._kept.clear()

    def _raise(self) -> None:
        self._numbers += 1
        said = ""
        try:
            self._session.fetch_response(f"raise number {self._numbers}")
        except WorkerError as error:
            said = error.message
        assert f"ValueError: number {self._numbers}" in said

    def _check_kept(self) -> None:
        for result, value in self._kept:
            assert (result == value).all()


if __name__ == "__main__":
    for name, value in soak(*map(int, sys.argv[1:]))._asdict().items():
        print(f"{name:12} {dict(value) if isinstance(value, Counter) else round(value, 3)}")
