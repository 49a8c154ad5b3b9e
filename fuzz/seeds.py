"""What a target is first run on: valid inputs, and each of the ways to be wrong that is known.

For the formats of this project these are the test vectors of ``spec/vectors``; for the others,
small files that numpy, safetensors and torch write. Then the committed corpus: what earlier runs
found to reach further.
"""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spec.conformance.vectors import cases

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CORPUS", "CRASHES", "corpus_of", "crashes_of", "few_seeds_of", "seeds_of"]

CORPUS = Path(__file__).with_name("corpus")
CRASHES = Path(__file__).with_name("crashes")

# Targets whose inputs are of no format of this project's, or no file at all.
OTHERS = ("npy", "npz", "safetensors", "pt")
MESSAGES = ("request", "response")

# Large inputs are slow ones, and hold no more.
_SIZE_MAX = 1 << 13

_MESSAGES = (
    {"command": "add", "parameters": "a b", "timestamp": 1, "id": "7"},
    {"command": "add", "parameters": "a b", "id": "7", "cmd": "add", "params": "a,b"},
    {"command": " x ", "parameters": "\ud800\0\"'\\"},
    {"cmd": "hello", "params": "world"},
    {"command": "add", "result": "ok", "message": "", "timestamp": 1, "id": "7"},
    {"command": "add", "result": "ok", "message": "", "tensors": ["a", "b"], "id": ""},
    {"command": "add", "result": "error", "message": "ValueError: no", "timestamp": 1, "id": "7"},
)  # fmt: skip
_PASTED = (
    b'{"cmd":"hello","params":"a "quoted" word"}',
    b'{"cmd":"hello","params":"C:\\new"}',
    b'{ "cmd" : "a\nb" , "params" : "" }\n',
    b'{"cmd":"","params":""}',
    b'{"command":1,"parameters":[]}',
    b"\xff\xfe{}",
    b"[" * 2000,
)


def corpus_of(name: str) -> list[bytes]:
    """Give the committed inputs of a target, in the order of their names."""
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


def crashes_of(name: str) -> list[Path]:
    """Give the files with which a target once failed."""
    return sorted(path for path in (CRASHES / name).glob("*") if path.is_file())


@cache
def seeds_of(name: str, *, corpus: bool = True) -> list[bytes]:
    """Give all that a run of a target begins with, without repetition."""
    return list(dict.fromkeys([*_first(name), *(corpus_of(name) if corpus else ())]))


def few_seeds_of(name: str) -> list[bytes]:
    """Give few seeds of a target. Files of this project's formats are valid ones."""
    if name in ("header", *OTHERS, *MESSAGES) or name.startswith("round_trip"):
        return seeds_of(name, corpus=False)
    valid = [case.data for case in cases() if case.expected.kind == "accepted"]
    return [data for data in valid if len(data) <= 1 << 10]


def _first(name: str) -> Iterator[bytes]:
    if name in MESSAGES:
        yield from (json.dumps(fields).encode() for fields in _MESSAGES)
        yield from _PASTED
    elif name.startswith("round_trip"):
        for kind in range(7):
            for ndim in range(5):
                for last in (0, 255):
                    parameters = (kind, ndim, 2, 3, 1, 2, 4 * kind + ndim, last)
                    yield bytes(parameters) + bytes(range(256))
    elif name in OTHERS:
        yield from _written(name)
    elif name == "header":
        yield from (case.data[:64] for case in cases(["v1"]))
    else:
        yield from (case.data for case in cases() if len(case.data) <= _SIZE_MAX)


def _written(name: str) -> Iterator[bytes]:
    small = np.arange(6, dtype=np.float32).reshape(2, 3)
    others = [np.int32(7)[()], np.array([[1], [2]], np.int8), np.zeros((0, 3), np.float32)]
    arrays = [small, *map(np.asarray, others)]
    if name == "npy":
        more = [np.asfortranarray(small), small.astype(np.float64), np.array(["a"])]
        yield from map(_npy, [*arrays, *more])
    elif name == "npz":
        for save in (np.savez, np.savez_compressed):
            file = io.BytesIO()
            save(file, **{f"a{index}": array for index, array in enumerate(arrays)})  # type: ignore[arg-type] # numpy's hints mix names and options
            yield file.getvalue()
    elif name == "safetensors":
        from safetensors.numpy import save as dumps

        yield dumps({"weight": small})
        yield dumps({f"a.{index}": array for index, array in enumerate(arrays)}, {"by": "hand"})
    else:
        yield from _pickled(arrays)


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _pickled(arrays: list[Any]) -> Iterator[bytes]:
    import torch

    tensors = {str(index): torch.from_numpy(array) for index, array in enumerate(arrays)}
    shared = tensors["0"]
    values = (shared, tensors, {"a": {"b": [shared, shared.T]}, "n": 1, "f": 0.5, "s": "x"})
    for value in values:
        for zipped in (True, False):
            file = io.BytesIO()
            torch.save(value, file, _use_new_zipfile_serialization=zipped)
            yield file.getvalue()
