"""An input of a target and a source of chance -> an input a step away, its structure mostly whole.

Sums, sizes and checksums are put right again as often as not: else the first wrong one would hide
all that lies behind it, and coverage alone does not reach past a CRC. Nothing is raised, whatever
the input.
"""

from __future__ import annotations

import ast
import io
import json
import pickletools
import struct
import zipfile
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fuzz.dictionary import words_of
from spec.conformance.mutation import mutated

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Mutator: TypeAlias = Callable[[bytes, Random], bytes]

__all__ = ["mutator_of", "scrambled"]

# Beyond this an input only gets slower.
SIZE_MAX = 1 << 14


def mutator_of(name: str) -> Mutator:
    """Give the mutator of a target."""
    words = words_of(name)
    if name in ("request", "response"):
        return lambda data, random: _json(data, random, words)[:SIZE_MAX]
    if name in ("npy", "npz", "pt", "safetensors"):
        edit = {"npy": _npy, "npz": _archive, "pt": _torch, "safetensors": _safetensors}[name]
        return lambda data, random: edit(data, random, words)[:SIZE_MAX]
    if name.startswith("round_trip"):
        return lambda data, random: scrambled(data, random, words)[:SIZE_MAX]
    return lambda data, random: mutated(data, random)[:SIZE_MAX]


def scrambled(data: bytes, random: Random, words: tuple[bytes, ...]) -> bytes:
    """Change bytes anywhere, without regard to what they mean."""
    edited = bytearray(data)
    for _ in range(1 + _below(random, 3)):
        at = _below(random, len(edited) + 1)
        size = 1 + _below(random, 8)
        kind = _below(random, 7)
        if kind == 0 and at < len(edited):
            edited[at] ^= 1 << _below(random, 8)
        elif kind == 1 and at < len(edited):
            edited[at] = _below(random, 256)
        elif kind == 2:
            del edited[at : at + size]
        elif kind == 3:
            edited[at:at] = random.randbytes(size)
        elif kind == 4:
            edited[at:at] = edited[at : at + size]
        else:
            word = _any(random, words)
            edited[at : at + len(word) * (kind - 5)] = word
    return bytes(edited)


def _below(random: Random, end: int) -> int:
    # random.randrange takes five times as long.
    return int(random.random() * end)


def _any(random: Random, choices: Any) -> Any:
    return choices[_below(random, len(choices))]


# ------------------------------------------------------------------ JSON

_VALUES: tuple[Any, ...] = (
    "", "a", "ok", "error", "a,b", "a b", '"', "\0", "\ud800", "x" * 300, "../../etc/passwd",
    0, -1, 2**64, 1e308, True, None, [], {}, ["a", "b", "c"], [1], {"a": {}}, [[[[]]]],
    "F32", "I8", "I32", [0], [2, 3], [0, 24], [0, 4], [24, 48], [-1], [2**63],
)  # fmt: skip


def _json(data: bytes, random: Random, words: tuple[bytes, ...]) -> bytes:
    if random.random() < 0.4:
        return scrambled(data, random, words)
    try:
        value = json.loads(data)
        _edit(value, random)
        return json.dumps(value, ensure_ascii=random.random() < 0.5).encode()
    except (ValueError, RecursionError):
        return scrambled(data, random, words)


def _edit(value: Any, random: Random) -> None:
    # One change, at a place of any depth.
    while isinstance(value, (dict, list)) and value:
        keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = _any(random, keys)
        if isinstance(value[key], (dict, list)) and value[key] and random.random() < 0.7:
            value = value[key]
            continue
        kind = _below(random, 5)
        if kind == 0:
            del value[key]
        elif kind == 1 and isinstance(value, dict):
            value[_any(random, (*keys, "a", "", "__metadata__"))] = value.pop(key)
        elif kind == 2 and isinstance(value[key], int):
            value[key] += _any(random, (-1, 1, 4, 2**32))
        else:
            value[key] = _any(random, _VALUES)
        return


# ------------------------------------------------------------------ containers of arrays


_DESCRIPTIONS = ("<f4", "|i1", "<i4", ">f4", ">i4", "<f8", "<f2", "|u1", "|O", "|S4", "<U1", "<c8")
_SHAPES: tuple[tuple[int, ...], ...] = (
    (), (6,), (2, 3), (3, 2), (0, 3), (1, 1, 6), (2, 1, 1, 3), (1, 1, 1, 1, 6), (-1,), (2**62, 4),
)  # fmt: skip


