"""A plan -> the ways to work with another process, by column of the report.

A way whose library is not installed is left out, and said to be missing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from tests.bench.session.peer import Peer

__all__ = ["WAYS", "Places", "Way", "available", "missing"]


class Places(NamedTuple):
    """Where files go: a directory in memory, and one on a disk or None."""

    memory: str
    disk: str | None


class Way(NamedTuple):
    """How to open a peer.

    Attributes
    ----------
    text : str
        What the legend says.
    needs : str
        The module it cannot do without.
    open : callable
        Given `Places` starts a worker; None where there is no place.
    """

    text: str
    needs: str
    open: Callable[[Places], Callable[[], Peer] | None]


def _peer(module: str, name: str) -> Callable[..., Peer]:
    # Imported when it is asked for: what it needs may not be there.
    found: Callable[..., Peer] = getattr(import_module(f"tests.bench.session.{module}"), name)
    return found


def _on_disk(places: Places) -> Callable[[], Peer] | None:
    return None if places.disk is None else partial(_peer("tsr_session", "TsrSession"), places.disk)


WAYS = {
    "tsr": Way(
        "PythonSession with a worker of TechRenaissanceServer, in memory",
        "session",
        lambda places: partial(_peer("tsr_session", "TsrSession"), places.memory),
    ),
    "by hand": Way(
        "the same files and status lines with os, json, inotify_simple and mmap alone",
        "inotify_simple",
        lambda places: partial(_peer("by_hand", "ByHand"), places.memory),
    ),
    "shared memory": Way(
        "multiprocessing: SharedMemory that is kept, the worker negates from one half into the "
        "other, the result a view; messages through a Pipe",
        "multiprocessing",
        lambda places: _peer("piped", "SharedMemoryPiped"),
    ),
    "Pipe": Way(
        "multiprocessing.Pipe to a spawned Process, arrays pickled",
        "multiprocessing",
        lambda places: _peer("piped", "Piped"),
    ),
    "ZeroMQ": Way(
        "zmq.PAIR over ipc, multipart messages with copy=False",
        "zmq",
        lambda places: partial(_peer("zeromq", "ZeroMQ"), places.memory),
    ),
    "Appose": Way(
        "its Python worker and NDArrays that are kept, negated in place, the result a view",
        "appose",
        lambda places: _peer("by_appose", "Appose"),
    ),
    "executor": Way(
        "ProcessPoolExecutor with one spawned process",
        "concurrent.futures",
        lambda places: _peer("executor", "Executor"),
    ),
    "tsr on disk": Way("tsr with its workspace on a disk", "session", _on_disk),
    "tsr, polling": Way(
        "tsr with TR_POLLING=1, which looks again after 32 ms to 1,024 ms",
        "session",
        lambda places: partial(_peer("tsr_session", "TsrSession"), places.memory, polling=True),
    ),
}


def available(places: Places) -> dict[str, Callable[[], Peer]]:
    """Give what opens a peer of each way that there is here."""
    openers = {
        name: way.open(places) for name, way in WAYS.items() if find_spec(way.needs) is not None
    }
    return {name: opener for name, opener in openers.items() if opener is not None}


def missing(places: Places) -> dict[str, str]:
    """Tell which ways there are not, and why."""
    found = available(places)
    return {
        name: "no disk" if find_spec(way.needs) is not None else f"{way.needs} is not installed"
        for name, way in WAYS.items()
        if name not in found
    }
