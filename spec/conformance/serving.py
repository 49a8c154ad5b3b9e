"""A function bytes -> answer becomes a program under the protocol of ``spec/conformance.md``.

Inputs come from standard input, answers go to standard output; for implementations in Python.
"""

from __future__ import annotations

import os
import sys
from hashlib import sha256
from json import JSONEncoder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["accepted", "refused", "serve", "skipped"]

_encode = JSONEncoder(separators=(",", ":")).encode
_CHUNK = 1 << 20


def accepted(format: str, tensors: Iterable[tuple[str, Iterable[int], Any]]) -> dict[str, Any]:
    """Make the answer for a valid file of tensors, each with dtype, shape and elements."""
    return {
        "format": format,
        "tensors": [
            {"dtype": dtype, "shape": [*shape], "sha256": sha256(elements).hexdigest()}
            for dtype, shape, elements in tensors
        ],
    }


def refused(clause: str, field: str, offset: int) -> dict[str, Any]:
    """Make the answer for an invalid file."""
    return {"clause": clause, "field": field, "offset": offset}


def skipped(reason: str) -> dict[str, Any]:
    """Make the answer for a file that the implementation cannot judge."""
    return {"skip": reason}


def serve(answer: Callable[[bytes], dict[str, Any]]) -> None:
    """Answer inputs until there are no more.

    All the answers to what has come so far are written before more is waited for.
    """
    received = bytearray()
    while chunk := os.read(sys.stdin.fileno(), _CHUNK):
        received += chunk
        lines = [_encode(answer(data)) for data in _inputs(received)]
        _write("".join(f"{line}\n" for line in lines).encode())


def _inputs(received: bytearray) -> Iterator[bytes]:
    # Those that are whole; what is left stays.
    start, end = 0, len(received)
    while end - start >= 8:
        size = int.from_bytes(received[start : start + 8], "little")
        if end - start < 8 + size:
            break
        start += 8
        yield bytes(received[start : start + size])
        start += size
    del received[:start]


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]