def _npy(data: bytes, random: Random, words: tuple[bytes, ...]) -> bytes:
    # Magic and version, the size of the header, a Python literal, the elements.
    width = 2 if data[6:7] == b"\1" else 4
    start = 8 + width
    end = start + int.from_bytes(data[8:start], "little")
    kind = random.random()
    if kind < 0.2 or end > len(data):
        return scrambled(data, random, words)
    text, elements = data[start:end], data[end:]
    if kind < 0.4:
        elements = scrambled(elements, random, words)
    elif kind < 0.6:
        text = scrambled(text, random, words)
    else:
        text, elements = _described(text, elements, random)
    return data[:8] + len(text).to_bytes(4, "little")[:width] + text + elements


def _described(text: bytes, elements: bytes, random: Random) -> tuple[bytes, bytes]:
    # Another header, and mostly as many elements as it says.
    try:
        header = ast.literal_eval(text.decode("latin-1").strip())
        name = _any(random, ("descr", "fortran_order", "shape"))
        choices = {"descr": _DESCRIPTIONS, "fortran_order": (False, True), "shape": _SHAPES}
        header[name] = _any(random, choices[name])
        size = prod(header["shape"]) * np.dtype(header["descr"]).itemsize
    except (ValueError, TypeError, KeyError, SyntaxError, MemoryError, RecursionError):
        return text, elements
    if 0 <= size <= SIZE_MAX and random.random() < 0.8:
        elements = elements[:size].ljust(size, b"\1")
    return f"{header}\n".encode("latin-1", "replace").rjust(len(text)), elements


def _archive(data: bytes, random: Random, words: tuple[bytes, ...]) -> bytes:
    # A member is changed, and the archive packed again around it: its CRC is right.
    if random.random() < 0.3:
        return scrambled(data, random, words)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except Exception:
        return scrambled(data, random, words)
    if not members:
        return scrambled(data, random, words)
    name = _any(random, list(members))
    kind = _below(random, 10)
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[_any(random, (f"{name}x", "../x.npy", "x.npy", "", "a/b.npy"))] = members[name]
    elif name.endswith(".npy"):
        members[name] = _npy(members[name], random, words)
    elif name.endswith("data.pkl") and kind < 7:
        members[name] = _pickle(members[name], random, words)
    else:
        members[name] = scrambled(members[name], random, words)
    packed = io.BytesIO()
    compression = zipfile.ZIP_DEFLATED if random.random() < 0.2 else zipfile.ZIP_STORED
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, member in members.items():
            archive.writestr(zipfile.ZipInfo(name), member, compression)
    return packed.getvalue()


def _torch(data: bytes, random: Random, words: tuple[bytes, ...]) -> bytes:
    # An archive, or in the format before torch 1.6 five pickles, of which the fourth is the value
    # and the fifth lists the storages whose elements follow.
    if data[:2] == b"PK" or random.random() < 0.3:
        return _archive(data, random, words)
    stream, ends = io.BytesIO(data), [0]
    try:
        for _ in range(5):
            for _ in pickletools.genops(stream):
                pass
            ends.append(stream.tell())
    except (ValueError, UnicodeError, OverflowError):
        return scrambled(data, random, words)
    *before, value, storages = (data[start:end] for start, end in pairwise(ends))
    if random.random() < 0.7:
        value = _pickle(value, random, words)
    if random.random() < 0.3:
        storages = _any(random, (b"].", scrambled(storages, random, words)))
    return b"".join((*before, value, storages, data[ends[-1] :]))


def _pickle(data: bytes, random: Random, words: tuple[bytes, ...]) -> bytes:
    # Another number: a size, an offset, a stride.
    try:
        operations = list(pickletools.genops(data))
    except (ValueError, UnicodeError, OverflowError):
        return scrambled(data, random, words)
    places = [
        (start, following)
        for (operation, _, start), (_, _, following) in pairwise(operations)
        if operation.name.startswith("BININT")
    ]
    if not places:
        return scrambled(data, random, words)
    start, end = _any(random, places)
    number = _any(random, (0, 1, 2, 3, 5, 6, 7, 24, 100, 1000, 2**31 - 1, -1))
    return data[:start] + struct.pack("<ci", b"J", number) + data[end:]


def _safetensors(data: bytes, random: Random, words: tuple[bytes, ...]) -> bytes:
    # The size of the header, JSON, the elements.
    end = 8 + int.from_bytes(data[:8], "little")
    if random.random() < 0.2 or end > len(data):
        return scrambled(data, random, words)
    text = _json(data[8:end], random, words)
    elements = data[end:]
    if random.random() < 0.3:
        elements = scrambled(elements, random, words)
    if random.random() < 0.5:
        text = text.ljust(-(-len(text) // 8) * 8)
    return struct.pack("<Q", len(text)) + text + elements
