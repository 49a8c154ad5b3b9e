"""Round trips of a session: its client in C++, by hand in C++, and in Python; workers in Python."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from tests.bench.cpp.program import Program, build, build_session
from tests.bench.harness import Ways
from tests.bench.session import by_hand
from tests.bench.session.tsr_session import WORKER, TsrSession

__all__ = ["works"]

SIZES = {"4 KB": 1_000, "1 MB": 250_000, "64 MB": 16_000_000}


def works(folder: str, quick: bool) -> Iterator[tuple[str, Ways]]:
    """Give each work and its ways, for as long as the next one is not asked for."""
    binary = build("session_ways.cpp", folder, *build_session(folder))
    command = [binary, folder, sys.executable, str(WORKER), by_hand.__file__]
    python = TsrSession(folder)
    try:
        with Program(command, {**os.environ, "TR_PYTHON": sys.executable}) as program:

            def ways(work: str, call: Any) -> tuple[str, Ways]:
                cpp: dict[str, Any] = {way: program.way(f"{work}: {way}") for way in WAYS}
                return work, {**cpp, "Python": call}

            yield ways("text", partial(python.echo, "hello"))
            for size, length in list(SIZES.items())[: 1 if quick else None]:
                array = np.full(length, 1.5, np.float32)
                yield ways(size, partial(_negate, python, array))
    finally:
        python.close()


WAYS = ("tsr", "by hand")


def _negate(session: TsrSession, array: Any) -> object:
    (result,) = session.negate([array])
    return result.reshape(-1).view(np.uint8)[::4096].sum()
