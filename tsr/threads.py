"""Work for several threads -> its results in order. No numpy.

Worth it only for functions that let other threads run meanwhile: those of `tsr.compression`.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from typing import TypeVar

    _Argument = TypeVar("_Argument")
    _Result = TypeVar("_Result")

__all__ = ["in_order", "thread_count"]


def in_order(
    function: Callable[[_Argument], _Result], arguments: Iterable[_Argument], workers: int
) -> Iterator[_Result]:
    """Give what a function makes of each argument, in order, made by several threads.

    Arguments are taken as the threads need them: at most twice as many as there are threads
    wait for their turn.
    """
    if workers < 2:
        yield from map(function, arguments)
        return
    from concurrent.futures import ThreadPoolExecutor  # 18 ms

    pool = ThreadPoolExecutor(workers)
    try:
        pending: deque[Future[_Result]] = deque()
        for argument in arguments:
            pending.append(pool.submit(function, argument))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def thread_count(tasks: int) -> int:
    """Give the number of threads for so many tasks: as many as there are CPUs for this process."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(tasks, cpus or 1)
