"""Batches of work -> the workers of a dask cluster, and what came of each as it is ready.

Raises `ConnectionError` where the scheduler or all workers are gone and stay away.
"""

from __future__ import annotations

import errno
import os
import signal
from collections import deque
from contextlib import ExitStack, contextmanager
from logging import CRITICAL
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tsr.errors import ConversionError, UnsupportedError
from tsr.extras import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["LOCAL", "completed", "connected"]

# In place of an address: a cluster of this machine, for as long as it takes.
LOCAL = "local"

# What each thread of the cluster has ahead of it: enough to never wait for the client, few enough
# that what is begun and not done stays little.
_AHEAD = 3

# Seconds between two looks at whether anybody is still there.
_LOOK = 1.0


class _Batch(Protocol):
    @property
    def packed(self) -> bytes: ...
    def singles(self) -> list[Any]: ...


_AnyBatch = TypeVar("_AnyBatch", bound=_Batch)


@contextmanager
def connected(client: Any) -> Iterator[Any]:
    """Give a client for an address, `LOCAL`, or None for the one that is current.

    Raises
    ------
    UnsupportedError
        It is none of these, or there is no current one.
    OSError
        Nobody answers at the address.
    """
    distributed = require("distributed", "dask", "tsr.dask.convert")
    if client is None:
        try:
            client = distributed.default_client()
        except ValueError:
            raise UnsupportedError(
                "client: got None and there is no current one; expected a distributed.Client, "
                "an address, or 'local'"
            ) from None
    if isinstance(client, str):
        with _made(distributed, client) as made:
            yield made
        return
    if not isinstance(client, distributed.Client) or client.asynchronous:
        raise UnsupportedError(
            f"client: got {client!r}, expected a distributed.Client that is not asynchronous",
            given=type(client),
        )
    yield client


def completed(
    client: Any,
    function: Callable[[bytes], Any],
    batches: Iterator[_AnyBatch],
    patience: float,
) -> Iterator[tuple[_AnyBatch, Any]]:
    """Have the workers call `function` for each batch; give the results as they come.

    Batches are taken as they are needed, a few for each thread of the cluster. What a worker was
    at when it died, dask gives to another; where that repeats itself (dask's
    ``allowed-failures``), the files of the batch are tried one at a time at the end, and the
    result of the one that is to blame is the `ConversionError` that says so.

    Parameters
    ----------
    client : distributed.Client
    function : callable
    batches : iterator
    patience : float
        Seconds to wait for a worker where there is none.

    Raises
    ------
    ConnectionError
        There is none after that, or no scheduler. What was given was done; the rest is cancelled,
        as it is where the caller gives up.
    """
    suspects: deque[Any] = deque()
    for batch, result in _windowed(client, function, batches, None, patience):
        if isinstance(result, Exception):
            suspects.extend(batch.singles())
        else:
            yield batch, result
    yield from _windowed(client, function, iter(suspects), 1, patience)


@contextmanager
def _made(distributed: Any, address: str) -> Iterator[Any]:
    if address != LOCAL:
        try:
            with _starting():
                client = distributed.Client(address, set_as_default=False)
        except (ValueError, ImportError, TypeError) as error:
            raise UnsupportedError(
                f"client: got {address!r}, expected an address such as tcp://host:8786, or "
                f"'local': {error}"
            ) from error
        with client:
            yield client
        return
    with _local(distributed) as client:
        yield client


@contextmanager
def _local(distributed: Any) -> Iterator[Any]:
    # A terminal sends Ctrl-C to the workers too, and a cluster that is half made or half closed
    # cannot be closed: what is started while the signal is held never gets it, and this process
    # gets it as soon as all is there.
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with ExitStack() as stack:
        stack.callback(_hold_interrupt, False)
        _hold_interrupt(True)
        # Pages of mapped files count as memory that a process takes, and are none that it needs:
        # no limit that would have workers paused or killed.
        with _starting():
            cluster = distributed.LocalCluster(
                n_workers=cpus or 1, threads_per_worker=1, processes=True, memory_limit=0,
                dashboard_address="127.0.0.1:0", silence_logs=CRITICAL,
            )  # fmt: skip
        stack.enter_context(cluster)
        client = stack.enter_context(distributed.Client(cluster, set_as_default=False))
        stack.callback(_hold_interrupt, True)
        _hold_interrupt(False)
        yield client


@contextmanager
def _starting() -> Iterator[None]:
    # distributed gives its own thread a fixed ten seconds to start, and asserts that it did.
    try:
        yield
    except AssertionError as error:
        raise ConnectionError(
            errno.ETIMEDOUT, "dask's own thread did not start in time: is the machine overloaded?"
        ) from error


def _hold_interrupt(hold: bool) -> None:
    # Threads and processes that are started meanwhile hold it for good.
    if not hasattr(signal, "pthread_sigmask"):  # Windows has none
        return
    from multiprocessing.resource_tracker import ensure_running

    ensure_running()  # it lets the signal through when it starts
    signal.pthread_sigmask(signal.SIG_BLOCK if hold else signal.SIG_UNBLOCK, {signal.SIGINT})


def _windowed(
    client: Any, function: Any, batches: Iterator[Any], width: int | None, patience: float
) -> Iterator[tuple[Any, Any]]:
    # The results, or what came of workers that died.
    ready: SimpleQueue[Any] = SimpleQueue()
    working: dict[str, tuple[Any, Any]] = {}
    looked, ahead = monotonic() - _LOOK, width or 1

    def collect() -> tuple[Any, Any]:
        future = _wait(client, ready, patience)
        batch, _ = working.pop(future.key)
        return batch, _result(future, patience)

    try:
        for batch in batches:
            future = client.submit(function, batch.packed, pure=False)
            working[future.key] = batch, future
            future.add_done_callback(ready.put)
            if width is None and monotonic() - looked >= _LOOK:  # a cluster may grow and shrink
                looked, ahead = monotonic(), max(1, _AHEAD * _threads(client))
            while len(working) >= ahead:
                yield collect()
        while working:
            yield collect()
    finally:
        if working and client.status == "running":
            client.cancel([future for _, future in working.values()], force=True)


def _threads(client: Any) -> int:
    try:
        return sum(client.nthreads().values())
    except OSError as error:
        raise _lost(client, "the scheduler does not answer") from error


def _wait(client: Any, ready: SimpleQueue[Any], patience: float) -> Any:
    # The next future that is ready, for as long as there is somebody to wait for.
    since = None
    while True:
        try:
            return ready.get(timeout=min(_LOOK, patience))
        except Empty:
            pass
        if client.status not in ("running", "connecting"):
            raise _lost(client, "the scheduler is gone")
        if client.status == "running" and _threads(client):
            since = None
            continue
        since = since or monotonic()
        if monotonic() - since > patience:
            raise _lost(client, f"no worker for {patience:g} seconds")


def _result(future: Any, patience: float) -> Any:
    from distributed import KilledWorker

    if future.status == "cancelled":
        raise _lost(future.client, "the scheduler is gone, or has cancelled the work")
    try:
        return future.result(timeout=max(patience, 10))
    except KilledWorker as error:
        return ConversionError(f"{error.allowed_failures + 1} workers died over it")
    except ImportError as error:
        raise ConversionError(
            f"the workers lack a package, or have another version of it: {error}"
        ) from error
    except TimeoutError as error:
        raise _lost(future.client, "a worker does not give its results") from error


def _lost(client: Any, what: str) -> ConnectionError:
    address = getattr(client.scheduler, "address", None) or "the cluster"
    return ConnectionError(
        errno.ECONNABORTED, f"{what}; the same command goes on where this one ended", address
    )
