"""Work for several threads -> its results in order. No numpy.

Worth it only for functions that let other threads run meanwhile: those of `tsr.compression`, and
digests.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from concurrent.futures import Future, ThreadPoolExecutor
    from threading import Event
    from typing import TypeVar

    _Argument = TypeVar("_Argument")
    _Result = TypeVar("_Result")

__all__ = ["in_order", "thread_count"]

# What is in work, some 8 MiB a thread, is to stay small on the largest machine.
_THREADS_MAX = 16


def in_order(
    function: Callable[[_Argument], _Result],
    arguments: Iterable[_Argument],
    workers: int,
    stop: Event | None = None,
) -> Generator[_Result, None, None]:
    """Give what a function makes of each argument, in order, made by several threads.

    Arguments are taken as the threads need them: at most twice as many as there are threads
    wait for their turn. When the interpreter ends no thread can be started any more, and the
    calling one does the work. `stop` is set once no more results are wanted: a function that may
    take long looks at it, for the end, Ctrl-C too, waits for what is in work.
    """
    pool = _pool(workers) if workers > 1 else None
    if pool is None:
        yield from map(function, arguments)
        return
    try:
        pending: deque[Future[_Result]] = deque()
        for argument in arguments:
            pending.append(_submit(pool, function, argument))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        if stop is not None:
            stop.set()
        pool.shutdown(cancel_futures=True)


def thread_count(tasks: int) -> int:
    """Give the number of threads for so many tasks: as many as there are CPUs for this process."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(tasks, cpus or 1, _THREADS_MAX)


def _pool(workers: int) -> ThreadPoolExecutor | None:
    try:
        from concurrent.futures import ThreadPoolExecutor  # 18 ms

        return ThreadPoolExecutor(workers)
    except RuntimeError:  # the interpreter is ending
        return None


def _submit(
    pool: ThreadPoolExecutor, function: Callable[[_Argument], _Result], argument: _Argument
) -> Future[_Result]:
    try:
        return pool.submit(function, argument)
    except RuntimeError:  # the interpreter is ending, or has no room for another thread
        from concurrent.futures import Future

        done: Future[_Result] = Future()
        done.set_result(function(argument))
        return done
